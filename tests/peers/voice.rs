//! A voice that fails in every way it can: callers hear what stands in for it, each time it is counted, and those who call
//! the same server meanwhile are heard by the voice.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::support::server::{Server, start};
use crate::support::{Process, sound, wait_for};

/// What is said where the voice fails, and by a voice that does not.
const FALL_BACK: &str = "emergency";
const SPOKEN: &str = "closed";

/// Where the demo's configuration has its lines' end.
const END_OF_LINES: &str = "# ---- Only for the demo";

/// How long a call may take.
const CALLED_WITHIN: Duration = Duration::from_mins(1);

fn recording() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("prompts/en").join(SPOKEN).with_extension("wav")
}

/// A server with this for `[speech]`, whose lines 3000, 3001 and so on greet by these texts.
fn server(speech: &str, texts: &[&str]) -> Server {
    let line = |(nth, text): (usize, &&str)| {
        format!(
            "[[lines]]\nnumber = \"{}\"\nidentify_by_number = false\nidentifier.digits = 8\n\
             greeting = {{ text = \"{text}\", otherwise = \"{FALL_BACK}\" }}\n\n",
            3000 + nth
        )
    };
    let lines: String = texts.iter().enumerate().map(line).collect();
    let speech = format!("\n[speech]\n{speech}\ndeadline = \"5s\"\ncache = \"off\"\n\n[limits]\n");
    let lines = format!("{lines}{END_OF_LINES}");
    Server::serve(&[("\n[limits]\n", &speech), (END_OF_LINES, &lines)])
}

/// All lines are called at the same time; what was heard of each.
fn call_all(server: &Server, lines: usize) -> Vec<Vec<f64>> {
    let call = |nth: usize| -> (PathBuf, Process) {
        let to = format!("sip:{}@{}", 3000 + nth, server.loopback.sip());
        let file = server.folder.path().join(format!("heard-{nth}.wav"));
        let record = file.to_str().expect("a path in UTF-8");
        let call = start(&["call", &to, "--keys", "prompt,*", "--no-follow", "--record", record]);
        (file, call)
    };
    let calls: Vec<_> = (0..lines).map(call).collect();
    let heard = |(file, mut call): (PathBuf, Process)| {
        call.wait_for_exit("end of the call", CALLED_WITHIN);
        sound::read(&file)
    };
    calls.into_iter().map(heard).collect()
}

/// Calls a line by each text, the last of which is really said; the others come to these results.
fn expect(speech: &str, faults: &[(&str, &str)]) {
    let texts: Vec<&str> = faults.iter().map(|(text, _)| *text).chain(["right"]).collect();
    let server = server(speech, &texts);
    let all = call_all(&server, texts.len());
    for (text, heard) in texts.iter().zip(&all) {
        let expected = if *text == "right" { SPOKEN } else { FALL_BACK };
        let likeness = sound::correlation(heard, &sound::prompt(expected));
        assert!(likeness > 0.9, "{text}: {likeness}");
    }
    let results = faults.iter().map(|(_, result)| *result).chain(["spoken"]);
    for result in results.clone() {
        let series = format!("portero_speech_requests_total{{result=\"{result}\"}}");
        let expected = results.clone().filter(|other| *other == result).count() as u64;
        wait_for(result, Duration::from_secs(5), || (server.metric(&series) == expected).then_some(()));
    }
}

#[test]
fn whoever_waits_for_a_program_that_fails_hears_what_stands_in_for_it() {
    let script = format!(
        "read -r text; case $text in exits) exit 1;; hangs) sleep 600;; garbage) echo no;; endless) cat /dev/zero;; \
         right) cat {};; esac",
        recording().display()
    );
    let speech = format!("command = [\"bash\", \"-c\", \"{script}\"]");
    expect(
        &speech,
        &[("exits", "failed"), ("hangs", "timed_out"), ("garbage", "garbage"), ("endless", "too_large")],
    );
}

/// A web service that answers as it is told to by the text.
struct Service {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Service {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let router = Router::new().fallback(|text: String| async move { answer(&text).await });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(text: &str) -> Response {
    let said = |word: &str| text.contains(&format!("\"{word}\""));
    match () {
        () if said("hangs") => std::future::pending().await,
        () if said("redirects") => Redirect::temporary("/elsewhere").into_response(),
        () if said("fails") => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        () if said("html") => "<html><body>Hello</body></html>".into_response(),
        () if said("huge") => vec![0; 10_000_000].into_response(),
        () if said("endless") => vec![0; 17_000_000].into_response(),
        () => std::fs::read(recording()).expect("a recording of ours").into_response(),
    }
}

#[test]
fn whoever_waits_for_a_service_that_fails_hears_what_stands_in_for_it() {
    let service = Service::start();
    expect(
        &format!("url = \"http://{}/\"", service.address),
        &[
            ("hangs", "timed_out"),
            ("redirects", "failed"),
            ("fails", "failed"),
            ("html", "garbage"),
            ("huge", "garbage"),
            ("endless", "too_large"),
        ],
    );
}

#[test]
fn whoever_waits_for_what_is_not_there_hears_what_stands_in_for_it() {
    let refuses = deserted();
    for speech in [format!("url = \"http://{refuses}/\""), "command = [\"/nowhere/voice\"]".to_owned()] {
        let server = server(&speech, &["anything"]);
        let heard = call_all(&server, 1);
        let likeness = sound::correlation(&heard[0], &sound::prompt(FALL_BACK));
        assert!(likeness > 0.9, "{speech}: {likeness}");
        assert_eq!(server.metric("portero_speech_requests_total{result=\"failed\"}"), 1, "{speech}");
    }
}

/// An address at which nobody listens any more.
fn deserted() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket")
}
