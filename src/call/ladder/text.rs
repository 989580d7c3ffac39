//! A ladder as text, for a terminal of a fixed width: the diagram, then the messages in full.

use std::fmt::Write as _;

use super::{Arrow, Ladder, OURS, fit, seconds};

/// Where the first lifeline stands: behind time and number.
const LEFT: usize = 18;

/// From one lifeline to the next.
const STEP: usize = 60;

/// One line of the diagram, character by character.
struct Row(Vec<char>);

impl Row {
    fn new(ladder: &Ladder<'_>) -> Self {
        let mut row = Self(Vec::new());
        for column in 0..ladder.parties.len() {
            row.put(x(column), "│");
        }
        row
    }

    fn put(&mut self, at: usize, text: &str) {
        let length = text.chars().count();
        if self.0.len() < at + length {
            self.0.resize(at + length, ' ');
        }
        for (place, character) in self.0[at..].iter_mut().zip(text.chars()) {
            *place = character;
        }
    }

    fn finish(self, out: &mut String) {
        let line: String = self.0.into_iter().collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn x(column: usize) -> usize {
    LEFT + column * STEP
}

pub(super) fn draw(ladder: &Ladder<'_>) -> String {
    let mut out = format!("Call {}", ladder.call);
    if let Some(began_at) = ladder.began_at {
        // Writing to a string cannot fail, here and below.
        let _ = write!(out, ", first message at {began_at:.3}");
    }
    out.push_str("\n\n");
    head(ladder, &mut out);
    for arrow in &ladder.messages {
        gap(ladder, arrow, &mut out);
        draw_arrow(ladder, arrow, &mut out);
    }
    for arrow in &ladder.messages {
        in_full(ladder, arrow, &mut out);
    }
    out
}

fn head(ladder: &Ladder<'_>, out: &mut String) {
    let (mut names, mut places) = (Row(Vec::new()), Row(Vec::new()));
    names.put(LEFT - 13, "s    no.");
    for (column, party) in ladder.parties.iter().enumerate() {
        names.put(x(column), &party.name);
        places.put(x(column), &fit(&party.place(), STEP - 2));
    }
    names.finish(out);
    places.finish(out);
    Row::new(ladder).finish(out);
}

fn gap(ladder: &Ladder<'_>, arrow: &Arrow<'_>, out: &mut String) {
    if let Some(messages) = ladder.gap_before(arrow) {
        let mut row = Row::new(ladder);
        row.put(x(0) + 2, &format!("… {messages} messages are not kept …"));
        row.finish(out);
    }
}

fn draw_arrow(ladder: &Ladder<'_>, arrow: &Arrow<'_>, out: &mut String) {
    let (left, right) = (x(arrow.from.min(arrow.to)), x(arrow.from.max(arrow.to)));
    let mut row = Row::new(ladder);
    row.put(0, &format!("{:>10} {:>4}", seconds(arrow.offset_ms), arrow.number));
    let length = right - left - 3;
    let dash = if arrow.retransmission { "╌" } else { "─" };
    row.put(left + 2, &dash.repeat(length));
    let again = if arrow.retransmission { " again" } else { "" };
    let label = format!(" {}{again} ", fit(&arrow.label, STEP - 8 - again.len()));
    row.put(left + 2 + (length - label.chars().count().min(length)) / 2, &label);
    if arrow.to > arrow.from {
        row.put(right - 1, "▶");
    } else {
        row.put(left + 1, "◀");
    }
    row.finish(out);
    if let Some(note) = &arrow.note {
        let mut row = Row::new(ladder);
        row.put(left + 3, &fit(note, STEP - 5));
        row.finish(out);
    }
}

fn in_full(ladder: &Ladder<'_>, arrow: &Arrow<'_>, out: &mut String) {
    let end = |column: usize| {
        let address = if column == OURS { arrow.local } else { arrow.peer };
        format!("{} {address}", ladder.parties[column].name)
    };
    let (from, to) = (end(arrow.from), end(arrow.to));
    let (time, transport) = (seconds(arrow.offset_ms), arrow.transport.via_name());
    let again = if arrow.retransmission { ", again" } else { "" };
    let _ = writeln!(out, "\n── {}, {time} s, {transport}: {from} → {to}{again} ──", arrow.number);
    for line in arrow.text.lines() {
        out.push_str(line);
        out.push('\n');
    }
}
