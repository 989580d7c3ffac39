//! Whether a recording holds a prompt.

use std::f64::consts::PI;
use std::path::Path;

/// Everything is compared at the rate of the wire.
const RATE: u32 = 8000;
/// Samples, 5 ms of them, whose loudness is one value of the envelope that finds the place to compare at.
const COARSE: usize = 40;
/// How much of the new half rate passes the filter of [`decimate`].
const PASS_BAND: f64 = 0.9;

/// The samples of a WAV file's first channel at 8000 Hz.
///
/// # Panics
/// Where it cannot be read, or its rate is not a multiple of 8000 Hz.
pub fn read(file: &Path) -> Vec<f64> {
    let mut reader = hound::WavReader::open(file).expect("a WAV file");
    let format = reader.spec();
    assert_eq!(format.sample_rate % RATE, 0, "{} has {} Hz", file.display(), format.sample_rate);
    let channels = usize::from(format.channels);
    let samples: Vec<f64> = reader
        .samples::<i16>()
        .step_by(channels)
        .map(|sample| f64::from(sample.expect("a 16-bit sample")))
        .collect();
    decimate(&samples, (format.sample_rate / RATE) as usize)
}

/// Every `factor`th sample, after a low-pass of windowed sinc that keeps what lies below the new half rate.
fn decimate(samples: &[f64], factor: usize) -> Vec<f64> {
    if factor == 1 {
        return samples.to_vec();
    }
    let reach = 16 * factor;
    let tap = |index: usize| {
        let offset = index as f64 - reach as f64;
        let x = PI * offset / factor as f64 * PASS_BAND;
        let sinc = if index == reach { 1.0 } else { x.sin() / x };
        let window = 0.5 + 0.5 * (PI * offset / (reach + 1) as f64).cos();
        sinc * window * PASS_BAND / factor as f64
    };
    let taps: Vec<f64> = (0..=2 * reach).map(tap).collect();
    let around = vec![0.0; reach];
    let padded = [&around, samples, &around].concat();
    let filtered = |window: &[f64]| window.iter().zip(&taps).map(|(sample, tap)| sample * tap).sum();
    padded.windows(taps.len()).step_by(factor).map(filtered).collect()
}

/// The normalised cross-correlation of `prompt` with `recording` at the lag where it is highest: 1 for a perfect
/// copy at any level, about 0 for something else.
pub fn correlation(recording: &[f64], prompt: &[f64]) -> f64 {
    if recording.len() < prompt.len() {
        return 0.0;
    }
    let lags = recording.len() - prompt.len();
    // The loudness of speech changes slowly, so that it finds the place cheaply; sound itself then decides.
    let (loudness, pattern) = (envelope(recording), envelope(prompt));
    let coarse = (0..=lags / COARSE).map(|lag| (lag, normalised(&loudness[lag..], &pattern)));
    let mut places: Vec<(usize, f64)> = coarse.collect();
    places.sort_by(|a, b| b.1.total_cmp(&a.1));
    let around =
        |place: usize| (place * COARSE).saturating_sub(2 * COARSE)..=(place * COARSE + 2 * COARSE).min(lags);
    let candidates = places.iter().take(5).flat_map(|&(place, _)| around(place));
    candidates.map(|lag| normalised(&recording[lag..], prompt)).fold(0.0, f64::max)
}

fn envelope(samples: &[f64]) -> Vec<f64> {
    samples.chunks(COARSE).map(|chunk| chunk.iter().map(|sample| sample.abs()).sum()).collect()
}

/// The correlation of `pattern` with as many first values of `signal`.
fn normalised(signal: &[f64], pattern: &[f64]) -> f64 {
    let pairs = || signal.iter().zip(pattern);
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    let (energy, other): (f64, f64) = pairs().fold((0.0, 0.0), |(a2, b2), (a, b)| (a2 + a * a, b2 + b * b));
    if energy == 0.0 || other == 0.0 { 0.0 } else { product / (energy * other).sqrt() }
}

/// A prompt of the demo, as it sounds on the wire.
pub fn prompt(id: &str) -> Vec<f64> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/en").join(id).with_extension("wav"))
}

#[test]
fn a_prompt_is_found_in_a_recording_and_not_in_another() {
    let prompt = prompt("greeting");
    let other = self::prompt("ask-secret");
    let mut recording = vec![0.0; 1234];
    recording.extend(prompt.iter().map(|sample| sample * 0.7));
    recording.extend(vec![0.0; 777]);
    assert!(correlation(&recording, &prompt) > 0.999);
    assert!(correlation(&recording, &other[..prompt.len().min(other.len())]) < 0.3);
}
