//! A ladder as SVG 1.1: a picture that stands alone, in light and dark, and does nothing.
//!
//! Every word of a message goes through [`escaped`], and only into text: never into an attribute.

use std::fmt::Write as _;

use super::{Arrow, Ladder, fit, seconds};

/// Where the first lifeline stands, and how far the next is from it.
const LEFT: usize = 130;
const STEP: usize = 380;

/// What is kept free to the right of the last lifeline: half of the words above it.
const RIGHT: usize = 130;

/// Where the first arrow is, and how far the next is below.
const TOP: usize = 92;
const ROW: usize = 40;

/// Characters that fit between two lifelines, of a label and of a note.
const LABEL_MAX: usize = 46;
const NOTE_MAX: usize = 60;

const STYLE: &str = "\
svg{color:#1c2733;font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\
.b{fill:#fff}text{fill:currentColor;font-size:13px}.m{text-anchor:middle}.e{text-anchor:end}.t{font-size:15px;font-weight:600}\
.n{font-size:11px;fill:#5b6a79}.l{stroke:#c6d0da}.a{stroke:#1d5fae;stroke-width:1.6}.h{fill:#1d5fae}\
.r{stroke-dasharray:5 4}.f{stroke:#b3261e}.f.h{fill:#b3261e}\
@media (prefers-color-scheme:dark){svg{color:#e3e9ef}.b{fill:#12181f}.n{fill:#9aa8b5}.l{stroke:#3a4653}\
.a{stroke:#7db4f5}.h{fill:#7db4f5}.f{stroke:#ff8a80}.f.h{fill:#ff8a80}}";

fn x(column: usize) -> usize {
    LEFT + column * STEP
}

pub(super) fn draw(ladder: &Ladder<'_>) -> String {
    let gaps = usize::from(ladder.gap.is_some());
    let width = x(ladder.parties.len().max(1) - 1) + RIGHT;
    let height = TOP + (ladder.messages.len() + gaps) * ROW + 20;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<title>SIP messages of call {}</title>\n<style>{STYLE}</style>\n<rect class=\"b\" width=\"100%\" height=\"100%\"/>\n",
        escaped(ladder.call)
    );
    head(ladder, height, &mut out);
    let mut y = TOP;
    for arrow in &ladder.messages {
        if let Some(messages) = ladder.gap_before(arrow) {
            text(&mut out, "m n", x(0) + STEP / 2, y, &format!("… {messages} messages are not kept …"));
            y += ROW;
        }
        draw_arrow(arrow, y, &mut out);
        y += ROW;
    }
    out.push_str("</svg>\n");
    out
}

fn head(ladder: &Ladder<'_>, height: usize, out: &mut String) {
    for (column, party) in ladder.parties.iter().enumerate() {
        let x = x(column);
        text(out, "m t", x, 28, &party.name);
        text(out, "m n", x, 46, &party.place());
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "<path class=\"l\" d=\"M{x} 58V{}\"/>", height - 10);
    }
}

fn draw_arrow(arrow: &Arrow<'_>, y: usize, out: &mut String) {
    let (from, to) = (x(arrow.from), x(arrow.to));
    let (tip, back) = if to > from { (to - 3, to - 13) } else { (to + 3, to + 13) };
    let refusal = if is_refusal(&arrow.label) { " f" } else { "" };
    let again = if arrow.retransmission { " r" } else { "" };
    let middle = from.min(to) + from.abs_diff(to) / 2;
    out.push_str("<g>\n");
    let start = arrow.text.lines().next().unwrap_or_default();
    let _ = writeln!(out, "<title>{}</title>", escaped(&fit(start, 200)));
    text(out, "e n", LEFT - 42, y + 4, &seconds(arrow.offset_ms));
    text(out, "e n", LEFT - 12, y + 4, &arrow.number.to_string());
    let _ = writeln!(out, "<path class=\"a{refusal}{again}\" d=\"M{from} {y}H{back}\"/>");
    let _ = writeln!(out, "<path class=\"h{refusal}\" d=\"M{tip} {y}L{back} {}V{}Z\"/>", y - 5, y + 5);
    let suffix = if arrow.retransmission { " (again)" } else { "" };
    text(out, "m", middle, y - 6, &format!("{}{suffix}", fit(&arrow.label, LABEL_MAX - suffix.len())));
    if let Some(note) = &arrow.note {
        text(out, "m n", middle, y + 14, &fit(note, NOTE_MAX));
    }
    out.push_str("</g>\n");
}

/// Whether a label tells of a failure: a status of 400 and more, as a response or in a NOTIFY.
fn is_refusal(label: &str) -> bool {
    let label = label.strip_prefix("NOTIFY ").unwrap_or(label);
    let status = label.split(' ').next().and_then(|word| word.parse::<u16>().ok());
    status.is_some_and(|status| status >= 400)
}

fn text(out: &mut String, class: &str, x: usize, y: usize, words: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(words));
}

/// As XML text (XML 1.0 §2.4). What no XML may hold (§2.2) is not in a redacted message.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
