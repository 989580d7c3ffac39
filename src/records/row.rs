//! A call record as a row, and back.
//!
//! The words of enums are the ones that their JSON shape has: one spelling everywhere.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StrDeserializer};
use sqlx::error::BoxDynError;
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

use crate::call::{CallRecord, HandOver, MediaFigures};

/// The columns in the order in which [`bind`] fills them.
pub(super) const COLUMNS: &str = "id, version, line, ani, started_at, answered_at, ended_at, customer, name, \
    identified_by, identifier_attempts, secret_attempts, opted_out, back_end_failure, verdict, hand_over_target, \
    token, hand_over_outcome, hand_over_status, ended_by, reason, packets_sent, packets_received, packets_lost, \
    jitter_ms, remote_loss, ani_source, trunk, first_dialled, ani_withheld, ani_verstat, ani_attestation, \
    remote_jitter_ms, round_trip_ms, remote_opinion, recording, identifier, factors, language, lines, closed, contained, \
    locked, consent, encrypted, ani_checked_by, ani_check_fault";

/// Fills one row of an INSERT.
pub(super) fn bind(row: &mut Separated<'_, Sqlite, &'static str>, record: &CallRecord) {
    let hand_over = record.hand_over.as_ref();
    row.push_bind(record.id.clone())
        .push_bind(record.version)
        .push_bind(record.line.clone())
        .push_bind(record.ani.clone())
        .push_bind(instant(record.started_at))
        .push_bind(record.answered_at.map(instant))
        .push_bind(instant(record.ended_at))
        .push_bind(record.customer.clone())
        .push_bind(record.name.clone())
        .push_bind(record.identified_by.map(|method| word(&method)))
        .push_bind(record.identifier_attempts)
        .push_bind(record.secret_attempts)
        .push_bind(record.opted_out)
        .push_bind(record.back_end_failure.clone())
        .push_bind(record.verdict.as_str())
        .push_bind(hand_over.map(|hand_over| hand_over.target.clone()))
        .push_bind(hand_over.map(|hand_over| hand_over.token.clone()))
        .push_bind(hand_over.map(|hand_over| word(&hand_over.outcome)))
        .push_bind(hand_over.and_then(|hand_over| hand_over.status))
        .push_bind(word(&record.ended_by))
        .push_bind(record.reason.clone());
    bind_media(row, &record.media);
    row.push_bind(record.ani_source.map(|source| word(&source)))
        .push_bind(record.trunk.clone())
        .push_bind(record.first_dialled.clone())
        .push_bind(record.ani_withheld)
        .push_bind(record.ani_verstat.map(|outcome| word(&outcome)))
        .push_bind(record.ani_attestation.map(|attestation| word(&attestation)))
        .push_bind(record.media.remote_jitter_ms)
        .push_bind(record.media.round_trip_ms)
        .push_bind(record.media.remote_opinion)
        .push_bind(record.recording.clone())
        .push_bind(record.identifier.clone())
        .push_bind(list(&record.factors))
        .push_bind(record.language.clone())
        .push_bind(list(&record.lines))
        .push_bind(record.closed)
        .push_bind(record.contained)
        .push_bind(record.locked.map(|lock| word(&lock)))
        .push_bind(record.consent)
        .push_bind(record.media.encrypted)
        .push_bind(record.ani_checked_by.map(|by| word(&by)))
        .push_bind(record.ani_check_fault.map(|fault| word(&fault)));
}

fn bind_media(row: &mut Separated<'_, Sqlite, &'static str>, media: &MediaFigures) {
    row.push_bind(count(media.packets_sent))
        .push_bind(count(media.packets_received))
        .push_bind(count(media.packets_lost))
        .push_bind(media.jitter_ms)
        .push_bind(media.remote_loss);
}

/// Reads a row back. An error names the column and says what is wrong with it.
pub(super) fn read(row: &SqliteRow) -> sqlx::Result<CallRecord> {
    Ok(CallRecord {
        version: row.try_get("version")?,
        id: row.try_get("id")?,
        line: row.try_get("line")?,
        ani: row.try_get("ani")?,
        ani_source: optional(row, "ani_source", unword)?,
        ani_withheld: row.try_get("ani_withheld")?,
        ani_verstat: optional(row, "ani_verstat", unword)?,
        ani_attestation: optional(row, "ani_attestation", unword)?,
        ani_checked_by: optional(row, "ani_checked_by", unword)?,
        ani_check_fault: optional(row, "ani_check_fault", unword)?,
        trunk: row.try_get("trunk")?,
        first_dialled: row.try_get("first_dialled")?,
        started_at: parsed(row, "started_at")?,
        answered_at: optional(row, "answered_at", str::parse)?,
        ended_at: parsed(row, "ended_at")?,
        customer: row.try_get("customer")?,
        name: row.try_get("name")?,
        identified_by: optional(row, "identified_by", unword)?,
        identifier: row.try_get("identifier")?,
        factors: read_list(row, "factors")?,
        language: row.try_get("language")?,
        lines: read_list(row, "lines")?,
        closed: row.try_get("closed")?,
        contained: row.try_get("contained")?,
        locked: optional(row, "locked", unword)?,
        consent: row.try_get("consent")?,
        identifier_attempts: row.try_get("identifier_attempts")?,
        secret_attempts: row.try_get("secret_attempts")?,
        opted_out: row.try_get("opted_out")?,
        back_end_failure: row.try_get("back_end_failure")?,
        verdict: worded(row, "verdict")?,
        hand_over: read_hand_over(row)?,
        ended_by: worded(row, "ended_by")?,
        reason: row.try_get("reason")?,
        recording: row.try_get("recording")?,
        media: read_media(row)?,
    })
}

/// Names as one text; none of them holds a space.
fn list(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(" "))
}

fn read_list(row: &SqliteRow, column: &str) -> sqlx::Result<Vec<String>> {
    let names: Option<String> = row.try_get(column)?;
    Ok(names.unwrap_or_default().split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn read_hand_over(row: &SqliteRow) -> sqlx::Result<Option<HandOver>> {
    let Some(target) = row.try_get::<Option<String>, _>("hand_over_target")? else {
        return Ok(None);
    };
    Ok(Some(HandOver {
        target,
        token: row.try_get("token")?,
        outcome: worded(row, "hand_over_outcome")?,
        status: row.try_get("hand_over_status")?,
    }))
}

fn read_media(row: &SqliteRow) -> sqlx::Result<MediaFigures> {
    let count = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    Ok(MediaFigures {
        packets_sent: count("packets_sent")?,
        packets_received: count("packets_received")?,
        packets_lost: count("packets_lost")?,
        jitter_ms: row.try_get("jitter_ms")?,
        remote_loss: row.try_get("remote_loss")?,
        remote_jitter_ms: row.try_get("remote_jitter_ms")?,
        round_trip_ms: row.try_get("round_trip_ms")?,
        remote_opinion: row.try_get("remote_opinion")?,
        encrypted: row.try_get("encrypted")?,
    })
}

/// Makes the figures such that database and spool can hold them: neither has a word for "not a number".
pub(super) fn make_storable(record: &mut CallRecord) {
    if !record.media.jitter_ms.is_finite() {
        record.media.jitter_ms = 0.0;
    }
    let media = &mut record.media;
    let figures = [
        &mut media.remote_loss,
        &mut media.remote_jitter_ms,
        &mut media.round_trip_ms,
        &mut media.remote_opinion,
    ];
    for figure in figures {
        *figure = figure.filter(|figure| figure.is_finite());
    }
}

/// An instant as text of one width, so that text order is time order.
pub(super) fn instant(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// The database's integers are signed; what exceeds 2^63 is not expected.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("the enums of a record are words, not {other:?}"),
    }
}

fn unword<T: DeserializeOwned>(text: &str) -> Result<T, WordError> {
    T::deserialize(StrDeserializer::new(text))
}

pub(super) fn worded<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> sqlx::Result<T> {
    unword(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

/// An instant of a row.
pub(super) fn parsed(row: &SqliteRow, column: &str) -> sqlx::Result<Timestamp> {
    row.try_get::<&str, _>(column)?.parse().map_err(|error: jiff::Error| unreadable(column, error))
}

fn optional<T, E: Into<BoxDynError>>(
    row: &SqliteRow,
    column: &str,
    parse: fn(&str) -> Result<T, E>,
) -> sqlx::Result<Option<T>> {
    row.try_get::<Option<&str>, _>(column)?.map(parse).transpose().map_err(|error| unreadable(column, error))
}

pub(super) fn unreadable(column: &str, source: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}
