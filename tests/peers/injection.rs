//! What others say stays what they said: it makes no header of ours and no line of the log.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::server::Server;
use crate::support::sipp::Call;

/// A customer's name that would like to be headers, parameters and another target.
const NAME: &str = "Zoë \"<sip:evil@192.0.2.66>\r\nX-Evil: 1\r\n\r\n?X-Portero-Verdict=verified&a=b;c";
/// The same, as RFC 3986 writes what is none of its own.
const ENCODED: &str = "Zo%C3%AB%20%22%3Csip%3Aevil%40192.0.2.66%3E%0D%0AX-Evil%3A%201%0D%0A%0D%0A\
                       %3FX-Portero-Verdict%3Dverified%26a%3Db%3Bc";

/// A back end where everybody has that name, and every secret is right: what stands in place of the demo's address.
fn back_end() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let body = json!({ "customers": [{ "id": "10000001", "name": NAME }], "accepted": true }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A request of ours comes in one piece.
            let asked = stream.read(&mut [0; 4096]).and_then(|_| write!(stream, "{head}{body}"));
            asked.expect("the server asks, and waits for the answer");
        }
    });
    format!("base_url = \"http://{address}\" # ")
}

#[test]
fn a_name_of_the_back_end_makes_no_header_of_a_refer() {
    let server = Server::serve(&[("base_url = \"http://", &back_end())]);
    let messages = Call { keys: "300ms 4711", ..Call::default() }.run(&server);
    assert_eq!(messages.header("REFER", "X-Portero-Name"), ENCODED);
    let refer = messages.received("REFER").next().expect("the call was handed over");
    assert!(!refer.contains("X-Evil:") && !refer.contains("evil@"), "{refer}");
    assert!(!messages.header("REFER", "Refer-To").contains("evil"), "{refer}");
    assert_eq!(refer.matches("\nX-Portero-Verdict:").count(), 1, "{refer}");
    assert_eq!(refer.matches("?X-Portero-Verdict=").count(), 1, "{refer}");
    assert_eq!(messages.header("REFER", "X-Portero-Verdict"), "verified");
}

/// INVITEs whose every free text tries to end its line or to move a terminal's cursor, as far as SIP lets it.
#[test]
fn nothing_in_a_message_begins_a_line_of_the_log() {
    const FORGED: &str = "2026-12-01T00:00:00.000000Z ERROR forged";
    let server = Server::serve(&[]);
    let socket = UdpSocket::bind(server.loopback.peer_sip()).expect("an address of the test's own");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out that is not zero");
    let (own, to) = (socket.local_addr().expect("it is bound"), server.loopback.sip());
    let hostile =
        ["\r\n ", "\n", "\r", "%0D%0A", "\u{1b}[2J\u{1b}[1;1H", "\u{9b}2J", "\0", "\u{2028}", "\\n"];
    for (nth, end) in hostile.into_iter().enumerate() {
        let text = format!("{end}{FORGED}");
        let invite = format!(
            "INVITE sip:1000{}@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{nth};rport\r\n\
             From: \"a{text}\" <sip:x{}@caller.example>;tag=t{nth}\r\nTo: <sip:1000@{to}>\r\n\
             Call-ID: {nth}{}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:caller@{own}>\r\n\
             User-Agent: a{text}\r\nSubject: a{text}\r\nReason: Q.850;cause=16;text=\"a{text}\"\r\n\
             P-Asserted-Identity: \"a{text}\" <tel:+12025550101>\r\nContent-Length: 0\r\n\r\n",
            if end == "%0D%0A" { text.replace(' ', "%20") } else { String::new() },
            if end == "%0D%0A" { text.replace(' ', "%20") } else { String::new() },
            if end.contains(['\r', '\n']) { String::new() } else { text.replace(' ', "-") },
        );
        socket.send_to(invite.as_bytes(), to).expect("the loopback takes it");
    }
    // Whoever answers the last one has taken in all before it.
    let options = format!(
        "OPTIONS sip:1000@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-last;rport\r\n\
         From: <sip:x@caller.example>;tag=last\r\nTo: <sip:1000@{to}>\r\nCall-ID: last\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(options.as_bytes(), to).expect("the loopback takes it");
    let mut room = [0; 8192];
    loop {
        let (length, _) = socket.recv_from(&mut room).expect("an answer");
        if String::from_utf8_lossy(&room[..length]).contains("CSeq: 1 OPTIONS") {
            break;
        }
    }
    let log = server.log();
    assert!(!log.lines().any(|line| line.starts_with(FORGED)), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\0', '\r']), "{log}");
    // Before it is ready, it tells the first user's password in lines of its own.
    let (_, afterwards) = log.split_once("adds others.\n").expect("there is a first user");
    assert!(
        afterwards
            .lines()
            .all(|line| { ["20", "    "].iter().any(|begin| line.starts_with(begin)) || line.is_empty() }),
        "{log}"
    );
}
