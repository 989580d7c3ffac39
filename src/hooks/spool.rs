//! Events on disk until their receiver has them: a small database for each receiver.
//!
//! `SQLite` in WAL mode and `synchronous=NORMAL`: what was appended survives `kill -9`, and what was torn is cut when it is
//! opened. A power cut may take the last moments with it; to wait for the disk at each batch would leave a busy receiver
//! behind. It is no part of the records' database, so that neither waits for the other's trouble. A receiver that has everything leaves it empty, and small.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, Sqlite, SqliteConnection};

use super::Event;
use crate::call::CallId;
use crate::records::make_private;

/// What a database's name ends in, in the folder of spools.
const ENDING: &str = "db";
/// The files that `SQLite` makes of one database.
const PARTS: [&str; 3] = ["db", "db-wal", "db-shm"];
/// Rows in one statement.
const ROWS_MAX: usize = 32;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (place INTEGER PRIMARY KEY AUTOINCREMENT, \
                      id TEXT NOT NULL, call INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT";

/// The events that wait for one receiver.
#[derive(Debug)]
pub struct Spool {
    connection: SqliteConnection,
    len: u64,
}

/// An event that waits, and its place among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Counts up, and is no other event's ever.
    pub place: i64,
    /// What is to be sent.
    pub event: Event,
}

impl Spool {
    /// Opens the spool of the receiver `name` below the data folder, and makes it where there is none.
    ///
    /// # Errors
    /// Those of the disk and of the database.
    pub async fn open(data: &Path, name: &str) -> sqlx::Result<Self> {
        make_private(&folder(data))?;
        let mut connection = SqliteConnectOptions::new()
            .filename(folder(data).join(name).with_added_extension(ENDING))
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            // What is deleted is written over: it is names and numbers.
            .pragma("secure_delete", "ON")
            // Statements hold names and numbers.
            .disable_statement_logging()
            .connect()
            .await?;
        sqlx::query(SCHEMA).execute(&mut connection).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut connection).await?;
        Ok(Self { connection, len: count.unsigned_abs() })
    }

    /// How many events there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds events behind all others, all or none, and returns when they are with the system, on their way to the disk.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn append(&mut self, events: &[Event]) -> sqlx::Result<()> {
        let mut transaction = self.connection.begin().await?;
        for rows in events.chunks(ROWS_MAX) {
            let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO events (id, call, at, body) ");
            query.push_values(rows, |mut values, event| {
                values.push_bind(event.id.clone()).push_bind(event.call.0.cast_signed());
                values.push_bind(event.at.as_millisecond()).push_bind(event.body.clone());
            });
            query.build().execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        self.len += events.len() as u64;
        Ok(())
    }

    /// The next events behind `place`, `events_max` at the most.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(&mut self, place: i64, events_max: u32) -> sqlx::Result<Vec<Spooled>> {
        let query = sqlx::query(
            "SELECT place, id, call, at, body FROM events WHERE place > ? ORDER BY place LIMIT ?",
        );
        let rows = query.bind(place).bind(events_max).fetch_all(&mut self.connection).await?;
        let spooled = |row: &sqlx::sqlite::SqliteRow| {
            let at = Timestamp::from_millisecond(row.try_get("at")?).unwrap_or_default();
            let call = CallId(row.try_get::<i64, _>("call")?.cast_unsigned());
            let event = Event { id: row.try_get("id")?, call, at, body: row.try_get("body")? };
            Ok(Spooled { place: row.try_get("place")?, event })
        };
        rows.iter().map(spooled).collect()
    }

    /// Forgets the events at these places. The last one gives back what room they took.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget(&mut self, places: &[i64]) -> sqlx::Result<()> {
        let list = serde_json::to_string(places).unwrap_or_default();
        let query = sqlx::query("DELETE FROM events WHERE place IN (SELECT value FROM json_each(?))");
        let gone = query.bind(list).execute(&mut self.connection).await?;
        self.len = self.len.saturating_sub(gone.rows_affected());
        if self.is_empty() {
            sqlx::query("PRAGMA incremental_vacuum").fetch_all(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Forgets all of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn clear(&mut self) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM events").execute(&mut self.connection).await?;
        self.len = 0;
        self.forget(&[]).await
    }

    /// Closes it.
    pub async fn close(self) {
        // What was appended is on disk, however it is closed.
        drop(self.connection.close().await);
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("webhooks")
}

/// The receivers that there are spools of.
pub fn names(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder(data)).into_iter().flatten().flatten();
    let name = |path: PathBuf| {
        let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
        is_ours.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
    };
    entries.filter_map(|entry| name(entry.path())).collect()
}

/// Removes the spool of a receiver, which nobody may have open.
pub fn remove(data: &Path, name: &str) -> io::Result<()> {
    for part in PARTS {
        match std::fs::remove_file(folder(data).join(name).with_added_extension(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
