//! A message as it was seen on its way in or out: for traces and for whoever collects them.

use serde::{Deserialize, Serialize};

use super::Hop;
use super::redaction::{Redacted, scan};

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

/// One message, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which way it went.
    pub direction: Direction,
    /// Between whom.
    pub hop: Hop,
    /// What it says.
    pub text: Redacted,
    /// Its Call-ID, by which everything that belongs to one call is found; a peer chooses it.
    pub sip_call_id: Option<String>,
}

impl Seen {
    /// Looks at a whole message. `None` for what only keeps a NAT binding open (RFC 5626 §4.4.1).
    pub fn new(direction: Direction, hop: Hop, message: &[u8]) -> Option<Self> {
        if message.trim_ascii().is_empty() {
            return None;
        }
        let scanned = scan(message);
        Some(Self { direction, hop, text: scanned.text, sip_call_id: scanned.call_id })
    }
}
