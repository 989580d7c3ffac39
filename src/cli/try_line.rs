//! `portero try`: a conversation with a line without a telephone, by hand or by files of scenarios.
#![expect(clippy::disallowed_methods, reason = "shell: a conversation begins now")]

mod back_end;
mod conversation;
mod junit;
mod rehearsal;
mod terminal;
#[cfg(test)]
mod tests;
mod texts;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use rand::Rng;

use self::back_end::{BackEnd, Real};
use self::conversation::Conversation;
use self::junit::Suite;
use self::rehearsal::Stage;
use self::terminal::{HELP, Terminal};
use self::texts::{Texts, Values};
use super::serve::{EXIT_CONFIGURATION, look};
use crate::call::CallRecord;
use crate::config::{Configuration, Faults, Overrides, Scenario};

/// What was asked for on the command line is not there.
const EXIT_USAGE: u8 = 2;
/// A scenario failed.
const EXIT_FAILED: u8 = 1;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The line to speak with: a number that leads to it, or its name.
    #[arg(value_name = "LINE", required_unless_present = "steps", conflicts_with = "steps")]
    line: Option<String>,
    /// The configuration file; the demo's without one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Files of scenarios to run in place of a conversation by hand.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    steps: Vec<PathBuf>,
    /// Where to write what came of them, as JUnit does.
    #[arg(long, value_name = "FILE", requires = "steps")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    by_hand: ByHand,
}

/// What is said of a conversation by hand; files of scenarios say it themselves.
#[derive(Debug, Default, Args)]
struct ByHand {
    /// The number to call from; withheld without one.
    #[arg(long, value_name = "NUMBER", conflicts_with = "steps")]
    ani: Option<String>,
    /// How far that can be trusted: any, claimed, trunk, gateway, partial, full.
    #[arg(long, value_name = "LEVEL", conflicts_with = "steps")]
    trust: Option<String>,
    /// The trunk that brings the call.
    #[arg(long, value_name = "NAME", conflicts_with = "steps")]
    trunk: Option<String>,
    /// When it is, as in 2026-12-24T10:00, by the clock of the line's hours; now without one.
    #[arg(long, value_name = "TIME", conflicts_with = "steps")]
    at: Option<String>,
    /// With the line's emergency switch on.
    #[arg(long, conflicts_with = "steps")]
    emergency: bool,
    /// The language to begin with, in place of the line's own or its menu.
    #[arg(long, value_name = "LANGUAGE", conflicts_with = "steps")]
    language: Option<String>,
    /// What an action is answered in place of the back end: a word, as in `check_pin=no`, or a section, as in
    /// `customer_by_number={ customer = "10000001" }`.
    #[arg(long, value_name = "ACTION=ANSWER", conflicts_with = "steps")]
    set: Vec<String>,
    /// What becomes of hand-overs: yes, refused, unclear.
    #[arg(long, value_name = "END", conflicts_with = "steps")]
    taken: Option<String>,
    /// Print the record as JSON, and all else to standard error.
    #[arg(long, conflicts_with = "steps")]
    json: bool,
}

/// Ends with 1 where a scenario failed, with 2 where the command line names what there is not, and with 78
/// (`EX_CONFIG` of sysexits.h) where a file has a fault.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let configuration = match configuration(arguments.config.as_deref()) {
        Ok(configuration) => configuration,
        Err(faults) => return Ok(told(&faults, EXIT_CONFIGURATION)),
    };
    match &arguments.line {
        Some(line) => by_hand(&configuration, line, &arguments.by_hand),
        None => by_files(&configuration, &arguments.steps, arguments.junit.as_deref()),
    }
}

fn configuration(file: Option<&Path>) -> Result<Configuration, Faults> {
    match file {
        Some(file) => Configuration::load(file),
        None => Ok(Configuration::demo(&Overrides::default())),
    }
}

fn told(faults: &Faults, status: u8) -> ExitCode {
    eprint!("{}", faults.show(look()));
    ExitCode::from(status)
}

fn texts(configuration: &Configuration) -> Texts {
    let languages = configuration.lines.iter().flat_map(|line| &line.languages.all);
    let languages: Vec<&str> = languages.map(|(language, _)| language.as_str()).collect();
    Texts::load(configuration.prompts.folder.as_deref(), &languages)
}

fn by_hand(configuration: &Configuration, line: &str, said: &ByHand) -> anyhow::Result<ExitCode> {
    let text = said.as_scenario(line)?;
    let scenario = match Scenario::parse("command line", &text, configuration) {
        Ok(mut scenarios) => scenarios.remove(0),
        Err(faults) => return Ok(told(&faults, EXIT_USAGE)),
    };
    let real = Real::start(configuration.clone())?;
    let texts = texts(configuration);
    let mut output: Box<dyn Write> = if said.json { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
    writeln!(output, "{}, line {}. {HELP}\n", scenario.line.name, scenario.line.number)?;
    let clock = (Instant::now(), Timestamp::now());
    let lines = &configuration.directory;
    let back_end = BackEnd::of(&scenario, Some(&real));
    let conversation = Conversation::begin(&scenario, lines, back_end, rand::rng().random(), clock);
    let mut terminal = Terminal::new(conversation, &texts, io::stdin().lock(), output);
    terminal.talk()?;
    let Terminal { conversation, mut output, .. } = terminal;
    let record = conversation.record();
    if let Some(trouble) = conversation.trouble() {
        writeln!(output, "{trouble}")?;
    }
    write!(output, "\n{}", summary(&record))?;
    if said.json {
        println!("{}", serde_json::to_string_pretty(&record)?);
    }
    real.stop();
    Ok(ExitCode::SUCCESS)
}

/// What came of it, in two or three rows.
fn summary(record: &CallRecord) -> String {
    let customer = record.customer.as_deref().map(|customer| format!(": customer {customer}"));
    let name = record.name.as_deref().map(|name| format!(", {name}"));
    let target = record.hand_over.as_ref().map(|hand_over| format!("Handed over to: {}\n", hand_over.target));
    let contained = if record.contained { "The call ended in self-service.\n" } else { "" };
    format!(
        "{}{}{}\n{}{contained}",
        record.verdict.title(),
        customer.unwrap_or_default(),
        name.unwrap_or_default(),
        target.unwrap_or_default()
    )
}

impl ByHand {
    /// As a file would say it, so that one reader finds what is wrong with either.
    fn as_scenario(&self, line: &str) -> anyhow::Result<String> {
        let mut scenario = toml::Table::new();
        let mut say = |key: &str, value: &Option<String>| {
            scenario.extend(value.clone().map(|value| (key.to_owned(), value.into())));
        };
        say("name", &Some("by hand".to_owned()));
        say("line", &Some(line.to_owned()));
        say("ani", &self.ani);
        say("trust", &self.trust);
        say("trunk", &self.trunk);
        say("at", &Some(self.at.clone().unwrap_or_else(|| Timestamp::now().to_string())));
        say("language", &self.language);
        say("taken", &self.taken);
        say("back_end", &Some("real".to_owned()));
        scenario.insert("emergency".to_owned(), self.emergency.into());
        let answers: toml::Table = self.set.iter().map(|set| answer(set)).collect::<Result<_, _>>()?;
        scenario.insert("answers".to_owned(), answers.into());
        let file: toml::Table = [("scenarios".to_owned(), vec![scenario].into())].into_iter().collect();
        Ok(file.to_string())
    }
}

/// `action=answer`: a word, or what a file would say there.
fn answer(set: &str) -> anyhow::Result<(String, toml::Value)> {
    let (action, answer) = set.split_once('=').context("--set wants ACTION=ANSWER")?;
    let value = if answer.starts_with(['{', '[']) {
        let table: toml::Table = format!("answer = {answer}").parse().context("--set: this is not TOML")?;
        table.into_iter().next().map_or(toml::Value::Boolean(false), |(_, value)| value)
    } else {
        answer.into()
    };
    Ok((action.to_owned(), value))
}

fn by_files(
    configuration: &Configuration,
    files: &[PathBuf],
    junit: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let mut usable = Vec::new();
    for file in files {
        match Scenario::load(file, configuration) {
            Ok(scenarios) => usable.push((file.display().to_string(), scenarios)),
            Err(faults) => {
                told(&faults, EXIT_CONFIGURATION);
            }
        }
    }
    if usable.len() < files.len() {
        return Ok(ExitCode::from(EXIT_CONFIGURATION));
    }
    let asks = usable.iter().flat_map(|(_, scenarios)| scenarios).any(|scenario| scenario.asks_back_end);
    let real = if asks { Some(Real::start(configuration.clone())?) } else { None };
    let texts = texts(configuration);
    let clock = (Instant::now(), Timestamp::now());
    let stage = Stage { configuration, real: real.as_ref(), texts: &texts, clock };
    let suites: Vec<Suite> = usable.iter().map(|(file, scenarios)| suite(&stage, file, scenarios)).collect();
    if let Some(junit) = junit {
        std::fs::write(junit, junit::document(&suites))
            .with_context(|| format!("{} cannot be written", junit.display()))?;
    }
    if let Some(real) = real {
        real.stop();
    }
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let failed = cases().filter(|(_, failure)| failure.is_some()).count();
    println!("{} scenarios, {failed} failed", cases().count());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// Runs the scenarios of a file, telling of each.
fn suite(stage: &Stage<'_>, file: &str, scenarios: &[Scenario]) -> Suite {
    let cases = scenarios.iter().map(|scenario| {
        let failure = stage.run(scenario).err();
        println!("{} {}", if failure.is_some() { "FAILED" } else { "ok    " }, scenario.name);
        if let Some(failure) = &failure {
            println!("{}", failure.text(file, stage.texts, Values::Told));
        }
        let kept = failure.map(|failure| failure.text(file, stage.texts, Values::Withheld));
        (scenario.name.clone(), kept)
    });
    Suite { file: file.to_owned(), cases: cases.collect() }
}
