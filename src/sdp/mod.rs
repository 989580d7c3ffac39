//! Session descriptions and their negotiation (RFC 8866, RFC 3264) for one audio stream of G.711.

use std::net::SocketAddr;
use std::time::Duration;

/// The codecs that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0 (RFC 3551 §6).
    Pcmu,
    /// G.711 A-law, static payload type 8 (RFC 3551 §6).
    Pcma,
}

/// What names a session of ours in the o= line (RFC 8866 §5.2). `version` grows with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// `sess-id`: unique, the same for the whole call.
    pub id: u64,
    /// `sess-version`: one more for each description that differs from the one before.
    pub version: u64,
}

/// What offer and answer settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The codec both ways.
    pub codec: Codec,
    /// The payload type of `codec` that we send.
    pub payload_type: u8,
    /// The payload type of `telephone-event/8000` that we send and receive.
    pub telephone_event: Option<u8>,
    /// The packet time that we send, 10-60 ms in steps of 10.
    pub packet_time: Duration,
    /// Where the peer takes RTP.
    pub remote: SocketAddr,
    /// Where the peer takes RTCP; equal to `remote` under rtcp-mux.
    pub remote_rtcp: SocketAddr,
    /// Whether we send audio.
    pub sends: bool,
    /// Whether we listen.
    pub receives: bool,
}

/// A peer's offer, read.
#[derive(Debug, Clone)]
pub struct Offer;

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
    /// No audio stream over RTP/AVP that is not refused (port 0).
    #[error("no audio stream that we could take")]
    NoAudio,
    /// Neither PCMU nor PCMA.
    #[error("no common codec")]
    NoCodec,
    /// The peer's media address is missing or not an IP address.
    #[error("no usable media address")]
    NoAddress,
}

#[expect(unused_variables, reason = "the signatures go ahead of the code")]
mod signatures {
    use super::*;
    impl Offer {
        /// Reads an offer.
        pub fn parse(text: &str) -> Result<Self, SdpError> {
            Err(SdpError::Malformed(String::new()))
        }
    }
    /// Answers an offer for media at `local` (RTP; RTCP one port up, or the same under rtcp-mux).
    pub fn negotiate(
        offer: &Offer,
        local: SocketAddr,
        session: Session,
    ) -> Result<(String, Negotiated), Incompatible> {
        Err(Incompatible::NoAudio)
    }
    /// An offer of PCMU, PCMA and telephone-event for media at `local`.
    pub fn offer(local: SocketAddr, session: Session) -> String {
        String::new()
    }
    /// Reads the peer's answer to `offer`. Errors as for an offer, or where nothing was agreed.
    pub fn read_answer(text: &str) -> Result<Negotiated, SdpError> {
        Err(Incompatible::NoAudio.into())
    }
}
pub use signatures::{negotiate, offer, read_answer};
