//! Who may call, and whose word counts: over the wire, with requests written by hand.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::json;

use crate::support::server::{Server, portero};
use crate::support::{http, wait_for};

const STRANGERS: &str = "# strangers = \"admit-local\"";
const TRUNK: &str = "
[[trunks]]
name = \"carrier\"
addresses = [\"127.0.0.0/8\"]
calls = 1
identity = [\"p-asserted-identity\", \"from\"]
verstat = true
country = \"US\"

[web]
";

/// A peer that writes its requests itself.
struct Peer {
    socket: UdpSocket,
    server: std::net::SocketAddr,
}

impl Peer {
    fn of(server: &Server) -> Self {
        let socket = UdpSocket::bind(server.loopback.peer_sip()).expect("an address of the test's own");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out that is not zero");
        Self { socket, server: server.loopback.sip() }
    }

    /// Sends a request of the call `call`.
    fn send(&self, method: &str, call: &str, more: &str) {
        let (own, server) = (self.socket.local_addr().expect("it is bound"), self.server);
        let request = format!(
            "{method} sip:1000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{call};rport\r\n\
             From: <sip:2025550199@caller.example>;tag={call}\r\nTo: <sip:1000@{server}>\r\nCall-ID: {call}\r\n\
             CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:caller@{own}>\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.socket.send_to(request.as_bytes(), server).expect("the loopback takes it");
    }

    /// The first answer with this status; those before it are skipped.
    fn answer(&self, status: &str) -> String {
        let mut room = [0; 4096];
        loop {
            let (length, _) = self.socket.recv_from(&mut room).unwrap_or_else(|_| panic!("no {status}"));
            let answer = String::from_utf8_lossy(&room[..length]).into_owned();
            if answer.starts_with(&format!("SIP/2.0 {status} ")) {
                return answer;
            }
        }
    }
}

/// How often the server has turned a message away for this reason.
fn rejected(server: &Server, reason: &str) -> Option<String> {
    let series = format!("portero_sip_rejected_total{{reason=\"{reason}\"}} ");
    let metrics = http::get(server.loopback.web(), "/metrics").body;
    metrics.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
}

#[test]
fn a_trunk_tells_the_number_and_brings_no_more_calls_than_it_may() {
    let ring = ("ring_for = \"0s\"", "ring_for = \"30s\"");
    let server = Server::serve(&[("\n[web]\n", TRUNK), ring]);
    let peer = Peer::of(&server);
    let asserted = "P-Asserted-Identity: \"Jane\" <sip:2025550101;npdi;verstat=TN-Validation-Passed-B@carrier.example>\r\n";
    peer.send("INVITE", "first", &format!("{asserted}Diversion: <sip:2025550001@carrier.example>\r\n"));
    peer.answer("180");
    peer.send("INVITE", "second", asserted);
    let busy = peer.answer("503");
    assert!(busy.contains("\r\nRetry-After: ") && busy.contains("\r\nCall-ID: second\r\n"), "{busy}");
    peer.send("CANCEL", "first", "");
    peer.answer("487");
    let record = server.wait_for_record("1000");
    assert_eq!(
        json!([record["ani"], record["ani_source"], record["trunk"], record["first_dialled"]]),
        json!(["+12025550101", "p_asserted_identity", "carrier", "+12025550001"])
    );
    let told = json!([record["ani_withheld"], record["ani_verstat"], record["ani_attestation"]]);
    assert_eq!(told, json!([false, "passed", "b"]));
    let counted = wait_for("count", Duration::from_secs(10), || rejected(&server, "trunk_busy"));
    assert_eq!(counted, "1");
}

#[test]
fn a_stranger_is_refused() {
    let server = Server::serve(&[(STRANGERS, "strangers = \"refuse\"")]);
    let output = portero(&["call", &format!("sip:1000@{}", server.loopback.sip()), "--json"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object");
    assert_eq!((output.status.code(), &outcome["status"]), (Some(2), &json!(403)), "{outcome:#}");
    assert_eq!(server.calls(), [json!(null); 0]);
}

#[test]
fn a_stranger_is_ignored() {
    let server = Server::serve(&[(STRANGERS, "strangers = \"ignore\"")]);
    let peer = Peer::of(&server);
    peer.send("OPTIONS", "scan", "");
    peer.send("INVITE", "call", "");
    wait_for("second request counted", Duration::from_secs(10), || {
        rejected(&server, "stranger").filter(|count| count == "2")
    });
    peer.socket.set_nonblocking(true).expect("a socket can be that");
    let heard = peer.socket.recv_from(&mut [0; 4096]);
    assert!(heard.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    assert_eq!(server.calls(), [json!(null); 0]);
}
