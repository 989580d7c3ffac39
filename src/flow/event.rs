//! The words a flow is spoken to in, and answers in.

use super::{Answer, Failure, Method, PromptId, Request, Standing, TargetName};
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
    /// The prompts of this playing have been heard to the end.
    PlayEnded(PlayId),
    /// The caller pressed a key.
    Digit(Digit),
    /// The back end answered, or did not.
    Answered(RequestId, Answer),
    /// The hand-over has come to its end; `true` if the target took the call.
    HandedOver(bool),
    /// The caller is gone.
    HungUp,
}

/// What a flow wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Play these one after another, in place of whatever is playing.
    Play(PlayId, Vec<PromptId>),
    /// Stop what is playing.
    StopPlaying,
    /// Ask the back end.
    Ask(Request),
    /// Hand the call to this target with this standing.
    HandOver(Standing, TargetName),
    /// End the call.
    HangUp,
}

/// Where a caller is in the conversation, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The greeting plays; the calling number may be being looked up meanwhile.
    Greeting,
    /// The caller is being asked who they are.
    Identifying,
    /// The caller is being asked for their secret.
    Verifying,
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
    /// Entries made for the identifier, no input and too short ones included.
    pub identifier_attempts: u32,
    /// Entries made for the secret, likewise.
    pub secret_attempts: u32,
    /// Whether the caller opted out.
    pub opted_out: bool,
    /// Why the back end came to nothing, if it did.
    pub back_end_failure: Option<Failure>,
}
