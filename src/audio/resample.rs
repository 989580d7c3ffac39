//! Bringing recordings to the rate of a codec, with the filter that keeps what telephony cannot carry from folding back
//! into the speech band.

use std::collections::HashMap;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use super::recording::Recording;

/// Length of the anti-alias filter, in input samples at 16 kHz: 3.4 kHz passes, and from 4.6 kHz nothing does.
const FILTER_TAPS: u32 = 128;
/// The most phases that a filter bank is built for; stranger ratios interpolate between phases.
const PHASES_MAX: u32 = 512;
/// Input samples at a time.
const CHUNK: usize = 1024;

/// Converts recordings, and remembers the filter of each pair of rates: building one costs more than using it.
#[derive(Default)]
pub(super) struct Resampler {
    by_rates: HashMap<(u32, u32), Async<f32>>,
}

impl Resampler {
    /// The recording as linear 16-bit samples at `rate`. One that has that rate already passes unchanged.
    pub(super) fn convert(&mut self, recording: &Recording, rate: u32) -> Vec<i16> {
        if recording.rate == rate {
            return recording.samples.iter().copied().map(quantise).collect();
        }
        let frames = recording.samples.len();
        let input =
            InterleavedSlice::new(&recording.samples, 1, frames).expect("one channel fills the slice");
        let resampler =
            self.by_rates.entry((recording.rate, rate)).or_insert_with(|| filter(recording.rate, rate));
        let output =
            resampler.process_all(&input, frames, None).expect("the output is sized by the resampler");
        output.take_data().into_iter().map(quantise).collect()
    }
}

/// A filter bank from one rate to another.
///
/// The output falls on `to / gcd` evenly spaced phases between two input samples; with as many phases in the
/// bank the nearest one is exact and there is nothing to interpolate.
fn filter(from: u32, to: u32) -> Async<f32> {
    let phases = to / greatest_common_divisor(from, to);
    let (phases, interpolation) = if phases <= PHASES_MAX {
        (phases, SincInterpolationType::Nearest)
    } else {
        (PHASES_MAX, SincInterpolationType::Linear)
    };
    // The filter's length in seconds decides how steep it is, so a higher rate needs more of its samples.
    let taps = FILTER_TAPS * from.div_ceil(2 * to);
    let parameters = SincInterpolationParameters::new(taps as usize, WindowFunction::BlackmanHarris2)
        .oversampling_factor(phases as usize)
        .interpolation(interpolation);
    let ratio = f64::from(to) / f64::from(from);
    Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input)
        .expect("the ratio lies between 8000/192000 and 2 and the chunk is not empty")
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The nearest 16-bit sample; what is beyond full scale is held at it.
fn quantise(sample: f32) -> i16 {
    (sample * 32768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(rate: u32, frequency: f64) -> Recording {
        let samples = (0..rate)
            .map(|n| (0.5 * (TAU * frequency * f64::from(n) / f64::from(rate)).sin()) as f32)
            .collect();
        Recording { rate, samples }
    }

    /// The level in dB relative to a sine of half of full scale, away from the ends.
    fn level(samples: &[i16]) -> f64 {
        let middle = &samples[1000..samples.len() - 1000];
        let power = middle.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (power / (16384.0_f64.powi(2) / 2.0)).max(1e-12).log10()
    }

    #[test]
    fn speech_passes_and_what_would_alias_does_not() {
        for rate in [11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 48_001, 96_000, 192_000] {
            let mut resampler = Resampler::default();
            for (frequency, level_min, level_max) in
                [(300.0, -0.5, 0.5), (1000.0, -0.5, 0.5), (3000.0, -0.5, 0.5), (5000.0, -200.0, -40.0)]
            {
                let converted = resampler.convert(&tone(rate, frequency), 8000);
                assert!((7999..=8001).contains(&converted.len()), "{rate} Hz gave {}", converted.len());
                let level = level(&converted);
                assert!(
                    (level_min..=level_max).contains(&level),
                    "{frequency} Hz at {rate} Hz: {level:.2} dB"
                );
            }
        }
        let gone = level(&Resampler::default().convert(&tone(16_000, 6000.0), 8000));
        assert!(gone < -40.0, "6 kHz at 16 kHz: {gone:.1} dB");
    }

    #[test]
    fn wideband_keeps_what_narrowband_cannot_have() {
        for (rate, frequency, level_min, level_max) in [
            (48_000, 6000.0, -0.5, 0.5),
            (48_000, 10_000.0, -200.0, -40.0),
            (8000, 3000.0, -0.5, 0.5),
            (11_025, 3000.0, -0.5, 0.5),
        ] {
            let converted = Resampler::default().convert(&tone(rate, frequency), 16_000);
            assert!((15_998..=16_002).contains(&converted.len()), "{rate} Hz gave {}", converted.len());
            let level = level(&converted);
            assert!((level_min..=level_max).contains(&level), "{frequency} Hz at {rate} Hz: {level:.2} dB");
        }
    }

    #[test]
    fn a_second_recording_is_not_coloured_by_the_first() {
        let mut shared = Resampler::default();
        shared.convert(&tone(16_000, 3000.0), 8000);
        let recording = tone(16_000, 440.0);
        assert_eq!(shared.convert(&recording, 8000), Resampler::default().convert(&recording, 8000));
    }

    #[test]
    fn telephone_rate_passes_bit_for_bit() {
        let table: [i16; 5] = [i16::MIN, -1, 0, 1, i16::MAX];
        let samples = table.iter().map(|&sample| f32::from(sample) / 32768.0).collect();
        assert_eq!(Resampler::default().convert(&Recording { rate: 8000, samples }, 8000), table);
        assert_eq!(quantise(1.5), i16::MAX);
    }
}
