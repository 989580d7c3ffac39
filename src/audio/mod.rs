//! Sound: codecs, recordings, prompts.
//!
//! Recordings are read, levelled, brought to the rate of each codec and encoded when the program starts; what plays
//! on a call is octets that are already right for the wire. Nothing here knows of packets: that is `rtp` and `media`.

mod codec;
mod compressed;
mod g722;
mod library;
mod loudness;
mod opus;
mod prompt;
mod recording;
mod resample;
mod wav;

pub use codec::{Codec, Law};
pub use g722::Decoder as G722Decoder;
pub use library::{Library, PromptFault, Source, Wanted, Wideband};
pub use opus::{Decoder as OpusDecoder, SPOKEN as OPUS_SPOKEN};
pub use prompt::{Prompt, Put};
pub use recording::{Recording, RecordingFault, read as read_recording};
pub use wav::read as read_wav;

/// Positions a second in a prompt, whatever its codec: samples of G.711, octets of it and of G.722 (RFC 3551 §4.5).
pub const SAMPLE_RATE: u32 = 8000;

/// Samples a second of what G.722 carries (RFC 3551 §4.5.2).
const WIDE_RATE: u32 = 16_000;
