//! The calling number: what it is, which header told it, and who answers for it.
//!
//! Numbers are E.164 where that can be told (ITU-T E.164 §6), by the numbering plan of the country that the
//! trunk is in. Whether a number is assigned to anybody is not asked: it is a claim, and never proof.

use std::fmt;

use phonenumber::{Mode, country, metadata};
use serde::{Deserialize, Serialize};

/// The calling number as claimed by the network. Identifies, never verifies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ani {
    /// The number.
    pub number: PhoneNumber,
    /// Where it was read.
    pub source: AniSource,
    /// Who answers for it.
    pub trust: Trust,
}

/// Which header told the calling number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AniSource {
    /// What the network asserts (RFC 3325).
    PAssertedIdentity,
    /// What networks asserted before there was the other (draft-ietf-sip-privacy-04).
    RemotePartyId,
    /// What the caller's own device says (RFC 3261 §8.1.1.3).
    From,
}

/// Who answers for a calling number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Nobody but the caller: it came from an address of no trunk.
    Claimed,
    /// A trunk of ours, in a header that its setting names.
    Trunk,
    /// Somebody has checked it.
    Checked(Check),
}

/// What a check of a calling number came to (STIR/SHAKEN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Check {
    /// What came of it.
    pub outcome: CheckOutcome,
    /// How far the caller's own network answers for the number.
    pub attestation: Option<Attestation>,
    /// Whose check it was.
    pub by: CheckedBy,
}

/// Who has checked a calling number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedBy {
    /// The network in front of a trunk of ours that is believed, which has told it as `verstat` (ATIS-1000074).
    Trunk,
    /// We have, by the passport that came with the call.
    Portero,
}

/// What came of a check. That none is told is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// The signature is good.
    Passed,
    /// It is not: the number may be somebody else's.
    Failed,
    /// There was nothing to check, or no check.
    NotChecked,
}

/// How far the network that a call came from answers for its number (ATIS-1000074 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// Full: it knows the caller, who may use the number.
    A,
    /// Partial: it knows the caller.
    B,
    /// Gateway: it knows where the call came in.
    C,
}

impl Check {
    /// Reads a `verstat`: `TN-Validation-Passed`, `TN-Validation-Failed`, `No-TN-Validation`, each with the
    /// attestation behind it (`-A`) or without. Anything else tells nothing.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let outcomes = [
            ("tn-validation-passed", CheckOutcome::Passed),
            ("tn-validation-failed", CheckOutcome::Failed),
            ("no-tn-validation", CheckOutcome::NotChecked),
        ];
        let (rest, outcome) =
            outcomes.into_iter().find_map(|(name, outcome)| Some((word.strip_prefix(name)?, outcome)))?;
        let attestation = match rest {
            "" => None,
            "-a" => Some(Attestation::A),
            "-b" => Some(Attestation::B),
            "-c" => Some(Attestation::C),
            _ => return None,
        };
        Some(Self { outcome, attestation, by: CheckedBy::Trunk })
    }
}

impl CheckedBy {
    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trunk => "trunk",
            Self::Portero => "portero",
        }
    }
}

impl CheckOutcome {
    /// The word in records, metrics and hand-overs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotChecked => "not_checked",
        }
    }
}

impl Attestation {
    /// The word likewise.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
        }
    }
}

/// As a hand-over tells it: `passed-a`, `failed`.
impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.outcome.as_str())?;
        self.attestation.map_or(Ok(()), |attestation| write!(formatter, "-{}", attestation.as_str()))
    }
}

/// How far a calling number can be trusted, the least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustLevel {
    /// Not at all: a check says that it may be somebody else's.
    #[default]
    Any,
    /// The caller says so.
    Claimed,
    /// A trunk of ours says so.
    Trunk,
    /// And a check was good, with attestation C or without one.
    Gateway,
    /// With attestation B.
    Partial,
    /// With attestation A.
    Full,
}

impl Trust {
    /// How far that goes.
    pub fn level(self) -> TrustLevel {
        match self {
            Self::Claimed => TrustLevel::Claimed,
            Self::Trunk => TrustLevel::Trunk,
            Self::Checked(check) => match (check.outcome, check.attestation) {
                (CheckOutcome::Failed, _) => TrustLevel::Any,
                (CheckOutcome::NotChecked, _) => TrustLevel::Trunk,
                (CheckOutcome::Passed, Some(Attestation::A)) => TrustLevel::Full,
                (CheckOutcome::Passed, Some(Attestation::B)) => TrustLevel::Partial,
                (CheckOutcome::Passed, Some(Attestation::C) | None) => TrustLevel::Gateway,
            },
        }
    }

    /// What a check came to, where there was one.
    pub fn check(self) -> Option<Check> {
        match self {
            Self::Checked(check) => Some(check),
            Self::Claimed | Self::Trunk => None,
        }
    }
}

/// A telephone number: `+` and digits, or digits alone where the country is not known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// ITU-T E.164 §6: at most 15 digits; fewer than three cannot be anyone's number.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

impl PhoneNumber {
    /// Reads a number. Visual separators (RFC 3966 §5.1.1: `-`, `.`, `(`, `)`) and spaces are dropped;
    /// anything else than digits behind an optional `+`, and any length outside 3-15 digits, is no number.
    pub fn parse(text: &str) -> Option<Self> {
        let (plus, rest) = text.strip_prefix('+').map_or(("", text), |rest| ("+", rest));
        let digits: String = rest.chars().filter(|c| !"-.() ".contains(*c)).collect();
        let usable = DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        usable.then(|| Self(format!("{plus}{digits}")))
    }

    /// The number as dialled in `country`, in E.164. One that begins with `+` is that already, and one that the
    /// country's plan does not hold (an extension, an emergency number) stays as it came.
    #[must_use]
    pub fn in_country(self, country: Country) -> Self {
        if self.0.starts_with('+') {
            return self;
        }
        let number = phonenumber::parse(Some(country.0), &self.0).ok().filter(phonenumber::is_valid);
        number.map_or(self, |number| Self(number.format().mode(Mode::E164).to_string()))
    }

    /// The number as it is written in its own country, such as `(202) 555-0101`. `None` where its country is not known,
    /// or where that country's plan does not hold it.
    pub fn national(&self) -> Option<String> {
        let number = self.0.starts_with('+').then(|| phonenumber::parse(None, &self.0).ok()).flatten()?;
        phonenumber::is_valid(&number).then(|| number.format().mode(Mode::National).to_string())
    }

    /// The number in full. Personal: not for logs above DEBUG, never for a metric label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PhoneNumber(…)")
    }
}

/// A country with a numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(country::Id);

impl Country {
    /// Reads a country's two letters (ISO 3166-1 alpha-2), such as `US`.
    ///
    /// The first of these has the plans of all countries loaded, which takes a while: not for a call to wait for.
    pub fn parse(code: &str) -> Option<Self> {
        let id: country::Id = code.parse().ok()?;
        metadata::DATABASE.by_id(code).map(|_| Self(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_or_refused() {
        let table = [
            ("+12025550101", Some("+12025550101")),
            ("12025550101", Some("12025550101")),
            ("+1 (202) 555-01.01", Some("+12025550101")),
            ("112", Some("112")),
            ("11", None),
            ("+1234567890123456", None),
            ("anonymous", None),
            ("", None),
            ("+", None),
            ("12ab34", None),
            ("++12345", None),
        ];
        for (text, expected) in table {
            assert_eq!(PhoneNumber::parse(text).as_ref().map(PhoneNumber::as_str), expected, "{text:?}");
        }
    }

    #[test]
    fn a_country_makes_national_numbers_international() {
        let table = [
            ("US", "2025550101", "+12025550101"),
            ("US", "12025550101", "+12025550101"),
            ("US", "011442079460000", "+442079460000"),
            ("US", "+442079460000", "+442079460000"),
            ("US", "442079460000", "442079460000"),
            ("US", "911", "911"),
            ("US", "5550101", "5550101"),
            ("GB", "02079460000", "+442079460000"),
            ("GB", "00442079460000", "+442079460000"),
            ("DE", "01711234567", "+491711234567"),
            ("IT", "0612345678", "+390612345678"),
            ("FR", "0612345678", "+33612345678"),
            ("MX", "5512345678", "+525512345678"),
        ];
        for (code, text, expected) in table {
            let country = Country::parse(code).expect("a country");
            let number = PhoneNumber::parse(text).expect("a number").in_country(country);
            assert_eq!(number.as_str(), expected, "{text} in {code}");
        }
    }

    #[test]
    fn checks_are_read_or_tell_nothing() {
        use Attestation::{A, B, C};
        use CheckOutcome::{Failed, NotChecked, Passed};
        let table = [
            ("TN-Validation-Passed", Some((Passed, None))),
            ("TN-Validation-Passed-A", Some((Passed, Some(A)))),
            ("tn-validation-passed-b", Some((Passed, Some(B)))),
            ("TN-Validation-Failed", Some((Failed, None))),
            ("TN-Validation-Failed-C", Some((Failed, Some(C)))),
            ("No-TN-Validation", Some((NotChecked, None))),
            ("TN-Validation-Passed-D", None),
            ("TN-Validation-Passed-A-B", None),
            ("TN-Validation-PassedA", None),
            ("TN-Validation", None),
            ("", None),
        ];
        for (word, expected) in table {
            let read = Check::parse(word).map(|check| (check.outcome, check.attestation));
            assert_eq!(read, expected, "{word}");
        }
    }

    #[test]
    fn countries_are_read_or_refused() {
        for (code, known) in
            [("US", true), ("DE", true), ("us", false), ("XX", false), ("USA", false), ("", false)]
        {
            assert_eq!(Country::parse(code).is_some(), known, "{code}");
        }
    }

    proptest! {
        #[test]
        fn a_number_stays_one_in_any_country(code in "[A-Z]{2}", text in "(0|00|011|9|15)?[0-9]{3,10}") {
            let number = PhoneNumber::parse(&text).expect("digits");
            if let Some(country) = Country::parse(&code) {
                let number = number.in_country(country);
                prop_assert_eq!(PhoneNumber::parse(number.as_str()), Some(number.clone()));
                prop_assert_eq!(number.clone().in_country(country), number);
            }
        }
    }
}
