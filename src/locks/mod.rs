//! Lock-outs: failed proofs are counted, and where there have been too many no further one is put to the back end.
//!
//! A proof is *charged* before the back end is asked: to the customer it is for, and to the calling number, the trunk and
//! the line that it comes by, to all of them or to none. It is given back where the back end says yes, and where it
//! fails; so it makes no difference whether the caller waits for the answer. `rule` has the rule, without a clock; `book`
//! keeps the charges on disk, or in a database that several nodes share; `keeper` is the one who writes it.
//!
//! What is deliberately absent: a lock-out that grows. A proof that was not put to the back end is not charged, so that
//! nobody can keep a customer locked by trying on.

mod book;
mod keeper;
mod proof;
mod rule;

#[cfg(test)]
mod tests;

pub use keeper::{Locks, NotCounted};
pub use rule::{Limit, Limits};

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::flow::Lock;

/// What charges are counted for, each by itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// What it is.
    pub lock: Lock,
    /// Which: the customer's identifier, the number, the name of the trunk or of the line.
    pub name: String,
}

impl Key {
    /// The key of this name.
    pub fn new(lock: Lock, name: impl Into<String>) -> Self {
        Self { lock, name: name.into() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({}, …)", self.lock.as_str())
    }
}

/// A key that is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOut {
    /// What it is.
    pub kind: Lock,
    /// Which: the customer's identifier, the number, the name of the trunk or of the line.
    pub key: String,
    /// How many proofs are charged to it.
    pub tries: u64,
    /// When the next one may be tried.
    pub until: Timestamp,
}

/// Where charges are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file of this folder, which exists.
    Folder(PathBuf),
    /// On a database server, which several nodes can share. Wants a build with the feature `postgres`.
    Server(DatabaseUrl),
}

/// `postgres://user:password@host/database`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Reads one; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("postgres://").or(text.strip_prefix("postgresql://"))?;
        (!rest.is_empty() && !rest.contains(char::is_whitespace)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(…)")
    }
}
