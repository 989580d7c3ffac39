//! Peers that go by a name (RFC 3263), with a real name server: whom the test caller calls, and whom the server calls
//! back.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::name_server::NameServer;
use crate::support::server::{Server, portero};
use crate::support::wait_for;

/// How long the records live that are to be seen out.
const TTL: Duration = Duration::from_secs(2);

/// Calls a domain, by this name server.
fn call(uri: &str, names: &NameServer) -> (i32, Value) {
    let server = names.address().to_string();
    let arguments = ["--from", "+12025550102", "--expect", "identified", "--no-follow", "--json"];
    let output = portero(&[&["call", uri, "--name-server", &server][..], &arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = || format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let outcome = if said.is_empty() { json!(told()) } else { serde_json::from_str(&said).expect("JSON") };
    (output.status.code().expect("an exit code"), outcome)
}

fn host(name: &str, address: SocketAddr) -> String {
    format!("host-record={name},{}", address.ip())
}

fn naptr(domain: &str, order: u16, service: &str, replacement: &str) -> String {
    format!("naptr-record={domain},{order},10,s,{service},,{replacement}")
}

fn srv(service: &str, target: &str, port: u16, priority: u16) -> String {
    format!("srv-host={service},{target},{port},{priority},0")
}

#[test]
fn a_domain_leads_to_its_server() {
    let server = Server::demo();
    let sip = server.loopback.sip();
    let mut names = NameServer::claim();
    let records = [
        naptr("pool.example", 10, "SIP+D2S", "_sip._sctp.pool.example"),
        naptr("pool.example", 20, "SIP+D2U", "_odd._udp.pool.example"),
        srv("_odd._udp.pool.example", "one.pool.example", sip.port(), 10),
        host("one.pool.example", sip),
        "cname=alias.example,one.pool.example".to_owned(),
    ];
    names.start(60, &records);
    let (code, outcome) = call("sip:1002@pool.example", &names);
    assert_eq!(code, 0, "{outcome:#}");
    let asked =
        ["query[NAPTR] pool.example", "query[SRV] _odd._udp.pool.example", "query[A] one.pool.example"];
    assert_eq!(asked.map(|question| names.asked(question)), [1, 1, 1]);

    let (code, outcome) = call(&format!("sip:1002@alias.example:{}", sip.port()), &names);
    assert_eq!(code, 0, "{outcome:#}");
    let (code, outcome) = call("sip:1002@nobody.example", &names);
    assert!(
        code == 1 && outcome.as_str().is_some_and(|text| text.contains("no address found for")),
        "{outcome:#}"
    );
}

#[test]
fn a_domain_chooses_the_transport() {
    let server = Server::demo();
    let sip = server.loopback.sip();
    let mut names = NameServer::claim();
    let records = [
        naptr("pool.example", 10, "SIP+D2T", "_sip._tcp.pool.example"),
        naptr("pool.example", 20, "SIP+D2U", "_sip._udp.pool.example"),
        srv("_sip._tcp.pool.example", "one.pool.example", sip.port(), 10),
        host("one.pool.example", sip),
    ];
    names.start(60, &records);
    let (code, outcome) = call("sip:1002@pool.example", &names);
    assert_eq!(code, 0, "{outcome:#}");
    assert_eq!(names.asked("query[SRV] _sip._udp.pool.example"), 0);
}

#[test]
fn a_target_that_is_dead_costs_seconds_and_not_the_call() {
    let server = Server::demo();
    let mut names = NameServer::claim();
    let (dead, sip) = (names.dead_end(), server.loopback.sip());
    let records = [
        srv("_sip._udp.pool.example", "dead.pool.example", dead.port(), 10),
        srv("_sip._udp.pool.example", "live.pool.example", sip.port(), 20),
        host("dead.pool.example", dead),
        host("live.pool.example", sip),
    ];
    names.start(60, &records);
    let begun = Instant::now();
    let (code, outcome) = call("sip:1002@pool.example", &names);
    assert_eq!(code, 0, "{outcome:#}");
    assert!(begun.elapsed() >= Duration::from_secs(4), "the first by priority was called first");
}

/// A peer that goes by a name: calls from one address, and takes requests at another.
struct Named {
    calls: UdpSocket,
    takes: UdpSocket,
    server: SocketAddr,
}

impl Named {
    fn of(server: &Server) -> Self {
        let bound = |address| {
            let socket = UdpSocket::bind(address).expect("an address of the test's own");
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out that is not zero");
            socket
        };
        let loopback = &server.loopback;
        Self {
            calls: bound(loopback.peer_sip()),
            takes: bound(loopback.peer_control()),
            server: loopback.sip(),
        }
    }

    fn port(&self) -> u16 {
        self.takes.local_addr().expect("it is bound").port()
    }

    /// Sends a request of the call `call`, whose Contact is this.
    fn send(&self, method: &str, call: &str, to_tag: &str, contact: &str) {
        let (own, server) = (self.calls.local_addr().expect("it is bound"), self.server);
        let request = format!(
            "{method} sip:1000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{method}-{call};rport\r\n\
             From: <sip:+12025550101@caller.example>;tag={call}\r\nTo: <sip:1000@{server}>{to_tag}\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <{contact}>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.calls.send_to(request.as_bytes(), server).expect("the loopback takes it");
    }

    /// The first message with this beginning, on one of the two sockets.
    fn hear(socket: &UdpSocket, beginning: &str) -> String {
        let mut room = [0; 4096];
        loop {
            let (length, _) = socket.recv_from(&mut room).unwrap_or_else(|_| panic!("no {beginning}"));
            let message = String::from_utf8_lossy(&room[..length]).into_owned();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }
}

fn asks(names: &NameServer) -> (&'static str, String) {
    ("# name_servers = [\"192.0.2.53\"]", format!("name_servers = [\"{}\"]", names.address()))
}

#[test]
fn requests_of_a_call_go_where_the_name_of_its_peer_leads() {
    let mut names = NameServer::claim();
    let (from, to) = asks(&names);
    let server = Server::serve(&[(from, &to)]);
    let peer = Named::of(&server);
    let records = [
        srv("_sip._udp.phone.example", "desk.example", peer.port(), 10),
        host("desk.example", server.loopback.sip()),
    ];
    names.start(60, &records);
    peer.send("INVITE", "named", "", "sip:caller@phone.example");
    let answered = Named::hear(&peer.calls, "SIP/2.0 200 ");
    let to = answered.lines().find_map(|line| line.strip_prefix("To: ")).expect("a To");
    let tag = to.split(';').nth(1).map(|tag| format!(";{tag}")).expect("a tag");
    wait_for("place of the peer", Duration::from_secs(10), || {
        server.log().contains("a peer known by name: 1 addresses found").then_some(())
    });
    // An ACK without the answer to our offer is the end of the call.
    peer.send("ACK", "named", &tag, "sip:caller@phone.example");
    let bye = Named::hear(&peer.takes, "BYE ");
    assert!(bye.starts_with("BYE sip:caller@phone.example SIP/2.0\r\n"), "{bye}");
}

#[test]
fn an_answer_of_the_dns_is_used_for_as_long_as_it_lives_and_no_longer() {
    let mut names = NameServer::claim();
    let (from, to) = asks(&names);
    let server = Server::serve(&[(from, &to), ("ring_for = \"0s\"", "ring_for = \"30s\"")]);
    let peer = Named::of(&server);
    names.start(TTL.as_secs() as u32, &[host("desk.example", server.loopback.sip())]);
    let (mut calls, mut first) = (0, None);
    let again = wait_for("second question", TTL * 5, || {
        calls += 1;
        peer.send("INVITE", &format!("call-{calls}"), "", "sip:caller@desk.example:5070");
        let asked = names.asked("query[A] desk.example");
        if asked > 0 {
            first.get_or_insert_with(Instant::now);
        }
        (asked > 1).then(Instant::now)
    });
    let lived = again - first.expect("there was a first question");
    assert!(lived >= TTL.mul_f64(0.9), "it was asked again after {lived:?}");
    assert!(calls > 10, "{calls} calls went by one answer");
}
