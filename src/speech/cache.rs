//! What was said, kept as files: named by a hash of voice and text, open to nobody else, and erased by age and size.
//!
//! Reads and writes files, so not for the loop.
#![expect(clippy::disallowed_methods, reason = "shell: files have dates")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::{AUDIO_BYTES_MAX, Kept};

/// What our files' names end in: nothing else in the folder is touched.
const ENDING: &str = "speech";
/// What they end in while they are being written.
const UNFINISHED: &str = "speech-new";

/// A folder of what was said.
#[derive(Debug)]
pub struct Cache {
    kept: Kept,
    /// Tells files apart that are being written.
    writing: AtomicU64,
}

/// Names something that was said, and does not tell what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// Of what decides how it sounds, in order.
    pub(super) fn new<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let hex = |hex: String, octet: &u8| hex + &format!("{octet:02x}");
        Self(hash.finalize().iter().fold(String::new(), hex))
    }
}

impl Cache {
    /// Makes the folder, if there is none, and erases what is too old.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn open(kept: Kept) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&kept.folder)?;
        let cache = Self { kept, writing: AtomicU64::new(0) };
        cache.sweep()?;
        Ok(cache)
    }

    /// What is kept under a key, unless it is too old.
    pub(super) fn find(&self, key: &Key) -> Option<Vec<u8>> {
        let file = File::open(self.path(key)).ok()?;
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
        if self.is_old(modified) {
            return None;
        }
        let mut audio = Vec::new();
        file.take(AUDIO_BYTES_MAX as u64).read_to_end(&mut audio).ok()?;
        Some(audio)
    }

    /// Keeps something, and erases what there is no room for any more.
    pub(super) fn keep(&self, key: &Key, audio: &[u8]) -> io::Result<()> {
        if audio.len() as u64 > self.kept.bytes_max {
            return Ok(());
        }
        let number = self.writing.fetch_add(1, Ordering::Relaxed);
        let new = self.kept.folder.join(format!("{}-{number}.{UNFINISHED}", std::process::id()));
        let written = write(&new, audio).and_then(|()| fs::rename(&new, self.path(key)));
        if written.is_err() {
            // It may not have come so far as to be there.
            let _ = fs::remove_file(&new);
        }
        written?;
        self.sweep()
    }

    /// Erases what is too old, and then the oldest until the rest has room.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.kept.folder)? {
            let path = entry?.path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            // A file may have been erased by now.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let modified = metadata.modified()?;
            match ending {
                Some(ENDING | UNFINISHED) if self.is_old(modified) => erase(&path)?,
                Some(ENDING) => files.push((modified, metadata.len(), path)),
                _ => {}
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= self.kept.bytes_max {
                break;
            }
            erase(&path)?;
            bytes -= size;
        }
        Ok(())
    }

    /// Erases everything.
    pub(super) fn clear(&self) -> io::Result<()> {
        clear(&self.kept.folder)
    }

    /// How long what is in it is used.
    pub(super) fn age_max(&self) -> Duration {
        self.kept.age_max
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.kept.folder.join(format!("{}.{ENDING}", key.0))
    }

    /// Whether something is older than it may be; or younger than now, as after the clock was set back.
    fn is_old(&self, modified: SystemTime) -> bool {
        SystemTime::now().duration_since(modified).map_or(true, |age| age > self.kept.age_max)
    }
}

/// Erases all that was said and is kept in this folder; nothing, where there is no folder.
///
/// # Errors
/// Those of the disk.
pub fn clear(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING || ending == UNFINISHED) {
            erase(&path)?;
        }
    }
    Ok(())
}

fn write(path: &Path, audio: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(audio)
}

fn erase(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
