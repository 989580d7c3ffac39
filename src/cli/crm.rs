//! `portero crm test`: sends one action, and shows what was sent, what came back and what Portero makes of it. What lets
//! us in, and what a caller would key, is shown nowhere.

mod hidden;
mod query;
mod report;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::serve::{EXIT_CONFIGURATION, look};
use crate::config::{Configuration, Faults, Overrides};
use crate::crm::Client;
use crate::flow::{ActionName, Answer};
use hidden::Hidden;
use query::Settings;

/// The action is not there, or is not told what it needs.
const EXIT_USAGE: u8 = 2;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send one action and show request and answer
    ///
    /// Exit code: 0 where the back end has answered, whatever it was; 1 where it has failed; 2 where there is no such
    /// action or something is not set; 78 where the configuration is faulty.
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// The action, as in `[actions.ACTION]`
    #[arg(value_name = "ACTION")]
    action: String,
    /// The configuration file; without it, the demo's, whose back end is there while `portero demo` runs
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to fill in: `ani`, `identifier`, `customer`, `name`, `secret`, `positions`, `contact` or `record.…`; a secret
    /// that is not set is asked for
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

/// Sends the action.
///
/// # Errors
/// Where nothing can be sent at all.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Test(test) = &arguments.command;
    let taken = RefCell::new(Vec::new());
    match read(test, &taken) {
        Ok(configuration) => send(test, configuration, &taken.into_inner()),
        Err(faults) => {
            eprint!("{}", faults.show(look()));
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
    }
}

/// Reads the configuration, and keeps what it took from the environment, none of which is to be shown.
fn read(test: &Test, taken: &RefCell<Vec<String>>) -> Result<Configuration, Faults> {
    let environment = |name: &str| {
        let value = std::env::var(name).ok()?;
        taken.borrow_mut().push(value.clone());
        Some(value)
    };
    match &test.config {
        Some(file) => Configuration::load_with(file, &environment),
        None => Ok(Configuration::demo(&Overrides::default())),
    }
}

fn send(test: &Test, configuration: Configuration, taken: &[String]) -> anyhow::Result<ExitCode> {
    let config = configuration.back_end;
    let name = ActionName::new(test.action.as_str());
    let Some(action) = config.actions.get(&name) else {
        let mut known: Vec<&str> = config.actions.keys().map(ActionName::as_str).collect();
        known.sort_unstable();
        return Ok(misused(&format!("there is no action `{name}`; there are: {}", known.join(", "))));
    };
    let asked = Settings::parse(&test.settings).and_then(|settings| settings.query(&action.reading));
    let query = match asked {
        Ok(query) => query,
        Err(why) => return Ok(misused(&why)),
    };
    let mut hidden = Hidden::of(config.service(action.back_end.as_deref()), taken);
    hidden.also(&query);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(config)?;
    let Some(trial) = runtime.block_on(client.try_out(&name, &query)) else {
        return Ok(misused("the request cannot be filled in with that: set what its templates ask for"));
    };
    print!("{}", report::shown(&trial, hidden));
    let failed = matches!(trial.answer, Answer::Failed(_));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn misused(why: &str) -> ExitCode {
    eprintln!("portero: {why}");
    ExitCode::from(EXIT_USAGE)
}
