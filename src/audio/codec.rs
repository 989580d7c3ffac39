//! The codecs that we speak: G.711, both laws (ITU-T G.711), and G.722, payload formats in RFC 3551 §4.5; and Opus
//! (RFC 7587) where the build has it.

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use super::{g722, opus};

/// A codec that we speak on the wire. All but Opus make 8000 octets of a second and count 8000 ticks in it, so that a
/// number of octets is a number of ticks in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// G.722 at 64 kbit/s, static payload type 9.
    G722,
    /// Opus, in packets of 20 ms, each of a size of its own; a dynamic payload type.
    Opus,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// Ticks of the RTP clock in a millisecond (RFC 3551 §4.5; RFC 7587 §4.1).
    pub fn ticks_per_ms(self) -> u16 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8,
            Self::Opus => 48,
        }
    }

    /// The octet that fills silence: positive zero in µ-law, the smallest positive step in A-law, which has no zero,
    /// and in G.722 what lets a decoder come to rest. Opus has no such octet, and 0 stands for it.
    pub fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xFF,
            Self::Pcma => 0xD5,
            Self::G722 => g722::SILENCE,
            Self::Opus => 0,
        }
    }

    /// Puts silence for this many positions of a prompt into `room`; tells how many octets that takes.
    pub fn put_silence(self, samples: usize, room: &mut [u8]) -> usize {
        match self {
            _ if samples == 0 => 0,
            Self::Opus => {
                room[..opus::SILENCE.len()].copy_from_slice(&opus::SILENCE);
                opus::SILENCE.len()
            }
            Self::Pcmu | Self::Pcma | Self::G722 => {
                room[..samples].fill(self.silence());
                samples
            }
        }
    }
}

/// A law of G.711: samples at 8000 Hz, each an octet of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law.
    Mu,
    /// A-law.
    A,
}

impl Law {
    /// The octet of a linear 16-bit sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_ulaw(sample),
            Self::A => encode_alaw(sample),
        }
    }

    /// The linear 16-bit sample of an octet.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Mu => decode_ulaw(octet),
            Self::A => decode_alaw(octet),
        }
    }

    /// The law's codec.
    pub fn codec(self) -> Codec {
        match self {
            Self::Mu => Codec::Pcmu,
            Self::A => Codec::Pcma,
        }
    }

    /// The law of a static RTP payload type (RFC 3551 §6, table 4).
    pub fn from_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Mu),
            8 => Some(Self::A),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: [Law; 2] = [Law::Mu, Law::A];

    #[test]
    fn known_values_of_both_laws() {
        // ITU-T G.711 tables 1 and 2: the ends of both characteristics, scaled to 16 bits, and silence.
        let table = [
            (Law::Mu, 0x80, 32124),
            (Law::Mu, 0x00, -32124),
            (Law::Mu, 0xFF, 0),
            (Law::A, 0xAA, 32256),
            (Law::A, 0x2A, -32256),
            (Law::A, 0xD5, 8),
            (Law::A, 0x55, -8),
        ];
        for (law, octet, sample) in table {
            assert_eq!(law.decode(octet), sample, "{law:?} {octet:#04x}");
        }
        for law in LAWS {
            assert_eq!(law.encode(0), law.codec().silence());
        }
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for law in LAWS {
            for octet in 0..=255 {
                let sample = law.decode(octet);
                assert_eq!(law.decode(law.encode(sample)), sample, "{law:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn laws_are_known_by_their_payload_types() {
        let known = [0, 8, 9, 101].map(Law::from_payload_type);
        assert_eq!(known, [Some(Law::Mu), Some(Law::A), None, None]);
        assert_eq!(LAWS.map(Law::codec), [Codec::Pcmu, Codec::Pcma]);
    }
}
