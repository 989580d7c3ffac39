//! Keys of 256 random bits: what a browser holds for its session, and a program for the API.
//!
//! Only the hash of a key is ever kept. A plain SHA-256 will do: what is random in all of its bits cannot be guessed,
//! however fast guesses are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Random octets in a key.
const RANDOM_LEN: usize = 32;

/// What a proof against forged requests is made for, so that it is good for nothing else.
const AGAINST_FORGERY: &[u8] = b"portero: this form was ours";

/// A key, as its holder has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<String>);

impl Key {
    /// A new one, of random octets: 43 letters, digits, `-` and `_`.
    pub fn new(random: [u8; RANDOM_LEN]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// What somebody shows as a key. It need not be one.
    pub fn shown(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The key as text, for whoever is to hold it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// All that is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// What the pages of this key's session send along with whatever changes something: another site's pages cannot
    /// know it, and that of another session is another.
    pub fn form_proof(&self) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(AGAINST_FORGERY);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether this is [`Key::form_proof`]; how long that takes says nothing of where it differs.
    pub fn made_form_proof(&self, proof: &str) -> bool {
        self.form_proof().as_bytes().ct_eq(proof.as_bytes()).into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(…)")
    }
}

/// The hash of a key, by which it is known again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; RANDOM_LEN]);

impl KeyHash {
    /// As it is kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_hash_and_shows_nothing() {
        let (one, other) = (Key::new([1; 32]), Key::new([2; 32]));
        assert_eq!(one.expose().len(), 43);
        assert_eq!(Key::shown(one.expose()).hash(), one.hash());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(format!("{one:?} {:?}", one.hash()), "Key(…) KeyHash(…)");
    }

    #[test]
    fn a_form_is_proven_by_the_proof_of_its_own_session() {
        let (one, other) = (Key::new([1; 32]), Key::new([2; 32]));
        assert!(one.made_form_proof(&one.form_proof()));
        for wrong in [other.form_proof().as_str(), one.expose(), ""] {
            assert!(!one.made_form_proof(wrong), "{wrong}");
        }
    }
}
