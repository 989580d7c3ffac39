//! Reads how callers are identified: by their number, by one question, by several in order or by choice.

use toml::Spanned;

use super::super::fault::Fault;
use super::super::nearest::{nearest, one_of};
use super::super::section::{ANY, Complaint, Kind, Section};
use super::super::values;
use super::question::{Digits, Usual, WaysOut};
use super::spoken::Where;
use super::{Purpose, Reader};
use crate::flow::{Below, ByNumber, CheckDigit, Identification, Identifier, Question, TrustLevel};
use crate::secret::Digit;

const IDENTIFIER: Usual = Usual {
    ask: &["ask-identifier"],
    no_match: &[&["identifier-no-match-1"], &["identifier-no-match-2"], &["identifier-no-match-3"]],
    no_input: &[&["identifier-no-input-1"], &["identifier-no-input-2"]],
    too_short: &[&["identifier-too-short-1"]],
    place: Where::Anywhere,
    digits: Digits::Said,
    opt_out: Some(Digit::STAR),
    ways_out: WaysOut::Apart,
    confirms: true,
};

const CHOICE: Usual = Usual::choice(&["choose-identifier"]);

const CHECK_DIGITS: [(&str, CheckDigit); 3] =
    [("none", CheckDigit::None), ("luhn", CheckDigit::Luhn), ("mod97", CheckDigit::Mod97)];

/// The words for how far a number can be trusted, the least first.
const TRUST: [(&str, TrustLevel); 6] = [
    ("any", TrustLevel::Any),
    ("claimed", TrustLevel::Claimed),
    ("trunk", TrustLevel::Trunk),
    ("gateway", TrustLevel::Gateway),
    ("partial", TrustLevel::Partial),
    ("full", TrustLevel::Full),
];

/// A number that a check has shown to be somebody else's identifies nobody, unless the file says so.
const USUAL_TRUST: TrustLevel = TrustLevel::Claimed;

const BELOW: [(&str, Below); 2] = [("ignore", Below::Ignore), ("raise", Below::Raise)];

/// What becomes of a number that is trusted less.
fn below(text: &str) -> Result<Below, Complaint> {
    one_of(&BELOW, text, "ways")
        .map_err(|help| Complaint::new(format!("`{text}` is nothing to do with a number"), help))
}

/// The word for it.
pub(super) fn below_word(below: Below) -> &'static str {
    BELOW.iter().find(|(_, known)| *known == below).map_or("", |(word, _)| word)
}

/// How far a number has to be trusted.
pub(in crate::config) fn trust(text: &str) -> Result<TrustLevel, Complaint> {
    one_of(&TRUST, text, "levels").map_err(|help| Complaint::new(format!("there is no trust `{text}`"), help))
}

/// The word for it.
pub(super) fn trust_word(level: TrustLevel) -> &'static str {
    TRUST.iter().find(|(_, known)| *known == level).map_or("", |(word, _)| word)
}

impl Reader<'_, '_> {
    /// `identify_by_number`: yes, no, or how; and `number_action`, which is the short form of its action.
    pub(super) fn by_number(&mut self, section: &mut Section<'_>) -> Option<ByNumber> {
        section.ask("identify_by_number", Kind::Flag);
        section.ask("number_action", Kind::Text);
        let value = section.value("identify_by_number");
        if let Some(mut inner) = value
            .and_then(|value| section.of("identify_by_number", "this line's `identify_by_number`", value))
        {
            let action = self.action(&mut inner, "action", "customer_by_number", Purpose::Number);
            let trust = inner.read("trust", trust).unwrap_or(USUAL_TRUST);
            let below = inner.read("below", below).unwrap_or_default();
            inner.finish();
            Self::no_number_action(section, "say it as `action` of `identify_by_number`");
            return Some(ByNumber { action: action?, trust, below });
        }
        if section.flag("identify_by_number").unwrap_or(true) {
            let action = self.action(section, "number_action", "customer_by_number", Purpose::Number);
            return Some(ByNumber { action: action?, trust: USUAL_TRUST, below: Below::default() });
        }
        Self::no_number_action(section, "say `identify_by_number = true`, or delete this");
        None
    }

    fn no_number_action(section: &mut Section<'_>, help: &str) {
        if let Some(value) = section.value("number_action") {
            let fault = Fault::at(value.span(), "this line has an action for numbers, and does not use it");
            section.note(fault.help(help));
        }
    }

    /// `identifier`, or `identifiers` and `choose`. Where `can_lack` is true there may be neither.
    pub(super) fn identification(
        &mut self,
        section: &mut Section<'_>,
        can_lack: bool,
    ) -> Option<Identification> {
        let several = section.value("identifiers");
        let one = section.value("identifier");
        if let (Some(_), Some(one)) = (several, one) {
            let fault = Fault::at(one.span(), "this line has both `identifier` and `identifiers`");
            section.note(fault.help("move it to the others, under a [[lines.identifiers]] of its own"));
        }
        if several.is_some() {
            return self.several(section);
        }
        Self::no_choice(section);
        if one.is_none() && can_lack {
            return Some(Identification { choice: None, questions: Vec::new() });
        }
        let mut inner = section.section("identifier", "this line's `identifier`");
        let identifier = self.identifier(&mut inner, "identifier");
        inner.finish();
        Some(Identification { choice: None, questions: vec![identifier?] })
    }

    fn no_choice(section: &mut Section<'_>) {
        if let Some(value) = section.value("choose") {
            let fault = Fault::at(value.span(), "there is nothing to choose from here");
            section.note(fault.help("add two [[lines.identifiers]] or more, or delete this"));
        }
    }

    fn several(&mut self, section: &mut Section<'_>) -> Option<Identification> {
        let inner = section.sections("identifiers", "this identifier");
        let mut names: Vec<String> = Vec::new();
        let mut questions = Vec::new();
        let count = inner.len();
        for mut inner in inner {
            let name = own_name(&mut inner, &names, "\"account\"");
            names.push(name.clone().unwrap_or_default());
            questions.extend(self.identifier(&mut inner, &name.unwrap_or_default()));
            inner.finish();
        }
        if names.len() < 2 {
            Self::no_choice(section);
            return (questions.len() == count).then_some(Identification { choice: None, questions });
        }
        let choose = section.section("choose", "this line's `choose`");
        let choice = if choose.is_present() { Some(self.which(choose, &names)?) } else { None };
        (questions.len() == count).then_some(Identification { choice, questions })
    }

    fn identifier(&mut self, section: &mut Section<'_>, name: &str) -> Option<Identifier> {
        let check = section.read("check_digit", check_digit).unwrap_or_default();
        let action = self.action(section, "action", "customer_by_identifier", Purpose::Identifier);
        let question = self.question(section, &IDENTIFIER, &[]);
        Some(Identifier { name: name.into(), question: question?, check, action: action? })
    }

    /// The question which of the identifiers it is to be.
    fn which(
        &mut self,
        mut section: Section<'_>,
        names: &[String],
    ) -> Option<(Question, Vec<(Digit, usize)>)> {
        let keys = keys(&mut section, Kind::Text, "\"account\", 2 = \"tracking\"");
        let mut choices = Vec::new();
        for (key, value) in &keys {
            let Some(name) = value.get_ref().as_str() else {
                section.wrong("keys", "the name of an identifier in quotes, at each key", value);
                continue;
            };
            let nth = names.iter().position(|known| known == name);
            if nth.is_none() {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let fault = Fault::at(value.span(), format!("there is no identifier `{name}`"));
                section.note(fault.help(nearest(name, &known, "identifiers")));
            }
            choices.extend(nth.map(|nth| (*key, nth)));
        }
        for (nth, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if choices.len() == keys.len() && !choices.iter().any(|(_, choice)| *choice == nth) {
                let fault = Fault::at(section.span(), format!("no key leads to the identifier `{name}`"));
                section.note(fault.help("add a key for it, or delete the identifier").warning());
            }
        }
        let digits: Vec<_> = choices.iter().map(|(key, _)| *key).collect();
        let question = self.question(&mut section, &CHOICE, &digits);
        section.finish();
        (choices.len() == keys.len()).then_some(())?;
        Some((question?, choices))
    }
}

/// `keys`: what stands at each digit.
pub(super) fn keys<'t>(
    section: &mut Section<'t>,
    kind: Kind,
    example: &str,
) -> Vec<(Digit, &'t Spanned<toml::de::DeValue<'t>>)> {
    if section.value("keys").is_none() {
        section.miss("keys", &format!("{{ 1 = {example} }}"));
    }
    let inner = section.section("keys", "`keys`");
    inner.ask(ANY, kind);
    let mut found = Vec::new();
    for (name, value) in inner.entries() {
        let key = values::key(name.get_ref()).and_then(|key| {
            key.is_decimal().then_some(key).ok_or_else(|| {
                Complaint::new(
                    format!("`{}` cannot be chosen by", name.get_ref()),
                    "the keys to choose by are 0 to 9; * and # are for `opt_out` and `help`",
                )
            })
        });
        found.extend(section.accept(name.span(), key).map(|key| (key, value)));
    }
    found
}

/// The `name` of one of several, which no other of them has.
pub(super) fn own_name(section: &mut Section<'_>, others: &[String], example: &str) -> Option<String> {
    let name = section.need("name", example, super::spoken::attribute)?;
    if others.contains(&name) {
        let span = section.text("name").map_or(section.span(), |text| text.span());
        let fault = Fault::at(span, format!("there is a `{name}` on this line already"));
        section.note(fault.help("give one of the two another name"));
    }
    Some(name)
}

fn check_digit(text: &str) -> Result<CheckDigit, Complaint> {
    one_of(&CHECK_DIGITS, text, "ways")
        .map_err(|help| Complaint::new(format!("`{text}` is no way to check digits"), help))
}
