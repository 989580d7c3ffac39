//! What the back end is asked during a conversation, and what may come of it.

use super::{ActionName, Ani, Attributes, Customer, Lock, RequestId};
use crate::secret::Secret;

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

/// The values that a back-end request is filled with. They decide what may answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Who calls from this number? Template variable `ani`. Answered by [`Answer::LookUp`].
    Number(Ani),
    /// Who has this identifier? Template variable `identifier`. Answered by [`Answer::LookUp`].
    Identifier(Secret),
    /// Is this the customer's secret? Template variables `customer`, `secret`, `record.…` and, where only some places
    /// of the secret were asked for, `positions` (such as `2,4`). Answered by [`Answer::Check`].
    Secret {
        /// Whose secret it should be.
        customer: Customer,
        /// What the caller keyed.
        secret: Secret,
        /// Which places of the secret those digits are of, from 1; empty where it is the whole.
        positions: Vec<u8>,
    },
    /// Send this customer a one-time code. Template variables `customer`, `record.…` and `contact`. Answered by
    /// [`Answer::Sent`].
    Code {
        /// Who is to get it.
        customer: Customer,
        /// Where to, out of the customer's attributes; `None` where there is no choice.
        contact: Option<String>,
    },
    /// What is to be told to this customer? Template variables `customer` and `record.…`. Answered by
    /// [`Answer::Record`].
    Record(Customer),
}

impl Query {
    /// What the caller keyed in confidence, where it is asked about.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret { secret, .. } => Some(secret),
            Self::Number(_) | Self::Identifier(_) | Self::Code { .. } | Self::Record(_) => None,
        }
    }
}

/// What came of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The customers that matched.
    LookUp(Matches),
    /// Whether the secret is right.
    Check(bool),
    /// In place of [`Answer::Check`]: the back end was not asked, as there have been too many failed proofs. To callers
    /// it is a secret that was wrong.
    Locked(Lock),
    /// Whether the one-time code is on its way.
    Sent(bool),
    /// What is known of the customer, besides or in place of what was known before.
    Record(Attributes),
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
    /// More than one: another identifier may tell which. Callers never hear of them.
    Several(Vec<Customer>),
}

/// Why a back-end request came to nothing. Also a metric label and a field of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection, or it broke.
    Unreachable,
    /// No whole answer by the deadline.
    TimedOut,
    /// A status that is neither success nor configured as "no match", and no refusal either.
    Status,
    /// A status that refuses this one request (4xx, but for 429) and is not configured as "no match".
    Refused,
    /// An answer that could not be read as configured.
    Garbage,
    /// We had too many requests under way to send this one.
    Overloaded,
    /// It has failed so often of late that it was left alone.
    Open,
    /// The proof could not be counted towards a lock-out, and so it was not sent.
    NotCounted,
}

impl Failure {
    /// Whether it may have to do with what was asked, and so tell something of it to who hears of the failure.
    pub fn may_tell(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Overloaded | Self::Open)
    }

    /// The word for it in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Status => "status",
            Self::Refused => "refused",
            Self::Garbage => "garbage",
            Self::Overloaded => "overloaded",
            Self::Open => "circuit_open",
            Self::NotCounted => "not_counted",
        }
    }
}
