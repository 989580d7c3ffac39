//! The audit log: who changed, read, unlocked, exported or erased what.
//!
//! [`Audit`] adds to it, from any number of tasks and processes at once: what is answered is on disk. Whatever hands out
//! what is known of a caller asks it first, and does not where it cannot say so. A subject is never a number, a name or
//! a customer's identifier: the log outlives what is erased. That nothing was taken from it is for [`chain`] to tell.
#![expect(clippy::disallowed_methods, reason = "shell: runs the task that writes, and tells what time it is")]

pub mod chain;
pub mod heads;

#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tracing::{error, info};

use super::{RecordsError, Store, row, store};
use chain::Hash;
use heads::Head;

/// Rows that may wait to be written; whoever comes then waits for a place.
const WAITING_MAX: usize = 256;

/// Rows in one transaction.
const AT_ONCE_MAX: usize = 64;

/// How long a write waits for another process's.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often the log's end is told to the program's own log, which ought to leave the machine.
const TELL_EVERY: Duration = Duration::from_hours(24);

/// Characters of a subject or an actor's name, and of a detail, that are kept.
const NAME_LENGTH_MAX: usize = 200;
const DETAIL_LENGTH_MAX: usize = 1000;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Actor {
    /// A user who has logged in, by name.
    User(String),
    /// A program with a token, by the token's name.
    Token(String),
    /// A subcommand, run by this user of the machine.
    CommandLine(String),
    /// Whoever it was that asked from this address, and was not asked for a name.
    Somebody(String),
    /// Portero itself, because it was time to, or told by a signal.
    System,
}

impl Actor {
    /// Somebody at this address.
    pub fn at(address: IpAddr) -> Self {
        Self::Somebody(address.to_canonical().to_string())
    }

    /// The kind's word in the database, and the name.
    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::User(name) => ("user", name),
            Self::Token(name) => ("token", name),
            Self::CommandLine(name) => ("command_line", name),
            Self::Somebody(address) => ("somebody", address),
            Self::System => ("system", ""),
        }
    }

    fn of_words(kind: &str, name: String) -> Option<Self> {
        match kind {
            "user" => Some(Self::User(name)),
            "token" => Some(Self::Token(name)),
            "command_line" => Some(Self::CommandLine(name)),
            "somebody" => Some(Self::Somebody(name)),
            "system" => Some(Self::System),
            _ => None,
        }
    }
}

impl Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::CommandLine(name) => write!(f, "command line of {name}"),
            Self::Somebody(address) => write!(f, "somebody at {address}"),
            Self::System => f.write_str("portero"),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A setting, a switch, a user or a token was changed.
    Changed,
    /// What is known of a caller was looked at.
    Read,
    /// A lock-out was lifted.
    Unlocked,
    /// Everything about a customer was handed out.
    Exported,
    /// Something was erased: a customer, or what had been kept for long enough.
    Erased,
    /// A user logged in.
    LoggedIn,
    /// A user logged out.
    LoggedOut,
    /// Somebody was refused.
    Refused,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Changed,
        Self::Read,
        Self::Unlocked,
        Self::Exported,
        Self::Erased,
        Self::LoggedIn,
        Self::LoggedOut,
        Self::Refused,
    ];

    /// Its word, such as `logged_in`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Read => "read",
            Self::Unlocked => "unlocked",
            Self::Exported => "exported",
            Self::Erased => "erased",
            Self::LoggedIn => "logged_in",
            Self::LoggedOut => "logged_out",
            Self::Refused => "refused",
        }
    }

    /// The deed of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == word)
    }
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Its number, from 1 on, without gaps.
    pub row: u64,
    /// When it was written, by this machine's clock.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub deed: Deed,
    /// To what, such as `call 0123456789abcdef` or `configuration`.
    pub subject: String,
    /// What else there is to say.
    pub detail: String,
}

/// Which rows to select; everything that is `None` admits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Rows of this instant or later.
    pub since: Option<Timestamp>,
    /// Rows of before this instant.
    pub until: Option<Timestamp>,
    /// Rows of this deed.
    pub deed: Option<Deed>,
    /// Rows whose actor's name, or address, is this one.
    pub actor: Option<String>,
    /// Rows whose subject has this in it.
    pub subject: Option<String>,
}

/// A row on its way.
#[derive(Debug)]
struct Order {
    actor: Actor,
    deed: Deed,
    subject: String,
    detail: String,
    reply: oneshot::Sender<Result<u64, RecordsError>>,
}

/// Adds to the log of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    orders: mpsc::Sender<Order>,
}

impl Audit {
    /// Starts the task that writes. Its database is there already, and of this version: see [`Store`]. Needs a tokio
    /// runtime.
    pub fn start(folder: &Path) -> Self {
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(Clerk { folder: folder.to_owned(), connection: None }.run(waiting));
        Self { orders }
    }

    /// Adds a row, and gives its number once it is on disk.
    ///
    /// # Errors
    /// [`RecordsError::Unaudited`]: then what it tells of is not to be done, unless harm would come of that.
    pub async fn append(
        &self,
        actor: Actor,
        deed: Deed,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Result<u64, RecordsError> {
        let broke_off = || RecordsError::Unaudited { why: "what writes it broke off".to_owned() };
        let (reply, written) = oneshot::channel();
        let order = Order { actor, deed, subject: subject.into(), detail: detail.into(), reply };
        self.orders.send(order).await.map_err(|_| broke_off())?;
        written.await.map_err(|_| broke_off())?
    }
}

/// What the task has.
struct Clerk {
    folder: PathBuf,
    /// Gone after a failure.
    connection: Option<SqliteConnection>,
}

impl Clerk {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut telling = tokio::time::interval(TELL_EVERY);
        telling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(first) => self.take(first, &mut orders).await,
                    None => return,
                },
                _ = telling.tick() => self.tell().await,
            }
        }
    }

    /// Writes a row, and those that wait behind it, in one transaction.
    async fn take(&mut self, first: Order, queue: &mut mpsc::Receiver<Order>) {
        let mut batch = vec![first];
        while batch.len() < AT_ONCE_MAX
            && let Ok(order) = queue.try_recv()
        {
            batch.push(order);
        }
        let written = self.write(&batch).await;
        if let Err(failure) = &written {
            error!(%failure, rows = batch.len(), "the audit log cannot be written");
        }
        let count = batch.len() as u64;
        for (order, behind) in batch.into_iter().zip((0..count).rev()) {
            let row = written.as_ref().map(|last| last - behind);
            // Whoever asked may have gone; what is written stands.
            let _ =
                order.reply.send(row.map_err(|failure| RecordsError::Unaudited { why: failure.to_string() }));
        }
    }

    /// Writes rows, and gives the number of the last.
    async fn write(&mut self, batch: &[Order]) -> sqlx::Result<u64> {
        let mut connection = self.connected().await?;
        let head = append(&mut connection, batch, Timestamp::now()).await?;
        self.connection = Some(connection);
        let folder = self.folder.clone();
        let (row, noted) = (head.row, spawn_blocking(move || heads::note(&folder, &head)).await);
        if !matches!(noted, Ok(Ok(()))) {
            error!(?noted, "the end of the audit log cannot be noted beside it");
        }
        Ok(row)
    }

    /// Tells the program's log where the audit log ends: whoever keeps that elsewhere can show what was cut off since.
    async fn tell(&mut self) {
        match self.head().await {
            Ok(None) => {}
            Ok(Some((row, hash))) => info!("the audit log ends at {row}:{hash}"),
            Err(failure) => error!(%failure, "the audit log cannot be read"),
        }
    }

    async fn head(&mut self) -> sqlx::Result<Option<(u64, Hash)>> {
        let mut connection = self.connected().await?;
        let head = chain::head(&mut connection).await?;
        self.connection = Some(connection);
        Ok(head)
    }

    async fn connected(&mut self) -> sqlx::Result<SqliteConnection> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => store::connect_to_write(&self.folder, PATIENCE).await,
        }
    }
}

/// Adds rows in one transaction, which no other process's can come between.
async fn append(connection: &mut SqliteConnection, batch: &[Order], at: Timestamp) -> sqlx::Result<Head> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (mut row, mut hash) = chain::head(&mut transaction).await?.unwrap_or((0, Hash::ORIGIN));
    let instant = row::instant(at);
    for order in batch {
        let (kind, actor) = order.actor.words();
        let (actor, subject) = (plain(actor, NAME_LENGTH_MAX), plain(&order.subject, NAME_LENGTH_MAX));
        let detail = plain(&order.detail, DETAIL_LENGTH_MAX);
        row += 1;
        let texts = [&instant, kind, &actor, order.deed.as_str(), &subject, &detail];
        hash = hash.followed_by(row, texts);
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO audit (row, ");
        query.push(chain::TEXTS.join(", ")).push(", hash) VALUES (").push_bind(row::count(row));
        for text in texts {
            query.push(", ").push_bind(text.to_owned());
        }
        query.push(", ").push_bind(hash.octets().to_vec()).push(")");
        query.build().execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(Head { at, row, hash })
}

/// A text without what a terminal would obey or what would break a line, and no longer than it may be.
fn plain(text: &str, length_max: usize) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(length_max).collect()
}

impl Store {
    /// The `limit` newest rows of the audit log that pass the filter, newest first.
    pub async fn audited(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<Audited>, RecordsError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT row, ");
        query.push(chain::TEXTS.join(", ")).push(" FROM audit WHERE TRUE");
        if let Some(since) = filter.since {
            query.push(" AND at >= ").push_bind(row::instant(since));
        }
        if let Some(until) = filter.until {
            query.push(" AND at < ").push_bind(row::instant(until));
        }
        if let Some(deed) = filter.deed {
            query.push(" AND deed = ").push_bind(deed.as_str());
        }
        if let Some(actor) = &filter.actor {
            query.push(" AND actor = ").push_bind(actor.clone());
        }
        if let Some(subject) = &filter.subject {
            query.push(" AND instr(subject, ").push_bind(subject.clone()).push(") > 0");
        }
        query.push(" ORDER BY row DESC LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(self.reads()).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| read(row).map_err(|error| self.failed(error))).collect()
    }
}

fn read(row: &SqliteRow) -> sqlx::Result<Audited> {
    let kind: String = row.try_get("actor_kind")?;
    let actor = Actor::of_words(&kind, row.try_get("actor")?);
    Ok(Audited {
        row: row.try_get::<i64, _>("row")?.unsigned_abs(),
        at: row::parsed(row, "at")?,
        actor: actor.ok_or_else(|| row::unreadable("actor_kind", format!("there is no `{kind}`")))?,
        deed: row::worded(row, "deed")?,
        subject: row.try_get("subject")?,
        detail: row.try_get("detail")?,
    })
}
