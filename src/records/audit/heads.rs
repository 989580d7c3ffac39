//! Ends of the audit log, noted beside the database in `audit.heads`: one line for each day on which it grew.
//!
//! The last line is the day's last end so far. A log that was cut off, or written anew as a whole, does not have these
//! ends any more. Each line is of one length, so that the last can be written over in place:
//! `2026-11-23T10:00:00.000000000Z 00000000000000001234 <64 hexadecimal digits>`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::chain::Hash;
use crate::records::{RecordsError, row};

/// Octets of a line, its end included.
const LINE_LEN: usize = 30 + 1 + 20 + 1 + 64 + 1;

/// An end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// When the row was written.
    pub at: Timestamp,
    /// Its number.
    pub row: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    fn line(&self) -> String {
        format!("{} {:020} {}\n", row::instant(self.at), self.row, self.hash)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let head = Self {
            at: words.next()?.parse().ok()?,
            row: words.next()?.parse().ok()?,
            hash: words.next()?.parse().ok()?,
        };
        (head.line().trim_end() == line).then_some(head)
    }
}

/// What the file says: its ends, and the first line that is none.
pub(super) type Heads = (Vec<Head>, Option<usize>);

fn path_in(folder: &Path) -> PathBuf {
    folder.join("audit.heads")
}

/// Notes an end, unless another process has noted a later one.
pub(super) fn note(folder: &Path, head: &Head) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path_in(folder))?;
    file.lock()?;
    let length = file.metadata()?.len();
    // What a crash has left of a line is written over.
    let whole = length - length % LINE_LEN as u64;
    let last_at = whole.saturating_sub(LINE_LEN as u64);
    let last = last_line(&mut file, last_at)?;
    if last.as_ref().is_some_and(|last| last.row >= head.row) {
        return Ok(());
    }
    let is_same_day = last.is_some_and(|last| day(last.at) == day(head.at));
    file.seek(SeekFrom::Start(if is_same_day { last_at } else { whole }))?;
    file.write_all(head.line().as_bytes())
}

fn last_line(file: &mut File, at: u64) -> io::Result<Option<Head>> {
    let mut line = String::new();
    file.seek(SeekFrom::Start(at))?;
    Read::by_ref(file).take(LINE_LEN as u64).read_to_string(&mut line)?;
    Ok(Head::parse(line.trim_end()))
}

fn day(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Reads the noted ends; `None` where there is no file of them.
pub(super) fn read(folder: &Path) -> Result<Option<Heads>, RecordsError> {
    let path = path_in(folder);
    let text = match std::fs::read(&path) {
        Ok(octets) => String::from_utf8_lossy(&octets).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecordsError::unwritable(&path)(source)),
    };
    let heads = text.lines().map(Head::parse);
    let unreadable = heads.clone().position(|head| head.is_none()).map(|at| at + 1);
    Ok(Some((heads.flatten().collect(), unreadable)))
}
