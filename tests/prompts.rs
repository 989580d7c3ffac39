//! The recordings as they are committed: one for each text and no other, all of one form and one loudness.
//!
//! They are made by `prompts/make.py`; this holds what it promises without running it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portero::audio::read_recording;

/// The languages, and what their recordings end in.
const LANGUAGES: [(&str, &str); 2] = [("en", "wav"), ("de", "flac")];
const RATE: u32 = 16_000;
/// The bytes of PCM, one channel, 16 000 Hz, 16 bits a sample, as Python's `wave` writes them behind `WAVEfmt `.
const WAV_FORMAT: [u8; 20] = [16, 0, 0, 0, 1, 0, 1, 0, 0x80, 0x3E, 0, 0, 0, 0x7D, 0, 0, 2, 0, 16, 0];
/// One channel, 16 000 Hz, 16 bits a sample, as FLAC has them behind its frames' sizes.
const FLAC_FORMAT: [u8; 3] = [0x03, 0xE8, 0x00];
/// -4 dBFS, where the script's limiter stands.
const PEAK_MAX: f64 = 0.631;
const SILENT_BELOW: f64 = 0.001;

fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts").join(language)
}

fn texts(language: &str) -> Vec<(String, String)> {
    let file = fs::read_to_string(folder(language).with_extension("toml")).expect("the texts are there");
    let entries =
        file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    entries.map(|(name, text)| (name.to_owned(), text.trim_matches('"').to_owned())).collect()
}

/// Samples of a recording, -1 to 1.
fn samples(language: &str, name: &str) -> Vec<f64> {
    let (_, ending) =
        LANGUAGES.into_iter().find(|(known, _)| *known == language).expect("a language of ours");
    let bytes = fs::read(folder(language).join(name).with_extension(ending)).expect("each text is recorded");
    match ending {
        "wav" => assert_eq!((&bytes[8..16], &bytes[16..36]), (&b"WAVEfmt "[..], &WAV_FORMAT[..]), "{name}"),
        _ => assert_eq!((&bytes[..4], &bytes[18..21]), (&b"fLaC"[..], &FLAC_FORMAT[..]), "{name}"),
    }
    let recording = read_recording(&bytes).expect("it can be read");
    assert_eq!(recording.rate, RATE, "{name}");
    recording.samples.into_iter().map(f64::from).collect()
}

/// Every recording by its language, its name and its text.
fn recordings() -> impl Iterator<Item = (&'static str, String, String)> {
    let of = |(language, _)| texts(language).into_iter().map(move |(name, text)| (language, name, text));
    LANGUAGES.into_iter().flat_map(of)
}

fn is_piece(name: &str) -> bool {
    ["digit-", "number-", "ordinal-", "month-", "time-", "money-"].iter().any(|kind| name.starts_with(kind))
}

fn seconds(samples: &[f64]) -> f64 {
    samples.len() as f64 / f64::from(RATE)
}

fn silence_s<'a>(samples: impl Iterator<Item = &'a f64>) -> f64 {
    samples.take_while(|sample| sample.abs() < SILENT_BELOW).count() as f64 / f64::from(RATE)
}

#[test]
fn every_text_is_recorded_and_nothing_else() {
    for (language, ending) in LANGUAGES {
        let named: BTreeSet<String> =
            texts(language).into_iter().map(|(name, _)| format!("{name}.{ending}")).collect();
        let files = fs::read_dir(folder(language)).expect("the recordings are there");
        let found: BTreeSet<String> = files
            .map(|file| file.expect("an entry can be read").file_name().to_string_lossy().into_owned())
            .filter(|file| file != "rules.toml")
            .collect();
        assert_eq!(named, found);
        assert!(named.len() >= 100);
    }
}

/// What values are made of differs by language; what a conversation says does not.
#[test]
fn every_language_says_everything() {
    let said = |language| -> BTreeSet<String> {
        texts(language).into_iter().map(|(name, _)| name).filter(|name| !is_piece(name)).collect()
    };
    assert_eq!(said("en"), said("de"));
}

#[test]
fn recordings_are_whole_even_and_cut_close() {
    for (language, name, text) in recordings() {
        let samples = samples(language, &name);
        let peak = samples.iter().fold(0.0, |peak: f64, sample| peak.max(sample.abs()));
        let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64;
        let level_db = 10.0 * power.log10();
        let per_letter_ms = 1000.0 * seconds(&samples) / text.chars().count() as f64;
        assert!((0.2..PEAK_MAX).contains(&peak), "{language}/{name}: peak {peak:.3}");
        assert!((-26.5..-19.0).contains(&level_db), "{language}/{name}: {level_db:.1} dBFS");
        assert!((45.0..190.0).contains(&per_letter_ms), "{language}/{name}: {per_letter_ms:.0} ms a letter");
        assert!((0.03..0.15).contains(&silence_s(samples.iter())), "{language}/{name}: silence before");
        assert!((0.06..0.25).contains(&silence_s(samples.iter().rev())), "{language}/{name}: silence after");
    }
}

#[test]
fn nobody_waits_long() {
    for (language, name, _) in recordings() {
        let longest = match name.as_str() {
            "greeting" => 3.0,
            name if is_piece(name) => 1.6,
            // A question can be cut short by its answer, and German takes longer to ask it.
            _ if language == "de" => 8.5,
            _ => 6.2,
        };
        let length = seconds(&samples(language, &name));
        assert!(length < longest, "{language}/{name}: {length:.1} s");
    }
}
