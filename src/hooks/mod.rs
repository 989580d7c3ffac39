//! Webhooks: others are told of calls by HTTP, in the manner of Standard Webhooks 1.0.0 (standardwebhooks.com).
//!
//! What happens to a call is put on a bounded queue for each receiver that wants it, which costs the call nothing. From
//! there a task of the receiver's own brings it to a [`Spool`] on disk, and sends it from there until the receiver has
//! acknowledged it: in order within a call, later and later where it fails ([`Schedule`]), and under one id, so that what
//! comes twice can be told from what happens twice.
//!
//! Deliberately absent: redirects, answers that mean more than yes and no, and secrets that callers key.

mod courier;
mod event;
mod post;
mod schedule;
mod sender;
mod signature;
mod spool;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

pub use event::{Event, Field};
pub use post::Post;
pub use schedule::{Action, Outcome, Schedule, Ticket};
pub use sender::{HooksError, Reply, Sender};
pub use signature::{Key, KeyFault};
pub use spool::{Spool, Spooled};

use crate::call::{Happening, MilestoneKind};
use crate::secret::Password;

/// A receiver, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Where events are sent, by POST.
    pub url: Url,
    /// What events are signed with, in the form that [`Key::read`] takes: the key in use and, while receivers change over,
    /// another one.
    pub secrets: Vec<Password>,
    /// What it is told of; nothing else.
    pub events: BTreeSet<MilestoneKind>,
    /// Calls to these lines alone, by their names; `None`: to any.
    pub lines: Option<BTreeSet<String>>,
    /// What it may know besides.
    pub fields: BTreeSet<Field>,
    /// Sent with every event.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long it may take to acknowledge; 1 s to 1 min.
    pub timeout: Duration,
    /// How long an event is sent again and again; 1 min to 30 d.
    pub retry_for: Duration,
    /// Events under way at a time, 1 to 100, each of another call.
    pub max_concurrent: usize,
    /// Events that may wait on disk, 1000 to 10 000 000. One more is lost.
    pub spool: u64,
}

impl Webhook {
    /// Whether it is told of this.
    pub fn wants(&self, happening: &Happening) -> bool {
        self.events.contains(&happening.what.kind())
            && self.lines.as_ref().is_none_or(|lines| lines.contains(&happening.call.line))
    }
}
