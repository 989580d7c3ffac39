//! Emergency switches: callers hear what a line says in an emergency, and are asked nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::flow::LineName;

/// Which switches are on. Every call looks at them as it is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergencies {
    /// That of all lines together.
    pub all: bool,
    /// Those of single lines, by their names.
    pub lines: BTreeSet<String>,
}

impl Emergencies {
    /// Whether callers of this line are in an emergency.
    pub fn are_on(&self, line: &LineName) -> bool {
        self.all || self.lines.contains(line.as_str())
    }

    /// Turns the switch of a line on or off, or that of all together. Turning that one off leaves single lines' as
    /// they are.
    pub fn turn(&mut self, line: Option<&str>, on: bool) {
        match (line, on) {
            (None, on) => self.all = on,
            (Some(line), true) => {
                self.lines.insert(line.to_owned());
            }
            (Some(line), false) => {
                self.lines.remove(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_switch_of_its_own_and_all_have_one() {
        let line = LineName::new("1000");
        let mut switches = Emergencies::default();
        assert!(!switches.are_on(&line));
        switches.turn(Some("1000"), true);
        assert!(switches.are_on(&line) && !switches.are_on(&LineName::new("1001")));
        switches.turn(None, true);
        assert!(switches.are_on(&LineName::new("1001")));
        switches.turn(None, false);
        assert!(switches.are_on(&line), "its own is still on");
        switches.turn(Some("1000"), false);
        assert_eq!(switches, Emergencies::default());
    }
}
