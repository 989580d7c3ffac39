//! The application of rules to a number, and what rules can come to at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::plural::Plurals;
use super::rule::{Mark, Part, SetId, Word};
use super::saying::Unsayable;
use super::{NUMBER_MAX, PromptId};

/// Rules that are applied for one saying. Twelve digits take some forty; rules that call each other without end, or
/// each other many times over, are stopped here.
const STEPS_MAX: usize = 1000;

/// Rules for numbers, each from one number on to the next rule's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub rules: BTreeMap<u64, Rule>,
}

/// How numbers from some number on are said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// The last number that it is for, where it is for a range.
    pub last: Option<u64>,
    /// What a number is divided by, at least 1.
    pub divisor: u64,
    /// Empty where these numbers cannot be said.
    pub parts: Vec<Part>,
}

/// How one number is said that stands for something: a day, a month, euros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub parts: Vec<Part>,
    /// Which numbers there can be, where they are few.
    pub range: Option<RangeInclusive<u64>>,
}

/// A number, and how it is said: what a slot is filled with.
pub(super) type Filling<'l> = (u64, &'l Phrase);

/// Sets of rules, and the plural forms that they use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub sets: Vec<Set>,
    pub plurals: Plurals,
}

/// Recordings one after another, as they are found.
pub(super) struct Speech<'l> {
    rules: &'l Rules,
    steps: usize,
    pub prompts: Vec<PromptId>,
}

/// What parts are filled with.
struct Values<'v> {
    number: u64,
    divisor: u64,
    slots: &'v [Filling<'v>],
}

impl<'l> Speech<'l> {
    pub(super) fn new(rules: &'l Rules) -> Self {
        Self { rules, steps: 0, prompts: Vec::new() }
    }

    /// Says a number by a set.
    pub(super) fn number(&mut self, set: SetId, number: u64) -> Result<(), Unsayable> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Unsayable::TooLong);
        }
        let (_, rule) = self.rules.sets[set.0].rules.range(..=number).next_back().ok_or(Unsayable::NoRule)?;
        if rule.parts.is_empty() || rule.last.is_some_and(|last| last < number) {
            return Err(Unsayable::NoRule);
        }
        self.parts(&rule.parts, &Values { number, divisor: rule.divisor, slots: &[] })
    }

    /// Says a number that stands for something.
    pub(super) fn phrase(&mut self, number: u64, phrase: &Phrase) -> Result<(), Unsayable> {
        self.parts(&phrase.parts, &Values { number, divisor: 1, slots: &[] })
    }

    /// Says several, as `parts` has them.
    pub(super) fn slots(&mut self, parts: &[Part], slots: &[Filling<'_>]) -> Result<(), Unsayable> {
        self.parts(parts, &Values { number: 0, divisor: 1, slots })
    }

    fn parts(&mut self, parts: &[Part], values: &Values<'_>) -> Result<(), Unsayable> {
        parts.iter().try_for_each(|part| self.part(part, values))
    }

    fn part(&mut self, part: &Part, values: &Values<'_>) -> Result<(), Unsayable> {
        let Values { number, divisor, slots } = *values;
        match part {
            Part::Word(word) => self.prompts.push(self.word(word, number, divisor)),
            Part::Quotient(set) => self.number(*set, number / divisor)?,
            Part::Remainder(set) => self.number(*set, number % divisor)?,
            Part::Same(set) => self.number(*set, number)?,
            Part::Slot(place) => self.phrase(slots[*place].0, slots[*place].1)?,
            Part::UnlessZero { some, none } => {
                let slot = some.iter().find_map(|part| match part {
                    Part::Slot(place) => Some(slots[*place].0),
                    _ => None,
                });
                let is_zero = slot.unwrap_or(number % divisor) == 0;
                self.parts(if is_zero { none } else { some }, values)?;
            }
        }
        Ok(())
    }

    fn word(&self, word: &Word, number: u64, divisor: u64) -> PromptId {
        match word.mark() {
            None => word.with(""),
            Some(Mark::Number) => word.with(&number.to_string()),
            Some(Mark::Plural) => word.with(self.rules.plurals.of(number / divisor)),
        }
    }
}

/// The recordings that may be needed, as they are found.
pub(super) struct Needs<'l> {
    rules: &'l Rules,
    seen: BTreeSet<SetId>,
    pub prompts: BTreeSet<PromptId>,
}

impl<'l> Needs<'l> {
    pub(super) fn new(rules: &'l Rules) -> Self {
        Self { rules, seen: BTreeSet::new(), prompts: BTreeSet::new() }
    }

    /// Adds what a set may need.
    pub(super) fn set(&mut self, set: SetId) {
        if !self.seen.insert(set) {
            return;
        }
        for (first, rule) in &self.rules.sets[set.0].rules {
            self.parts(&rule.parts, *first, rule.last.unwrap_or(NUMBER_MAX));
        }
    }

    /// Adds what a phrase may need.
    pub(super) fn phrase(&mut self, phrase: &Phrase) {
        let (first, last) = phrase.range.clone().unwrap_or(0..=NUMBER_MAX).into_inner();
        self.parts(&phrase.parts, first, last);
    }

    /// Adds what a text of slots needs besides them.
    pub(super) fn slots(&mut self, parts: &[Part]) {
        self.parts(parts, 0, 0);
    }

    fn parts(&mut self, parts: &[Part], first: u64, last: u64) {
        for part in parts {
            match part {
                Part::Word(word) => self.word(word, first, last),
                Part::Quotient(set) | Part::Remainder(set) | Part::Same(set) => self.set(*set),
                Part::Slot(_) => {}
                Part::UnlessZero { some, none } => {
                    self.parts(some, first, last);
                    self.parts(none, first, last);
                }
            }
        }
    }

    fn word(&mut self, word: &Word, first: u64, last: u64) {
        match word.mark() {
            None => drop(self.prompts.insert(word.with(""))),
            Some(Mark::Number) => {
                self.prompts.extend((first..=last).map(|number| word.with(&number.to_string())));
            }
            Some(Mark::Plural) => {
                self.prompts.extend(self.rules.plurals.categories().map(|category| word.with(category)));
            }
        }
    }
}

impl Rules {
    /// A set that says a number by itself, by way of others or at once; it would never come to an end.
    pub(super) fn circle(&self) -> Option<SetId> {
        (0..self.sets.len()).map(SetId).find(|set| {
            let mut reached = BTreeSet::new();
            let mut next = self.says_same(*set);
            while let Some(other) = next.pop() {
                if reached.insert(other) {
                    next.extend(self.says_same(other));
                }
            }
            reached.contains(set)
        })
    }

    fn says_same(&self, set: SetId) -> Vec<SetId> {
        fn of(parts: &[Part]) -> Vec<SetId> {
            let each = parts.iter().flat_map(|part| match part {
                Part::Same(set) => vec![*set],
                Part::UnlessZero { some, none } => [of(some), of(none)].concat(),
                _ => Vec::new(),
            });
            each.collect()
        }
        self.sets[set.0].rules.values().flat_map(|rule| of(&rule.parts)).collect()
    }
}
