//! Reads announcements: what is said at one point, as a prompt's name, a list of pieces, or a section with settings.
//!
//! A piece is a text. What it stands for is seen from its form:
//!
//! - `greeting` a recording in the caller's language, `de:greeting` the one in that language
//! - `{{ record.balance | money EUR }}` a value, and how it is said
//! - `pause 500ms` nothing, for so long
//!
//! or a section: `{ text = "Hello {{ name }}", otherwise = "hello" }` is spoken by the voice, `{ recording =
//! "name_audio", otherwise = "dear-customer" }` is at the URL that an attribute of the customer's holds.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::super::section::{Complaint, Kind, Section};
use super::super::{nearest, values};
use crate::flow::{Announcement, LanguageName, Piece, PromptId, Source, TextPart};
use crate::say::{self, Currency};

const PAUSE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(10);
/// The most pieces that make one announcement.
const PIECES_MAX: usize = 32;
/// The longest text for the voice, in characters.
const TEXT_LENGTH_MAX: usize = 1000;

/// What is known where something is said, besides the customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Where {
    /// Nothing.
    #[default]
    Anywhere,
    /// What has just been keyed, to be confirmed.
    Confirming,
    /// Which places of a secret are asked for.
    Places,
    /// Where a one-time code can be sent, one at a time.
    Offer,
}

impl Where {
    fn knows(self, source: &Source) -> bool {
        match source {
            Source::Name | Source::Attribute(_) => true,
            Source::Entry => self == Self::Confirming,
            Source::Positions => self == Self::Places,
            Source::ContactEnding | Source::Key => self == Self::Offer,
        }
    }
}

/// What is said where the file says nothing else, from pieces in the file's own words.
pub(super) fn usual(pieces: &[&str], place: Where) -> Announcement {
    let piece = |text: &&str| piece(text, place).expect("the usual pieces can be read, as a test makes sure");
    Announcement::of(pieces.iter().map(piece).collect())
}

/// The announcement of `key`; `None` where it is not said, or faulty.
pub(super) fn announcement(
    section: &mut Section<'_>,
    key: &'static str,
    place: Where,
) -> Option<Announcement> {
    section.ask(key, Kind::Announcement);
    let value = section.value(key)?;
    one(section, key, value, place)
}

/// The announcement of `key`, or else a prompt.
pub(super) fn announcement_or(section: &mut Section<'_>, key: &'static str, prompt: &str) -> Announcement {
    let said = announcement(section, key, Where::Anywhere);
    said.unwrap_or_else(|| usual(&[prompt], Where::Anywhere))
}

/// The announcements of the list `key`, one an attempt; `None` where it is not said.
pub(super) fn announcements(
    section: &mut Section<'_>,
    key: &'static str,
    place: Where,
) -> Option<Vec<Announcement>> {
    section.ask(key, Kind::Announcements);
    let value = section.value(key)?;
    let Some(items) = value.get_ref().as_array() else {
        section.wrong(key, "a list of what is said at each attempt, as in [\"…\", \"…\"]", value);
        return None;
    };
    if items.is_empty() {
        let why = Complaint::new(
            format!("`{key}` has no prompt"),
            "name at least one, or delete this to have the usual ones",
        );
        section.note(why.at(value.span()));
    }
    Some(items.iter().filter_map(|item| one(section, key, item, place)).collect())
}

fn one<'t>(
    section: &Section<'t>,
    key: &str,
    value: &'t Spanned<DeValue<'t>>,
    place: Where,
) -> Option<Announcement> {
    match section.of(key, &format!("`{key}`"), value) {
        Some(mut inner) => {
            let said = settings(&mut inner, place);
            inner.finish();
            said
        }
        None => pieces(section, key, value, place).map(Announcement::of),
    }
}

fn settings(section: &mut Section<'_>, place: Where) -> Option<Announcement> {
    section.ask("say", Kind::Announcement);
    let pieces = match section.value("say") {
        Some(value) => pieces(section, "say", value, place),
        None => special(section, place).map(|piece| vec![piece]),
    };
    let barge_in = section.flag("barge_in").unwrap_or(true);
    let key_ahead = section.flag("key_ahead").unwrap_or(true);
    Some(Announcement { pieces: pieces?, barge_in, key_ahead })
}

fn pieces<'t>(
    section: &Section<'t>,
    key: &str,
    value: &'t Spanned<DeValue<'t>>,
    place: Where,
) -> Option<Vec<Piece>> {
    match value.get_ref() {
        DeValue::Array(items) => {
            if items.len() > PIECES_MAX {
                let help = format!("up to {PIECES_MAX} will do");
                section.note(Complaint::new("these are too many pieces", help).at(value.span()));
                return None;
            }
            let pieces: Vec<_> =
                items.iter().map(|item| piece_or_special(section, key, item, place)).collect();
            pieces.into_iter().collect()
        }
        _ => piece_or_special(section, key, value, place).map(|piece| vec![piece]),
    }
}

fn piece_or_special<'t>(
    section: &Section<'t>,
    key: &str,
    value: &'t Spanned<DeValue<'t>>,
    place: Where,
) -> Option<Piece> {
    if let Some(mut inner) = section.of(key, "this piece", value) {
        let piece = special(&mut inner, place);
        inner.finish();
        return piece;
    }
    if let Some(text) = value.get_ref().as_str() {
        return section.accept(value.span(), piece(text, place));
    }
    section.wrong(key, "a prompt's name in quotes, a list of pieces, or a section", value);
    None
}

/// A text for the voice, or a recording of the back end's.
fn special(section: &mut Section<'_>, place: Where) -> Option<Piece> {
    let otherwise = section.read("otherwise", values::prompt);
    if let Some(text) = section.text("text") {
        let parts = section.accept(text.span(), text_parts(text.get_ref(), place))?;
        return Some(Piece::Text(parts, otherwise));
    }
    if section.value("recording").is_none() {
        section.miss("say", "\"greeting\"");
        return None;
    }
    let attribute = section.read("recording", attribute);
    if otherwise.is_none() {
        section.miss("otherwise", "\"dear-customer\"");
    }
    Some(Piece::Recorded(attribute?.into(), otherwise?))
}

/// A piece that is a text.
fn piece(text: &str, place: Where) -> Result<Piece, Complaint> {
    if let Some(inside) = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        return value(inside, place);
    }
    if let Some(time) = text.strip_prefix("pause ") {
        return values::duration(PAUSE)(time.trim()).map(Piece::Silence);
    }
    match text.split_once(':') {
        Some((language, prompt)) => {
            let language = LanguageName::new(values::language(language)?);
            Ok(Piece::PromptIn(language, values::prompt(prompt)?))
        }
        None if text.contains("{{") => Err(Complaint::new(
            format!("`{text}` is no piece"),
            "write each value as a piece of its own: [\"your-balance\", \"{{ record.balance | money EUR }}\"]",
        )),
        None => values::prompt(text).map(Piece::Prompt),
    }
}

/// A value and its form: `record.balance | money EUR`.
fn value(inside: &str, place: Where) -> Result<Piece, Complaint> {
    let (name, form) = match inside.split_once('|') {
        Some((name, form)) => (name, Some(form.trim())),
        None => (inside, None),
    };
    let source = source(name, place)?;
    let form = match (form, &source) {
        (_, Source::Name) => {
            return Err(Complaint::new(
                "a name cannot be put together from recordings",
                "have the voice say it: { text = \"Hello {{ name }}\", otherwise = \"hello\" }",
            ));
        }
        (Some(word), _) => form_of(word)?,
        (None, Source::Positions) => say::Kind::Ordinal,
        (None, Source::Attribute(_)) => {
            return Err(Complaint::new(
                format!("it does not say how `{}` is said", name.trim()),
                "add how: {{ record.… | digits }}, number, ordinal, date, time or money EUR",
            ));
        }
        (None, Source::Entry | Source::ContactEnding | Source::Key) => say::Kind::Digits,
    };
    Ok(Piece::Value(source, form))
}

fn form_of(word: &str) -> Result<say::Kind, Complaint> {
    let Some(currency) = word.strip_prefix("money") else {
        return nearest::one_of(&say::Kind::PLAIN, word, "ways")
            .map_err(|help| Complaint::new(format!("there is no way `{word}` to say a value"), help));
    };
    let currency = Currency::parse(currency.trim()).ok_or_else(|| {
        Complaint::new(
            format!("`{word}` names no currency"),
            "write it as ISO 4217 does: money EUR, money USD, money GBP",
        )
    })?;
    Ok(say::Kind::Money(Some(currency)))
}

fn source(name: &str, place: Where) -> Result<Source, Complaint> {
    let name = name.trim();
    let source = match name.strip_prefix("record.") {
        Some(name) => Source::Attribute(attribute(name)?.into()),
        None => match name {
            "name" => Source::Name,
            "entry" => Source::Entry,
            "positions" => Source::Positions,
            "contact" => Source::ContactEnding,
            "key" => Source::Key,
            _ => {
                let known = ["name", "record.…", "entry", "positions", "contact", "key"];
                let help = nearest::nearest(name, &known, "values");
                return Err(Complaint::new(format!("there is no value `{{{{ {name} }}}}`"), help));
            }
        },
    };
    if place.knows(&source) {
        return Ok(source);
    }
    Err(Complaint::new(
        format!("`{{{{ {name} }}}}` is not known when this is said"),
        "`entry` is known to a question's `confirm`, `positions` to what asks for some places of a secret, `contact` \
         and `key` to a code's `offer`",
    ))
}

/// The name that the configuration has for something that the back end tells of a customer.
pub(super) fn attribute(text: &str) -> Result<String, Complaint> {
    values::prompt(text).map(|name| name.as_str().to_owned()).map_err(|_| {
        Complaint::new(format!("`{text}` is no attribute's name"), "letters, digits, - and _ will do")
    })
}

/// A text for the voice, cut at its gaps.
fn text_parts(text: &str, place: Where) -> Result<Vec<TextPart>, Complaint> {
    if text.trim().is_empty() || text.chars().count() > TEXT_LENGTH_MAX {
        return Err(Complaint::new(
            "the voice cannot say this",
            format!("1 to {TEXT_LENGTH_MAX} characters will do"),
        ));
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after
            .split_once("}}")
            .ok_or_else(|| Complaint::new("this text has a gap without an end", "close it with }}"))?;
        if !before.is_empty() {
            parts.push(TextPart::Plain(before.to_owned()));
        }
        parts.push(TextPart::Value(told(source(name, place)?)?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(TextPart::Plain(rest.to_owned()));
    }
    Ok(parts)
}

/// What was keyed leaves for no voice, which may be somebody else's service and keeps what it has spoken.
fn told(source: Source) -> Result<Source, Complaint> {
    match source {
        Source::Name | Source::Attribute(_) => Ok(source),
        Source::Entry | Source::Positions | Source::ContactEnding | Source::Key => Err(Complaint::new(
            "this is not given to the voice",
            "say it as a piece of its own, which is put together from recordings",
        )),
    }
}

/// The prompt that a piece may need, with its language where that is fixed.
pub(super) fn prompt_of(piece: &Piece) -> Option<(Option<&LanguageName>, &PromptId)> {
    match piece {
        Piece::Prompt(prompt) | Piece::Recorded(_, prompt) | Piece::Text(_, Some(prompt)) => {
            Some((None, prompt))
        }
        Piece::PromptIn(language, prompt) => Some((Some(language), prompt)),
        Piece::Value(..) | Piece::Text(_, None) | Piece::Silence(_) => None,
    }
}
