//! Sound: codecs, recordings, prompts.
//!
//! Recordings are read, levelled, brought to the rate of each codec and encoded when the program starts; what plays
//! on a call is octets that are already right for the wire. Nothing here knows of packets: that is `rtp` and `media`.

mod codec;
mod compressed;
mod g722;
mod library;
mod loudness;
mod prompt;
mod recording;
mod resample;
mod wav;

pub use codec::{Codec, Law};
pub use g722::Decoder as G722Decoder;
pub use library::{Library, PromptFault, Source, Wanted, Wideband};
pub use prompt::Prompt;
pub use recording::{Recording, RecordingFault, read as read_recording};
pub use wav::read as read_wav;

/// Octets and RTP ticks a second of everything that we send and receive (RFC 3551 §4.5); in G.711 samples, too.
pub const SAMPLE_RATE: u32 = 8000;

/// Samples a second of what G.722 carries (RFC 3551 §4.5.2).
const WIDE_RATE: u32 = 16_000;
