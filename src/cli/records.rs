//! `portero records`: prints call records, while a server may be writing more.
//!
//! A table for people, CSV (RFC 4180) for spreadsheets, JSON for programs. Newest first, UTC throughout.
#![expect(clippy::disallowed_methods, reason = "shell: \"1h\" counts from now")]

mod csv;
mod table;

#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

use super::who;
use crate::call::CallRecord;
use crate::flow::Verdict;
use crate::records::audit::Deed;
use crate::records::{Filter, Store};

/// Rows of a table if the caller does not say how many; CSV and JSON are for programs and complete.
const TABLE_ROWS: u32 = 100;

/// Prints call records, newest first.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The server's data folder
    #[arg(long, value_name = "FOLDER", default_value = "portero-data")]
    data: PathBuf,

    /// Calls that began then or later: 2026-11-23 (from midnight UTC), 2026-11-23T10:00Z, or 1h (an hour ago)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<Timestamp>,

    /// Calls that began before then: written the same way
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<Timestamp>,

    /// Calls to this line
    #[arg(long, value_name = "NUMBER")]
    line: Option<String>,

    /// Calls that ended as verified, identified or unidentified
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<Verdict>,

    /// The newest N of them [default: 100 in a table, all in CSV and JSON]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,

    /// As CSV with a header. What a spreadsheet would take for a formula gets an apostrophe in front; numbers
    /// such as +12025550101 stay as they are
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// A database that is missing or cannot be read, a range that ends before it begins, output that fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut output = BufWriter::new(io::stdout().lock());
    match print(arguments, &mut output).and_then(|()| output.flush().context("standard output")) {
        // Whoever read us has seen enough: `portero records | head`.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        printed => printed.map(|()| ExitCode::SUCCESS),
    }
}

fn print(arguments: &Arguments, output: &mut dyn Write) -> anyhow::Result<()> {
    let filter = arguments.filter()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open_read_only(&arguments.data).await?;
        who::note(&store, Deed::Read, "calls", filter.to_string()).await?;
        if arguments.json {
            return json(&store, &filter, arguments.limit, output).await;
        }
        if arguments.csv {
            writing(csv::header(output))?;
            return each(&store, &filter, arguments.limit, |record| csv::row(output, record)).await;
        }
        let mut records = store.select(&filter, arguments.limit.unwrap_or(TABLE_ROWS + 1)).await?;
        let is_cut = arguments.limit.is_none() && records.len() > TABLE_ROWS as usize;
        records.truncate(arguments.limit.unwrap_or(TABLE_ROWS) as usize);
        writing(table::print(output, &records, is_cut))
    })
}

impl Arguments {
    fn filter(&self) -> anyhow::Result<Filter> {
        if let (Some(since), Some(until)) = (self.since, self.until) {
            ensure!(since < until, "--since {since} is not before --until {until}");
        }
        Ok(Filter { since: self.since, until: self.until, line: self.line.clone(), verdict: self.verdict })
    }
}

async fn json(
    store: &Store,
    filter: &Filter,
    limit: Option<u32>,
    output: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut separator = "[\n";
    each(store, filter, limit, |record| {
        output.write_all(separator.as_bytes())?;
        separator = ",\n";
        Ok(serde_json::to_writer(&mut *output, record)?)
    })
    .await?;
    let is_empty = separator.starts_with('[');
    writing(output.write_all(if is_empty { b"[]\n" } else { b"\n]\n" }))
}

/// Writes records one by one as they come, so that an export of any size needs no memory to speak of.
async fn each(
    store: &Store,
    filter: &Filter,
    limit: Option<u32>,
    mut write: impl FnMut(&CallRecord) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut written = Ok(());
    let take = |record| {
        written = write(&record);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    store.each(filter, limit, take).await?;
    writing(written)
}

fn writing(written: io::Result<()>) -> anyhow::Result<()> {
    written.context("standard output")
}

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn verdict(word: &str) -> Result<Verdict, String> {
    Verdict::parse(word).ok_or_else(|| "it is one of verified, identified, unidentified".to_owned())
}

pub(super) fn when(text: &str) -> Result<Timestamp, String> {
    when_from(text, Timestamp::now())
}

/// Reads an instant, a date (its midnight, UTC) or how long ago.
fn when_from(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    // A date is also the beginning of a date and time; only the whole text counts.
    if text.len() == "2026-11-23".len()
        && let Ok(date) = text.parse::<Date>()
    {
        return date
            .to_zoned(TimeZone::UTC)
            .map(|midnight| midnight.timestamp())
            .map_err(|error| error.to_string());
    }
    ago(text, now).ok_or_else(|| {
        "write a date (2026-11-23), an instant (2026-11-23T10:00Z) or how long ago (90m, 1h, 7d)".to_owned()
    })
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if length.is_negative() { None } else { now.checked_sub(length).ok() }
}
