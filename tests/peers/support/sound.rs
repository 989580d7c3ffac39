//! Whether a recording holds a prompt.

use std::f64::consts::PI;
use std::path::Path;

use portero::audio::{Codec, Law, Library, Source, Wideband};
use portero::say::PromptId;

/// Everything is compared at the rate of the wire.
const RATE: u32 = 8000;
/// Samples, 5 ms of them, whose loudness is one value of the envelope that finds the place to compare at.
const COARSE: usize = 40;
/// Samples that are compared at a time: a quarter of a second, a syllable or two.
const PIECE: usize = 2000;
/// How far from where it is expected a piece is looked for first: 10 ms, because loudness places it no better.
const NEAR: usize = 80;
/// How far it may lie at most: 250 ms, as long as a busy machine has been seen to stall.
const REACH: usize = 2000;
/// What no other speech comes near.
const SURELY: f64 = 0.8;
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

/// How much of `recording` is a copy of `prompt`, where it is most like it: 1 for a perfect copy at any level, about
/// 0 for something else.
///
/// It is the median of what the pieces of the prompt say, each by its normalised cross-correlation at the lag where
/// that is highest: where a busy machine sends late, one piece is spoiled and the rest are shifted, and it is the
/// same prompt.
pub fn correlation(recording: &[f64], prompt: &[f64]) -> f64 {
    let mut start = place(recording, prompt);
    let mut found = Vec::new();
    for piece in prompt.chunks_exact(PIECE) {
        let mut best = highest(recording, piece, start, NEAR);
        if best.0 < SURELY {
            best = highest(recording, piece, start, REACH);
        }
        found.push(best.0);
        // A piece that was not found says nothing of where the next one is.
        start = if best.0 < SURELY { start } else { best.1 } + PIECE;
    }
    found.sort_by(f64::total_cmp);
    found.get(found.len() / 2).copied().unwrap_or(0.0)
}

/// Where `prompt` begins in `recording`, about: its loudness changes slowly, so that it finds the place cheaply.
fn place(recording: &[f64], prompt: &[f64]) -> usize {
    let (loudness, pattern) = (envelope(recording), envelope(prompt));
    let lags = 0..=loudness.len().saturating_sub(pattern.len());
    let best = lags.max_by(|&a, &b| {
        normalised(&loudness[a..], &pattern).total_cmp(&normalised(&loudness[b..], &pattern))
    });
    best.unwrap_or(0) * COARSE
}

/// The highest normalised cross-correlation of `piece` with `recording` up to `reach` from `start`, and where it is.
fn highest(recording: &[f64], piece: &[f64], start: usize, reach: usize) -> (f64, usize) {
    let lags = start.saturating_sub(reach)..=start + reach;
    let signals = lags.filter_map(|lag| Some((recording.get(lag..lag + piece.len())?, lag)));
    let values = signals.map(|(signal, lag)| (normalised(signal, piece), lag));
    values.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, start))
}

fn envelope(samples: &[f64]) -> Vec<f64> {
    samples.chunks(COARSE).map(|chunk| chunk.iter().map(|sample| sample.abs()).sum()).collect()
}

/// The correlation of `pattern` with as many first values of `signal`.
fn normalised(signal: &[f64], pattern: &[f64]) -> f64 {
    let (mut product, mut energy, mut other) = (0.0, 0.0, 0.0);
    for (a, b) in signal.iter().zip(pattern) {
        product += a * b;
        energy += a * a;
        other += b * b;
    }
    if energy == 0.0 || other == 0.0 { 0.0 } else { product / (energy * other).sqrt() }
}

/// A prompt of the demo, as it sounds on the wire.
pub fn prompt(id: &str) -> Vec<f64> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/en").join(id).with_extension("wav"))
}

/// The same of any language that the program has inside.
pub fn prompt_in(language: &str, id: &str) -> Vec<f64> {
    let library =
        Library::load(&Source::Embedded, language, [id], Wideband::Unused).expect("a recording of ours");
    let prompt = library.prompt(language, &PromptId::new(id)).expect("it is loaded");
    prompt.octets(Codec::Pcmu).iter().map(|octet| f64::from(Law::Mu.decode(*octet))).collect()
}

#[test]
fn a_prompt_is_found_in_a_recording_and_not_in_another() {
    let prompt = prompt("greeting");
    let heard: Vec<f64> = prompt.iter().map(|sample| sample * 0.7).collect();
    let recording = [vec![0.0; 1234], heard.clone(), vec![0.0; 777]].concat();
    assert!(correlation(&recording, &prompt) > 0.999);
    let (before, after) = heard.split_at(heard.len() / 2);
    let with_a_gap = [&[0.0; 1234], before, &[0.0; 1200], after].concat();
    assert!(correlation(&with_a_gap, &prompt) > 0.9);
    for id in ["ask-secret", "agent-verified"] {
        let other = correlation(&recording, &self::prompt(id));
        assert!(other < 0.6, "{id}: {other}");
    }
}
