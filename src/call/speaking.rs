//! What has to be fetched before it can be said: texts for the voice, and recordings of the back end's.
//!
//! The caller waits for it, up to a deadline, and then hears what has come, and a fall-back for what has not. What is
//! fetched is personal: nothing here has a `Debug` that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::audio::Prompt;
use crate::flow::{LanguageName, Play, PlayId, Sound};

/// What can be fetched, and how long a caller waits for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Speech {
    /// Whether there is a voice for texts.
    pub texts: bool,
    /// Whether recordings are fetched from where the back end says.
    pub recordings: bool,
    /// How long a caller waits; 100 ms to 10 s.
    pub deadline: Duration,
}

/// One thing to be fetched for a call: tell [`Switchboard::spoken`](super::Switchboard::spoken) with its `play` and
/// `place`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// What it is to be part of.
    pub play: PlayId,
    /// Which part.
    pub place: usize,
    /// The caller's language.
    pub language: LanguageName,
    /// What is to be fetched.
    pub said: Said,
}

/// What is to be fetched.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// This text, from the voice.
    Text(String),
    /// The recording at this URL.
    Recording(String),
}

impl fmt::Debug for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Recording(_) => "Recording(…)",
        })
    }
}

/// What has been fetched for a playing, by its places.
pub(super) type Fetched = BTreeMap<usize, Arc<Prompt>>;

/// A playing that waits for what it is made of.
pub(super) struct Pending {
    play: Play,
    missing: BTreeSet<usize>,
    fetched: Fetched,
}

impl fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pending").field("play", &self.play.id).finish_non_exhaustive()
    }
}

impl Speech {
    /// What of a playing has to be fetched.
    pub(super) fn wanted(&self, play: &Play) -> Vec<Utterance> {
        let said = |sound: &Sound| match sound {
            Sound::Text(text, _) if self.texts => Some(Said::Text(text.clone())),
            Sound::Recorded(url, _) if self.recordings => Some(Said::Recording(url.clone())),
            _ => None,
        };
        let sounds = play.sounds.iter().enumerate();
        let utterance = |(place, sound)| {
            Some(Utterance { play: play.id, place, language: play.language.clone(), said: said(sound)? })
        };
        sounds.filter_map(utterance).collect()
    }
}

impl Pending {
    /// A playing that waits for `wanted`.
    pub(super) fn new(play: Play, wanted: &[Utterance]) -> Self {
        let missing = wanted.iter().map(|utterance| utterance.place).collect();
        Self { play, missing, fetched: Fetched::new() }
    }

    /// Takes in what has been fetched, or that it could not be. What belongs to another playing changes nothing.
    pub(super) fn take(&mut self, play: PlayId, place: usize, fetched: Option<Arc<Prompt>>) {
        if self.play.id == play && self.missing.remove(&place) {
            self.fetched.extend(fetched.map(|prompt| (place, prompt)));
        }
    }

    /// Whether nothing is awaited any more.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// What is to be played, and what there is for it.
    pub(super) fn into_parts(self) -> (Play, Fetched) {
        (self.play, self.fetched)
    }
}
