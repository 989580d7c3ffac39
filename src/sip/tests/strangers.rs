//! What strangers get: 403 or nothing, and no state; and what they get all the same.

use super::wire::{Sketch, Wire, header, only_status};
use crate::sip::{Event, Reception, Rejection};

impl Wire {
    /// As [`Wire::send_text`], from an address that nobody knows.
    fn send_as_stranger(&mut self, text: &str, reception: Reception) -> Vec<String> {
        self.endpoint.receive_from_stranger(Self::peer(), text.as_bytes(), reception, self.now);
        self.sent()
    }

    fn strangers_counted(&self) -> u64 {
        let counted = self.endpoint.counters().rejected().find(|(reason, _)| *reason == Rejection::Stranger);
        counted.map_or(0, |(_, count)| count)
    }
}

#[test]
fn a_refused_stranger_gets_403_each_time_and_leaves_nothing_behind() {
    let mut wire = Wire::new();
    let invite = Sketch::invite().text("z9hG4bK1");
    let first = wire.send_as_stranger(&invite, Reception::Refuse);
    assert_eq!(only_status(&first), 403);
    assert!(header(&first[0], "To").expect("a To").contains(";tag="));
    assert_eq!(wire.send_as_stranger(&invite, Reception::Refuse), first, "a retransmission");
    let ack = Sketch { branch: Some("z9hG4bK1".into()), ..Sketch::new("ACK") };
    assert_eq!(wire.send_as_stranger(&ack.text("z9hG4bK1"), Reception::Refuse), [""; 0]);
    assert_eq!(wire.events(), []);
    assert!(wire.endpoint.is_idle());
    assert_eq!(wire.strangers_counted(), 2);
}

#[test]
fn a_refused_stranger_is_answered_what_is_no_call() {
    let table = [
        (Sketch::new("OPTIONS").text("z9hG4bK1"), 200),
        (Sketch::new("REGISTER").text("z9hG4bK1"), 405),
        (Sketch::inside("BYE", "nobody", 2).text("z9hG4bK1"), 481),
        (Sketch::invite().text("z9hG4bK1").replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"), 400),
        (Sketch::invite().text("z9hG4bK1").replace("Max-Forwards: 70", "no colon here"), 400),
    ];
    for (text, status) in table {
        assert_eq!(only_status(&Wire::new().send_as_stranger(&text, Reception::Refuse)), status, "{text}");
    }
}

#[test]
fn an_ignored_stranger_gets_nothing_whatever_it_sends() {
    let mut wire = Wire::new();
    let requests = [
        Sketch::invite().text("z9hG4bK1"),
        Sketch::invite().text("z9hG4bK1"),
        Sketch::new("OPTIONS").text("z9hG4bK2"),
        Sketch::new("CANCEL").text("z9hG4bK1"),
        Sketch::new("ACK").text("z9hG4bK1"),
        Sketch::inside("BYE", "nobody", 2).text("z9hG4bK3"),
        Sketch::invite().text("z9hG4bK4").replace("Max-Forwards: 70", "no colon here"),
    ];
    for text in &requests {
        assert_eq!(wire.send_as_stranger(text, Reception::Ignore), [""; 0], "{text}");
    }
    assert_eq!(wire.send_as_stranger("\r\n\r\n", Reception::Ignore), [""; 0]);
    assert_eq!(wire.events(), []);
    assert!(wire.endpoint.is_idle());
    assert_eq!(wire.strangers_counted(), requests.len() as u64);
}

#[test]
fn a_call_of_ours_goes_on_from_an_unknown_address() {
    for reception in [Reception::Refuse, Reception::Ignore] {
        let mut wire = Wire::new();
        let (dialog, tag) = wire.established();
        let options = Sketch::inside("OPTIONS", &tag, 2).text("z9hG4bKoptions");
        assert_eq!(only_status(&wire.send_as_stranger(&options, reception)), 200);
        assert_eq!(only_status(&wire.send_as_stranger(&options, reception)), 200, "a retransmission");
        let invite = Sketch { to_tag: Some(tag.clone()), cseq: 3, ..Sketch::invite() }.text("z9hG4bKinvite");
        assert_eq!(wire.send_as_stranger(&invite, reception), [""; 0]);
        let events = wire.events();
        assert!(matches!(events[..], [Event::Reinvited(at, Some(_))] if at == dialog), "{events:?}");
        assert_eq!(wire.strangers_counted(), 0);
    }
}

#[test]
fn who_is_turned_away_is_counted_and_told_when_to_come_again() {
    let mut wire = Wire::new();
    wire.send(&Sketch::invite());
    let events = wire.events();
    let [Event::Invited(dialog, _)] = events[..] else { panic!("{events:?}") };
    wire.endpoint.turn_away(dialog, 503, Rejection::TrunkBusy, wire.now);
    let sent = wire.sent();
    assert_eq!((only_status(&sent), header(&sent[0], "Retry-After")), (503, Some("5")));
    let counted: Vec<_> = wire.endpoint.counters().rejected().collect();
    assert_eq!(counted, [(Rejection::TrunkBusy, 1)]);
}
