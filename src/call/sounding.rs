//! What is said, as recordings to be played.

use std::sync::Arc;

use crate::audio::{Library, Prompt};
use crate::flow::{Form, Play, PlayId, PromptId, Sound};
use crate::media;
use crate::secret::Secret;

/// Plays what a conversation says.
pub fn command(library: &Library, play: &Play) -> media::Command {
    let recordings = play.sounds.iter().flat_map(|sound| recordings(library, sound)).collect();
    media::Command::Play(media::PlayId(play.id.0), recordings)
}

/// Plays these once.
pub fn prompts(library: &Library, prompts: &[PromptId]) -> media::Command {
    let recordings = prompts.iter().filter_map(|prompt| library.prompt(prompt.as_str())).collect();
    media::Command::Play(media::PlayId(PlayId(0).0), recordings)
}

fn recordings(library: &Library, sound: &Sound) -> Vec<Arc<Prompt>> {
    match sound {
        Sound::Prompt(prompt)
        | Sound::PromptIn(_, prompt)
        | Sound::Recorded(_, prompt)
        | Sound::Text(_, Some(prompt)) => library.prompt(prompt.as_str()).into_iter().collect(),
        Sound::Value(form, value) => value_recordings(library, *form, value),
        Sound::Text(_, None) | Sound::Silence(_) => Vec::new(),
    }
}

fn value_recordings(library: &Library, _form: Form, value: &Secret) -> Vec<Arc<Prompt>> {
    let digits = value.expose().chars().filter(char::is_ascii_digit);
    digits.filter_map(|digit| library.prompt(&format!("digit-{digit}"))).collect()
}
