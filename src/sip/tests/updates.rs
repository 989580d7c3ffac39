//! UPDATE (RFC 3311): what it gets at every point of a call, and what it changes.

use std::time::Duration;

use super::SDP;
use super::wire::{Sketch, Wire, header, only_status, status, tag_of};
use crate::sip::{DialogId, EndCause, Event};

fn update(tag: &str, cseq: u32) -> Sketch {
    Sketch::inside("UPDATE", tag, cseq)
}

fn offering(sketch: Sketch) -> Sketch {
    sketch.with("Content-Type: application/sdp").body(SDP)
}

fn invited(wire: &mut Wire, invite: &Sketch) -> (DialogId, String) {
    let tag = |sent: &[String]| tag_of(sent.last().expect("a provisional response"));
    wire.send(invite);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.ring(*id, wire.now);
    let sent = wire.sent();
    (*id, tag(&sent))
}

#[test]
fn an_update_without_an_offer_moves_the_target_and_is_nobodys_business() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    let text = update(&tag, 2).text("z9hG4bKmoves").replace("Contact: <sip:+1", "Contact: <sip:moved+1");
    let sent = wire.send_text(&text);
    assert_eq!(only_status(&sent), 200);
    assert!(header(&sent[0], "Contact").is_some() && sent[0].ends_with("\r\n\r\n"), "{sent:?}");
    assert_eq!(wire.events(), []);
    wire.endpoint.bye(id, wire.now);
    assert!(wire.sent()[0].starts_with("BYE sip:moved+12025550101@"), "the target was refreshed");
}

#[test]
fn an_update_with_an_offer_is_answered_like_a_reinvite_and_needs_no_ack() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    assert_eq!(wire.send(&offering(update(&tag, 2))), [""; 0]);
    assert_eq!(wire.events(), [Event::Reinvited(id, Some(SDP.to_owned()))]);
    wire.endpoint.accept(id, SDP, wire.now);
    let sent = wire.sent();
    assert_eq!(only_status(&sent), 200);
    assert!(sent[0].ends_with(SDP), "{sent:?}");
    assert_eq!(wire.pass(Duration::from_mins(1)), []);
    assert_eq!(wire.events(), []);
    assert_eq!(wire.send(&offering(update(&tag, 3))), [""; 0]);
    wire.endpoint.reject(id, 488, wire.now);
    assert_eq!(only_status(&wire.sent()), 488);
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 4))), 200);
    let ended = Event::Ended(id, EndCause::RemoteBye);
    assert_eq!(wire.events(), [Event::Reinvited(id, Some(SDP.to_owned())), ended]);
}

#[test]
fn offers_that_cross_another_are_refused_and_refreshes_are_not() {
    let check = |what: &str, wire: &mut Wire, tag: &str, with_offer: u16, without: u16| {
        let offered = wire.send(&offering(update(tag, 11)));
        assert_eq!(only_status(&offered), with_offer, "{what}");
        assert_eq!(header(&offered[0], "Retry-After").is_some(), with_offer == 500, "{what}");
        assert_eq!(only_status(&wire.send(&update(tag, 12))), without, "{what}");
        assert_eq!(wire.events(), [], "{what}");
    };

    let mut wire = Wire::new();
    let (_, tag) = invited(&mut wire, &Sketch::invite());
    check("their offer in the INVITE has no answer", &mut wire, &tag, 500, 200);

    let mut wire = Wire::new();
    let (_, tag) = wire.answered(&Sketch::new("INVITE"));
    check("our offer in the 200 has no answer", &mut wire, &tag, 491, 200);

    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    wire.send(&Sketch { to_tag: Some(tag.clone()), cseq: 2, ..Sketch::invite() });
    wire.events();
    check("their re-INVITE has no answer", &mut wire, &tag, 500, 200);

    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    wire.send(&offering(update(&tag, 2)));
    wire.events();
    check("their UPDATE has no answer", &mut wire, &tag, 500, 500);
    let reinvite = wire.send(&Sketch { to_tag: Some(tag.clone()), cseq: 13, ..Sketch::invite() });
    assert_eq!(only_status(&reinvite), 500, "nor may a re-INVITE cross it");
}

#[test]
fn an_answer_to_the_invite_lets_the_next_offer_in_before_its_ack() {
    let mut wire = Wire::new();
    let (id, tag) = wire.answered(&Sketch::invite());
    wire.send(&offering(update(&tag, 2)));
    assert_eq!(wire.events(), [Event::Reinvited(id, Some(SDP.to_owned()))]);
    wire.endpoint.accept(id, SDP, wire.now);
    assert_eq!(only_status(&wire.sent()), 200);
    let resent = wire.pass(Duration::from_millis(600));
    assert_eq!(resent.len(), 1, "the 200 to the INVITE still waits for its ACK");
    assert_eq!(header(&resent[0].1, "CSeq"), Some("1 INVITE"));
    wire.send(&Sketch::inside("ACK", &tag, 1));
    assert_eq!(wire.events(), [Event::Confirmed(id, None)]);
}

#[test]
fn a_bye_refuses_the_update_that_waits() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    wire.send(&offering(update(&tag, 2)));
    let sent = wire.send(&Sketch::inside("BYE", &tag, 3));
    assert_eq!(sent.iter().map(|text| status(text)).collect::<Vec<_>>(), [487, 200]);
    let told = [Event::Reinvited(id, Some(SDP.to_owned())), Event::Ended(id, EndCause::RemoteBye)];
    assert_eq!(wire.events(), told);
    wire.pass(Duration::from_secs(64));
    assert!(wire.endpoint.is_idle());
}
