//! The rule: how many proofs may fail within how long, for each kind of key.
//!
//! The window slides: of any stretch of time that is as long as it, no more than so many charges are in it.

use std::time::Duration;

use jiff::Timestamp;

use crate::flow::Lock;

/// How often something may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many tries may fail, at least 1 …
    pub tries: u32,
    /// … within so long.
    pub within: Duration,
}

/// The limit of each kind of key; `None` where it is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a customer, whoever calls.
    pub customer: Option<Limit>,
    /// Of a calling number, whomever it claims to be.
    pub ani: Option<Limit>,
    /// Of all calls by one trunk.
    pub trunk: Option<Limit>,
    /// Of all calls to one line.
    pub line: Option<Limit>,
}

/// Milliseconds since 1970, by whatever clock the charges of one place are dated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub i64);

impl Limits {
    /// Those of a file that says nothing of it.
    pub const USUAL: Self = Self {
        customer: Some(Limit { tries: 5, within: Duration::from_hours(24) }),
        ani: Some(Limit { tries: 10, within: Duration::from_hours(1) }),
        trunk: None,
        line: Some(Limit { tries: 200, within: Duration::from_hours(1) }),
    };

    /// The limit of keys of this kind.
    pub fn of(&self, lock: Lock) -> Option<Limit> {
        match lock {
            Lock::Customer => self.customer,
            Lock::Ani => self.ani,
            Lock::Trunk => self.trunk,
            Lock::Line => self.line,
        }
    }
}

impl Limit {
    /// Since when a charge counts at `now`: it is later than this.
    pub(super) fn since(self, now: Moment) -> Moment {
        Moment(now.0.saturating_sub(self.milliseconds()))
    }

    /// When a key is free again whose charges are all there may be, the oldest of these being of `oldest`.
    pub(super) fn until(self, oldest: Moment) -> Moment {
        Moment(oldest.0.saturating_add(self.milliseconds()))
    }

    /// Whether a key is locked at `now`, the last but `tries - 1` of its charges being of `oldest`.
    pub(super) fn is_reached(self, oldest: Moment, now: Moment) -> bool {
        self.until(oldest) > now
    }

    fn milliseconds(self) -> i64 {
        i64::try_from(self.within.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Moment {
    /// What our own clock says.
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_millisecond())
    }

    /// The same for people. One that no calendar has is the last that it has.
    pub fn date(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let limit = Limit { tries: 5, within: Duration::from_secs(10) };
        let table = [
            (0, 0, true),
            (0, 9_999, true),
            (0, 10_000, false),
            (5_000, 10_000, true),
            (20_000, 10_000, true),
        ];
        for (oldest, now, locked) in table {
            assert_eq!(limit.is_reached(Moment(oldest), Moment(now)), locked, "{oldest} at {now}");
        }
        assert_eq!(limit.since(Moment(10_000)), Moment(0));
        assert_eq!(limit.until(Moment(0)).date().to_string(), "1970-01-01T00:00:10Z");
    }

    #[test]
    fn each_kind_has_its_usual_limit() {
        let hours = |lock| Limits::USUAL.of(lock).map(|limit| (limit.tries, limit.within.as_secs() / 3600));
        let told = Lock::ALL.map(|lock| (lock.as_str(), hours(lock)));
        let expected =
            [("customer", Some((5, 24))), ("ani", Some((10, 1))), ("trunk", None), ("line", Some((200, 1)))];
        assert_eq!(told, expected);
    }
}
