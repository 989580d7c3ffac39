//! Reads `[locks]`: how many failed proofs lock what, and where they are counted.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Environment;
use super::fault::Fault;
use super::section::{Complaint, Said, Section};
use super::settings::Locks;
use super::values;
use crate::locks::{DatabaseUrl, Limit, Limits};

const TRIES: RangeInclusive<u32> = 1..=1_000_000;
/// What stands for a file in the folder of the records.
pub(super) const FILE: &str = "file";
const WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(31 * 24);

/// What `[locks]` says.
pub(super) fn read(mut section: Section<'_>, environment: Environment<'_>) -> Locks {
    let usual = Limits::USUAL;
    let limits = Limits {
        customer: limit(&mut section, "customer", usual.customer),
        ani: limit(&mut section, "ani", usual.ani),
        trunk: limit(&mut section, "trunk", usual.trunk),
        line: limit(&mut section, "line", usual.line),
    };
    let server = section.read("database", |text| database(&values::credential(text, environment)?));
    section.finish();
    Locks { limits, server: server.flatten() }
}

/// `{ tries = 5, within = "24h" }`, or `"off"`.
fn limit(section: &mut Section<'_>, key: &'static str, usual: Option<Limit>) -> Option<Limit> {
    match section.said(key, format!("`{key}` in [locks]")) {
        Some(Said::Text(text)) => {
            if *text.get_ref() != "off" {
                let fault = Fault::at(text.span(), format!("`{}` is no number of tries", text.get_ref()));
                section.note(fault.help("write { tries = 5, within = \"24h\" }, or \"off\""));
            }
            None
        }
        Some(Said::Section(mut section)) => {
            let tries = section.number("tries", TRIES);
            let within = section.read("within", values::duration(WITHIN));
            for (missing, name, example) in
                [(tries.is_none(), "tries", "5"), (within.is_none(), "within", "\"24h\"")]
            {
                if missing && section.value(name).is_none() {
                    section.miss(name, example);
                }
            }
            section.finish();
            tries.zip(within).map(|(tries, within)| Limit { tries, within })
        }
        None => usual,
    }
}

/// `None` for a file of our own.
fn database(text: &str) -> Result<Option<DatabaseUrl>, Complaint> {
    if text == FILE {
        return Ok(None);
    }
    let Some(server) = DatabaseUrl::parse(text) else {
        return Err(Complaint::new(
            "this is no address of a PostgreSQL database",
            "write it as \"postgres://user:password@host/database\", or \"file\" for a file in the folder of [records]",
        ));
    };
    if !cfg!(feature = "postgres") {
        return Err(Complaint::new(
            "this build of Portero does not speak with PostgreSQL",
            "build it with `--features postgres`, or write \"file\": then this node counts by itself",
        ));
    }
    Ok(Some(server))
}
