//! What can be said, and the reading of it from values as records hold them.
//!
//! Values are a customer's own: nothing here prints one, in a fault neither.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, Time};

use super::{NUMBER_MAX, PromptId};

/// The most digits that are said one by one.
const DIGITS_MAX: usize = 64;

/// The most digits behind a point.
const FRACTION_MAX: usize = 9;

/// Something to say.
#[derive(Clone, PartialEq, Eq)]
pub enum Saying {
    /// A recording.
    Prompt(PromptId),
    /// Nothing, for so long.
    Silence(Duration),
    /// Digits one by one.
    Digits(Digits),
    /// A number, as one counts.
    Number(Decimal),
    /// A place in an order: the third.
    Ordinal(u64),
    /// A day.
    Date(Date),
    /// A time of day, to the minute.
    Time(Time),
    /// A sum of money.
    Money(Decimal, Currency),
}

/// Digits, in the groups they are written in.
#[derive(Clone, PartialEq, Eq)]
pub struct Digits(Vec<Vec<u8>>);

/// A decimal number with the digits that it is written with.
#[derive(Clone, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    whole: u64,
    fraction: String,
}

/// A currency by its three letters of ISO 4217, such as `EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// How a value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `4711`, `0049 30 1234`: digits one by one.
    Digits,
    /// `-12.5`: a number, as one counts.
    Number,
    /// `3`: the third.
    Ordinal,
    /// `2026-11-24`: a day. What follows a `T` is left out.
    Date,
    /// `14:05`: a time of day. Seconds are left out.
    Time,
    /// `-1234.50` or `12.50 EUR`: a sum of money, in this currency unless the value names its own.
    Money(Option<Currency>),
}

/// Why something cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// The value is not of its kind.
    #[error("the value is no {what}, which is written like {example}")]
    Misshapen {
        /// What it should be.
        what: &'static str,
        /// How one is written.
        example: &'static str,
    },
    /// Further from zero than [`NUMBER_MAX`].
    #[error("the number is larger than {NUMBER_MAX}")]
    TooLarge,
    /// More digits than are said, or rules that go round and round.
    #[error("it takes too long to say")]
    TooLong,
    /// The value does not say which currency it is in, and neither did anybody else.
    #[error("it is not known which currency the value is in")]
    NoCurrency,
    /// Parts of a cent that are not zero.
    #[error("the amount has more decimals than {0} has")]
    Decimals(Currency),
    /// The language has no rules for this currency.
    #[error("the language has no rules for {0}: it takes [money.{0}] in its rules.toml")]
    UnknownCurrency(Currency),
    /// The language has no rule for this number, or none for anything of the kind.
    #[error("the language has no rule for it")]
    NoRule,
}

impl Kind {
    /// Those that are nothing but their name.
    pub const PLAIN: [(&str, Self); 5] = [
        ("digits", Self::Digits),
        ("number", Self::Number),
        ("ordinal", Self::Ordinal),
        ("date", Self::Date),
        ("time", Self::Time),
    ];

    /// Reads a kind's name: `digits`, `number`, `ordinal`, `date`, `time`, `money` or `money EUR`.
    pub fn parse(text: &str) -> Option<Self> {
        let found = Self::PLAIN.into_iter().find_map(|(name, kind)| (name == text).then_some(kind));
        let of_currency = |text: &str| Currency::parse(text).map(|currency| Self::Money(Some(currency)));
        let money = || if text == "money" { Some(Self::Money(None)) } else { None };
        found.or_else(money).or_else(|| text.strip_prefix("money ").and_then(of_currency))
    }

    /// Reads a value of this kind.
    ///
    /// # Errors
    /// Where it is none, or one that cannot be said in any language.
    pub fn read(self, value: &str) -> Result<Saying, Unsayable> {
        let value = value.trim();
        match self {
            Self::Digits => Digits::parse(value).map(Saying::Digits),
            Self::Number => Decimal::parse(value).map(Saying::Number),
            Self::Ordinal => ordinal(value).map(Saying::Ordinal),
            Self::Date => date(value).map(Saying::Date),
            Self::Time => time(value).map(Saying::Time),
            Self::Money(currency) => money(value, currency),
        }
    }
}

impl fmt::Display for Kind {
    /// As [`Kind::parse`] reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(Some(currency)) => write!(formatter, "money {currency}"),
            Self::Money(None) => formatter.write_str("money"),
            plain => {
                let named = Self::PLAIN.iter().find(|(_, kind)| kind == plain);
                formatter.write_str(named.map_or("", |(name, _)| name))
            }
        }
    }
}

impl Digits {
    /// Reads digits; spaces, hyphens, dots and slashes part them into groups.
    pub fn parse(text: &str) -> Result<Self, Unsayable> {
        let parts = |letter: char| matches!(letter, ' ' | '-' | '.' | '/');
        let groups = text.split(parts).filter(|group| !group.is_empty());
        let groups: Vec<Vec<u8>> = groups.map(|group| group.bytes().collect()).collect();
        let mut digits = groups.iter().flatten();
        if groups.is_empty() || !digits.all(u8::is_ascii_digit) {
            return Err(Unsayable::Misshapen { what: "row of digits", example: "4711" });
        }
        if groups.iter().map(Vec::len).sum::<usize>() > DIGITS_MAX {
            return Err(Unsayable::TooLong);
        }
        Ok(Self(groups))
    }

    /// The groups. Where it is written without any and `size` is given, those of that size, but none of a single digit.
    pub(super) fn groups(&self, size: Option<usize>) -> Vec<Vec<u64>> {
        let value = |group: &[u8]| group.iter().map(|digit| u64::from(digit - b'0')).collect::<Vec<_>>();
        let (Some(size), [all]) = (size.filter(|size| *size > 0), &self.0[..]) else {
            return self.0.iter().map(|group| value(group)).collect();
        };
        let mut groups: Vec<_> = all.chunks(size).map(value).collect();
        if groups.len() > 1 && groups.last().is_some_and(|last| last.len() == 1) {
            let last = groups.pop().unwrap_or_default();
            groups.last_mut().into_iter().for_each(|group| group.extend(&last));
        }
        groups
    }
}

impl Decimal {
    /// Reads `12`, `-12.50` and the like.
    pub fn parse(text: &str) -> Result<Self, Unsayable> {
        let misshapen = || Unsayable::Misshapen { what: "number", example: "-1234.50" };
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return Err(misshapen()),
            Some((whole, fraction)) => (whole, fraction),
            None => (unsigned, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(misshapen());
        }
        if fraction.len() > FRACTION_MAX {
            return Err(Unsayable::TooLong);
        }
        let number = whole.parse().ok().filter(|number| *number <= NUMBER_MAX);
        let whole = number.ok_or(Unsayable::TooLarge)?;
        let is_zero = whole == 0 && fraction.bytes().all(|digit| digit == b'0');
        Ok(Self { is_negative: text.starts_with('-') && !is_zero, whole, fraction: fraction.to_owned() })
    }

    pub(super) fn is_negative(&self) -> bool {
        self.is_negative
    }

    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// The digits behind the point.
    pub(super) fn fraction(&self) -> impl Iterator<Item = u64> {
        self.fraction.bytes().map(|digit| u64::from(digit - b'0'))
    }

    /// What is behind the point as a number with so many digits; `None` where there are more that are not zero.
    pub(super) fn hundredths(&self, decimals: usize) -> Option<u64> {
        let digits = self.fraction().chain(std::iter::repeat(0)).take(decimals);
        let rest_is_zero = self.fraction().skip(decimals).all(|digit| digit == 0);
        rest_is_zero.then(|| digits.fold(0, |number, digit| number * 10 + digit))
    }
}

impl From<i32> for Decimal {
    fn from(number: i32) -> Self {
        Self { is_negative: number < 0, whole: number.unsigned_abs().into(), fraction: String::new() }
    }
}

impl Currency {
    /// Reads three capital letters.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = <[u8; 3]>::try_from(text.as_bytes()).ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(formatter, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for Saying {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt(prompt) => write!(formatter, "Prompt({prompt})"),
            Self::Silence(length) => write!(formatter, "Silence({length:?})"),
            Self::Digits(_) => formatter.write_str("Digits(…)"),
            Self::Number(_) => formatter.write_str("Number(…)"),
            Self::Ordinal(_) => formatter.write_str("Ordinal(…)"),
            Self::Date(_) => formatter.write_str("Date(…)"),
            Self::Time(_) => formatter.write_str("Time(…)"),
            Self::Money(..) => formatter.write_str("Money(…)"),
        }
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digits(…)")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Decimal(…)")
    }
}

fn ordinal(value: &str) -> Result<u64, Unsayable> {
    let number = Decimal::parse(value)?;
    let is_place = number.whole > 0 && !number.is_negative && number.fraction.is_empty();
    is_place.then_some(number.whole).ok_or(Unsayable::Misshapen { what: "place in an order", example: "3" })
}

fn date(value: &str) -> Result<Date, Unsayable> {
    let misshapen = Unsayable::Misshapen { what: "date", example: "2026-11-24" };
    let day = value.split(['T', ' ']).next().unwrap_or_default();
    // Other forms have years of other lengths, or no hyphens: too easily a number of something else.
    let is_plain = day.len() == 10 && day.bytes().filter(|byte| *byte == b'-').count() == 2;
    let read = is_plain.then(|| Date::from_str(day).ok()).flatten();
    read.filter(|date| date.year() > 0).ok_or(misshapen)
}

fn time(value: &str) -> Result<Time, Unsayable> {
    let misshapen = Unsayable::Misshapen { what: "time of day", example: "14:05" };
    let is_plain = value.get(2..3) == Some(":");
    is_plain.then(|| Time::from_str(value).ok()).flatten().ok_or(misshapen)
}

fn money(value: &str, currency: Option<Currency>) -> Result<Saying, Unsayable> {
    let own = value.split_once(' ').and_then(|(one, other)| {
        let before = Currency::parse(one).map(|currency| (other, currency));
        before.or_else(|| Currency::parse(other).map(|currency| (one, currency)))
    });
    let (amount, currency) = match own {
        Some((amount, own)) => (amount, own),
        None => (value, currency.ok_or(Unsayable::NoCurrency)?),
    };
    Ok(Saying::Money(Decimal::parse(amount.trim())?, currency))
}
