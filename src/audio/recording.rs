//! A recording as read, and what can be wrong with one. Which reader it is for is seen from its first octets, not from
//! its name.

use symphonia::core::audio::GenericAudioBufferRef;

use super::{compressed, wav};

/// The longest recording that is read, in seconds. Music on hold loops; nothing that is said takes ten minutes.
pub(super) const SECONDS_MAX: u32 = 600;

/// The sampling rates that recordings come in, in Hz.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 8000..=192_000;

/// A recording: mono, at its own rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples a second.
    pub rate: u32,
    /// Full scale is -1 to 1.
    pub samples: Vec<f32>,
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingFault {
    /// Another kind of file.
    #[error("not a recording that can be read; WAV, FLAC, Ogg Vorbis and MP3 can")]
    Container,
    /// Its kind is known, and it is not as that kind should be.
    #[error("the file is damaged")]
    Damaged,
    /// A compressed or unheard-of encoding inside WAV.
    #[error("encoding {tag:#06x} with {bits} bits a sample; only PCM, A-law and µ-law can be used in WAV")]
    Encoding {
        /// The format tag, of the sub-format where the file is EXTENSIBLE.
        tag: u16,
        /// Bits a sample.
        bits: u16,
    },
    /// An encoding inside another container that is not read.
    #[error("an encoding that cannot be read; FLAC, Vorbis and MP3 can")]
    Unsupported,
    /// It ends before its own header says it does.
    #[error("the file is cut off: it ends before the length in its header")]
    CutOff,
    /// More than two channels, or none.
    #[error("{0} channels; only mono and stereo can be used")]
    Channels(u16),
    /// A sampling rate outside 8000-192000 Hz.
    #[error("sampled at {0} Hz; only 8000 to 192000 Hz can be used")]
    Rate(u32),
    /// No sample in it.
    #[error("there is no sound in it")]
    Empty,
    /// Longer than ten minutes.
    #[error("longer than {} minutes", SECONDS_MAX / 60)]
    TooLong,
}

/// Reads a whole recording.
///
/// # Errors
/// Where it cannot be played.
pub fn read(bytes: &[u8]) -> Result<Recording, RecordingFault> {
    if bytes.starts_with(b"RIFF") { wav::read(bytes) } else { compressed::read(bytes) }
}

/// Appends a decoded stretch to `samples`, the mean of its channels. `interleaved` is room to work in.
pub(super) fn mix(decoded: &GenericAudioBufferRef<'_>, interleaved: &mut Vec<f32>, samples: &mut Vec<f32>) {
    decoded.copy_to_vec_interleaved(interleaved);
    match decoded.num_planes() {
        1 => samples.extend(interleaved.iter().copied().map(sound)),
        _ => samples
            .extend(interleaved.chunks_exact(2).map(|pair| f32::midpoint(sound(pair[0]), sound(pair[1])))),
    }
}

/// A sample that can be heard. Files of floating-point numbers can hold any of them, and one that is infinite or no
/// number at all would spoil all that is resampled with it.
fn sound(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}
