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
    /// How it is encrypted, if it is; and by which keys.
    encryption: Option<(Sealer, Opener, Box<Keys>)>,
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
        match (&mut self.encryption, &agreed.keys) {
            (Some((sealer, opener, keys)), Some(new)) if keys != new => {
                sealer.change_key(&new.ours);
                opener.change_key(&new.theirs, new.their_mki);
                keys.clone_from(new);
            }
            (Some(_), Some(_)) => {}
            (encryption, new) => {
                *encryption = new
                    .clone()
                    .map(|keys| (Sealer::new(&keys.ours), Opener::new(&keys.theirs, keys.their_mki), keys));
            }
        }
    }

    /// The packet that is due at `now`, if one is; one that the key is worn out for never leaves.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut packet = self.voice.poll_transmit(now)?;
        if let Some((sealer, ..)) = &mut self.encryption {
            let length = packet.len();
            packet.resize(length + TRAILER_LEN_MAX, 0);
            let length = sealer.seal_rtp(&mut packet, length)?;
            packet.truncate(length);
        }
        Some(packet)
    }

    /// Timestamp and samples of a packet of audio; `None` for anything else, and for what has not the key.
    pub fn receive(&mut self, datagram: &mut [u8]) -> Option<(u32, Vec<i16>)> {
        match &mut self.encryption {
            Some((_, opener, _)) => self.voice.receive(opener.open_rtp(datagram).ok()?.packet),
            None => self.voice.receive(datagram),
        }
    }
}
