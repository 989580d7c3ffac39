//! Session descriptions and their negotiation (RFC 8866, RFC 3264) for one audio stream of G.711, G.722 or Opus (RFC 7587),
//! encrypted or not (RFC 4568).
//!
//! Negotiation is a pure function from the peer's offer to our answer and what both settled. Not here: other
//! codecs, DTLS-SRTP, ICE. A stream that would need them is refused, as is video and a second audio stream.

mod crypto;
mod negotiation;
mod stream;
#[cfg(test)]
mod tests;

pub use negotiation::{Offer, negotiate, offer, read_answer, read_encrypted_answer};

use std::net::SocketAddr;
use std::time::Duration;

use crate::srtp::{KeyRing, Keys};

/// The codecs that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0 (RFC 3551 §6).
    Pcmu,
    /// G.711 A-law, static payload type 8 (RFC 3551 §6).
    Pcma,
    /// G.722, static payload type 9, whose RTP clock is 8000 Hz (RFC 3551 §4.5.2).
    G722,
    /// Opus: a dynamic payload type, `opus/48000/2` whatever is sent (RFC 7587 §7), in packets of 20 ms.
    Opus,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];
}

/// Which codecs are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codecs {
    /// These; of several, the one that the peer likes best.
    Theirs(Vec<Codec>),
    /// These, the best first, whatever the peer likes best.
    Ours(Vec<Codec>),
}

impl Codecs {
    /// All of them, in no order of preference, but in that of an offer.
    pub fn list(&self) -> &[Codec] {
        let (Self::Theirs(codecs) | Self::Ours(codecs)) = self;
        codecs
    }
}

impl Default for Codecs {
    /// G.711, which every peer has.
    fn default() -> Self {
        Self::Theirs(vec![Codec::Pcmu, Codec::Pcma])
    }
}

/// Whether media may or must be encrypted, with our own keys for it.
#[derive(Debug, Clone, Copy)]
pub enum Protection<'a> {
    /// It is not.
    Off,
    /// It is where the peer offers it. Our own offers are of media that is not.
    Allowed(&'a KeyRing),
    /// Without it there is nothing in common.
    Required(&'a KeyRing),
}

/// What we would have of a session.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Which codecs are taken.
    pub codecs: &'a Codecs,
    /// How media is encrypted.
    pub protection: Protection<'a>,
}

impl<'a> From<&'a Codecs> for Terms<'a> {
    /// These codecs, and no encryption.
    fn from(codecs: &'a Codecs) -> Self {
        Self { codecs, protection: Protection::Off }
    }
}

/// What names a session of ours in the o= line (RFC 8866 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// `sess-id`: unique, the same for the whole call.
    pub id: u64,
    /// `sess-version`: one more for each description that differs from the one before (RFC 3264 §8).
    pub version: u64,
}

/// The payload types that our description names, which are those that the peer sends with: each side says what it takes,
/// and in an answer they need not be those of the offer (RFC 3264 §5.1, §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// Of the codec.
    pub codec: u8,
    /// Of telephone-event, where it was agreed.
    pub telephone_event: Option<u8>,
}

/// What offer and answer settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The codec both ways.
    pub codec: Codec,
    /// The payload type of `codec` that we send, 0-127.
    pub payload_type: u8,
    /// The payload type of telephone-event that we send.
    pub telephone_event: Option<u8>,
    /// What the peer sends with, where it is not the same.
    pub own: Option<PayloadTypes>,
    /// The packet time that we send, 10-60 ms in steps of 10; with Opus 20 ms.
    pub packet_time: Duration,
    /// Where the peer takes RTP. Its address is unspecified while the peer holds the call in the manner of
    /// RFC 2543 (`c=IN IP4 0.0.0.0`): nothing may be sent there, RTCP included.
    pub remote: SocketAddr,
    /// Where the peer takes RTCP; equal to `remote` under rtcp-mux (RFC 5761).
    pub remote_rtcp: SocketAddr,
    /// Whether we send audio.
    pub sends: bool,
    /// Whether we listen.
    pub receives: bool,
    /// The keys, where media is encrypted.
    pub keys: Option<Box<Keys>>,
}

/// A description that is of no use to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It cannot be read (400 to an offer).
    #[error("malformed session description: {0}")]
    Malformed(String),
    /// It can be read, and there is nothing in common (488 to an offer).
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
}

/// Why there is nothing in common (488).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// No audio stream over RTP/AVP or RTP/SAVP that is not refused (port 0).
    #[error("no audio stream that we could take")]
    NoAudio,
    /// None of the codecs that are taken.
    #[error("no common codec")]
    NoCodec,
    /// The peer's media address is missing, or is no unicast IP address.
    #[error("no usable media address")]
    NoAddress,
    /// Media would have to be encrypted, and is not.
    #[error("the media is not encrypted")]
    Unencrypted,
    /// Media is encrypted, and that is not taken.
    #[error("the media is encrypted")]
    Encrypted,
    /// Media is encrypted, and by no suite that is taken.
    #[error("no common way to encrypt the media")]
    NoSuite,
}
