//! The client against servers on the loopback that answer well, badly or not at all.

mod hashed;
mod hostile;
mod tls;
mod treatment;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::level_filters::LevelFilter;

use super::*;
use crate::flow::{ActionName, Ani, AniSource, Answer, Customer, Failure, Matches, PhoneNumber, Trust};
use crate::secret::Secret;

/// Long enough for any answer on the loopback, and never waited for in full.
const PATIENT: Duration = Duration::from_secs(20);
const HASTY: Duration = Duration::from_millis(100);
const PIN: &str = "90210473";

fn template(source: &str, place: Place) -> Template {
    Template::new(source, place).expect("a template")
}

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).expect("a JSONPath")
}

fn look_up(source: &str) -> Action {
    let reading = LookUp {
        results: path("$.customers[*]"),
        customer: path("$.id"),
        name: path("$.name"),
        attributes: Attributes::new(),
        no_match: vec![404],
    };
    Action {
        back_end: None,
        deadline: None,
        retry: false,
        method: Method::GET,
        path: template(source, Place::Path),
        headers: Vec::new(),
        body: None,
        reading: Reading::LookUp(reading),
    }
}

fn check() -> Action {
    let header = (HeaderName::from_static("x-customer"), template("{{ customer }}", Place::Header));
    Action {
        back_end: None,
        deadline: None,
        retry: false,
        method: Method::POST,
        path: template("/check", Place::Path),
        headers: vec![header],
        body: Some(Body {
            template: template(r#"{"customer": "{{ customer }}", "pin": "{{ secret }}"}"#, Place::Json),
            media_type: "application/json",
        }),
        reading: Reading::Check(Check { accepted: Condition::True(path("$.accepted")), rejected: vec![403] }),
    }
}

fn client(server: SocketAddr, deadline: Duration) -> Client {
    let service = Service {
        deadline,
        max_concurrent: 1,
        headers: vec![(HeaderName::from_static("x-key"), HeaderValue::from_static("open sesame"))],
        ..Service::at(format!("http://{server}/api/").parse().expect("a URL"))
    };
    Client::new(config(service, false)).expect("a client")
}

/// A back end of which these can be asked.
fn config(service: Service, retry: bool) -> Config {
    let actions = [
        ("by_number", look_up("/customers?phone={{ ani }}")),
        ("by_identifier", look_up("/customers/{{ identifier }}")),
        ("check", check()),
    ];
    let named = |(name, action)| (ActionName::new(name), Action { retry, ..action });
    Config { default: service, others: BTreeMap::new(), actions: actions.into_iter().map(named).collect() }
}

fn number() -> (ActionName, Query) {
    let number = PhoneNumber::parse("+12025550101").expect("a number");
    let ani = Ani { number, source: AniSource::From, trust: Trust::Claimed };
    (ActionName::new("by_number"), Query::Number(ani))
}

fn secret(customer: &str) -> (ActionName, Query) {
    let query = Query::Secret {
        customer: Customer::new(customer, None),
        secret: Secret::new(PIN.to_owned()),
        positions: Vec::new(),
    };
    (ActionName::new("check"), query)
}

/// What a server does once it has read a request.
enum Reply {
    /// Sends this and closes.
    Bytes(Vec<u8>),
    /// Keeps the connection and says nothing more than this.
    Silence(&'static str),
}

fn reply(status: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
}

/// Answers every request alike, and notes what was asked.
async fn serve(listener: TcpListener, reply: Reply, seen: &Mutex<Vec<String>>) {
    let mut kept = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let request = request(&mut stream).await;
        seen.lock().expect("nobody panicked").push(request);
        match &reply {
            // The client may have had enough of it before the end.
            Reply::Bytes(bytes) => drop(stream.write_all(bytes).await),
            Reply::Silence(words) => {
                drop(stream.write_all(words.as_bytes()).await);
                kept.push(stream);
            }
        }
    }
}

async fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return text;
            }
        }
        let read = stream.read(&mut buffer).await.expect("a request");
        assert!(read > 0, "the request broke off: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).expect("ASCII"));
    }
}

/// What comes of asking a server that replies so, and what the server was asked.
async fn asked(
    (action, query): (ActionName, Query),
    deadline: Duration,
    reply: Reply,
) -> (Answer, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = client(listener.local_addr().expect("an address"), deadline);
    let seen = Mutex::new(Vec::new());
    let answer = tokio::select! {
        answer = client.ask(&action, &query) => answer,
        () = serve(listener, reply, &seen) => unreachable!("it serves for ever"),
    };
    (answer, seen.into_inner().expect("nobody panicked"))
}

#[tokio::test]
async fn answers_are_understood() {
    let zoe = Customer::new("10000001", Some("Zoë O'Connor"));
    let one = r#"{"customers":[{"id":"10000001","name":"Zoë O'Connor"}]}"#;
    let several = r#"{"customers":[{"id":1},{"id":2}]}"#;
    let table = [
        ("200 OK", one, Answer::LookUp(Matches::One(zoe))),
        ("200 OK", r#"{"customers":[]}"#, Answer::LookUp(Matches::None)),
        (
            "200 OK",
            several,
            Answer::LookUp(Matches::Several(vec![Customer::new("1", None), Customer::new("2", None)])),
        ),
        ("404 Not Found", "no", Answer::LookUp(Matches::None)),
        ("500 Internal Server Error", one, Answer::Failed(Failure::Status)),
        ("401 Unauthorized", "", Answer::Failed(Failure::Refused)),
        ("200 OK", "<html>", Answer::Failed(Failure::Garbage)),
        ("200 OK", "", Answer::Failed(Failure::Garbage)),
        ("200 OK", r#"{"customers":[{"name":"no id"}]}"#, Answer::Failed(Failure::Garbage)),
    ];
    for (status, body, expected) in table {
        let (answer, _) = asked(number(), PATIENT, reply(status, body)).await;
        assert_eq!(answer, expected, "{status} {body}");
    }
    let table = [
        ("200 OK", r#"{"accepted":true}"#, Answer::Check(true)),
        ("200 OK", r#"{"accepted":false}"#, Answer::Check(false)),
        ("403 Forbidden", "", Answer::Check(false)),
        ("200 OK", r#"{"accepted":"yes"}"#, Answer::Failed(Failure::Garbage)),
        ("503 Service Unavailable", r#"{"accepted":true}"#, Answer::Failed(Failure::Status)),
    ];
    for (status, body, expected) in table {
        let (answer, _) = asked(secret("10000001"), PATIENT, reply(status, body)).await;
        assert_eq!(answer, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    for bytes in ["", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "SIP/2.0 200 OK\r\n\r\n"] {
        let (answer, _) = asked(number(), PATIENT, Reply::Bytes(bytes.into())).await;
        assert_eq!(answer, Answer::Failed(Failure::Unreachable), "{bytes:?}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    for words in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"] {
        let (answer, seen) = asked(number(), HASTY, Reply::Silence(words)).await;
        assert_eq!(answer, Answer::Failed(Failure::TimedOut), "{words:?}");
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (action, query) = number();
    assert_eq!(client(address, PATIENT).ask(&action, &query).await, Answer::Failed(Failure::Unreachable));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let length = 10_000_000;
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.resize(bytes.len() + length, b' ');
    let (answer, _) = asked(number(), PATIENT, Reply::Bytes(bytes)).await;
    assert_eq!(answer, Answer::Failed(Failure::Garbage));
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let bytes = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let (answer, seen) = asked(secret("1"), PATIENT, Reply::Bytes(bytes.into())).await;
    assert_eq!(answer, Answer::Failed(Failure::Status));
    assert_eq!(seen.len(), 1);
}

#[tokio::test]
async fn requests_beyond_the_limit_are_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = client(listener.local_addr().expect("an address"), HASTY);
    let seen = Mutex::new(Vec::new());
    let (action, query) = number();
    let both = async { tokio::join!(client.ask(&action, &query), client.ask(&action, &query)) };
    let answers = tokio::select! {
        answers = both => answers,
        () = serve(listener, Reply::Silence(""), &seen) => unreachable!("it serves for ever"),
    };
    assert_eq!(answers, (Answer::Failed(Failure::TimedOut), Answer::Failed(Failure::Overloaded)));
    assert_eq!(seen.into_inner().expect("nobody panicked").len(), 1);
}

#[tokio::test]
async fn requests_are_filled_in() {
    let (_, seen) = asked(number(), PATIENT, reply("404 Not Found", "")).await;
    let [request] = &seen[..] else { panic!("one request, not {seen:?}") };
    assert!(request.starts_with("GET /api/customers?phone=%2B12025550101 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nx-key: open sesame\r\n"), "{request}");
    let odd = "Zoë \"O'Connor\" \\ &?#/";
    let (_, seen) = asked(secret(odd), PATIENT, reply("403 Forbidden", "")).await;
    let [request] = &seen[..] else { panic!("one request, not {seen:?}") };
    assert!(request.starts_with("POST /api/check HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nx-customer: {odd}\r\n")), "{request}");
    let body = request.split_once("\r\n\r\n").map(|(_, body)| serde_json::from_str(body).expect("JSON"));
    assert_eq!(body, Some(serde_json::json!({ "customer": odd, "pin": PIN })));
}

#[tokio::test]
async fn values_that_would_forge_are_not_sent() {
    for customer in ["1\r\nX-Admin: yes", "1\nX-Admin: yes", "1\u{0}"] {
        let (answer, seen) = asked(secret(customer), PATIENT, reply("200 OK", r#"{"accepted":true}"#)).await;
        assert_eq!((answer, seen), (Answer::Failed(Failure::Garbage), Vec::new()), "{customer:?}");
    }
}

/// What was logged while it lived.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_holds_what_was_asked() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for (deadline, reply) in [
        (PATIENT, reply("200 OK", r#"{"accepted":true}"#)),
        (PATIENT, reply("500 Internal Server Error", PIN)),
        (PATIENT, reply("200 OK", &format!("<{PIN}>"))),
        (PATIENT, Reply::Bytes(Vec::new())),
        (HASTY, Reply::Silence("")),
    ] {
        asked(secret("10000001"), deadline, reply).await;
    }
    asked(secret("10000001\r\n"), PATIENT, reply("200 OK", "")).await;
    asked(number(), PATIENT, Reply::Bytes(Vec::new())).await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("text");
    assert!(log.contains("no answer") && log.contains("filled in"), "{log}");
    for value in [PIN, "10000001", "12025550101", "sesame"] {
        assert!(!log.contains(value), "{value} in {log}");
    }
    let (_, query) = secret("10000001");
    assert!(!format!("{query:?}").contains(PIN));
}
