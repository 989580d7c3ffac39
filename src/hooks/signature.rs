//! Signatures of events: HMAC-SHA256 over id, time and body (Standard Webhooks 1.0.0, "Signature scheme").

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a secret begins with as text.
const PREFIX: &str = "whsec_";
/// How long a secret may be, in bytes: 192 to 512 bits.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// What events are signed with.
pub struct Key(Zeroizing<Vec<u8>>);

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It is not marked as one.
    #[error("a webhook's secret begins with `{PREFIX}`")]
    Unmarked,
    /// What follows the mark cannot be read.
    #[error("what follows `{PREFIX}` is not base64")]
    NotBase64,
    /// It can be guessed, or is longer than the standard has it.
    #[error("a webhook's secret has 24 to 64 bytes, in base64 behind `{PREFIX}`")]
    Length,
}

impl KeyFault {
    /// What to do about it.
    pub const HELP: &str = "make one by: echo whsec_$(openssl rand -base64 32)";
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(…)")
    }
}

impl Key {
    /// Reads a secret as receivers are given it: `whsec_` and base64.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, KeyFault> {
        let encoded = text.strip_prefix(PREFIX).ok_or(KeyFault::Unmarked)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| KeyFault::NotBase64)?);
        if LENGTH.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(KeyFault::Length) }
    }

    /// The signature of a body that is sent under this id at this time, in seconds since 1970.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hash.update(format!("{id}.{seconds}.").as_bytes());
        hash.update(body.as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(hash.finalize().into_bytes()))
    }
}

/// The header that holds the signature of each key.
pub fn header(keys: &[Key], id: &str, seconds: i64, body: &str) -> String {
    keys.iter().map(|key| key.sign(id, seconds, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_standards_own_example_is_signed_as_by_its_libraries() {
        // The test "sign function works" of the standard's libraries.
        let key = Key::read(SECRET).expect("a secret");
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_keys_make_two_signatures() {
        let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let keys = [SECRET, other].map(|text| Key::read(text).expect("a secret"));
        let [one, two] = keys.each_ref().map(|key| key.sign("id", 1, "{}"));
        assert_ne!(one, two);
        assert_eq!(header(&keys, "id", 1, "{}"), format!("{one} {two}"));
    }

    #[test]
    fn what_is_no_secret_is_told_apart() {
        let table = [
            ("hunter2", KeyFault::Unmarked),
            ("whsec_hunter2", KeyFault::NotBase64),
            ("whsec_aHVudGVyMg==", KeyFault::Length),
        ];
        for (text, fault) in table {
            assert_eq!(Key::read(text).err(), Some(fault), "{text}");
        }
        assert_eq!(format!("{:?}", Key::read(SECRET)), "Ok(Key(…))");
    }
}
