//! Why calls end, as both sides say it (RFC 3326); and what is refused for what it is: Replaces, MESSAGE.

use super::wire::{Sketch, Wire, header, only_status, status};
use crate::sip::reason::Protocol;
use crate::sip::{EndCause, Event, Reason, Rejection};

#[test]
fn our_bye_says_why() {
    let mut wire = Wire::new();
    let (dialog, _) = wire.established();
    wire.endpoint.bye(dialog, wire.now);
    assert_eq!(header(&wire.sent()[0], "Reason"), Some("Q.850;cause=16"));

    let mut wire = Wire::new();
    let (dialog, _) = wire.answered(&Sketch::invite());
    let sent = wire.pass(std::time::Duration::from_secs(33));
    let bye = sent.iter().map(|(_, text)| text).find(|text| text.starts_with("BYE ")).expect("a BYE");
    assert_eq!(header(bye, "Reason"), Some("SIP;cause=408"));
    assert_eq!(wire.events(), [Event::Ended(dialog, EndCause::NoAck)]);
}

#[test]
fn what_the_peer_says_is_told_before_the_end() {
    let mut wire = Wire::new();
    let (dialog, tag) = wire.established();
    let bye = Sketch::inside("BYE", &tag, 2).with("Reason: Q.850;cause=38;text=\"Network out of order\"");
    assert_eq!(only_status(&wire.send(&bye)), 200);
    let reason = Reason { protocol: Protocol::Q850, cause: 38 };
    assert_eq!(wire.events(), [Event::Explained(dialog, reason), Event::Ended(dialog, EndCause::RemoteBye)]);

    let mut wire = Wire::new();
    wire.send(&Sketch { branch: Some("z9hG4bKc".into()), ..Sketch::invite() });
    let dialog = match &wire.events()[..] {
        [Event::Invited(dialog, _)] => *dialog,
        other => panic!("{other:?}"),
    };
    let cancel = Sketch { branch: Some("z9hG4bKc".into()), ..Sketch::new("CANCEL") };
    wire.send(&cancel.with("Reason: SIP;cause=200;text=\"Call completed elsewhere\""));
    let reason = Reason { protocol: Protocol::Sip, cause: 200 };
    assert_eq!(
        wire.events(),
        [Event::Explained(dialog, reason), Event::Ended(dialog, EndCause::RemoteCancel)]
    );
}

#[test]
fn nobody_takes_a_call_over() {
    let named = |to: &str, more: &str| format!("Replaces: call@192.0.2.1;to-tag={to};from-tag=peer{more}");
    let table = [
        (named("OURS", ""), 603),
        (named("OURS", ";early-only"), 486),
        (named("nobody", ""), 481),
        (named("OURS", "").replace("from-tag=peer", "from-tag=other"), 481),
        (named("OURS", "").replace("call@", "another@"), 481),
        ("Replaces: call@192.0.2.1;to-tag=OURS".to_owned(), 400),
        (format!("{}\r\n{}", named("OURS", ""), named("OURS", "")), 400),
        (format!("{}\r\nRequire: replaces", named("OURS", "")), 420),
    ];
    for (replaces, expected) in table {
        let mut wire = Wire::new();
        let (_, tag) = wire.established();
        let invite = Sketch { cseq: 7, ..Sketch::invite() }.with(&replaces.replace("OURS", &tag));
        let sent = wire.send(&invite);
        assert_eq!(only_status(&sent), expected, "{replaces}");
        assert_eq!(wire.events(), [], "{replaces}");
        if expected == 420 {
            assert_eq!(header(&sent[0], "Unsupported"), Some("replaces"));
        }
    }
    let mut wire = Wire::new();
    assert_eq!(only_status(&wire.send(&Sketch::new("OPTIONS").with(&named("x", "")))), 400);
    let (invite, unanswered) = (Sketch::invite(), "an unanswered call is its caller's alone to replace");
    wire.send(&invite);
    wire.events();
    let tag = wire.endpoint.legs.values().next().expect("a call").tag.clone();
    assert_eq!(
        only_status(&wire.send(&Sketch { cseq: 7, ..invite }.with(&named(&tag, "")))),
        481,
        "{unanswered}"
    );
    let counted = wire.endpoint.counters().rejected().find(|(reason, _)| *reason == Rejection::Replacement);
    assert_eq!(counted, Some((Rejection::Replacement, 1)));
}

#[test]
fn a_text_message_is_not_allowed_inside_a_call_or_outside() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    for message in [Sketch::new("MESSAGE"), Sketch::inside("MESSAGE", &tag, 2)] {
        let sent = wire.send(&message.with("Content-Type: text/plain").body("hello"));
        assert_eq!(status(&sent[0]), 405);
        assert!(header(&sent[0], "Allow").is_some_and(|allow| !allow.contains("MESSAGE")));
    }
}
