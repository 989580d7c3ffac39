//! Records as CSV: RFC 4180, with formulas disarmed.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::call::CallRecord;

const HEADER: &str = "id,version,line,ani,started_at,answered_at,ended_at,customer,name,identified_by,\
    identifier_attempts,secret_attempts,opted_out,back_end_failure,verdict,hand_over_target,token,\
    hand_over_outcome,hand_over_status,ended_by,reason,packets_sent,packets_received,packets_lost,\
    jitter_ms,remote_loss,ani_source,trunk,first_dialled,ani_withheld,ani_verstat,\
    ani_attestation,remote_jitter_ms,round_trip_ms,remote_opinion,recording,identifier,factors,language,lines,\
    closed,contained,locked,consent,encrypted,ani_checked_by,ani_check_fault";

/// Writes the column names.
pub(super) fn header(output: &mut dyn Write) -> io::Result<()> {
    write!(output, "{HEADER}\r\n")
}

/// Writes one record; what is absent is empty.
pub(super) fn row(output: &mut dyn Write, record: &CallRecord) -> io::Result<()> {
    let fields = fields(record);
    let fields: Vec<_> = fields.iter().map(|field| field_text(field)).collect();
    write!(output, "{}\r\n", fields.join(","))
}

fn fields(record: &CallRecord) -> [String; 47] {
    let hand_over = record.hand_over.as_ref();
    let media = &record.media;
    [
        record.id.clone(),
        record.version.to_string(),
        record.line.clone(),
        record.ani.clone().unwrap_or_default(),
        record.started_at.to_string(),
        text(record.answered_at),
        record.ended_at.to_string(),
        record.customer.clone().unwrap_or_default(),
        record.name.clone().unwrap_or_default(),
        word(&record.identified_by),
        record.identifier_attempts.to_string(),
        record.secret_attempts.to_string(),
        record.opted_out.to_string(),
        record.back_end_failure.clone().unwrap_or_default(),
        record.verdict.as_str().to_owned(),
        hand_over.map(|hand_over| hand_over.target.clone()).unwrap_or_default(),
        hand_over.map(|hand_over| hand_over.token.clone()).unwrap_or_default(),
        word(&hand_over.map(|hand_over| hand_over.outcome)),
        text(hand_over.and_then(|hand_over| hand_over.status)),
        word(&record.ended_by),
        record.reason.clone().unwrap_or_default(),
        media.packets_sent.to_string(),
        media.packets_received.to_string(),
        media.packets_lost.to_string(),
        media.jitter_ms.to_string(),
        text(media.remote_loss),
        word(&record.ani_source),
        record.trunk.clone().unwrap_or_default(),
        record.first_dialled.clone().unwrap_or_default(),
        record.ani_withheld.to_string(),
        word(&record.ani_verstat),
        word(&record.ani_attestation),
        text(media.remote_jitter_ms),
        text(media.round_trip_ms),
        text(media.remote_opinion),
        record.recording.clone().unwrap_or_default(),
        record.identifier.clone().unwrap_or_default(),
        record.factors.join(" "),
        record.language.clone().unwrap_or_default(),
        record.lines.join(" "),
        record.closed.to_string(),
        record.contained.to_string(),
        word(&record.locked),
        text(record.consent),
        text(record.media.encrypted),
        word(&record.ani_checked_by),
        word(&record.ani_check_fault),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The word that an enum has in JSON; nothing for `None`.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A field as it stands between two commas.
fn field_text(value: &str) -> Cow<'_, str> {
    let value = disarmed(value);
    if value.contains([',', '"', '\r', '\n']) || value.starts_with(' ') || value.ends_with(' ') {
        Cow::Owned(format!("\"{}\"", value.replace('"', "\"\"")))
    } else {
        value
    }
}

/// Puts an apostrophe before what a spreadsheet would run. Customers' names come from outside, and
/// `=HYPERLINK(…)` is a name that somebody will have. A `+` with nothing but digits after it is a telephone
/// number: it can do nothing worse than lose its `+` in a spreadsheet, and other programs need it as it is.
fn disarmed(value: &str) -> Cow<'_, str> {
    const TRIGGERS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    let is_number =
        value.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if value.starts_with(TRIGGERS) && !is_number {
        Cow::Owned(format!("'{value}"))
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_disarmed() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("O'Neill", "O'Neill"),
            ("Neill, Siân", "\"Neill, Siân\""),
            ("the \"one\"", "\"the \"\"one\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            (" spaced ", "\" spaced \""),
            ("+12025550101", "+12025550101"),
            ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("＝1", "'＝1"),
        ];
        for (value, expected) in table {
            assert_eq!(field_text(value), expected, "{value:?}");
        }
    }
}
