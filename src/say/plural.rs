//! Which form of a word goes with a number: the plural rules of Unicode TR 35 part 3, for whole numbers.
//!
//! Read are conditions on `n` such as `n % 10 = 2..4 and n % 100 != 12..14`; what holds for no condition is `other`.

use std::ops::RangeInclusive;

/// The categories' names, as TR 35 has them; `other` is what is left.
const CATEGORIES: [&str; 5] = ["zero", "one", "two", "few", "many"];

/// What is left where no condition holds.
const OTHER: &str = "other";

/// The plural forms of a language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plurals {
    conditions: Vec<(&'static str, Condition)>,
}

/// Alternatives, each of relations that all have to hold.
type Condition = Vec<Vec<Relation>>;

/// `n % modulus` is, or is not, in one of the ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Relation {
    modulus: Option<u64>,
    is: bool,
    ranges: Vec<RangeInclusive<u64>>,
}

impl Plurals {
    /// Adds a category and when it holds.
    pub(super) fn add(&mut self, category: &str, condition: &str) -> Result<(), String> {
        let known = CATEGORIES.into_iter().find(|known| *known == category);
        let known =
            known.ok_or_else(|| format!("`{category}` is no form; there are {}", CATEGORIES.join(", ")))?;
        let read = parse(condition).ok_or_else(|| {
            format!("`{condition}` is no condition; write one like `n % 10 = 2..4 and n % 100 != 12..14`")
        })?;
        self.conditions.push((known, read));
        Ok(())
    }

    /// The category of a number.
    pub(super) fn of(&self, n: u64) -> &'static str {
        let holds = |(_, condition): &&(_, Condition)| {
            condition.iter().any(|relations| relations.iter().all(|relation| relation.holds(n)))
        };
        self.conditions.iter().find(holds).map_or(OTHER, |(category, _)| category)
    }

    /// Every category that a number can have.
    pub(super) fn categories(&self) -> impl Iterator<Item = &'static str> {
        self.conditions.iter().map(|(category, _)| *category).chain([OTHER])
    }
}

impl Relation {
    fn holds(&self, n: u64) -> bool {
        let n = self.modulus.map_or(n, |modulus| n % modulus);
        self.ranges.iter().any(|range| range.contains(&n)) == self.is
    }
}

fn parse(text: &str) -> Option<Condition> {
    text.split(" or ").map(|both| both.split(" and ").map(relation).collect()).collect()
}

fn relation(text: &str) -> Option<Relation> {
    let (left, right) = text.split_once('=')?;
    let (left, is) = match left.strip_suffix('!') {
        Some(left) => (left, false),
        None => (left, true),
    };
    let modulus = match left.trim().strip_prefix('n')?.trim() {
        "" => None,
        rest => Some(rest.strip_prefix('%')?.trim().parse().ok().filter(|modulus| *modulus > 0)?),
    };
    let ranges = right.split(',').map(range).collect::<Option<_>>()?;
    Some(Relation { modulus, is, ranges })
}

fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polish_has_its_three_forms() {
        let mut plurals = Plurals::default();
        plurals.add("one", "n = 1").expect("a condition");
        plurals.add("few", "n % 10 = 2..4 and n % 100 != 12..14").expect("a condition");
        let table = [(0, "other"), (1, "one"), (2, "few"), (5, "other"), (12, "other"), (21, "other")];
        for (n, category) in table.into_iter().chain([(22, "few"), (104, "few"), (112, "other")]) {
            assert_eq!(plurals.of(n), category, "{n}");
        }
        assert_eq!(plurals.categories().collect::<Vec<_>>(), ["one", "few", "other"]);
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "n", "n = ", "n = x", "m = 1", "n % 0 = 1", "n % = 1", "n = 1 and", "n = 1.."] {
            assert!(Plurals::default().add("one", text).is_err(), "{text:?}");
        }
        assert!(Plurals::default().add("several", "n = 1").is_err());
        let mut alternatives = Plurals::default();
        alternatives.add("one", "n = 0, 5..6 or n % 10 = 1").expect("a condition");
        assert_eq!([0, 5, 7, 11].map(|n| alternatives.of(n)), ["one", "one", "other", "one"]);
    }
}
