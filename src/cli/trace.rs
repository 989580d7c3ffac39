//! `portero trace`: the SIP messages of a call that is over, while a server may be taking others.
//!
//! A ladder and the messages in full for people, SVG for reports, JSON for programs. Calls that are up are shown by
//! the server itself, at `/api/v1/calls/CALL/ladder`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::who;
use crate::call::{Ladder, Trace};
use crate::records::Store;
use crate::records::audit::Deed;

/// Prints the SIP messages of a call: a ladder diagram, then each in full, without what is secret.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The call's identifier, as in its record: 16 hexadecimal digits
    #[arg(value_name = "CALL")]
    call: String,

    /// The server's data folder
    #[arg(long, value_name = "FOLDER", default_value = "portero-data")]
    data: PathBuf,

    /// Draw the ladder into this file, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    svg: Option<PathBuf>,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// A database that is missing or cannot be read, a call without a trace, output that fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let trace = read(arguments)?;
    let ladder = Ladder::new(&trace);
    if let Some(file) = &arguments.svg {
        std::fs::write(file, ladder.svg()).with_context(|| file.display().to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = if arguments.json { serde_json::to_string_pretty(&ladder)? + "\n" } else { ladder.text() };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read us has seen enough: `portero trace … | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.context("standard output").map(|()| ExitCode::SUCCESS),
    }
}

fn read(arguments: &Arguments) -> anyhow::Result<Trace> {
    let call = arguments.call.trim().to_ascii_lowercase();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let trace = runtime.block_on(async {
        let store = Store::open_read_only(&arguments.data).await?;
        let trace = store.trace(&call).await?;
        if trace.is_some() {
            who::note(&store, Deed::Read, format!("messages of call {call}"), "").await?;
        }
        anyhow::Ok(trace)
    })?;
    let folder = arguments.data.display();
    trace.with_context(|| {
        format!(
            "{folder} has no SIP messages of a call {call}: they are kept for as long as `traces` in [records] says, \
             and written some seconds after the call's end; `portero records` lists the calls"
        )
    })
}
