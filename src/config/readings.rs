//! Reads how the answer to an action is understood, and whether that is what the action is used for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::fault::Fault;
use super::lines::{Purpose, Use};
use super::section::{Complaint, Said, Section};
use super::values;
use crate::crm::{Attribute, Attributes, Check, Condition, Hashed, JsonPath, LookUp, Reading, Sending};

const STATUSES: RangeInclusive<u32> = 100..=599;
/// How many attributes an action may have.
const ATTRIBUTES_MAX: usize = 64;
/// The longest name of an attribute, in bytes.
const NAME_LENGTH_MAX: usize = 64;

/// What kind of answer an action has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    LookUp,
    Check,
    Sending,
    Record,
}

/// The settings that only one kind of action has. What a record has, a look-up may have, too.
const KEYS: [(Kind, &[&str]); 3] = [
    (Kind::LookUp, &["results", "customer", "name", "no_match"]),
    (Kind::Check, &["accepted", "hash", "rejected"]),
    (Kind::Sending, &["sent", "not_sent"]),
];

impl Kind {
    fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Number | Purpose::Identifier => Self::LookUp,
            Purpose::Secret | Purpose::Places => Self::Check,
            Purpose::Code => Self::Sending,
            Purpose::Record => Self::Record,
        }
    }

    /// What an action of this kind can be used for.
    pub(super) fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::LookUp => &[Purpose::Number, Purpose::Identifier],
            Self::Check => &[Purpose::Secret, Purpose::Places],
            Self::Sending => &[Purpose::Code],
            Self::Record => &[Purpose::Record],
        }
    }

    fn does(self) -> &'static str {
        match self {
            Self::LookUp => "finds customers",
            Self::Check => "checks a secret",
            Self::Sending => "sends a code",
            Self::Record => "tells of a customer",
        }
    }
}

/// The kind of an action: what its settings say, or else what it is used for.
pub(super) fn kind(section: &mut Section<'_>, uses: &[&Use]) -> Kind {
    let by_use = uses.first().map(|used| Kind::of(used.purpose));
    let has = |section: &mut Section<'_>, keys: &[&'static str]| {
        keys.iter().any(|key| section.value(key).is_some())
    };
    let by_keys: Vec<Kind> =
        KEYS.iter().filter(|(_, keys)| has(section, keys)).map(|(kind, _)| *kind).collect();
    match (by_keys[..].first(), by_use) {
        (Some(kind), _) => *kind,
        (None, Some(kind)) => kind,
        (None, None) if section.value("attributes").is_some() => Kind::Record,
        (None, None) => Kind::LookUp,
    }
}

/// Reads all that is said of the answer.
pub(super) fn read(section: &mut Section<'_>, kind: Kind, uses: &[&Use]) -> Option<Reading> {
    let attributes = attributes(section);
    let look_up = look_up(section, attributes.clone());
    let check = check(section, uses);
    let sending = sending(section);
    let is_mixed = mixed(section, kind);
    for used in uses.iter().filter(|used| Kind::of(used.purpose) != kind) {
        let fault = Fault::at(used.span.clone(), format!("the action `{}` {}", used.action, kind.does()));
        section
            .note(fault.help(format!("what is needed here is one that {}", Kind::of(used.purpose).does())));
    }
    if matches!(kind, Kind::Check | Kind::Sending) && !attributes.is_empty() {
        let fault = Fault::at(section.span(), format!("an action that {} has no `attributes`", kind.does()));
        section.note(fault.help("move them to the action that finds the customer, or to one of their own"));
    }
    (!is_mixed).then_some(match kind {
        Kind::LookUp => Reading::LookUp(look_up),
        Kind::Check => check,
        Kind::Sending => Reading::Sending(sending),
        Kind::Record => Reading::Record(attributes),
    })
}

/// Notes settings that belong to different kinds of actions.
fn mixed(section: &mut Section<'_>, kind: Kind) -> bool {
    let others: Vec<(Kind, &str)> = KEYS
        .iter()
        .filter(|(of, _)| *of != kind)
        .filter_map(|(of, keys)| Some((*of, *keys.iter().find(|key| section.value(key).is_some())?)))
        .collect();
    for (other, key) in &others {
        let fault =
            Fault::at(section.span(), format!("this action both {} and {}", kind.does(), other.does()));
        section.note(fault.help(format!("`{key}` belongs to an action of its own")));
    }
    !others.is_empty()
}

fn look_up(section: &mut Section<'_>, attributes: Attributes) -> LookUp {
    LookUp {
        results: json_path(section, "results", "$"),
        customer: json_path(section, "customer", "$.id"),
        name: json_path(section, "name", "$.name"),
        attributes,
        no_match: statuses(section, "no_match").unwrap_or_else(|| vec![404]),
    }
}

/// What says yes, or the hash that what was keyed is compared with.
fn check(section: &mut Section<'_>, uses: &[&Use]) -> Reading {
    let accepted = condition(section, "accepted");
    let rejected = statuses(section, "rejected").unwrap_or_default();
    let hash = section.text("hash").map(|text| (text.span(), values::json_path(text.get_ref())));
    let Some((span, hash)) = hash else {
        let accepted = accepted.unwrap_or_else(|| Condition::True(usual("$.accepted")));
        return Reading::Check(Check { accepted, rejected });
    };
    if accepted.is_some() {
        let fault = Fault::at(span.clone(), "this action has the back end compare, and us as well");
        section.note(fault.help("with `hash` it is compared here: delete `accepted`"));
    }
    for used in uses.iter().filter(|used| used.purpose == Purpose::Places) {
        let fault = Fault::at(used.span.clone(), "a few places of a secret cannot be compared with its hash");
        section.note(fault.help("have the back end compare, or ask for the whole secret: kind = \"pin\""));
    }
    let hash = section.accept(span, hash).unwrap_or_else(|| usual("$"));
    Reading::Hash(Hashed { hash, rejected })
}

fn sending(section: &mut Section<'_>) -> Sending {
    Sending { sent: condition(section, "sent"), not_sent: statuses(section, "not_sent").unwrap_or_default() }
}

/// A place, `{ path = "…", equals = "…" }`, or `{ status = [204] }`.
fn condition(section: &mut Section<'_>, key: &'static str) -> Option<Condition> {
    match section.said(key, format!("`{key}`"))? {
        Said::Text(text) => {
            section.accept(text.span(), values::json_path(text.get_ref())).map(Condition::True)
        }
        Said::Section(mut said) => {
            let status = statuses(&mut said, "status");
            let path = said.read("path", values::json_path);
            let equals = said.words("equals");
            if status.is_some() == said.value("path").is_some() {
                let fault = Fault::at(said.span(), format!("`{key}` should say either `path` or `status`"));
                said.note(
                    fault.help(format!("such as `{key} = {{ path = \"$.status\", equals = \"OK\" }}`")),
                );
            }
            said.finish();
            match (status, path, equals) {
                (Some(statuses), _, _) => Some(Condition::Status(statuses)),
                (None, Some(path), Some(texts)) => Some(Condition::Equals(path, texts)),
                (None, path, None) => path.map(Condition::True),
                (None, None, Some(_)) => None,
            }
        }
    }
}

fn attributes(section: &mut Section<'_>) -> Attributes {
    let said = section.section("attributes", "`attributes`");
    let sayings = said.named_sayings("the attribute");
    if sayings.len() > ATTRIBUTES_MAX {
        let fault = Fault::at(said.span(), format!("{} attributes are too many", sayings.len()));
        said.note(fault.help(format!("up to {ATTRIBUTES_MAX} will do")));
    }
    let mut attributes = Attributes::new();
    for (name, said) in sayings {
        let (span, name) = (name.span(), *name.get_ref());
        let attribute = match said {
            Said::Text(text) => {
                section.accept(text.span(), values::json_path(text.get_ref())).map(plain_attribute)
            }
            Said::Section(said) => attribute(said),
        };
        let name = section.accept(span, attribute_name(name));
        attributes.extend(name.zip(attribute).map(|(name, attribute)| (name.into(), attribute)));
    }
    attributes
}

fn plain_attribute(path: JsonPath) -> Attribute {
    Attribute { path, default: None, translate: BTreeMap::new(), otherwise: None }
}

fn attribute(mut section: Section<'_>) -> Option<Attribute> {
    let path = section.need("path", "\"$.segment\"", values::json_path);
    let default = section.word("default");
    let translate = section.section("translate", "`translate`").named_texts();
    let translate =
        translate.iter().map(|(from, to)| ((*from.get_ref()).to_owned(), (*to.get_ref()).to_owned()));
    let translate = translate.collect();
    let otherwise = section.word("otherwise");
    section.finish();
    Some(Attribute { path: path?, default, translate, otherwise })
}

/// A name that templates can write as `record.NAME`.
fn attribute_name(text: &str) -> Result<&str, Complaint> {
    let mut letters = text.bytes();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    let goes_on = letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if begins && goes_on && text.len() <= NAME_LENGTH_MAX {
        return Ok(text);
    }
    Err(Complaint::new(
        format!("`{text}` is no attribute's name"),
        "use letters, digits and _, as in `due_date`: templates call it {{ record.due_date }}",
    ))
}

fn json_path(section: &mut Section<'_>, key: &'static str, default: &str) -> JsonPath {
    section.read(key, values::json_path).unwrap_or_else(|| usual(default))
}

fn usual(path: &str) -> JsonPath {
    JsonPath::parse(path).expect("the defaults are JSONPaths")
}

fn statuses(section: &mut Section<'_>, key: &'static str) -> Option<Vec<u16>> {
    let statuses = section.numbers(key, STATUSES)?;
    Some(statuses.into_iter().map(|status| status as u16).collect())
}
