//! The book: charges in a database, `SQLite` in the data folder or PostgreSQL that several nodes share.
//!
//! One row for each key that a proof is charged to, with its time; so windows slide exactly, and a charge is given back
//! by its own rows. All that is done in one [`Turn`] happens at once or not at all, and no two turns at a time, whoever
//! takes them: `SQLite` sees to that by its lock on the file, PostgreSQL by an advisory lock. The statements are the same
//! for both; only what opens a connection or a turn differs.

use std::io;
use std::path::Path;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{Any, AnyConnectOptions};
use sqlx::{AnyConnection, ConnectOptions, Connection, Transaction};

use super::rule::{Limits, Moment};
use super::{DatabaseUrl, Key, LockOut, Place};
use crate::flow::Lock;

/// The file in the data folder. Beside the records' and not in it, so that neither waits for the other.
const FILE: &str = "locks.db";
/// What of a path needs no escape in a URL.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
/// Locked keys of one kind that are listed; those that are locked the longest.
const LISTED_MAX: i64 = 1000;

/// NORMAL, so that a charge outlives the process, whatever ends it, and does not wait for the disk, which others may keep
/// busy for longer than a caller waits: a power cut may take the last moments' charges. What is deleted is overwritten. Waiting
/// for somebody else's lock is bounded by less than what a caller is kept waiting for.
const OPENING_SQLITE: &str = "PRAGMA busy_timeout = 1000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
    PRAGMA secure_delete = ON;";
/// A node that hangs in the middle of a turn loses it, so that the others are not kept out.
const OPENING_POSTGRES: &str = "SET lock_timeout = '1s'; SET statement_timeout = '1500ms'; \
    SET idle_in_transaction_session_timeout = '2s'; SET client_min_messages = 'warning'; \
    SET synchronous_commit = 'on';";
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS portero_charges \
    (charge BIGINT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (charge, kind)); \
    CREATE INDEX IF NOT EXISTS portero_charges_of ON portero_charges (kind, name, at);";
/// Takes the advisory lock, whose number is ours by nothing but that nobody else will have it, and then reads the server's
/// clock: nodes may disagree on the time.
const TURN_POSTGRES: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint \
    FROM pg_advisory_xact_lock(5841762390117254)";

/// The connection to where charges are kept.
#[derive(Debug)]
pub(super) struct Book {
    connection: AnyConnection,
    on: Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Tells one charge from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChargeId(pub i64);

/// What is done at once. Dropped without [`Turn::close`], nothing of it has happened.
#[derive(Debug)]
pub(super) struct Turn<'b> {
    transaction: Transaction<'b, Any>,
    now: Moment,
}

impl Book {
    /// Opens it, and makes what is missing.
    pub async fn open(place: &Place, ours: Moment) -> sqlx::Result<Self> {
        sqlx::any::install_default_drivers();
        let (url, on, opening) = match place {
            Place::Folder(folder) => (sqlite_url(folder)?, Engine::Sqlite, OPENING_SQLITE),
            Place::Server(DatabaseUrl(url)) => (url.clone(), Engine::Postgres, OPENING_POSTGRES),
        };
        // Statements are never logged: they deal in names and numbers.
        let options = AnyConnectOptions::from_str(&url)?.disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::raw_sql(opening).execute(&mut connection).await?;
        let mut book = Self { connection, on };
        let mut turn = book.turn(ours).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut *turn.transaction).await?;
        turn.close().await?;
        Ok(book)
    }

    /// Begins a turn, once nobody else has theirs. `ours` is the time by our own clock.
    pub async fn turn(&mut self, ours: Moment) -> sqlx::Result<Turn<'_>> {
        match self.on {
            Engine::Sqlite => {
                let transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Turn { transaction, now: ours })
            }
            Engine::Postgres => {
                let mut transaction = self.connection.begin().await?;
                let now = sqlx::query_scalar(TURN_POSTGRES).fetch_one(&mut *transaction).await?;
                Ok(Turn { transaction, now: Moment(now) })
            }
        }
    }

    /// Leaves no copy of what was deleted in the log of `SQLite`. Where somebody reads, that is for the next time.
    pub async fn wipe(&mut self) -> sqlx::Result<()> {
        match self.on {
            Engine::Sqlite => {
                let wiping = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)");
                wiping.execute(&mut self.connection).await.map(drop)
            }
            Engine::Postgres => Ok(()),
        }
    }
}

impl Turn<'_> {
    /// Charges a proof to all of `keys` that are counted; or says which is locked, the first that is, and charges nothing.
    pub async fn charge(
        &mut self,
        id: ChargeId,
        keys: &[Key],
        limits: &Limits,
    ) -> sqlx::Result<Result<(), Lock>> {
        const NTH_NEWEST: &str = "SELECT at FROM portero_charges WHERE kind = $1 AND name = $2 \
            ORDER BY at DESC LIMIT 1 OFFSET $3";
        const CHARGE: &str = "INSERT INTO portero_charges (charge, kind, name, at) VALUES ($1, $2, $3, $4)";
        let counted = || keys.iter().filter_map(|key| Some((key, limits.of(key.lock)?)));
        for (key, limit) in counted() {
            let oldest: Option<i64> = sqlx::query_scalar(NTH_NEWEST)
                .bind(key.lock.as_str())
                .bind(key.name.as_str())
                .bind(i64::from(limit.tries) - 1)
                .fetch_optional(&mut *self.transaction)
                .await?;
            if oldest.is_some_and(|oldest| limit.is_reached(Moment(oldest), self.now)) {
                return Ok(Err(key.lock));
            }
        }
        for (key, _) in counted() {
            let charge = sqlx::query(CHARGE).bind(id.0).bind(key.lock.as_str());
            charge.bind(key.name.as_str()).bind(self.now.0).execute(&mut *self.transaction).await?;
        }
        Ok(Ok(()))
    }

    /// Gives a charge back.
    pub async fn give_back(&mut self, id: ChargeId) -> sqlx::Result<()> {
        let given_back = sqlx::query("DELETE FROM portero_charges WHERE charge = $1").bind(id.0);
        given_back.execute(&mut *self.transaction).await.map(drop)
    }

    /// Forgets all charges of a key, and tells how many there were.
    pub async fn lift(&mut self, key: &Key) -> sqlx::Result<u64> {
        let lifted = sqlx::query("DELETE FROM portero_charges WHERE kind = $1 AND name = $2");
        let lifted = lifted.bind(key.lock.as_str()).bind(key.name.as_str());
        Ok(lifted.execute(&mut *self.transaction).await?.rows_affected())
    }

    /// Every key that is locked, of each kind those first that will be for the longest.
    pub async fn locked(&mut self, limits: &Limits) -> sqlx::Result<Vec<LockOut>> {
        const LOCKED: &str = "SELECT name, at, tries FROM \
            (SELECT name, at, ROW_NUMBER() OVER (PARTITION BY name ORDER BY at DESC) AS place, \
            COUNT(*) OVER (PARTITION BY name) AS tries FROM portero_charges WHERE kind = $1 AND at > $2) AS newest \
            WHERE place = $3 ORDER BY at DESC, name LIMIT $4";
        let mut all = Vec::new();
        for kind in Lock::ALL {
            let Some(limit) = limits.of(kind) else { continue };
            let rows: Vec<(String, i64, i64)> = sqlx::query_as(LOCKED)
                .bind(kind.as_str())
                .bind(limit.since(self.now).0)
                .bind(i64::from(limit.tries))
                .bind(LISTED_MAX)
                .fetch_all(&mut *self.transaction)
                .await?;
            all.extend(rows.into_iter().map(|(key, oldest, tries)| LockOut {
                kind,
                key,
                tries: tries.unsigned_abs(),
                until: limit.until(Moment(oldest)).date(),
            }));
        }
        Ok(all)
    }

    /// Forgets charges that count no longer. Those of kinds that are not counted stay: they may be by another node.
    pub async fn forget_old(&mut self, limits: &Limits) -> sqlx::Result<()> {
        for kind in Lock::ALL {
            let Some(limit) = limits.of(kind) else { continue };
            let old = sqlx::query("DELETE FROM portero_charges WHERE kind = $1 AND at <= $2");
            let old = old.bind(kind.as_str()).bind(limit.since(self.now).0);
            old.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// Ends the turn: from here on all that was done in it has happened, and outlives whatever comes.
    pub async fn close(self) -> sqlx::Result<()> {
        self.transaction.commit().await
    }
}

fn sqlite_url(folder: &Path) -> io::Result<String> {
    let file = std::path::absolute(folder)?.join(FILE);
    let path = file.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(format!("sqlite://{}?mode=rwc", utf8_percent_encode(path, &PLAIN)))
}
