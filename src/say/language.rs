//! A language: its rules, applied to what is to be said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::{Date, Time};

use super::expand::{Filling, Needs, Phrase, Rules, Speech};
use super::rule::{Part, SetId};
use super::saying::{Currency, Decimal, Digits, Kind, Saying, Unsayable};
use super::{Piece, PromptId};

/// How a language makes sentences of recordings. What it lacks cannot be said, and all else can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Language {
    pub(super) name: String,
    pub(super) rules: Rules,
    pub(super) cardinal: Option<SetId>,
    pub(super) ordinal: Option<SetId>,
    pub(super) minus: Option<PromptId>,
    pub(super) point: Option<PromptId>,
    pub(super) digits: Option<DigitRules>,
    pub(super) dates: Option<DateRules>,
    pub(super) times: Option<TimeRules>,
    pub(super) money: Option<MoneyRules>,
}

/// The order in which callers key a date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// Day, month, year.
    #[default]
    DayMonthYear,
    /// Month, day, year.
    MonthDayYear,
    /// Year, month, day.
    YearMonthDay,
}

/// How digits are said one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DigitRules {
    pub digit: Phrase,
    pub pause: Duration,
    pub group: Option<usize>,
}

/// How days are said; the slots are [`DATE_SLOTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateRules {
    pub order: DateOrder,
    pub said: Vec<Part>,
    pub day: Phrase,
    pub month: Phrase,
    pub year: Phrase,
}

/// How times of day are said; the slots are [`TIME_SLOTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeRules {
    /// Whether the clock has twelve hours.
    pub is_halved: bool,
    pub said: Vec<Part>,
    pub hour: Phrase,
    pub minute: Phrase,
    pub before_noon: Phrase,
    pub after_noon: Phrase,
}

/// How sums of money are said; the slots are [`MONEY_SLOTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MoneyRules {
    pub said: Vec<Part>,
    pub currencies: BTreeMap<Currency, CurrencyRules>,
}

/// How the units of a currency are said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CurrencyRules {
    pub major: Phrase,
    /// The unit behind the point, and with how many digits; there may be none.
    pub minor: Option<(Phrase, usize)>,
}

pub(super) const DATE_SLOTS: [&str; 3] = ["day", "month", "year"];
pub(super) const TIME_SLOTS: [&str; 3] = ["hour", "minute", "half"];
pub(super) const MONEY_SLOTS: [&str; 2] = ["major", "minor"];

impl Language {
    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The order in which callers key a date.
    pub fn date_order(&self) -> DateOrder {
        self.dates.as_ref().map(|dates| dates.order).unwrap_or_default()
    }

    /// The pieces that say it.
    ///
    /// # Errors
    /// Where the language has no rule for it.
    pub fn say(&self, saying: &Saying) -> Result<Vec<Piece>, Unsayable> {
        let mut speech = Speech::new(&self.rules);
        match saying {
            Saying::Prompt(prompt) => speech.prompts.push(prompt.clone()),
            Saying::Silence(length) => return Ok(vec![Piece::Silence(*length)]),
            Saying::Digits(digits) => return self.say_digits(digits),
            Saying::Number(number) => self.say_number(&mut speech, number)?,
            Saying::Ordinal(place) => speech.number(self.ordinal.ok_or(Unsayable::NoRule)?, *place)?,
            Saying::Date(date) => self.say_date(&mut speech, *date)?,
            Saying::Time(time) => self.say_time(&mut speech, *time)?,
            Saying::Money(amount, currency) => self.say_money(&mut speech, amount, *currency)?,
        }
        Ok(speech.prompts.into_iter().map(Piece::Prompt).collect())
    }

    fn say_digits(&self, digits: &Digits) -> Result<Vec<Piece>, Unsayable> {
        let rules = self.digits.as_ref().ok_or(Unsayable::NoRule)?;
        let mut pieces = Vec::new();
        for group in digits.groups(rules.group) {
            if !pieces.is_empty() && !rules.pause.is_zero() {
                pieces.push(Piece::Silence(rules.pause));
            }
            let mut speech = Speech::new(&self.rules);
            group.into_iter().try_for_each(|digit| speech.phrase(digit, &rules.digit))?;
            pieces.extend(speech.prompts.into_iter().map(Piece::Prompt));
        }
        Ok(pieces)
    }

    fn say_sign(&self, speech: &mut Speech<'_>, number: &Decimal) -> Result<(), Unsayable> {
        if number.is_negative() {
            speech.prompts.push(self.minus.clone().ok_or(Unsayable::NoRule)?);
        }
        Ok(())
    }

    fn say_number(&self, speech: &mut Speech<'_>, number: &Decimal) -> Result<(), Unsayable> {
        self.say_sign(speech, number)?;
        speech.number(self.cardinal.ok_or(Unsayable::NoRule)?, number.whole())?;
        for (place, digit) in number.fraction().enumerate() {
            let (point, digits) = self.point.as_ref().zip(self.digits.as_ref()).ok_or(Unsayable::NoRule)?;
            if place == 0 {
                speech.prompts.push(point.clone());
            }
            speech.phrase(digit, &digits.digit)?;
        }
        Ok(())
    }

    fn say_date(&self, speech: &mut Speech<'_>, date: Date) -> Result<(), Unsayable> {
        let rules = self.dates.as_ref().ok_or(Unsayable::NoRule)?;
        let number = |part: i16| u64::from(part.unsigned_abs());
        let slots: [Filling<'_>; 3] = [
            (number(date.day().into()), &rules.day),
            (number(date.month().into()), &rules.month),
            (number(date.year()), &rules.year),
        ];
        speech.slots(&rules.said, &slots)
    }

    fn say_time(&self, speech: &mut Speech<'_>, time: Time) -> Result<(), Unsayable> {
        let rules = self.times.as_ref().ok_or(Unsayable::NoRule)?;
        let number = |part: i8| u64::from(part.unsigned_abs());
        let half = if time.hour() < 12 { &rules.before_noon } else { &rules.after_noon };
        let hour = match number(time.hour()) {
            hour if rules.is_halved => (hour + 11) % 12 + 1,
            hour => hour,
        };
        let slots: [Filling<'_>; 3] =
            [(hour, &rules.hour), (number(time.minute()), &rules.minute), (number(time.hour()), half)];
        speech.slots(&rules.said, &slots)
    }

    fn say_money(
        &self,
        speech: &mut Speech<'_>,
        amount: &Decimal,
        currency: Currency,
    ) -> Result<(), Unsayable> {
        let rules = self.money.as_ref().ok_or(Unsayable::NoRule)?;
        let CurrencyRules { major, minor } =
            rules.currencies.get(&currency).ok_or(Unsayable::UnknownCurrency(currency))?;
        let decimals = minor.as_ref().map_or(0, |(_, decimals)| *decimals);
        let rest = amount.hundredths(decimals).ok_or(Unsayable::Decimals(currency))?;
        self.say_sign(speech, amount)?;
        match minor {
            Some((minor, _)) if rest > 0 && amount.whole() == 0 => speech.phrase(rest, minor),
            Some((minor, _)) => speech.slots(&rules.said, &[(amount.whole(), major), (rest, minor)]),
            None => speech.phrase(amount.whole(), major),
        }
    }

    /// Every recording that sayings of these kinds can need.
    pub fn prompts_of(&self, kinds: impl IntoIterator<Item = Kind>) -> BTreeSet<PromptId> {
        let mut needs = Needs::new(&self.rules);
        for kind in kinds {
            match kind {
                Kind::Digits => self.need_digits(&mut needs),
                Kind::Number => {
                    self.cardinal.into_iter().for_each(|set| needs.set(set));
                    needs.prompts.extend(self.minus.iter().chain(&self.point).cloned());
                    self.need_digits(&mut needs);
                }
                Kind::Ordinal => self.ordinal.into_iter().for_each(|set| needs.set(set)),
                Kind::Date => self.dates.iter().for_each(|dates| dates.need(&mut needs)),
                Kind::Time => self.times.iter().for_each(|times| times.need(&mut needs)),
                Kind::Money(only) => {
                    self.money.iter().for_each(|money| money.need(only, &mut needs));
                    needs.prompts.extend(self.minus.clone());
                }
            }
        }
        needs.prompts
    }

    /// Every recording that it can ever need for values.
    pub fn prompts(&self) -> BTreeSet<PromptId> {
        self.prompts_of([
            Kind::Digits,
            Kind::Number,
            Kind::Ordinal,
            Kind::Date,
            Kind::Time,
            Kind::Money(None),
        ])
    }

    fn need_digits(&self, needs: &mut Needs<'_>) {
        self.digits.iter().for_each(|digits| needs.phrase(&digits.digit));
    }
}

impl DateRules {
    fn need(&self, needs: &mut Needs<'_>) {
        needs.slots(&self.said);
        for phrase in [&self.day, &self.month, &self.year] {
            needs.phrase(phrase);
        }
    }
}

impl TimeRules {
    fn need(&self, needs: &mut Needs<'_>) {
        needs.slots(&self.said);
        let Self { hour, minute, before_noon, after_noon, .. } = self;
        for phrase in [hour, minute, before_noon, after_noon] {
            needs.phrase(phrase);
        }
    }
}

impl MoneyRules {
    fn need(&self, only: Option<Currency>, needs: &mut Needs<'_>) {
        needs.slots(&self.said);
        for (currency, rules) in &self.currencies {
            if only.is_none_or(|only| only == *currency) {
                needs.phrase(&rules.major);
                rules.minor.iter().for_each(|(minor, _)| needs.phrase(minor));
            }
        }
    }
}
