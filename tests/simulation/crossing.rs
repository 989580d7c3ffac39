//! Messages that cross: each side did right by what it knew.

use portero::call::{EndedBy, HandOverOutcome};
use portero::flow::Verdict;

use super::habits::{Habits, OnReferral, Refresher, Renegotiation};
use super::link::{Link, Weather};
use super::one;
use super::phone::Tally;
use super::tale::Tale;
use super::world::World;

fn far(habits: Habits) -> (Tale, Tally) {
    let mut world = World::new(1, Link::new(Weather::FAR));
    world.place_call(habits);
    world.run();
    let (mut tales, tally, _) = world.finish();
    let tale = tales.remove(0);
    tale.check("far away");
    (tale, tally)
}

#[test]
fn a_cancel_crosses_the_200() {
    // The line rings from 50 ms on, for 200 ms: CANCELs that leave before and after the 200 does, and cross it.
    let mut answered = 0;
    for cancels in (100..300).step_by(5) {
        let habits = Habits { cancels: Some(cancels), keys: vec![], ..Habits::verified() };
        let (tale, _) = far(habits);
        assert_eq!(tale.record.ended_by, EndedBy::Caller, "at {cancels}");
        assert_eq!(tale.record.verdict, Verdict::Unidentified, "at {cancels}");
        answered += usize::from(tale.record.answered_at.is_some());
    }
    assert!((5..25).contains(&answered), "some cross and some do not: {answered}");
}

#[test]
fn a_cancel_before_any_response_is_honoured() {
    let habits = Habits { cancels: Some(0), hasty: true, ..Habits::verified() };
    let (tale, _) = far(habits);
    assert_eq!(tale.record.reason.as_deref(), Some("cancelled before the answer"));
}

#[test]
fn a_bye_crosses_a_bye() {
    let (tale, tally) = far(Habits { referral: OnReferral::CrossesOurBye, ..Habits::verified() });
    assert_eq!(tally.crossed_byes, 1);
    assert_eq!(tale.record.ended_by, EndedBy::Portero, "ours went first");
    assert_eq!(tale.record.hand_over.expect("tried").outcome, HandOverOutcome::Completed);
}

/// The caller's offers, around the time when the switchboard refreshes the session that is 90 s long.
#[test]
fn offers_that_meet_are_refused_and_the_call_goes_on() {
    let (mut glares, mut refused) = (0, 0);
    for updates in [false, true] {
        for how in
            [Renegotiation::Hold, Renegotiation::Offerless, Renegotiation::Refresh, Renegotiation::Update]
        {
            for at in (44_700..45_300).step_by(50) {
                let habits = Habits {
                    updates,
                    refresher: Some(Refresher::Switchboard),
                    referral: OnReferral::Rings,
                    renegotiations: vec![(at, how)],
                    ..Habits::verified()
                };
                let (tale, tally) = far(habits);
                glares += tally.glares;
                refused += tally.refused;
                assert!(
                    tally.glares == 0 || tally.refreshes > 0,
                    "{how:?} at {at}: the refresh is tried again"
                );
                let outcome = tale.record.hand_over.expect("tried").outcome;
                assert_eq!(
                    outcome,
                    HandOverOutcome::TimedOut,
                    "{how:?} at {at}: the call went on to its end"
                );
                assert_eq!(tale.record.verdict, Verdict::Verified);
            }
        }
    }
    assert!(glares > 5 && refused > 5, "{glares} by the caller, {refused} by the switchboard");
}

#[test]
fn a_session_that_the_caller_does_not_refresh_ends() {
    let habits =
        Habits { refresher: Some(Refresher::Caller), referral: OnReferral::Rings, ..Habits::verified() };
    let tale = one(habits.clone(), Link::new(Weather::CLEAR));
    assert_eq!(tale.record.ended_by, EndedBy::Network);
    let kept = Habits { renegotiations: vec![(40_000, Renegotiation::Refresh)], ..habits };
    let tale = one(kept, Link::new(Weather::CLEAR));
    assert_eq!(tale.record.ended_by, EndedBy::Portero);
}

#[test]
fn a_connection_that_breaks_in_mid_call_ends_nothing_that_comes_back() {
    let stream = Habits { stream: true, ..Habits::verified() };
    // At each stage of the call: while it rings, before its keys, while it is handed over.
    for at in (0..6000).step_by(50) {
        let back = Habits { disconnects: Some((at, true)), ..stream.clone() };
        one(back, Link::new(Weather::FAR));
        let gone = Habits { disconnects: Some((at, false)), ..stream.clone() };
        one(gone, Link::new(Weather::FAR));
    }
}
