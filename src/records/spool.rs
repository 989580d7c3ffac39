//! The spool: records that the database would not take, one JSON object a line, until it does.
//!
//! A record that has been appended here is as safe as one in the database. What is replayed is first moved
//! aside, so that new records never meet the file that is being read; it is removed when the database has
//! them all. A crash in between replays some twice, which the database's key makes harmless.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::error;

use crate::call::CallRecord;

/// The spool of one data folder.
#[derive(Debug)]
pub(super) struct Spool {
    files: Mutex<Files>,
    /// Whether there is something to replay; changed only under the lock of `files`.
    waiting: watch::Sender<bool>,
}

#[derive(Debug)]
struct Files {
    folder: PathBuf,
}

/// A spool file on its way into the database.
#[derive(Debug)]
pub(super) struct Replay {
    folder: PathBuf,
    lines: BufReader<File>,
}

impl Spool {
    /// The spool in this data folder. What an earlier process left is waiting.
    pub fn new(folder: &Path) -> Self {
        let files = Files { folder: folder.to_owned() };
        let waiting = files.current().exists() || files.replaying().exists();
        Self { files: Mutex::new(files), waiting: watch::Sender::new(waiting) }
    }

    /// Tells whether there is something to replay, now and from now on.
    pub fn waiting(&self) -> watch::Receiver<bool> {
        self.waiting.subscribe()
    }

    /// Appends records and returns when they are on disk.
    pub fn append(&self, records: &[Arc<CallRecord>]) -> io::Result<()> {
        let files = self.lock();
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        append_durably(&files.current(), &lines)?;
        self.waiting.send_replace(true);
        Ok(())
    }

    /// Sets aside what there is and opens it; `None` if there is nothing.
    pub fn begin_replay(&self) -> io::Result<Option<Replay>> {
        let files = self.lock();
        if !files.replaying().try_exists()? {
            if !files.current().try_exists()? {
                self.waiting.send_replace(false);
                return Ok(None);
            }
            fs::rename(files.current(), files.replaying())?;
        }
        let lines = BufReader::new(File::open(files.replaying())?);
        Ok(Some(Replay { folder: files.folder.clone(), lines }))
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        // The lock guards files, whose state is on disk: a panic elsewhere cannot have spoiled it.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn current(&self) -> PathBuf {
        current(&self.folder)
    }

    fn replaying(&self) -> PathBuf {
        replaying(&self.folder)
    }
}

impl Replay {
    /// The next records, up to `records_max`; none at the end. A line that is no record (a crash can tear
    /// the last one, whose call was then never reported as ended) is kept in `spool.rejected.jsonl`.
    pub fn next(&mut self, records_max: usize) -> io::Result<Vec<Arc<CallRecord>>> {
        let mut records = Vec::new();
        let mut line = Vec::new();
        while records.len() < records_max && self.lines.read_until(b'\n', &mut line)? > 0 {
            match serde_json::from_slice(&line) {
                Ok(record) => records.push(Arc::new(record)),
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(_) => self.reject(&line)?,
            }
            line.clear();
        }
        Ok(records)
    }

    /// Removes the file, once all its records are in the database.
    pub fn finish(self) -> io::Result<()> {
        fs::remove_file(replaying(&self.folder))
    }

    fn reject(&self, line: &[u8]) -> io::Result<()> {
        let path = rejected(&self.folder);
        append_durably(&path, &[line.trim_ascii_end(), b"\n"].concat())?;
        error!(path = %path.display(), "a line of the spool is no record and has been put aside");
        Ok(())
    }
}

/// The records that wait in this folder's spool, for whoever only reads.
pub(super) fn waiting(folder: &Path) -> io::Result<Vec<CallRecord>> {
    let mut records = Vec::new();
    for path in [replaying(folder), current(folder)] {
        let lines = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lines => lines?,
        };
        let lines = lines.split(|octet| *octet == b'\n');
        records.extend(lines.filter_map(|line| serde_json::from_slice::<CallRecord>(line).ok()));
    }
    Ok(records)
}

/// Takes from what was put aside the lines in which one of these stands.
pub(super) fn forget_rejected(folder: &Path, words: &[&str]) -> io::Result<()> {
    let path = rejected(folder);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let holds = |line: &[u8], word: &str| line.windows(word.len()).any(|window| window == word.as_bytes());
    let lines = text.split_inclusive(|octet| *octet == b'\n');
    let kept: Vec<u8> = lines
        .filter(|line| !words.iter().any(|word| !word.is_empty() && holds(line, word)))
        .flatten()
        .copied()
        .collect();
    if kept.is_empty() { fs::remove_file(&path) } else { fs::write(&path, kept) }
}

fn current(folder: &Path) -> PathBuf {
    folder.join("spool.jsonl")
}

fn replaying(folder: &Path) -> PathBuf {
    folder.join("spool.replaying.jsonl")
}

fn rejected(folder: &Path) -> PathBuf {
    folder.join("spool.rejected.jsonl")
}

fn append_durably(path: &Path, lines: &[u8]) -> io::Result<()> {
    let is_new = !path.try_exists()?;
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let written = write_lines(&mut file, length, lines);
    if written.is_err() {
        // A torn line would be a second, spoilt copy of records that are still in hand. If this fails as
        // well, the next append begins a new line.
        let _ = file.set_len(length);
    }
    written?;
    if is_new && let Some(folder) = path.parent() {
        // The file's bytes are safe; its name is only once the folder is.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn write_lines(file: &mut File, length: u64, lines: &[u8]) -> io::Result<()> {
    if ends_torn(file, length)? {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    file.sync_data()
}

/// Whether a crash has left the file without a final line end.
fn ends_torn(file: &mut File, length: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last != [b'\n'])
}
