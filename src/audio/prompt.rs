//! A recording in the form in which it goes over the wire.

use std::sync::Arc;
use std::time::Duration;

use super::{Codec, SAMPLE_RATE};

/// A recording, decoded once and encoded once per codec; shared by all calls that play it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// µ-law octets at 8000 Hz.
    pub pcmu: Arc<[u8]>,
    /// A-law octets at 8000 Hz, as many.
    pub pcma: Arc<[u8]>,
}

impl Prompt {
    /// Encodes linear 16-bit samples at 8000 Hz.
    pub fn from_samples(samples: &[i16]) -> Self {
        let encoded = |codec: Codec| samples.iter().map(|&sample| codec.encode(sample)).collect();
        Self { pcmu: encoded(Codec::Pcmu), pcma: encoded(Codec::Pcma) }
    }

    /// The recording in one codec: an octet a sample, so that a position means the same in each.
    pub fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }

    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.pcmu.len()
    }

    /// Whether it has no sample at all.
    pub fn is_empty(&self) -> bool {
        self.pcmu.is_empty()
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.len() as f64 / f64::from(SAMPLE_RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_hold_the_same_sound() {
        let samples: Vec<i16> = (0..4000).map(|n| (n * 8 - 16000) as i16).collect();
        let prompt = Prompt::from_samples(&samples);
        assert_eq!(prompt.duration(), Duration::from_millis(500));
        for codec in Codec::ALL {
            assert_eq!(prompt.octets(codec).len(), prompt.len());
            for (&octet, &sample) in prompt.octets(codec).iter().zip(&samples) {
                let error = (i32::from(codec.decode(octet)) - i32::from(sample)).abs();
                // G.711 quantises to 4 bits within a segment: at worst 1/32 of the value, and 16 near zero.
                assert!(error <= 16 + i32::from(sample).abs() / 30, "{codec:?} {sample} is off by {error}");
            }
        }
    }
}
