//! What a calling number is good for, by how far it is trusted.

use super::*;
use crate::flow::tests::factor;
use crate::flow::{
    Attestation, Below, ByNumber, Check, CheckOutcome, CheckedBy, Factor, LineName, Need, TrustLevel, Verdict,
};

/// How a line identifies that wants this of a number.
pub(super) fn wanting(trust: TrustLevel, below: Below) -> ByNumber {
    ByNumber { action: ActionName::new("number"), trust, below }
}

fn checked(outcome: CheckOutcome, attestation: Option<Attestation>) -> Trust {
    Trust::Checked(Check { outcome, attestation, by: CheckedBy::Portero })
}

#[test]
fn a_number_below_the_lines_bar_does_not_identify() {
    let line = || line_with(|line| line.by_number = Some(wanting(TrustLevel::Partial, Below::Ignore)));
    let table = [
        (Trust::Claimed, "play greeting"),
        (Trust::Trunk, "play greeting"),
        (checked(CheckOutcome::Failed, Some(Attestation::A)), "play greeting"),
        (checked(CheckOutcome::Passed, Some(Attestation::C)), "play greeting"),
        (checked(CheckOutcome::Passed, Some(Attestation::B)), "ask number, play greeting"),
        (checked(CheckOutcome::Passed, Some(Attestation::A)), "ask number, play greeting"),
    ];
    for (trust, diary) in table {
        Caller::at(line(), "+12025550101", Opening::Open, trust).expect(diary);
    }
}

#[test]
fn a_number_below_the_bar_may_identify_and_then_every_factor_is_required() {
    let optional = [Need::Required, Need::Optional, Need::RequiredBelow(TrustLevel::Claimed)];
    let line = || {
        let mut line = line();
        line.by_number = Some(wanting(TrustLevel::Trunk, Below::Raise));
        line.factors = optional.map(|need| Factor { need, ..factor("factor") }).into();
        Arc::new(line)
    };
    let shown = |trust, right: &[bool]| {
        let caller = Caller::at(line(), "+12025550101", Opening::Open, trust);
        let mut caller = caller.answer(one()).hear();
        for right in right {
            caller = caller.keys("4711").answer(Answer::Check(*right));
        }
        caller
    };
    assert_eq!(shown(Trust::Trunk, &[true, true]).flow.standing().verdict(), Verdict::Verified);
    let failed = checked(CheckOutcome::Failed, None);
    for trust in [Trust::Claimed, failed] {
        assert_eq!(shown(trust, &[true, true]).flow.step(), Step::Verifying, "{trust:?}");
        assert_eq!(shown(trust, &[true; 3]).flow.standing().verdict(), Verdict::Verified, "{trust:?}");
    }
    let mut caller = shown(failed, &[true]);
    while caller.flow.step() == Step::Verifying {
        caller = caller.keys("3112").answer(Answer::Check(false));
    }
    assert_eq!(caller.flow.standing().verdict(), Verdict::Identified, "an optional factor came to nothing");
}

#[test]
fn a_number_below_the_bar_does_not_tell_customers_apart() {
    let shared = || Answer::LookUp(Matches::Several(vec![maria(), Customer::new("10000002", None)]));
    let line = || line_with(|line| line.by_number = Some(wanting(TrustLevel::Trunk, Below::Raise)));
    let caller = Caller::on(line(), "+12025550101").answer(shared()).hear().keys("12345678");
    let caller =
        caller.answer(Answer::LookUp(Matches::Several(vec![Customer::new("10000005", None), maria()])));
    assert_eq!(caller.flow.standing().customer(), None);
}

#[test]
fn a_line_with_a_higher_bar_raises_what_a_caller_must_show_whom_another_has_identified() {
    let way = LineName::new("accounts");
    let first = line_with(|line| {
        line.factors = Vec::new();
        line.next.identified.then = Then::Line(way.clone());
    });
    let second = line_with(|line| {
        line.number = way.clone();
        line.by_number = Some(wanting(TrustLevel::Full, Below::Ignore));
        line.factors = vec![Factor { need: Need::RequiredBelow(TrustLevel::Claimed), ..factor("pin") }];
    });
    let mut caller = Caller::on(first, "+12025550101").knowing(second).answer(one());
    while let Some(play) = caller.playing.take() {
        caller.tell(Event::PlayEnded(play));
    }
    assert_eq!((caller.flow.line().number.as_str(), caller.flow.step()), ("accounts", Step::Verifying));
}

#[test]
fn a_trusted_number_spares_a_factor_and_never_all_of_them() {
    let full = || checked(CheckOutcome::Passed, Some(Attestation::A));
    let begin = |line, trust| Caller::at(line, "+12025550101", Opening::Open, trust).answer(one()).hear();
    let need = Need::RequiredBelow(TrustLevel::Full);
    let caller = begin(two(need), full()).keys("4711").answer(Answer::Check(true));
    assert_eq!(caller.flow.standing().verdict(), Verdict::Verified);
    let caller = begin(two(need), Trust::Trunk).keys("4711").answer(Answer::Check(true));
    assert_eq!(caller.flow.standing().verdict(), Verdict::Identified);
    assert_eq!(caller.flow.step(), Step::Verifying);
    let only = || line_with(|line| line.factors[0].need = need);
    let mut caller = begin(only(), full());
    assert!(caller.diary().ends_with("play bye-identified"));
    // Whoever keys who they are is not vouched for by the number that they call from.
    let caller = Caller::at(only(), "+12025550101", Opening::Open, full()).answer(none()).hear();
    let caller = caller.keys("10000001").answer(one());
    assert_eq!(caller.flow.step(), Step::Verifying);
}
