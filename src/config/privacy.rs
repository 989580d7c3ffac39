//! `[privacy]`: how long what is known of callers is kept, and how long keys of pseudonyms are used.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Fault;
use super::section::Section;
use super::values;
use crate::records::pseudonyms::Rotation;
use crate::records::purge::{Field, Periods};

const DAY: Duration = Duration::from_hours(24);
/// What is purged once a day cannot be kept for less.
const KEPT: RangeInclusive<Duration> = DAY..=DAY.saturating_mul(3660);
const KEY_USED: RangeInclusive<Duration> = DAY..=DAY.saturating_mul(366);

/// What is kept of people, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privacy {
    /// Records and their fields; 1 d to 3660 d, or for ever.
    pub periods: Periods,
    /// Keys of pseudonyms; used for 1 d to 366 d, and kept for 1 d to 3660 d after that.
    pub rotation: Rotation,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            periods: Periods { record: Some(DAY * 366), fields: Vec::new() },
            rotation: Rotation { every: DAY * 30, kept: DAY * 400 },
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Privacy {
    let usual = Privacy::default();
    let record = section.read("records", values::lifetime(KEPT)).unwrap_or(usual.periods.record);
    let fields = fields(section.section("fields", "[privacy.fields]"), record);
    let every = section.read("pseudonyms", values::days(KEY_USED));
    let kept = section.read("pseudonyms_kept", values::days(KEPT));
    section.finish();
    Privacy {
        periods: Periods { record, fields },
        rotation: Rotation {
            every: every.unwrap_or(usual.rotation.every),
            kept: kept.unwrap_or(usual.rotation.kept),
        },
    }
}

fn fields(mut section: Section<'_>, record: Option<Duration>) -> Vec<(Field, Duration)> {
    let mut read = Vec::new();
    for field in Field::ALL {
        let Some(text) = section.text(field.as_str()) else { continue };
        let Some(age) = section.accept(text.span(), values::days(KEPT)(text.get_ref())) else { continue };
        if record.is_some_and(|record| age > record) {
            let fault = Fault::at(text.span(), "the whole record is kept for a shorter time");
            section.note(fault.help("delete this, or let `records` be longer").warning());
        }
        read.push((field, age));
    }
    section.finish();
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fault::Faults;
    use crate::config::read::whole;

    fn read_text(text: &str) -> (Privacy, String) {
        let (privacy, faults) = whole(text, |mut file| {
            let privacy = read(file.section("privacy", "[privacy]"));
            file.finish();
            privacy
        });
        (privacy, Faults::new("portero.toml", text, faults).to_string())
    }

    #[test]
    fn what_is_not_said_is_a_year() {
        let (privacy, faults) = read_text("");
        assert_eq!((privacy.periods.record, privacy.periods.fields), (Some(DAY * 366), vec![]));
        assert_eq!(faults, "");
    }

    #[test]
    fn what_is_said_is_read() {
        let text = "[privacy]\nrecords = \"forever\"\npseudonyms = \"7d\"\npseudonyms_kept = \"30d\"\n\
                    fields = { name = \"24h\", ani = \"90d\" }\n";
        let (privacy, faults) = read_text(text);
        let fields = vec![(Field::Ani, DAY * 90), (Field::Name, DAY)];
        assert_eq!(privacy.periods, Periods { record: None, fields });
        assert_eq!(privacy.rotation, Rotation { every: DAY * 7, kept: DAY * 30 });
        assert_eq!(faults, "");
    }

    #[test]
    fn what_cannot_be_is_told_with_what_can() {
        let table = [
            ("records = \"off\"", "`off` is no time"),
            ("records = \"12h\"", "`12h` is out of range"),
            ("records = \"12h\"", "anything from 24h to 3660d will do, or \"forever\""),
            ("records = \"30d\"\nfields = { ani = \"31d\" }", "the whole record is kept for a shorter time"),
            ("fields = { ani = \"forever\" }", "`forever` is no time"),
            ("fields = { verdict = \"30d\" }", "verdict"),
            ("pseudonyms = \"400d\"", "`400d` is out of range"),
        ];
        for (line, expected) in table {
            let (_, faults) = read_text(&format!("[privacy]\n{line}\n"));
            assert!(faults.contains(expected), "{line}: {faults}");
        }
    }
}
