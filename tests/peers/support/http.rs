//! The smallest HTTP client that can read the API: HTTP/1.0, so that a body ends where the connection does. It shows the
//! token that every server of these tests takes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What opens everything at the servers of these tests.
pub const TOKEN: &str = "token-of-the-tests";

/// An HTTP answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The lines of the head.
    pub head: String,
    /// The body as text.
    pub body: String,
}

/// GETs `path` from `address`.
///
/// # Panics
/// Where the connection fails or the answer is no HTTP.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path)
}

/// POSTs nothing to `path` at `address`.
///
/// # Panics
/// As for [`get`].
pub fn post(address: SocketAddr, path: &str) -> Answer {
    ask(address, "POST", path)
}

/// GETs `path` from `address`: the status, and what need not be text.
///
/// # Panics
/// As for [`get`].
pub fn get_bytes(address: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let answer = exchange(address, "GET", path, &[&authorization()], "");
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("head and body");
    (status(&String::from_utf8_lossy(&answer[..head])), answer[head + 4..].to_vec())
}

/// Asks with these header lines and this body, and without the token.
///
/// # Panics
/// As for [`get`].
pub fn ask_as(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let answer = exchange(address, method, path, headers, body);
    let answer = String::from_utf8(answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    Answer { status: status(head), head: head.to_owned(), body: body.to_owned() }
}

impl Answer {
    /// The cookie that it sets, as it is sent back.
    pub fn cookie(&self) -> Option<String> {
        let set = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: "))?;
        Some(format!("Cookie: {}", set.split(';').next()?))
    }
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    ask_as(address, method, path, &[&authorization()], "")
}

fn authorization() -> String {
    format!("Authorization: Bearer {TOKEN}")
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

fn exchange(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut stream =
        TcpStream::connect_timeout(&address, DEADLINE).expect("the web server takes connections");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out that is not zero");
    let length = format!("Content-Length: {}", body.len());
    let headers = [headers, &[&length]].concat().join("\r\n");
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n\r\n{body}")
        .expect("the request can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer can be read");
    answer
}

/// GETs JSON with status 200.
///
/// # Panics
/// Where it is anything else.
pub fn get_json(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("the body is JSON")
}
