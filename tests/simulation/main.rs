//! Callers against the switchboard on a virtual clock, over a link that loses, doubles, delays and reorders.
//!
//! What must hold, whatever happens: nothing is left over (dialog, port, timer, call), there is exactly one
//! record for each call to a line, and no call is `Verified` without the back end's yes. A failing seed is
//! named in the panic and replays with `PORTERO_SEED=n`.

mod intake;
mod world;

use world::{Caller, Link, Tale, World};

/// How many worlds are run, and how many calls each.
const WORLDS: u64 = 400;
const CALLS: usize = 8;

fn seeds() -> Vec<u64> {
    match std::env::var("PORTERO_SEED") {
        Ok(seed) => vec![seed.parse().expect("PORTERO_SEED is a number")],
        Err(_) => (0..WORLDS).collect(),
    }
}

#[test]
fn whatever_the_network_does_nothing_leaks_and_every_call_is_recorded_once() {
    let mut calls = 0;
    let mut verdicts = std::collections::BTreeMap::new();
    for seed in seeds() {
        let link = if seed % 4 == 0 { Link::PERFECT } else { Link::HOSTILE };
        let mut world = World::new(seed, link);
        for _ in 0..CALLS {
            world.place_call(Caller::Random);
        }
        world.run();
        let tales = world.finish();
        for tale in &tales {
            tale.check(seed);
            *verdicts.entry(tale.record.verdict.as_str()).or_insert(0) += 1;
        }
        calls += tales.len();
    }
    // The worlds are rich enough to be worth running: every verdict occurs, and most calls get through.
    assert!(calls as u64 >= seeds().len() as u64 * CALLS as u64 / 2, "{calls} calls");
    assert!(std::env::var("PORTERO_SEED").is_ok() || verdicts.len() == 3, "{verdicts:?}");
}

/// One call of this caller over this link: the tale of it.
fn one(caller: Caller, link: Link) -> Tale {
    let mut world = World::new(1, link);
    world.place_call(caller);
    world.run();
    let mut tales = world.finish();
    assert_eq!(tales.len(), 1);
    let tale = tales.remove(0);
    tale.check(1);
    tale
}

#[test]
fn a_caller_with_the_right_keys_is_verified_and_handed_over() {
    let tale = one(Caller::Verifies, Link::PERFECT);
    assert_eq!(tale.record.verdict, portero::flow::Verdict::Verified);
    let hand_over = tale.record.hand_over.expect("handed over");
    assert_eq!(hand_over.outcome, portero::call::HandOverOutcome::Completed);
    assert_eq!(tale.record.ended_by, portero::call::EndedBy::Portero);
}

#[test]
fn a_refused_referral_is_told_and_recorded() {
    let tale = one(Caller::RefusesReferral, Link::PERFECT);
    let hand_over = tale.record.hand_over.expect("tried");
    assert_eq!(hand_over.outcome, portero::call::HandOverOutcome::Refused);
    assert_eq!(hand_over.status, Some(603));
    assert_eq!(tale.record.reason.as_deref(), Some("hand-over refused (603)"));
}

#[test]
fn a_referral_without_notify_is_given_up_after_its_time() {
    let tale = one(Caller::TakesReferralSilently, Link::PERFECT);
    assert_eq!(tale.record.hand_over.expect("tried").outcome, portero::call::HandOverOutcome::TimedOut);
    assert_eq!(tale.record.reason.as_deref(), Some("hand-over timed out"));
}

#[test]
fn a_peer_that_hangs_up_on_the_referral_has_been_handed_over_unconfirmed() {
    let tale = one(Caller::HangsUpOnReferral, Link::PERFECT);
    assert_eq!(tale.record.hand_over.expect("tried").outcome, portero::call::HandOverOutcome::Unconfirmed);
    assert_eq!(tale.record.ended_by, portero::call::EndedBy::Caller);
}

#[test]
fn a_caller_who_hangs_up_at_once_leaves_a_record() {
    let tale = one(Caller::HangsUpAtOnce, Link::PERFECT);
    assert_eq!(tale.record.ended_by, portero::call::EndedBy::Caller);
    assert_eq!(tale.record.verdict, portero::flow::Verdict::Unidentified);
}

#[test]
fn keys_pressed_while_the_ack_is_lost_count() {
    let tale = one(Caller::KeysAtOnce, Link::LOSES_FIRST_ACK);
    assert_eq!(tale.record.verdict, portero::flow::Verdict::Verified);
    assert_eq!(tale.record.secret_attempts, 1);
}

#[test]
fn a_dead_peer_is_noticed_by_its_missing_ack() {
    let tale = one(Caller::Verifies, Link::DEAD_AFTER_INVITE);
    assert_eq!(tale.record.ended_by, portero::call::EndedBy::Network);
    assert_eq!(tale.record.reason.as_deref(), Some("no ACK"));
}
