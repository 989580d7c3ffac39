//! The database: opening it, asking it, adding to it.
//!
//! `SQLite` in WAL mode: readers and the writer do not wait for each other. `synchronous=FULL`, so that a
//! record that was reported as written survives a power cut, too.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, SqlStr, Sqlite, SqliteConnection, SqlitePool};

use tokio::task::spawn_blocking;

use super::{RecordsError, recordings, row, trace};
use crate::call::record::Verdict;
use crate::call::{CallRecord, Trace};

/// The schema, one step a file; a step that has been released is never changed. Listed by hand, because
/// sqlx's macro would have the database engine built a second time, for the compiler.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |version, name, sql| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(vec![
        step(1, "calls", include_str!("migrations/0001_calls.sql")),
        step(2, "trunks", include_str!("migrations/0002_trunks.sql")),
        step(3, "first_dialled", include_str!("migrations/0003_first_dialled.sql")),
        step(4, "calling_number", include_str!("migrations/0004_calling_number.sql")),
        step(5, "traces", include_str!("migrations/0005_traces.sql")),
        step(6, "quality", include_str!("migrations/0006_quality.sql")),
        step(7, "recordings", include_str!("migrations/0007_recordings.sql")),
        step(8, "conversation", include_str!("migrations/0008_conversation.sql")),
        step(9, "trust", include_str!("migrations/0009_trust.sql")),
        step(10, "audit", include_str!("migrations/0010_audit.sql")),
        step(12, "number_check", include_str!("migrations/0012_number_check.sql")),
        step(13, "accounts", include_str!("migrations/0013_accounts.sql")),
        step(15, "privacy", include_str!("migrations/0015_privacy.sql")),
        step(17, "encrypted", include_str!("migrations/0017_encrypted.sql")),
    ])
});

/// Connections that read at once; more queries wait their turn.
const READERS_MAX: u32 = 4;

/// How long a query waits for its turn before it fails.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);

/// The call records on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    reads: SqlitePool,
    /// Held for as long as records may be written: one process per data folder.
    lock: Option<Arc<File>>,
}

/// Which records to select; everything that is `None` admits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Calls that began at this instant or later.
    pub since: Option<Timestamp>,
    /// Calls that began before this instant.
    pub until: Option<Timestamp>,
    /// Calls to the line of this number.
    pub line: Option<String>,
    /// Calls that ended with this verdict.
    pub verdict: Option<Verdict>,
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, until, line, verdict } = self;
        let parts = [
            since.map(|since| format!("since {since}")),
            until.map(|until| format!("until {until}")),
            line.as_ref().map(|line| format!("of line {line}")),
            verdict.map(|verdict| format!("that ended as {}", verdict.as_str())),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl Store {
    /// Opens the database in `folder` for reading and writing; makes folder, file and schema where missing.
    ///
    /// # Errors
    /// Everything in [`RecordsError`] that an operator can put right, with the path and what to do.
    pub async fn open(folder: &Path) -> Result<Self, RecordsError> {
        make_private(folder).map_err(RecordsError::unwritable(folder))?;
        let lock = lock(folder)?;
        let path = database_path(folder);
        // SQLite itself would open a file that it may not write, and fail at the first record instead.
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        drop(opened.map_err(RecordsError::unwritable(&path))?);

        let mut connection =
            connect_to_write(folder, TURN_TIMEOUT).await.map_err(RecordsError::database(&path))?;
        migrate(&mut connection, &path).await?;
        connection.close().await.map_err(RecordsError::database(&path))?;
        Ok(Self { folder: folder.to_owned(), reads: readers(&path), lock: Some(Arc::new(lock)) })
    }

    /// Opens the database in `folder` for reading only, while a server may be writing it.
    ///
    /// # Errors
    /// [`RecordsError::Missing`] where there is none; [`RecordsError::Newer`] or
    /// [`RecordsError::Older`] if we would misread it.
    pub async fn open_read_only(folder: &Path) -> Result<Self, RecordsError> {
        let path = database_path(folder);
        if !path.try_exists().map_err(RecordsError::unwritable(&path))? {
            return Err(RecordsError::Missing { path });
        }
        let store = Self { folder: folder.to_owned(), reads: readers(&path), lock: None };
        let applied =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&store.reads).await;
        let found: i64 = applied.map_err(RecordsError::database(&path))?;
        match MIGRATIONS.iter().map(|migration| migration.version).max().cmp(&Some(found)) {
            Ordering::Less => Err(RecordsError::Newer { path, found }),
            Ordering::Equal => Ok(store),
            Ordering::Greater => Err(RecordsError::Older { path, found }),
        }
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What keeps other processes out of the folder; `None` if this store only reads.
    pub(super) fn lock(&self) -> Option<Arc<File>> {
        self.lock.clone()
    }

    /// The connections that read.
    pub(super) fn reads(&self) -> &SqlitePool {
        &self.reads
    }

    /// The `limit` newest records, newest first.
    pub async fn recent(&self, limit: u32) -> Result<Vec<CallRecord>, RecordsError> {
        self.select(&Filter::default(), limit).await
    }

    /// The record of one call.
    pub async fn by_id(&self, id: &str) -> Result<Option<CallRecord>, RecordsError> {
        self.one(" WHERE id = ", id).await
    }

    /// The record of the call that was handed over with this token.
    pub async fn by_token(&self, token: &str) -> Result<Option<CallRecord>, RecordsError> {
        self.one(" WHERE token = ", token).await
    }

    /// The SIP messages of one call that is over.
    pub async fn trace(&self, call: &str) -> Result<Option<Trace>, RecordsError> {
        trace::by_call(&self.reads, call).await.map_err(|error| self.failed(error))
    }

    /// The recording of one call, with its length in octets; `None` where there is none, or none any more.
    pub async fn recording(&self, call: &str) -> Result<Option<(File, u64)>, RecordsError> {
        let Some(name) = self.by_id(call).await?.and_then(|record| record.recording) else { return Ok(None) };
        let (folder, path) = (self.folder.clone(), self.folder.join(&name));
        let opened = spawn_blocking(move || recordings::open(&folder, &name)).await;
        opened.unwrap_or_else(|broke_off| Err(broke_off.into())).map_err(RecordsError::unwritable(&path))
    }

    /// The `limit` newest records that pass the filter, newest first.
    pub async fn select(&self, filter: &Filter, limit: u32) -> Result<Vec<CallRecord>, RecordsError> {
        let mut records = Vec::new();
        self.each(filter, Some(limit), |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(records)
    }

    /// Hands out the records that pass the filter one by one, newest first, until `take` breaks off.
    pub async fn each(
        &self,
        filter: &Filter,
        limit: Option<u32>,
        mut take: impl FnMut(CallRecord) -> ControlFlow<()>,
    ) -> Result<(), RecordsError> {
        let mut query = selection(filter, limit);
        let mut rows = query.build().fetch(&self.reads);
        while let Some(row) = rows.try_next().await.map_err(|error| self.failed(error))? {
            if take(row::read(&row).map_err(|error| self.failed(error))?).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn one(&self, condition: &'static str, value: &str) -> Result<Option<CallRecord>, RecordsError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(row::COLUMNS).push(" FROM calls").push(condition).push_bind(value.to_owned());
        let row = query.build().fetch_optional(&self.reads).await.map_err(|error| self.failed(error))?;
        row.map(|row| row::read(&row)).transpose().map_err(|error| self.failed(error))
    }

    /// What an error of the database means.
    pub(super) fn failed(&self, error: sqlx::Error) -> RecordsError {
        RecordsError::database(&database_path(&self.folder))(error)
    }
}

/// Rows in one statement. Each statement is a wait for the database's thread and back, and each length that occurs is
/// prepared once and kept.
const ROWS_MAX: usize = 32;

/// Writes records in one transaction: all or none. One that is there already stays as it is.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    records: &[Arc<CallRecord>],
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    for rows in records.chunks(ROWS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO calls (");
        query.push(row::COLUMNS).push(") ");
        query.push_values(rows, |mut values, record| row::bind(&mut values, record));
        // Narrower than OR IGNORE, which would also swallow a row that breaks some other rule.
        query.push(" ON CONFLICT (id) DO NOTHING");
        query.build().execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// A connection for the writer, which waits up to `patience` for another process's lock.
pub(super) async fn connect_to_write(folder: &Path, patience: Duration) -> sqlx::Result<SqliteConnection> {
    options(&database_path(folder))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(patience)
        // What is deleted is written over: it is names and numbers.
        .pragma("secure_delete", "ON")
        .connect()
        .await
}

/// Where the database of a data folder is.
pub(super) fn database_path(folder: &Path) -> PathBuf {
    folder.join("portero.db")
}

/// Statements are never logged: they deal in names and numbers.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).disable_statement_logging()
}

fn readers(path: &Path) -> SqlitePool {
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(TURN_TIMEOUT);
    pool.connect_lazy_with(options(path).read_only(true))
}

fn selection(filter: &Filter, limit: Option<u32>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(row::COLUMNS).push(" FROM calls WHERE TRUE");
    if let Some(since) = filter.since {
        query.push(" AND started_at >= ").push_bind(row::instant(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND started_at < ").push_bind(row::instant(until));
    }
    if let Some(line) = &filter.line {
        query.push(" AND line = ").push_bind(line.clone());
    }
    if let Some(verdict) = filter.verdict {
        query.push(" AND verdict = ").push_bind(verdict.as_str());
    }
    query.push(" ORDER BY started_at DESC, id DESC");
    if let Some(limit) = limit {
        query.push(" LIMIT ").push_bind(limit);
    }
    query
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), RecordsError> {
    let path = path.to_owned();
    MIGRATIONS.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => RecordsError::Newer { path, found },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            RecordsError::database(&path)(source)
        }
        other => RecordsError::Database { path, source: other.into() },
    })
}

/// Makes a folder that only its owner can look into: there are names and numbers in it.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn lock(folder: &Path) -> Result<File, RecordsError> {
    let path = folder.join("portero.lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(RecordsError::unwritable(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecordsError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(RecordsError::Unwritable { path, source }),
    }
}
