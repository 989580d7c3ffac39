//! What was keyed, compared with a salted hash that the back end has for it: the only comparison of ours.
//!
//! Argon2id alone (RFC 9106), as a PHC string, which is what passwords are kept by. A hash is a secret, too: of four digits
//! it tells all to whoever tries ten thousand. Others' hashes may cost whatever their owners like; what one may cost here
//! is bounded, as is how many are made at a time.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::flow::{Answer, Failure};
use crate::secret::Secret;

/// The most memory that one comparison may take, in KiB: as much as RFC 9106 §4 recommends where memory is scarce.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
/// The most passes over all of that; with less memory there may be more. Some hundred milliseconds.
const PASSES_MAX: u32 = 4;
/// The longest PHC string that is read, in bytes. One with the longest salt has some two hundred.
const LENGTH_MAX: usize = 512;
/// How many comparisons are made at a time; further ones wait for as long as their request may take.
const AT_ONCE_MAX: usize = 4;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// A hash that a back end gave. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SaltedHash(Zeroizing<String>);

impl fmt::Debug for SaltedHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SaltedHash(…)")
    }
}

/// Why nothing is compared with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is none, or another function's.
    #[error("it is no PHC string of argon2id, with salt and hash")]
    Unknown,
    /// It asks for more than is given.
    #[error("it wants more than {MEMORY_KIB_MAX} KiB of memory, or more than {PASSES_MAX} passes over them")]
    TooCostly,
}

impl SaltedHash {
    /// Takes a text over as a hash. Whether it is one is told when it is compared.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether `secret` is what it was made of, which takes a processor for as long as the hash wants it to.
    ///
    /// # Errors
    /// Where the hash is not one that is compared with.
    pub fn is_of(&self, secret: &Secret) -> Result<bool, Unusable> {
        let text = Some(self.0.trim()).filter(|text| text.len() <= LENGTH_MAX).ok_or(Unusable::Unknown)?;
        let hash = PasswordHash::new(text).map_err(|_| Unusable::Unknown)?;
        let is_whole = hash.salt.is_some() && hash.hash.is_some();
        if hash.algorithm != Algorithm::Argon2id.ident() || !is_whole {
            return Err(Unusable::Unknown);
        }
        let params = Params::try_from(&hash).map_err(|_| Unusable::Unknown)?;
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        if params.m_cost() > MEMORY_KIB_MAX || work > u64::from(MEMORY_KIB_MAX * PASSES_MAX) {
            return Err(Unusable::TooCostly);
        }
        // Compares in constant time.
        Ok(Argon2::default().verify_password(secret.expose().as_bytes(), &hash).is_ok())
    }

    /// What [`SaltedHash::is_of`] says, as the answer of a back end, asked beside everything else.
    pub(super) async fn answer(self, secret: &Secret, whom: &str) -> Answer {
        let Ok(room) = ROOM.acquire().await else { return Answer::Failed(Failure::Overloaded) };
        let secret = secret.clone();
        let compared = spawn_blocking(move || {
            let is_of = self.is_of(&secret);
            // It is not over when nobody waits for it any more, but here.
            drop(room);
            is_of
        });
        match compared.await {
            Ok(Ok(is_right)) => Answer::Check(is_right),
            Ok(Err(why)) => {
                tracing::warn!(whom, "the hash cannot be used: {why}");
                Answer::Failed(Failure::Garbage)
            }
            Err(_) => Answer::Failed(Failure::Garbage),
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher;

    use super::*;

    fn secret(keys: &str) -> Secret {
        Secret::new(keys.to_owned())
    }

    fn hash(memory_kib: u32, passes: u32) -> String {
        let params = Params::new(memory_kib, passes, 1, None).expect("parameters");
        let argon2 = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password_with_salt(b"4711", b"salt of the test").expect("a hash").to_string()
    }

    #[test]
    fn a_secret_is_right_if_the_hash_is_of_it() {
        let hash = SaltedHash::new(format!(" {}\n", hash(64, 2)));
        assert_eq!(hash.is_of(&secret("4711")), Ok(true));
        for wrong in ["4712", "471", "47110", ""] {
            assert_eq!(hash.is_of(&secret(wrong)), Ok(false), "{wrong}");
        }
        assert_eq!(format!("{hash:?}"), "SaltedHash(…)");
    }

    #[test]
    fn a_hash_made_by_another_program_is_understood() {
        // phc-winner-argon2, src/test.c: "password", "somesalt", t=2, m=256 KiB, p=2, version 19, Argon2id.
        let theirs = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
        assert_eq!(SaltedHash::new(theirs.to_owned()).is_of(&secret("password")), Ok(true));
    }

    #[test]
    fn what_costs_too_much_or_is_no_hash_is_not_compared_with() {
        let table = [
            ("", Unusable::Unknown),
            ("4711", Unusable::Unknown),
            ("$argon2id$v=19$m=64,t=2,p=1", Unusable::Unknown),
            ("$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ", Unusable::Unknown),
            (
                "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
                Unusable::Unknown,
            ),
            (
                "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
                Unusable::TooCostly,
            ),
            (
                "$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
                Unusable::TooCostly,
            ),
            (
                "$argon2id$v=19$m=256,t=1025,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
                Unusable::TooCostly,
            ),
        ];
        for (text, expected) in table {
            assert_eq!(SaltedHash::new(text.to_owned()).is_of(&secret("4711")), Err(expected), "{text}");
        }
        let long = format!("{}{}", hash(64, 1), " ".repeat(LENGTH_MAX) + "x");
        assert_eq!(SaltedHash::new(long).is_of(&secret("4711")), Err(Unusable::Unknown));
    }
}
