//! Calling numbers that we check ourselves, by the passports that came with the call: whose, what the passports are held
//! against, and what a check makes of a number.

use std::collections::HashSet;
use std::time::Duration;

use super::caller::in_country;
use super::directory::Directory;
use super::trunk::Trunk;
use crate::flow::{Check, CheckOutcome, CheckedBy, Line, LineName, PhoneNumber, Trust};
use crate::sip::Invitation;
use crate::stir::{Fault, Finding, Presented};

/// Whose calling numbers we check, besides those of trunks that want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passports {
    /// The lines that want it, by whatever way their calls come.
    pub lines: HashSet<LineName>,
    /// How long a call may ring for it; 100 ms to 10 s.
    pub deadline: Duration,
}

impl Default for Passports {
    fn default() -> Self {
        Self { lines: HashSet::new(), deadline: Duration::from_millis(1500) }
    }
}

/// How our check of a call's number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checking {
    /// There is none.
    Unwanted,
    /// It is under way.
    Awaited,
    /// It is over, and this was wrong.
    Over(Option<Fault>),
}

impl Checking {
    /// What was wrong.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Over(fault) => fault,
            Self::Unwanted | Self::Awaited => None,
        }
    }
}

impl Passports {
    /// Whether the numbers of this line's calls are checked that the trunk brings.
    pub(super) fn are_wanted(&self, line: &Line, trunk: Option<&Trunk>) -> bool {
        trunk.is_some_and(|trunk| trunk.passports) || self.lines.contains(&line.number)
    }
}

/// A call to `line` from `caller`, as its passports are held against it.
pub(super) fn presented(
    invitation: &Invitation,
    caller: PhoneNumber,
    line: &Line,
    lines: &Directory,
    trunk: Option<&Trunk>,
) -> Presented {
    let signed = &invitation.identity.signed;
    let number = |user: &str| Some(in_country(PhoneNumber::parse(user)?, trunk));
    // A caller may write any number into To, such as their own: then a passport that somebody has sent them would be one
    // for us. So it counts where it leads to the same line, as the Request-URI does.
    let leads_here = |user: &str| lines.find(user, None).is_some_and(|found| found.number == line.number);
    let wanted = signed.to.as_deref().and_then(|user| Some((user, number(user)?)));
    let wanted = wanted.filter(|(user, number)| {
        let e164 = number.as_str();
        [user, e164, e164.trim_start_matches('+')].into_iter().any(leads_here)
    });
    let dialled = number(&invitation.dialled);
    Presented {
        fields: signed.fields.clone(),
        caller,
        callees: wanted.map(|(_, number)| number).into_iter().chain(dialled).collect(),
        date: signed.date.clone(),
        sip_call_id: invitation.sip_call_id.trim().to_owned(),
    }
}

/// What our check makes of a number. A trunk's word on it stands where ours shows nothing, for or against.
pub(super) fn checked(trust: Trust, finding: Finding) -> Trust {
    let by = CheckedBy::Portero;
    let ours = match finding {
        Ok(attestation) => Check { outcome: CheckOutcome::Passed, attestation, by },
        Err(fault) => Check { outcome: fault.outcome(), attestation: None, by },
    };
    match (trust, ours.outcome) {
        // Whoever only claims a number does not come to answer for it by a passport that cannot be read.
        (Trust::Claimed | Trust::Checked(_), CheckOutcome::NotChecked) => trust,
        _ => Trust::Checked(ours),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call::directory::{Address, Pattern};
    use crate::flow::tests::line;
    use crate::flow::{Attestation, Country, TrustLevel};
    use crate::sip::{Hop, Identity, Signed};

    fn trunk(country: &str) -> Trunk {
        Trunk { country: Country::parse(country), ..super::super::trunk::tests::trunk("carrier", &[]) }
    }

    fn callees(dialled: &str, to: Option<&str>, trunk: Option<&Trunk>) -> Vec<String> {
        let mut lines = Directory::default();
        let other = Line { number: LineName::new("other"), ..line() };
        let pattern = Address::Pattern(Pattern::parse("+1202555010X").expect("a pattern"));
        lines.add(Arc::new(line()), [Address::Number("1000".into()), pattern]);
        lines.add(Arc::new(other), [Address::Number("+12025550200".into())]);
        let signed = Signed { to: to.map(str::to_owned), ..Signed::default() };
        let invitation = Invitation {
            dialled: dialled.into(),
            token: None,
            verdict: None,
            identity: Identity { signed, ..Identity::default() },
            sip_call_id: " call ".into(),
            hop: Hop::udp(([192, 0, 2, 2], 5060).into(), ([192, 0, 2, 1], 5060).into()),
            login: None,
            offer: None,
        };
        let caller = PhoneNumber::parse("+12025550101").expect("a number");
        let presented = presented(&invitation, caller, &line(), &lines, trunk);
        assert_eq!(presented.sip_call_id, "call");
        presented.callees.iter().map(|number| number.as_str().to_owned()).collect()
    }

    #[test]
    fn a_call_is_to_whom_it_has_come_and_to_whom_it_was_made_where_that_is_here() {
        let us = trunk("US");
        let table = [
            ("1000", None, None, &["1000"][..]),
            ("1000", Some("+12025550100"), None, &["+12025550100", "1000"]),
            ("1000", Some("2025550100"), Some(&us), &["+12025550100", "1000"]),
            ("2025550100", Some("jane"), Some(&us), &["+12025550100"]),
            // Somebody else's number, such as the caller's own.
            ("1000", Some("+12025559999"), None, &["1000"]),
            ("1000", Some("+12025550200"), None, &["1000"]),
            ("help", Some("help"), None, &[]),
            ("+12025550100", Some("+12025550100"), None, &["+12025550100", "+12025550100"]),
        ];
        for (dialled, to, trunk, expected) in table {
            assert_eq!(callees(dialled, to, trunk), expected, "{dialled} {to:?}");
        }
    }

    #[test]
    fn our_check_counts_before_a_trunks_and_shows_nothing_where_there_is_none() {
        use TrustLevel::{Any, Claimed, Full, Gateway};
        let told =
            |outcome, attestation| Trust::Checked(Check { outcome, attestation, by: CheckedBy::Trunk });
        let passed = told(CheckOutcome::Passed, Some(Attestation::A));
        let table = [
            (Trust::Claimed, Ok(Some(Attestation::A)), Full),
            (Trust::Claimed, Ok(None), Gateway),
            (Trust::Claimed, Err(Fault::Absent), Claimed),
            (Trust::Claimed, Err(Fault::Signature), Any),
            (Trust::Trunk, Ok(Some(Attestation::C)), Gateway),
            (Trust::Trunk, Err(Fault::Unreachable), TrustLevel::Trunk),
            (Trust::Trunk, Err(Fault::Replayed), Any),
            (passed, Err(Fault::Stale), Any),
            (passed, Err(Fault::Absent), Full),
            (told(CheckOutcome::Failed, None), Err(Fault::TimedOut), Any),
            (told(CheckOutcome::Failed, None), Ok(Some(Attestation::A)), Full),
        ];
        for (trust, finding, level) in table {
            assert_eq!(checked(trust, finding).level(), level, "{trust:?} {finding:?}");
        }
        let unread = checked(Trust::Trunk, Err(Fault::Absent)).check().expect("it was looked at");
        assert_eq!((unread.outcome, unread.by), (CheckOutcome::NotChecked, CheckedBy::Portero));
    }

    #[test]
    fn a_trunk_or_a_line_wants_the_check() {
        let plain = Passports::default();
        let wanting = Passports { lines: [line().number].into(), ..Passports::default() };
        let trunk = |passports| Trunk { passports, ..trunk("US") };
        assert!(!plain.are_wanted(&line(), None) && !plain.are_wanted(&line(), Some(&trunk(false))));
        assert!(plain.are_wanted(&line(), Some(&trunk(true))) && wanting.are_wanted(&line(), None));
    }
}
