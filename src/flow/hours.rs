//! When a line is open: hours of the week in a time zone, and days that are different.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

/// When a line is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Whose clock counts.
    pub zone: TimeZone,
    /// The hours of each day of the week, Monday first.
    pub week: [Vec<Span>; 7],
    /// Days with hours of their own; the first that fits counts.
    pub special: Vec<(Day, Vec<Span>)>,
}

/// From the first time on, up to but not with the second; midnight as the second is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Time, pub Time);

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// This one.
    Once(Date),
    /// This month and day of each year.
    Yearly(i8, i8),
}

impl Span {
    fn holds(self, time: Time) -> bool {
        self.0 <= time && (time < self.1 || self.1 == Time::midnight())
    }
}

impl Day {
    fn is(self, date: Date) -> bool {
        match self {
            Self::Once(day) => day == date,
            Self::Yearly(month, day) => (month, day) == (date.month(), date.day()),
        }
    }
}

impl Hours {
    /// Whether the line is open at `moment`.
    pub fn are_open(&self, moment: Timestamp) -> bool {
        let local = moment.to_zoned(self.zone.clone());
        let special = self.special.iter().find(|(day, _)| day.is(local.date()));
        let spans = special.map_or(&self.week[monday_first(local.weekday())], |(_, spans)| spans);
        spans.iter().any(|span| span.holds(local.time()))
    }
}

fn monday_first(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_open_by_the_clock_of_its_zone_and_closed_on_holidays() {
        let nine_to_five = vec![Span(Time::constant(9, 0, 0, 0), Time::constant(17, 0, 0, 0))];
        let whole_day = vec![Span(Time::midnight(), Time::midnight())];
        let mut week: [Vec<Span>; 7] = std::array::from_fn(|_| nine_to_five.clone());
        week[5] = whole_day;
        week[6] = Vec::new();
        let special = vec![
            (Day::Yearly(12, 25), Vec::new()),
            (
                Day::Once(Date::constant(2026, 12, 24)),
                vec![Span(Time::constant(9, 0, 0, 0), Time::constant(12, 0, 0, 0))],
            ),
        ];
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let hours = Hours { zone, week, special };
        let table = [
            ("2026-11-24T07:59:59Z", false),
            ("2026-11-24T08:00:00Z", true),
            ("2026-11-24T15:59:59Z", true),
            ("2026-11-24T16:00:00Z", false),
            // Summer time: the same local hours are an hour earlier.
            ("2026-07-07T07:00:00Z", true),
            ("2026-07-07T15:00:00Z", false),
            ("2026-11-28T00:30:00Z", true),
            ("2026-11-28T22:59:59Z", true),
            ("2026-11-29T12:00:00Z", false),
            ("2026-12-24T10:59:59Z", true),
            ("2026-12-24T11:00:00Z", false),
            ("2026-12-25T10:00:00Z", false),
        ];
        for (moment, open) in table {
            assert_eq!(hours.are_open(moment.parse().expect("a moment")), open, "{moment}");
        }
    }
}
