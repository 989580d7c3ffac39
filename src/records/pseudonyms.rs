//! Pseudonyms: what stands for a number or a customer where they themselves are not to be read.
//!
//! One is made by HMAC-SHA256 under a key of the data folder, `ani:3-5f3a9c01d2e47788` under its key 3: so one caller's
//! lines are found together, and by whoever has the key. Keys change, and old ones go: then nobody can tell any more.
#![expect(clippy::disallowed_methods, reason = "shell: keys are made at random, and changed by the clock")]

use std::fmt::{self, Display};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::RecordsError;

const FILE: &str = "pseudonyms.json";

/// Octets of the code that are shown: two callers of one business do not have the same by chance.
const SHOWN_LEN: usize = 8;

/// What a pseudonym stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A calling number.
    Ani,
    /// A customer, by the back end's identifier.
    Customer,
}

impl Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ani => "ani",
            Self::Customer => "customer",
        })
    }
}

/// When keys change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// How long a key is used.
    pub every: Duration,
    /// How long it is kept after that, so that what it stands for can still be looked for.
    pub kept: Duration,
}

/// A key, and since when it has been in use.
#[derive(Clone, Serialize, Deserialize)]
struct Key {
    number: u32,
    since: Timestamp,
    octets: Zeroizing<[u8; 32]>,
}

/// The keys of a data folder, the one in use last.
pub struct Pseudonyms {
    path: PathBuf,
    keys: Mutex<Vec<Key>>,
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u32> = self.lock().iter().map(|key| key.number).collect();
        f.debug_struct("Pseudonyms").field("keys", &numbers).finish_non_exhaustive()
    }
}

impl Pseudonyms {
    /// The keys of this folder; makes the first where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or written, or holds something else.
    pub fn open(folder: &Path, rotation: Rotation) -> Result<Self, RecordsError> {
        let pseudonyms = Self::load(folder)?;
        pseudonyms.rotate(rotation, Timestamp::now())?;
        Ok(pseudonyms)
    }

    /// The keys that there are, for looking things up.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn load(folder: &Path) -> Result<Self, RecordsError> {
        let path = folder.join(FILE);
        let keys = match fs::read(&path).map(Zeroizing::new) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let keys = keys.map_err(RecordsError::unwritable(&path))?;
        Ok(Self { path, keys: Mutex::new(keys) })
    }

    /// Takes a new key into use where the last has been for long enough, and lets go of those that nobody should be
    /// able to look things up by any more.
    ///
    /// # Errors
    /// A file that cannot be written: then the keys stay as they are.
    pub fn rotate(&self, rotation: Rotation, now: Timestamp) -> Result<(), RecordsError> {
        let mut keys = self.lock();
        let is_over =
            |since: Timestamp, age: Duration| now.checked_sub(age).is_ok_and(|before| since <= before);
        let mut next = keys.clone();
        if next.last().is_none_or(|last| is_over(last.since, rotation.every)) {
            let mut octets = Zeroizing::new([0; 32]);
            OsRng
                .try_fill_bytes(&mut *octets)
                .map_err(io::Error::other)
                .map_err(RecordsError::unwritable(&self.path))?;
            let number = next.last().map_or(0, |last| last.number) + 1;
            next.push(Key { number, since: now, octets });
        }
        // A key is out of use since the next one came.
        let over = next.windows(2).take_while(|pair| is_over(pair[1].since, rotation.kept)).count();
        next.drain(..over);
        let numbers = |keys: &[Key]| keys.iter().map(|key| key.number).collect::<Vec<_>>();
        if numbers(&next) != numbers(&keys) {
            save(&self.path, &next).map_err(RecordsError::unwritable(&self.path))?;
            *keys = next;
        }
        Ok(())
    }

    /// What stands for this value now.
    pub fn of(&self, sort: Sort, value: &str) -> String {
        // There is a key in use from `open` on; without one, nothing is told.
        self.lock().last().map_or_else(|| format!("{sort}:unknown"), |key| key.pseudonym(sort, value))
    }

    /// What has stood for this value under each key that is kept, and since when; the one in use last.
    pub fn all(&self, sort: Sort, value: &str) -> Vec<(Timestamp, String)> {
        self.lock().iter().map(|key| (key.since, key.pseudonym(sort, value))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn pseudonym(&self, sort: Sort, value: &str) -> String {
        let mut code = Hmac::<Sha256>::new_from_slice(&*self.octets).expect("a key of any length will do");
        code.update(format!("{sort}\0{value}").as_bytes());
        let code = code.finalize().into_bytes();
        let shown = code[..SHOWN_LEN].iter().fold(0_u64, |code, octet| code << 8 | u64::from(*octet));
        format!("{sort}:{}-{shown:016x}", self.number)
    }
}

/// Puts the keys in the place of those that were there, readable by their owner alone.
fn save(path: &Path, keys: &[Key]) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let text = Zeroizing::new(serde_json::to_vec(keys)?);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const ROTATION: Rotation = Rotation { every: DAY.saturating_mul(30), kept: DAY.saturating_mul(60) };

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).expect("in range")
    }

    #[test]
    fn a_value_has_one_pseudonym_for_as_long_as_a_key_is_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let pseudonyms = Pseudonyms::open(folder.path(), ROTATION).expect("a key");
        let shown = pseudonyms.of(Sort::Ani, "+12025550101");
        assert_eq!((shown.len(), &shown[..6]), ("ani:1-".len() + 16, "ani:1-"));
        assert!(!shown.contains("5550101"));
        assert_ne!(shown, pseudonyms.of(Sort::Ani, "+12025550102"));
        let customer = pseudonyms.of(Sort::Customer, "+12025550101");
        assert_ne!(shown.strip_prefix("ani:"), customer.strip_prefix("customer:"));
        let again = Pseudonyms::open(folder.path(), ROTATION).expect("the same key");
        assert_eq!(again.of(Sort::Ani, "+12025550101"), shown);
        let other = tempfile::tempdir().expect("a folder");
        let other = Pseudonyms::open(other.path(), ROTATION).expect("another key");
        assert_ne!(other.of(Sort::Ani, "+12025550101"), shown);
        let mode = fs::metadata(folder.path().join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{pseudonyms:?}").contains("octets"));
    }

    #[test]
    fn keys_change_and_old_ones_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let pseudonyms = Pseudonyms::load(folder.path()).expect("none yet");
        assert_eq!(pseudonyms.of(Sort::Ani, "+1"), "ani:unknown");
        let since = |pseudonyms: &Pseudonyms| {
            let all = pseudonyms.all(Sort::Ani, "+1");
            all.into_iter().map(|(since, shown)| (since, shown[..6].to_owned())).collect::<Vec<_>>()
        };
        let key = |from: i64, shown: &str| (day(from), shown.to_owned());
        let table = [
            (0, vec![key(0, "ani:1-")]),
            (29, vec![key(0, "ani:1-")]),
            (30, vec![key(0, "ani:1-"), key(30, "ani:2-")]),
            (89, vec![key(0, "ani:1-"), key(30, "ani:2-"), key(89, "ani:3-")]),
            // The first went out of use on day 30, and was kept for 60 days.
            (90, vec![key(30, "ani:2-"), key(89, "ani:3-")]),
            // Nobody was there for a long time.
            (900, vec![key(89, "ani:3-"), key(900, "ani:4-")]),
            (960, vec![key(900, "ani:4-"), key(960, "ani:5-")]),
        ];
        for (now, expected) in table {
            pseudonyms.rotate(ROTATION, day(now)).expect("written");
            assert_eq!(since(&pseudonyms), expected, "day {now}");
            assert_eq!(since(&Pseudonyms::load(folder.path()).expect("read")), expected, "day {now}");
        }
    }

    #[test]
    fn a_file_of_something_else_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(FILE), "{").expect("room");
        let error = Pseudonyms::open(folder.path(), ROTATION).expect_err("no keys");
        assert!(error.to_string().contains(FILE), "{error}");
    }
}
