//! Reads a file of scenarios for `portero try`: who calls, what the back end answers, what is heard and keyed, and what
//! has to come of it.
//!
//! It is read beside a configuration, whose lines, trunks, actions and targets it names; what is wrong with it is told
//! as of the configuration itself. What stands before the first `[[scenarios]]` goes for all of them.

mod answers;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use toml::Spanned;

use super::fault::{Fault, Faults};
use super::nearest::nearest;
use super::section::{Complaint, Section, Text};
use super::{Configuration, lines, read, text_of};
use crate::call::Trunk;
use crate::flow::{
    ActionName, Ani, AniSource, Attestation, Check, CheckOutcome, CheckedBy, LanguageName, Line, LineName,
    PhoneNumber, Trust, TrustLevel,
};

pub use answers::{Replies, Reply, Taken};
pub use steps::{Do, Expected, Step};

/// One conversation that is to be had.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The row of the file that it begins in, from 1.
    pub row: usize,
    /// The line that is dialled.
    pub line: Arc<Line>,
    /// The calling number; `None` where it is withheld.
    pub ani: Option<Ani>,
    /// The trunk that brings the call.
    pub trunk: Option<Arc<Trunk>>,
    /// When it is; `None`: at a time at which every line is open.
    pub at: Option<Timestamp>,
    /// Whether the line's emergency switch is on.
    pub emergency: bool,
    /// The language that the line begins with, in place of its own.
    pub language: Option<LanguageName>,
    /// What is answered in place of the back end.
    pub answers: HashMap<ActionName, Replies>,
    /// Whether the back end is asked for what is not answered here.
    pub asks_back_end: bool,
    /// What becomes of hand-overs.
    pub taken: Taken,
    /// What the caller does and hears, in order.
    pub steps: Vec<Step>,
    /// What has to come of it.
    pub expected: Vec<Expected>,
}

impl Scenario {
    /// Reads all scenarios of the file at `path`.
    pub fn load(path: &Path, configuration: &Configuration) -> Result<Vec<Self>, Faults> {
        let (file_name, text) = text_of(path)?;
        Self::parse(&file_name, &text, configuration)
    }

    /// Reads all scenarios of `text`, which faults call `file_name`.
    pub fn parse(file_name: &str, text: &str, configuration: &Configuration) -> Result<Vec<Self>, Faults> {
        let reader = Reader { text, configuration };
        let (scenarios, faults) = read::whole(text, |file| reader.file(file));
        if faults.is_empty() { Ok(scenarios) } else { Err(Faults::new(file_name, text, faults)) }
    }
}

/// What is known while a file is read.
struct Reader<'r> {
    text: &'r str,
    configuration: &'r Configuration,
}

/// What can be said for all scenarios, and for each.
#[derive(Clone, Default)]
struct Circumstances<'t> {
    line: Option<Text<'t>>,
    ani: Option<Caller>,
    trust: Option<TrustLevel>,
    trunk: Option<Arc<Trunk>>,
    at: Option<Text<'t>>,
    emergency: Option<bool>,
    language: Option<Text<'t>>,
    answers: HashMap<ActionName, Replies>,
    asks_back_end: Option<bool>,
    taken: Option<Taken>,
}

/// What a caller shows of who they are.
#[derive(Clone)]
enum Caller {
    Number(PhoneNumber),
    Withheld,
}

impl Reader<'_> {
    fn file(&self, mut file: Section<'_>) -> Vec<Scenario> {
        let for_all = self.circumstances(&mut file, &Circumstances::default());
        let mut scenarios: Vec<Scenario> = Vec::new();
        let sections = file.sections("scenarios", "this scenario");
        if sections.is_empty() {
            file.miss("scenarios", "[{ name = \"…\", line = \"1000\", steps = [] }]");
        }
        for mut section in sections {
            let name = section.text("name");
            if let Some(name) = &name
                && scenarios.iter().any(|other| other.name == *name.get_ref())
            {
                section
                    .note(Fault::at(name.span(), "another scenario has this name").help("give it its own"));
            }
            scenarios.extend(self.scenario(&mut section, &for_all));
            section.finish();
        }
        file.finish();
        scenarios
    }

    fn scenario<'t>(&self, section: &mut Section<'t>, for_all: &Circumstances<'t>) -> Option<Scenario> {
        let row = self.row(section.span().start);
        let name = section.need("name", "\"Whoever keys the right PIN is verified\"", name);
        let around = self.circumstances(section, for_all);
        let steps = self.steps(section);
        let expected = self.expected(section.section("expect", "this scenario's `expect`"));
        if around.line.is_none() && section.value("line").is_none() {
            section.miss("line", "\"1000\"");
        }
        let line = self.line(section, around.line.as_ref()?, around.trunk.as_deref())?;
        let language = around.language.as_ref().and_then(|text| language(section, text, &line));
        let at =
            around.at.as_ref().and_then(|text| section.accept(text.span(), moment(text.get_ref(), &line)));
        let asks_back_end = around.asks_back_end.unwrap_or(around.answers.is_empty());
        Some(Scenario {
            name: name?,
            row,
            line,
            ani: ani(&around),
            trunk: around.trunk,
            at,
            emergency: around.emergency.unwrap_or(false),
            language,
            answers: around.answers,
            asks_back_end,
            taken: around.taken.unwrap_or_default(),
            steps,
            expected,
        })
    }

    fn circumstances<'t>(&self, section: &mut Section<'t>, for_all: &Circumstances<'t>) -> Circumstances<'t> {
        let back_end = section.section("answers", "`answers`");
        let mut answers = for_all.answers.clone();
        answers.extend(self.answers(&back_end));
        let trunk = section.text("trunk").and_then(|text| self.trunk(section, &text));
        Circumstances {
            line: section.text("line").or_else(|| for_all.line.clone()),
            ani: section.read("ani", number).or_else(|| for_all.ani.clone()),
            trust: section.read("trust", lines::trust).or(for_all.trust),
            trunk: trunk.or_else(|| for_all.trunk.clone()),
            at: section.text("at").or_else(|| for_all.at.clone()),
            emergency: section.flag("emergency").or(for_all.emergency),
            language: section.text("language").or_else(|| for_all.language.clone()),
            answers,
            asks_back_end: section.read("back_end", back_end_word).or(for_all.asks_back_end),
            taken: self.taken(section).or_else(|| for_all.taken.clone()),
        }
    }

    fn trunk(&self, section: &Section<'_>, text: &Text<'_>) -> Option<Arc<Trunk>> {
        let trunks = &self.configuration.trunks.list;
        let found = trunks.iter().find(|trunk| *trunk.name == **text.get_ref());
        if found.is_none() {
            let known: Vec<&str> = trunks.iter().map(|trunk| &*trunk.name).collect();
            section.note(unknown(text, "trunk", &known));
        }
        found.cloned()
    }

    /// The line that answers where `text` is dialled, or that is called so.
    fn line(&self, section: &Section<'_>, text: &Text<'_>, trunk: Option<&Trunk>) -> Option<Arc<Line>> {
        let directory = &self.configuration.directory;
        let trunk = trunk.map(|trunk| &*trunk.name);
        let by_name = || directory.by_name(&LineName::new(*text.get_ref()));
        let found = directory.find(text.get_ref(), trunk).or_else(by_name);
        if found.is_none() {
            let known: Vec<&str> = self.configuration.lines.iter().map(|line| line.number.as_str()).collect();
            section.note(unknown(text, "line", &known));
        }
        found.cloned()
    }

    /// In which row of the file this byte is, from 1.
    fn row(&self, at: usize) -> usize {
        1 + self.text.get(..at).map_or(0, |before| before.matches('\n').count())
    }
}

fn unknown(text: &Text<'_>, kind: &str, known: &[&str]) -> Fault {
    let fault = Fault::at(text.span(), format!("there is no {kind} `{}`", text.get_ref()));
    fault.help(nearest(text.get_ref(), known, &format!("{kind}s")))
}

fn name(text: &str) -> Result<String, Complaint> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Complaint::new("this is no name", "say in one line what the scenario shows"));
    }
    Ok(name.to_owned())
}

/// A calling number, or that it is withheld.
fn number(text: &str) -> Result<Caller, Complaint> {
    if text == "anonymous" {
        return Ok(Caller::Withheld);
    }
    let complaint = || {
        let help = "write it as \"+12025550101\", or \"anonymous\" for a caller who withholds it";
        Complaint::new(format!("`{text}` is no telephone number"), help)
    };
    PhoneNumber::parse(text).map(Caller::Number).ok_or_else(complaint)
}

fn back_end_word(text: &str) -> Result<bool, Complaint> {
    match text {
        "real" => Ok(true),
        "scripted" => Ok(false),
        _ => Err(Complaint::new(
            format!("there is no back end `{text}`"),
            "\"real\" asks the configuration's for all that `answers` does not say, \"scripted\" nobody",
        )),
    }
}

fn language(section: &Section<'_>, text: &Spanned<&str>, line: &Line) -> Option<LanguageName> {
    let known: Vec<&str> = line.languages.all.iter().map(|(language, _)| language.as_str()).collect();
    if known.contains(text.get_ref()) {
        return Some(LanguageName::new(*text.get_ref()));
    }
    section.note(unknown(text, "language", &known));
    None
}

/// A moment, by the clock of the line's hours where it does not name its own.
fn moment(text: &str, line: &Line) -> Result<Timestamp, Complaint> {
    let zone = line.hours.as_ref().map_or(TimeZone::UTC, |(hours, _)| hours.zone.clone());
    let civil = || text.parse::<DateTime>().ok().and_then(|local| local.to_zoned(zone).ok());
    let moment = text.parse().ok().or_else(|| civil().map(|zoned| zoned.timestamp()));
    let complaint = || {
        let help =
            "write it as \"2026-12-24T10:00\", by the clock of the line's hours, or as \"2026-12-24T09:00Z\"";
        Complaint::new(format!("`{text}` is no moment"), help)
    };
    moment.ok_or_else(complaint)
}

/// The calling number as the trunk would tell it, with who answers for it.
fn ani(around: &Circumstances<'_>) -> Option<Ani> {
    let Some(Caller::Number(number)) = around.ani.clone() else { return None };
    let country = around.trunk.as_ref().and_then(|trunk| trunk.country);
    let number = match country {
        Some(country) => number.in_country(country),
        None => number,
    };
    let usual = if around.trunk.is_some() { TrustLevel::Trunk } else { TrustLevel::Claimed };
    let level = around.trust.unwrap_or(usual);
    let source = if level == TrustLevel::Claimed { AniSource::From } else { AniSource::PAssertedIdentity };
    Some(Ani { number, source, trust: trust_of(level) })
}

fn trust_of(level: TrustLevel) -> Trust {
    let checked = |outcome, attestation| Trust::Checked(Check { outcome, attestation, by: CheckedBy::Trunk });
    let passed = |attestation| checked(CheckOutcome::Passed, attestation);
    match level {
        TrustLevel::Any => checked(CheckOutcome::Failed, None),
        TrustLevel::Claimed => Trust::Claimed,
        TrustLevel::Trunk => Trust::Trunk,
        TrustLevel::Gateway => passed(Some(Attestation::C)),
        TrustLevel::Partial => passed(Some(Attestation::B)),
        TrustLevel::Full => passed(Some(Attestation::A)),
    }
}

/// Why `text` cannot be what is keyed.
fn no_keys(text: &Text<'_>) -> Fault {
    Fault::at(text.span(), "nobody can key this").help("a telephone has the keys 0 to 9, *, #, and A to D")
}
