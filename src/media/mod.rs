//! Media sessions without sockets: playout, digits, latching.
//!
//! A [`Session`] is what a media thread does for one call. It is given packets, commands and the time and gives
//! back packets, events and its next deadline; `net::media` owns the sockets and the clock. There is no
//! mixing and no transcoding here, and the caller's audio is listened to for keys at the most, but where a call is
//! recorded: then a [`Tape`] leads to a [`Reel`], on which another thread makes of the packets what can be written.

mod grid;
mod latch;
mod playout;
mod protection;
mod punctuality;
mod reel;
mod reports;
mod session;
mod tape;
mod tones;

pub use crate::rtp::sequence::SAMPLED;
pub use crate::srtp::Refused;
pub use punctuality::Punctuality;
pub use reel::Reel;
pub use session::{DATAGRAM_LEN_MAX, Outgoing, Port, Room, Session};
pub use tape::{Frame, Tape, tape};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::{Codec, Prompt};
use crate::secret::Digit;
use crate::srtp::Keys;

/// Names a media session. One call has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Tells one playing of prompts from another within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u32);

/// The payload types that our description names, for what the peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// Of the codec.
    pub codec: u8,
    /// Of telephone-event, if it was agreed.
    pub telephone_event: Option<u8>,
}

/// What offer and answer have settled about a session's media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The codec both ways.
    pub codec: Codec,
    /// The RTP payload type of `codec` that we send, 0-127.
    pub payload_type: u8,
    /// The payload type of telephone-event that the peer would like, if one was agreed; its clock is the codec's.
    pub telephone_event: Option<u8>,
    /// What the peer is to send with, where it is not the same.
    pub own: Option<PayloadTypes>,
    /// The packet time to send, 10-60 ms in steps of 10; with Opus 20 ms.
    pub packet_time: Duration,
    /// Where the peer's SDP says to send RTP.
    pub remote: SocketAddr,
    /// Where the peer's SDP says to send RTCP; equal to `remote` under rtcp-mux.
    pub remote_rtcp: SocketAddr,
    /// Whether we send audio (false while the peer has us on hold; RTCP goes on).
    pub sends: bool,
    /// Whether we listen (false while inactive).
    pub receives: bool,
    /// Whether keys are also listened for in the audio, until a telephone-event shows that there is no need.
    pub tones: bool,
    /// The keys, where packets are encrypted both ways.
    pub keys: Option<Box<Keys>>,
}

/// What never changes in a session's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Our RTP synchronisation source.
    pub ssrc: u32,
    /// The first sequence number.
    pub sequence: u16,
    /// The first timestamp.
    pub timestamp: u32,
    /// Our RTCP canonical name (RFC 3550 §6.5.1), without anything personal in it.
    pub cname: String,
    /// A seed for whatever must be random in the session's timing.
    pub seed: u64,
}

/// A part of what is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A recording, from its beginning to its end.
    Prompt(Arc<Prompt>),
    /// Silence for this long, in whole samples.
    Silence(Duration),
}

/// What a session is told.
#[derive(Debug, Clone)]
pub enum Command {
    /// Bind this local address (RTP; RTCP on the next port up) and begin. Answered by `Opened` or `OpenFailed`.
    Open {
        /// Our address for RTP, its port even.
        local: SocketAddr,
        /// What stays for the session's life.
        origin: Origin,
        /// What offer and answer have settled.
        parameters: Parameters,
    },
    /// Take these from the next packet on; what plays keeps its place in time.
    Change(Parameters),
    /// Play these pieces without a gap between them, from the next packet on and in place of whatever is playing: what
    /// that has not sent by then is never sent, and its end is not told.
    Play {
        /// What names this playing when its end is told.
        id: PlayId,
        /// What is played, in order. Where there is no sound and no silence in them, the playing ends at once.
        pieces: Vec<Piece>,
        /// Whether the first piece follows the last one, until something else is played or all is stopped; the end is
        /// then never told.
        repeat: bool,
    },
    /// Stop what is playing: at most the packet under way is still heard. No `PlayEnded` follows.
    Stop,
    /// Pass whatever is said from now on to this tape, both sides of it.
    Record(Tape),
    /// The caller is being asked for a secret (or not any more): none of that may be in a recording.
    Conceal(bool),
    /// The caller pressed a key that came by another way: its tone may be in the audio all the same.
    KeyTold,
    /// Send RTCP BYE, close the socket, answer with `Closed`.
    Close,
}

/// What a session tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The sockets are bound and the session runs.
    Opened,
    /// The port could not be had.
    OpenFailed(std::io::ErrorKind),
    /// The caller pressed a key: told once, at its first packet.
    Digit(Digit),
    /// A key was heard in the caller's audio; a telephone-event may tell of the same press.
    Tone(Digit),
    /// The last packet of this playing has been sent.
    PlayEnded(PlayId),
    /// Neither RTP nor RTCP has been heard for the configured time; for an hour, where the peer has us on hold.
    Silent,
    /// The session is over; these are its figures.
    Closed(Figures),
}

/// A session's figures, for the call record.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received and used.
    pub packets_received: u64,
    /// RTP packets missing from the received sequence (RFC 3550 §6.4.1).
    pub packets_lost: u64,
    /// Interarrival jitter, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Share of our packets that the peer reported lost, 0-1, from its last RTCP report.
    pub remote_loss: Option<f64>,
    /// The peer's interarrival jitter of our packets, in milliseconds, from the same.
    pub remote_jitter_ms: Option<f64>,
    /// The way to the peer and back, in milliseconds, from its last report that answers one of ours (RFC 3550 §6.4.1).
    pub round_trip_ms: Option<f64>,
    /// How the call sounded to the peer, 1 to 4.5 (ITU-T G.107), where all of those are known.
    pub remote_opinion: Option<f64>,
}
