//! What is said to a caller at one point, as configured and as filled in.

use std::sync::Arc;
use std::time::Duration;

use super::{LanguageName, PromptId};
use crate::say::Kind;
use crate::secret::Secret;

/// What is said in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Said one after another; none says nothing.
    pub pieces: Vec<Piece>,
    /// Whether a key cuts it short.
    pub barge_in: bool,
    /// Whether keys pressed meanwhile, or before, count for what comes next.
    pub key_ahead: bool,
}

/// A piece of what is said, with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A recording in the caller's language.
    Prompt(PromptId),
    /// A recording in this language, whatever the caller's.
    PromptIn(LanguageName, PromptId),
    /// A value, said by the language's rules.
    Value(Source, Kind),
    /// A text for the voice, made of these parts.
    Text(Vec<TextPart>, Option<PromptId>),
    /// A recording at the URL that an attribute holds; where there is none, the prompt.
    Recorded(Arc<str>, PromptId),
    /// Nothing, for so long.
    Silence(Duration),
}

/// A part of a text for the voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// As written.
    Plain(String),
    /// A value of the customer's.
    Value(Source),
}

/// Where a value that is said comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The customer's name.
    Name,
    /// The first text of this attribute of the customer's.
    Attribute(Arc<str>),
    /// What has just been keyed.
    Entry,
    /// The places of a secret that are asked for.
    Positions,
    /// How the contact on offer ends.
    ContactEnding,
    /// The key for what is on offer.
    Key,
}

/// A piece whose gaps are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// A recording in the caller's language.
    Prompt(PromptId),
    /// A recording in this language.
    PromptIn(LanguageName, PromptId),
    /// A value, said by the language's rules.
    Value(Kind, Secret),
    /// A text for the voice; where that fails, the prompt.
    Text(String, Option<PromptId>),
    /// A recording at this URL; where that fails, the prompt.
    Recorded(String, PromptId),
    /// Nothing, for so long.
    Silence(Duration),
}

impl Announcement {
    /// A single prompt, which keys cut short.
    pub fn prompt(prompt: PromptId) -> Self {
        Self::of(vec![Piece::Prompt(prompt)])
    }

    /// Pieces which keys cut short.
    pub fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces, barge_in: true, key_ahead: true }
    }

    /// Says nothing.
    pub fn nothing() -> Self {
        Self::of(Vec::new())
    }
}
