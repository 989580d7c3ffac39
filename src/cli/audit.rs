//! `portero audit`: prints the audit log, or checks that nothing was changed in it, while a server may be adding to it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;

use super::records::{is_broken_pipe, when};
use super::who;
use crate::records::Store;
use crate::records::audit::chain::{Hash, Verification};
use crate::records::audit::{AuditFilter, Audited, Deed};

/// Prints who changed, read, unlocked, exported or erased what, newest first.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    verify: Option<Check>,

    #[command(flatten)]
    data: Data,

    /// What was done then or later: 2026-11-23 (from midnight UTC), 2026-11-23T10:00Z, or 1h (an hour ago)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<Timestamp>,

    /// What was done before then: written the same way
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<Timestamp>,

    /// What was done: changed, read, unlocked, exported, erased, `logged_in`, `logged_out` or refused
    #[arg(long, value_name = "DEED", value_parser = deed)]
    deed: Option<Deed>,

    /// What was done by the user, the token or the address of this name
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,

    /// What was done to whatever has this in its name, such as a call's identifier
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,

    /// The newest N of them
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Check {
    /// Check that no row was changed, deleted, put in, moved or cut off.
    Verify {
        #[command(flatten)]
        data: Data,

        /// An end of the log that was kept elsewhere, as the server's own log told it
        #[arg(long, value_name = "ROW:HASH", value_parser = head)]
        head: Option<(u64, Hash)>,
    },
}

#[derive(Debug, clap::Args)]
struct Data {
    /// The server's data folder
    #[arg(long, value_name = "FOLDER", default_value = "portero-data")]
    data: PathBuf,
}

/// Runs the subcommand. Ends with 1 where the log does not hold.
///
/// # Errors
/// A database that is missing or cannot be read, output that fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(Check::Verify { data, head }) = &arguments.verify {
        let found = runtime.block_on(verify(data, *head))?;
        println!("{}", in_words(&found));
        return Ok(if found.broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let rows = runtime.block_on(read(arguments))?;
    match print(arguments, &rows, &mut io::stdout().lock()).context("standard output") {
        // Whoever read us has seen enough: `portero audit | head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        printed => printed.map(|()| ExitCode::SUCCESS),
    }
}

async fn verify(data: &Data, head: Option<(u64, Hash)>) -> anyhow::Result<Verification> {
    Ok(Store::open_read_only(&data.data).await?.verify_audit(head).await?)
}

async fn read(arguments: &Arguments) -> anyhow::Result<Vec<Audited>> {
    let Arguments { since, until, deed, actor, subject, .. } = arguments;
    let filter = AuditFilter {
        since: *since,
        until: *until,
        deed: *deed,
        actor: actor.clone(),
        subject: subject.clone(),
    };
    let store = Store::open_read_only(&arguments.data.data).await?;
    who::note(&store, Deed::Read, "audit log", "").await?;
    Ok(store.audited(&filter, arguments.limit).await?)
}

fn print(arguments: &Arguments, rows: &[Audited], output: &mut dyn Write) -> io::Result<()> {
    if arguments.json {
        serde_json::to_writer_pretty(&mut *output, rows)?;
        return writeln!(output);
    }
    for Audited { row, at, actor, deed, subject, detail } in rows {
        let at = at.strftime("%Y-%m-%d %H:%M:%S");
        let deed = deed.as_str().replace('_', " ");
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        writeln!(output, "{row:>6}  {at}  {actor}: {deed} {subject}{detail}")?;
    }
    if rows.is_empty() { writeln!(output, "Nothing.") } else { Ok(()) }
}

fn in_words(found: &Verification) -> String {
    let Verification { rows, end, heads, broken } = found;
    if let Some(broken) = broken {
        return format!("The audit log does not hold: {broken}. {rows} rows before that hold.");
    }
    let end = end.map_or_else(String::new, |end| format!(", and ends at {rows}:{end}"));
    format!("The audit log holds: {rows} rows, {heads} noted ends{end}.")
}

fn deed(word: &str) -> Result<Deed, String> {
    let words = || Deed::ALL.map(Deed::as_str).join(", ");
    Deed::parse(word).ok_or_else(|| format!("it is one of {}", words()))
}

fn head(text: &str) -> Result<(u64, Hash), String> {
    let parsed = text.split_once(':').and_then(|(row, hash)| Some((row.parse().ok()?, hash.parse().ok()?)));
    parsed.ok_or_else(|| "it is a number, a colon and 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn what_is_done_with_the_log_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = Store::open(folder.path()).await.expect("opened");
            who::note(&store, Deed::Changed, "configuration", "two\nlines").await.expect("written");
        });
        let arguments = |line: &str| {
            let line = format!("{line} --data {}", folder.path().display());
            cli::arguments::<Arguments>(&line).expect("arguments")
        };
        let shown = |line: &str| {
            let arguments = arguments(line);
            let rows = runtime.block_on(read(&arguments)).expect("read");
            let mut output = Vec::new();
            print(&arguments, &rows, &mut output).expect("room");
            String::from_utf8(output).expect("text")
        };
        let first = shown("");
        assert!(first.contains(": changed configuration (two\u{fffd}lines)\n"), "{first}");
        assert!(first.contains(": read audit log\n"), "{first}");
        assert!(first.contains("  command line of "), "{first}");
        assert_eq!(shown("--deed erased"), "Nothing.\n");
        let rows: serde_json::Value = serde_json::from_str(&shown("--json --deed changed")).expect("JSON");
        assert_eq!(rows[0]["row"], 1);
        assert_eq!(rows[0]["actor"]["kind"], "command_line");

        let Some(Check::Verify { data, head }) = arguments("verify").verify else {
            panic!("it is to verify")
        };
        let found = runtime.block_on(verify(&data, head)).expect("read");
        let words = in_words(&found);
        assert!(words.starts_with("The audit log holds: 4 rows, 1 noted ends, and ends at 4:"), "{words}");
        let kept = words.split_whitespace().last().expect("a word").trim_end_matches('.');
        assert!(cli::arguments::<Arguments>(&format!("verify --head {kept}")).is_ok());
        assert!(cli::arguments::<Arguments>("verify --head 4:abc").is_err());
        assert!(cli::arguments::<Arguments>("--deed looked").is_err());
    }
}
