//! Real events to real receivers, by real sockets.
#![expect(clippy::disallowed_methods, reason = "the receiver under the tests is a task")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::spool::{Spool, names};
use super::super::{Post, Reply, Sender, Webhook};
use super::{Duration, Event, SECRET, event, webhook};
use crate::call::{CallView, Happening, Milestone};
use crate::records::sample;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a receiver was sent.
struct Received {
    headers: HeaderMap,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).expect("the header").to_str().expect("text")
    }

    fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

/// A receiver that answers the nth request by `answer`.
struct Receiver {
    url: String,
    received: mpsc::Receiver<Received>,
}

impl Receiver {
    async fn start(answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let (put, received) = mpsc::channel(1000);
        let count = Arc::new(AtomicUsize::new(0));
        let answers = move |headers: HeaderMap, body: String| {
            let nth = count.fetch_add(1, Ordering::SeqCst);
            assert!(put.try_send(Received { headers, body }).is_ok(), "there is room");
            std::future::ready(answer(nth))
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answers)).into_future());
        Self { url, received }
    }

    async fn taking_all() -> Self {
        Self::start(|_| StatusCode::NO_CONTENT.into_response()).await
    }

    async fn next(&mut self) -> Received {
        let received = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        received.expect("an event in time").expect("the receiver is there")
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.next().await.id().to_owned());
        }
        ids
    }
}

fn sender(webhook: Webhook) -> Sender {
    Sender::new(webhook).expect("a way to it")
}

fn post(data: &TempDir, webhook: Webhook) -> Post {
    Post::start(data.path().to_owned(), vec![sender(webhook)])
}

fn happening(call: u64, what: Milestone) -> Happening {
    let call = CallView::of_record(sample::record(call));
    Happening { what, at: jiff::Timestamp::now(), call }
}

/// What waits in the spool of the webhook.
async fn waiting(data: &TempDir) -> Vec<String> {
    let mut spool = Spool::open(data.path(), "crm").await.expect("a spool");
    let events = spool.read(0, 1000).await.expect("it can be read");
    spool.close().await;
    events.into_iter().map(|spooled| spooled.event.id).collect()
}

/// The signature as another implementation makes it.
fn by_openssl(key: &[u8], text: &str) -> String {
    let hex = key.iter().fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    openssl.stdin.take().expect("piped").write_all(text.as_bytes()).expect("openssl reads");
    let signed = openssl.wait_with_output().expect("openssl ends");
    format!("v1,{}", BASE64_STANDARD.encode(signed.stdout))
}

#[tokio::test]
async fn events_of_a_call_come_in_order_signed_as_another_implementation_signs_them() {
    let data = TempDir::new().expect("a folder");
    let mut receiver = Receiver::taking_all().await;
    let post = post(&data, webhook(&receiver.url));
    let milestones = [Milestone::Started, Milestone::Identified, Milestone::Verified, Milestone::Ended];
    for what in milestones {
        post.tell(happening(2, what));
    }
    let key = BASE64_STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
    for what in milestones {
        let told = receiver.next().await;
        assert_eq!(told.id(), format!("0000000000000002-{}", what.kind().as_str()));
        assert_eq!(told.header("content-type"), "application/json");
        let seconds: i64 = told.header("webhook-timestamp").parse().expect("seconds");
        assert!((jiff::Timestamp::now().as_second() - seconds).abs() < 300);
        let signed = format!("{}.{seconds}.{}", told.id(), told.body);
        assert_eq!(told.header("webhook-signature"), by_openssl(&key, &signed));
    }
    post.finish().await;
    assert!(waiting(&data).await.is_empty());
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_under_the_same_id_and_what_follows_waits() {
    let data = TempDir::new().expect("a folder");
    let refusals = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_FOUND];
    let answer = move |nth: usize| refusals.get(nth).copied().unwrap_or(StatusCode::OK).into_response();
    let mut receiver = Receiver::start(answer).await;
    let post = post(&data, webhook(&receiver.url));
    post.tell(happening(2, Milestone::Started));
    post.tell(happening(2, Milestone::Ended));
    let ids = receiver.ids(4).await;
    let [started, ended] = ["0000000000000002-started", "0000000000000002-ended"];
    assert_eq!(ids, [started, started, started, ended]);
    post.finish().await;
    assert!(waiting(&data).await.is_empty());
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let mut elsewhere = Receiver::taking_all().await;
    let url = elsewhere.url.clone();
    let receiver = Receiver::start(move |_| Redirect::temporary(&url).into_response()).await;
    let reply = sender(webhook(&receiver.url)).send(&event(1, 1)).await;
    assert_eq!(reply, Reply::Status(StatusCode::TEMPORARY_REDIRECT, None));
    assert!(elsewhere.received.try_recv().is_err());
}

#[tokio::test]
async fn what_a_receiver_that_is_away_has_missed_comes_from_the_next_process() {
    let data = TempDir::new().expect("a folder");
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    };
    let before = post(&data, webhook(&away));
    for call in 1..=20 {
        before.tell(happening(call, Milestone::Started));
        before.tell(happening(call, Milestone::Ended));
    }
    before.finish().await;
    let left = waiting(&data).await;
    assert_eq!(left.len(), 40);
    let mut receiver = Receiver::taking_all().await;
    let after = post(&data, webhook(&receiver.url));
    let mut ids = receiver.ids(40).await;
    ids.sort();
    let mut expected = left.clone();
    expected.sort();
    assert_eq!(ids, expected, "once each");
    after.finish().await;
    assert!(waiting(&data).await.is_empty());
    assert!(receiver.received.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_says_it_is_gone_is_sent_nothing_more_until_it_is_configured_anew() {
    let data = TempDir::new().expect("a folder");
    let mut receiver =
        Receiver::start(|nth| [StatusCode::GONE, StatusCode::OK][nth.min(1)].into_response()).await;
    let webhook = Webhook { max_concurrent: 1, ..webhook(&receiver.url) };
    let post = post(&data, webhook.clone());
    post.tell(happening(1, Milestone::Started));
    receiver.next().await;
    post.tell(happening(2, Milestone::Started));
    post.set(vec![sender(Webhook { timeout: Duration::from_secs(9), ..webhook })]);
    post.tell(happening(3, Milestone::Started));
    assert_eq!(receiver.next().await.id(), "0000000000000003-started");
    post.finish().await;
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_is_taken_away_is_dropped_and_others_go_on() {
    let data = TempDir::new().expect("a folder");
    let mut receiver = Receiver::taking_all().await;
    let other = Webhook { name: "other".to_owned(), ..webhook(&receiver.url) };
    // Nobody listens on port 9 of the loopback.
    let senders = vec![sender(webhook("http://127.0.0.1:9/")), sender(other.clone())];
    let post = Post::start(data.path().to_owned(), senders);
    post.tell(happening(1, Milestone::Started));
    receiver.next().await;
    post.set(vec![sender(other.clone())]);
    post.tell(happening(1, Milestone::Ended));
    assert_eq!(receiver.next().await.id(), "0000000000000001-ended");
    post.finish().await;
    assert_eq!(names(data.path()), ["other"]);
    let none = Post::start(data.path().to_owned(), Vec::new());
    none.finish().await;
    assert!(names(data.path()).is_empty());
}

#[tokio::test]
async fn a_receiver_is_told_what_it_wants_of_the_lines_that_it_wants() {
    let data = TempDir::new().expect("a folder");
    let mut receiver = Receiver::taking_all().await;
    let post = post(
        &data,
        Webhook {
            events: [Milestone::Verified.kind()].into(),
            lines: Some(["1001".to_owned()].into()),
            ..webhook(&receiver.url)
        },
    );
    // The calls of even numbers are to line 1000, the others to 1001.
    for call in 2..=5 {
        post.tell(happening(call, Milestone::Started));
        post.tell(happening(call, Milestone::Verified));
    }
    let mut ids = receiver.ids(2).await;
    ids.sort();
    assert_eq!(ids, ["0000000000000003-verified", "0000000000000005-verified"]);
    post.finish().await;
    assert!(receiver.received.try_recv().is_err());
}

#[tokio::test]
async fn beyond_its_room_a_spool_takes_nothing_and_keeps_what_it_has() {
    let data = TempDir::new().expect("a folder");
    let post = post(&data, Webhook { spool: 10, ..webhook("http://127.0.0.1:9/") });
    for call in 1..=50 {
        post.tell(happening(call, Milestone::Started));
    }
    post.finish().await;
    let kept: Vec<String> = (1..=10).map(|call| format!("{call:016x}-started")).collect();
    assert_eq!(waiting(&data).await, kept);
}

/// What docs/webhooks.md says of checking a signature by shell.
#[tokio::test]
async fn the_shell_of_the_manual_tells_a_true_event_from_a_forged_one() {
    let manual = include_str!("../../../docs/webhooks.md");
    let script = manual.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a script");
    let mut receiver = Receiver::taking_all().await;
    sender(webhook(&receiver.url)).send(&Event::test(1, jiff::Timestamp::now())).await;
    let told = receiver.next().await;
    let check = |body: &str| {
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .env("SECRET", SECRET)
            .env("ID", told.id())
            .env("TIMESTAMP", told.header("webhook-timestamp"))
            .env("SIGNATURE", told.header("webhook-signature"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        shell.stdin.take().expect("piped").write_all(body.as_bytes()).expect("the shell reads");
        let output = shell.wait_with_output().expect("the shell ends");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(check(&told.body), "genuine");
    assert_eq!(check(&told.body.replace("test", "tset")), "forged");
}
