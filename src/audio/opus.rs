//! Opus (RFC 6716), where the build has it (`--features opus`): recordings as packets of 20 ms, and packets as sound.
//!
//! We send the transform layer only (CELT, RFC 6716 §4.3), mono, 8 kHz wide. A packet of it leans on the one before
//! it for no more than 2.5 ms of overlap and a guess at its loudness, which a fresh encoder does not make: so the
//! packets of one prompt can follow those of another without a click. What is received may be anything that RFC 6716
//! allows, and is heard at 8000 Hz. Lost packets are not concealed and redundant ones not used: nobody listens who
//! would mind.

use std::sync::Arc;

use super::SAMPLE_RATE;

/// Whether this build speaks it.
pub const SPOKEN: bool = cfg!(feature = "opus");

/// Of our 8000 positions in a second, those that a packet of ours takes: 20 ms.
pub(super) const PACKET_SAMPLES: usize = SAMPLE_RATE as usize / 50;

/// A packet of silence: CELT, wideband, 20 ms, mono, and nothing but the flag for silence (RFC 6716 §4.3).
pub(super) const SILENCE: [u8; 3] = [0xB8, 0xFF, 0xFE];

/// A recording in packets of 20 ms; the last is filled up with silence, and holds what the encoder lags behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packets {
    octets: Arc<[u8]>,
    /// Where in `octets` each packet ends.
    ends: Arc<[u32]>,
}

impl Packets {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them.
    pub(super) fn packet(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)?;
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.octets[begin as usize..end as usize])
    }
}

#[cfg(feature = "opus")]
pub use coder::Decoder;
#[cfg(feature = "opus")]
pub(super) use coder::encode;
#[cfg(not(feature = "opus"))]
pub use mute::Decoder;
#[cfg(not(feature = "opus"))]
pub(super) use mute::encode;

/// What stands in for the coder in a build without it.
#[cfg(not(feature = "opus"))]
mod mute {
    use super::Packets;

    /// No packets.
    pub(in crate::audio) fn encode(_wide: &[i16]) -> Packets {
        Packets { octets: [].into(), ends: [].into() }
    }

    /// Hears nothing.
    #[derive(Default)]
    pub struct Decoder;

    impl Decoder {
        /// No samples.
        pub fn decode(&mut self, _packet: &[u8]) -> &[i16] {
            &[]
        }
    }
}

#[cfg(feature = "opus")]
mod coder {
    use opus_pure::{Application, OpusDecoder, OpusEncoder};

    use super::super::{SAMPLE_RATE, WIDE_RATE};
    use super::Packets;

    /// Samples of 20 ms at [`WIDE_RATE`].
    const FRAME: usize = WIDE_RATE as usize / 50;
    /// Bits a second, on average; transparent for speech of this width.
    const BIT_RATE: i32 = 32_000;
    /// How hard the encoder tries, of 10: beyond this it takes longer and CELT gains nothing that one hears.
    const COMPLEXITY: i32 = 5;
    /// The longest packet of ours, in octets: three times the average.
    const PACKET_LEN_MAX: usize = 240;
    /// The longest that a packet may last (RFC 6716 §3.2.5: 120 ms), in samples at 8000 Hz.
    const DECODED_MAX: usize = SAMPLE_RATE as usize * 120 / 1000;

    /// Encodes samples at 16 000 Hz; nothing where there are none.
    pub(in crate::audio) fn encode(wide: &[i16]) -> Packets {
        let mut encoder = OpusEncoder::new(WIDE_RATE.cast_signed(), 1, Application::RestrictedLowDelay)
            .expect("the rate is one of Opus's");
        encoder.bitrate_bps = BIT_RATE;
        encoder.complexity = COMPLEXITY;
        let length = if wide.is_empty() { 0 } else { wide.len() + encoder.lookahead() };
        let mut octets = Vec::with_capacity(length / FRAME * 80);
        let mut ends = Vec::with_capacity(length.div_ceil(FRAME));
        for begin in (0..length).step_by(FRAME) {
            let mut frame = [0; FRAME];
            let sound = wide.get(begin..).unwrap_or_default();
            let sound = &sound[..sound.len().min(FRAME)];
            frame[..sound.len()].copy_from_slice(sound);
            let mut packet = [0; PACKET_LEN_MAX];
            let length = encoder.encode_s16(&frame, FRAME, &mut packet).expect("a whole frame is encoded");
            octets.extend(&packet[..length]);
            ends.push(octets.len() as u32);
        }
        Packets { octets: octets.into(), ends: ends.into() }
    }

    /// Makes samples at 8000 Hz of one stream's packets.
    pub struct Decoder {
        decoder: OpusDecoder,
        samples: [i16; DECODED_MAX],
    }

    impl Default for Decoder {
        fn default() -> Self {
            let decoder = OpusDecoder::new(SAMPLE_RATE.cast_signed(), 1).expect("the rate is one of Opus's");
            Self { decoder, samples: [0; DECODED_MAX] }
        }
    }

    impl Decoder {
        /// The samples of the stream's next packet; none where it cannot be read.
        pub fn decode(&mut self, packet: &[u8]) -> &[i16] {
            let decoded = if packet.is_empty() {
                // To the decoder that would be a lost packet to make up for.
                Ok(0)
            } else {
                self.decoder.decode_s16(packet, DECODED_MAX, &mut self.samples)
            };
            &self.samples[..decoded.unwrap_or(0).min(DECODED_MAX)]
        }
    }
}

#[cfg(test)]
#[cfg(feature = "opus")]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    /// A tone of this many samples at 16 000 Hz.
    fn tone(samples: u32, frequency: f64) -> Vec<i16> {
        (0..samples).map(|at| ((TAU * frequency * f64::from(at) / 16_000.0).sin() * 8000.0) as i16).collect()
    }

    fn heard<'a>(packets: impl IntoIterator<Item = &'a [u8]>) -> Vec<i16> {
        let mut decoder = Decoder::default();
        packets.into_iter().flat_map(|packet| decoder.decode(packet).to_vec()).collect()
    }

    fn all(packets: &Packets) -> impl Iterator<Item = &[u8]> {
        (0..packets.len()).map_while(|number| packets.packet(number))
    }

    fn loudest(samples: &[i16]) -> u16 {
        samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
    }

    #[test]
    fn what_is_encoded_is_heard_again() {
        for samples in [1_u32, 319, 320, 321, 16_000] {
            let packets = encode(&tone(samples, 1000.0));
            assert_eq!(packets.len(), (samples as usize + 40).div_ceil(320), "{samples}");
            assert_eq!(packets.packet(packets.len()), None);
            assert_eq!(heard(all(&packets)).len(), packets.len() * PACKET_SAMPLES);
        }
        let packets = encode(&tone(16_000, 1000.0));
        assert!((3000..5000).contains(&packets.octets.len()), "{} octets a second", packets.octets.len());
        let heard = heard(all(&packets));
        let power = |samples: &[i16]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        let ratio = power(&heard[800..7200]) / (6400.0 * 8000.0 * 8000.0 / 2.0);
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
        assert_eq!(encode(&[]).len(), 0);
    }

    #[test]
    fn silence_is_silent_at_once_and_prompts_follow_each_other_without_a_click() {
        let packets = encode(&tone(8000, 440.0));
        let cut = all(&packets).take(10).chain([&SILENCE[..]; 5]);
        let heard_cut = heard(cut);
        assert_eq!(loudest(&heard_cut[11 * PACKET_SAMPLES..]), 0, "one packet later there is nothing left");
        let between = [&SILENCE[..]; 3].into_iter().chain(all(&packets)).chain([&SILENCE[..]; 2]);
        let joined = heard(between.chain(all(&packets)));
        // A step from one sample to the next that is larger than the tone's own would be a click.
        let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
        let largest = joined.windows(2).map(step).max().unwrap_or(0);
        let own = (TAU * 440.0 / 8000.0 * 8000.0) as i32;
        assert!(largest < own * 3 / 2, "{largest} where the tone has {own}");
    }

    #[test]
    fn a_packet_that_is_none_is_not_heard() {
        let mut decoder = Decoder::default();
        for packet in [&[][..], &[0xFF, 0x03], &[0xFB]] {
            assert!(decoder.decode(packet).len() <= 960, "{packet:?}");
        }
        assert!(decoder.decode(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_survived(packets in proptest::collection::vec(any::<Vec<u8>>(), 1..8)) {
            let mut decoder = Decoder::default();
            for packet in packets {
                prop_assert!(decoder.decode(&packet).len() <= 960);
            }
        }
    }
}
