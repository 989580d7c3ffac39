//! What a service line asks, how often, and where it sends its callers.

use std::sync::Arc;
use std::time::Duration;

use super::{ActionName, PromptId, TargetName, Verdict};
use crate::secret::Digit;

/// A service line: what a dialled number (DNIS) maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The user part of the Request-URI that reaches this line.
    pub number: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// How long the line rings before it is answered; zero answers at once.
    pub ring_for: Duration,
    /// Played as soon as the call is answered.
    pub greeting: PromptId,
    /// The action that looks the calling number up; `None` where ANI identification is off.
    pub by_number: Option<ActionName>,
    /// The question for an identifier.
    pub identifier: Question,
    /// The question for a secret; `None` where the line does not verify.
    pub verification: Option<Question>,
    /// How long the back end may take over one request.
    pub back_end_deadline: Duration,
    /// Played when the back end failed.
    pub apology: PromptId,
    /// What follows each verdict.
    pub hand_over: ByVerdict<HandOverPlan>,
    /// Played when the hand-over came to nothing, before we hang up.
    pub hand_over_failed: PromptId,
}

/// One question: what to say, what counts as an entry, how often to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The action that takes the entry to the back end.
    pub action: ActionName,
    /// The fewest digits that make an entry, at least 1.
    pub digits_min: usize,
    /// The most digits; an entry that reaches it ends by itself.
    pub digits_max: usize,
    /// The key that ends an entry early.
    pub terminator: Option<Digit>,
    /// How many further entries are allowed after the first.
    pub retries: u32,
    /// How long to wait for the first digit once the prompt is over.
    pub first_digit_timeout: Duration,
    /// How long to wait between digits.
    pub inter_digit_timeout: Duration,
    /// How long one entry may take in all, from its first digit; it never cuts an inter-digit wait short.
    pub total_timeout: Duration,
    /// What is said.
    pub prompts: Prompts,
}

/// What a question says at each attempt. Where a list runs out, its last prompt is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompts {
    /// The question itself.
    pub ask: PromptId,
    /// After the first, second, … entry that the back end did not accept.
    pub no_match: Vec<PromptId>,
    /// After the first, second, … time that nothing was keyed.
    pub no_input: Vec<PromptId>,
    /// After the first, second, … entry with too few digits.
    pub too_short: Vec<PromptId>,
}

/// What happens after a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOverPlan {
    /// Played before the call is handed over.
    pub prompt: PromptId,
    /// Where the call goes.
    pub target: TargetName,
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
