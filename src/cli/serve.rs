//! `portero serve`: runs a configuration file.

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::discretion;
use crate::config::{Configuration, Look};
use crate::server::{self, EXIT_LOST};

/// `EX_CONFIG` of sysexits.h: something is wrong with the configuration.
pub const EXIT_CONFIGURATION: u8 = 78;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    super::log::to_stderr();
    match Configuration::load(&arguments.config) {
        Ok(configuration) => {
            eprint!("{}", configuration.warnings.show(look()));
            run_server(configuration, Some(arguments.config.clone()), |addresses, first| {
                tell_of(first);
                println!("ready: SIP on {}, pages on {}", addresses.sip, addresses.pages());
            })
        }
        Err(faults) => {
            eprint!("{}", faults.show(look()));
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
    }
}

/// How faults look on standard error: in colours for people, plain for files.
pub fn look() -> Look {
    if std::io::stderr().is_terminal() { Look::Coloured } else { Look::Plain }
}

/// Tells of the first user, once: the password is kept nowhere. Standard error and not standard output, of which other
/// programs read that we are ready.
pub fn tell_of(first: Option<&server::FirstUser>) {
    if let Some(server::FirstUser { name, password }) = first {
        eprintln!(
            "\nNobody could log in yet, so there is a user now. This is not told again:\n\n  name      {name}\n  \
             password  {}\n\n`portero users password {name}` changes it, `portero users add` adds others.\n",
            password.expose()
        );
    }
}

/// Runs the server until it is told to stop; `ready` is called once everything listens. `file` is where the
/// configuration can be read again from.
///
/// Where the loop that serves all calls panics, nobody can end them in order, and the program ends.
pub fn run_server(
    configuration: Configuration,
    file: Option<PathBuf>,
    ready: impl FnOnce(&server::Addresses, Option<&server::FirstUser>),
) -> anyhow::Result<ExitCode> {
    if configuration.process.core_dumps {
        discretion::allow_dumps()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Nothing of what the loop had is looked at again.
    let run = AssertUnwindSafe(|| runtime.block_on(server::run(configuration, file, ready)));
    let ended = catch_unwind(run);
    // A back-end request or a page that is still open must not hold the end up.
    runtime.shutdown_background();
    match ended {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Err(_) => Ok(ExitCode::from(EXIT_LOST)),
        Ok(Err(error)) => {
            eprintln!("portero: {error}");
            Ok(ExitCode::from(error.exit_code()))
        }
    }
}
