//! A receiver of webhooks: the smallest HTTP server that can be told something, and takes it, refuses it, or takes its time.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::wait_for;

/// How long events may take to come.
const WITHIN: Duration = Duration::from_secs(90);

/// An event that was taken.
#[derive(Debug, Clone)]
pub struct Told {
    /// `webhook-id`.
    pub id: String,
    /// The body.
    pub body: Value,
    /// All of the request.
    pub text: String,
}

#[derive(Debug, Default)]
struct Shared {
    refuses: AtomicBool,
    seen: Mutex<Vec<String>>,
    taken: Mutex<Vec<Told>>,
}

/// A receiver on the loopback.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Starts one that answers after this long. Its threads end with the test's process.
    pub fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || serve(&stream, &shared, delay));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers 503, or takes what comes.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }

    /// What it has taken, once it is so much.
    pub fn wait_for(&self, count: usize) -> Vec<Told> {
        let taken = || self.shared.taken.lock().expect("no thread has broken off").clone();
        wait_for("events", WITHIN, || Some(taken()).filter(|taken| taken.len() >= count))
    }

    /// The type of the first event that has come, answered or not.
    pub fn wait_for_request(&self) -> String {
        let first = || self.shared.seen.lock().expect("no thread has broken off").first().cloned();
        wait_for("event", WITHIN, first)
    }
}

fn serve(stream: &TcpStream, shared: &Shared, delay: Duration) {
    let mut lines = BufReader::new(stream);
    let mut writer = stream;
    while let Some((head, body)) = request(&mut lines) {
        let json: Value = serde_json::from_str(&body).expect("the body is JSON");
        let kind = json["type"].as_str().expect("a type").to_owned();
        shared.seen.lock().expect("no thread has broken off").push(kind);
        super::pause(delay);
        let refuses = shared.refuses.load(Ordering::SeqCst);
        if !refuses {
            let id = header(&head, "webhook-id").expect("an id").to_owned();
            let told = Told { id, body: json, text: format!("{head}\n{body}") };
            shared.taken.lock().expect("no thread has broken off").push(told);
        }
        let status = if refuses { "503 Service Unavailable" } else { "204 No Content" };
        // Whoever asked may be gone.
        if write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Head and body of the next request on a connection; `None` once it is closed.
fn request(lines: &mut BufReader<&TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}
