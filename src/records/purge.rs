//! What is kept of people goes when its time is over: fields of call records, records, and keys of pseudonyms.
//!
//! Once a day, and at the start. A task of its own looks for rows without a lock, and changes a few at a time, so that
//! the writer of new records never waits long. What is deleted is written over (`secure_delete`), and the write-ahead log
//! is emptied afterwards: then it is not in the files any more. Traces and recordings are deleted by the writer.
#![expect(clippy::disallowed_methods, reason = "shell: runs a task, by the clock")]

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{error, info};

use super::audit::{Actor, Deed};
use super::pseudonyms::{Pseudonyms, Rotation};
use super::{Audit, RecordsError, Store, row, store};

/// How often.
const PURGE_EVERY: Duration = Duration::from_hours(24);

/// Rows changed in one transaction.
const ROWS_AT_ONCE: u32 = 200;

/// How long a change waits for the writer, which is done with its own in a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the emptying of the write-ahead log waits for readers, and how often it is tried. Meanwhile nobody writes.
const EMPTYING_PATIENCE: Duration = Duration::from_millis(500);
const EMPTYINGS_MAX: u32 = 4;

/// A field of a call record that tells of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The calling number.
    Ani,
    /// The customer's identifier.
    Customer,
    /// The customer's name.
    Name,
    /// The number that the caller dialled first.
    FirstDialled,
    /// Why the call ended, which may be in the words of the other side.
    Reason,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ani, Self::Customer, Self::Name, Self::FirstDialled, Self::Reason];

    /// Its name in records, in the database and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ani => "ani",
            Self::Customer => "customer",
            Self::Name => "name",
            Self::FirstDialled => "first_dialled",
            Self::Reason => "reason",
        }
    }
}

/// How long what is known of people is kept, from the end of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods {
    /// A call's record; `None` for ever.
    pub record: Option<Duration>,
    /// Fields that are not kept for as long as the record.
    pub fields: Vec<(Field, Duration)>,
}

/// What was purged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purged {
    pub records: u64,
    /// Records of which fields were taken.
    pub stripped: u64,
}

/// Purges for as long as it is there.
#[derive(Debug)]
pub struct Purger {
    task: JoinHandle<()>,
}

impl Drop for Purger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Purger {
    /// Starts the task. Needs a tokio runtime.
    pub fn start(
        store: Store,
        audit: Audit,
        periods: Periods,
        (pseudonyms, rotation): (Arc<Pseudonyms>, Rotation),
    ) -> Self {
        let mut purging = tokio::time::interval(PURGE_EVERY);
        purging.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let task = tokio::spawn(async move {
            loop {
                purging.tick().await;
                if let Err(failure) = pseudonyms.rotate(rotation, Timestamp::now()) {
                    error!(%failure, "the key of pseudonyms stays as it is");
                }
                match store.purge(&periods, Timestamp::now()).await {
                    Ok(purged) => tell(purged, &audit).await,
                    Err(failure) => error!(%failure, "what should be purged stays for now"),
                }
            }
        });
        Self { task }
    }
}

async fn tell(Purged { records, stripped }: Purged, audit: &Audit) {
    if records + stripped == 0 {
        return;
    }
    counter!("portero_records_purged_total", "what" => "record").increment(records);
    counter!("portero_records_purged_total", "what" => "fields").increment(stripped);
    info!(records, stripped, "what was kept for long enough has been purged");
    let detail = format!("{records} records, and fields of {stripped} others, whose time was over");
    // What went wrong has been logged where it did; what is purged stays so.
    drop(audit.append(Actor::System, Deed::Erased, "calls", detail).await);
}

impl Store {
    /// Purges what is older than its time at `now`.
    pub(super) async fn purge(&self, periods: &Periods, now: Timestamp) -> Result<Purged, RecordsError> {
        let before = |age: Duration| now.checked_sub(age).ok().map(row::instant);
        let record = periods.record.and_then(before);
        let fields: Vec<_> =
            periods.fields.iter().filter_map(|(field, age)| Some((field.as_str(), before(*age)?))).collect();
        let mut purged = Purged::default();
        let connecting = store::connect_to_write(self.folder(), PATIENCE).await;
        let mut connection = connecting.map_err(|error| self.failed(error))?;
        if let Some(before) = &record {
            purged.records = self.purge_records(&mut connection, before).await?;
        }
        if !fields.is_empty() {
            purged.stripped = self.purge_fields(&mut connection, &fields).await?;
        }
        connection.close().await.map_err(|error| self.failed(error))?;
        if purged != Purged::default() {
            self.empty_log().await?;
        }
        Ok(purged)
    }

    async fn purge_records(
        &self,
        connection: &mut SqliteConnection,
        before: &str,
    ) -> Result<u64, RecordsError> {
        let mut records = 0;
        loop {
            // A call begins before it ends: what is looked through are rows that the index leads to.
            let found = sqlx::query_scalar::<_, String>(
                "SELECT id FROM calls WHERE started_at < ?1 AND ended_at < ?1 ORDER BY started_at LIMIT ?2",
            );
            let found = found.bind(before).bind(ROWS_AT_ONCE).fetch_all(self.reads()).await;
            let ids = found.map_err(|error| self.failed(error))?;
            if ids.is_empty() {
                return Ok(records);
            }
            records += ids.len() as u64;
            let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM calls WHERE id IN ");
            push_list(&mut query, &ids);
            query.build().execute(&mut *connection).await.map_err(|error| self.failed(error))?;
        }
    }

    async fn purge_fields(
        &self,
        connection: &mut SqliteConnection,
        fields: &[(&'static str, String)],
    ) -> Result<u64, RecordsError> {
        let mut stripped = 0;
        // Where the last batch ended: what was stripped before is not looked through again.
        let mut after = (String::new(), String::new());
        loop {
            let found = select_overdue(fields, &after).build().fetch_all(self.reads()).await;
            let rows = found.map_err(|error| self.failed(error))?;
            let read = |row: &sqlx::sqlite::SqliteRow| {
                sqlx::Result::<(String, String)>::Ok((row.try_get("started_at")?, row.try_get("id")?))
            };
            let rows: Result<Vec<_>, _> = rows.iter().map(read).collect();
            let rows = rows.map_err(|error| self.failed(error))?;
            let Some(last) = rows.last() else { return Ok(stripped) };
            after.clone_from(last);
            stripped += rows.len() as u64;
            let ids: Vec<String> = rows.into_iter().map(|(_, id)| id).collect();
            let mut query = strip_overdue(fields);
            push_list(&mut query, &ids);
            query.build().execute(&mut *connection).await.map_err(|error| self.failed(error))?;
        }
    }

    /// Brings what is in the write-ahead log into the database and empties it, so that what was deleted is in neither.
    pub(super) async fn empty_log(&self) -> Result<(), RecordsError> {
        let connecting = store::connect_to_write(self.folder(), EMPTYING_PATIENCE).await;
        let mut connection = connecting.map_err(|error| self.failed(error))?;
        for _ in 0..EMPTYINGS_MAX {
            let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
            let busy: i64 = done.and_then(|row| row.try_get(0)).map_err(|error| self.failed(error))?;
            if busy == 0 {
                return connection.close().await.map_err(|error| self.failed(error));
            }
        }
        Err(RecordsError::StillInLog { path: store::database_path(self.folder()) })
    }
}

/// Records that have a field whose time is over.
fn select_overdue(fields: &[(&'static str, String)], after: &(String, String)) -> QueryBuilder<Sqlite> {
    let latest = fields.iter().map(|(_, before)| before).max().cloned().unwrap_or_default();
    let mut query = QueryBuilder::new("SELECT started_at, id FROM calls WHERE started_at < ");
    query.push_bind(latest).push(" AND (started_at, id) > (").push_bind(after.0.clone());
    query.push(", ").push_bind(after.1.clone()).push(") AND (FALSE");
    for (field, before) in fields {
        query.push(format!(" OR ({field} IS NOT NULL AND ended_at < ")).push_bind(before.clone()).push(")");
    }
    query.push(") ORDER BY started_at, id LIMIT ").push_bind(ROWS_AT_ONCE);
    query
}

/// Takes the fields whose time is over from records that are yet to be listed.
fn strip_overdue(fields: &[(&'static str, String)]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("UPDATE calls SET ");
    for (nth, (field, before)) in fields.iter().enumerate() {
        query.push(if nth > 0 { ", " } else { "" });
        query.push(format!("{field} = CASE WHEN ended_at < ")).push_bind(before.clone());
        query.push(format!(" THEN NULL ELSE {field} END"));
    }
    query.push(" WHERE id IN ");
    query
}

/// Adds a list of texts in parentheses.
pub(super) fn push_list(query: &mut QueryBuilder<Sqlite>, texts: &[String]) {
    query.push("(");
    let mut list = query.separated(", ");
    for text in texts {
        list.push_bind(text.clone());
    }
    query.push(")");
}
