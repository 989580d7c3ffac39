//! Being told to stop: the door closes, calls that are up go on, a second signal ends them.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::http;
use crate::support::server::{Server, portero, start_call};
use crate::support::wait_for;

/// How long a server that has nothing left to do may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// The final status of the answer to a request of this method, outside of any dialog.
fn status(server: SocketAddr, method: &str) -> u16 {
    let socket = UdpSocket::bind((server.ip(), 0)).expect("a free port");
    let local = socket.local_addr().expect("a bound socket");
    let id = local.port();
    let request = format!(
        "{method} sip:1000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{id}\r\n\
         From: <sip:probe@{local}>;tag={id}\r\nTo: <sip:1000@{server}>\r\nCall-ID: probe-{id}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:probe@{local}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(request.as_bytes(), server).expect("sent");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out can be set");
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("an answer");
        let text = std::str::from_utf8(&buffer[..length]).expect("text");
        let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        if code >= 200 {
            return code;
        }
    }
}

#[test]
fn a_server_that_drains_takes_no_calls_and_ends_at_the_second_signal() {
    let mut server = Server::demo();
    let sip = server.loopback.sip();
    assert_eq!((status(sip, "OPTIONS"), http::get(server.loopback.web(), "/ready").status), (200, 200));

    let to = format!("sip:1000@{sip}");
    let mut caller = start_call(&[&to, "--from", "+12025550101", "--keys", "60s", "--timeout", "60"]);
    server.wait_for_stage("1000", "greeting");
    server.signal("TERM");
    wait_for("draining server", END_WITHIN, || (status(sip, "OPTIONS") == 503).then_some(()));
    assert_eq!(status(sip, "INVITE"), 503);
    assert_eq!(http::get(server.loopback.web(), "/ready").status, 503);
    assert_eq!(
        server.calls().first().map(|call| call["record"].is_null()),
        Some(true),
        "the call is still up"
    );

    server.signal("TERM");
    assert!(server.wait_for_exit(END_WITHIN).success());
    caller.wait_for_exit("end of the call", END_WITHIN);
    let data = server.data();
    let records = portero(&["records", "--json", "--data", data.to_str().expect("a path in UTF-8")]);
    let records: serde_json::Value = serde_json::from_slice(&records.stdout).expect("JSON");
    assert_eq!(records[0]["reason"], "shut down");
}

#[test]
fn a_server_without_calls_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::demo();
        let told = Instant::now();
        server.signal(signal);
        assert!(server.wait_for_exit(END_WITHIN).success());
        assert!(told.elapsed() < END_WITHIN);
    }
}

#[test]
fn a_drained_call_ends_in_its_own_time() {
    let mut server = Server::demo();
    let to = format!("sip:1002@{}", server.loopback.sip());
    let mut caller = start_call(&[&to, "--from", "+12025550102", "--no-follow"]);
    server.wait_for_stage("1002", "greeting");
    server.signal("TERM");
    assert_eq!(caller.wait_for_exit("end of the call", Duration::from_secs(30)).code(), Some(0));
    assert!(server.wait_for_exit(END_WITHIN).success());
}
