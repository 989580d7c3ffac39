//! One entry: the digits between a question and its answer.
//!
//! Knows nothing of what is asked or how often; it turns keys and time into one [`Outcome`].

use std::time::Instant;

use super::EntryRules;
use crate::secret::{Digit, Secret};

/// How an entry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Enough digits. `full` tells that the last possible digit ended it, so a terminator may still trail.
    Complete {
        /// What was keyed.
        digits: Secret,
        /// Whether it ended by its length.
        full: bool,
    },
    /// Ended, by terminator or time, with fewer digits than wanted.
    TooShort,
    /// Nothing was keyed in time.
    NoInput,
}

/// An entry being keyed.
#[derive(Debug, Clone)]
pub struct Entry {
    digits: Secret,
    wait: Wait,
    /// When the time for the whole entry is over: from then on the next key, or the wait for it, ends it.
    total: Option<Instant>,
}

/// What the entry waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The prompt still plays: no hurry.
    Prompt,
    /// A first digit, until then.
    First(Instant),
    /// A further digit, until then.
    Next(Instant),
}

impl Entry {
    /// An entry whose prompt has just begun.
    pub fn new(rules: &EntryRules) -> Self {
        Self { digits: Secret::with_capacity(rules.digits_max), wait: Wait::Prompt, total: None }
    }

    /// The prompt is over: the time for the first digit begins, unless there is one already.
    pub fn prompt_ended(&mut self, rules: &EntryRules, now: Instant) {
        if self.wait == Wait::Prompt {
            self.wait = Wait::First(now + rules.first_digit_timeout);
        }
    }

    /// Takes a key; `Some` ends the entry.
    pub fn key(&mut self, digit: Digit, rules: &EntryRules, now: Instant) -> Option<Outcome> {
        let total = *self.total.get_or_insert(now + rules.total_timeout);
        // Any key stops the prompt, also one that makes no digit: whoever keys has heard enough.
        self.prompt_ended(rules, now);
        if Some(digit) == rules.terminator {
            return Some(self.finish(rules, false));
        }
        if digit == Digit::STAR {
            return self.star(rules, now, total);
        }
        if !digit.is_decimal() {
            return None;
        }
        self.digits.push(digit);
        self.wait = Wait::Next(now + rules.inter_digit_timeout);
        let full = self.digits.len() >= rules.digits_max;
        (full || now >= total).then(|| self.finish(rules, full))
    }

    /// `*`: clears an entry that has digits.
    fn star(&mut self, rules: &EntryRules, now: Instant, total: Instant) -> Option<Outcome> {
        if now >= total {
            return Some(Outcome::NoInput);
        }
        self.digits.clear();
        self.wait = Wait::First(now + rules.first_digit_timeout);
        None
    }

    /// Whether no digit has been keyed, or all were cleared.
    pub fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// When this entry next has something to do by itself.
    pub fn deadline(&self) -> Option<Instant> {
        match self.wait {
            Wait::Prompt => None,
            Wait::First(deadline) | Wait::Next(deadline) => Some(deadline),
        }
    }

    /// Time has passed; `Some` ends the entry.
    pub fn handle_timeout(&mut self, rules: &EntryRules, now: Instant) -> Option<Outcome> {
        (self.deadline()? <= now).then(|| match self.wait {
            Wait::Next(_) => self.finish(rules, false),
            Wait::First(_) | Wait::Prompt => Outcome::NoInput,
        })
    }

    fn finish(&mut self, rules: &EntryRules, full: bool) -> Outcome {
        if self.digits.len() < rules.digits_min {
            return Outcome::TooShort;
        }
        Outcome::Complete { digits: std::mem::take(&mut self.digits), full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::{at, rules};
    use std::time::Duration;

    /// Keys an entry one second apart from the prompt's end on, then waits; returns the outcome and the
    /// seconds at which it came.
    fn play(rules: &EntryRules, keys: &str) -> (Outcome, u64) {
        let mut entry = Entry::new(rules);
        entry.prompt_ended(rules, at(0));
        for (second, key) in keys.chars().enumerate() {
            let digit = Digit::from_char(key).expect("a key");
            if let Some(outcome) = entry.key(digit, rules, at(second as u64)) {
                return (outcome, second as u64);
            }
        }
        let deadline = entry.deadline().expect("an open entry has a deadline");
        let outcome = entry.handle_timeout(rules, deadline).expect("its deadline ends it");
        (outcome, (deadline - at(0)).as_secs())
    }

    fn complete(digits: &str, full: bool) -> Outcome {
        Outcome::Complete { digits: Secret::new(digits.into()), full }
    }

    #[test]
    fn entries_end_as_keyed() {
        let asked = EntryRules { digits_min: 3, digits_max: 5, ..rules() };
        let table = [
            ("", Outcome::NoInput, 5),
            ("12345", complete("12345", true), 4),
            ("123#", complete("123", false), 3),
            ("1234", complete("1234", false), 6),
            ("12", Outcome::TooShort, 4),
            ("12#", Outcome::TooShort, 2),
            ("#", Outcome::TooShort, 0),
            ("*", Outcome::NoInput, 5),
            ("12*345#", complete("345", false), 6),
            ("12*", Outcome::NoInput, 7),
            ("12**", Outcome::NoInput, 8),
            ("A1B2C3D45", complete("12345", true), 8),
        ];
        for (keys, outcome, second) in table {
            assert_eq!(play(&asked, keys), (outcome, second), "{keys:?}");
        }
    }

    #[test]
    fn no_first_digit_is_missed_while_the_prompt_plays() {
        let asked = rules();
        let mut entry = Entry::new(&asked);
        assert_eq!(entry.deadline(), None);
        assert_eq!(entry.handle_timeout(&asked, at(3600)), None);
    }

    #[test]
    fn a_key_that_is_no_digit_stops_the_prompt_and_the_wait_begins() {
        let asked = rules();
        let mut entry = Entry::new(&asked);
        assert_eq!(entry.key(Digit::from_char('A').unwrap(), &asked, at(1)), None);
        let deadline = entry.deadline().expect("there is no prompt any more whose end could start it");
        assert_eq!(deadline, at(1) + asked.first_digit_timeout);
        assert_eq!(entry.handle_timeout(&asked, deadline), Some(Outcome::NoInput));
    }

    #[test]
    fn the_prompts_end_does_not_restart_the_wait_of_one_who_is_keying() {
        let asked = rules();
        let mut entry = Entry::new(&asked);
        assert_eq!(entry.key(Digit::from_char('1').unwrap(), &asked, at(0)), None);
        let before = entry.deadline();
        entry.prompt_ended(&asked, at(2));
        assert_eq!(entry.deadline(), before);
    }

    #[test]
    fn the_total_time_ends_an_entry_at_the_next_key_and_never_inside_a_wait() {
        let asked = EntryRules { total_timeout: Duration::from_secs(4), ..rules() };
        let one = Digit::from_char('1').unwrap();
        let mut entry = Entry::new(&asked);
        for second in [0, 2] {
            assert_eq!(entry.key(one, &asked, at(second)), None);
        }
        assert_eq!(entry.handle_timeout(&asked, at(4)), None);
        assert_eq!(entry.key(one, &asked, at(4)), Some(Outcome::TooShort));
        let mut cleared = Entry::new(&asked);
        assert_eq!(cleared.key(one, &asked, at(0)), None);
        assert_eq!(cleared.key(Digit::STAR, &asked, at(9)), Some(Outcome::NoInput));
    }
}
