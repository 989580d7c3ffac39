//! Digest authentication, both ways (RFC 7616, RFC 8760, RFC 3261 §22).
//!
//! `formula` is what both sides compute, `fields` the header fields that it travels in, `nonces` and `door` the
//! side that asks, `keys` the side that is asked. Basic is never sent and never taken: it tells the password.

mod door;
mod fields;
mod formula;
mod keys;
mod nonces;

use std::sync::Arc;

pub use door::{Door, Judgement};
pub use formula::Algorithm;
pub use keys::Keys;

use crate::secret::Password;

/// What a peer proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose it is: the name of a trunk.
    pub name: Arc<str>,
    /// The username, without quotes and backslashes.
    pub username: String,
    /// The password that goes with it.
    pub password: Password,
    /// What may be computed, the best first; at least one. Each gets a challenge of its own (RFC 8760 §2.3).
    pub algorithms: Vec<Algorithm>,
}

/// What we prove ourselves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The username, without quotes and backslashes.
    pub username: String,
    /// The password that goes with it.
    pub password: Password,
    /// The only realm that is answered; `None`: whichever asks.
    pub realm: Option<String>,
}
