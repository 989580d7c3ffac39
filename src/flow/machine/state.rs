//! The states of a conversation.

use super::super::entry::Entry;
use super::super::{Customer, Line, PlayId, Question, RequestId, Standing};

/// Where a caller is, with all that is known there: a state without its evidence cannot be written down.
#[derive(Debug)]
pub(super) enum State {
    /// The greeting plays (`None`: is over) and the calling number is looked up.
    Greeting { play: Option<PlayId>, number: Number },
    /// Asking who it is.
    Identifying(Asking),
    /// Asking this customer for the secret.
    Verifying(Customer, Asking),
    /// The last prompt before the hand-over plays.
    Parting(Standing, PlayId),
    /// The target is being tried.
    HandingOver(Standing),
    /// The hand-over came to nothing and the caller is being told.
    Failing(Standing, PlayId),
    /// Over, with what was known at the end.
    Ended(Standing),
}

/// How the look-up of the calling number stands.
#[derive(Debug)]
pub(super) enum Number {
    /// Not wanted, not usable, or not one customer's.
    Unknown,
    /// Under way.
    Pending(RequestId),
    /// This customer's.
    Known(Customer),
    /// The back end failed.
    Failed,
}

/// A question being asked.
#[derive(Debug)]
pub(super) struct Asking {
    /// Entries that the back end did not accept.
    pub no_match: u32,
    /// Entries with nothing in them.
    pub no_input: u32,
    /// Entries with too few digits.
    pub too_short: u32,
    pub phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The caller keys; the prompt may still play.
    Keying { play: Option<PlayId>, entry: Entry },
    /// The back end has the entry.
    Awaiting(RequestId),
}

/// Why an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NoMatch,
    NoInput,
    TooShort,
}

impl State {
    /// The question that this state is about.
    pub fn question<'a>(&self, line: &'a Line) -> Option<&'a Question> {
        match self {
            Self::Identifying(_) => Some(&line.identifier),
            Self::Verifying(..) => line.verification.as_ref(),
            _ => None,
        }
    }

    pub fn asking(&self) -> Option<&Asking> {
        match self {
            Self::Identifying(asking) | Self::Verifying(_, asking) => Some(asking),
            _ => None,
        }
    }

    pub fn asking_mut(&mut self) -> Option<&mut Asking> {
        match self {
            Self::Identifying(asking) | Self::Verifying(_, asking) => Some(asking),
            _ => None,
        }
    }
}

impl Asking {
    /// Entries that failed, for whatever reason.
    pub fn failures(&self) -> u32 {
        self.no_match + self.no_input + self.too_short
    }
}
