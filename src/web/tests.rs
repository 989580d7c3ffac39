//! The web side over real HTTP on loopback: every resource, every refusal, the event stream, hostile text.

mod access;
mod audit;
mod locks;
mod privacy;
mod provider;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

use super::door::Door;
use super::live::Change;
use super::provider::Desk;
use super::routes::{self, Needs};
use super::{
    App, EraseRequest, KnownToken, Live, Readiness, STREAMS_MAX, Settings, State, SwitchRequest, serve,
};
use crate::access::{Key, Lifetimes, Name, Scopes};
use crate::call::record::{AniSource, Verdict};
use crate::call::{
    CallRecord, CallView, Emergencies, HandOverOutcome, HandOverView, RegistrationView, RegistrationWord,
    ServerView, Stage, TrunkState, TrunkView,
};
use crate::locks::{Limits, Locks, Place};
use crate::records::pseudonyms::{Pseudonyms, Rotation};
use crate::records::{Accounts, Audit, Kept, Retention, Store, Writer, sample};

/// So long that no sample is ever too old.
const FOREVER: std::time::Duration = std::time::Duration::from_hours(100 * 365 * 24);

/// Keys of pseudonyms that do not change while a test runs.
const ROTATION: Rotation = Rotation { every: FOREVER, kept: FOREVER };
/// What opens everything, and the key in the link of a demo.
const TOKEN: &str = "everything-that-there-is";
const LINK: &str = "the-key-in-the-link";

/// A server of its own for each test.
struct Site {
    address: std::net::SocketAddr,
    /// Asks with a token that opens everything.
    client: Client,
    settings: watch::Sender<Arc<Settings>>,
    /// What every route needs.
    table: Vec<(axum::http::Method, &'static str, Needs)>,
    live: Arc<Live>,
    store: Store,
    locks: Locks,
    ready: watch::Sender<Readiness>,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
    folder: TempDir,
}

async fn site() -> Site {
    site_after([]).await
}

/// A server over a database that already holds records.
async fn site_after(records: impl IntoIterator<Item = CallRecord>) -> Site {
    site_with(records, settings()).await
}

/// Settings with one token.
fn settings() -> Settings {
    let name = Name::parse("test").expect("a name");
    let token = KnownToken { name, hash: Key::shown(TOKEN).hash(), scopes: Scopes::all() };
    Settings {
        names: vec!["portero.example".to_owned()],
        tokens: vec![token],
        lifetimes: Lifetimes { idle: FOREVER, whole: FOREVER },
        open_metrics: false,
        provider: None,
        tls: None,
    }
}

/// A client that follows no redirects, and asks with this token.
fn client(token: Option<&str>) -> Client {
    let value = |token| HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
    let headers = token.map(|token| (header::AUTHORIZATION, value(token)));
    let client = Client::builder().redirect(Policy::none()).default_headers(HeaderMap::from_iter(headers));
    client.build().expect("a client")
}

#[expect(clippy::disallowed_methods, reason = "a test runs its server beside itself")]
async fn site_with(records: impl IntoIterator<Item = CallRecord>, settings: Settings) -> Site {
    // reqwest asks for one even where it only speaks plain HTTP. Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = Store::open(folder.path()).await.expect("opened");
    sample::keep(&store, records).await;
    let locks = Locks::start(Place::Folder(folder.path().to_owned()), Limits::USUAL).await.expect("opened");
    let live = Arc::new(Live::new());
    let (ready, readiness) = watch::channel(Readiness::Starting);
    let (erasures, mut to_erase) = tokio::sync::mpsc::channel(1);
    let (traces, mut traces_asked) = tokio::sync::mpsc::channel(1);
    let (switches, mut switches_asked) = tokio::sync::mpsc::channel::<SwitchRequest>(1);
    let (settings, settings_in_effect) = watch::channel(Arc::new(settings));
    let state = State {
        live: Arc::clone(&live),
        store: store.clone(),
        audit: Audit::start(folder.path()),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        ready: readiness,
        settings: settings_in_effect,
        link: Some(Key::shown(LINK)),
        dial: vec!["sip:1000@127.0.0.1:5060".to_owned(), "sip:1002@127.0.0.1:5060".to_owned()],
        reload: tokio::sync::mpsc::channel(1).0,
        traces,
        switches,
        locks: locks.clone(),
        folder: folder.path().to_owned(),
        erasures,
        pseudonyms: Arc::new(Pseudonyms::open(folder.path(), ROTATION).expect("keys")),
    };
    let erasing = store.clone();
    tokio::spawn(async move {
        while let Some(EraseRequest { person, reply }) = to_erase.recv().await {
            let writer = Writer::start(&erasing, Kept::EVERYTHING, |_| ()).expect("started");
            let erased = writer.eraser().erase(person).await;
            writer.drain().await;
            let _ = reply.send(erased.map_err(|error| error.to_string()));
        }
    });
    tokio::spawn(async move {
        while let Some(asked) = traces_asked.recv().await {
            let trace = (asked.call == sample::trace(1).call).then(|| sample::trace(1));
            let _ = asked.reply.send(trace);
        }
    });
    tokio::spawn(async move {
        let mut emergencies = Emergencies::default();
        while let Some(asked) = switches_asked.recv().await {
            let turned = match &asked.turn {
                Some((Some(name), _)) if name != "1000" => Err(format!("there is no line `{name}`")),
                Some((name, on)) => {
                    emergencies.turn(name.as_deref(), *on);
                    Ok(())
                }
                None => Ok(()),
            };
            let _ = asked.reply.send(turned.map(|()| emergencies.clone()));
        }
    });
    let table = table(state.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (shutdown, end) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, state, async move {
        let _ = end.await;
    }));
    let client = client(Some(TOKEN));
    Site { address, client, settings, table, live, store, locks, ready, shutdown, server, folder }
}

/// What every route of a server in this state needs.
fn table(state: State) -> Vec<(axum::http::Method, &'static str, Needs)> {
    let (accounts, audit) = (Accounts::of(&state.store), state.audit.clone());
    let door = Door::new(accounts, audit, state.settings.clone(), None, 0);
    let streams = Arc::new(Semaphore::new(0));
    let (listening_on, closing) = (([127, 0, 0, 1], 0).into(), watch::channel(false).1);
    routes::all(Arc::new(App { state, door, desk: Desk::new(), listening_on, streams, closing }))
        .table()
        .to_vec()
}

impl Site {
    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.expect("an answer")
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.expect("text")
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error} in {text}")))
    }
}

#[expect(clippy::disallowed_methods, reason = "the board forgets by the clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn live_call(number: u64) -> CallView {
    let verdict = Verdict::Verified;
    CallView {
        id: format!("{number:016x}"),
        line: "1000".to_owned(),
        ani: Some("+12025550101".to_owned()),
        ani_source: Some(AniSource::PAssertedIdentity),
        ani_withheld: false,
        ani_verstat: None,
        ani_attestation: None,
        ani_checked_by: None,
        trunk: Some("carrier".to_owned()),
        started_at: now() + SignedDuration::from_secs(i64::try_from(number).expect("small")),
        stage: Stage::HandingOver,
        verdict,
        title: verdict.title(),
        customer: Some("10000001".to_owned()),
        name: Some("Siân O’Neill".to_owned()),
        hand_over: Some(HandOverView {
            target: "agents".to_owned(),
            token: format!("token-{number}"),
            at: now(),
            outcome: HandOverOutcome::Pending,
        }),
        record: None,
    }
}

fn fresh_record(number: u64) -> Arc<CallRecord> {
    Arc::new(CallRecord { ended_at: now(), ..sample::record(number) })
}

/// A reader of an event stream.
struct Events {
    response: Response,
    unread: Vec<u8>,
}

impl Events {
    async fn open(site: &Site, path: &str) -> Self {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, unread: Vec::new() }
    }

    /// The name and the data of the next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|bytes| bytes == b"\n\n") {
                let event = self.unread.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("text");
                let name = event
                    .lines()
                    .find_map(|line| line.strip_prefix("event: "))
                    .unwrap_or_default()
                    .to_owned();
                let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                return Some((name, data.join("\n")));
            }
            self.unread.extend(self.response.chunk().await.expect("readable")?);
        }
    }

    async fn next_json(&mut self) -> (String, Value) {
        let (name, data) = self.next().await.expect("an event");
        (name, serde_json::from_str(&data).expect("JSON"))
    }
}

#[tokio::test]
async fn probes_tell_how_things_stand() {
    let site = site().await;
    assert_eq!(site.get("/health").await.status(), StatusCode::OK);
    for (readiness, status, text) in [
        (Readiness::Starting, StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (Readiness::Ready, StatusCode::OK, "ready"),
        (Readiness::Draining, StatusCode::SERVICE_UNAVAILABLE, "draining"),
    ] {
        site.ready.send_replace(readiness);
        let response = site.get("/ready").await;
        assert_eq!((response.status(), response.text().await.expect("text").as_str()), (status, text));
    }
    let metrics = site.get("/metrics").await;
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
}

#[tokio::test]
async fn every_answer_is_protected() {
    let site = site().await;
    for path in
        ["/", "/assets/page.css", "/api/v1/calls", "/api/v1/calls/none", "/nowhere", "/events", "/metrics"]
    {
        let response = site.get(path).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
    }
}

#[tokio::test]
async fn refusals_are_json() {
    let site = site().await;
    let table = [
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/api/v1/calls/none", StatusCode::NOT_FOUND),
        ("/api/v1/handovers/none", StatusCode::NOT_FOUND),
        ("/assets/none.css", StatusCode::NOT_FOUND),
        ("/assets/../mod.rs", StatusCode::NOT_FOUND),
        ("/assets/%2e%2e/mod.rs", StatusCode::NOT_FOUND),
        ("/api/v1/calls?limit=lots", StatusCode::BAD_REQUEST),
        ("/api/v1/calls?limit=-1", StatusCode::BAD_REQUEST),
        ("/api/v1/calls?limt=1", StatusCode::BAD_REQUEST),
        ("/api/v1/calls/%ff", StatusCode::BAD_REQUEST),
        ("/api/v1/handovers/%ff", StatusCode::BAD_REQUEST),
        ("/events?as=xml", StatusCode::BAD_REQUEST),
    ];
    for (path, status) in table {
        let (answered, body) = site.json(path).await;
        assert_eq!(answered, status, "{path}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}: {body}");
    }
    let url = format!("http://{}/api/v1/calls", site.address);
    let posted = site.client.post(&url).send().await.expect("an answer");
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    let large = site.client.get(&url).body("x".repeat(20_000)).send().await.expect("an answer");
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_strange_host_is_refused_and_probes_are_not() {
    let site = site().await;
    let as_host = async |host: &str, path: &str| {
        let url = format!("http://{}{path}", site.address);
        site.client.get(url).header("host", host).send().await.expect("an answer").status()
    };
    assert_eq!(as_host("evil.example", "/").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(as_host("evil.example:8080", "/api/v1/calls").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(as_host("evil.example", "/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(as_host("localhost:8080", "/").await, StatusCode::OK);
    assert_eq!(as_host("portero.example", "/").await, StatusCode::OK);

    // A request target that names the host itself counts before the header (RFC 9112 §3.2.2).
    let mut stream = TcpStream::connect(site.address).await.expect("connected");
    let request = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
}

#[tokio::test]
async fn trunks_are_told_as_they_were_shown_last() {
    let site = site().await;
    assert_eq!(site.json("/api/v1/trunks").await, (StatusCode::OK, json!({ "trunks": [] })));
    let server =
        ServerView { address: "203.0.113.1:5060".into(), transport: Some("udp"), state: TrunkState::Up };
    let registration =
        RegistrationView { state: RegistrationWord::Registered, status: None, expires_in_s: Some(540) };
    site.live.set_trunks(vec![TrunkView {
        name: "carrier".into(),
        calls: 2,
        state: TrunkState::Up,
        registration: Some(registration),
        servers: vec![server],
    }]);
    let shown = json!({ "trunks": [{
        "name": "carrier",
        "calls": 2,
        "state": "up",
        "registration": { "state": "registered", "status": null, "expires_in_s": 540 },
        "servers": [{ "address": "203.0.113.1:5060", "transport": "udp", "state": "up" }],
    }] });
    assert_eq!(site.json("/api/v1/trunks").await, (StatusCode::OK, shown));
}

#[tokio::test]
async fn calls_are_listed_live_first_and_newest_first() {
    let site = site().await;
    assert_eq!(site.json("/api/v1/calls").await, (StatusCode::OK, json!({ "calls": [] })));
    sample::keep(&site.store, (1..=3).map(sample::record)).await;
    site.live.ended(Arc::new(CallRecord { ended_at: now(), ..sample::record(2) }));
    site.live.ended(fresh_record(4));
    site.live.update(live_call(10));
    site.live.update(live_call(11));
    let ids = async |path: &str| {
        let (_, body) = site.json(path).await;
        let calls = body["calls"].as_array().expect("a list").clone();
        calls.iter().map(|call| call["id"].as_str().expect("an identifier").to_owned()).collect::<Vec<_>>()
    };
    let expected: Vec<_> = [11, 10, 4, 3, 2, 1].iter().map(|number| format!("{number:016x}")).collect();
    assert_eq!(ids("/api/v1/calls").await, expected);
    assert_eq!(ids("/api/v1/calls?limit=3").await, expected[..3]);
    assert_eq!(ids("/api/v1/calls?limit=0").await, [""; 0]);
    assert_eq!(ids("/api/v1/calls?limit=4000000000").await, expected);
}

#[tokio::test]
async fn a_call_is_found_live_just_ended_and_long_ago() {
    let site = site().await;
    sample::keep(&site.store, [sample::record(1)]).await;
    site.live.ended(fresh_record(2));
    site.live.update(live_call(3));
    for (number, stage) in [(1, "ended"), (2, "ended"), (3, "handing_over")] {
        let (status, call) = site.json(&format!("/api/v1/calls/{number:016x}")).await;
        assert_eq!((status, &call["stage"]), (StatusCode::OK, &json!(stage)));
        assert_eq!(call["title"], "Identified and verified");
        assert_eq!(call["record"].is_object(), stage == "ended");
        let (status, hand_over) = site.json(&format!("/api/v1/handovers/token-{number}")).await;
        assert_eq!((status, &hand_over["verdict"]), (StatusCode::OK, &json!("verified")));
        assert_eq!(hand_over["title"], "Identified and verified");
        assert_eq!(hand_over["call_id"], format!("{number:016x}"));
        assert_eq!(
            (&hand_over["customer"], &hand_over["name"]),
            (&json!("10000001"), &json!("Siân O’Neill"))
        );
        assert_eq!((&hand_over["ani"], &hand_over["target"]), (&json!("+12025550101"), &json!("agents")));
        assert_eq!(hand_over["outcome"], if stage == "ended" { "completed" } else { "pending" });
        assert!(hand_over["line"].is_string() && hand_over["at"].is_string());
    }
}

#[tokio::test]
async fn the_stream_begins_with_everything_and_goes_on_with_each_change() {
    let site = site().await;
    site.live.update(live_call(1));
    let mut events = Events::open(&site, "/events").await;
    let (name, snapshot) = events.next_json().await;
    assert_eq!((name.as_str(), snapshot["calls"].as_array().map(Vec::len)), ("snapshot", Some(1)));

    site.live.update(live_call(2));
    let (name, call) = events.next_json().await;
    assert_eq!(
        (name.as_str(), &call["id"], &call["stage"]),
        ("call", &json!("0000000000000002"), &json!("handing_over"))
    );
    site.live.ended(fresh_record(2));
    let (name, call) = events.next_json().await;
    assert_eq!(
        (name.as_str(), &call["id"], &call["stage"]),
        ("call", &json!("0000000000000002"), &json!("ended"))
    );
    site.live.forget("0000000000000001");
    assert_eq!(events.next_json().await, ("gone".to_owned(), json!({ "id": "0000000000000001" })));
}

#[tokio::test]
async fn calls_of_an_earlier_process_are_shown() {
    let old = CallRecord { ended_at: now() - SignedDuration::from_hours(2), ..sample::record(1) };
    let site = site_after([old, Arc::unwrap_or_clone(fresh_record(2))]).await;
    let mut events = Events::open(&site, "/events").await;
    let (_, snapshot) = events.next_json().await;
    assert_eq!(snapshot["calls"].as_array().map(Vec::len), Some(1), "those of the last hour");
    assert_eq!(snapshot["calls"][0]["id"], "0000000000000002");
}

#[tokio::test]
async fn the_page_is_streamed_in_pieces() {
    let site = site().await;
    let mut events = Events::open(&site, "/events?as=html").await;
    let (name, board) = events.next().await.expect("the board");
    assert!(
        name == "board" && board.contains("Nobody is calling.") && board.contains("sip:1002@127.0.0.1:5060")
    );
    site.live.update(live_call(1));
    let (name, card) = events.next().await.expect("a card");
    assert!(
        name == "live" && card.starts_with("<li id=\"call-0000000000000001\" class=\"card verified coming\""),
        "{card}"
    );
    assert!(card.contains("To agents: waiting for the answer"));
    site.live.ended(fresh_record(1));
    let (name, row) = events.next().await.expect("a row");
    assert!(
        name == "ended" && row.starts_with("<tr id=\"call-0000000000000001\" class=\"verified\""),
        "{row}"
    );
    assert!(row.contains("To agents: handed over"));
    assert!(site.text("/").await.contains(&row), "the page that is loaded afterwards has the same row");
}

#[tokio::test]
async fn a_slow_reader_is_sent_the_whole_board_instead_of_a_backlog() {
    let site = site().await;
    let mut events = Events::open(&site, "/events").await;
    assert_eq!(events.next_json().await.0, "snapshot");
    // No await between the updates: on this one-threaded runtime nobody reads meanwhile.
    for _ in 0..10_000 {
        site.live.update(live_call(1));
    }
    let (name, snapshot) = events.next_json().await;
    assert_eq!((name.as_str(), snapshot["calls"].as_array().map(Vec::len)), ("snapshot", Some(1)));
    site.live.update(live_call(2));
    assert_eq!(events.next_json().await.0, "call");
}

#[tokio::test]
async fn only_so_many_may_watch() {
    let site = site().await;
    let mut watching = Vec::new();
    for _ in 0..STREAMS_MAX {
        watching.push(Events::open(&site, "/events").await);
    }
    assert_eq!(site.json("/events").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        site.get("/ready").await.status(),
        StatusCode::SERVICE_UNAVAILABLE,
        "others are still answered"
    );
}

#[tokio::test]
async fn what_callers_are_called_is_only_text() {
    let site = site().await;
    let hostile = "<script>alert('1')</script> \"quoted\" &amp; \u{202e}evil\r\ndata: x\r\n\r\nevent: gone\0";
    let mut call = live_call(1);
    call.name = Some(hostile.to_owned());
    call.customer = Some("\" onmouseover=\"alert(1)".to_owned());
    call.line = "</li><img src=x>".to_owned();
    let mut record = sample::record(2);
    record.name = Some(hostile.to_owned());
    record.ended_at = now();
    let mut events = Events::open(&site, "/events").await;
    let mut pieces = Events::open(&site, "/events?as=html").await;
    events.next().await.expect("the snapshot");
    pieces.next().await.expect("the board");
    site.live.update(call);
    site.live.ended(Arc::new(record));

    for _ in 0..2 {
        let (name, seen) = events.next_json().await;
        assert_eq!(
            (name.as_str(), &seen["name"]),
            ("call", &json!(hostile)),
            "JSON gives back what was said"
        );
    }
    let mut html = site.text("/").await;
    for expected in ["live", "ended"] {
        let (name, piece) = pieces.next().await.expect("a piece");
        assert_eq!(name, expected);
        html.push_str(&piece);
    }
    assert_eq!(html.matches("<script").count(), 1, "our own and no other");
    assert!(
        html.contains("&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62; &#34;quoted&#34; &#38;amp;"),
        "{html}"
    );
    assert!(!html.contains("<img src=x") && !html.contains("\" onmouseover"));
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_holds_nothing_inline() {
    let site = site().await;
    let page = site.text("/").await;
    assert!(
        !page.contains("http:")
            && !page.contains("https:")
            && !page.contains(" style=")
            && !page.contains("<style")
    );
    let references = page.split(['"', '\'']).filter(|text| text.starts_with("/assets/"));
    let mut checked = 0;
    for path in references {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let tag = response.headers()["etag"].to_str().expect("text").to_owned();
        assert_ne!(response.headers()["content-type"], "application/octet-stream", "{path}");
        let url = format!("http://{}{path}", site.address);
        let again = site.client.get(url).header("if-none-match", tag).send().await.expect("an answer");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        checked += 1;
    }
    assert!(checked >= 3, "style sheet, script and icon");
}

#[tokio::test]
async fn the_server_ends_though_streams_are_open() {
    let site = site().await;
    let mut events = Events::open(&site, "/events").await;
    events.next().await.expect("the snapshot");
    site.shutdown.send(()).expect("still serving");
    assert_eq!(events.next().await, None, "the stream ends");
    site.server.await.expect("no panic").expect("no error");
}

#[test]
fn a_call_moves_over_the_board_once() {
    let live = Live::new();
    let (picture, mut changes) = live.watch();
    assert_eq!((picture.live.len(), picture.ended.len()), (0, 0));
    let call = live_call(1);
    let handed_over_at = call.hand_over.as_ref().expect("handed over").at;
    live.update(call.clone());
    live.update(CallView { stage: Stage::Ended, ..call.clone() });
    assert!(matches!(changes.try_recv(), Ok(Change::Live(view)) if view.stage == Stage::HandingOver));
    assert!(changes.try_recv().is_err(), "an end is not shown before the record is kept");
    live.ended(fresh_record(1));
    live.ended(fresh_record(1));
    live.update(call);
    live.forget("0000000000000001");
    assert!(matches!(changes.try_recv(), Ok(Change::Ended(_))));
    assert!(changes.try_recv().is_err(), "what comes late changes nothing");
    let picture = live.picture();
    assert_eq!((picture.live.len(), picture.ended.len()), (0, 1));
    assert_eq!(picture.ended[0].hand_over.as_ref().map(|hand_over| hand_over.at), Some(handed_over_at));
}

#[test]
fn the_board_keeps_two_hundred_ended_calls_for_an_hour() {
    let live = Live::new();
    for number in 0..250 {
        live.ended(fresh_record(number));
    }
    let ended = live.picture().ended;
    assert_eq!((ended.len(), ended[0].id.as_str()), (200, format!("{:016x}", 249).as_str()));

    let live = Live::new();
    live.ended(Arc::new(CallRecord { ended_at: now() - SignedDuration::from_mins(61), ..sample::record(1) }));
    live.ended(Arc::new(CallRecord { ended_at: now() - SignedDuration::from_mins(59), ..sample::record(2) }));
    assert_eq!(
        live.picture().ended.iter().map(|view| view.id.clone()).collect::<Vec<_>>(),
        [sample::record(2).id]
    );
}

/// Call 1 is up, as [`site`] has it; 2 is over, and 3 has left no trace.
#[tokio::test]
async fn ladders_of_calls_that_are_up_and_of_those_that_are_over() {
    let site = site().await;
    let writer =
        Writer::start(&site.store, Kept { traces: Retention::For(FOREVER), ..Kept::NOTHING }, |_| ())
            .expect("started");
    writer.submit_trace(sample::trace(2));
    writer.drain().await;
    for (call, status) in [(1, StatusCode::OK), (2, StatusCode::OK), (3, StatusCode::NOT_FOUND)] {
        let path = format!("/api/v1/calls/{call:016x}/ladder");
        assert_eq!(site.get(&path).await.status(), status, "{path}");
    }
    let path = format!("/api/v1/calls/{:016x}/ladder", 2);
    assert!(site.text(&path).await.starts_with("Call 0000000000000002"));
    let (_, json) = site.json(&format!("{path}?format=json")).await;
    assert_eq!(json["messages"][0]["label"], "OPTIONS sip:a@b");
    assert_eq!(site.get(&format!("{path}?format=pdf")).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_recording_is_given_whole_for_as_long_as_it_is_kept() {
    let site = site().await;
    let elsewhere = Some("../../portero.db".to_owned());
    sample::keep(
        &site.store,
        [sample::record(1), sample::bare(2), CallRecord { recording: elsewhere, ..sample::record(3) }],
    )
    .await;
    let path = |call: u64| format!("/api/v1/calls/{call:016x}/recording");
    for call in 1..5 {
        assert_eq!(site.get(&path(call)).await.status(), StatusCode::NOT_FOUND, "{call}");
    }
    let folder = site.store.folder().join("recordings/2026-11-23");
    std::fs::create_dir_all(&folder).expect("a folder");
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(folder.join("0123456789abcdef.wav"), &bytes).expect("room");
    let answer = site.get(&path(1)).await;
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"audio/wav".parse().expect("a value"))
    );
    assert_eq!(answer.content_length(), Some(200_000));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.bytes().await.expect("all of it") == bytes);
    assert_eq!(site.get(&path(3)).await.status(), StatusCode::NOT_FOUND, "nothing but recordings is given");
    assert_eq!(
        site.get("/api/v1/calls/..%2F..%2Fportero.db/recording").await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_ladder_says_what_it_is_and_the_picture_may_do_nothing() {
    let site = site().await;
    let path = format!("/api/v1/calls/{:016x}/ladder", 1);
    let table = [
        ("", "text/plain; charset=utf-8"),
        ("?format=text", "text/plain; charset=utf-8"),
        ("?format=svg", "image/svg+xml; charset=utf-8"),
        ("?format=json", "application/json"),
    ];
    for (query, kind) in table {
        let answer = site.get(&format!("{path}{query}")).await;
        assert_eq!(answer.headers()["content-type"], kind, "{query}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    let picture = site.get(&format!("{path}?format=svg")).await;
    let policy = picture.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    let svg = picture.text().await.expect("text");
    assert!(svg.starts_with("<svg ") && !svg.contains("<script") && !svg.contains("<b>"), "{svg}");
}

#[tokio::test]
async fn the_page_leads_to_ladders_and_recordings() {
    let site = site().await;
    site.live.ended(fresh_record(7));
    site.live.update(live_call(8));
    let page = site.text("/").await;
    for call in [7, 8] {
        let link = format!("href=\"/api/v1/calls/{call:016x}/ladder?format=svg\"");
        assert!(page.contains(&link), "{link} in {page}");
    }
    assert!(page.contains("href=\"/api/v1/calls/0000000000000007/recording\""), "{page}");
}

#[tokio::test]
async fn emergency_switches_are_shown_turned_and_kept() {
    let site = site().await;
    let url = format!("http://{}/api/v1/emergency", site.address);
    let turn = |body: &'static str| {
        site.client.post(&url).header("content-type", "application/json").body(body).send()
    };
    let off = json!({ "all": false, "lines": [] });
    assert_eq!(site.json("/api/v1/emergency").await, (StatusCode::OK, off));
    let turned = turn(r#"{"line": "1000", "on": true}"#).await.expect("an answer");
    assert_eq!(turned.status(), StatusCode::OK);
    let on = json!({ "all": false, "lines": ["1000"] });
    assert_eq!(site.json("/api/v1/emergency").await, (StatusCode::OK, on));
    let kept = crate::records::switches::load(site.folder.path()).expect("kept");
    assert!(kept.lines.contains("1000"));
    for (body, status) in [(r#"{"line": "9", "on": true}"#, 404), (r#"{"on": 1}"#, 400), ("{}", 400)] {
        assert_eq!(turn(body).await.expect("an answer").status(), status, "{body}");
    }
    let foreign = site.client.post(&url).header("origin", "https://evil.example").body("{}").send();
    assert_eq!(foreign.await.expect("an answer").status(), 403);
}
