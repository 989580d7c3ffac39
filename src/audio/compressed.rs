//! Reading FLAC, Ogg (Vorbis or FLAC) and MP3 recordings, mono or stereo, with symphonia. Stereo is mixed to mono.
//!
//! A file that does not end as it should is a fault: half a sentence is worse than an error at the start.

use std::io::{Cursor, ErrorKind};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{get_codecs, get_probe};

use super::recording::{RATES, Recording, RecordingFault, SECONDS_MAX, mix};

/// How files of these kinds begin: FLAC, Ogg, and MP3 with tags and without.
const BEGINNINGS: [&[u8]; 5] = [b"fLaC", b"OggS", b"ID3", &[0xFF, 0xFB], &[0xFF, 0xF3]];

/// Reads a whole recording.
pub(super) fn read(bytes: &[u8]) -> Result<Recording, RecordingFault> {
    let source = Box::new(Cursor::new(bytes.to_vec()));
    let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let (formats, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader =
        get_probe().probe(&Hint::new(), stream, formats, metadata).map_err(|_| unrecognised(bytes))?;
    let track = reader.default_track(TrackType::Audio).ok_or(RecordingFault::Unsupported)?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.cloned().ok_or(RecordingFault::Unsupported)?;
    let number = track.id;
    let rate = check(&parameters)?;
    let samples = decode(&mut *reader, number, &parameters, rate)?;
    if samples.is_empty() { Err(RecordingFault::Empty) } else { Ok(Recording { rate, samples }) }
}

/// What is wrong with a file whose kind the probe does not see: perhaps it begins as it should.
fn unrecognised(bytes: &[u8]) -> RecordingFault {
    let begins_well = BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning));
    if begins_well { RecordingFault::Damaged } else { RecordingFault::Container }
}

/// Checks what the header says; tells the rate.
fn check(parameters: &AudioCodecParameters) -> Result<u32, RecordingFault> {
    let channels = parameters.channels.as_ref().map_or(0, Channels::count);
    if !(1..=2).contains(&channels) {
        return Err(RecordingFault::Channels(channels as u16));
    }
    let rate = parameters.sample_rate.unwrap_or(0);
    if RATES.contains(&rate) { Ok(rate) } else { Err(RecordingFault::Rate(rate)) }
}

fn decode(
    reader: &mut dyn FormatReader,
    track: u32,
    parameters: &AudioCodecParameters,
    rate: u32,
) -> Result<Vec<f32>, RecordingFault> {
    let options = AudioDecoderOptions::default();
    let mut decoder =
        get_codecs().make_audio_decoder(parameters, &options).map_err(|_| RecordingFault::Unsupported)?;
    let (mut samples, mut interleaved) = (Vec::new(), Vec::new());
    while let Some(packet) = reader.next_packet().map_err(|error| fault(&error))? {
        if packet.track_id != track {
            continue;
        }
        let stretch = decoder.decode(&packet).map_err(|error| fault(&error))?;
        mix(&stretch, &mut interleaved, &mut samples);
        if samples.len() > SECONDS_MAX as usize * rate as usize {
            return Err(RecordingFault::TooLong);
        }
    }
    let promised = promised_frames(reader, track);
    if promised.is_some_and(|frames| (samples.len() as u64) < frames) {
        return Err(RecordingFault::CutOff);
    }
    Ok(samples)
}

/// How many samples the header promises.
fn promised_frames(reader: &dyn FormatReader, track: u32) -> Option<u64> {
    reader.tracks().iter().find(|known| known.id == track)?.num_frames
}

fn fault(error: &Error) -> RecordingFault {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => RecordingFault::CutOff,
        Error::Unsupported(_) => RecordingFault::Unsupported,
        _ => RecordingFault::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::wav;

    /// The same half second at 16 kHz, a chord, as encoded by others (flac 1.4, oggenc 1.4, lame 3.100).
    const FILES: [(&str, &[u8], f64); 3] = [
        ("FLAC", include_bytes!("testdata/chord.flac"), 1e-9),
        ("Ogg Vorbis", include_bytes!("testdata/chord.ogg"), 0.05),
        ("MP3", include_bytes!("testdata/chord.mp3"), 0.05),
    ];

    /// What they were made from.
    fn chord() -> Recording {
        wav::read(include_bytes!("testdata/chord.wav")).expect("a plain file")
    }

    /// The least that two sounds differ by, for any delay up to two packets of MP3: power over power.
    fn difference(made: &[f32], read: &[f32]) -> f64 {
        let power = |values: &mut dyn Iterator<Item = f32>| -> f64 {
            values.map(|value| f64::from(value).powi(2)).sum()
        };
        let middle = &made[1600..made.len() - 1600];
        let all = power(&mut middle.iter().copied());
        let apart = |delay: usize| {
            power(&mut middle.iter().zip(&read[delay..]).map(|(one, other)| one - other)) / all
        };
        (0..3200).filter(|delay| delay + middle.len() <= read.len()).map(apart).fold(f64::MAX, f64::min)
    }

    #[test]
    fn what_others_have_compressed_is_read() {
        let made = chord();
        for (name, bytes, most) in FILES {
            let read = read(bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(read.rate, 16_000, "{name}");
            let apart = difference(&made.samples, &read.samples);
            assert!(apart <= most, "{name}: {apart}");
        }
    }

    #[test]
    fn what_is_cut_off_or_no_recording_is_told() {
        for (name, bytes, _) in &FILES[..2] {
            let fault = read(&bytes[..bytes.len() * 2 / 3]).expect_err(name);
            assert!(matches!(fault, RecordingFault::CutOff | RecordingFault::Damaged), "{name}: {fault}");
        }
        for nothing in [&b""[..], b"a letter, not a recording", &[0; 4096]] {
            assert_eq!(read(nothing), Err(RecordingFault::Container));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_is_a_fault_and_no_panic(which in 0_usize..3, at in 0_usize..8000, with: u8, length in 1_usize..8000) {
            let mut bytes = FILES[which].1.to_vec();
            let end = bytes.len();
            bytes[at % end] = with;
            bytes.truncate(length.max(at % end));
            let read = read(&bytes);
            prop_assert!(read.is_err() || read.is_ok_and(|recording| !recording.samples.is_empty()));
        }
    }
}
