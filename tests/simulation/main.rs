//! Callers against the switchboard on a virtual clock, over links that lose, double, delay and reorder.
//!
//! What must hold, whatever happens: nothing is left over (dialog, transaction, port, timer, call), there is exactly
//! one record for each call to a line, no call is `Verified` without the back end's yes, and no key counts twice. A
//! failing seed is named in the panic and replays with `PORTERO_SEED=n`.

mod business;
mod consent;
mod crossing;
mod ear;
mod evenness;
mod habits;
mod hall;
mod intake;
mod link;
mod losses;
mod phone;
#[path = "../statistics/rank.rs"]
mod rank;
mod signed;
mod sound;
mod spoken;
mod tale;
mod thousand;
mod world;

use std::collections::BTreeMap;

use habits::{Habits, OnReferral};
use link::{Link, Weather};
use phone::Tally;
use portero::call::{EndedBy, HandOverOutcome};
use portero::flow::Verdict;
use tale::Tale;
use world::World;

/// How many worlds are run, and how many calls each.
const WORLDS: u64 = 300;
const CALLS: usize = 8;

fn seeds() -> Vec<u64> {
    match std::env::var("PORTERO_SEED") {
        Ok(seed) => vec![seed.parse().expect("PORTERO_SEED is a number")],
        Err(_) => (0..WORLDS).collect(),
    }
}

#[test]
fn whatever_the_network_does_nothing_leaks_and_every_call_is_recorded_once() {
    let (mut calls, mut verdicts, mut tally) = (0, BTreeMap::new(), Tally::default());
    for seed in seeds() {
        let weather = if seed % 4 == 0 { Weather::CLEAR } else { Weather::HOSTILE };
        let mut world = World::new(seed, Link::new(weather));
        for _ in 0..CALLS {
            world.place_random_call();
        }
        world.run();
        let (tales, tallied, _) = world.finish();
        for tale in &tales {
            tale.check(&format!("seed {seed}"));
            *verdicts.entry(tale.record.verdict.as_str()).or_insert(0) += 1;
        }
        calls += tales.len();
        tally += tallied;
    }
    if std::env::var("PORTERO_SEED").is_ok() {
        return;
    }
    // The worlds are rich enough to be worth running.
    assert!(calls as u64 >= WORLDS * CALLS as u64 / 2, "{calls} calls");
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
    // Offers that meet by chance are rare: `crossing` has them meet.
    let Tally { refused, refreshes, crossed_byes, .. } = tally;
    assert!([refused, refreshes, crossed_byes].iter().all(|count| *count > 10), "{tally:?}");
}

/// One call of a caller with these habits: the tale of it.
fn one(habits: Habits, link: Link) -> Tale {
    let mut world = World::new(1, link);
    world.place_call(habits);
    world.run();
    let (mut tales, _, _) = world.finish();
    assert_eq!(tales.len(), 1);
    let tale = tales.remove(0);
    tale.check("one call");
    tale
}

fn one_in_clear_weather(habits: Habits) -> Tale {
    one(habits, Link::new(Weather::CLEAR))
}

#[test]
fn a_caller_with_the_right_keys_is_verified_and_handed_over() {
    let tale = one_in_clear_weather(Habits::verified());
    assert_eq!(tale.record.verdict, Verdict::Verified);
    assert_eq!(tale.record.hand_over.expect("handed over").outcome, HandOverOutcome::Completed);
    assert_eq!(tale.record.ended_by, EndedBy::Portero);
}

/// What becomes of a hand-over, by what the caller does with the REFER.
#[test]
fn a_hand_over_ends_as_the_peer_says_or_does_not() {
    use HandOverOutcome::{Completed, Failed, Refused, TimedOut, Unconfirmed};
    let table = [
        (OnReferral::Follows(200), Completed, Some(200), EndedBy::Portero, None),
        (OnReferral::Follows(486), Failed, Some(486), EndedBy::Portero, Some("hand-over failed (486)")),
        (OnReferral::Refuses(603), Refused, Some(603), EndedBy::Portero, Some("hand-over refused (603)")),
        (OnReferral::StaysSilent, TimedOut, None, EndedBy::Portero, Some("hand-over timed out")),
        (OnReferral::Rings, TimedOut, Some(180), EndedBy::Portero, Some("hand-over timed out")),
        (OnReferral::HangsUp, Unconfirmed, None, EndedBy::Caller, None),
        (OnReferral::ReportsAfterBye, Unconfirmed, None, EndedBy::Caller, None),
    ];
    for (referral, outcome, status, ended_by, reason) in table {
        let record = one_in_clear_weather(Habits { referral, ..Habits::verified() }).record;
        let hand_over = record.hand_over.expect("tried");
        assert_eq!((hand_over.outcome, hand_over.status), (outcome, status), "{referral:?}");
        assert_eq!((record.ended_by, record.reason.as_deref()), (ended_by, reason), "{referral:?}");
    }
}

/// What others are told of a call, one word each.
fn told(tale: &Tale) -> Vec<&'static str> {
    tale.happenings.iter().map(|happening| happening.what.kind().as_str()).collect()
}

#[test]
fn what_happens_to_a_call_is_told_once_and_in_order() {
    let verified = one_in_clear_weather(Habits::verified());
    assert_eq!(told(&verified), ["started", "identified", "verified", "handed_over", "ended"]);
    let last = verified.happenings.last().expect("its end");
    assert_eq!(last.call.record.as_deref(), Some(&verified.record));
    let at_once = Habits { hangs_up: Some(0), keys: vec![], ..Habits::verified() };
    assert_eq!(told(&one_in_clear_weather(at_once)), ["started", "ended"]);
    let opts_out = Habits { keys: vec![(2000, "*")], ..Habits::verified() };
    assert_eq!(
        told(&one_in_clear_weather(opts_out)),
        ["started", "identified", "failed", "handed_over", "ended"]
    );
    let amid = Habits { hangs_up: Some(4000), keys: vec![], ..Habits::verified() };
    assert_eq!(told(&one_in_clear_weather(amid)), ["started", "identified", "failed", "ended"]);
    let refused = Habits { referral: OnReferral::Refuses(603), ..Habits::verified() };
    assert_eq!(told(&one_in_clear_weather(refused)), ["started", "identified", "verified", "ended"]);
}

#[test]
fn a_caller_who_hangs_up_at_once_leaves_a_record() {
    let tale = one_in_clear_weather(Habits { hangs_up: Some(0), keys: vec![], ..Habits::verified() });
    assert_eq!(tale.record.ended_by, EndedBy::Caller);
    assert_eq!(tale.record.verdict, Verdict::Unidentified);
}

#[test]
fn a_caller_who_vanishes_is_noticed() {
    let unheard = one_in_clear_weather(Habits { vanishes: Some(100), ..Habits::verified() });
    assert_eq!(unheard.record.ended_by, EndedBy::Network);
    assert_eq!(unheard.record.reason.as_deref(), Some("no ACK"));
    // The secret has been keyed; the REFER finds nobody.
    let later = one_in_clear_weather(Habits { vanishes: Some(3000), ..Habits::verified() });
    assert_eq!(later.record.verdict, Verdict::Verified);
    assert_eq!(later.record.hand_over.expect("tried").outcome, HandOverOutcome::TimedOut);
}

#[test]
fn keys_count_once_however_they_are_told() {
    for (keyed, told) in [(habits::Keyed::Rtp, 0), (habits::Keyed::Info, 5), (habits::Keyed::Both, 5)] {
        let tale = one_in_clear_weather(Habits { keyed, ..Habits::verified() });
        assert_eq!((tale.asked.as_str(), tale.record.verdict), ("4711", Verdict::Verified), "{keyed:?}");
        assert_eq!(tale.told, told, "{keyed:?}: a recording leaves out what came by INFO");
    }
}
