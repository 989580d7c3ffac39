//! Reads what is answered in place of the back end, and of those whom calls are handed to.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::super::fault::Fault;
use super::super::nearest::one_of;
use super::super::section::{Complaint, Section, Text};
use super::super::values;
use super::{Reader, unknown};
use crate::flow::{
    ActionName, Answer, Attributes, Customer, Failure, HandOverEnd, Lock, Matches, TargetName,
};

const AFTER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(5);

const WORDS: [&str; 14] = [
    "none",
    "yes",
    "no",
    "sent",
    "not_sent",
    "locked",
    "hangs",
    "unreachable",
    "timed_out",
    "status",
    "refused",
    "garbage",
    "overloaded",
    "circuit_open",
];

const FAILURES: [Failure; 7] = [
    Failure::Unreachable,
    Failure::TimedOut,
    Failure::Status,
    Failure::Refused,
    Failure::Garbage,
    Failure::Overloaded,
    Failure::Open,
];

/// What a hand-over comes to.
const ENDS: [(&str, HandOverEnd); 3] =
    [("yes", HandOverEnd::Taken), ("refused", HandOverEnd::Refused), ("unclear", HandOverEnd::Unclear)];

/// What one action is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replies {
    /// One after another.
    pub list: Vec<Reply>,
    /// Whether the only one goes for every time it is asked.
    pub repeats: bool,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What; `None` where there never is one.
    pub answer: Option<Answer>,
    /// How long it takes.
    pub after: Duration,
}

/// What becomes of hand-overs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    usual: HandOverEnd,
    of: HashMap<TargetName, HandOverEnd>,
}

impl Default for Taken {
    fn default() -> Self {
        Self { usual: HandOverEnd::Taken, of: HashMap::new() }
    }
}

impl Taken {
    /// What becomes of one to this target.
    pub fn by(&self, target: &TargetName) -> HandOverEnd {
        self.of.get(target).copied().unwrap_or(self.usual)
    }
}

impl Reader<'_> {
    /// `answers`: for each action a word, a section, or a list of these.
    pub(super) fn answers(&self, section: &Section<'_>) -> HashMap<ActionName, Replies> {
        let mut answers = HashMap::new();
        for (name, value) in section.entries() {
            let action = ActionName::new(*name.get_ref());
            if !self.configuration.back_end.actions.contains_key(&action) {
                let actions = self.configuration.back_end.actions.keys();
                let known: Vec<&str> = actions.map(ActionName::as_str).collect();
                section.note(unknown(&name, "action", &known));
                continue;
            }
            let items = value.get_ref().as_array();
            let list = match items {
                Some(items) => items.iter().filter_map(|item| reply(section, &name, item)).collect(),
                None => reply(section, &name, value).into_iter().collect(),
            };
            answers.insert(action, Replies { list, repeats: items.is_none() });
        }
        answers
    }

    /// `taken`: what becomes of every hand-over, or of those to each target.
    pub(super) fn taken(&self, section: &mut Section<'_>) -> Option<Taken> {
        let value = section.value("taken")?;
        let Some(inner) = section.of("taken", "`taken`", value) else {
            let usual = section.read("taken", end)?;
            return Some(Taken { usual, of: HashMap::new() });
        };
        let mut taken = Taken::default();
        for (name, word) in inner.named_texts() {
            let target = TargetName::new(*name.get_ref());
            if !self.configuration.targets.contains_key(&target) {
                let known: Vec<&str> = self.configuration.targets.keys().map(TargetName::as_str).collect();
                section.note(unknown(&name, "target", &known));
            }
            taken.of.extend(section.accept(word.span(), end(word.get_ref())).map(|end| (target, end)));
        }
        Some(taken)
    }
}

fn end(text: &str) -> Result<HandOverEnd, Complaint> {
    one_of(&ENDS, text, "ends of a hand-over")
        .map_err(|help| Complaint::new(format!("a hand-over cannot end in `{text}`"), help))
}

fn reply<'t>(section: &Section<'t>, name: &Text<'t>, value: &'t Spanned<DeValue<'t>>) -> Option<Reply> {
    if let Some(text) = value.get_ref().as_str() {
        return section
            .accept(value.span(), word(text))
            .map(|answer| Reply { answer, after: Duration::ZERO });
    }
    let Some(mut inner) = section.of(name.get_ref(), "this answer", value) else {
        section.wrong(
            name.get_ref(),
            "a word such as \"yes\", or a section such as { customer = \"…\" }",
            value,
        );
        return None;
    };
    let reply = reply_of(&mut inner);
    inner.finish();
    reply
}

/// What a word stands for; `None` where there never is an answer.
fn word(text: &str) -> Result<Option<Answer>, Complaint> {
    if let Some(failure) = FAILURES.into_iter().find(|failure| failure.as_str() == text) {
        return Ok(Some(Answer::Failed(failure)));
    }
    match text {
        "none" => Ok(Some(Answer::LookUp(Matches::None))),
        "yes" => Ok(Some(Answer::Check(true))),
        "no" => Ok(Some(Answer::Check(false))),
        "locked" => Ok(Some(Answer::Locked(Lock::Customer))),
        "sent" => Ok(Some(Answer::Sent(true))),
        "not_sent" => Ok(Some(Answer::Sent(false))),
        "hangs" => Ok(None),
        _ => {
            let known = WORDS.map(|word| (word, ()));
            let help = one_of(&known, text, "answers").err().unwrap_or_default();
            Err(Complaint::new(format!("no back end answers `{text}`"), help))
        }
    }
}

/// What a section says is answered.
fn reply_of(section: &mut Section<'_>) -> Option<Reply> {
    let after = section.read("after", values::duration(AFTER)).unwrap_or_default();
    let said = section.read("answer", word);
    let customer = section.text("customer");
    let name = section.text("name");
    let several = section.texts("customers");
    let attributes = record(section);
    let named = |id: &str| Customer {
        attributes: attributes.clone().unwrap_or_default(),
        ..Customer::new(id, name.as_ref().map(|name| *name.get_ref()))
    };
    let answer = match (said, customer, several, &attributes) {
        (Some(answer), None, None, None) => answer,
        (None, Some(id), None, _) => Some(Answer::LookUp(Matches::One(named(id.get_ref())))),
        (None, None, Some(ids), _) => {
            Some(Answer::LookUp(Matches::Several(ids.iter().map(|id| named(id.get_ref())).collect())))
        }
        (None, None, None, Some(attributes)) => Some(Answer::Record(attributes.clone())),
        _ => {
            let fault = Fault::at(section.span(), "this does not say what is answered");
            section.note(fault.help(
                "say one of `answer = \"yes\"`, `customer = \"…\"` with a `name` and a `record`, \
                 `customers = [\"…\", \"…\"]`, or `record = { … }` alone",
            ));
            return None;
        }
    };
    Some(Reply { answer, after })
}

/// What is known of a customer: texts, or lists of them, by name.
fn record(section: &mut Section<'_>) -> Option<Attributes> {
    let inner = section.section("record", "`record`");
    if !inner.is_present() {
        return None;
    }
    let mut attributes = Attributes::new();
    for (name, value) in inner.entries() {
        let texts: Option<Vec<String>> = match value.get_ref() {
            DeValue::Array(items) => {
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
            }
            value => value.as_str().map(|text| vec![text.to_owned()]),
        };
        match texts {
            Some(texts) => drop(attributes.insert((*name.get_ref()).into(), texts)),
            None => inner.wrong(name.get_ref(), "a text, or a list of texts", value),
        }
    }
    Some(attributes)
}
