//! One question: what to say, what counts as an entry, how often to ask, and what follows when it comes to nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::Date;

use super::{Announcement, DateOrder, Then};
use crate::secret::Digit;

/// A question that is answered by keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What makes an entry.
    pub entry: EntryRules,
    /// How often it is asked again.
    pub retries: Retries,
    /// What is said.
    pub prompts: Prompts,
    /// Said once there is an entry that could be right, to have it confirmed with 1 or taken back with 2; `None` asks for
    /// no confirmation.
    pub confirm: Option<Announcement>,
    /// A key that explains, where it comes first, and what it has said.
    pub help: Option<(Digit, Announcement)>,
    /// The key that gives up, where it comes first; `None` has none.
    pub opt_out: Option<Digit>,
    /// What follows on that.
    pub opted_out: After,
    /// What follows when there were entries enough.
    pub exhausted: After,
}

/// What makes an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRules {
    /// The fewest digits that make an entry, at least 1.
    pub digits_min: usize,
    /// The most digits; an entry that reaches it ends by itself.
    pub digits_max: usize,
    /// The key that ends an entry early.
    pub terminator: Option<Digit>,
    /// How long to wait for the first digit once the prompt is over.
    pub first_digit_timeout: Duration,
    /// How long to wait between digits.
    pub inter_digit_timeout: Duration,
    /// How long one entry may take in all, from its first digit; it never cuts an inter-digit wait short.
    pub total_timeout: Duration,
}

impl EntryRules {
    /// So many digits, at the usual pace: five seconds to begin, three between digits, thirty in all.
    pub fn of(digits: RangeInclusive<usize>) -> Self {
        Self {
            digits_min: *digits.start(),
            digits_max: *digits.end(),
            terminator: Some(Digit::HASH),
            first_digit_timeout: Duration::from_secs(5),
            inter_digit_timeout: Duration::from_secs(3),
            total_timeout: Duration::from_secs(30),
        }
    }
}

impl Question {
    /// A question that is asked three times more, and given up by `*`, which leads to the verdict.
    pub fn new(entry: EntryRules, prompts: Prompts) -> Self {
        Self {
            entry,
            retries: Retries::of(3),
            prompts,
            confirm: None,
            help: None,
            opt_out: Some(Digit::STAR),
            opted_out: After::Verdict,
            exhausted: After::Next,
        }
    }
}

impl Retries {
    /// So many in all, whatever they fail by.
    pub fn of(total: u32) -> Self {
        Self { no_match: total, no_input: total, total }
    }
}

impl Prompts {
    /// The same each time.
    pub fn same(ask: Announcement) -> Self {
        Self { ask, no_match: Vec::new(), no_input: Vec::new(), too_short: Vec::new() }
    }
}

/// How many further entries are allowed after the first: for each way in which one can fail, and in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// After entries that were not accepted: wrong, too short, impossible or taken back.
    pub no_match: u32,
    /// After nothing was keyed.
    pub no_input: u32,
    /// Whatever went before.
    pub total: u32,
}

/// What a question says at each attempt. Where a list runs out, its last announcement is repeated; where it is empty,
/// the question itself is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompts {
    /// The question itself.
    pub ask: Announcement,
    /// After the first, second, … entry that was not accepted.
    pub no_match: Vec<Announcement>,
    /// After the first, second, … time that nothing was keyed.
    pub no_input: Vec<Announcement>,
    /// After the first, second, … entry with too few digits.
    pub too_short: Vec<Announcement>,
}

/// What follows a question that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The next question or factor, and the verdict where there is none.
    Next,
    /// What the verdict has follow, as it stands.
    Verdict,
    /// This.
    Then(Then),
}

/// The years that a keyed date may be of.
const YEARS: RangeInclusive<i16> = 1890..=2100;

impl DateOrder {
    /// The date that eight digits are; `None` where the calendar has no such day.
    pub fn date(self, digits: &str) -> Option<Date> {
        let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
        if digits.len() != 8 {
            return None;
        }
        let (year, month, day) = match self {
            Self::DayMonthYear => (part(4, 8)?, part(2, 4)?, part(0, 2)?),
            Self::MonthDayYear => (part(4, 8)?, part(0, 2)?, part(2, 4)?),
            Self::YearMonthDay => (part(0, 4)?, part(4, 6)?, part(6, 8)?),
        };
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        YEARS.contains(&year).then_some(date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_their_order_and_by_the_calendar() {
        use DateOrder::{DayMonthYear, MonthDayYear, YearMonthDay};
        let table = [
            (DayMonthYear, "31121980", Some("1980-12-31")),
            (MonthDayYear, "12311980", Some("1980-12-31")),
            (YearMonthDay, "19801231", Some("1980-12-31")),
            (MonthDayYear, "31121980", None),
            (DayMonthYear, "29021999", None),
            (DayMonthYear, "29022000", Some("2000-02-29")),
            (DayMonthYear, "29021900", None),
            (DayMonthYear, "00011980", None),
            (DayMonthYear, "01011889", None),
            (DayMonthYear, "0101198", None),
        ];
        for (order, digits, date) in table {
            assert_eq!(
                order.date(digits).map(|date| date.to_string()).as_deref(),
                date,
                "{order:?} {digits}"
            );
        }
    }
}
