//! Reads what a caller hears and does, and what has to come of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::super::fault::Fault;
use super::super::nearest::one_of;
use super::super::section::{Complaint, Section};
use super::super::values;
use super::{Reader, no_keys, unknown};
use crate::flow::{ActionName, TargetName};
use crate::secret::{Digit, Secret};

const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);
const ATTEMPTS: RangeInclusive<u32> = 0..=1000;

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The row of the file that it is in, from 1.
    pub row: usize,
    /// What it is made of, in order.
    pub does: Vec<Do>,
}

/// What a caller hears or does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// Hears this prompt, or something with this text in it, sooner or later.
    Says(String),
    /// The back end is asked for this, sooner or later.
    Asks(ActionName),
    /// Hears that it takes a while.
    Holds,
    /// Presses keys once all has been heard.
    Keys(Vec<Digit>),
    /// Presses keys while what was heard last still plays.
    Early(Vec<Digit>),
    /// Presses those digits of this secret that were asked for last.
    Places(Secret),
    /// Presses nothing until the line has waited long enough.
    Silence,
    /// Presses nothing for so long.
    Wait(Duration),
    /// Hangs up.
    HangsUp,
}

/// Something that the record has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Which of its fields; `target`, `targets` and `hand_over` are those of the hand-over.
    pub field: &'static str,
    /// What it has to be.
    pub value: Value,
    /// The row of the file that says so, from 1.
    pub row: usize,
}

/// What a text can be.
enum Words {
    Any,
    Of(&'static [&'static str]),
    Target,
}

const TEXTS: [(&str, Words); 11] = [
    ("verdict", Words::Of(&["verified", "identified", "unidentified"])),
    ("customer", Words::Any),
    ("name", Words::Any),
    ("identified_by", Words::Of(&["ani", "identifier", "none"])),
    ("identifier", Words::Any),
    ("language", Words::Any),
    ("back_end_failure", Words::Any),
    ("locked", Words::Of(&["customer", "ani", "trunk", "line", "none"])),
    ("ended_by", Words::Of(&["caller", "portero"])),
    ("target", Words::Target),
    ("hand_over", Words::Of(&["completed", "refused", "timed_out", "none"])),
];
const LISTS: [&str; 3] = ["factors", "lines", "targets"];
const NUMBERS: [&str; 2] = ["identifier_attempts", "secret_attempts"];
const FLAGS: [&str; 4] = ["closed", "consent", "contained", "opted_out"];
/// Stands for a field that says nothing.
const NONE: &str = "none";

impl Reader<'_> {
    pub(super) fn steps(&self, section: &mut Section<'_>) -> Vec<Step> {
        if section.value("steps").is_none() {
            return Vec::new();
        }
        let mut steps = Vec::new();
        for mut inner in section.sections("steps", "this step") {
            let row = self.row(inner.span().start);
            let does = self.step(&mut inner);
            // A step that is faulty has been told of.
            if does.is_empty() && inner.entries().is_empty() {
                let fault = Fault::at(inner.span(), "in this step nothing happens");
                inner.note(fault.help(
                    "say `says`, `asks` or `hold`, or what the caller does: `keys`, `early`, \
                                       `places`, `silence`, `wait` or `hang_up`",
                ));
            }
            inner.finish();
            steps.push(Step { row, does });
        }
        steps
    }

    fn step(&self, section: &mut Section<'_>) -> Vec<Do> {
        let mut does = Vec::new();
        does.extend(section.read("says", said).map(Do::Says));
        does.extend(self.asked(section).map(Do::Asks));
        does.extend((section.flag("hold") == Some(true)).then_some(Do::Holds));
        let heard = does.len();
        does.extend(keys(section, "keys").map(Do::Keys));
        does.extend(keys(section, "early").map(Do::Early));
        does.extend(places(section).map(Do::Places));
        does.extend((section.flag("silence") == Some(true)).then_some(Do::Silence));
        does.extend(section.read("wait", values::duration(WAIT)).map(Do::Wait));
        does.extend((section.flag("hang_up") == Some(true)).then_some(Do::HangsUp));
        if does.len() > heard + 1 {
            let fault = Fault::at(section.span(), "in one step a caller does one thing");
            section.note(fault.help("make two steps of it, in the order in which they happen"));
        }
        does
    }

    fn asked(&self, section: &mut Section<'_>) -> Option<ActionName> {
        let text = section.text("asks")?;
        let action = ActionName::new(*text.get_ref());
        if self.configuration.back_end.actions.contains_key(&action) {
            return Some(action);
        }
        let known: Vec<&str> = self.configuration.back_end.actions.keys().map(ActionName::as_str).collect();
        section.note(unknown(&text, "action", &known));
        None
    }

    /// `expect`: what the record has to say.
    pub(super) fn expected(&self, mut section: Section<'_>) -> Vec<Expected> {
        let mut found: Vec<(&'static str, Value)> = Vec::new();
        for (field, words) in TEXTS {
            found.extend(self.text(&mut section, field, &words).map(|value| (field, value)));
        }
        for field in LISTS {
            if section.value(field).is_some() {
                let texts = section.texts(field).unwrap_or_default();
                let texts: Vec<&str> = texts.iter().map(|text| *text.get_ref()).collect();
                found.push((field, texts.into()));
            }
        }
        for field in NUMBERS {
            found.extend(section.number(field, ATTEMPTS).map(|number| (field, number.into())));
        }
        for field in FLAGS {
            found.extend(section.flag(field).map(|flag| (field, flag.into())));
        }
        let row = |section: &mut Section<'_>, field| {
            section.value(field).map_or(section.span().start, |value| value.span().start)
        };
        let expected = found
            .into_iter()
            .map(|(field, value)| Expected { field, value, row: self.row(row(&mut section, field)) })
            .collect();
        section.finish();
        expected
    }

    fn text(&self, section: &mut Section<'_>, field: &'static str, words: &Words) -> Option<Value> {
        let text = section.text(field)?;
        let word = *text.get_ref();
        match words {
            Words::Of(known) if !known.contains(&word) => {
                let known: Vec<_> = known.iter().map(|word| (*word, ())).collect();
                let help = one_of(&known, word, "words").err().unwrap_or_default();
                section.note(Fault::at(text.span(), format!("`{field}` is never `{word}`")).help(help));
                None
            }
            Words::Target
                if word != NONE && !self.configuration.targets.contains_key(&TargetName::new(word)) =>
            {
                let known: Vec<&str> = self.configuration.targets.keys().map(TargetName::as_str).collect();
                section.note(unknown(&text, "target", &known));
                None
            }
            _ if word == NONE => Some(Value::Null),
            _ => Some(word.into()),
        }
    }
}

fn said(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Complaint::new(
            "everything has this in it",
            "name a prompt, or some words of what is said; a step without `says` takes whatever is said",
        ));
    }
    Ok(text.to_owned())
}

fn keys(section: &mut Section<'_>, key: &'static str) -> Option<Vec<Digit>> {
    let text = section.text(key)?;
    let keys: Option<Vec<Digit>> = text.get_ref().chars().map(Digit::from_char).collect();
    let keys = keys.filter(|keys| !keys.is_empty());
    if keys.is_none() {
        section.note(no_keys(&text));
    }
    keys
}

fn places(section: &mut Section<'_>) -> Option<Secret> {
    let text = section.text("places")?;
    let digits = text.get_ref();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        section.note(no_keys(&text));
        return None;
    }
    Some(Secret::new((*digits).to_owned()))
}
