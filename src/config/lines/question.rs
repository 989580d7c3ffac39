//! Reads a question: what makes an entry, how often it is asked, what is said, and what follows when it comes to
//! nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::fault::Fault;
use super::super::section::{Kind, Section};
use super::super::values;
use super::spoken::{Where, announcement, announcements, usual};
use super::{Reader, Way};
use crate::flow::{After, Announcement, EntryRules, Prompts, Question, Retries};
use crate::secret::Digit;

const WAIT: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_mins(5);
const RETRIES: RangeInclusive<u32> = 0..=20;
/// How often a question is asked again, for each way in which an entry can fail.
const RETRIES_USUAL: u32 = 3;

/// What a question says and does where the file says nothing of it. Each prompt is pieces in the file's own words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    pub(super) ask: &'static [&'static str],
    pub(super) no_match: &'static [&'static [&'static str]],
    pub(super) no_input: &'static [&'static [&'static str]],
    pub(super) too_short: &'static [&'static [&'static str]],
    /// What is known when it is asked.
    pub(super) place: Where,
    pub(super) digits: Digits,
    pub(super) opt_out: Option<Digit>,
    pub(super) ways_out: WaysOut,
    /// Whether what was keyed may be read back: an identifier may, a secret never.
    pub(super) confirms: bool,
}

/// How many digits an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digits {
    /// That is for the file to say.
    Said,
    /// As the file says, or else so many.
    Usually(usize),
    /// So many, which follows from what is asked.
    Fixed(usize),
    /// One, which stands for something: these keys do.
    Choice,
}

/// What follows a question that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaysOut {
    /// `opt_out` and `exhausted` each say it for themselves.
    Apart,
    /// `declined` says it, be it that a key declined or that none was pressed.
    Declining,
}

impl Usual {
    /// A question that is answered by one key.
    pub(super) const fn choice(ask: &'static [&'static str]) -> Self {
        Self {
            ask,
            no_match: &[],
            no_input: &[],
            too_short: &[],
            place: Where::Anywhere,
            digits: Digits::Choice,
            opt_out: Some(Digit::STAR),
            ways_out: WaysOut::Apart,
            confirms: false,
        }
    }
}

impl Reader<'_, '_> {
    /// The question that `section` says, without being done with the section. `keys` are those that mean something else
    /// than a digit of the entry: the ones to choose by.
    pub(super) fn question(
        &mut self,
        section: &mut Section<'_>,
        usual: &Usual,
        keys: &[Digit],
    ) -> Option<Question> {
        let entry = entry(section, usual.digits);
        let retries = retries(section);
        let prompts = prompts(section, usual);
        let confirm = if usual.confirms { confirm(section) } else { None };
        let help = help(section, usual.place);
        let (opt_out, opted_out, exhausted) = match usual.ways_out {
            WaysOut::Apart => {
                let (key, opted_out) = self.opt_out(section, usual.opt_out);
                (key, opted_out, self.inner_after(section, "exhausted", Way::Failure))
            }
            WaysOut::Declining => {
                let key = section.read("opt_out", values::key_or_none).unwrap_or(usual.opt_out);
                let declined = self.inner_after(section, "declined", Way::Failure);
                (key, declined.clone(), declined)
            }
        };
        let entry = entry?;
        let first = |digit: &Digit| match usual.digits {
            Digits::Choice => keys.contains(digit),
            _ => digit.is_decimal(),
        };
        let specials = [("opt_out", opt_out), ("help", help.as_ref().map(|(key, _)| *key))];
        check_keys(section, &specials, first);
        Some(Question {
            entry,
            retries,
            prompts,
            confirm,
            help,
            opt_out,
            opted_out: opted_out?,
            exhausted: exhausted?,
        })
    }

    /// The key that gives up, and what follows on that.
    fn opt_out(&mut self, section: &mut Section<'_>, usual: Option<Digit>) -> (Option<Digit>, Option<After>) {
        section.ask("opt_out", Kind::Text);
        section.ask("opt_out", Kind::Section);
        let Some(value) = section.value("opt_out") else { return (usual, Some(After::Next)) };
        if let Some(mut inner) = section.of("opt_out", "this question's `opt_out`", value) {
            let key = inner.read("key", values::key).or(usual).unwrap_or(Digit::STAR);
            let after = self.after(&mut inner, Way::Key);
            inner.finish();
            return (Some(key), after);
        }
        (section.read("opt_out", values::key_or_none).unwrap_or(usual), Some(After::Next))
    }

    fn inner_after(&mut self, section: &mut Section<'_>, key: &'static str, way: Way) -> Option<After> {
        let mut inner = section.section(key, format!("this question's `{key}`"));
        if !inner.is_present() {
            return Some(After::Next);
        }
        let after = self.after(&mut inner, way);
        inner.finish();
        after
    }
}

fn entry(section: &mut Section<'_>, digits: Digits) -> Option<EntryRules> {
    let digits_said = match digits {
        Digits::Said => said_digits(section, None),
        Digits::Usually(usual) => said_digits(section, Some(usual)),
        Digits::Fixed(digits) => Some(digits..=digits),
        Digits::Choice => Some(1..=1),
    };
    let ends_by_key = !matches!(digits, Digits::Choice);
    let terminator = if ends_by_key {
        section.read("terminator", values::terminator).unwrap_or(Some(Digit::HASH))
    } else {
        None
    };
    let mut wait =
        |key, default| section.read(key, values::duration(WAIT)).unwrap_or(Duration::from_secs(default));
    let first_digit_timeout = wait("first_digit_timeout", 5);
    // One key is an entry: there is no second one to wait for.
    let (inter_digit_timeout, total_timeout) = if ends_by_key {
        (wait("inter_digit_timeout", 3), wait("total_timeout", 30))
    } else {
        (Duration::from_secs(3), Duration::from_secs(30))
    };
    let digits = digits_said?;
    Some(EntryRules {
        digits_min: *digits.start(),
        digits_max: *digits.end(),
        terminator,
        first_digit_timeout,
        inter_digit_timeout,
        total_timeout,
    })
}

/// `digits`, as a number or as a text.
fn said_digits(section: &mut Section<'_>, usual: Option<usize>) -> Option<RangeInclusive<usize>> {
    section.ask("digits", Kind::Number(1, values::DIGITS_MAX as u32));
    section.ask("digits", Kind::Text);
    let Some(value) = section.value("digits") else {
        if usual.is_none() {
            section.miss("digits", "8");
        }
        return usual.map(|digits| digits..=digits);
    };
    match value.get_ref().as_integer() {
        Some(integer) => section.accept(value.span(), values::digits(integer.as_str())),
        None => section.read("digits", values::digits),
    }
}

/// `retries`, as a number or one for each way to fail.
fn retries(section: &mut Section<'_>) -> Retries {
    section.ask("retries", Kind::Number(*RETRIES.start(), *RETRIES.end()));
    section.ask("retries", Kind::Section);
    let inner =
        section.value("retries").and_then(|value| section.of("retries", "this question's `retries`", value));
    let Some(mut inner) = inner else {
        let all = section.number("retries", RETRIES).unwrap_or(RETRIES_USUAL);
        return Retries { no_match: all, no_input: all, total: all };
    };
    let mut number = |key| inner.number(key, RETRIES);
    let no_match = number("no_match").unwrap_or(RETRIES_USUAL);
    let no_input = number("no_input").unwrap_or(RETRIES_USUAL);
    let total = number("total");
    let all = no_match + no_input;
    if total.is_some_and(|total| total > all) {
        let fault = Fault::at(inner.span(), format!("there are never more than {all} retries here"));
        inner.note(fault.help("delete `total`, or let it be smaller than the sum of the others").warning());
    }
    for (key, one) in [("no_match", no_match), ("no_input", no_input)] {
        if inner.value(key).is_some() && total.is_some_and(|total| one > total) {
            let fault =
                Fault::at(inner.span(), format!("`{key}` is more than the `total`, which ends it before"));
            inner.note(fault.help("let the total be as large at least").warning());
        }
    }
    inner.finish();
    Retries { no_match, no_input, total: total.unwrap_or(all) }
}

/// `prompts`, of which `ask` may stand beside it.
fn prompts(section: &mut Section<'_>, usually: &Usual) -> Prompts {
    let place = usually.place;
    let short = announcement(section, "ask", place);
    let mut inner = section.section("prompts", "this question's `prompts`");
    let ask = announcement(&mut inner, "ask", place);
    if short.is_some() && ask.is_some() {
        let fault = Fault::at(inner.span(), "this question's `ask` is said twice");
        inner.note(fault.help("delete one of the two"));
    }
    let mut list = |key, usual_list: &[&[&str]]| {
        let said = announcements(&mut inner, key, place);
        said.unwrap_or_else(|| usual_list.iter().map(|pieces| usual(pieces, place)).collect())
    };
    let no_match = list("no_match", usually.no_match);
    let no_input = list("no_input", usually.no_input);
    // An entry of one key is never too short.
    let too_short = match usually.digits {
        Digits::Choice => Vec::new(),
        _ => list("too_short", usually.too_short),
    };
    inner.finish();
    let ask = short.or(ask).unwrap_or_else(|| usual(usually.ask, place));
    Prompts { ask, no_match, no_input, too_short }
}

/// `confirm`: true, or what is said.
fn confirm(section: &mut Section<'_>) -> Option<Announcement> {
    section.ask("confirm", Kind::Flag);
    section.ask("confirm", Kind::Announcement);
    let value = section.value("confirm")?;
    match value.get_ref().as_bool() {
        Some(true) => {
            Some(usual(&["confirm-identifier", "{{ entry | digits }}", "confirm-keys"], Where::Confirming))
        }
        Some(false) => None,
        None => announcement(section, "confirm", Where::Confirming),
    }
}

/// The key that explains, and what it has said.
fn help(section: &mut Section<'_>, place: Where) -> Option<(Digit, Announcement)> {
    let mut inner = section.section("help", "this question's `help`");
    if !inner.is_present() {
        return None;
    }
    let key = inner.need("key", "\"0\"", values::key);
    if inner.value("say").is_none() {
        inner.miss("say", "\"help-identifier\"");
    }
    let said = announcement(&mut inner, "say", place);
    inner.finish();
    Some((key?, said?))
}

/// Warns of keys that cannot do what they are for, because they do something else.
pub(super) fn check_keys(
    section: &Section<'_>,
    specials: &[(&str, Option<Digit>)],
    first: impl Fn(&Digit) -> bool,
) {
    let mut taken: Vec<(&str, Digit)> = Vec::new();
    for (what, key) in specials.iter().filter_map(|(what, key)| Some((*what, (*key)?))) {
        if let Some((other, _)) = taken.iter().find(|(_, other)| *other == key) {
            let fault =
                Fault::at(section.span(), format!("the key {} is both `{other}` and `{what}`", key.expose()));
            section.note(fault.help("give one of the two another key"));
        } else if first(&key) {
            let fault = Fault::at(
                section.span(),
                format!("the key {} is `{what}`, so that no entry can begin with it", key.expose()),
            );
            section
                .note(fault.help("take a key that no entry begins with, such as \"*\" or \"#\"").warning());
        }
        taken.push((what, key));
    }
}
