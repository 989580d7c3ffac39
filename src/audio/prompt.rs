//! A recording in the forms in which it goes over the wire.

use std::sync::Arc;
use std::time::Duration;

use super::codec::Law;
use super::opus::{self, PACKET_SAMPLES, Packets};
use super::{Codec, SAMPLE_RATE, g722};

/// A recording, decoded once and encoded once per codec; shared by all calls that play it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// µ-law octets, 8000 a second.
    pcmu: Arc<[u8]>,
    /// A-law octets, as many.
    pcma: Arc<[u8]>,
    /// G.722 octets, as many.
    g722: Arc<[u8]>,
    /// Packets of 20 ms, where they are wanted.
    opus: Option<Packets>,
}

/// What was put into a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// How many positions of the prompt it takes.
    pub samples: usize,
    /// In how many octets.
    pub octets: usize,
}

impl Prompt {
    /// Encodes linear 16-bit samples: those at 8000 Hz for G.711, and the same sound at 16 000 Hz for G.722. Where
    /// one is shorter than the other, silence makes up for it; where there is none, G.722 is silent.
    pub fn new(narrow: &[i16], wide: Option<&[i16]>) -> Self {
        let encoded = |law: Law| narrow.iter().map(|&sample| law.encode(sample)).collect();
        let g722 = match wide {
            Some(wide) => wideband(wide, narrow.len()),
            None => vec![g722::SILENCE; narrow.len()].into(),
        };
        Self { pcmu: encoded(Law::Mu), pcma: encoded(Law::A), g722, opus: None }
    }

    /// The same, encoded for Opus as well, where the build speaks it, from its sound at 16 000 Hz.
    #[must_use]
    pub fn with_opus(self, wide: &[i16]) -> Self {
        Self { opus: opus::SPOKEN.then(|| opus::encode(wide)), ..self }
    }

    /// Encodes linear 16-bit samples at 8000 Hz.
    pub fn from_samples(samples: &[i16]) -> Self {
        let wide: Vec<i16> = samples.iter().flat_map(|sample| [*sample; 2]).collect();
        Self::new(samples, Some(&wide))
    }

    /// The recording in one codec, 8000 octets a second, so that a position means the same in each. In Opus, which has
    /// packets of its own, there are none.
    pub fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
            Codec::G722 => &self.g722,
            Codec::Opus => &[],
        }
    }

    /// Puts what comes from a position on into `room`, for `samples` positions or as far as the prompt goes. In Opus that
    /// is one packet of 20 ms, whatever was asked for, and where a prompt has none it is silent.
    pub fn put(&self, codec: Codec, position: usize, samples: usize, room: &mut [u8]) -> Put {
        if codec == Codec::Opus {
            return self.put_packet(position, room);
        }
        let rest = self.octets(codec).get(position..).unwrap_or_default();
        let sound = &rest[..rest.len().min(samples)];
        room[..sound.len()].copy_from_slice(sound);
        Put { samples: sound.len(), octets: sound.len() }
    }

    fn put_packet(&self, position: usize, room: &mut [u8]) -> Put {
        let number = position / PACKET_SAMPLES;
        let samples = (number + 1) * PACKET_SAMPLES - position;
        let octets = match self.opus.as_ref().and_then(|packets| packets.packet(number)) {
            Some(packet) => {
                room[..packet.len()].copy_from_slice(packet);
                packet.len()
            }
            None => Codec::Opus.put_silence(PACKET_SAMPLES, room),
        };
        Put { samples, octets }
    }

    /// How many positions it has: samples of G.711.
    pub fn len(&self) -> usize {
        self.pcmu.len()
    }

    /// Where it ends in a codec: behind its last position, or behind the packet that this is in.
    pub fn end(&self, codec: Codec) -> usize {
        match (codec, &self.opus) {
            (Codec::Opus, Some(packets)) => packets.len() * PACKET_SAMPLES,
            _ => self.len(),
        }
    }

    /// Whether there is nothing in it at all.
    pub fn is_empty(&self) -> bool {
        self.pcmu.is_empty()
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.len() as f64 / f64::from(SAMPLE_RATE))
    }
}

/// So many octets of G.722.
fn wideband(samples: &[i16], octets: usize) -> Arc<[u8]> {
    let mut encoder = g722::Encoder::new();
    let mut samples = samples.iter().copied();
    let mut pair = || [samples.next().unwrap_or(0), samples.next().unwrap_or(0)];
    (0..octets).map(|_| encoder.encode(pair())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_laws_hold_the_same_sound() {
        let samples: Vec<i16> = (0..4000).map(|n| (n * 8 - 16000) as i16).collect();
        let prompt = Prompt::from_samples(&samples);
        assert_eq!(prompt.duration(), Duration::from_millis(500));
        for law in [Law::Mu, Law::A] {
            assert_eq!(prompt.octets(law.codec()).len(), prompt.len());
            for (&octet, &sample) in prompt.octets(law.codec()).iter().zip(&samples) {
                let error = (i32::from(law.decode(octet)) - i32::from(sample)).abs();
                // G.711 quantises to 4 bits within a segment: at worst 1/32 of the value, and 16 near zero.
                assert!(error <= 16 + i32::from(sample).abs() / 30, "{law:?} {sample} is off by {error}");
            }
        }
    }

    #[test]
    fn every_codec_has_as_many_octets_and_the_same_sound() {
        let tone = |rate: f64| move |n: i32| ((f64::from(n) * 3000.0 / rate).sin() * 8000.0) as i16;
        let narrow: Vec<i16> = (0..2000).map(tone(8000.0)).collect();
        for wide in [3998, 4000, 4002] {
            let wide: Vec<i16> = (0..wide).map(tone(16_000.0)).collect();
            let prompt = Prompt::new(&narrow, Some(&wide));
            for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
                assert_eq!(prompt.octets(codec).len(), 2000);
            }
            let mut decoder = g722::Decoder::default();
            let heard: Vec<i16> = prompt.g722.iter().map(|octet| decoder.decode_narrow(*octet)).collect();
            let power =
                |samples: &[i16]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
            let ratio = power(&heard[500..1900]) / power(&narrow[500..1900]);
            assert!((0.9..1.1).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn pieces_go_as_far_as_the_prompt_and_packets_of_opus_are_whole() {
        let prompt = Prompt::from_samples(&[1000; 400]).with_opus(&[1000; 800]);
        let mut room = [0; 480];
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
            let piece = |samples| Put { samples, octets: samples };
            assert_eq!(prompt.put(codec, 0, 160, &mut room), piece(160));
            assert_eq!(room[..160], prompt.octets(codec)[..160]);
            assert_eq!(prompt.put(codec, 320, 160, &mut room), piece(80));
            assert_eq!(prompt.put(codec, 480, 160, &mut room), piece(0), "it has ended before");
            assert_eq!(prompt.end(codec), 400);
        }
        for (position, samples) in [(0, 160), (40, 120), (160, 160), (320, 160)] {
            let piece = prompt.put(Codec::Opus, position, 160, &mut room);
            assert_eq!(piece.samples, samples, "to the end of the packet that {position} is in");
            assert!(piece.octets >= 3);
        }
        assert_eq!(prompt.end(Codec::Opus), if opus::SPOKEN { 480 } else { 400 });
        let silent = Prompt::from_samples(&[1000; 400]).put(Codec::Opus, 0, 160, &mut room);
        assert_eq!((silent, &room[..3]), (Put { samples: 160, octets: 3 }, &opus::SILENCE[..]));
    }
}
