//! RFC 5118: SIP with IPv6 addresses, over IPv6, and where a message names both families, over IPv4 too.
//!
//! The messages are written from the RFC's sections, with two changes: the topmost Via names the port that the
//! peer really has, since that is where its answer goes, and Content-Length is counted.

use std::net::{Ipv6Addr, SocketAddr};

use super::Answer::{self, Call, Status};
use super::loopback::Loopback;
use super::peer::Peer;
use super::program::Program;

/// A message as its section describes it. `{port}` stands for the peer's port.
struct Message {
    section: &'static str,
    head: &'static [&'static str],
    body: &'static [&'static str],
    /// What it gets over IPv6.
    over_ipv6: Answer,
    /// What it gets over IPv4.
    over_ipv4: Answer,
    why: &'static str,
}

const MESSAGES: &[Message] = &[
    Message {
        section: "4.1, an IPv6 reference",
        head: &[
            "REGISTER sip:[2001:db8::10] SIP/2.0",
            "To: sip:user@example.com",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bKas3-111",
            "Call-ID: SSG9559905523997077@hlau_4100",
            "Max-Forwards: 70",
            "Contact: \"Caller\" <sip:caller@[2001:db8::1]>",
            "CSeq: 98176 REGISTER",
        ],
        body: &[],
        over_ipv6: Status(405),
        over_ipv4: Status(405),
        why: "legal; we are no registrar",
    },
    Message {
        section: "4.2, the brackets are missing",
        head: &[
            "REGISTER sip:2001:db8::10 SIP/2.0",
            "To: sip:user@example.com",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bKas3-112",
            "Call-ID: SSG9559905523997078@hlau_4100",
            "Max-Forwards: 70",
            "Contact: \"Caller\" <sip:caller@[2001:db8::1]>",
            "CSeq: 98177 REGISTER",
        ],
        body: &[],
        over_ipv6: Status(400),
        over_ipv4: Status(400),
        why: "nobody can say where the address ends",
    },
    Message {
        section: "4.3, a port inside the brackets",
        head: &[
            "REGISTER sip:[2001:db8::10:5070] SIP/2.0",
            "To: sip:user@example.com",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bKas3-113",
            "Call-ID: SSG9559905523997079@hlau_4100",
            "Max-Forwards: 70",
            "Contact: \"Caller\" <sip:caller@[2001:db8::1]>",
            "CSeq: 98178 REGISTER",
        ],
        body: &[],
        over_ipv6: Status(405),
        over_ipv4: Status(405),
        why: "legal, though it means an address that nobody meant",
    },
    Message {
        section: "4.4, a port behind the brackets",
        head: &[
            "REGISTER sip:[2001:db8::10]:5070 SIP/2.0",
            "To: sip:user@example.com",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bKas3-114",
            "Call-ID: SSG9559905523997080@hlau_4100",
            "Max-Forwards: 70",
            "Contact: \"Caller\" <sip:caller@[2001:db8::1]>",
            "CSeq: 98179 REGISTER",
        ],
        body: &[],
        over_ipv6: Status(405),
        over_ipv4: Status(405),
        why: "legal; we are no registrar",
    },
    Message {
        section: "4.5, received with brackets",
        head: &[
            "BYE sip:[2001:db8::10] SIP/2.0",
            "To: sip:user@example.com;tag=bd76ya",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};received=[2001:db8::9:255];branch=z9hG4bKas3-115",
            "Call-ID: SSG9559905523997081@hlau_4100",
            "Max-Forwards: 70",
            "CSeq: 98180 BYE",
        ],
        body: &[],
        over_ipv6: Status(481),
        over_ipv4: Status(481),
        why: "both forms are read; there is no such dialog",
    },
    Message {
        section: "4.5, received without brackets",
        head: &[
            "BYE sip:[2001:db8::10] SIP/2.0",
            "To: sip:user@example.com;tag=bd76ya",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};received=2001:db8::9:255;branch=z9hG4bKas3-116",
            "Call-ID: SSG9559905523997082@hlau_4100",
            "Max-Forwards: 70",
            "CSeq: 98181 BYE",
        ],
        body: &[],
        over_ipv6: Status(481),
        over_ipv4: Status(481),
        why: "both forms are read; there is no such dialog",
    },
    Message {
        section: "4.6, IPv6 addresses in SDP",
        head: &[
            "INVITE sip:user@[2001:db8::10] SIP/2.0",
            "To: sip:user@[2001:db8::10]",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::20]:{port};branch=z9hG4bKas3-117",
            "Call-ID: SSG9559905523997083@hlau_4100",
            "Contact: \"Caller\" <sip:caller@[2001:db8::20]>",
            "CSeq: 8612 INVITE",
            "Max-Forwards: 70",
            "Content-Type: application/sdp",
        ],
        body: &[
            "v=0",
            "o=assistant 971731711378798081 0 IN IP6 2001:db8::20",
            "s=Live video feed for today's meeting",
            "c=IN IP6 2001:db8::20",
            "t=3338481189 3370017201",
            "m=audio 6000 RTP/AVP 0",
            "m=video 6024 RTP/AVP 107",
            "a=rtpmap:107 H263-1998/90000",
        ],
        over_ipv6: Call,
        over_ipv4: Call,
        why: "a call like any other; media of another family than ours goes where the signalling comes from",
    },
    Message {
        section: "4.7, addresses of both families in header fields",
        head: &[
            "BYE sip:user@host.example.net SIP/2.0",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bKas3-118",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
            "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
            "Call-ID: 997077@lau_4100",
            "Max-Forwards: 70",
            "CSeq: 89187 BYE",
            "To: sip:user@example.net;tag=9817--94",
            "From: sip:user@example.com;tag=81x2",
        ],
        body: &[],
        over_ipv6: Status(481),
        over_ipv4: Status(481),
        why: "legal; there is no such dialog",
    },
    Message {
        section: "4.8, addresses of both families in SDP",
        head: &[
            "INVITE sip:user@[2001:db8::10] SIP/2.0",
            "To: sip:user@[2001:db8::10]",
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:{port};branch=z9hG4bKas3-119",
            "Call-ID: SSG9559905523997085@hlau_4100",
            "Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>",
            "Max-Forwards: 70",
            "CSeq: 8912 INVITE",
            "Content-Type: application/sdp",
        ],
        body: &[
            "v=0",
            "o=bob 280744730 28977631 IN IP4 host.example.com",
            "s=",
            "t=0 0",
            "m=audio 22334 RTP/AVP 0",
            "c=IN IP4 192.0.2.1",
            "m=video 6024 RTP/AVP 107",
            "c=IN IP6 2001:db8::1",
            "a=rtpmap:107 H263-1998/90000",
        ],
        over_ipv6: Call,
        over_ipv4: Call,
        why: "each stream has an address of its own; one of another family than ours costs nobody the call",
    },
    Message {
        section: "4.9, IPv4-mapped addresses",
        head: &[
            "INVITE sip:user@example.com SIP/2.0",
            "To: sip:user@example.com",
            "From: sip:user@east.example.com;tag=81x2",
            "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:{port};branch=z9hG4bKbh19",
            "Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-120",
            "Call-ID: SSG9559905523997086@hlau_4100",
            "Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>",
            "CSeq: 612 INVITE",
            "Max-Forwards: 70",
            "Content-Type: application/sdp",
        ],
        body: &[
            "v=0",
            "o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2",
            "s=Call me soon, please!",
            "c=IN IP6 ::ffff:192.0.2.2",
            "t=3338481189 3370017201",
            "m=audio 6000 RTP/AVP 2 0",
            "a=rtpmap:2 G726-32/8000",
            "m=video 6024 RTP/AVP 107",
            "a=rtpmap:107 H263-1998/90000",
        ],
        over_ipv6: Call,
        over_ipv4: Call,
        why: "it is an IPv4 address, however it is written",
    },
    Message {
        section: "4.10, a colon too many",
        head: &[
            "OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0",
            "To: sip:user@[2001:db8:::192.0.2.1]",
            "From: sip:user@example.com;tag=810x2",
            "Via: SIP/2.0/UDP lab1.east.example.com:{port};branch=z9hG4bKas3-121",
            "Call-ID: G9559905523997077@hlau_4100",
            "CSeq: 689 OPTIONS",
            "Max-Forwards: 70",
        ],
        body: &[],
        over_ipv6: Status(200),
        over_ipv4: Status(200),
        why: "RFC 3261's grammar makes it; it must be borne with",
    },
    Message {
        section: "4.10, the right number of colons",
        head: &[
            "OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0",
            "To: sip:user@[2001:db8::192.0.2.1]",
            "From: sip:user@example.com;tag=810x2",
            "Via: SIP/2.0/UDP lab1.east.example.com:{port};branch=z9hG4bKas3-122",
            "Call-ID: G9559905523997078@hlau_4100",
            "CSeq: 690 OPTIONS",
            "Max-Forwards: 70",
        ],
        body: &[],
        over_ipv6: Status(200),
        over_ipv4: Status(200),
        why: "legal",
    },
];

impl Message {
    fn bytes(&self, port: u16) -> Vec<u8> {
        let body: String = self.body.iter().flat_map(|line| [*line, "\r\n"]).collect();
        let head = self.head.join("\r\n").replace("{port}", &port.to_string());
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }
}

/// Sends every message to a server at `server` from a peer at `peer`; says what was not as `expected`.
fn wrong_answers(server: SocketAddr, peer: SocketAddr, expected: fn(&Message) -> Answer) -> Vec<String> {
    let loopback = Loopback::claim();
    let mut program = Program::start(server, &loopback);
    assert_eq!(program.sip.ip(), server.ip());
    let mut peer = Peer::new(peer, program.sip);
    let port = peer.port();
    let told = MESSAGES.iter().filter_map(|message| {
        let expected = expected(message);
        let got = peer.answer_to(&message.bytes(port), expected);
        let Message { section, why, .. } = message;
        (got != expected).then(|| format!("RFC 5118 §{section}: {got:?} instead of {expected:?}: {why}"))
    });
    let wrong = told.collect();
    peer.hears_nothing_more();
    assert!(program.is_running());
    wrong
}

#[test]
fn every_message_gets_its_answer_over_ipv6() {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let wrong = wrong_answers(address, address, |message| message.over_ipv6);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_message_gets_its_answer_over_ipv4() {
    let (server, peer) = (Loopback::claim(), Loopback::claim());
    let peer = SocketAddr::from((peer.ip(), 0));
    let wrong = wrong_answers(server.sip(), peer, |message| message.over_ipv4);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
