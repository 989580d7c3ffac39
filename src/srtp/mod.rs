//! Encrypted media: SRTP and SRTCP by counter mode with HMAC-SHA1 (RFC 3711) and by AES-GCM (RFC 7714).
//!
//! A [`Sealer`] protects what one side sends, an [`Opener`] opens what the other sent, both in place and without
//! allocating for a packet. The keys come from outside (`sdp` reads them by RFC 4568). Not here: key derivation
//! rates, F8, packets that are authenticated and not encrypted, more than one master key at a time, header
//! extensions that are encrypted (RFC 6904), and the exchange of keys.

mod derivation;
mod key;
mod opener;
mod sealer;
#[cfg(test)]
mod tests;
mod transform;
mod window;

pub use key::{KeyRing, Keys, MasterKey, Mki};
pub use opener::{Opened, Opener, Refused};
pub use sealer::Sealer;

/// The most that sealing adds to a packet: an index of SRTCP and a tag of AES-GCM (RFC 7714 §9.2).
pub const TRAILER_LEN_MAX: usize = 4 + 16;

/// How packets are encrypted and made authentic: a crypto-suite of RFC 4568 §6.2 or RFC 7714 §14.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-GCM with a key of 128 bits.
    AeadAes128Gcm,
    /// AES-GCM with a key of 256 bits.
    AeadAes256Gcm,
    /// AES-128 in counter mode, tags of 80 bits.
    AesCm128HmacSha1Tag80,
    /// AES-128 in counter mode, tags of 32 bits, of 80 bits for SRTCP.
    AesCm128HmacSha1Tag32,
}

impl Suite {
    /// All of them; those that cost least for the most come first.
    pub const ALL: [Self; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1Tag80, Self::AesCm128HmacSha1Tag32];

    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of a name; RFC 4568 §9.2 has names compared without regard to case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| name.eq_ignore_ascii_case(suite.name()))
    }

    /// Octets of a master key.
    const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Octets of a master salt (RFC 3711 §8.2, RFC 7714 §12).
    const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            _ => 14,
        }
    }
}

/// What a packet is; each kind has session keys of its own (RFC 3711 §4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

/// Octets of an RTP header with its sources and its extension, which are sent as they are; `None` where the packet is
/// shorter than that, or no RTP of version 2.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    const FIXED: usize = 12;
    let first = *packet.first()?;
    let mut length = FIXED + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (first >> 6 == 2 && packet.len() >= length).then_some(length)
}

/// The four octets at `at`, of a packet that is known to have them.
fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}
