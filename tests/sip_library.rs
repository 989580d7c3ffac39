//! The evidence for the choice of a SIP library (docs/decisions): what rsip makes of messages that an
//! identification product must read right, what the endpoint makes of them, and rsip in the role that it keeps,
//! an independent reader of what we print.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portero::sip::{Claim, Config, DialogId, Endpoint, Event, Hop, Invitation, Referral, Whereabouts};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rsip::prelude::*;

const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
const VIA: &str = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport";
const FROM: &str = "<sip:+12025550101@192.0.2.1>;tag=peer";
const CONTACT: &str = "<sip:peer@192.0.2.1:5060>";

/// Our address of the same family as the peer's.
fn own_address(peer: SocketAddr) -> SocketAddr {
    let own = if peer.is_ipv4() { "192.0.2.10:5060" } else { "[2001:db8::10]:5060" };
    own.parse().expect("an address")
}

struct Peer {
    endpoint: Endpoint,
    source: SocketAddr,
    now: Instant,
}

impl Peer {
    fn at(source: &str) -> Self {
        let source = source.parse().expect("an address");
        let config = Config {
            whereabouts: Whereabouts::udp(own_address(source)),
            realm: "portero".to_owned(),
            user_agent: "Portero".to_owned(),
            accept_referrals: false,
            retry_after: Duration::from_secs(5),
        };
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let now = Instant::now();
        Self { endpoint: Endpoint::new(config, StdRng::seed_from_u64(1)), source, now }
    }

    fn send(&mut self, text: &str) {
        self.endpoint.receive(Hop::udp(own_address(self.source), self.source), text.as_bytes(), self.now);
    }

    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|transmit| String::from_utf8(transmit.payload).expect("text"))
            .collect()
    }

    fn invited(&mut self) -> (DialogId, Invitation) {
        match self.endpoint.poll_event() {
            Some(Event::Invited(id, invitation)) => (id, *invitation),
            other => panic!("not invited: {other:?}"),
        }
    }
}

fn request(method: &str, via: &str, from: &str, contact: &str, to_tag: &str) -> String {
    let body = if method == "INVITE" { OFFER } else { "" };
    format!(
        "{method} sip:1000@192.0.2.10 SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: <sip:1000@192.0.2.10>{to_tag}\r\n\
         Call-ID: evidence\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: {contact}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The caller that From tells.
fn told(invitation: &Invitation) -> Option<String> {
    match &invitation.identity.from {
        Some(Claim::User(user)) => Some(user.clone()),
        Some(Claim::Anonymous) | None => None,
    }
}

/// The caller that the endpoint reads out of a From.
fn caller(from: &str) -> Option<String> {
    let mut peer = Peer::at("192.0.2.1:5060");
    peer.send(&request("INVITE", VIA, from, CONTACT, ""));
    told(&peer.invited().1)
}

#[test]
fn telephone_numbers_are_callers_and_not_ports() {
    assert!(
        rsip::Uri::try_from("tel:+12155550101").is_err(),
        "rsip reads the number as a port, and it is too large"
    );
    let short = rsip::headers::From::new("<tel:+1215>;tag=peer").typed().expect("rsip reads it");
    assert_eq!(short.uri.to_string(), "tel:1215", "rsip loses the plus: another number");
    assert_eq!(caller("<tel:+12155550101>;tag=peer").as_deref(), Some("+12155550101"));
    assert_eq!(caller("<tel:+1215>;tag=peer").as_deref(), Some("+1215"));
}

#[test]
fn an_ipv6_literal_is_an_address() {
    assert!(rsip::Uri::try_from("sip:peer@[2001:db8::1]:5060").is_err());
    let via = rsip::headers::Via::new("SIP/2.0/UDP host;branch=z9hG4bK1;received=2001:db8::1").typed();
    assert!(
        via.expect("rsip reads it").to_string().ends_with("received=2001"),
        "rsip cuts the address short"
    );

    let mut peer = Peer::at("[2001:db8::1]:5060");
    peer.send(&request(
        "INVITE",
        VIA,
        "<sip:+12025550101@[2001:db8::1]>;tag=peer",
        "<sip:peer@[2001:db8::9]:5070>",
        "",
    ));
    let (id, invitation) = peer.invited();
    assert_eq!(told(&invitation).as_deref(), Some("+12025550101"));
    peer.endpoint.accept(id, OFFER, peer.now);
    let ok = peer.sent().remove(0);
    assert!(ok.contains(";received=2001:db8::1\r\n"), "{ok}");
    let tag =
        ok.split("To: ").nth(1).and_then(|to| to.split("\r\n").next()?.split(";tag=").nth(1)).expect("a tag");
    peer.send(&request(
        "ACK",
        "SIP/2.0/UDP h;branch=z9hG4bK2",
        "<sip:+1@[2001:db8::1]>;tag=peer",
        CONTACT,
        &format!(";tag={tag}"),
    ));
    peer.endpoint.bye(id, peer.now);
    let bye = peer.endpoint.poll_transmit().expect("a BYE");
    assert_eq!(bye.hop.peer, "[2001:db8::9]:5070".parse().expect("an address"));
}

#[test]
fn every_hop_of_a_joined_via_comes_back() {
    let joined = "SIP/2.0/UDP a:5060;branch=z9hG4bK1, SIP/2.0/UDP b:5060;branch=z9hG4bK2";
    let read = rsip::headers::Via::new(joined).typed().expect("rsip reads it").to_string();
    assert!(!read.contains("z9hG4bK2"), "rsip keeps the first hop and loses the rest: {read}");

    let mut peer = Peer::at("192.0.2.1:5060");
    peer.send(&request("OPTIONS", joined, FROM, CONTACT, ""));
    let answer = peer.sent().remove(0);
    assert!(
        answer.contains("branch=z9hG4bK1") && answer.contains("SIP/2.0/UDP b:5060;branch=z9hG4bK2\r\n"),
        "{answer}"
    );
}

#[test]
fn a_quoted_display_name_may_hold_anything() {
    let from = r#""O'Hara \"x\" <b>" <sip:+12025550101@192.0.2.1>;tag=peer"#;
    assert!(rsip::headers::From::new(from).typed().is_err(), "rsip takes the quoted < for the URI's");
    assert_eq!(caller(from).as_deref(), Some("+12025550101"));
}

#[test]
fn what_is_unknown_is_answered_and_not_an_error() {
    assert!("FEEDME".parse::<rsip::Method>().is_err());
    let quic = "SIP/2.0/QUIC 192.0.2.1:5060;branch=z9hG4bK1";
    assert!(rsip::headers::Via::new(quic).typed().is_err());
    for (method, via, status) in [("FEEDME", VIA, "SIP/2.0 501 "), ("OPTIONS", quic, "SIP/2.0 200 ")] {
        let text = request(method, via, FROM, CONTACT, "");
        let mut peer = Peer::at("192.0.2.1:5060");
        peer.send(&text);
        assert!(peer.sent().remove(0).starts_with(status), "{method} {via}");
    }
}

fn header<'a>(headers: &'a rsip::Headers, name: &str) -> Option<&'a str> {
    headers.iter().find_map(|header| match header {
        rsip::Header::Other(found, value) if found == name => Some(value.as_str()),
        _ => None,
    })
}

/// rsip reads our 200 with its answer, and our REFER, as we meant them.
#[test]
fn an_independent_reader_reads_what_we_print() {
    let mut peer = Peer::at("192.0.2.1:5060");
    peer.send(&request("INVITE", VIA, FROM, CONTACT, ""));
    let (id, _) = peer.invited();
    peer.endpoint.accept(id, OFFER, peer.now);
    let ok = peer.sent().pop().expect("a 200");
    let ok = rsip::Response::try_from(ok.as_bytes()).expect("rsip reads our 200");
    assert_eq!(ok.status_code, rsip::StatusCode::OK);
    assert_eq!(ok.body, OFFER.as_bytes());
    assert_eq!(ok.cseq_header().and_then(rsip::headers::CSeq::seq).expect("a CSeq"), 1);
    assert_eq!(ok.call_id_header().expect("a Call-ID").value(), "evidence");
    let contact = ok.contact_header().and_then(rsip::headers::Contact::uri).expect("a Contact");
    assert_eq!(contact.to_string(), "sip:portero@192.0.2.10:5060");
    let tag = ok.to_header().and_then(rsip::headers::To::tag).expect("a To").expect("a tag").to_string();

    peer.send(&request("ACK", "SIP/2.0/UDP h;branch=z9hG4bK2", FROM, CONTACT, &format!(";tag={tag}")));
    let refer_to = "sip:agents@192.0.2.50;portero-token=abc?X-Portero-Verdict=verified";
    let headers = vec![("X-Portero-Name".to_owned(), "Z%C3%B6e%20O%27Hara".to_owned())];
    peer.endpoint.refer(id, &Referral { refer_to: refer_to.to_owned(), headers }, peer.now);
    let refer = peer.sent().pop().expect("a REFER");
    let refer = rsip::Request::try_from(refer.as_bytes()).expect("rsip reads our REFER");
    assert_eq!(refer.method, rsip::Method::Refer);
    assert_eq!(refer.uri.to_string(), "sip:peer@192.0.2.1:5060");
    assert_eq!(header(&refer.headers, "Refer-To"), Some(format!("<{refer_to}>").as_str()));
    assert_eq!(header(&refer.headers, "Referred-By"), Some("<sip:portero@192.0.2.10:5060>"));
    assert_eq!(header(&refer.headers, "X-Portero-Name"), Some("Z%C3%B6e%20O%27Hara"));
    let via = refer.via_header().and_then(ToTypedHeader::typed).expect("a Via");
    assert!(via.to_string().starts_with("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK"));
    assert_eq!(
        refer.max_forwards_header().and_then(rsip::headers::MaxForwards::num).expect("a Max-Forwards"),
        70
    );
}
