//! Datagrams that nobody should send: the endpoint answers or drops them, and goes on.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::wire::{Sketch, Wire};
use super::{SDP, SocketAddr};
use crate::sip::{DialogId, Event, Frame, Framer, Reception};

/// Lets the endpoint live on for a while after what it was sent.
fn survives(payload: &[u8]) -> Wire {
    let mut wire = Wire::new();
    wire.endpoint.receive(Wire::peer(), payload, wire.now);
    wire.endpoint.receive(Wire::peer(), payload, wire.now);
    wire.sent();
    wire.events();
    wire.pass(Duration::from_secs(70));
    wire
}

/// The RFC 4475 messages are not part of this repository: `PORTERO_TORTURE` names the folder that holds them.
fn torture_messages() -> Vec<PathBuf> {
    let folder = std::env::var_os("PORTERO_TORTURE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/rfc4475")),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    files.filter(|path| path.extension().is_some_and(|ending| ending == "dat")).collect()
}

#[test]
fn the_torture_messages_are_survived() {
    let messages = torture_messages();
    if messages.is_empty() {
        println!("no RFC 4475 messages here: set PORTERO_TORTURE to their folder");
    }
    for path in messages {
        let message = std::fs::read(&path).expect("readable");
        let mut wire = survives(&message);
        assert_eq!(wire.send(&Sketch::new("OPTIONS")).len(), 1, "{}", path.display());
    }
}

#[test]
fn a_call_survives_noise_with_its_own_names_on_it() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    for method in ["INVITE", "ACK", "BYE", "CANCEL", "INFO", "NOTIFY", "REFER", "OPTIONS", "UPDATE", "PRACK"]
    {
        let text = Sketch::inside(method, &tag, 2).text(&format!("z9hG4bK{method}"));
        for end in 0..text.len() - 4 {
            wire.endpoint.receive(Wire::peer(), &text.as_bytes()[..end], wire.now);
        }
        wire.sent();
    }
    assert_eq!(wire.events(), []);
    assert_eq!(wire.send(&Sketch::inside("BYE", &tag, 3)).len(), 1);
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let methods = prop::sample::select(vec![
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "NOTIFY", "REFER", "PRACK", "UPDATE",
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    (methods, changes).prop_map(|(method, changes)| {
        let mut text = Sketch { method, ..Sketch::invite() }.text("z9hG4bKmutated").into_bytes();
        for (index, byte) in changes {
            let at = index.index(text.len());
            text[at] = byte;
        }
        text
    })
}

/// What one message of a peer may bring at once: 100 and a final response, or an ACK and a BYE.
const ANSWERS_MAX: usize = 3;

/// What an answer may add to what it answers: header fields of ours, and a description.
const ANSWER_ADDS_MAX: usize = 1500;

/// Messages of ours: each is one message to whoever frames it, and no longer than what it answers lets it be.
fn check_answers(sent: &[String], asked: usize) {
    assert!(sent.len() <= ANSWERS_MAX, "{sent:#?}");
    for text in sent.iter().filter(|text| !text.contains('\u{FFFD}')) {
        let mut framer = Framer::default();
        framer.push(text.as_bytes());
        assert_eq!(framer.next_frame(), Ok(Some(Frame::Message(text.clone().into_bytes()))));
        assert!(text.len() <= asked + ANSWER_ADDS_MAX, "{} bytes to {asked}", text.len());
    }
}

/// A call that is up, these messages, and then the end: nothing is left of any dialog.
fn ends_clean(payloads: &[Vec<u8>]) {
    let mut wire = Wire::new();
    wire.established();
    for payload in payloads {
        wire.endpoint.receive(Wire::peer(), payload, wire.now);
        check_answers(&wire.sent(), payload.len());
        for event in wire.events() {
            match event {
                Event::Invited(id, _) | Event::Reinvited(id, None) => wire.endpoint.accept(id, SDP, wire.now),
                Event::Reinvited(id, Some(_)) => wire.endpoint.reject(id, 488, wire.now),
                _ => {}
            }
        }
        check_answers(&wire.sent(), payload.len());
    }
    for id in 0..20 {
        wire.endpoint.bye(DialogId(id), wire.now);
    }
    // 64*T1 for a missing ACK, as much for the BYE that follows it, and for NOTIFYs that come late.
    wire.pass(Duration::from_secs(4 * 32 + 10));
    wire.sent();
    wire.events();
    assert!(wire.endpoint.is_idle(), "{:?}", wire.endpoint);
}

/// Requests of the call that `Wire::established` sets up, with a line or two that they should not have, and with
/// octets that they should not have.
fn any_request_inside() -> impl Strategy<Value = Vec<u8>> {
    let methods = prop::sample::select(vec![
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "NOTIFY", "REFER", "PRACK", "UPDATE", "MESSAGE",
    ]);
    let lines = prop::sample::select(vec![
        "",
        "Content-Type: application/sdp",
        "Content-Type: application/dtmf",
        "Event: refer",
        "Supported: timer\r\nSession-Expires: 90;refresher=uas",
        "Session-Expires: 1",
        "Require: 100rel",
        "RAck: 1 1 INVITE",
        "Refer-To: <sip:a@b>",
        "Record-Route: <sip:192.0.2.7;lr>",
        "Contact: *",
        "Route: x",
        "Subscription-State: terminated",
        "Content-Length: 3",
        "Via: SIP/2.0/UDP h",
        "To: <sip:x@y>;tag=z",
    ]);
    let bodies = prop::sample::select(vec!["", SDP, "5", "Signal=#\r\n", "SIP/2.0 200 OK\r\n", "\0\r\n\r\n"]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (methods, 1_u32..6, lines, bodies, changes).prop_map(|(method, cseq, line, body, changes)| {
        // The tag of `Wire::established`, whose endpoint has a fixed seed.
        let (_, tag) = Wire::new().established();
        let mut sketch = Sketch::inside(method, &tag, cseq).body(body);
        if !line.is_empty() {
            sketch = sketch.with(line);
        }
        let mut text = sketch.text(&format!("z9hG4bK{method}{cseq}")).into_bytes();
        for (index, byte) in changes {
            let at = index.index(text.len());
            text[at] = byte;
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_requests_are_survived(payload in any_request()) {
        survives(&payload);
    }

    #[test]
    fn random_bytes_are_survived(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(survives(&payload).endpoint.is_idle());
    }

    #[test]
    fn a_stranger_leaves_nothing_and_gets_no_more_than_it_sent(payload in any_request(), refused: bool) {
        let mut wire = Wire::new();
        let reception = if refused { Reception::Refuse } else { Reception::Ignore };
        let stranger = Wire::hop(SocketAddr::from(([203, 0, 113, 9], 5060)));
        wire.endpoint.receive_from_stranger(stranger, &payload, reception, wire.now);
        let sent = wire.sent();
        prop_assert!(refused || sent.is_empty());
        check_answers(&sent, payload.len());
        wire.pass(Duration::from_secs(70));
        prop_assert!(wire.endpoint.is_idle());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_in_a_call_it_ends_and_nothing_is_left(
        payloads in prop::collection::vec(any_request_inside(), 1..8),
    ) {
        ends_clean(&payloads);
    }
}
