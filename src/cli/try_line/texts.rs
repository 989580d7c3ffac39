//! What is said, as text: the words that recordings were made from, and values as they are written.
//!
//! Words come from `<language>.toml` beside the recordings: those inside the program, and in a folder of one's own. A
//! recording whose words nobody wrote down is told by its name.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use super::conversation::Said;
use crate::flow::{LanguageName, PromptId, Sound};
use crate::say::Kind;

/// The words of the recordings that come with the program.
const SHIPPED: [(&str, &str); 2] =
    [("en", include_str!("../../../prompts/en.toml")), ("de", include_str!("../../../prompts/de.toml"))];

/// The largest file of words that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Whether values are told, which may be a customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// As they are said.
    Told,
    /// By their kind alone, for what is kept.
    Withheld,
}

/// The words of all recordings, by language and name.
#[derive(Debug, Default)]
pub struct Texts(HashMap<(String, String), String>);

impl Texts {
    /// Those that come with the program, and those in `folder`.
    pub fn load(folder: Option<&Path>, languages: &[&str]) -> Self {
        let mut texts = Self::default();
        for (language, text) in SHIPPED {
            texts.add(language, text);
        }
        for language in languages {
            let file = folder.map(|folder| folder.join(format!("{language}.toml")));
            let file = file.filter(|file| file.metadata().is_ok_and(|file| file.len() <= FILE_BYTES_MAX));
            if let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) {
                texts.add(language, &text);
            }
        }
        texts
    }

    /// Adds what a file says: texts by name, in sections or without. What is no text is not for us.
    fn add(&mut self, language: &str, text: &str) {
        let Ok(table) = text.parse::<toml::Table>() else { return };
        let texts = table.into_iter().flat_map(|(name, value)| match value {
            toml::Value::Table(section) => section.into_iter().collect(),
            value => vec![(name, value)],
        });
        for (name, value) in texts {
            if let toml::Value::String(text) = value {
                self.0.insert((language.to_owned(), name), text);
            }
        }
    }

    /// What is said, in words.
    pub fn words(&self, said: &Said, values: Values) -> String {
        let mut words = String::new();
        for sound in &said.sounds {
            let piece = self.piece(sound, &said.language, values);
            let space = if words.is_empty() || piece.is_empty() { "" } else { " " };
            // Writing to a text cannot fail.
            let _ = write!(words, "{space}{piece}");
        }
        words
    }

    fn piece(&self, sound: &Sound, language: &LanguageName, values: Values) -> String {
        match sound {
            Sound::Prompt(prompt) => self.prompt(language, prompt),
            Sound::PromptIn(language, prompt) => self.prompt(language, prompt),
            Sound::Value(form, _) if values == Values::Withheld => format!("<{}>", kind(*form)),
            Sound::Value(form, value) => written(*form, value.expose()),
            Sound::Text(..) if values == Values::Withheld => "<text>".to_owned(),
            Sound::Text(text, _) => text.clone(),
            Sound::Recorded(_, prompt) => format!("<recording, or> {}", self.prompt(language, prompt)),
            Sound::Silence(_) => String::new(),
        }
    }

    fn prompt(&self, language: &LanguageName, prompt: &PromptId) -> String {
        let text = self.0.get(&(language.to_string(), prompt.to_string()));
        text.cloned().unwrap_or_else(|| format!("[{prompt}]"))
    }
}

/// The names of the recordings that are played.
pub fn prompts(said: &Said) -> Vec<&str> {
    said.sounds
        .iter()
        .filter_map(|sound| match sound {
            Sound::Prompt(prompt) | Sound::PromptIn(_, prompt) | Sound::Recorded(_, prompt) => {
                Some(prompt.as_str())
            }
            Sound::Text(_, prompt) => prompt.as_ref().map(PromptId::as_str),
            Sound::Value(..) | Sound::Silence(_) => None,
        })
        .collect()
}

fn kind(form: Kind) -> &'static str {
    match form {
        Kind::Digits => "digits",
        Kind::Number => "number",
        Kind::Ordinal => "place",
        Kind::Date => "date",
        Kind::Time => "time",
        Kind::Money(_) => "amount",
    }
}

fn written(form: Kind, value: &str) -> String {
    match form {
        Kind::Digits => value.chars().map(String::from).collect::<Vec<_>>().join(" "),
        Kind::Ordinal => format!("{value}."),
        Kind::Money(Some(currency)) => format!("{value} {currency}"),
        Kind::Number | Kind::Date | Kind::Time | Kind::Money(None) => value.to_owned(),
    }
}
