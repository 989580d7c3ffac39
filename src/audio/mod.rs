//! Sound: codecs, recordings, prompts.
//!
//! Recordings are read, brought to 8000 Hz and encoded when the program starts; what plays on a call is octets
//! that are already right for the wire. Nothing here knows of packets: that is `rtp` and `media`.

mod codec;
mod library;
mod prompt;
mod resample;
mod wav;

pub use codec::Codec;
pub use library::{Library, PromptFault, Source};
pub use prompt::Prompt;
pub use wav::{Recording, WavFault, read as read_wav};

/// Samples a second of everything that we send and receive (RFC 3551 §4.5.14).
pub const SAMPLE_RATE: u32 = 8000;
