//! What is said with values in it: which recordings a number, a date, a time or a sum of money is made of.
//!
//! A [`Language`] is data. Its rules stand in `<language>/rules.toml` beside its recordings, so that a language is
//! added by adding files. They are those of the rule-based number formats of ICU, with recordings in the place of
//! letters. A [`Kind`] reads a value as records hold it into a [`Saying`]; the language makes [`Piece`]s of that. This
//! module knows no sound: `audio` has the recordings.

mod expand;
mod language;
mod plural;
mod read;
mod rule;
mod saying;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use language::{DateOrder, Language};
pub use read::{RuleFault, RuleFaults};
pub use saying::{Currency, Decimal, Digits, Kind, Saying, Unsayable};

/// The largest number that can be said, either way from zero.
pub const NUMBER_MAX: u64 = 999_999_999_999;

/// The name of a recording, such as `ask-identifier`: the file's name without folder and ending.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromptId(Arc<str>);

impl PromptId {
    /// Wraps a name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as written in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PromptId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// What is played next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A recording.
    Prompt(PromptId),
    /// Nothing, for so long.
    Silence(Duration),
}
