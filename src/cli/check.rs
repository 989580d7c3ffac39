//! `portero check`: tells every fault of a configuration file at once, and uses none of what it says.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::serve::{EXIT_CONFIGURATION, look};
use crate::config::{Configuration, Fault, Faults};
use crate::crm::Client;
use crate::hooks::Sender;
use crate::server::Checker;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take every environment variable that the file names for granted and ask no back end, as where it is checked but
    /// not run.
    #[arg(long)]
    no_environment: bool,
}

/// Ends with 78 (`EX_CONFIG` of sysexits.h) where there is any fault.
pub fn run(arguments: &Arguments) -> ExitCode {
    let look = look();
    let file = arguments.file.display();
    match read(arguments) {
        Ok(configuration) => {
            eprint!("{}", configuration.warnings.show(look));
            let unusable = configuration.load_prompts().err().unwrap_or_default();
            for fault in &unusable {
                eprintln!("  × {fault}");
            }
            let faults = unusable.len() + if arguments.no_environment { 0 } else { try_out(&configuration) };
            println!("{file}: {}", summary(&configuration, faults));
            if faults == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIGURATION) }
        }
        Err(faults) => {
            eprint!("{}", faults.show(look));
            println!("{file}: {}", tally(&faults));
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}

fn read(arguments: &Arguments) -> Result<Configuration, Faults> {
    if arguments.no_environment {
        // As long as what is there may have to be.
        Configuration::load_with(&arguments.file, &|name| Some(format!("the-value-of-{name}")))
    } else {
        Configuration::load(&arguments.file)
    }
}

/// Tries what only the machine can tell that it is to run on; gives how many faults there are.
fn try_out(configuration: &Configuration) -> usize {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime
            .block_on(async { ask(configuration).await + sign(configuration) + signers(configuration) }),
        Err(error) => {
            eprintln!("  × nothing can be tried: {error}");
            1
        }
    }
}

/// Whether calling numbers can be checked as configured: how many faults keep them from it.
fn signers(configuration: &Configuration) -> usize {
    let Err(error) = Checker::of(configuration) else { return 0 };
    eprintln!("  × calling numbers cannot be checked: {error}");
    1
}

/// Tells of each back end that does not answer, which may be so only now; gives how many cannot be asked as they are.
async fn ask(configuration: &Configuration) -> usize {
    let client = match Client::new(configuration.back_end.clone()) {
        Ok(client) => client,
        Err(error) => {
            eprintln!("  × the back end cannot be asked: {:#}", anyhow::Error::from(error));
            return 1;
        }
    };
    for (address, why) in client.unreachable().await {
        eprintln!("  ⚠ the back end at {address} does not answer: {why}");
        eprintln!("  help: it may only be down; `portero crm test` shows what comes of an action");
    }
    0
}

/// Tells of each webhook whose events cannot be signed as things are; gives how many there are.
fn sign(configuration: &Configuration) -> usize {
    let faults = configuration.webhooks.iter().cloned().filter_map(|webhook| Sender::new(webhook).err());
    faults.inspect(|fault| eprintln!("  × {fault}")).count()
}

fn summary(configuration: &Configuration, faults: usize) -> String {
    let mut text = String::new();
    let parts = [
        (configuration.lines.len(), "line"),
        (configuration.targets.len(), "target"),
        (configuration.back_end.actions.len(), "action"),
        (configuration.prompt_ids().len(), "prompt"),
        (configuration.warnings.len(), "warning"),
        (faults, "fault"),
    ];
    for (count, word) in parts {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{}", counted(count, word));
    }
    text
}

fn tally(faults: &Faults) -> String {
    let warnings = faults.iter().filter(|fault| Fault::is_warning(fault)).count();
    format!("{}, {}", counted(faults.len() - warnings, "fault"), counted(warnings, "warning"))
}

fn counted(count: usize, word: &str) -> String {
    match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn the_summary_counts_what_there_is() {
        let demo = Configuration::demo(&Overrides::default());
        assert_eq!(summary(&demo, 2), "6 lines, 1 target, 9 actions, 52 prompts, no warnings, 2 faults");
    }

    #[test]
    fn faults_and_warnings_are_told_apart() {
        let text = "[targets.nobody]\nuri = \"sip:nobody@pbx.example.com\"\n";
        let faults = Configuration::parse("portero.toml", text, &|_| None).expect_err("it lacks all else");
        assert_eq!(tally(&faults), "3 faults, 1 warning");
    }
}
