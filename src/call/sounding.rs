//! What is said, as recordings to be played.

use std::sync::Arc;

use super::speaking::Fetched;
use crate::audio::Library;
use crate::flow::{LanguageName, Play, PromptId, Sound};
use crate::say::{self, Kind};
use crate::secret::Secret;
use crate::{flow, media};

/// Plays what a conversation says, in its language. What was to be fetched and has not come is said by its fall-back.
pub(super) fn command(library: &Library, play: &Play, fetched: &Fetched) -> media::Command {
    let pieces_of = |(place, sound)| match fetched.get(&place) {
        Some(prompt) => vec![media::Piece::Prompt(Arc::clone(prompt))],
        None => pieces(library, &play.language, sound),
    };
    let pieces = play.sounds.iter().enumerate().flat_map(pieces_of).collect();
    media::Command::Play { id: media::PlayId(play.id.0), pieces, repeat: play.looped }
}

/// Plays these once.
pub fn prompts(library: &Library, language: &str, prompts: &[PromptId]) -> media::Command {
    let pieces = prompts.iter().filter_map(|id| prompt(library, language, id)).collect();
    media::Command::Play { id: media::PlayId(flow::PlayId(0).0), pieces, repeat: false }
}

fn prompt(library: &Library, language: &str, id: &PromptId) -> Option<media::Piece> {
    library.prompt(language, id).map(media::Piece::Prompt)
}

fn pieces(library: &Library, language: &LanguageName, sound: &Sound) -> Vec<media::Piece> {
    match sound {
        Sound::PromptIn(other, id) => prompt(library, other.as_str(), id).into_iter().collect(),
        Sound::Prompt(id) | Sound::Recorded(_, id) | Sound::Text(_, Some(id)) => {
            prompt(library, language.as_str(), id).into_iter().collect()
        }
        Sound::Value(kind, value) => value_pieces(library, language, *kind, value),
        Sound::Silence(time) => vec![media::Piece::Silence(*time)],
        Sound::Text(_, None) => Vec::new(),
    }
}

/// A value by the language's rules. One that cannot be said is left out; what it was is in no log.
fn value_pieces(library: &Library, language: &LanguageName, kind: Kind, value: &Secret) -> Vec<media::Piece> {
    let Some(rules) = library.language(language.as_str()) else {
        tracing::warn!(%language, "the language has no rules for values");
        return Vec::new();
    };
    let said = kind.read(value.expose()).and_then(|saying| rules.say(&saying));
    let said = said.unwrap_or_else(|why| {
        tracing::warn!(%language, %kind, %why, "a value cannot be said");
        Vec::new()
    });
    let piece = |piece| match piece {
        say::Piece::Prompt(id) => prompt(library, language.as_str(), &id),
        say::Piece::Silence(time) => Some(media::Piece::Silence(time)),
    };
    said.into_iter().filter_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{Source, Wanted, Wideband};
    use crate::flow::PlayId;

    #[test]
    fn values_are_said_in_the_callers_language() {
        let wanted = ["en", "de"].map(|language| {
            let rules = Source::Embedded.rules(language).expect("rules without faults").expect("rules");
            let mut ids = rules.prompts_of([Kind::Number]);
            ids.insert(PromptId::new("greeting"));
            (language.into(), ids)
        });
        let wanted = Wanted::from(wanted);
        let loaded = Library::load_all(&Source::Embedded, &wanted, Wideband::Unused, &|_, _| {});
        let library = loaded.expect("they are there");
        let lengths = |language: &str, sounds: Vec<Sound>| {
            let play = Play { id: PlayId(3), language: LanguageName::new(language), sounds, looped: true };
            let media::Command::Play { id: media::PlayId(3), pieces, repeat: true } =
                command(&library, &play, &Fetched::new())
            else {
                panic!("it is played again and again");
            };
            pieces.len()
        };
        let number = |text: &str| Sound::Value(Kind::Number, Secret::new(text.to_owned()));
        assert_eq!(lengths("en", vec![number("21")]), 2);
        assert_eq!(lengths("de", vec![number("1001")]), 3);
        assert_eq!(lengths("en", vec![number("many")]), 0, "what is no number is left out");
        let greeting = || PromptId::new("greeting");
        let sounds = vec![
            Sound::Prompt(greeting()),
            Sound::PromptIn(LanguageName::new("de"), greeting()),
            Sound::Silence(Duration::from_millis(300)),
            Sound::Text("Hello".to_owned(), Some(greeting())),
            Sound::Text("Hello".to_owned(), None),
        ];
        assert_eq!(lengths("en", sounds), 4);
        assert_eq!(lengths("xx", vec![number("1")]), 0);
    }
}
