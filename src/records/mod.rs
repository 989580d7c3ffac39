//! Call records: kept once, kept through trouble, found again.
//!
//! [`Store`] is the `SQLite` database in the data folder. [`Writer`] takes a record at the end of each call
//! without making the call wait, and says when it is safe on disk; what the database will not take goes to
//! a spool beside it and is written later. [`Recorder`] makes files of the calls that are recorded. [`Accounts`] are those
//! who may look at it all, and [`Audit`] keeps who touched any of it. Counting and reporting over records is not done here.

mod accounts;
pub mod audit;
pub mod person;
pub mod pseudonyms;
pub mod purge;
mod recorder;
mod recordings;
mod row;
mod spool;
mod store;
pub mod switches;
mod trace;
mod writer;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use accounts::{Accounts, Change, Token, User};
pub use audit::Audit;
pub use recorder::Recorder;
pub(crate) use store::make_private;
pub use store::{Filter, Store};
pub use writer::{Eraser, Kept, Lost, Retention, Writer};

use std::io;
use std::path::{Path, PathBuf};

/// Why records cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The data folder or a file in it cannot be made, read or written.
    #[error("{}: {source}; let this user write there, or name another data folder", path.display())]
    Unwritable {
        /// What was tried.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process keeps its records in this folder.
    #[error("{} is in use by another portero; stop it, or name another data folder", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// There is no database to read.
    #[error("{} does not exist: no portero has kept records there yet, or the data folder is another", path.display())]
    Missing {
        /// Where the database would be.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a database; move it away, or name another data folder", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a later version of this program.
    #[error("{} was made by a newer portero (schema {found}); run that one, or name another data folder", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema, where we know an earlier one.
        found: i64,
    },
    /// The database was written by an earlier version of this program, and reading alone does not change that.
    #[error("{} was made by an older portero (schema {found}); start this one on it once, then it can be read", path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// The database would not do as it was asked.
    #[error("{}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// A person is not erased, or not altogether.
    #[error("not everything is erased: {why}; try again")]
    NotErased {
        /// What went wrong.
        why: String,
    },
    /// What was deleted is not in the database any more, and still in its write-ahead log.
    #[error("{}-wal still holds what was deleted, since somebody is reading the database; it goes with the next purge", path.display())]
    StillInLog {
        /// The database.
        path: PathBuf,
    },
    /// What was done is not in the audit log, and so is not to be done.
    #[error("the audit log cannot be written: {why}")]
    Unaudited {
        /// What the database said.
        why: String,
    },
    /// A thread of ours could not be started.
    #[error("the threads that keep records cannot be started: {0}")]
    Thread(io::Error),
}

impl RecordsError {
    fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unwritable { path: path.to_owned(), source }
    }

    /// Sorts what the database said by whose fault it is.
    fn database(path: &Path) -> impl Fn(sqlx::Error) -> Self {
        /// `SQLITE_NOTADB`: the file's header is of another kind.
        const NOT_A_DATABASE: &str = "26";
        move |source| {
            let path = path.to_owned();
            match source.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
                Some(NOT_A_DATABASE) => Self::NotADatabase { path },
                _ => Self::Database { path, source },
            }
        }
    }
}
