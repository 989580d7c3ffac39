//! Reads a language's `rules.toml`, and tells everything that is wrong with it, line by line.
//!
//! prompts/en/rules.toml is the commented example. Read by hand rather than by serde, which would stop at the first
//! fault.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::expand::{Phrase, Rule, Rules, Set};
use super::language::{
    CurrencyRules, DATE_SLOTS, DateOrder, DateRules, DigitRules, Language, MONEY_SLOTS, MoneyRules,
    TIME_SLOTS, TimeRules,
};
use super::rule::{self, Part, Scope, SetId};
use super::saying::Currency;
use super::{NUMBER_MAX, PromptId};

/// The longest range of numbers with a recording each.
const RANGE_MAX: u64 = 1000;

/// The longest pause between groups of digits.
const PAUSE_MS_MAX: u64 = 5000;

/// The largest group of digits, and the most decimals of a currency.
const GROUP_MAX: u64 = 64;
const DECIMALS_MAX: u64 = 4;

/// Pause between groups of digits where the language does not say.
const PAUSE_MS: u64 = 250;

/// Something wrong in a file of rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// Everything that is wrong with a file of rules, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFaults(pub Vec<RuleFault>);

impl fmt::Display for RuleFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, RuleFault { line, message }) in self.0.iter().enumerate() {
            let break_before = if place > 0 { "\n  " } else { "" };
            write!(formatter, "{break_before}line {line}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleFaults {}

type Value<'t> = &'t Spanned<DeValue<'t>>;

impl Language {
    /// Reads the text of a `rules.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RuleFaults> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { text, faults: Vec::new(), sets: Vec::new() };
        for error in errors {
            reader.note(error.span().unwrap_or(0..0), error.message().to_owned());
        }
        let language = reader.language(Section { title: "the file", table: table.get_ref(), known: vec![] });
        let mut faults = reader.faults;
        faults.sort();
        if faults.is_empty() { Ok(language) } else { Err(RuleFaults(faults)) }
    }
}

struct Reader<'t> {
    text: &'t str,
    faults: Vec<RuleFault>,
    /// The names of all sets of rules for numbers.
    sets: Vec<String>,
}

/// One table, and which of its keys have been asked for.
struct Section<'t> {
    title: &'t str,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    fn value(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.known.push(key);
        self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    fn others(&self) -> impl Iterator<Item = (Range<usize>, &'t str, Value<'t>)> {
        let entries = self.table.iter().map(|(key, value)| (key.span(), key.get_ref().as_ref(), value));
        entries.filter(|(_, key, _)| !self.known.contains(key))
    }
}

impl<'t> Reader<'t> {
    fn note(&mut self, span: Range<usize>, message: String) {
        let before = self.text.get(..span.start).unwrap_or_default();
        self.faults.push(RuleFault { line: before.matches('\n').count() + 1, message });
    }

    /// Takes what was read, or notes what is wrong with it.
    fn accept<T>(&mut self, span: Range<usize>, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.note(span, message)).ok()
    }

    fn language(&mut self, mut file: Section<'t>) -> Language {
        let name = self.text_of(&mut file, "name").map(|(_, name)| name.to_owned()).unwrap_or_default();
        let plurals = self.section(&mut file, "plurals");
        let numbers = self.section(&mut file, "numbers");
        let mut rules = Rules::default();
        if let Some(plurals) = plurals {
            for (span, category, value) in plurals.others() {
                let Some(condition) = self.as_text(category, value) else { continue };
                let added = rules.plurals.add(category, condition);
                self.accept(span, added);
            }
        }
        if let Some(numbers) = numbers {
            rules.sets = self.sets(&numbers);
            if let Some(SetId(set)) = rules.circle() {
                let name = self.sets[set].clone();
                let span = numbers.others().find(|(_, key, _)| *key == name).map(|(span, ..)| span);
                self.note(
                    span.unwrap_or_default(),
                    format!("[numbers.{name}] leads back to itself by `={name}=`"),
                );
            }
        }
        let set = |name: &str| self.sets.iter().position(|known| known == name).map(SetId);
        let (cardinal, ordinal) = (set("cardinal"), set("ordinal"));
        let signs = self.section(&mut file, "signs");
        let (minus, point) = signs.map(|signs| self.signs(signs)).unwrap_or_default();
        let digits = self.section(&mut file, "digits").and_then(|section| self.digits(section));
        let dates = self.section(&mut file, "dates").and_then(|section| self.dates(section));
        let times = self.section(&mut file, "times").and_then(|section| self.times(section));
        let money = self.section(&mut file, "money").and_then(|section| self.money(section));
        self.finish(&file);
        Language { name, rules, cardinal, ordinal, minus, point, digits, dates, times, money }
    }

    fn sets(&mut self, numbers: &Section<'t>) -> Vec<Set> {
        self.sets = numbers.others().map(|(_, name, _)| name.to_owned()).collect();
        let mut sets = Vec::new();
        for (place, (_, name, value)) in numbers.others().enumerate() {
            let table = self.as_table(name, value);
            sets.push(table.map(|table| self.set(SetId(place), table)).unwrap_or_default());
        }
        sets
    }

    fn set(&mut self, own: SetId, table: &'t DeTable<'t>) -> Set {
        let mut rules: BTreeMap<u64, Rule> = BTreeMap::new();
        for (key, value) in table {
            let Some(text) = self.as_text(key.get_ref(), value) else { continue };
            let Some((numbers, divisor)) = self.accept(key.span(), numbers(key.get_ref())) else { continue };
            let is_range = numbers.end() > numbers.start();
            let scope = Scope {
                sets: &self.sets,
                own: Some(own),
                slots: &[],
                divides: divisor > 1,
                counted: is_range,
                numbered: true,
            };
            let parts = rule::parse(text, &scope);
            let Some(parts) = self.accept(value.span(), parts) else { continue };
            let rule = Rule { last: is_range.then_some(*numbers.end()), divisor, parts };
            if rules.insert(*numbers.start(), rule).is_some() {
                self.note(key.span(), format!("there is a rule for {} already", numbers.start()));
            }
        }
        Set { rules }
    }

    fn signs(&mut self, mut section: Section<'t>) -> (Option<PromptId>, Option<PromptId>) {
        let mut prompt = |key| {
            let (span, name) = self.text_of(&mut section, key)?;
            let parts = self.parts(span.clone(), name, &[], None)?;
            let [Part::Word(word)] = &parts[..] else {
                self.note(span, format!("`{key}` should be one recording"));
                return None;
            };
            Some(word.with(""))
        };
        let signs = (prompt("minus"), prompt("point"));
        self.finish(&section);
        signs
    }

    fn digits(&mut self, mut section: Section<'t>) -> Option<DigitRules> {
        let digit = self.phrase(&mut section, "said", Some(0..=9));
        let pause = self.number(&mut section, "pause_ms", 0..=PAUSE_MS_MAX).unwrap_or(PAUSE_MS);
        let group = self.number(&mut section, "group", 1..=GROUP_MAX).map(|group| group as usize);
        self.finish(&section);
        Some(DigitRules { digit: digit?, pause: Duration::from_millis(pause), group })
    }

    fn dates(&mut self, mut section: Section<'t>) -> Option<DateRules> {
        let order = self.need(&mut section, "order").and_then(|(span, order)| {
            let order = match order {
                "day month year" => Ok(DateOrder::DayMonthYear),
                "month day year" => Ok(DateOrder::MonthDayYear),
                "year month day" => Ok(DateOrder::YearMonthDay),
                _ => {
                    Err("`order` is \"day month year\", \"month day year\" or \"year month day\"".to_owned())
                }
            };
            self.accept(span, order)
        });
        let said = self.pattern(&mut section, "said", &DATE_SLOTS);
        let day = self.phrase(&mut section, "day", Some(1..=31));
        let month = self.phrase(&mut section, "month", Some(1..=12));
        let year = self.phrase(&mut section, "year", None);
        self.finish(&section);
        Some(DateRules { order: order?, said: said?, day: day?, month: month?, year: year? })
    }

    fn times(&mut self, mut section: Section<'t>) -> Option<TimeRules> {
        let is_halved = self.number(&mut section, "clock", 12..=24).is_some_and(|hours| hours < 24);
        let said = self.pattern(&mut section, "said", &TIME_SLOTS);
        let hours = if is_halved { 1..=12 } else { 0..=23 };
        let hour = self.phrase(&mut section, "hour", Some(hours));
        let minute = self.phrase(&mut section, "minute", Some(0..=59));
        let silent = Phrase { parts: Vec::new(), range: None };
        let mut half = |reader: &mut Self, key| {
            let given = section.table.contains_key(key);
            if given { reader.phrase(&mut section, key, Some(0..=23)) } else { Some(silent.clone()) }
        };
        let (before_noon, after_noon) = (half(self, "before_noon"), half(self, "after_noon"));
        self.finish(&section);
        Some(TimeRules {
            is_halved,
            said: said?,
            hour: hour?,
            minute: minute?,
            before_noon: before_noon?,
            after_noon: after_noon?,
        })
    }

    fn money(&mut self, mut section: Section<'t>) -> Option<MoneyRules> {
        let said = self.pattern(&mut section, "said", &MONEY_SLOTS);
        let mut currencies = BTreeMap::new();
        for (span, name, value) in section.others() {
            let currency = Currency::parse(name)
                .ok_or_else(|| format!("`{name}` is no currency: three capital letters are, such as EUR"));
            let Some(currency) = self.accept(span, currency) else { continue };
            let Some(table) = self.as_table(name, value) else { continue };
            let rules = self.currency(Section { title: name, table, known: vec![] });
            if let Some(rules) = rules {
                currencies.insert(currency, rules);
            }
        }
        Some(MoneyRules { said: said?, currencies })
    }

    fn currency(&mut self, mut section: Section<'t>) -> Option<CurrencyRules> {
        let major = self.phrase(&mut section, "major", None);
        let has_minor = section.table.contains_key("minor");
        let minor = if has_minor { self.phrase(&mut section, "minor", None) } else { None };
        let decimals = self.number(&mut section, "decimals", 1..=DECIMALS_MAX).unwrap_or(2);
        self.finish(&section);
        Some(CurrencyRules { major: major?, minor: minor.map(|minor| (minor, decimals as usize)) })
    }

    /// The text of `key`, which says one number.
    fn phrase(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
        range: Option<RangeInclusive<u64>>,
    ) -> Option<Phrase> {
        let (span, text) = self.need(section, key)?;
        let parts = self.parts(span, text, &[], Some(range.is_some()))?;
        Some(Phrase { parts, range })
    }

    /// The text of `key`, which puts numbers together.
    fn pattern(&mut self, section: &mut Section<'t>, key: &'static str, slots: &[&str]) -> Option<Vec<Part>> {
        let (span, text) = self.need(section, key)?;
        self.parts(span, text, slots, None)
    }

    /// `counted`: whether there is a number, and whether each can have a recording.
    fn parts(
        &mut self,
        span: Range<usize>,
        text: &str,
        slots: &[&str],
        counted: Option<bool>,
    ) -> Option<Vec<Part>> {
        let scope = Scope {
            sets: &self.sets,
            own: None,
            slots,
            divides: false,
            counted: counted == Some(true),
            numbered: counted.is_some(),
        };
        let parts = rule::parse(text, &scope);
        self.accept(span, parts)
    }

    fn section(&mut self, file: &mut Section<'t>, key: &'static str) -> Option<Section<'t>> {
        let value = file.value(key)?;
        Some(Section { title: key, table: self.as_table(key, value)?, known: vec![] })
    }

    fn text_of(&mut self, section: &mut Section<'t>, key: &'static str) -> Option<(Range<usize>, &'t str)> {
        let value = section.value(key)?;
        Some((value.span(), self.as_text(key, value)?))
    }

    /// As [`Reader::text_of`], where there is no going without.
    fn need(&mut self, section: &mut Section<'t>, key: &'static str) -> Option<(Range<usize>, &'t str)> {
        if !section.table.contains_key(key) {
            let first = section.table.iter().next().map(|(name, _)| name.span());
            self.note(first.unwrap_or_default(), format!("[{}] does not say `{key}`", section.title));
        }
        self.text_of(section, key)
    }

    fn number(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = section.value(key)?;
        let integer = value.get_ref().as_integer();
        let number = integer.and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok());
        let number = number.filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        let read = number.ok_or_else(|| format!("`{key}` should be a whole number from {least} to {most}"));
        self.accept(value.span(), read)
    }

    fn as_text(&mut self, key: &str, value: Value<'t>) -> Option<&'t str> {
        let text = value.get_ref().as_str().ok_or_else(|| format!("`{key}` should be a text in quotes"));
        self.accept(value.span(), text)
    }

    fn as_table(&mut self, key: &str, value: Value<'t>) -> Option<&'t DeTable<'t>> {
        let table = value.get_ref().as_table().ok_or_else(|| format!("`{key}` should be a section"));
        self.accept(value.span(), table)
    }

    /// Notes every key that nothing asked for.
    fn finish(&mut self, section: &Section<'t>) {
        for (span, key, _) in section.others() {
            let known = section.known.join("`, `");
            self.note(span, format!("`{key}` is nothing that is known here; there are `{known}`"));
        }
    }
}

/// The numbers that a rule begins with, and what it divides by: `20`, `1_000`, `0..9`, `1100/100`.
fn numbers(key: &str) -> Result<(RangeInclusive<u64>, u64), String> {
    let number = |text: &str| text.replace('_', "").parse().ok().filter(|number| *number <= NUMBER_MAX);
    let wrong =
        || format!("`{key}` is no number up to {NUMBER_MAX}, and nothing like \"0..9\" or \"1100/100\"");
    if let Some((first, last)) = key.split_once("..") {
        let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
        let is_short = last > first && last - first < RANGE_MAX;
        return is_short
            .then_some((first..=last, 1))
            .ok_or_else(|| format!("`{key}` should be a range of 2 to {RANGE_MAX} numbers"));
    }
    let (first, divisor) = key.split_once('/').map_or((key, None), |(first, by)| (first, Some(by)));
    let first: u64 = number(first).ok_or_else(wrong)?;
    let divisor = match divisor {
        None => 10_u64.pow(first.checked_ilog10().unwrap_or(0)),
        Some(divisor) => number(divisor).ok_or_else(wrong)?,
    };
    // What remains is then smaller than the number, and what it is divided into, too: rules come to an end.
    let is_divisible = divisor == 1 && first < 10 || (2..=first).contains(&divisor);
    let read = is_divisible.then_some((first..=first, divisor));
    read.ok_or_else(|| format!("`{key}` cannot be divided by {divisor}: by 2 to {first} it can"))
}
