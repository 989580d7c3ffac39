//! Whole calls between two endpoints: in clear weather with one thing going wrong, and in any weather.

use std::time::Duration;

use proptest::prelude::*;

use super::SDP;
use super::pair::{CLEAR, Hole, Pair, Side, User, Weather};
use crate::sip::{Claim, EndCause, Event, Referral, ReferralEvent};

fn is_answer(text: &str) -> bool {
    text.starts_with("SIP/2.0 200") && text.contains(" INVITE\r\n")
}

fn referral() -> Referral {
    Referral { refer_to: "sip:agents@192.0.2.2;portero-token=t".to_owned(), headers: Vec::new() }
}

/// Rings and answers.
fn answers() -> User {
    Box::new(|endpoint, event, now| {
        if let Event::Invited(id, _) = event {
            endpoint.ring(*id, now);
            endpoint.accept(*id, SDP, now);
        }
    })
}

/// Answers, refers once the ACK is there, and leaves when the referral has come to anything.
fn refers() -> User {
    let mut accept = answers();
    Box::new(move |endpoint, event, now| {
        accept(endpoint, event, now);
        match event {
            Event::Confirmed(id, _) => endpoint.refer(*id, &referral(), now),
            Event::Referral(_, ReferralEvent::Accepted | ReferralEvent::Notified(100..200)) => {}
            Event::Referral(id, _) => endpoint.bye(*id, now),
            _ => {}
        }
    })
}

/// Follows a REFER and reports on it.
fn follows() -> User {
    Box::new(|endpoint, event, now| {
        if let Event::Referred(id, _) = event {
            endpoint.answer_refer(*id, 202, now);
            endpoint.notify(*id, 100, false, now);
            endpoint.notify(*id, 200, true, now);
        }
    })
}

fn without_invitation(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|event| !matches!(event, Event::Invited(..) | Event::Referred(..))).collect()
}

#[test]
fn a_call_is_set_up_and_torn_down() {
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = answers();
    let call = pair.call();
    pair.run(Duration::from_secs(1));
    pair.caller.bye(call, pair.now);
    pair.settle();
    let answered = Event::Answered(call, SDP.to_owned());
    assert_eq!(
        pair.told(Side::Caller),
        [Event::Ringing(call), answered, Event::Ended(call, EndCause::LocalBye)]
    );
    let told = pair.told(Side::Callee);
    let [Event::Invited(id, invitation), Event::Confirmed(confirmed, None), Event::Ended(ended, cause)] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(invitation.identity.from, Some(Claim::User("+12025550101".to_owned())));
    assert_eq!((*id, *id, EndCause::RemoteBye), (*confirmed, *ended, *cause));
}

#[test]
fn a_call_to_a_refer_to_carries_what_it_asks_for_and_no_more() {
    let mut pair = Pair::new(CLEAR, 1);
    let to_uri =
        "sip:agents@192.0.2.2;portero-token=t?X-Portero-Verdict=verif%69ed&From=sip%3Aevil@h&Route=x";
    pair.call_to(to_uri);
    pair.run(Duration::from_millis(10));
    let told = pair.told(Side::Callee);
    let [Event::Invited(id, invitation)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(invitation.dialled, "agents");
    assert_eq!((invitation.token.as_deref(), invitation.verdict.as_deref()), (Some("t"), Some("verified")));
    assert_eq!(invitation.identity.from, Some(Claim::User("+12025550101".to_owned())));
    pair.callee.reject(*id, 486, pair.now);
    pair.settle();
}

#[test]
fn a_lost_answer_or_a_lost_ack_costs_half_a_second() {
    for (what, matches) in [("200", is_answer as fn(&str) -> bool), ("ACK", |text| text.starts_with("ACK "))]
    {
        let mut pair = Pair::new(CLEAR, 1);
        pair.callee_does = answers();
        pair.holes = vec![Hole { matches, left: 1 }];
        let call = pair.call();
        pair.run(Duration::from_millis(490));
        assert!(!pair.heard.iter().any(|(_, event)| matches!(event, Event::Confirmed(..))), "{what}");
        pair.run(Duration::from_millis(20));
        let confirmed = pair.heard.iter().filter(|(_, event)| matches!(event, Event::Confirmed(..))).count();
        let answered = pair.heard.iter().filter(|(_, event)| matches!(event, Event::Answered(..))).count();
        assert_eq!((confirmed, answered), (1, 1), "{what}");
        pair.caller.bye(call, pair.now);
        pair.settle();
    }
}

#[test]
fn an_ack_that_never_comes_ends_the_call_on_both_sides() {
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = answers();
    pair.holes = vec![Hole { matches: |text| text.starts_with("ACK "), left: usize::MAX }];
    let call = pair.call();
    pair.settle();
    assert_eq!(pair.told(Side::Caller).last(), Some(&Event::Ended(call, EndCause::RemoteBye)));
    let told = pair.told(Side::Callee);
    assert!(matches!(told.last(), Some(Event::Ended(_, EndCause::NoAck))), "{told:?}");
}

#[test]
fn nobody_there_is_a_timeout_and_a_refusal_is_its_status() {
    let mut pair = Pair::new(CLEAR, 1);
    pair.holes = vec![Hole { matches: |_| true, left: usize::MAX }];
    let call = pair.call();
    pair.settle();
    assert_eq!(pair.told(Side::Caller), [Event::Ended(call, EndCause::Refused(408))]);

    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = Box::new(|endpoint, event, now| {
        if let Event::Invited(id, _) = event {
            endpoint.reject(*id, 404, now);
        }
    });
    let call = pair.call();
    pair.settle();
    assert_eq!(pair.told(Side::Caller), [Event::Ended(call, EndCause::Refused(404))]);
}

#[test]
fn cancel_before_the_answer_and_across_it() {
    // Rings and waits: the CANCEL comes in time.
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = Box::new(|endpoint, event, now| {
        if let Event::Invited(id, _) = event {
            endpoint.ring(*id, now);
        }
    });
    let call = pair.call();
    pair.caller.cancel(call, pair.now);
    pair.settle();
    assert_eq!(pair.told(Side::Caller), [Event::Ringing(call), Event::Ended(call, EndCause::Refused(487))]);
    assert!(matches!(pair.told(Side::Callee).last(), Some(Event::Ended(_, EndCause::RemoteCancel))));

    // Answers at the very time: the 200 and the CANCEL are on the wire together.
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = answers();
    pair.caller_does = Box::new(|endpoint, event, now| {
        if let Event::Ringing(id) = event {
            endpoint.cancel(*id, now);
        }
    });
    pair.holes = vec![Hole { matches: is_answer, left: 1 }];
    let call = pair.call();
    pair.settle();
    assert_eq!(pair.told(Side::Caller), [Event::Ringing(call), Event::Ended(call, EndCause::LocalBye)]);
    assert!(matches!(pair.told(Side::Callee).last(), Some(Event::Ended(_, EndCause::RemoteBye))));
}

#[test]
fn byes_that_cross_end_the_call_once_on_each_side() {
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = answers();
    let call = pair.call();
    pair.run(Duration::from_secs(1));
    let theirs = pair
        .told(Side::Callee)
        .into_iter()
        .find_map(|event| if let Event::Invited(id, _) = event { Some(id) } else { None })
        .expect("invited");
    pair.caller.bye(call, pair.now);
    pair.callee.bye(theirs, pair.now);
    pair.settle();
    let ends = |side| {
        pair.told(side).into_iter().filter(|event| matches!(event, Event::Ended(..))).collect::<Vec<_>>()
    };
    assert_eq!(ends(Side::Caller), [Event::Ended(call, EndCause::LocalBye)]);
    assert_eq!(ends(Side::Callee), [Event::Ended(theirs, EndCause::LocalBye)]);
}

#[test]
fn a_referral_is_followed_and_the_referrer_leaves() {
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = refers();
    pair.caller_does = follows();
    let call = pair.call();
    pair.settle();
    assert_eq!(pair.told(Side::Caller).last(), Some(&Event::Ended(call, EndCause::RemoteBye)));
    let told = without_invitation(pair.told(Side::Callee));
    let [
        Event::Confirmed(id, None),
        Event::Referral(_, ReferralEvent::Accepted),
        Event::Referral(_, ReferralEvent::Notified(100)),
        Event::Referral(_, ReferralEvent::Notified(200)),
        Event::Ended(ended, EndCause::LocalBye),
    ] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(id, ended);
}

#[test]
fn a_refused_referral_and_a_silent_one() {
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = refers();
    pair.caller_does = Box::new(|endpoint, event, now| {
        if let Event::Referred(id, _) = event {
            endpoint.answer_refer(*id, 603, now);
        }
    });
    pair.call();
    pair.settle();
    let told = pair.told(Side::Callee);
    assert!(
        told.iter().any(|event| matches!(event, Event::Referral(_, ReferralEvent::Refused(603)))),
        "{told:?}"
    );

    // Accepted, and then not a word: nothing ends it but the user, here the caller.
    let mut pair = Pair::new(CLEAR, 1);
    pair.callee_does = refers();
    pair.caller_does = Box::new(|endpoint, event, now| {
        if let Event::Referred(id, _) = event {
            endpoint.answer_refer(*id, 202, now);
        }
    });
    let call = pair.call();
    pair.run(Duration::from_mins(5));
    assert!(!pair.heard.iter().any(|(_, event)| matches!(event, Event::Ended(..))));
    pair.caller.bye(call, pair.now);
    // The subscription outlives the call on both sides, and then goes too.
    pair.run(Duration::from_secs(1));
    pair.caller.notify(call, 200, true, pair.now);
    pair.settle();
    assert!(matches!(pair.told(Side::Callee).last(), Some(Event::Ended(_, EndCause::RemoteBye))));
}

/// What must hold after any call, whatever the weather was.
fn check_story(pair: &Pair, side: Side) -> Result<(), TestCaseError> {
    let told = pair.told(side);
    let ends = told.iter().filter(|event| matches!(event, Event::Ended(..))).count();
    let begins = usize::from(side == Side::Caller || !told.is_empty());
    prop_assert_eq!(ends, begins, "{:?}", told);
    prop_assert!(told.last().is_none_or(|event| matches!(event, Event::Ended(..))), "{:?}", told);
    let count = |wanted: fn(&Event) -> bool| told.iter().filter(|event| wanted(event)).count();
    prop_assert!(count(|event| matches!(event, Event::Invited(..))) <= 1);
    prop_assert!(count(|event| matches!(event, Event::Answered(..))) <= 1);
    prop_assert!(count(|event| matches!(event, Event::Confirmed(..))) <= 1);
    prop_assert!(count(|event| matches!(event, Event::Referral(_, ReferralEvent::Accepted))) <= 1);
    let last = |event: &Event| {
        matches!(event, Event::Referral(_, ReferralEvent::Notified(200..) | ReferralEvent::Refused(_)))
    };
    prop_assert!(told.iter().filter(|event| last(event)).count() <= 1, "{:?}", told);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_weather_every_call_ends_once_and_leaves_nothing(
        seed in any::<u64>(),
        loss in 0.0..0.5_f64,
        duplication in 0.0..0.3_f64,
        jitter_ms in 0..800_u64,
        hangs_up_after_ms in 0..20_000_u64,
    ) {
        let mut pair = Pair::new(Weather { loss, duplication, jitter_ms }, seed);
        pair.callee_does = refers();
        pair.caller_does = follows();
        let call = pair.call();
        pair.run(Duration::from_millis(hangs_up_after_ms));
        pair.caller.bye(call, pair.now);
        pair.run(Duration::from_mins(10));
        prop_assert!(pair.caller.is_idle(), "{:?} {:?}", pair.elapsed(), pair.caller);
        prop_assert!(pair.callee.is_idle(), "{:?} {:?}", pair.elapsed(), pair.callee);
        check_story(&pair, Side::Caller)?;
        check_story(&pair, Side::Callee)?;
    }
}

#[test]
fn a_fifth_of_all_datagrams_lost_still_lets_most_calls_through() {
    let through = (0..100).filter(|seed| {
        let mut pair = Pair::new(Weather { loss: 0.2, duplication: 0.1, jitter_ms: 100 }, *seed);
        pair.callee_does = refers();
        pair.caller_does = follows();
        pair.call();
        pair.settle();
        pair.heard.iter().any(|(_, event)| matches!(event, Event::Referral(_, ReferralEvent::Notified(200))))
    });
    let through = through.count();
    assert!(through >= 95, "{through} of 100");
}
