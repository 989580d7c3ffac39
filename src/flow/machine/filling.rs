//! What is said, with its gaps filled in. A piece whose value is not known is left out.

use super::super::{Piece, Sound, Source, TextPart};
use super::Flow;
use super::state::{Asking, Phase, State};
use crate::say::Kind;
use crate::secret::Secret;

/// How many of a contact's last characters are said of it.
const ENDING: usize = 2;

/// A contact on offer: its place, from 0, and what it is.
type Offer<'a> = (usize, &'a str);

impl Flow {
    pub(super) fn fill(&self, pieces: &[Piece]) -> Vec<Sound> {
        self.fill_for(pieces, None)
    }

    /// What is said of the contacts on offer.
    pub(super) fn offered(&self, factor: usize) -> Vec<Sound> {
        let Some(plan) = self.line.factors.get(factor).and_then(|factor| factor.code()) else {
            return Vec::new();
        };
        let contacts = self.offers.contacts.iter().map(String::as_str).enumerate();
        contacts.flat_map(|contact| self.fill_for(&plan.offer.pieces, Some(contact))).collect()
    }

    fn fill_for(&self, pieces: &[Piece], offer: Option<Offer<'_>>) -> Vec<Sound> {
        let mut sounds = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Prompt(prompt) => sounds.push(Sound::Prompt(prompt.clone())),
                Piece::PromptIn(language, prompt) => {
                    sounds.push(Sound::PromptIn(language.clone(), prompt.clone()));
                }
                Piece::Silence(time) => sounds.push(Sound::Silence(*time)),
                Piece::Value(source, kind) => sounds.extend(self.spoken(source, *kind, offer)),
                Piece::Text(parts, prompt) => {
                    let text: Option<String> = parts.iter().map(|part| self.written(part)).collect();
                    sounds.extend(match text {
                        Some(text) => Some(Sound::Text(text, prompt.clone())),
                        None => prompt.clone().map(Sound::Prompt),
                    });
                }
                Piece::Recorded(attribute, prompt) => {
                    let url = self.audible_customer().and_then(|customer| customer.attribute(attribute));
                    sounds.push(match url {
                        Some(url) => Sound::Recorded(url.to_owned(), prompt.clone()),
                        None => Sound::Prompt(prompt.clone()),
                    });
                }
            }
        }
        sounds
    }

    fn spoken(&self, source: &Source, kind: Kind, offer: Option<Offer<'_>>) -> Vec<Sound> {
        match source {
            Source::Positions => {
                let position = |place: &u8| Sound::Value(kind, Secret::new(place.to_string()));
                self.offers.positions.iter().map(position).collect()
            }
            source => self.value(source, offer).map(|value| Sound::Value(kind, value)).into_iter().collect(),
        }
    }

    fn value(&self, source: &Source, offer: Option<Offer<'_>>) -> Option<Secret> {
        let customer = self.audible_customer();
        let text = match source {
            Source::Name => customer?.name.clone()?,
            Source::Attribute(name) => customer?.attribute(name)?.to_owned(),
            Source::Entry => return self.keyed().cloned(),
            Source::Positions => return None,
            Source::ContactEnding => ending(offer?.1),
            Source::Key => (offer?.0 + 1).to_string(),
        };
        Some(Secret::new(text))
    }

    /// What is to be confirmed.
    fn keyed(&self) -> Option<&Secret> {
        match &self.state {
            State::Asking(_, Asking { phase: Phase::Confirming(keyed, _), .. }) => Some(keyed),
            _ => None,
        }
    }

    fn written(&self, part: &TextPart) -> Option<String> {
        match part {
            TextPart::Plain(text) => Some(text.clone()),
            TextPart::Value(source) => self.value(source, None).map(|value| value.expose().to_owned()),
        }
    }
}

fn ending(contact: &str) -> String {
    let digits: Vec<char> = contact.chars().filter(char::is_ascii_alphanumeric).collect();
    digits[digits.len().saturating_sub(ENDING)..].iter().collect()
}
