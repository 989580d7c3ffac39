//! Being told to stop: the door closes, calls that are up go on, a second signal ends them. And being told to
//! read the configuration again: a good one is for the next call, a bad one is refused.

use std::fs;
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

/// How a call to this line ends, in the test caller's exit code: 0 handed over, 2 failed.
fn exit_code(server: &Server, line: &str) -> Option<i32> {
    let to = format!("sip:{line}@{}", server.loopback.sip());
    let caller = portero(&["call", &to, "--from", "+12025550102", "--no-follow", "--timeout", "30"]);
    caller.status.code()
}

#[test]
fn a_reload_is_for_the_next_call_and_a_bad_file_is_refused() {
    let server = Server::serve(&[]);
    let file = server.folder.path().join("portero.toml");
    let good = fs::read_to_string(&file).expect("the configuration");
    let to = format!("sip:1000@{}", server.loopback.sip());
    let mut caller =
        start_call(&[&to, "--from", "+12025550101", "--keys", "prompt,4711#", "--expect", "verified"]);
    server.wait_for_stage("1000", "greeting");

    fs::write(&file, good.replace("\"1000\"", "\"2000\"").replace("30s", "31s").replace("60s", "61s"))
        .expect("written");
    let reload = http::post(server.loopback.web(), "/api/v1/reload");
    assert_eq!(reload.status, 200, "{}", reload.body);
    assert!(reload.body.contains("[media]"), "what needs a restart is named: {}", reload.body);
    assert_eq!(caller.wait_for_exit("end of the call", Duration::from_secs(40)).code(), Some(0));
    assert_eq!(exit_code(&server, "1000"), Some(2), "the line is gone");

    fs::write(&file, "[sip]\nlisten = 5060\n").expect("written");
    let refused = http::post(server.loopback.web(), "/api/v1/reload");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("listen"), "{}", refused.body);
    assert_eq!(exit_code(&server, "1002"), Some(0), "the configuration stays");

    fs::write(&file, good.replace("\"1002\"", "\"2002\"")).expect("written");
    server.signal("HUP");
    let times_reread = || server.log().matches("has been read again").count();
    wait_for("second reload", END_WITHIN, || (times_reread() == 2).then_some(()));
    assert_eq!(exit_code(&server, "2002"), Some(0));
}

#[test]
fn the_demo_has_no_file_to_read_again() {
    let server = Server::demo();
    let refused = http::post(server.loopback.web(), "/api/v1/reload");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("no file"), "{}", refused.body);
}
