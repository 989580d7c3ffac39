//! Session timers (RFC 4028): what is agreed, who refreshes how and when, and what an absent refresh ends.

use std::time::Duration;

use proptest::prelude::*;

use super::SDP;
use super::pair::{CLEAR, Hole, Pair, Side, User, Weather};
use super::wire::{Sketch, Wire, header, only_status, response_to, tag_of};
use crate::sip::usage::Leg;
use crate::sip::{DialogId, EndCause, Event};

const REFRESHED: &str = "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\n";

fn timed(expires: &str, allow: &str) -> Sketch {
    Sketch::invite().with("Supported: timer").with(&format!("Session-Expires: {expires}")).with(allow)
}

/// A call whose INVITE asked for a timer; gives its dialog and tag.
fn established(wire: &mut Wire, invite: &Sketch) -> (DialogId, String) {
    let (id, tag) = wire.answered(invite);
    wire.send(&Sketch::inside("ACK", &tag, 1));
    assert_eq!(wire.events(), [Event::Confirmed(id, None)]);
    (id, tag)
}

fn method_of(request: &str) -> &str {
    request.split(' ').next().expect("a method")
}

/// Lets time pass until something is sent.
fn next_sent(wire: &mut Wire, within: Duration) -> (Duration, String) {
    let begin = wire.now;
    while let Some(due) = wire.endpoint.poll_timeout().filter(|due| *due <= begin + within) {
        wire.now = due;
        wire.endpoint.handle_timeout(due);
        if let Some(sent) = wire.sent().pop() {
            return (due - begin, sent);
        }
    }
    panic!("nothing was sent within {within:?}")
}

#[test]
fn what_is_asked_for_is_what_is_agreed() {
    let supported = "Supported: timer";
    let table = [
        ((supported, "Session-Expires: 1800"), Some("1800;refresher=uas"), Some("timer")),
        ((supported, "x: 90;refresher=uac"), Some("90;refresher=uac"), Some("timer")),
        ((supported, "Session-Expires: 600;refresher=uas"), Some("600;refresher=uas"), Some("timer")),
        // A proxy asked, and the peer would not understand a refresher of its own.
        (("X-A: b", "Session-Expires: 600"), Some("600;refresher=uas"), None),
        (("X-A: b", "Session-Expires: 30"), None, None),
        ((supported, "X-A: b"), None, None),
        ((supported, "Session-Expires: soon"), None, None),
        ((supported, "Session-Expires: 18446744073709551615"), Some("86400;refresher=uas"), Some("timer")),
    ];
    for ((one, other), expires, require) in table {
        let mut wire = Wire::new();
        wire.send(&Sketch::invite().with(one).with(other));
        let events = wire.events();
        let [Event::Invited(id, _)] = events.as_slice() else { panic!("{events:?}") };
        wire.endpoint.accept(*id, SDP, wire.now);
        let ok = wire.sent().pop().expect("a 200");
        assert_eq!(header(&ok, "Session-Expires"), expires, "{one}, {other}");
        assert_eq!(header(&ok, "Require"), require, "{one}, {other}");
    }
}

#[test]
fn an_interval_below_the_least_is_refused_in_every_request_that_names_one() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    let brief = |sketch: Sketch| sketch.with("Supported: timer").with("Session-Expires: 89");
    let table = [
        Sketch { cseq: 7, ..brief(Sketch::invite()) },
        Sketch { to_tag: Some(tag.clone()), cseq: 2, ..brief(Sketch::invite()) },
        brief(Sketch::inside("UPDATE", &tag, 3)),
    ];
    for sketch in table {
        let sent = wire.send(&sketch);
        assert_eq!((only_status(&sent), header(&sent[0], "Min-SE")), (422, Some("90")), "{sent:?}");
    }
    assert_eq!(wire.events(), []);
}

#[test]
fn we_refresh_at_half_the_interval_in_the_way_the_peer_allows() {
    for (allow, method) in
        [("Allow: INVITE, ACK, BYE, UPDATE", "UPDATE"), ("Allow: INVITE, ACK, BYE", "INVITE")]
    {
        let mut wire = Wire::new();
        let (id, _) = established(&mut wire, &timed("1800", allow));
        for _ in 0..3 {
            let (after, refresh) = next_sent(&mut wire, Duration::from_mins(20));
            assert_eq!((after, method_of(&refresh)), (Duration::from_mins(15), method));
            assert_eq!(header(&refresh, "Session-Expires"), Some("1800;refresher=uac"));
            assert_eq!(header(&refresh, "Supported"), Some("timer"));
            assert_eq!(refresh.ends_with(SDP), method == "INVITE", "{refresh}");
            let sent = wire.send_text(&response_to(&refresh, 200, None, REFRESHED));
            assert_eq!(
                sent.iter().map(|text| method_of(text)).collect::<Vec<_>>(),
                match method {
                    "INVITE" => vec!["ACK"],
                    _ => vec![],
                }
            );
        }
        assert_eq!(wire.events(), [], "{method}");
        wire.endpoint.bye(id, wire.now);
        assert_eq!(method_of(&wire.sent()[0]), "BYE");
    }
}

#[test]
fn the_answer_to_a_refresh_is_told_and_its_200_is_acknowledged_each_time() {
    let mut wire = Wire::new();
    let (id, _) = established(&mut wire, &timed("90", "Allow: INVITE"));
    let (_, refresh) = next_sent(&mut wire, Duration::from_mins(1));
    let more = format!("{REFRESHED}Content-Type: application/sdp\r\n");
    let ok = response_to(&refresh, 200, None, &more)
        .replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{SDP}", SDP.len()));
    for _ in 0..2 {
        let sent = wire.send_text(&ok);
        assert!(sent.len() == 1 && sent[0].starts_with("ACK "), "{sent:?}");
        assert_eq!(header(&sent[0], "CSeq").map(|cseq| cseq.replace("ACK", "INVITE")).as_deref(), {
            header(&refresh, "CSeq")
        });
    }
    assert_eq!(wire.events(), [Event::Confirmed(id, Some(SDP.to_owned()))]);
}

#[test]
fn what_becomes_of_a_refresh_that_fails() {
    // Status, further header fields, whether the next try is a re-INVITE, how soon it comes at the latest.
    let table = [
        (405, "", "INVITE", 0, 0),
        (501, "", "INVITE", 0, 0),
        (422, "Min-SE: 3600\r\n", "UPDATE", 0, 0),
        (491, "", "UPDATE", 0, 2_000),
        (500, "", "UPDATE", 10_000, 10_000),
        (503, "", "UPDATE", 10_000, 10_000),
    ];
    for (refusal, more, method, from_ms, to_ms) in table {
        let mut wire = Wire::new();
        established(&mut wire, &timed("1800", "Allow: UPDATE"));
        let (_, refresh) = next_sent(&mut wire, Duration::from_mins(16));
        wire.send_text(&response_to(&refresh, refusal, None, more));
        let (after, again) = next_sent(&mut wire, Duration::from_mins(1));
        assert_eq!(method_of(&again), method, "{refusal}");
        assert!((from_ms..=to_ms).contains(&after.as_millis()), "{refusal}: {after:?}");
        let expires = if refusal == 422 { "3600;refresher=uac" } else { "1800;refresher=uac" };
        assert_eq!(header(&again, "Session-Expires"), Some(expires), "{refusal}");
        assert_eq!(wire.events(), [], "{refusal}");
    }
    for refusal in [408, 481] {
        let mut wire = Wire::new();
        let (id, _) = established(&mut wire, &timed("1800", "Allow: UPDATE"));
        let (_, refresh) = next_sent(&mut wire, Duration::from_mins(16));
        let sent = wire.send_text(&response_to(&refresh, refusal, None, ""));
        assert!(sent[0].starts_with("BYE "), "{refusal}: {sent:?}");
        assert_eq!(wire.events(), [Event::Ended(id, EndCause::PeerGone)], "{refusal}");
    }
}

#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    for allow in ["Allow: UPDATE", "Allow: INVITE"] {
        let mut wire = Wire::new();
        let (id, _) = established(&mut wire, &timed("1800", allow));
        let sent = wire.pass(Duration::from_mins(16));
        let byes: Vec<_> = sent.iter().filter(|(_, text)| text.starts_with("BYE ")).collect();
        assert_eq!(byes.first().map(|(at, _)| *at), Some(932_000), "{allow}: 64*T1 after the refresh");
        assert_eq!(wire.events(), [Event::Ended(id, EndCause::PeerGone)], "{allow}");
        wire.pass(Duration::from_mins(2));
        assert!(wire.endpoint.is_idle(), "{allow}");
    }
}

#[test]
fn a_peer_that_does_not_refresh_gets_bye_shortly_before_the_end() {
    let mut wire = Wire::new();
    let (id, tag) = established(&mut wire, &timed("1800;refresher=uac", "Allow: UPDATE"));
    assert_eq!(wire.pass(Duration::from_mins(15)), [], "the refresh is theirs");
    let refresh = Sketch::inside("UPDATE", &tag, 2);
    let sent = wire.send(&refresh.with("Supported: timer").with("Session-Expires: 1800;refresher=uac"));
    assert_eq!(header(&sent[0], "Session-Expires"), Some("1800;refresher=uac"));
    assert_eq!(header(&sent[0], "Require"), Some("timer"));
    let (after, bye) = next_sent(&mut wire, Duration::from_hours(1));
    assert_eq!((after, method_of(&bye)), (Duration::from_secs(1800 - 32), "BYE"));
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::PeerGone)]);
}

#[test]
fn a_reinvite_renews_the_timer_or_ends_it() {
    for (expires, ends) in [(Some("Session-Expires: 600;refresher=uac"), true), (None, false)] {
        let mut wire = Wire::new();
        let (id, tag) = established(&mut wire, &timed("1800;refresher=uac", "Allow: UPDATE"));
        let reinvite = Sketch { to_tag: Some(tag.clone()), cseq: 2, ..Sketch::invite() };
        wire.send(&expires.into_iter().fold(reinvite.with("Supported: timer"), Sketch::with));
        wire.endpoint.accept(id, SDP, wire.now);
        let ok = wire.sent().pop().expect("a 200");
        assert_eq!(tag_of(&ok), tag);
        wire.send(&Sketch::inside("ACK", &tag, 2));
        let sent = wire.pass(Duration::from_hours(1));
        let bye = sent.iter().find(|(_, text)| text.starts_with("BYE ")).map(|(at, _)| *at);
        assert_eq!(bye, ends.then_some(568_000), "{expires:?}");
    }
}

#[test]
fn offers_that_cross_our_refresh_are_glare() {
    let mut wire = Wire::new();
    let (_, tag) = established(&mut wire, &timed("1800", "Allow: INVITE"));
    let (_, refresh) = next_sent(&mut wire, Duration::from_mins(16));
    assert_eq!(method_of(&refresh), "INVITE");
    let reinvite = Sketch { to_tag: Some(tag.clone()), cseq: 2, ..Sketch::invite() };
    assert_eq!(only_status(&wire.send(&reinvite)), 491);
    let offering = Sketch::inside("UPDATE", &tag, 3).with("Content-Type: application/sdp").body(SDP);
    assert_eq!(only_status(&wire.send(&offering)), 491);
    assert_eq!(only_status(&wire.send(&Sketch::inside("UPDATE", &tag, 4))), 200);
    assert_eq!(wire.events(), []);
}

/// Accepts every offer; refreshes by re-INVITE, if so told, as to a peer that does not allow UPDATE.
fn accepts(by_reinvite: bool) -> User {
    Box::new(move |endpoint, event, now| match event {
        Event::Invited(id, _) | Event::Reinvited(id, Some(_)) => endpoint.accept(*id, SDP, now),
        Event::Confirmed(id, _) | Event::Answered(id, _) if by_reinvite => {
            if let Some(session) = endpoint.legs.get_mut(id).and_then(Leg::session) {
                session.peer_updates = false;
            }
        }
        _ => {}
    })
}

/// A call between two endpoints, the caller asking for a timer.
fn pair(expires: &str, by_reinvite: bool) -> (Pair, DialogId) {
    let mut pair = Pair::new(CLEAR, 7);
    pair.caller_does = accepts(by_reinvite);
    pair.callee_does = accepts(by_reinvite);
    let call = pair.call_with(vec![("Session-Expires".to_owned(), expires.to_owned())]);
    pair.run(Duration::from_secs(1));
    (pair, call)
}

#[test]
fn either_side_keeps_a_call_alive_for_hours() {
    for (expires, by_reinvite) in [
        ("90;refresher=uac", false),
        ("90;refresher=uas", false),
        ("90", false),
        ("90;refresher=uac", true),
        ("90;refresher=uas", true),
    ] {
        let (mut pair, call) = pair(expires, by_reinvite);
        pair.run(Duration::from_hours(3));
        assert!(!pair.heard.iter().any(|(_, event)| matches!(event, Event::Ended(..))), "{expires}");
        let reinvites = pair.heard.iter().filter(|(_, event)| matches!(event, Event::Reinvited(..))).count();
        // Every 45 s, for 3 hours and the second that the call took to begin.
        assert_eq!(reinvites, if by_reinvite { 240 } else { 0 }, "{expires}");
        pair.caller.bye(call, pair.now);
        pair.settle();
    }
}

#[test]
fn a_dead_link_ends_the_call_on_both_sides() {
    for expires in ["90;refresher=uac", "90;refresher=uas"] {
        let (mut pair, call) = pair(expires, false);
        pair.holes = vec![Hole { matches: |_| true, left: usize::MAX }];
        pair.run(Duration::from_mins(5));
        assert_eq!(pair.told(Side::Caller).last(), Some(&Event::Ended(call, EndCause::PeerGone)));
        assert!(matches!(pair.told(Side::Callee).last(), Some(Event::Ended(_, EndCause::PeerGone))));
        assert!(pair.caller.is_idle() && pair.callee.is_idle(), "{expires}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Refreshes in bad weather, by UPDATE or by re-INVITE, from either side: a call ends once, by somebody's
    /// BYE or by its timer, and leaves nothing.
    #[test]
    fn refreshes_in_any_weather_leave_nothing(
        seed in any::<u64>(),
        loss in 0.0..0.5_f64,
        duplication in 0.0..0.3_f64,
        jitter_ms in 0..800_u64,
        refresher in prop::sample::select(vec!["90;refresher=uac", "90;refresher=uas", "90"]),
        by_reinvite in any::<bool>(),
        hangs_up_after_s in 0..1_200_u64,
    ) {
        let mut pair = Pair::new(Weather { loss, duplication, jitter_ms }, seed);
        pair.caller_does = accepts(by_reinvite);
        pair.callee_does = accepts(by_reinvite);
        let call = pair.call_with(vec![("Session-Expires".to_owned(), refresher.to_owned())]);
        pair.run(Duration::from_secs(hangs_up_after_s));
        pair.caller.bye(call, pair.now);
        pair.run(Duration::from_mins(10));
        prop_assert!(pair.caller.is_idle(), "{:?}", pair.caller);
        prop_assert!(pair.callee.is_idle(), "{:?}", pair.callee);
        for side in [Side::Caller, Side::Callee] {
            let told = pair.told(side);
            let ends = told.iter().filter(|event| matches!(event, Event::Ended(..))).count();
            prop_assert_eq!(ends, usize::from(side == Side::Caller || !told.is_empty()), "{:?}", told);
            prop_assert!(told.last().is_none_or(|event| matches!(event, Event::Ended(..))), "{:?}", told);
        }
    }
}
