//! What is said by a voice that is somebody else's program or service, and recordings of names from the back end.
//!
//! A text becomes sound by a [`Means`]: a command that reads it and writes a recording, or an HTTP endpoint that is sent
//! it and answers one. What came is kept in a folder for some time, by text and voice, since the same is said again. A
//! recording is fetched only from where the configuration lets it be. All of it is personal: no text is logged, none is
//! a label of a metric, and files are named by what cannot be read back and can be opened by nobody else.
//!
//! Deliberately absent: a voice of our own, redirects and proxies, and waiting: where too much is under way already, it
//! fails at once, and the caller hears the fall-back.

mod cache;
mod command;
mod endpoint;
mod header;
mod voice;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use cache::{Cache, clear};
pub use endpoint::Endpoint;
pub use voice::{Voice, VoiceError, Wanted};

use crate::crm::Url;

/// The longest recording that is played: a sentence with a name in it takes a few seconds, and a voice that goes on for
/// longer has gone wrong.
const LENGTH_MAX: Duration = Duration::from_secs(30);

/// The largest recording that is taken from a voice or a back end: three minutes of 48 kHz mono fit.
const AUDIO_BYTES_MAX: usize = 16 << 20;

/// How things are said that no recording says.
#[derive(Debug, Clone)]
pub struct Config {
    /// What makes sound of a text: each where the one before it fails. None: nothing does.
    pub means: Vec<Means>,
    /// The voice of each language, as the means calls it; a language that is not here has its own name for one.
    pub voices: BTreeMap<String, String>,
    /// How long it may take; 100 ms to 10 s.
    pub deadline: Duration,
    /// How much may be under way at a time, 1 to 1000. One more fails at once.
    pub max_concurrent: usize,
    /// Where it is kept; `None`: nowhere.
    pub cache: Option<Kept>,
    /// From where recordings may be fetched.
    pub recordings_from: Vec<Source>,
}

/// From where recordings may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The beginning of their URLs.
    pub from: Url,
    /// Who may have issued its certificate, as a file of PEM; absent: those that this machine trusts.
    pub trust: Option<PathBuf>,
}

/// What makes sound of a text.
#[derive(Debug, Clone)]
pub enum Means {
    /// A program and its arguments, at least the program. It reads the text and writes a recording.
    Command(Vec<String>),
    /// A web service.
    Endpoint(Endpoint),
}

/// Where what was said is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its folder. It need not exist yet.
    pub folder: PathBuf,
    /// How large it may become.
    pub bytes_max: u64,
    /// How long what is in it is used.
    pub age_max: Duration,
}

/// Why there is nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Too much is under way.
    #[error("too much is being said already")]
    Busy,
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// The program or the service cannot be had, or says that it failed.
    #[error("it failed")]
    Failed,
    /// It is more than a recording of that length has.
    #[error("what came is larger than {AUDIO_BYTES_MAX} bytes")]
    TooLarge,
    /// It is longer than anybody wants to hear.
    #[error("what came is longer than {} s", LENGTH_MAX.as_secs())]
    TooLong,
    /// It is no recording.
    #[error("what came is no recording that can be played")]
    Garbage,
    /// Recordings are not fetched from there.
    #[error("it is not where recordings may be fetched from")]
    NotAllowed,
}

impl Failure {
    /// A metric's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::TooLarge => "too_large",
            Self::TooLong => "too_long",
            Self::Garbage => "garbage",
            Self::NotAllowed => "not_allowed",
        }
    }
}
