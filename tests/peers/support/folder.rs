//! A folder for one test's files, kept where the test failed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh, empty folder.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one below Cargo's folder for tests' files.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path)
                .expect("a folder left by an earlier process of this number can be removed");
        }
        fs::create_dir_all(&path).expect("a folder for the test's files");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Every file in it and below, with what it holds.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the folder can be read") {
                let path = entry.expect("the folder can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).expect("the file can be read");
                    files.push((path, content));
                }
            }
        }
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the test's files are in {}", self.0.display());
        } else {
            // A folder that cannot be removed is no reason to fail a test.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
