//! The chain of hashes that runs through the audit log, and what shows that a link of it was touched.
//!
//! A row's hash is SHA-256 over the hash of the row before it, the row's number and its texts, each text with its length
//! in front. There is no key: anybody can check the log, and nobody who can write the database could not also read a
//! key beside it. What holds against those who would make a whole new chain are its ends of earlier days, kept beside
//! the database ([`super::heads`]) and, better, elsewhere.

use std::fmt::{self, Display};
use std::str::FromStr;

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::heads::{self, Head};
use crate::records::{RecordsError, Store};

/// The columns of a row that are texts, in the order in which they are hashed.
pub(super) const TEXTS: [&str; 6] = ["at", "actor_kind", "actor", "deed", "subject", "detail"];

/// What hashes of this form begin with.
const FORM: &[u8] = b"portero audit 1";

/// The triggers of the table.
const TRIGGERS: i64 = 3;

/// The hash of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first row follows.
    pub(super) const ORIGIN: Self = Self([0; 32]);

    /// The hash of the row that follows the one of this hash.
    pub(super) fn followed_by(self, row: u64, texts: [&str; TEXTS.len()]) -> Self {
        let mut hash = Sha256::new();
        hash.update(FORM);
        hash.update(self.0);
        hash.update(row.to_be_bytes());
        for text in texts {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }

    fn of_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }
}

impl Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// It is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits")]
pub struct NoHash;

impl FromStr for Hash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        let is_plain = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mut hash = Self([0; 32]);
        for (at, octet) in hash.0.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).filter(|_| is_plain).ok_or(NoHash)?;
            *octet = u8::from_str_radix(digits, 16).map_err(|_| NoHash)?;
        }
        Ok(hash)
    }
}

/// The last row's number and hash; `None` where there is no row.
pub(super) async fn head(connection: &mut SqliteConnection) -> sqlx::Result<Option<(u64, Hash)>> {
    let last = sqlx::query("SELECT row, hash FROM audit ORDER BY row DESC LIMIT 1");
    let Some(row) = last.fetch_optional(connection).await? else { return Ok(None) };
    let (number, octets): (i64, Vec<u8>) = (row.try_get("row")?, row.try_get("hash")?);
    let hash = Hash::of_octets(&octets).ok_or_else(|| super::row::unreadable("hash", NoHash))?;
    Ok(Some((number.unsigned_abs(), hash)))
}

/// What was found of the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Verification {
    /// Rows that are there and hold together.
    pub rows: u64,
    /// The hash of the last of them.
    pub end: Option<Hash>,
    /// Noted ends of the log that were found in it.
    pub heads: usize,
    /// Where it does not hold.
    pub broken: Option<Broken>,
}

/// How the log is broken, at the first place where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Rows are not there, and later ones are.
    #[error("row {row} is missing: it was deleted, or others were moved")]
    Missing {
        /// The first of them.
        row: u64,
    },
    /// A row's hash is not that of what stands in it, after the row before it.
    #[error("row {row} is not what was written there: it was changed, put in, or moved")]
    Changed {
        /// Its number.
        row: u64,
    },
    /// The log is shorter than it was.
    #[error("what followed row {row} was cut off: it went on to row {noted}, as was noted at {at}")]
    Cut {
        /// The last row that is there.
        row: u64,
        /// How far it is known to have gone.
        noted: u64,
        /// When that was noted; nothing for an end that was kept elsewhere.
        at: String,
    },
    /// The chain is whole, and another one than was noted.
    #[error("row {row} is not the one that was noted at {at}: it, or one before it, was written anew")]
    Another {
        /// The number of the noted row.
        row: u64,
        /// When it was noted.
        at: String,
    },
    /// A line of the file of noted ends is none.
    #[error("line {line} of audit.heads is not as Portero writes it")]
    Unreadable {
        /// Which, from 1 on.
        line: usize,
    },
    /// There is no file of noted ends.
    #[error("audit.heads, which is beside the database, is gone: whether the log was cut off cannot be told")]
    NoHeads,
    /// The table may be changed.
    #[error("the triggers that keep rows from being changed are gone")]
    Unguarded,
}

impl Store {
    /// Checks the whole audit log, also against `kept`: an end of it that was kept elsewhere.
    ///
    /// # Errors
    /// Those of reading. A log that does not hold is none: it is told in the answer.
    pub async fn verify_audit(&self, kept: Option<(u64, Hash)>) -> Result<Verification, RecordsError> {
        // The ends first: what is added meanwhile is then behind them.
        let heads = heads::read(self.folder())?;
        let mut found = Verification { rows: 0, end: None, heads: 0, broken: None };
        let mut noted = Noted::new(heads, kept);
        self.follow(&mut found, &mut noted).await.map_err(|error| self.failed(error))?;
        found.broken = found.broken.or_else(|| noted.missed(found.rows));
        found.heads = noted.met;
        if found.broken.is_none() && !self.is_guarded().await? {
            found.broken = Some(Broken::Unguarded);
        }
        Ok(found)
    }

    /// Goes from row to row until one is broken.
    async fn follow(&self, found: &mut Verification, noted: &mut Noted) -> sqlx::Result<()> {
        let mut hash = Hash::ORIGIN;
        let query = format!("SELECT row, {}, hash FROM audit ORDER BY row", TEXTS.join(", "));
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch(self.reads());
        while let Some(row) = rows.try_next().await? {
            let expected = found.rows + 1;
            match hash_of(&row, expected, hash) {
                Ok(next) => hash = next,
                Err(broken) => {
                    found.broken = Some(broken);
                    return Ok(());
                }
            }
            found.rows = expected;
            found.end = Some(hash);
            found.broken = noted.meet(expected, hash);
            if found.broken.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn is_guarded(&self) -> Result<bool, RecordsError> {
        let query = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit'";
        let triggers: sqlx::Result<i64> = sqlx::query_scalar(query).fetch_one(self.reads()).await;
        triggers.map(|count| count == TRIGGERS).map_err(|error| self.failed(error))
    }
}

/// The hash of a row that is to be of this number and to follow one of hash `before`, if it is as it was written.
fn hash_of(row: &SqliteRow, expected: u64, before: Hash) -> Result<Hash, Broken> {
    let number = row.try_get::<i64, _>("row").ok().and_then(|number| u64::try_from(number).ok());
    match number {
        Some(number) if number == expected => {}
        Some(number) if number > expected => return Err(Broken::Missing { row: expected }),
        other => return Err(Broken::Changed { row: other.unwrap_or_default() }),
    }
    let changed = || Broken::Changed { row: expected };
    let mut texts = [""; TEXTS.len()];
    for (text, column) in texts.iter_mut().zip(TEXTS) {
        *text = row.try_get(column).map_err(|_| changed())?;
    }
    let written = row.try_get::<&[u8], _>("hash").ok().and_then(Hash::of_octets);
    Some(before.followed_by(expected, texts)).filter(|hash| Some(*hash) == written).ok_or_else(changed)
}

/// The ends of the log that were noted, in order of their rows.
struct Noted {
    heads: Vec<(u64, Hash, String)>,
    met: usize,
    /// What is wrong with the notes themselves.
    fault: Option<Broken>,
}

impl Noted {
    fn new(heads: Option<heads::Heads>, kept: Option<(u64, Hash)>) -> Self {
        let none = heads.is_none();
        let (heads, unreadable) = heads.unwrap_or_default();
        let told = heads.into_iter().map(|Head { at, row, hash }| (row, hash, at.to_string()));
        let elsewhere = kept.map(|(row, hash)| (row, hash, "another place".to_owned()));
        let mut heads: Vec<_> = told.chain(elsewhere).collect();
        heads.sort_by_key(|(row, ..)| *row);
        let fault = unreadable.map(|line| Broken::Unreadable { line });
        Self { heads, met: 0, fault: fault.or(none.then_some(Broken::NoHeads)) }
    }

    /// Takes note of a row; what is wrong with it, if it is not the one that was noted.
    fn meet(&mut self, row: u64, hash: Hash) -> Option<Broken> {
        while let Some((noted, noted_hash, at)) = self.heads.get(self.met).filter(|head| head.0 <= row) {
            if *noted_hash != hash {
                return Some(Broken::Another { row: *noted, at: at.clone() });
            }
            self.met += 1;
        }
        None
    }

    /// What was noted and did not come, where the log ended at `row`.
    fn missed(&mut self, row: u64) -> Option<Broken> {
        let last = self.heads.last().filter(|(noted, ..)| *noted > row);
        let cut = last.map(|(noted, _, at)| Broken::Cut { row, noted: *noted, at: at.clone() });
        let fault = self.fault.take().filter(|fault| row > 0 || *fault != Broken::NoHeads);
        cut.or(fault)
    }
}
