//! Sound: codecs, recordings, prompts.

use std::sync::Arc;

/// A codec that we speak on the wire. Both are sampled at 8000 Hz, one octet a sample (RFC 3551 §4.5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

/// A recording, decoded once and encoded once per codec; shared by all calls that play it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// µ-law octets at 8000 Hz.
    pub pcmu: Arc<[u8]>,
    /// A-law octets at 8000 Hz, as many.
    pub pcma: Arc<[u8]>,
}
