//! G.711, both laws (ITU-T G.711; payload formats in RFC 3551 §4.5.14).

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

/// A codec that we speak on the wire. Both are sampled at 8000 Hz, one octet a sample (RFC 3551 §4.5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// Every codec, in our order of preference.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The static RTP payload type (RFC 3551 §6, table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec of a static RTP payload type.
    pub fn from_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.payload_type() == payload_type)
    }

    /// The encoding name, as SDP writes it (RFC 3551 §6).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The octet of a linear 16-bit sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_ulaw(sample),
            Self::Pcma => encode_alaw(sample),
        }
    }

    /// The linear 16-bit sample of an octet.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Pcmu => decode_ulaw(octet),
            Self::Pcma => decode_alaw(octet),
        }
    }

    /// The octet of silence: positive zero in µ-law, the smallest positive step in A-law, which has no zero.
    pub fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xFF,
            Self::Pcma => 0xD5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_both_laws() {
        // ITU-T G.711 tables 1 and 2: the ends of both characteristics, scaled to 16 bits, and silence.
        let table = [
            (Codec::Pcmu, 0x80, 32124),
            (Codec::Pcmu, 0x00, -32124),
            (Codec::Pcmu, 0xFF, 0),
            (Codec::Pcma, 0xAA, 32256),
            (Codec::Pcma, 0x2A, -32256),
            (Codec::Pcma, 0xD5, 8),
            (Codec::Pcma, 0x55, -8),
        ];
        for (codec, octet, sample) in table {
            assert_eq!(codec.decode(octet), sample, "{codec:?} {octet:#04x}");
        }
        for codec in Codec::ALL {
            assert_eq!(codec.encode(0), codec.silence());
        }
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for codec in Codec::ALL {
            for octet in 0..=255 {
                let sample = codec.decode(octet);
                assert_eq!(codec.decode(codec.encode(sample)), sample, "{codec:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn names_and_payload_types_agree() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_payload_type(codec.payload_type()), Some(codec));
        }
        assert_eq!(Codec::from_payload_type(101), None);
        assert_eq!(Codec::ALL.map(Codec::name), ["PCMU", "PCMA"]);
    }
}
