//! One table: what a request gets that we cannot serve, and where what it gets goes.

use std::net::SocketAddr;
use std::time::Duration;

use super::wire::{Sketch, Wire, header, only_status};
use super::{SDP, endpoint};
use crate::sip::limits::Caps;
use crate::sip::{Claim, Event, Rejection};

fn replaced(sketch: &Sketch, from: &str, to: &str) -> String {
    let text = sketch.text("z9hG4bKreplaced");
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

#[test]
fn requests_outside_dialogs() {
    let invite = Sketch::invite();
    let options = Sketch::new("OPTIONS");
    let table = [
        ("OPTIONS", options.text("z9hG4bK1"), 200),
        ("a method that nobody knows", Sketch::new("FEEDME").text("z9hG4bK1"), 501),
        ("a method in lower case is another method", Sketch::new("invite").text("z9hG4bK1"), 501),
        ("REGISTER", Sketch::new("REGISTER").text("z9hG4bK1"), 405),
        ("SUBSCRIBE", Sketch::new("SUBSCRIBE").text("z9hG4bK1"), 405),
        ("PRACK", Sketch::new("PRACK").text("z9hG4bK1"), 481),
        ("UPDATE", Sketch::new("UPDATE").text("z9hG4bK1"), 481),
        ("BYE", Sketch::new("BYE").text("z9hG4bK1"), 481),
        ("INFO", Sketch::new("INFO").text("z9hG4bK1"), 481),
        ("NOTIFY", Sketch::new("NOTIFY").text("z9hG4bK1"), 481),
        ("CANCEL", Sketch::new("CANCEL").text("z9hG4bK1"), 481),
        ("REFER", Sketch::new("REFER").with("Refer-To: <sip:a@b>").text("z9hG4bK1"), 603),
        ("an unknown To tag", Sketch::inside("BYE", "nobody", 2).text("z9hG4bK1"), 481),
        (
            "an INVITE with an unknown To tag",
            Sketch { to_tag: Some("nobody".into()), ..invite.clone() }.text("z9hG4bK1"),
            481,
        ),
        ("an unknown scheme", replaced(&options, "sip:1000@192.0.2.10:5060", "nobodyKnowsThisScheme:x"), 416),
        ("sips without TLS", replaced(&options, "OPTIONS sip:", "OPTIONS sips:"), 416),
        ("another version", replaced(&options, "SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        ("hops used up are a proxy's matter", replaced(&options, "Max-Forwards: 70", "Max-Forwards: 0"), 200),
        ("no Max-Forwards is forgiven", replaced(&options, "Max-Forwards: 70\r\n", ""), 200),
        ("Max-Forwards out of range", replaced(&options, "Max-Forwards: 70", "Max-Forwards: 300"), 400),
        ("CSeq out of range", replaced(&options, "CSeq: 1 ", "CSeq: 36893488147419103232 "), 400),
        ("CSeq of another method", replaced(&options, "CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), 400),
        ("two From", replaced(&options, "To: ", "From: <sip:x@y>;tag=2\r\nTo: "), 400),
        (
            "a name that should be quoted",
            replaced(&options, "From: <sip:+12025550101@192.0.2.1>", "From: Bell, José <sip:a@b>"),
            200,
        ),
        (
            "a From that does not parse",
            replaced(&options, "From: <sip:+12025550101@192.0.2.1>", "From: Bell <<sip:a@b>"),
            400,
        ),
        ("a Via that does not parse", replaced(&options, "192.0.2.1:5060;", "192.0.2.1:5060;;,;,,"), 400),
        ("no Call-ID", replaced(&options, "Call-ID: ", "Call-Me: "), 400),
        ("neither From nor To", replaced(&options, "From: ", "Frog: ").replace("To: ", "Toad: "), 400),
        ("an answer in SDP is not wanted", invite.clone().with("Accept: text/plain").text("z9hG4bK1"), 406),
        ("an unterminated quote", replaced(&options, "To: <", "To: \"Mr. J. User <"), 400),
        ("a line that is no header", replaced(&options, "Max-Forwards: 70", "no colon here"), 400),
        ("a negative Content-Length", replaced(&options, "Content-Length: 0", "Content-Length: -999"), 400),
        (
            "an overflowing Content-Length",
            replaced(&options, "Content-Length: 0", "Content-Length: 99999999999999999999"),
            400,
        ),
        (
            "a Content-Length beyond the datagram",
            replaced(&options, "Content-Length: 0", "Content-Length: 9"),
            400,
        ),
        (
            "spaces inside the Request-URI",
            replaced(&options, "sip:1000@192.0.2.10:5060", "sip:1000@192.0.2.10; lr"),
            400,
        ),
        ("an escaped NUL is legal, and founds no dialog", replaced(&invite, "To: <", "To: \"\\\0\" <"), 400),
        ("an escaped NUL is legal", replaced(&Sketch::new("FEEDME"), "To: <", "To: \"\\\0\" <"), 501),
        (
            "a required extension",
            Sketch::invite().with("Require: 100rel, nothingSupportsThis").text("z9hG4bK1"),
            420,
        ),
        (
            "another body",
            Sketch::new("INVITE").with("Content-Type: application/unknown").body("x").text("z9hG4bK1"),
            415,
        ),
        ("a body without a type", Sketch::new("INVITE").body("x").text("z9hG4bK1"), 415),
        ("an encoded body", Sketch::invite().with("Content-Encoding: gzip").text("z9hG4bK1"), 415),
        ("no Contact", replaced(&invite, "Contact: <sip:+12025550101@192.0.2.1:5060>\r\n", ""), 400),
        (
            "a Contact that is no SIP URI",
            replaced(&invite, "Contact: <sip:+12025550101@192.0.2.1:5060>", "Contact: <mailto:a@b>"),
            400,
        ),
        (
            "a Record-Route that does not parse",
            invite.clone().with("Record-Route: <<>>").text("z9hG4bK1"),
            400,
        ),
    ];
    for (what, text, expected) in table {
        let mut wire = Wire::new();
        let sent = wire.send_text(&text);
        assert_eq!(only_status(&sent), expected, "{what}: {sent:?}");
        assert_eq!(wire.events(), [], "{what}");
        assert_eq!(wire.endpoint.dialogs(), 0, "{what}");
        if expected != 200 {
            assert_eq!(wire.endpoint.counters().rejected().map(|(_, count)| count).sum::<u64>(), 1, "{what}");
        }
    }
}

#[test]
fn an_accept_with_room_for_sdp_is_no_refusal() {
    for accept in ["text/plain, Application/SDP;level=1", "application/*", "*/*;q=0.1", ""] {
        let mut wire = Wire::new();
        assert_eq!(wire.send(&Sketch::invite().with(&format!("Accept: {accept}"))), [""; 0], "{accept}");
        assert_eq!(wire.endpoint.dialogs(), 1, "{accept}");
    }
}

#[test]
fn refusals_say_what_would_have_done() {
    let table = [
        (Sketch::new("REGISTER"), "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, PRACK, UPDATE"),
        (Sketch::new("FEEDME"), "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, PRACK, UPDATE"),
        (Sketch::new("OPTIONS"), "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, PRACK, UPDATE"),
        (Sketch::invite().with("Require: a, 100REL, timer, b").with("Require: c"), "Unsupported", "a, b, c"),
        (Sketch::invite().with("Supported: timer").with("Session-Expires: 89"), "Min-SE", "90"),
        (Sketch::new("INVITE").with("Content-Type: text/plain").body("x"), "Accept", "application/sdp"),
        (Sketch::invite().with("Content-Encoding: gzip"), "Accept-Encoding", "identity"),
    ];
    for (sketch, name, value) in table {
        let sent = Wire::new().send(&sketch);
        assert_eq!(header(&sent[0], name), Some(value), "{sent:?}");
    }
}

#[test]
fn nothing_is_answered_that_must_not_be() {
    let mut wire = Wire::new();
    let ack = Sketch::inside("ACK", "nobody", 1);
    assert_eq!(wire.send(&ack), [""; 0]);
    assert_eq!(wire.send_text(&replaced(&ack, "CSeq: 1", "CSeq: x")), [""; 0]);
    assert_eq!(wire.send_text("\r\n\r\n"), [""; 0]);
    assert_eq!(wire.send_text("GET / HTTP/1.1\r\n\r\n"), [""; 0]);
    let options = Sketch::new("OPTIONS");
    let no_via = options.text("z9hG4bK1").replace("Via: ", "Bia: ");
    assert_eq!(wire.send_text(&no_via), [""; 0]);
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
    assert_eq!(wire.send_text(stray), [""; 0]);
    assert_eq!(wire.events(), []);
    assert!(wire.endpoint.is_idle());
}

#[test]
fn an_answer_goes_back_the_way_the_request_came() {
    let source = SocketAddr::from(([203, 0, 113, 7], 61_000));
    let with_rport = Sketch::new("OPTIONS").text("z9hG4bK1");
    let without = with_rport.replace(";rport", "").replace("z9hG4bK1", "z9hG4bK2");
    let table = [(with_rport, source), (without, SocketAddr::new(source.ip(), 5060))];
    for (text, destination) in table {
        let mut wire = Wire::new();
        wire.endpoint.receive(Wire::hop(source), text.as_bytes(), wire.now);
        let transmit = wire.endpoint.poll_transmit().expect("an answer");
        assert_eq!(transmit.hop.peer, destination);
        let sent = String::from_utf8(transmit.payload).expect("text");
        assert!(header(&sent, "Via").expect("a Via").contains("received=203.0.113.7"), "{sent}");
    }
}

#[test]
fn one_request_by_two_ways_is_merged_and_a_retransmission_is_not() {
    let mut wire = Wire::new();
    let invite = Sketch::invite();
    assert_eq!(wire.send_text(&invite.text("z9hG4bKfirst")), [""; 0]);
    assert_eq!(only_status(&wire.send_text(&invite.text("z9hG4bKsecond"))), 482);
    assert_eq!(wire.send_text(&invite.text("z9hG4bKfirst")), [""; 0]);
    assert_eq!(wire.endpoint.dialogs(), 1);
}

#[test]
fn a_draining_endpoint_sends_new_calls_elsewhere_and_keeps_its_own() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    wire.endpoint.set_draining(true);
    for sketch in [Sketch::new("OPTIONS"), Sketch { cseq: 9, ..Sketch::invite() }] {
        let sent = wire.send(&sketch);
        assert_eq!(only_status(&sent), 503);
        assert_eq!(header(&sent[0], "Retry-After"), Some("5"));
    }
    assert_eq!(only_status(&wire.send(&Sketch::inside("OPTIONS", &tag, 2))), 200);
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 3))), 200);
    let draining = wire.endpoint.counters().rejected().find(|(reason, _)| *reason == Rejection::Draining);
    assert_eq!(draining, Some((Rejection::Draining, 2)));
}

#[test]
fn a_refusal_without_a_transaction_has_the_same_tag_each_time() {
    let mut wire = Wire::new();
    let text = replaced(&Sketch::new("OPTIONS"), "CSeq: 1 OPTIONS", "CSeq: 1 INVITE");
    let first = wire.send_text(&text);
    assert_eq!(first, wire.send_text(&text));
    let elsewhere = endpoint(SocketAddr::from(([192, 0, 2, 10], 5060)), false, 2);
    let mut other = Wire::new();
    other.endpoint = elsewhere;
    assert_ne!(first, other.send_text(&text), "tags are salted");
}

#[test]
fn an_invitation_is_told_with_all_that_it_says() {
    let mut wire = Wire::new();
    let sketch = Sketch { uri: "sip:agents@192.0.2.10;portero-token=abc".into(), ..Sketch::invite() };
    assert_eq!(wire.send(&sketch.with("X-Portero-Verdict: verified")), [""; 0]);
    let events = wire.events();
    let [Event::Invited(_, invitation)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(invitation.dialled, "agents");
    assert_eq!(invitation.token.as_deref(), Some("abc"));
    assert_eq!(invitation.verdict.as_deref(), Some("verified"));
    assert_eq!(invitation.identity.from, Some(Claim::User("+12025550101".to_owned())));
    assert_eq!(invitation.sip_call_id, "call@192.0.2.1");
    assert_eq!(invitation.hop, Wire::peer());
    assert_eq!(invitation.offer.as_deref(), Some(SDP));
}

#[test]
fn a_full_endpoint_says_so_and_keeps_room_for_its_own_calls() {
    let caps = Caps { dialogs: 2, transactions: 5, transactions_for_strangers: 3 };
    let mut wire = Wire::new();
    wire.endpoint.set_caps(caps);
    let (_, tag) = wire.established();
    assert_eq!(wire.send(&Sketch { cseq: 2, ..Sketch::invite() }), [""; 0]);
    let third = wire.send(&Sketch { cseq: 3, ..Sketch::invite() });
    assert_eq!((only_status(&third), header(&third[0], "Retry-After")), (503, Some("5")), "dialogs");
    let stranger = wire.send(&Sketch { cseq: 4, ..Sketch::new("OPTIONS") });
    assert_eq!(
        (only_status(&stranger), header(&stranger[0], "Retry-After")),
        (503, Some("5")),
        "transactions"
    );
    for (cseq, status) in [(2, 200), (3, 200), (4, 503)] {
        assert_eq!(only_status(&wire.send(&Sketch::inside("OPTIONS", &tag, cseq))), status);
    }
    wire.pass(Duration::from_secs(33));
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 5))), 200);
}

#[test]
fn what_was_keyed_does_not_show_in_debug() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    let info = Sketch::inside("INFO", &tag, 2).with("Content-Type: application/dtmf-relay");
    wire.send(&info.body("Signal=7\r\nDuration=137\r\n"));
    let shown = format!("{:?}", wire.endpoint);
    assert!(!shown.contains("Signal") && !shown.contains("137"), "{shown}");
}
