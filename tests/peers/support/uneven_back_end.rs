//! A back end that has one customer and takes its time: longer over them than over nobody. No secret is right.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::pause;

/// The one customer.
pub const SOMEBODY: &str = "10000001";

/// Listens at an address of its own for as long as the tests run.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicU64::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let asked = Arc::clone(&asked);
            std::thread::spawn(move || serve(&stream, &asked));
        }
    });
    address
}

/// Answers one request of a connection after another. Who asks may go away at any time.
fn serve(stream: &TcpStream, asked: &AtomicU64) {
    let mut reader = BufReader::new(stream);
    while let Some(path) = request(&mut reader) {
        // Spread evenly over their ranges, and the same in each run.
        let nth = asked.fetch_add(1, Ordering::Relaxed);
        let (status, body, ms) = match path.strip_prefix("/customers/") {
            Some(SOMEBODY) => {
                ("200 OK", format!("{{\"id\": \"{SOMEBODY}\", \"name\": \"Zoë\"}}"), 300 + nth * 37 % 300)
            }
            Some(rest) if rest.ends_with("/check") => {
                ("200 OK", "{\"accepted\": false}".to_owned(), 50 + nth * 53 % 400)
            }
            _ => ("404 Not Found", String::new(), 10 + nth * 13 % 40),
        };
        pause(Duration::from_millis(ms));
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if (&mut &*stream).write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a request to its end, and gives its path.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok()?;
        match field.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    Some(path)
}
