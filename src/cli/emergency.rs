//! `portero emergency`: turns the emergency switches of a running server, by its API.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::json;

use super::api::Api;
use crate::call::Emergencies;

/// Turns the emergency switch of a line or of all lines, for the next call on; it stays so until it is turned off.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to do
    #[arg(value_enum)]
    what: What,

    /// The line, by its number or name; left out: all lines together
    #[arg(value_name = "LINE")]
    line: Option<String>,

    #[command(flatten)]
    api: Api,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Callers hear the line's emergency announcement
    On,
    /// Callers are served as usual
    Off,
    /// Print which switches are on
    Show,
}

/// Runs the subcommand.
///
/// # Errors
/// A server that cannot be reached, or has no such line.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    const PATH: &str = "/api/v1/emergency";
    let now: Emergencies = match arguments.what {
        What::Show => arguments.api.get(PATH)?,
        turn => arguments.api.post(PATH, &json!({ "line": arguments.line, "on": turn == What::On }))?,
    };
    println!("{}", in_words(&now));
    Ok(ExitCode::SUCCESS)
}

fn in_words(now: &Emergencies) -> String {
    let lines = now.lines.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (now.all, lines.as_str()) {
        (true, _) => "emergency on all lines".to_owned(),
        (false, "") => "no emergency".to_owned(),
        (false, lines) => format!("emergency on {lines}"),
    }
}
