//! The conversation: identify, verify, hand over, as data.
//!
//! A [`Line`] says what to ask and how often; a [`Flow`] walks one caller through it. This module knows no
//! SIP, RTP, HTTP or SQL: it is told what the caller keyed and what the back end answered, and says what to
//! play, what to ask the back end and where the call goes.

mod ani;
mod entry;
mod event;
mod line;
mod machine;
mod standing;
#[cfg(test)]
mod tests;

pub use ani::{Ani, AniSource, Attestation, Check, CheckOutcome, Country, PhoneNumber, Trust};
pub use event::{Action, Event, PlayId, RequestId, Step, Summary};
pub use line::{ByVerdict, HandOverPlan, Line, Prompts, Question};
pub use machine::Flow;
pub use standing::{Customer, Method, Standing, Verdict};

pub use crate::say::PromptId;

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

/// The name of a configured request to the back end, such as `customer_by_number`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionName(Arc<str>);

/// The name of a configured hand-over target, such as `agents`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName(Arc<str>);

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
                formatter.write_str(&self.0)
            }
        }
    };
}
name!(ActionName);
name!(TargetName);

/// What the back end is asked, and by which configured action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Comes back with the answer, so that a late one can be told from the one awaited.
    pub id: RequestId,
    /// The configured request to send.
    pub action: ActionName,
    /// What to fill it with.
    pub query: Query,
}

/// The values that a back-end request is filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Who calls from this number? Template variable `ani`. Answered by [`Answer::LookUp`].
    Number(Ani),
    /// Who has this identifier? Template variable `identifier`. Answered by [`Answer::LookUp`].
    Identifier(Secret),
    /// Is this the customer's secret? Template variables `customer` and `secret`. Answered by [`Answer::Check`].
    Secret {
        /// The customer's identifier as the back end gave it.
        customer: String,
        /// What the caller keyed.
        secret: Secret,
    },
}

/// What came of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The customers that matched.
    LookUp(Matches),
    /// Whether the secret is right.
    Check(bool),
    /// The back end refused, failed, answered garbage or took too long. Not the caller's fault.
    Failed(Failure),
}

/// How many customers matched a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// Nobody.
    None,
    /// Exactly one.
    One(Customer),
    /// More than one; which is not told.
    Several,
}

/// Why a back-end request came to nothing. Also a metric label and a field of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection, or it broke.
    Unreachable,
    /// No whole answer by the deadline.
    TimedOut,
    /// A status that is neither success nor configured as "no match".
    Status,
    /// An answer that could not be read as configured.
    Garbage,
    /// We had too many requests under way to send this one.
    Overloaded,
}

impl Failure {
    /// The word for it in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Status => "status",
            Self::Garbage => "garbage",
            Self::Overloaded => "overloaded",
        }
    }
}
