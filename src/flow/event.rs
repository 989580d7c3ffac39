//! The words a flow is spoken to in, and answers in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Answer, Failure, LanguageName, LineName, Method, Request, Sound, Standing, TargetName};
use crate::secret::Digit;

/// Tells one playing of prompts from another, so that a late "ended" is not taken for the current one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u32);

/// Tells one back-end request from another within a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// What happens to a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The sounds of this playing have been heard to the end.
    PlayEnded(PlayId),
    /// The caller pressed a key.
    Digit(Digit),
    /// The back end answered, or did not.
    Answered(RequestId, Answer),
    /// The hand-over has come to its end.
    HandedOver(HandOverEnd),
    /// The caller is gone.
    HungUp,
}

/// How a hand-over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandOverEnd {
    /// The target took the call.
    Taken,
    /// It did not, and will not.
    Refused,
    /// The other side began with it and was not heard of again: asking another target could make two calls of one.
    Unclear,
}

/// What a flow wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Play this in place of whatever is playing.
    Play(Play),
    /// Stop what is playing.
    StopPlaying,
    /// Ask the back end.
    Ask(Request),
    /// Go on at this line: [`super::Flow::enter`] with it, at once.
    Enter(LineName),
    /// Hand the call to this target with this standing.
    HandOver(Standing, TargetName),
    /// End the call.
    HangUp,
}

/// Something to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Comes back with its end.
    pub id: PlayId,
    /// The caller's language.
    pub language: LanguageName,
    /// Played one after another.
    pub sounds: Vec<Sound>,
    /// Played again and again, until something else is, or it is stopped.
    pub looped: bool,
}

/// Where a caller is in the conversation, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The greeting plays; the calling number may be being looked up meanwhile.
    Greeting,
    /// The caller is being asked who they are.
    Identifying,
    /// The caller is being asked for their secret, or it is being checked.
    Verifying,
    /// The caller helps themselves.
    Serving,
    /// The verdict is known and the call is on its way to its target.
    HandingOver,
    /// Nothing more will happen.
    Ended,
}

/// What the record says about a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// By what the caller was identified, if at all.
    pub method: Option<Method>,
    /// The identifier that did, where one did.
    pub identifier: Option<Arc<str>>,
    /// Entries made for the identifier, no input and too short ones included.
    pub identifier_attempts: u32,
    /// Entries made for the secret, likewise.
    pub secret_attempts: u32,
    /// The factors that were shown, in the order in which they were.
    pub factors: Vec<Arc<str>>,
    /// Whether the caller opted out.
    pub opted_out: bool,
    /// Why the back end came to nothing, if it did.
    pub back_end_failure: Option<Failure>,
    /// Whether the line was closed, or its emergency switch on.
    pub closed: bool,
    /// The lines that the caller was taken on to, in order.
    pub lines: Vec<LineName>,
    /// Whether the call ended in self-service.
    pub contained: bool,
    /// What had too many failed proofs for another to count, if anything had.
    pub locked: Option<Lock>,
    /// Whether the caller accepted the notice; `None` where none was given, or not answered.
    pub consent: Option<bool>,
}

/// What too many failed proofs can lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lock {
    /// The customer whom the caller claims to be.
    Customer,
    /// The calling number.
    Ani,
    /// The trunk by which the call came.
    Trunk,
    /// The line.
    Line,
}

impl Lock {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 4] = [Self::Customer, Self::Ani, Self::Trunk, Self::Line];

    /// The word for it in records, metrics and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Ani => "ani",
            Self::Trunk => "trunk",
            Self::Line => "line",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lock| lock.as_str() == word)
    }
}
