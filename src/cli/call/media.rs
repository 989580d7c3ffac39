//! The test caller's stream on the wire: where it goes, and how it is encrypted (RFC 3711).

use std::net::SocketAddr;
use std::time::Instant;

use super::voice::Voice;
use crate::sdp::Negotiated;
use crate::srtp::{Keys, Opener, Sealer, TRAILER_LEN_MAX};

/// See the module.
pub struct Media {
    /// What it says and hears.
    pub voice: Voice,
    /// Where the peer takes it.
    pub remote: SocketAddr,
    encryption: Option<Box<Encryption>>,
}

/// How a stream is encrypted, and by which keys.
struct Encryption {
    keys: Keys,
    sealer: Sealer,
    opener: Opener,
}

impl Encryption {
    fn new(keys: &Keys) -> Self {
        let (sealer, opener) = (Sealer::new(&keys.ours), Opener::new(&keys.theirs, keys.their_mki));
        Self { keys: keys.clone(), sealer, opener }
    }

    fn change(&mut self, keys: &Keys) {
        if *keys != self.keys {
            self.sealer.change_key(&keys.ours);
            self.opener.change_key(&keys.theirs, keys.their_mki);
            self.keys.clone_from(keys);
        }
    }
}

impl Media {
    /// A stream as it was agreed on.
    pub fn new(voice: Voice, agreed: &Negotiated) -> Self {
        let mut media = Self { voice, remote: agreed.remote, encryption: None };
        media.change(agreed);
        media
    }

    /// Takes what a new offer and answer settled.
    pub fn change(&mut self, agreed: &Negotiated) {
        self.voice.change(agreed);
        self.remote = agreed.remote;
        match (&mut self.encryption, agreed.keys.as_deref()) {
            (Some(encryption), Some(keys)) => encryption.change(keys),
            (encryption, keys) => *encryption = keys.map(|keys| Box::new(Encryption::new(keys))),
        }
    }

    /// The packet that is due at `now`, if one is; one that the key is worn out for never leaves.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut packet = self.voice.poll_transmit(now)?;
        if let Some(encryption) = &mut self.encryption {
            let length = packet.len();
            packet.resize(length + TRAILER_LEN_MAX, 0);
            let length = encryption.sealer.seal_rtp(&mut packet, length)?;
            packet.truncate(length);
        }
        Some(packet)
    }

    /// Timestamp and samples of a packet of audio; `None` for anything else, and for what has not the key.
    pub fn receive(&mut self, datagram: &mut [u8]) -> Option<(u32, Vec<i16>)> {
        match &mut self.encryption {
            Some(encryption) => self.voice.receive(encryption.opener.open_rtp(datagram).ok()?.packet),
            None => self.voice.receive(datagram),
        }
    }
}
