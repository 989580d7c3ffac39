//! The recordings as they are committed: one for each text and no other, all of one form and one loudness.
//!
//! They are made by `prompts/make.py`; this holds what it promises without running it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const RATE: u32 = 16_000;
/// A RIFF header of three chunks, as Python's `wave` writes it.
const HEADER_BYTES: usize = 44;
/// -4 dBFS, where the script's limiter stands.
const PEAK_MAX: f64 = 0.631;
const SILENT_BELOW: f64 = 0.001;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/en")
}

fn texts() -> Vec<(String, String)> {
    let file = fs::read_to_string(folder().with_extension("toml")).expect("the texts are there");
    let entries =
        file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    entries.map(|(name, text)| (name.to_owned(), text.trim_matches('"').to_owned())).collect()
}

/// Samples of a recording, -1 to 1.
fn samples(name: &str) -> Vec<f64> {
    let bytes = fs::read(folder().join(name).with_extension("wav")).expect("each text is recorded");
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((&bytes[..4], &bytes[8..16], &bytes[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    assert_eq!(number(20), 1 << 16 | 1, "{name}: PCM, one channel");
    assert_eq!(number(24), RATE, "{name}");
    assert_eq!(number(32), 16 << 16 | 2, "{name}: two bytes a frame, 16 bits a sample");
    let data = &bytes[HEADER_BYTES..];
    assert_eq!(number(40) as usize, data.len(), "{name}: whole");
    data.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_767.0).collect()
}

fn seconds(samples: &[f64]) -> f64 {
    samples.len() as f64 / f64::from(RATE)
}

fn silence_s<'a>(samples: impl Iterator<Item = &'a f64>) -> f64 {
    samples.take_while(|sample| sample.abs() < SILENT_BELOW).count() as f64 / f64::from(RATE)
}

#[test]
fn every_text_is_recorded_and_nothing_else() {
    let named: BTreeSet<String> = texts().into_iter().map(|(name, _)| format!("{name}.wav")).collect();
    let files = fs::read_dir(folder()).expect("the recordings are there");
    let found: BTreeSet<String> = files
        .map(|file| file.expect("an entry can be read").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(named, found);
    assert!(named.len() >= 60);
}

#[test]
fn recordings_are_whole_even_and_cut_close() {
    for (name, text) in texts() {
        let samples = samples(&name);
        let peak = samples.iter().fold(0.0, |peak: f64, sample| peak.max(sample.abs()));
        let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
        let level_db = 10.0 * power.log10();
        let per_letter_ms = 1000.0 * seconds(&samples) / text.len() as f64;
        assert!((0.2..PEAK_MAX).contains(&peak), "{name}: peak {peak:.3}");
        assert!((-26.0..-20.0).contains(&level_db), "{name}: {level_db:.1} dBFS");
        assert!((45.0..190.0).contains(&per_letter_ms), "{name}: {per_letter_ms:.0} ms a letter");
        assert!((0.03..0.15).contains(&silence_s(samples.iter())), "{name}: silence before");
        assert!((0.06..0.25).contains(&silence_s(samples.iter().rev())), "{name}: silence after");
    }
}

#[test]
fn nobody_waits_long() {
    assert!(seconds(&samples("greeting")) < 3.0);
    for (name, _) in texts() {
        let longest = if name.starts_with("digit-") || name.starts_with("number-") { 1.0 } else { 5.0 };
        let length = seconds(&samples(&name));
        assert!(length < longest, "{name}: {length:.1} s");
    }
}
