//! What a service line asks, how often, and where it sends its callers.

use std::sync::Arc;
use std::time::Duration;

use super::{
    ActionName, Announcement, DateOrder, Factor, Hours, LanguageName, LineName, Question, TargetName,
    TrustLevel, Verdict,
};
use crate::secret::Digit;

/// A service line: what a dialled number (DNIS) maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What other lines, records and metrics call it: the number that reaches it, or a name of its own.
    pub number: LineName,
    /// What people call it.
    pub name: Arc<str>,
    /// How long the line rings before it is answered; zero answers at once.
    pub ring_for: Duration,
    /// When it is open, and what those hear who call at other times.
    pub hours: Option<(Hours, Next)>,
    /// What callers hear in place of everything else while the emergency switch is on.
    pub emergency: Next,
    /// Which language it speaks.
    pub languages: Languages,
    /// What callers are asked to accept before anything else is done.
    pub notice: Option<Notice>,
    /// Played as soon as the call is answered.
    pub greeting: Announcement,
    /// How the calling number identifies; `None` where it does not.
    pub by_number: Option<ByNumber>,
    /// The questions for an identifier.
    pub identification: Identification,
    /// What shows the caller to be the customer, in the order of asking; none where the line does not verify.
    pub factors: Vec<Factor>,
    /// Whether callers can find out which identifiers there are: `None` lets them.
    pub discretion: Option<Discretion>,
    /// What a caller can do here by themselves, before the verdict's next step.
    pub service: Option<Service>,
    /// What is expected of the back end.
    pub patience: Patience,
    /// Played when the back end failed.
    pub apology: Announcement,
    /// What follows each verdict.
    pub next: ByVerdict<Next>,
    /// Played when no target took the call, before we hang up.
    pub hand_over_failed: Announcement,
}

/// The languages of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages {
    /// What it speaks until something else is known.
    pub first: LanguageName,
    /// All that it may speak, with the order in which each writes dates.
    pub all: Vec<(LanguageName, DateOrder)>,
    /// Asks the caller, before the greeting: a question of one digit, and the language of each.
    pub menu: Option<(Question, Vec<(Digit, LanguageName)>)>,
    /// The customer's attribute that names theirs.
    pub attribute: Option<Arc<str>>,
}

/// Something that callers are told of, and may accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is said: a question of one digit. What follows where it is given up is for those who do not accept.
    pub question: Question,
    /// The key that accepts.
    pub accept: Digit,
}

/// How a line keeps to itself which identifiers there are. Nobody hears that theirs is not known: they are asked all that
/// a customer is, are told "no" as often, and come to where a customer comes who proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discretion {
    /// How long after an entry its answer is acted upon, however soon it is there. One that is not there by then is a
    /// time-out.
    pub answers_after: Duration,
}

/// How a calling number identifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByNumber {
    /// The action that looks it up.
    pub action: ActionName,
    /// How far it has to be trusted for that.
    pub trust: TrustLevel,
    /// What becomes of a number that is trusted less.
    pub below: Below,
}

/// What becomes of a number that is trusted less than a line wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Below {
    /// It identifies nobody.
    #[default]
    Ignore,
    /// It identifies, and spares no factor: even those that are optional else are required then.
    Raise,
}

impl ByNumber {
    /// Whether a number that is trusted so far identifies.
    pub fn takes(&self, level: TrustLevel) -> bool {
        level >= self.trust || self.below == Below::Raise
    }
}

/// How callers are asked who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification {
    /// Lets the caller choose the question: one of one digit, and the place of each in `questions`.
    pub choice: Option<(Question, Vec<(Digit, usize)>)>,
    /// The questions, in the order of asking where there is no choice.
    pub questions: Vec<Identifier>,
}

/// A question for an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// What records call it.
    pub name: Arc<str>,
    /// How it is asked for.
    pub question: Question,
    /// What its digits have to add up to.
    pub check: CheckDigit,
    /// The action that looks it up.
    pub action: ActionName,
}

/// What the digits of an identifier have to add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckDigit {
    /// Nothing.
    #[default]
    None,
    /// The last digit is Luhn's (ISO/IEC 7812-1, annex B).
    Luhn,
    /// The last two are of MOD 97-10 (ISO/IEC 7064).
    Mod97,
}

/// What a caller can do by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The least that the caller has to be; others go on to the verdict's next step.
    pub needs: Verdict,
    /// The action that fetches what is told here.
    pub record: Option<ActionName>,
    /// The menus; the first is where it begins.
    pub menus: Vec<Menu>,
    /// How many menus one caller may hear, going round in circles included, before the verdict's next step.
    pub rounds: u32,
}

/// A choice between things to be told or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// What the configuration calls it.
    pub name: Arc<str>,
    /// How it is asked: a question of one digit.
    pub question: Question,
    /// What each digit does.
    pub choices: Vec<(Digit, Choice)>,
}

/// What a key in a menu does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Said first.
    pub say: Announcement,
    /// What follows.
    pub then: Turn,
}

/// What follows a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The menu at this place.
    Menu(usize),
    /// What the verdict has follow.
    Verdict,
    /// This.
    Then(Then),
}

/// What is expected of the back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// How long it may take over one request.
    pub deadline: Duration,
    /// After how long callers hear that it takes a while, again and again until it has answered.
    pub hold: Option<(Duration, Announcement)>,
}

/// What is said, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Said first.
    pub say: Announcement,
    /// What follows.
    pub then: Then,
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// To the first of these targets that takes it; never empty.
    HandOver(Vec<TargetName>),
    /// On to another line, which knows what this one knew.
    Line(LineName),
    /// It ends.
    HangUp,
}

/// One value for each verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByVerdict<T> {
    /// For [`Verdict::Verified`].
    pub verified: T,
    /// For [`Verdict::Identified`].
    pub identified: T,
    /// For [`Verdict::Unidentified`].
    pub unidentified: T,
}

impl<T> ByVerdict<T> {
    /// The value for `verdict`.
    pub fn of(&self, verdict: Verdict) -> &T {
        match verdict {
            Verdict::Verified => &self.verified,
            Verdict::Identified => &self.identified,
            Verdict::Unidentified => &self.unidentified,
        }
    }

    /// All three values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.verified, &self.identified, &self.unidentified].into_iter()
    }
}

impl Languages {
    /// Whether `language` is one of them.
    pub fn speak(&self, language: &LanguageName) -> bool {
        self.all.iter().any(|(name, _)| name == language)
    }

    /// In which order `language` writes dates.
    pub fn date_order(&self, language: &LanguageName) -> DateOrder {
        let found = self.all.iter().find(|(name, _)| name == language);
        found.map_or_else(DateOrder::default, |(_, order)| *order)
    }
}

impl CheckDigit {
    /// Whether `digits` add up.
    pub fn accepts(self, digits: &str) -> bool {
        let values = || digits.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0')));
        match self {
            Self::None => true,
            Self::Luhn => {
                let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
                let sum: u32 = values()
                    .rev()
                    .enumerate()
                    .map(|(place, digit)| if place % 2 == 1 { doubled(digit) } else { digit })
                    .sum();
                sum.is_multiple_of(10)
            }
            Self::Mod97 => values().fold(0, |rest, digit| (rest * 10 + digit) % 97) == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_add_up_or_do_not() {
        let table = [
            (CheckDigit::None, "12345678", true),
            (CheckDigit::Luhn, "79927398713", true),
            (CheckDigit::Luhn, "79927398710", false),
            (CheckDigit::Luhn, "4111111111111111", true),
            (CheckDigit::Luhn, "4111111111111121", false),
            (CheckDigit::Mod97, "3214282912345698765432161182", true),
            (CheckDigit::Mod97, "3214282912345698765432161128", false),
            (CheckDigit::Mod97, "98", true),
        ];
        for (check, digits, accepted) in table {
            assert_eq!(check.accepts(digits), accepted, "{check:?} {digits}");
        }
    }
}
