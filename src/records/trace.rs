//! Traces on disk: what is written beside the records, read back, and deleted when its time is over.
//!
//! A trace is worth less than a record: it has no spool, and one that the database does not take is counted and lost.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::row;
use crate::call::Trace;

/// The most that a trace may be when it is unpacked: far more than one that is bounded can be.
const PLAIN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Traces deleted in one transaction, so that nobody waits long for the lock.
const DELETED_AT_ONCE: i64 = 256;

/// Why what is in the database is no trace.
#[derive(Debug, thiserror::Error)]
#[error("it is no trace that this version can read")]
struct Unreadable;

/// Writes traces in one transaction.
pub(super) async fn insert(connection: &mut SqliteConnection, traces: &[Trace]) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    for trace in traces {
        let Some(ended_at) = trace.ended_at() else { continue };
        sqlx::query(
            "INSERT INTO traces (call, ended_at, messages) SELECT ?1, ?2, ?3 \
             WHERE NOT EXISTS (SELECT 1 FROM calls WHERE id = ?1 AND erased_at IS NOT NULL) \
             ON CONFLICT (call) DO NOTHING",
        )
        .bind(&trace.call)
        .bind(row::instant(ended_at))
        .bind(packed(trace))
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// The trace of one call.
pub(super) async fn by_call(reads: &SqlitePool, call: &str) -> sqlx::Result<Option<Trace>> {
    let found = sqlx::query_scalar::<_, Vec<u8>>("SELECT messages FROM traces WHERE call = ?").bind(call);
    let Some(packed) = found.fetch_optional(reads).await? else { return Ok(None) };
    let trace = unpacked(&packed).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: "messages".to_owned(),
        source: Unreadable.into(),
    })?;
    Ok(Some(trace))
}

/// Deletes some of the traces that are older than `age`; whether there may be more.
pub(super) async fn delete_older(
    connection: &mut SqliteConnection,
    age: Duration,
    now: Timestamp,
) -> sqlx::Result<bool> {
    // Longer ago than there is time: nothing is that old.
    let Ok(before) = now.checked_sub(age) else { return Ok(false) };
    let deleted = sqlx::query(
        "DELETE FROM traces WHERE call IN (SELECT call FROM traces WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
    )
    .bind(row::instant(before))
    .bind(DELETED_AT_ONCE)
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected() == DELETED_AT_ONCE.unsigned_abs())
}

fn packed(trace: &Trace) -> Vec<u8> {
    let json = serde_json::to_vec(trace).expect("a trace is texts and numbers, which JSON has words for");
    lz4_flex::compress_prepend_size(&json)
}

fn unpacked(packed: &[u8]) -> Option<Trace> {
    let (length, _) = lz4_flex::block::uncompressed_size(packed).ok()?;
    if length > PLAIN_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&lz4_flex::decompress_size_prepended(packed).ok()?).ok()
}
