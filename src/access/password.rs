//! People's passwords: argon2id (RFC 9106), with the least work that OWASP advises (19 MiB, two passes).

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use sha2::{Digest as _, Sha256};

use crate::secret::Password;

/// Octets of salt (RFC 9106 §3.1).
pub const SALT_LEN: usize = 16;

/// A password that a person chooses has as many characters at the least (NIST SP 800-63B §3.1.1.2 has 15 where nothing
/// else is asked for, and 8 where tries are limited, as they are here).
const LENGTH_MIN: usize = 12;

/// And as many octets at the most.
const BYTES_MAX: usize = 256;

/// Why something cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is soon guessed.
    #[error(
        "a password has at least {LENGTH_MIN} characters: a few words that do not belong together will do"
    )]
    TooShort,
    /// It is longer than anybody types.
    #[error("a password has at most {BYTES_MAX} bytes")]
    TooLong,
    /// It says so itself.
    #[error("the name of the user is no password")]
    IsTheName,
}

/// Takes what a person has chosen, if it will do.
///
/// # Errors
/// Why it will not.
pub fn new_password(text: &str, name: &super::Name) -> Result<Password, Unfit> {
    if text.chars().count() < LENGTH_MIN {
        return Err(Unfit::TooShort);
    }
    if text.len() > BYTES_MAX {
        return Err(Unfit::TooLong);
    }
    if text.to_lowercase() == name.as_str() {
        return Err(Unfit::IsTheName);
    }
    Ok(Password::new(text.to_owned()))
}

/// Stands in where there is no user of a name: made with the same parameters, and of no password that anybody knows.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Letters and digits that nobody takes for one another when they copy them.
const LEGIBLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Letters in a password that we make up: 100 bits.
const MADE_UP_LEN: usize = 20;

/// Makes up a password, of random octets: four groups of five letters.
pub fn made_up_password(random: [u8; MADE_UP_LEN]) -> Password {
    let letters = random.map(|octet| char::from(LEGIBLE[usize::from(octet) % LEGIBLE.len()]));
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Password::new(groups.join("-"))
}

/// Whether the password is that of a user of whom `known` is kept, as `matches` finds out; for nobody's it is asked as
/// well, so that who listens to the clock does not learn which names there are.
pub fn judge(known: Option<&PasswordHash>, matches: impl FnOnce(&PasswordHash) -> bool) -> bool {
    let decoy = PasswordHash(DECOY.into());
    matches(known.unwrap_or(&decoy)) && known.is_some()
}

/// What is kept of a password: its hash with everything that it was made with, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

/// Tells one [`PasswordHash`] from another, and nothing about the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 8]);

impl PasswordHash {
    /// Hashes a password. Takes some ten milliseconds of a processor and 19 MiB.
    pub fn of(password: &Password, salt: [u8; SALT_LEN]) -> Self {
        let hash: phc::PasswordHash = Argon2::default()
            .hash_password_with_salt(password.expose().as_bytes(), &salt)
            .expect("argon2 hashes anything shorter than 4 GiB with a salt of 16 octets");
        Self(hash.to_string().into())
    }

    /// The one that was kept as this text; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        phc::PasswordHash::new(text).ok().map(|_| Self(text.into()))
    }

    /// The text to be kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this password's. Takes as long as hashing, whatever comes of it.
    pub fn matches(&self, password: &Password) -> bool {
        // What is too long to be one is not worth the work, and whether it is does not depend on the user.
        password.expose().len() <= BYTES_MAX
            && Argon2::default().verify_password(password.expose().as_bytes(), &*self.0).is_ok()
    }

    /// By which a session tells that the password has been changed since it began.
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = Sha256::digest(self.0.as_bytes());
        Fingerprint(std::array::from_fn(|index| hash[index]))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Name;
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let password = |text: &str| Password::new(text.to_owned());
        let hash = PasswordHash::of(&password("correct horse battery"), [7; SALT_LEN]);
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let read = PasswordHash::parse(hash.as_str()).expect("what was made can be read");
        assert!(read.matches(&password("correct horse battery")));
        assert!(!read.matches(&password("correct horse batterz")));
        assert!(!read.matches(&password(&"x".repeat(BYTES_MAX + 1))));
        let other = PasswordHash::of(&password("correct horse battery"), [8; SALT_LEN]);
        assert_ne!(hash.fingerprint(), other.fingerprint());
        assert_eq!(PasswordHash::parse("plain"), None);
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }

    #[test]
    fn an_unknown_name_takes_the_same_work_as_a_wrong_password() {
        let password = Password::new("correct horse battery".to_owned());
        let known = PasswordHash::of(&password, [7; SALT_LEN]);
        for (known, verdict) in [(Some(&known), true), (None, false)] {
            let mut hashed = 0;
            let work =
                |hash: &PasswordHash| hash.as_str().split('$').skip(1).take(3).collect::<Vec<_>>().join("$");
            let judged = judge(known, |hash| {
                hashed += 1;
                assert_eq!(work(hash), "argon2id$v=19$m=19456,t=2,p=1");
                hash.matches(&password) || hash.as_str() == DECOY
            });
            assert_eq!((judged, hashed), (verdict, 1), "a decoy lets nobody in, whatever it matches");
        }
        assert!(PasswordHash::parse(DECOY).is_some_and(|decoy| !decoy.matches(&password)));
    }

    #[test]
    fn a_password_that_is_made_up_can_be_copied() {
        let made_up = made_up_password(std::array::from_fn(|index| index as u8));
        assert_eq!(made_up.expose(), "abcde-fghij-kmnpq-rstuv");
    }

    #[test]
    fn what_is_soon_guessed_is_no_password() {
        let name = Name::parse("ann.of.the.north").expect("a name");
        let table = [
            ("elevenchars", Some(Unfit::TooShort)),
            ("twelve chars", None),
            ("Ann.of.the.North", Some(Unfit::IsTheName)),
            ("äöüäöüäöüäöü", None),
        ];
        for (text, expected) in table {
            assert_eq!(new_password(text, &name).err(), expected, "{text}");
        }
        assert_eq!(new_password(&"x".repeat(300), &name).err(), Some(Unfit::TooLong));
    }
}
