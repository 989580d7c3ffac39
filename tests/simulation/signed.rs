//! Numbers that are checked before their calls are answered: what the record tells, and how long callers hear it ring.

use portero::call::EndedBy;
use portero::flow::{CheckOutcome, CheckedBy, Verdict};
use portero::stir::Fault;

use super::habits::Habits;
use super::link::{Link, Weather};
use super::{one, one_in_clear_weather};

/// How long the plan lets a call ring for the check, and how long the line rings anyway.
const DEADLINE_MS: i64 = 1500;
const RING_MS: i64 = 200;

#[test]
fn a_call_is_answered_when_its_number_has_been_checked_or_its_time_is_over() {
    let table = [
        (None, RING_MS, CheckOutcome::NotChecked, Some(Fault::Absent)),
        (Some((0, true)), RING_MS, CheckOutcome::Passed, None),
        (Some((100, true)), RING_MS, CheckOutcome::Passed, None),
        (Some((900, true)), 900, CheckOutcome::Passed, None),
        (Some((900, false)), 900, CheckOutcome::Failed, Some(Fault::Signature)),
        (Some((2500, true)), DEADLINE_MS, CheckOutcome::NotChecked, Some(Fault::TimedOut)),
        (Some((2500, false)), DEADLINE_MS, CheckOutcome::NotChecked, Some(Fault::TimedOut)),
    ];
    for (signed, rings_ms, outcome, fault) in table {
        let record = one_in_clear_weather(Habits { signed, ..Habits::verified() }).record;
        assert_eq!((record.ani_verstat, record.ani_check_fault), (Some(outcome), fault), "{signed:?}");
        assert_eq!(record.ani_checked_by, Some(CheckedBy::Portero), "{signed:?}");
        let answered_at = record.answered_at.expect("answered");
        let rang_ms = answered_at.duration_since(record.started_at).as_millis();
        let rang_ms = i64::try_from(rang_ms).expect("some seconds");
        assert!((rings_ms..rings_ms + 50).contains(&rang_ms), "{signed:?}: {rang_ms} ms");
        assert_eq!(record.verdict, Verdict::Verified, "{signed:?}: any number will do on this line");
    }
}

#[test]
fn a_caller_who_hangs_up_during_the_check_leaves_a_record_and_nothing_else() {
    for (signed, hasty) in [((1000, true), false), ((1000, false), true), ((9000, true), false)] {
        let habits =
            Habits { signed: Some(signed), hasty, cancels: Some(500), keys: vec![], ..Habits::verified() };
        let record = one(habits, Link::new(Weather::CLEAR)).record;
        assert_eq!((record.ended_by, record.answered_at), (EndedBy::Caller, None), "{signed:?}");
    }
}
