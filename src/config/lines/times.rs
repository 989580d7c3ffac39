//! Reads when a line is open, and which languages it speaks.

use std::ops::RangeInclusive;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::DeValue;

use super::super::fault::Fault;
use super::super::section::{ANY, Complaint, Kind, Section};
use super::super::values;
use super::identifiers::keys;
use super::question::Usual;
use super::{Faulty, Reader};
use crate::flow::{
    Announcement, DateOrder, Day, Hours, LanguageName, Languages, Piece, PromptId, Question, Span,
};
use crate::secret::Digit;

/// The days of the week, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The most languages that one line speaks.
const LANGUAGES_MAX: usize = 9;
/// A year in which every day of the calendar is, to try a month and a day.
const LEAP_YEAR: i16 = 2000;

const MENU: Usual = Usual { opt_out: None, ..Usual::choice(&[]) };

/// Reads `hours`, if it is there.
pub(super) fn hours(section: &mut Section<'_>) -> Result<Option<Hours>, Faulty> {
    let mut section = section.section("hours", "this line's `hours`");
    if !section.is_present() {
        return Ok(None);
    }
    let zone = section.need("zone", "\"Europe/Berlin\"", zone);
    let week = week(&mut section);
    let special = special(&mut section);
    section.finish();
    let zone = zone.ok_or(Faulty)?;
    Ok(Some(Hours { zone, week, special }))
}

fn zone(text: &str) -> Result<TimeZone, Complaint> {
    TimeZone::get(text).map_err(|_| {
        Complaint::new(
            format!("there is no time zone `{text}`"),
            "write it as the IANA does: \"Europe/Berlin\", \"America/New_York\", \"UTC\"",
        )
    })
}

fn week(section: &mut Section<'_>) -> [Vec<Span>; 7] {
    let mut week: [Vec<Span>; 7] = Default::default();
    let mut said = [false; 7];
    if section.value("week").is_none() {
        section.miss("week", "{ mon-fri = \"09:00-17:00\" }");
    }
    let inner = section.section("week", "`week`");
    inner.ask(ANY, Kind::Text);
    inner.ask(ANY, Kind::Texts);
    for (name, value) in inner.entries() {
        let spans = spans(section, value);
        let Some(days) = section.accept(name.span(), days(name.get_ref())) else { continue };
        for day in days {
            if std::mem::replace(&mut said[day], true) {
                let fault = Fault::at(name.span(), format!("`{}` has its hours already", DAYS[day]));
                section.note(fault.help("say the hours of each day once"));
            }
            week[day].clone_from(&spans);
        }
    }
    week
}

/// `mon`, or `mon-fri`.
fn days(text: &str) -> Result<RangeInclusive<usize>, Complaint> {
    let place = |day: &str| DAYS.iter().position(|known| *known == day);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    place(first)
        .zip(place(last))
        .filter(|(first, last)| first <= last)
        .map(|(first, last)| first..=last)
        .ok_or_else(|| {
            Complaint::new(
                format!("`{text}` is no day of the week"),
                "write mon, tue, wed, thu, fri, sat, sun, or from one to a later one: mon-fri",
            )
        })
}

fn special(section: &mut Section<'_>) -> Vec<(Day, Vec<Span>)> {
    let mut found: Vec<(Day, Vec<Span>)> = Vec::new();
    let inner = section.section("special", "`special`");
    inner.ask(ANY, Kind::Text);
    inner.ask(ANY, Kind::Texts);
    for (name, value) in inner.entries() {
        let spans = spans(section, value);
        found.extend(section.accept(name.span(), day(name.get_ref())).map(|day| (day, spans)));
    }
    // A day of one year counts before the same day of every year.
    found.sort_by_key(|(day, _)| matches!(day, Day::Yearly(..)));
    found
}

/// `2026-12-24`, or `12-25` for each year.
fn day(text: &str) -> Result<Day, Complaint> {
    let yearly = || {
        let (month, day) = text.split_once('-')?;
        let date = Date::new(LEAP_YEAR, month.parse().ok()?, day.parse().ok()?).ok()?;
        Some(Day::Yearly(date.month(), date.day()))
    };
    let once = || text.parse::<Date>().ok().map(Day::Once);
    yearly().or_else(once).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no day"),
            "write it as \"2026-12-24\", or as \"12-24\" for every year",
        )
    })
}

/// `"09:00-17:00"`, a list of such, or `"closed"`.
fn spans(section: &Section<'_>, value: &Spanned<DeValue<'_>>) -> Vec<Span> {
    let one = |value: &Spanned<DeValue<'_>>| match value.get_ref().as_str() {
        Some("closed") => None,
        Some(text) => section.accept(value.span(), span(text)),
        None => {
            section.wrong("hours", "\"09:00-17:00\", a list of such, or \"closed\"", value);
            None
        }
    };
    match value.get_ref().as_array() {
        Some(items) => items.iter().filter_map(one).collect(),
        None => one(value).into_iter().collect(),
    }
}

fn span(text: &str) -> Result<Span, Complaint> {
    let complaint = |why: &str| {
        Complaint::new(
            format!("`{text}` {why}"),
            "write it as \"09:00-17:00\"; \"22:00-24:00\" ends with the day, and what follows is the next day's",
        )
    };
    let time = |text: &str| match text.trim() {
        "24:00" => Some(Time::midnight()),
        text => text.split_once(':').and_then(|(hour, minute)| {
            let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            (two(hour) && two(minute)).then_some(())?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        }),
    };
    let times = text.split_once('-').and_then(|(from, to)| time(from).zip(time(to)));
    let (from, to) = times.ok_or_else(|| complaint("are no hours"))?;
    if from < to || to == Time::midnight() {
        return Ok(Span(from, to));
    }
    Err(complaint("end before they begin"))
}

impl Reader<'_, '_> {
    /// `language`: one, or which, and what chooses among them.
    pub(super) fn languages(&mut self, section: &mut Section<'_>) -> Option<Languages> {
        let usual = LanguageName::new(self.surroundings.language.as_str());
        section.ask("language", Kind::Text);
        let Some(value) = section.value("language") else {
            return Some(self.speaks(usual, Vec::new(), None, None));
        };
        let Some(mut inner) = section.of("language", "this line's `language`", value) else {
            let language = section.read("language", values::language)?;
            return Some(self.speaks(LanguageName::new(language), Vec::new(), None, None));
        };
        let first = inner.read("first", values::language).map_or(usual, LanguageName::new);
        let mut others = Vec::new();
        for text in inner.texts("also").unwrap_or_default() {
            others.extend(inner.accept(text.span(), values::language(text.get_ref())).map(LanguageName::new));
        }
        let menu = self.language_menu(&mut inner);
        let attribute = inner.read("attribute", super::spoken::attribute);
        let spoken =
            others.iter().chain(menu.iter().flat_map(|(_, keys)| keys.iter().map(|(_, language)| language)));
        let count = spoken.clone().filter(|language| **language != first).count();
        if attribute.is_some() && count == 0 {
            let fault =
                Fault::at(inner.span(), "this line speaks one language only, whichever the customer's is");
            inner.note(fault.help("name the others: also = [\"…\"]").warning());
        }
        if count > LANGUAGES_MAX {
            let fault = Fault::at(inner.span(), "these are too many languages");
            inner.note(fault.help(format!("up to {LANGUAGES_MAX} besides the first will do")));
        }
        let also = spoken.cloned().collect();
        inner.finish();
        Some(self.speaks(first, also, menu, attribute.map(Into::into)))
    }

    fn speaks(
        &self,
        first: LanguageName,
        also: Vec<LanguageName>,
        menu: Option<(Question, Vec<(Digit, LanguageName)>)>,
        attribute: Option<std::sync::Arc<str>>,
    ) -> Languages {
        let mut all: Vec<(LanguageName, DateOrder)> = Vec::new();
        for language in std::iter::once(first.clone()).chain(also) {
            if !all.iter().any(|(known, _)| *known == language) {
                let order = (self.surroundings.date_order)(&language);
                all.push((language, order));
            }
        }
        Languages { first, all, menu, attribute }
    }

    fn language_menu(&mut self, section: &mut Section<'_>) -> Option<(Question, Vec<(Digit, LanguageName)>)> {
        let mut inner = section.section("menu", "this line's menu of languages");
        if !inner.is_present() {
            return None;
        }
        let mut choices = Vec::new();
        for (key, value) in keys(&mut inner, Kind::Text, "\"en\", 2 = \"de\"") {
            let Some(text) = value.get_ref().as_str() else {
                inner.wrong("keys", "a language in quotes, at each key", value);
                continue;
            };
            let language = inner.accept(value.span(), values::language(text));
            choices.extend(language.map(|language| (key, LanguageName::new(language))));
        }
        let digits: Vec<_> = choices.iter().map(|(key, _)| *key).collect();
        let mut question = self.question(&mut inner, &MENU, &digits)?;
        inner.finish();
        if question.prompts.ask.pieces.is_empty() {
            // Nobody knows yet which language is understood: each is asked for in itself.
            let ask = |(_, language): &(Digit, LanguageName)| {
                Piece::PromptIn(language.clone(), PromptId::new("menu-language"))
            };
            question.prompts.ask = Announcement::of(choices.iter().map(ask).collect());
        }
        Some((question, choices))
    }
}
