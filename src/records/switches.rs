//! Emergency switches on disk, so that a restart in the middle of an emergency does not end it.

use std::path::Path;

use super::RecordsError;
use crate::call::Emergencies;

const FILE: &str = "emergency.json";

/// The switches as they were left.
///
/// # Errors
/// A file that is there and cannot be read. One that holds something else counts as an emergency of all lines: what a
/// person turned on must not be lost by a broken file.
pub fn load(folder: &Path) -> Result<Emergencies, RecordsError> {
    let path = folder.join(FILE);
    match std::fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "the emergency switches cannot be read: all lines' are on");
            Emergencies { all: true, ..Emergencies::default() }
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Emergencies::default()),
        Err(source) => Err(RecordsError::unwritable(&path)(source)),
    }
}

/// Keeps the switches.
///
/// # Errors
/// Those of the disk; what was kept before is still there then.
pub fn save(folder: &Path, switches: &Emergencies) -> Result<(), RecordsError> {
    let path = folder.join(FILE);
    let beside = folder.join("emergency.json.new");
    let text = serde_json::to_vec(switches).expect("booleans and texts are JSON");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(RecordsError::unwritable(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_outlive_a_restart_and_a_broken_file_turns_all_on() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(load(folder.path()).expect("none yet"), Emergencies::default());
        let mut switches = Emergencies::default();
        switches.turn(Some("1000"), true);
        save(folder.path(), &switches).expect("a file");
        assert_eq!(load(folder.path()).expect("a file"), switches);
        std::fs::write(folder.path().join(FILE), "{").expect("a file");
        assert!(load(folder.path()).expect("a file").all);
    }
}
