//! One person: what is kept of them, and its erasure.
//!
//! A person is whoever the back end calls by an identifier, or whoever calls from a number. What is erased of a call is
//! everything that tells whose it was; that there was one, when and how it went, stays, for the figures to stay right.
//! The writer does it, since it also knows what waits in the spool.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection};

use super::pseudonyms::{Pseudonyms, Sort};
use super::purge::push_list;
use super::{RecordsError, Store, recordings, row, spool};
use crate::call::{CallRecord, Trace};

/// Whoever it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// The customer whom the back end calls so.
    Customer(String),
    /// Whoever calls from this number, written as it is in records.
    Ani(String),
}

/// What is kept of a person.
#[derive(Debug, Default)]
pub struct Held {
    /// Their calls, the oldest first.
    pub records: Vec<CallRecord>,
    /// The messages of those calls, as far as they are still kept.
    pub traces: Vec<Trace>,
    /// The recordings of those calls, as far as they are still kept: the call, and the file.
    pub recordings: Vec<(String, PathBuf)>,
}

/// How much there was of a person, and is not any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Erased {
    /// Identifiers of the calls that do not tell any more whose they were.
    pub calls: Vec<String>,
    /// Traces.
    pub traces: u64,
    /// Recordings.
    pub recordings: u64,
}

impl Person {
    /// Whether a call of this customer and this number is theirs.
    pub fn is(&self, customer: Option<&str>, ani: Option<&str>) -> bool {
        match self {
            Self::Customer(id) => customer == Some(id),
            Self::Ani(number) => ani == Some(number),
        }
    }

    /// What they are known by: of which sort it is, and it.
    pub fn known_by(&self) -> (Sort, &str) {
        match self {
            Self::Customer(id) => (Sort::Customer, id),
            Self::Ani(number) => (Sort::Ani, number),
        }
    }

    /// What stands for them where they themselves are not to be read.
    pub fn pseudonym(&self, pseudonyms: &Pseudonyms) -> String {
        let (sort, value) = self.known_by();
        pseudonyms.of(sort, value)
    }

    fn condition(&self) -> (&'static str, &str) {
        match self {
            Self::Customer(id) => (" WHERE customer = ", id),
            Self::Ani(number) => (" WHERE ani = ", number),
        }
    }
}

impl Held {
    /// How much it is, in words, and not whose.
    pub fn in_words(&self) -> String {
        in_words(self.records.len() as u64, self.traces.len() as u64, self.recordings.len() as u64)
    }
}

impl Erased {
    /// How much it was, in words, and not whose.
    pub fn in_words(&self) -> String {
        in_words(self.calls.len() as u64, self.traces, self.recordings)
    }
}

fn in_words(calls: u64, traces: u64, recordings: u64) -> String {
    format!("calls: {calls}, with messages: {traces}, with recordings: {recordings}")
}

impl Store {
    /// All that is kept of a person.
    pub async fn held(&self, person: &Person) -> Result<Held, RecordsError> {
        let (condition, value) = person.condition();
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(row::COLUMNS).push(" FROM calls").push(condition).push_bind(value.to_owned());
        let rows = query.build().fetch_all(self.reads()).await.map_err(|error| self.failed(error))?;
        let mut held = Held::default();
        for row in &rows {
            held.records.push(row::read(row).map_err(|error| self.failed(error))?);
        }
        for record in spool::waiting(self.folder()).map_err(RecordsError::unwritable(self.folder()))? {
            let is_theirs = person.is(record.customer.as_deref(), record.ani.as_deref());
            if is_theirs && held.records.iter().all(|known| known.id != record.id) {
                held.records.push(record);
            }
        }
        held.records.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        for record in &held.records {
            held.traces.extend(self.trace(&record.id).await?);
            let file = record.recording.as_deref().and_then(|name| recordings::path_of(self.folder(), name));
            held.recordings.extend(file.filter(|file| file.exists()).map(|file| (record.id.clone(), file)));
        }
        Ok(held)
    }
}

/// What the calls of a person tell of them.
pub(super) async fn told(connection: &mut SqliteConnection, person: &Person) -> sqlx::Result<Vec<Told>> {
    let (condition, value) = person.condition();
    let mut query = QueryBuilder::<Sqlite>::new("SELECT id, ani, customer, name, recording FROM calls");
    query.push(condition).push_bind(value.to_owned());
    query.build().fetch_all(connection).await?.iter().map(Told::read).collect()
}

/// Takes from these calls, in one transaction, what tells whose they were. Nobody finds them any more then: what else
/// there is of them has gone before.
pub(super) async fn strip(
    connection: &mut SqliteConnection,
    calls: &[Told],
    now: Timestamp,
) -> sqlx::Result<Erased> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut erased = Erased::default();
    for some in calls.chunks(CALLS_AT_ONCE) {
        let ids: Vec<String> = some.iter().map(|call| call.id.clone()).collect();
        let mut query = QueryBuilder::<Sqlite>::new(
            "UPDATE calls SET ani = NULL, customer = NULL, name = NULL, first_dialled = NULL, reason = NULL, \
             recording = NULL, token = iif(token IS NULL, NULL, ''), erased_at = ",
        );
        query.push_bind(row::instant(now)).push(" WHERE id IN ");
        push_list(&mut query, &ids);
        query.build().execute(&mut *transaction).await?;
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM traces WHERE call IN ");
        push_list(&mut query, &ids);
        erased.traces += query.build().execute(&mut *transaction).await?.rows_affected();
        erased.calls.extend(ids);
    }
    transaction.commit().await?;
    Ok(erased)
}

/// Calls in one statement.
const CALLS_AT_ONCE: usize = 200;

/// What a call told.
#[derive(Debug)]
pub(super) struct Told {
    id: String,
    /// Number, identifier and name.
    words: Vec<String>,
    recording: Option<String>,
}

impl Told {
    fn read(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
        let mut words = Vec::new();
        for column in ["ani", "customer", "name"] {
            words.extend(row.try_get::<Option<String>, _>(column)?);
        }
        Ok(Self { id: row.try_get("id")?, words, recording: row.try_get("recording")? })
    }
}

/// Deletes the files of those calls, and what the spool has put aside of them; how many recordings there were.
pub(super) fn delete_files(folder: &Path, calls: &[Told]) -> io::Result<u64> {
    let mut deleted = 0;
    for name in calls.iter().filter_map(|call| call.recording.as_deref()) {
        let Some(path) = recordings::path_of(folder, name) else { continue };
        for path in [path.with_extension("part"), path] {
            match fs::remove_file(&path) {
                Ok(()) => deleted += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    let words: Vec<&str> = calls.iter().flat_map(|call| &call.words).map(String::as_str).collect();
    spool::forget_rejected(folder, &words)?;
    Ok(deleted)
}
