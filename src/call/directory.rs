//! Which line answers a call: by the number that was dialled, or by the trunk that brings it.
//!
//! A number that is said as such comes first, then patterns, the longer before the shorter, then the trunk's line.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::flow::{Line, LineName};

/// All lines, and how calls come to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    names: HashMap<LineName, Arc<Line>>,
    numbers: HashMap<String, Arc<Line>>,
    /// The one that counts first is first.
    patterns: Vec<(Pattern, Arc<Line>)>,
    trunks: HashMap<String, Arc<Line>>,
}

/// What leads to a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// The user part that is dialled is this.
    Number(String),
    /// It is like this.
    Pattern(Pattern),
    /// The trunk of this name brings the call.
    Trunk(String),
}

/// Numbers that are alike: `X` stands for any digit, a `.` at the end for anything more, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern: digits, `+`, `*`, `#` and `X`, perhaps with a `.` at the end; `None` for any other text, and for
    /// one that stands for itself only.
    pub fn parse(text: &str) -> Option<Self> {
        let head = text.strip_suffix('.').unwrap_or(text);
        let letters = head.bytes().all(|byte| byte.is_ascii_digit() || b"+*#X".contains(&byte));
        (letters && !text.is_empty() && (head.contains('X') || head.len() < text.len()))
            .then(|| Self(text.to_owned()))
    }

    /// Whether `number` is one of those meant.
    pub fn matches(&self, number: &str) -> bool {
        let head = self.0.strip_suffix('.');
        let places = head.unwrap_or(&self.0).as_bytes();
        let digits = number.as_bytes();
        let fits = |(place, digit): (&u8, &u8)| place == digit || (*place == b'X' && digit.is_ascii_digit());
        let long_enough =
            if head.is_some() { digits.len() >= places.len() } else { digits.len() == places.len() };
        long_enough && places.iter().zip(digits).all(fits)
    }

    /// How much it says: the longer before the shorter, and of two that are as long the one with fewer gaps.
    fn rank(&self) -> (usize, usize) {
        let gaps = self.0.bytes().filter(|byte| b"X.".contains(byte)).count();
        let places = self.0.trim_end_matches('.').len();
        (places, places.saturating_sub(gaps))
    }
}

impl Directory {
    /// Adds a line, and what leads to it. An address that another line has already stays that line's.
    pub fn add(&mut self, line: Arc<Line>, addresses: impl IntoIterator<Item = Address>) {
        for address in addresses {
            let line = Arc::clone(&line);
            match address {
                Address::Number(number) => drop(self.numbers.entry(number).or_insert(line)),
                Address::Trunk(trunk) => drop(self.trunks.entry(trunk).or_insert(line)),
                Address::Pattern(pattern) => {
                    let rank = Reverse(pattern.rank());
                    let at = self.patterns.partition_point(|(other, _)| Reverse(other.rank()) <= rank);
                    self.patterns.insert(at, (pattern, line));
                }
            }
        }
        self.names.insert(line.number.clone(), line);
    }

    /// The line that answers a call to `dialled` which `trunk` brought.
    pub fn find(&self, dialled: &str, trunk: Option<&str>) -> Option<&Arc<Line>> {
        let pattern =
            || self.patterns.iter().find(|(pattern, _)| pattern.matches(dialled)).map(|(_, line)| line);
        let of_trunk = || self.trunks.get(trunk?);
        self.numbers.get(dialled).or_else(pattern).or_else(of_trunk)
    }

    /// The line that other lines call so.
    pub fn by_name(&self, name: &LineName) -> Option<&Arc<Line>> {
        self.names.get(name)
    }

    /// All lines, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.names.values()
    }
}
