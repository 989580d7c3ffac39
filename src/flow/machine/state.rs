//! The states of a conversation.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::entry::Entry;
use super::super::{
    Answer, Customer, Line, PlayId, Question, RequestId, Standing, TargetName, Then, Verdict,
};
use crate::secret::Secret;

/// Where a caller is.
#[derive(Debug)]
pub(super) enum State {
    /// The greeting plays, or is over while the calling number is still being looked up.
    Greeting,
    /// A question is being asked.
    Asking(Subject, Asking),
    /// The back end is at something that is no caller's entry.
    Fetching(Fetch),
    /// Something is being said, and then comes this.
    Saying(Onward),
    /// The first of these targets is being tried.
    HandingOver(VecDeque<TargetName>),
    /// Over.
    Ended,
}

/// Whom a caller is taken for.
#[derive(Debug)]
pub(super) enum Who {
    /// Somebody, as far as that is known; or nobody yet.
    Is(Standing),
    /// Nobody whom the back end knows, led on as if they were somebody. No standing can come of it: there is no customer
    /// to be identified as, and none whose secret the back end could be asked about.
    Stranger,
}

/// What a question is about, by its place on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// Which language.
    Language,
    /// Whether the caller accepts what the notice says.
    Notice,
    /// Which of the identifiers.
    Choice,
    /// This identifier.
    Identifier(usize),
    /// This factor.
    Factor(usize),
    /// Where the one-time code of this factor is to be sent.
    Contact(usize),
    /// This menu.
    Menu(usize),
}

/// What the back end does that is no caller's entry.
#[derive(Debug)]
pub(super) enum Fetch {
    /// It sends the one-time code of this factor, which has been asked for so often.
    Code(usize, Asking),
    /// It tells what is to be told.
    Record,
}

/// What comes after something that is said.
#[derive(Debug)]
pub(super) enum Onward {
    /// This way.
    Then(Then),
    /// What the verdict has follow.
    Verdict,
    /// This menu.
    Menu(usize),
    /// This question, which has been asked so often.
    Ask(Subject, Asking),
    /// The end.
    HangUp,
}

/// How the look-up of the calling number stands.
#[derive(Debug)]
pub(super) enum Number {
    /// Not wanted, not usable, or not one customer's.
    Unknown,
    /// Under way.
    Pending,
    /// This customer's.
    Known(Customer),
    /// The back end failed.
    Failed,
}

/// What the back end is being asked, or what a stranger's entry waits for.
#[derive(Debug)]
pub(super) struct Awaited {
    /// `None` where nobody was asked, so that nothing from outside can answer it.
    pub request: Option<RequestId>,
    /// When it is given up.
    pub deadline: Instant,
    pub answer: Held,
    /// From when on the caller hears that it takes a while; `None` where nothing is said of it, or is already.
    pub hold_at: Option<Instant>,
}

/// What becomes of an answer that is there before the deadline.
#[derive(Debug)]
pub(super) enum Held {
    /// It is acted upon at once.
    No,
    /// It is acted upon at the deadline, so that the caller cannot tell when it came.
    Yes(Option<Answer>),
}

/// What plays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Playing {
    pub id: PlayId,
    pub barge_in: bool,
    pub key_ahead: bool,
    /// Whether it only passes the time until the back end has answered.
    pub is_hold: bool,
}

/// A question being asked.
#[derive(Debug)]
pub(super) struct Asking {
    /// Entries that were not accepted.
    pub no_match: u32,
    /// Entries with nothing in them.
    pub no_input: u32,
    /// Entries with too few digits.
    pub too_short: u32,
    /// How often it has been explained.
    pub helps: u32,
    pub phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The caller keys; the prompt may still play.
    Keying(Entry),
    /// The caller is asked whether this is right.
    Confirming(Secret, Entry),
    /// The back end has the entry.
    Awaiting,
}

/// Why an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was not accepted.
    NoMatch,
    /// There was none.
    NoInput,
    /// It had too few digits.
    TooShort,
    /// The caller took it back.
    TakenBack,
    /// The one-time code is too old.
    Expired,
}

impl Subject {
    /// The question of it.
    pub fn question(self, line: &Line) -> Option<&Question> {
        match self {
            Self::Language => line.languages.menu.as_ref().map(|(question, _)| question),
            Self::Notice => line.notice.as_ref().map(|notice| &notice.question),
            Self::Choice => line.identification.choice.as_ref().map(|(question, _)| question),
            Self::Identifier(nth) => {
                line.identification.questions.get(nth).map(|identifier| &identifier.question)
            }
            Self::Factor(nth) => line.factors.get(nth).map(|factor| &factor.question),
            Self::Contact(nth) => line.factors.get(nth)?.code().map(|plan| &plan.choose),
            Self::Menu(nth) => line.service.as_ref()?.menus.get(nth).map(|menu| &menu.question),
        }
    }
}

impl Asking {
    /// Not asked yet.
    pub fn new(question: &Question) -> Self {
        let phase = Phase::Keying(Entry::new(&question.entry));
        Self { no_match: 0, no_input: 0, too_short: 0, helps: 0, phase }
    }

    /// Counts a failed entry; returns how many of its kind there were before.
    pub fn count(&mut self, fault: Fault) -> usize {
        let count = match fault {
            Fault::NoMatch | Fault::TakenBack | Fault::Expired => &mut self.no_match,
            Fault::NoInput => &mut self.no_input,
            Fault::TooShort => &mut self.too_short,
        };
        *count += 1;
        *count as usize - 1
    }

    /// Whether there have been entries enough.
    pub fn is_exhausted(&self, question: &Question) -> bool {
        let retries = question.retries;
        let unaccepted = self.no_match + self.too_short;
        unaccepted > retries.no_match
            || self.no_input > retries.no_input
            || unaccepted + self.no_input > retries.total
    }
}

impl Who {
    /// What is known, and proven.
    pub fn standing(&self) -> Standing {
        match self {
            Self::Is(standing) => standing.clone(),
            Self::Stranger => Standing::Unidentified,
        }
    }

    /// What it amounts to.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Is(standing) => standing.verdict(),
            Self::Stranger => Verdict::Unidentified,
        }
    }

    /// The customer, if known.
    pub fn customer(&self) -> Option<&Customer> {
        match self {
            Self::Is(standing) => standing.customer(),
            Self::Stranger => None,
        }
    }

    /// Whether nobody has been identified, nor taken for a stranger.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Is(Standing::Unidentified))
    }

    /// Whether proof is to be asked for: of who is claimed to be somebody, truly or not.
    pub fn is_unproven(&self) -> bool {
        matches!(self, Self::Is(Standing::Identified(_)) | Self::Stranger)
    }
}

impl State {
    /// Whether an answer to a question is what the back end is asked for.
    pub fn is_awaiting(&self) -> bool {
        matches!(self, Self::Asking(_, Asking { phase: Phase::Awaiting, .. }) | Self::Fetching(_))
    }
}

/// Whether the back end gave no answer at all.
pub(super) fn is_failure(answer: &Answer) -> bool {
    matches!(answer, Answer::Failed(_))
}
