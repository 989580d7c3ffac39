//! The conversation: identify, verify, hand over, as data.
//!
//! A [`Line`] says what to ask and how often; a [`Flow`] walks one caller through it. This module knows no
//! SIP, RTP, HTTP or SQL: it is told what the caller keyed and what the back end answered, and says what to
//! play, what to ask the back end and where the call goes.

mod ani;
mod announcement;
mod asked;
mod entry;
mod event;
mod factor;
mod hours;
mod line;
mod machine;
mod question;
mod standing;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::say::DateOrder;
pub use ani::{
    Ani, AniSource, Attestation, Check, CheckOutcome, CheckedBy, Country, PhoneNumber, Trust, TrustLevel,
};
pub use announcement::{Announcement, Piece, Sound, Source, TextPart};
pub use asked::{Answer, Failure, Matches, Query, Request};
pub use event::{Action, Event, HandOverEnd, Lock, Play, PlayId, RequestId, Step, Summary};
pub use factor::{CodePlan, Factor, FactorKind, Need, Verification, Vouching};
pub use hours::{Day, Hours, Span};
pub use line::{
    Below, ByNumber, ByVerdict, CheckDigit, Choice, Discretion, Identification, Identifier, Languages, Line,
    Menu, Next, Notice, Patience, Service, Then, Turn,
};
pub use machine::{Aim, Flow, Opening, Start};
pub use question::{After, EntryRules, Prompts, Question, Retries};
pub use standing::{Attributes, Customer, Method, Standing, Verdict};

pub use crate::say::PromptId;

use std::fmt;
use std::sync::Arc;

/// The name of a configured request to the back end, such as `customer_by_number`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionName(Arc<str>);

/// The name of a configured hand-over target, such as `agents`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName(Arc<str>);

/// The name of a line: the number that reaches it, or a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineName(Arc<str>);

/// The name of a language, such as `en`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LanguageName(Arc<str>);

macro_rules! name {
    ($type:ident) => {
        impl $type {
            /// Wraps a name.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as written in the configuration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}
name!(ActionName);
name!(TargetName);
name!(LineName);
name!(LanguageName);
