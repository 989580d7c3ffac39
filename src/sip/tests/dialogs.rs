//! Requests inside a dialog, written by hand: what moves it, what does not, and when.

use std::time::Duration;

use super::SDP;
use super::wire::{Sketch, Wire, header, only_status, response_to, status, tag_of};
use crate::secret::Digit;
use crate::sip::{EndCause, Event, Referral, ReferralEvent};

fn referral() -> Referral {
    Referral {
        refer_to: "sip:agents@192.0.2.50;portero-token=t?X-Portero-Verdict=verified".to_owned(),
        headers: vec![("X-Portero-Verdict".to_owned(), "verified".to_owned())],
    }
}

fn notify(tag: &str, cseq: u32, event: &str, state: &str, body: &str) -> Sketch {
    let sketch = Sketch::inside("NOTIFY", tag, cseq)
        .with(&format!("Event: {event}"))
        .with(&format!("Subscription-State: {state}"));
    if body.is_empty() { sketch } else { sketch.with("Content-Type: message/sipfrag;version=2.0").body(body) }
}

#[test]
fn a_retransmitted_invite_gets_the_last_provisional_again() {
    let mut wire = Wire::new();
    let invite = Sketch::invite().text("z9hG4bKsame");
    assert_eq!(wire.send_text(&invite), [""; 0], "an answer at once makes 100 needless");
    assert_eq!(wire.pass(Duration::from_millis(199)), []);
    assert_eq!(wire.send_text(&invite), [""; 0]);
    let [(_, trying)] = &wire.pass(Duration::from_millis(1))[..] else { panic!("RFC 3261 §17.2.1") };
    assert_eq!(status(trying), 100);
    assert_eq!(only_status(&wire.send_text(&invite)), 100);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.ring(*id, wire.now);
    assert_eq!(only_status(&wire.sent()), 180);
    assert_eq!(only_status(&wire.send_text(&invite)), 180);
    assert_eq!(wire.events(), []);
}

#[test]
fn the_answer_is_resent_until_its_ack_comes() {
    let mut wire = Wire::new();
    let (id, tag) = wire.answered(&Sketch::invite());
    let times: Vec<u128> = wire.pass(Duration::from_secs(9)).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [500, 1500, 3500, 7500]);
    wire.send(&Sketch::inside("ACK", &tag, 7));
    assert_eq!(wire.events(), [], "an ACK to another INVITE");
    wire.send(&Sketch::inside("ACK", &tag, 1));
    wire.send(&Sketch::inside("ACK", &tag, 1));
    assert_eq!(wire.events(), [Event::Confirmed(id, None)]);
    assert_eq!(wire.pass(Duration::from_mins(1)), []);
}

#[test]
fn an_answer_without_ack_ends_in_bye() {
    let mut wire = Wire::new();
    let (id, _) = wire.answered(&Sketch::invite());
    let sent = wire.pass(Duration::from_secs(32));
    let (at, last) = sent.last().expect("something was sent");
    assert!(*at == 32_000 && last.starts_with("BYE sip:+12025550101@192.0.2.1:5060 SIP/2.0\r\n"), "{sent:?}");
    assert!(sent[..sent.len() - 1].iter().all(|(_, text)| status(text) == 200));
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::NoAck)]);
    wire.pass(Duration::from_secs(64));
    assert!(wire.endpoint.is_idle());
}

#[test]
fn an_offerless_invite_gets_its_answer_in_the_ack() {
    let mut wire = Wire::new();
    let (id, tag) = wire.answered(&Sketch::new("INVITE"));
    let reinvite = Sketch { to_tag: Some(tag.clone()), cseq: 2, ..Sketch::invite() };
    assert_eq!(only_status(&wire.send(&reinvite)), 491, "our own offer is open");
    wire.send(&Sketch::inside("ACK", &tag, 1).with("Content-Type: application/sdp").body(SDP));
    assert_eq!(wire.events(), [Event::Confirmed(id, Some(SDP.to_owned()))]);
}

#[test]
fn an_answered_request_is_answered_again_until_its_transaction_ends() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    let info = Sketch::inside("INFO", &tag, 2).text("z9hG4bKinfo");
    let answer = wire.send_text(&info);
    assert_eq!(only_status(&answer), 200);
    let held = wire.endpoint.transactions.len();
    wire.pass(Duration::from_millis(31_999));
    assert_eq!(wire.send_text(&info), answer, "Timer J runs");
    wire.pass(Duration::from_millis(1));
    assert!(wire.endpoint.transactions.len() < held);
    assert_eq!(only_status(&wire.send_text(&info)), 200, "the same CSeq, as good as new");
}

#[test]
fn an_accepted_invite_is_not_answered_again_by_its_transaction() {
    let mut wire = Wire::new();
    let invite = Sketch::invite().text("z9hG4bKsame");
    wire.send_text(&invite);
    let [Event::Invited(id, _)] = wire.events()[..] else { panic!("an INVITE invites") };
    wire.endpoint.accept(id, SDP, wire.now);
    let ok = wire.sent().pop().expect("a 200");
    assert_eq!(wire.send_text(&invite), [""; 0], "RFC 6026 §7.1");
    // A UA of old sends the ACK to a 2xx by the INVITE's branch.
    let tag = tag_of(&ok);
    wire.send_text(&Sketch::inside("ACK", &tag, 1).text("z9hG4bKsame"));
    assert_eq!(wire.events(), [Event::Confirmed(id, None)]);
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 2))), 200);
    assert_eq!(wire.send_text(&invite), [""; 0], "no second call comes of it");
    wire.pass(Duration::from_secs(33));
    assert!(wire.events().len() <= 1 && wire.endpoint.is_idle());
}

#[test]
fn hold_and_a_new_contact_by_reinvite() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    let reinvite = Sketch { to_tag: Some(tag.clone()), cseq: 2, ..Sketch::invite() };
    let text = reinvite
        .text("z9hG4bKhold")
        .replace("Contact: <sip:+12025550101@192.0.2.1:5060>", "Contact: <sip:moved@192.0.2.77:5099>");
    assert_eq!(wire.send_text(&text), [""; 0]);
    assert_eq!(wire.events(), [Event::Reinvited(id, Some(SDP.to_owned()))]);
    let early = wire.send(&Sketch { to_tag: Some(tag.clone()), cseq: 3, ..Sketch::invite() });
    assert_eq!(only_status(&early), 500);
    let seconds: u32 =
        header(&early[0], "Retry-After").and_then(|value| value.parse().ok()).expect("a number");
    assert!(seconds <= 10);
    wire.endpoint.accept(id, SDP, wire.now);
    let ok = wire.sent().pop().expect("a 200");
    assert_eq!((status(&ok), tag_of(&ok)), (200, tag.clone()));
    wire.send(&Sketch::inside("ACK", &tag, 2));
    assert_eq!(wire.events(), [Event::Confirmed(id, None)]);
    wire.endpoint.bye(id, wire.now);
    let transmit = wire.endpoint.poll_transmit().expect("a BYE");
    assert_eq!(transmit.hop.peer.to_string(), "192.0.2.77:5099");
    assert!(transmit.payload.starts_with(b"BYE sip:moved@192.0.2.77:5099 SIP/2.0\r\n"));
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    wire.send(&Sketch { to_tag: Some(tag.clone()), cseq: 2, ..Sketch::invite() });
    wire.endpoint.reject(id, 488, wire.now);
    assert_eq!(only_status(&wire.sent()), 488);
    assert_eq!(wire.events(), [Event::Reinvited(id, Some(SDP.to_owned()))]);
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 3))), 200);
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::RemoteBye)]);
}

#[test]
fn a_reinvite_before_the_ack_stands_for_it() {
    let mut wire = Wire::new();
    let (id, tag) = wire.answered(&Sketch::invite());
    wire.send(&Sketch { to_tag: Some(tag), cseq: 2, ..Sketch::invite() });
    assert_eq!(wire.events(), [Event::Confirmed(id, None), Event::Reinvited(id, Some(SDP.to_owned()))]);
}

#[test]
fn a_bye_of_ours_waits_for_the_ack() {
    let mut wire = Wire::new();
    let (id, tag) = wire.answered(&Sketch::invite());
    wire.endpoint.bye(id, wire.now);
    assert_eq!(wire.sent(), [""; 0]);
    let sent = wire.send(&Sketch::inside("ACK", &tag, 1));
    assert!(sent.len() == 1 && sent[0].starts_with("BYE "), "{sent:?}");
    assert_eq!(wire.events(), []);
    wire.send_text(&response_to(&sent[0], 200, None, ""));
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::LocalBye)]);
}

#[test]
fn out_of_order_requests_are_refused_once_and_for_all() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    assert_eq!(only_status(&wire.send(&Sketch::inside("OPTIONS", &tag, 50))), 200);
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 49))), 500);
    assert_eq!(wire.events(), []);
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 51))), 200);
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::RemoteBye)]);
}

#[test]
fn a_dialog_is_known_by_all_three_of_its_names() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    let bye = Sketch::inside("BYE", &tag, 2).text("z9hG4bKx");
    for (from, to) in [("tag=peer", "tag=other"), ("call@192.0.2.1", "other@192.0.2.1")] {
        let text = bye.replace(from, to).replace("z9hG4bKx", &format!("z9hG4bK{}", to.len()));
        assert_eq!(only_status(&wire.send_text(&text)), 481);
    }
    assert_eq!(only_status(&wire.send_text(&bye)), 200);
}

#[test]
fn keys_by_info() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    let info = |cseq, media_type: &str, body: &str| {
        Sketch::inside("INFO", &tag, cseq).with(&format!("Content-Type: {media_type}")).body(body)
    };
    let five = Event::Digit(id, Digit::from_char('5').expect("a key"));
    assert_eq!(
        only_status(&wire.send(&info(2, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"))),
        200
    );
    assert_eq!(wire.events(), std::slice::from_ref(&five));
    let relayed = info(3, "application/dtmf", "5").text("z9hG4bKtwice");
    assert_eq!(only_status(&wire.send_text(&relayed)), 200);
    assert_eq!(only_status(&wire.send_text(&relayed)), 200);
    assert_eq!(wire.events(), [five], "a retransmission is no second key");
    let other = wire.send(&info(4, "text/plain", "5"));
    assert_eq!((only_status(&other), header(&other[0], "Accept").is_some()), (415, true));
    assert_eq!(only_status(&wire.send(&info(5, "application/dtmf-relay", "Signal=?"))), 400);
    assert_eq!(only_status(&wire.send(&Sketch::inside("INFO", &tag, 6))), 200);
    assert_eq!(only_status(&wire.send(&info(7, "application/dtmf", "5").with("Info-Package: x"))), 469);
    assert_eq!(wire.events(), []);
}

#[test]
fn requests_follow_the_record_route() {
    let mut wire = Wire::new();
    let invite = Sketch::invite().with("Record-Route: <sip:192.0.2.200;lr>, <sip:192.0.2.201:5070;lr>");
    let (id, tag) = wire.answered(&invite);
    wire.send(&Sketch::inside("ACK", &tag, 1));
    wire.events();
    wire.endpoint.refer(id, &referral(), wire.now);
    let refer = wire.endpoint.poll_transmit().expect("a REFER");
    let text = String::from_utf8(refer.payload).expect("text");
    assert_eq!(refer.hop.peer.to_string(), "192.0.2.200:5060");
    assert!(text.starts_with("REFER sip:+12025550101@192.0.2.1:5060 SIP/2.0\r\n"), "{text}");
    let routes: Vec<&str> = text.lines().filter(|line| line.starts_with("Route: ")).collect();
    assert_eq!(routes, ["Route: <sip:192.0.2.200;lr>", "Route: <sip:192.0.2.201:5070;lr>"]);
}

#[test]
fn a_host_that_is_no_literal_is_reached_where_the_invite_came_from() {
    let mut wire = Wire::new();
    let text = Sketch::invite()
        .text("z9hG4bKnamed")
        .replace("Contact: <sip:+12025550101@192.0.2.1:5060>", "Contact: <sip:a@pbx.example>");
    wire.send_text(&text);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.accept(*id, SDP, wire.now);
    let tag = tag_of(&wire.sent().pop().expect("a 200"));
    wire.send(&Sketch::inside("ACK", &tag, 1));
    wire.endpoint.bye(*id, wire.now);
    assert_eq!(wire.endpoint.poll_transmit().expect("a BYE").hop, Wire::peer());
}

#[test]
fn a_referral_is_followed_to_its_end() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    wire.endpoint.refer(id, &referral(), wire.now);
    let refer = wire.sent().pop().expect("a REFER");
    assert_eq!(
        header(&refer, "Refer-To"),
        Some("<sip:agents@192.0.2.50;portero-token=t?X-Portero-Verdict=verified>")
    );
    assert_eq!(header(&refer, "Referred-By"), Some("<sip:portero@192.0.2.10:5060>"));
    assert_eq!(header(&refer, "X-Portero-Verdict"), Some("verified"));
    let cseq = header(&refer, "CSeq").and_then(|value| value.split(' ').next()).expect("a number").to_owned();
    // The NOTIFY overtakes the 202, and is the first that is heard of the matter.
    let early = notify(&tag, 2, "refer", "active;expires=60", "SIP/2.0 100 Trying\r\n");
    assert_eq!(only_status(&wire.send(&early)), 200);
    wire.send_text(&response_to(&refer, 202, None, ""));
    let stale = notify(&tag, 3, "refer;id=1", "active", "SIP/2.0 603 Decline\r\n");
    assert_eq!(only_status(&wire.send(&stale)), 200);
    let last =
        notify(&tag, 4, &format!("refer;id={cseq}"), "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
    assert_eq!(only_status(&wire.send(&last)), 200);
    let told = [ReferralEvent::Accepted, ReferralEvent::Notified(100), ReferralEvent::Notified(200)];
    assert_eq!(wire.events(), told.map(|event| Event::Referral(id, event)));
}

#[test]
fn notifies_that_are_not_ours_are_refused() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    assert_eq!(only_status(&wire.send(&notify(&tag, 2, "refer", "active", ""))), 481);
    wire.endpoint.refer(id, &referral(), wire.now);
    wire.sent();
    assert_eq!(only_status(&wire.send(&notify(&tag, 3, "presence", "active", ""))), 489);
    let other =
        Sketch::inside("NOTIFY", &tag, 4).with("Event: refer").with("Content-Type: text/plain").body("x");
    assert_eq!(only_status(&wire.send(&other)), 415);
    assert_eq!(only_status(&wire.send(&notify(&tag, 5, "refer", "active", "SIP/9.9 200"))), 400);
    assert_eq!(wire.events(), []);
}

#[test]
fn a_notify_after_the_bye_is_answered_and_not_told() {
    let mut wire = Wire::new();
    let (id, tag) = wire.established();
    wire.endpoint.refer(id, &referral(), wire.now);
    let refer = wire.sent().pop().expect("a REFER");
    wire.send_text(&response_to(&refer, 202, None, ""));
    wire.endpoint.bye(id, wire.now);
    let bye = wire.sent().pop().expect("a BYE");
    wire.send_text(&response_to(&bye, 200, None, ""));
    wire.events();
    wire.pass(Duration::from_secs(30));
    assert_eq!(only_status(&wire.send(&notify(&tag, 2, "refer", "terminated", "SIP/2.0 200 OK\r\n"))), 200);
    assert_eq!(wire.events(), []);
    wire.pass(Duration::from_secs(3));
    assert_eq!(only_status(&wire.send(&notify(&tag, 3, "refer", "terminated", ""))), 481);
    wire.pass(Duration::from_secs(40));
    assert!(wire.endpoint.is_idle());
}

#[test]
fn what_becomes_of_a_refer_that_fails() {
    let table = [
        (603, vec![ReferralEvent::Refused(603)], None),
        (405, vec![ReferralEvent::Refused(405)], None),
        (481, vec![ReferralEvent::Refused(481)], Some(EndCause::PeerGone)),
    ];
    for (status, told, ended) in table {
        let mut wire = Wire::new();
        let (id, _) = wire.established();
        wire.endpoint.refer(id, &referral(), wire.now);
        let refer = wire.sent().pop().expect("a REFER");
        wire.send_text(&response_to(&refer, status, None, ""));
        let told = told.into_iter().map(|event| Event::Referral(id, event));
        let expected: Vec<Event> = told.chain(ended.map(|cause| Event::Ended(id, cause))).collect();
        assert_eq!(wire.events(), expected);
    }
    let mut wire = Wire::new();
    let (id, _) = wire.established();
    wire.endpoint.refer(id, &referral(), wire.now);
    wire.pass(Duration::from_secs(33));
    let expected = [Event::Referral(id, ReferralEvent::Refused(408)), Event::Ended(id, EndCause::PeerGone)];
    assert_eq!(wire.events(), expected);
    let forged = Referral { headers: vec![("X-A".into(), "b\r\nX-C: d".into())], ..referral() };
    let mut wire = Wire::new();
    let (id, _) = wire.established();
    wire.endpoint.refer(id, &forged, wire.now);
    assert_eq!(wire.sent(), [""; 0]);
    assert_eq!(wire.events(), [Event::Referral(id, ReferralEvent::Refused(400))]);
}

#[test]
fn refers_to_us_are_declined_unless_they_are_wanted() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    assert_eq!(only_status(&wire.send(&Sketch::inside("REFER", &tag, 2).with("Refer-To: <sip:a@b>"))), 603);
    let mut wire = Wire::accepting_referrals();
    let (id, tag) = wire.established();
    assert_eq!(only_status(&wire.send(&Sketch::inside("REFER", &tag, 2))), 400);
    let refer = Sketch::inside("REFER", &tag, 3)
        .with("Refer-To: \"Agent\" <sip:a@b;portero-token=t?X-Portero-Verdict=verified>")
        .with("X-Portero-Token: t");
    assert_eq!(wire.send(&refer), [""; 0]);
    let referral = Referral {
        refer_to: "sip:a@b;portero-token=t?X-Portero-Verdict=verified".to_owned(),
        headers: vec![("X-Portero-Token".to_owned(), "t".to_owned())],
    };
    assert_eq!(wire.events(), [Event::Referred(id, Box::new(referral))]);
    wire.endpoint.answer_refer(id, 202, wire.now);
    assert_eq!(only_status(&wire.sent()), 202);
    wire.endpoint.notify(id, 100, false, wire.now);
    let sent = wire.sent().pop().expect("a NOTIFY");
    assert_eq!(header(&sent, "Event"), Some("refer;id=3"));
    assert!(sent.ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n"), "{sent}");
}

#[test]
fn cancel_before_and_after_the_answer() {
    let mut wire = Wire::new();
    let invite = Sketch { branch: Some("z9hG4bKcancelled".into()), ..Sketch::invite() };
    let cancel = Sketch { branch: invite.branch.clone(), ..Sketch::new("CANCEL") };
    wire.send(&invite);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    let sent = wire.send(&cancel);
    assert_eq!(sent.iter().map(|text| (status(text), tag_of(text))).collect::<Vec<_>>(), {
        let tag = tag_of(&sent[0]);
        [(200, tag.clone()), (487, tag)]
    });
    assert_eq!(wire.events(), [Event::Ended(*id, EndCause::RemoteCancel)]);
    wire.endpoint.accept(*id, SDP, wire.now);
    assert_eq!(wire.sent(), [""; 0], "too late to accept");

    let mut wire = Wire::new();
    let (_, tag) = wire.answered(&invite);
    assert_eq!(only_status(&wire.send(&cancel)), 200);
    assert_eq!(wire.events(), []);
    wire.send(&Sketch::inside("ACK", &tag, 1));
    assert_eq!(only_status(&wire.send(&Sketch::inside("BYE", &tag, 2))), 200);
}

#[test]
fn a_refused_invite_is_over_at_once_and_its_ack_changes_nothing() {
    let mut wire = Wire::new();
    let invite = Sketch { branch: Some("z9hG4bKrefused".into()), ..Sketch::invite() };
    wire.send(&invite);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.reject(*id, 503, wire.now);
    let sent = wire.sent();
    assert_eq!((only_status(&sent), header(&sent[0], "Retry-After")), (503, Some("5")));
    assert_eq!(wire.events(), [Event::Ended(*id, EndCause::LocalReject)]);
    assert_eq!(wire.pass(Duration::from_millis(600)).len(), 1, "the refusal is resent until its ACK");
    wire.send(&Sketch { branch: invite.branch, ..Sketch::inside("ACK", &tag_of(&sent[0]), 1) });
    assert_eq!(wire.pass(Duration::from_mins(1)), []);
    assert!(wire.endpoint.is_idle());
}

#[test]
fn a_peer_from_before_rfc_3261_is_called_back_at_its_from() {
    let mut wire = Wire::new();
    let text = Sketch::invite()
        .text("old")
        .replace(";tag=peer", "")
        .replace("Contact: <sip:+12025550101@192.0.2.1:5060>\r\n", "");
    wire.send_text(&text);
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
    wire.endpoint.accept(*id, SDP, wire.now);
    let tag = tag_of(&wire.sent().pop().expect("a 200"));
    wire.send_text(&Sketch::inside("ACK", &tag, 1).text("old2").replace(";tag=peer", ""));
    wire.endpoint.bye(*id, wire.now);
    let bye = wire.sent().pop().expect("a BYE");
    assert!(bye.starts_with("BYE sip:+12025550101@192.0.2.1 SIP/2.0\r\n"), "{bye}");
}
