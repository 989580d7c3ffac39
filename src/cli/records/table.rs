//! Records as a table for a terminal.

use std::io::{self, Write};

use super::csv::word;
use crate::call::CallRecord;

/// The name is last: how wide its characters are cannot then push anything out of line.
const HEADER: [&str; 10] = [
    "STARTED (UTC)",
    "LENGTH",
    "LINE",
    "CALLER",
    "STATUS",
    "HAND-OVER",
    "ENDED BY",
    "CALL",
    "CUSTOMER",
    "NAME",
];

/// Writes the table, and whether there would have been more.
pub(super) fn print(output: &mut dyn Write, records: &[CallRecord], is_cut: bool) -> io::Result<()> {
    if records.is_empty() {
        return writeln!(output, "No calls.");
    }
    let rows: Vec<_> = records.iter().map(cells).collect();
    let header = HEADER.map(str::to_owned);
    let widths: [usize; 10] = std::array::from_fn(|column| {
        rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    for row in [&header].into_iter().chain(&rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(output, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    if is_cut {
        writeln!(output, "… and older ones: narrow the range, or ask for more with --limit.")?;
    }
    Ok(())
}

fn cells(record: &CallRecord) -> [String; 10] {
    let hand_over = record.hand_over.as_ref();
    let length = record.ended_at.duration_since(record.started_at).as_secs();
    let cells = [
        record.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        format!("{}:{:02}", length / 60, length % 60),
        record.line.clone(),
        record.ani.clone().unwrap_or_else(|| "–".to_owned()),
        record.verdict.title().to_owned(),
        hand_over.map_or("–".to_owned(), |hand_over| {
            format!("{}: {}", hand_over.target, word(&hand_over.outcome))
        }),
        word(&record.ended_by),
        record.id.clone(),
        record.customer.clone().unwrap_or_else(|| "–".to_owned()),
        record.name.clone().unwrap_or_else(|| "–".to_owned()),
    ];
    cells.map(|cell| printable(&cell))
}

/// A name may hold what a terminal would obey: escape sequences, and marks that turn the writing round.
fn printable(text: &str) -> String {
    let is_obeyed =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}
