//! Ringing that must arrive (RFC 3262): `RSeq`, PRACK, and what comes of their absence.

use std::time::Duration;

use super::SDP;
use super::wire::{Sketch, Wire, header, only_status, status, tag_of};
use crate::sip::{DialogId, EndCause, Event};

fn requiring() -> Sketch {
    Sketch::invite().with("Require: 100rel")
}

/// Places the call and has it ring; gives the dialog and the 180.
fn ringing(wire: &mut Wire, invite: &Sketch) -> (DialogId, String) {
    wire.send(invite);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.ring(*id, wire.now);
    let sent = wire.sent();
    assert_eq!(only_status(&sent), 180);
    (*id, sent[0].clone())
}

fn prack(ringing: &str, rack: &str, cseq: u32) -> Sketch {
    Sketch::inside("PRACK", &tag_of(ringing), cseq).with(&format!("RAck: {rack}"))
}

fn rseq(ringing: &str) -> u32 {
    header(ringing, "RSeq").and_then(|value| value.parse().ok()).expect("an RSeq")
}

#[test]
fn ringing_is_reliable_only_where_that_is_required() {
    let table = [("Supported: 100rel", None), ("Require: 100rel", Some("100rel")), ("X-A: b", None)];
    for (line, require) in table {
        let mut wire = Wire::new();
        let (_, ringing) = ringing(&mut wire, &Sketch::invite().with(line));
        assert_eq!(header(&ringing, "Require"), require, "{line}");
        assert_eq!(header(&ringing, "RSeq").is_some(), require.is_some(), "{line}");
    }
}

#[test]
fn ringing_is_resent_until_its_prack_comes() {
    let mut wire = Wire::new();
    let (id, ringing) = ringing(&mut wire, &requiring());
    wire.endpoint.ring(id, wire.now);
    assert_eq!(wire.sent(), [""; 0], "once is enough");
    let resent = wire.pass(Duration::from_secs(10));
    assert_eq!(resent.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [500, 1500, 3500, 7500]);
    assert!(resent.iter().all(|(_, text)| *text == ringing), "{resent:?}");
    let right = rseq(&ringing);
    for wrong in [format!("{} 1 INVITE", right + 1), format!("{right} 2 INVITE"), format!("{right} 1 BYE")] {
        assert_eq!(only_status(&wire.send(&prack(&ringing, &wrong, 2))), 481, "{wrong}");
    }
    assert_eq!(only_status(&wire.send(&prack(&ringing, "one two three", 2))), 400);
    assert_eq!(only_status(&wire.send(&prack(&ringing, &format!("{right} 1 INVITE"), 3))), 200);
    assert_eq!(only_status(&wire.send(&prack(&ringing, &format!("{right} 1 INVITE"), 4))), 481, "done");
    assert_eq!(wire.pass(Duration::from_mins(1)), []);
    wire.endpoint.accept(id, SDP, wire.now);
    assert_eq!(only_status(&wire.sent()), 200);
    wire.send(&Sketch::inside("ACK", &tag_of(&ringing), 1));
    assert_eq!(wire.events(), [Event::Confirmed(id, None)]);
}

#[test]
fn the_answer_ends_the_ringing_and_a_late_prack_is_still_right() {
    let mut wire = Wire::new();
    let (id, ringing) = ringing(&mut wire, &requiring());
    wire.endpoint.accept(id, SDP, wire.now);
    assert_eq!(only_status(&wire.sent()), 200);
    let late = prack(&ringing, &format!("{} 1 INVITE", rseq(&ringing)), 2);
    assert_eq!(only_status(&wire.send(&late)), 200);
    let resent = wire.pass(Duration::from_secs(5));
    assert!(!resent.is_empty() && resent.iter().all(|(_, text)| status(text) == 200), "{resent:?}");
}

#[test]
fn ringing_that_nobody_acknowledges_ends_the_call() {
    let mut wire = Wire::new();
    let (id, _) = ringing(&mut wire, &requiring());
    let sent = wire.pass(Duration::from_secs(32));
    assert!(sent.iter().any(|(at, text)| *at == 32_000 && status(text) == 504), "{sent:?}");
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::PeerGone)]);
    wire.pass(Duration::from_secs(64));
    assert!(wire.endpoint.is_idle());
}

#[test]
fn an_invite_that_offers_nothing_is_answered_without_ringing() {
    let mut wire = Wire::new();
    wire.send(&Sketch::new("INVITE").with("Require: 100rel"));
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.ring(*id, wire.now);
    assert_eq!(wire.sent(), [""; 0]);
    wire.endpoint.accept(*id, SDP, wire.now);
    assert_eq!(only_status(&wire.sent()), 200);
}

#[test]
fn a_cancel_ends_the_ringing_too() {
    let mut wire = Wire::new();
    let invite = Sketch { branch: Some("z9hG4bKcancelled".into()), ..requiring() };
    let (id, _) = ringing(&mut wire, &invite);
    let cancel = Sketch { branch: invite.branch, ..Sketch::new("CANCEL") };
    assert_eq!(wire.send(&cancel).iter().map(|text| status(text)).collect::<Vec<_>>(), [200, 487]);
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::RemoteCancel)]);
    assert!(wire.pass(Duration::from_mins(2)).iter().all(|(_, text)| status(text) == 487));
    assert!(wire.endpoint.is_idle());
}
