//! What a caller keys, and what machines prove themselves with, in types that cannot be printed by accident.
//!
//! A key is a [`Digit`] from the moment it is decoded, and what is collected from keys is a [`Secret`]:
//! neither shows its value through `Debug`, neither has `Display`, and a `Secret` is zeroed when dropped.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// One key of a telephone keypad: `0`-`9`, `*`, `#`, `A`-`D`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

/// The keys in the order of their telephone-event codes (RFC 4733 §3.2, table 3).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

impl Digit {
    /// `*`, which clears an entry or opts out.
    pub const STAR: Self = Self(b'*');
    /// `#`, the usual terminator.
    pub const HASH: Self = Self(b'#');

    /// The key of a telephone-event code 0-15 (RFC 4733 §3.2); `None` for any other event (16 is flash).
    pub fn from_event(code: u8) -> Option<Self> {
        KEYS.get(usize::from(code)).copied().map(Self)
    }

    /// The key that a character names; letters in either case.
    pub fn from_char(key: char) -> Option<Self> {
        let key = u8::try_from(key.to_ascii_uppercase()).ok()?;
        KEYS.contains(&key).then_some(Self(key))
    }

    /// The telephone-event code of this key, 0-15.
    pub fn to_event(self) -> u8 {
        KEYS.iter().position(|&key| key == self.0).map_or(0, |code| code as u8)
    }

    /// Whether this is one of `0`-`9`, the only keys that make up an entry.
    pub fn is_decimal(self) -> bool {
        self.0.is_ascii_digit()
    }

    /// The key as a character. For the wire and for entries only: never for a log.
    pub fn expose(self) -> char {
        char::from(self.0)
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digit(…)")
    }
}

impl Zeroize for Digit {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// Keys that wait for somebody to take them, the oldest first. A whole PIN may be among them, so that what is taken or
/// given up is wiped at once.
#[derive(Debug, Default)]
pub struct Waiting(Zeroizing<Vec<Digit>>);

impl Waiting {
    /// The most that wait; further ones are dropped.
    pub const MAX: usize = 64;

    /// Adds a key, if there is room.
    pub fn push(&mut self, digit: Digit) {
        let waiting = self.0.len();
        if waiting < Self::MAX {
            // Made at once, so that growing it leaves no copy behind.
            self.0.reserve_exact(Self::MAX - waiting);
            self.0.push(digit);
        }
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Digit> {
        let digit = self.0.first().copied()?;
        self.0.rotate_left(1);
        if let Some(last) = self.0.last_mut() {
            last.zeroize();
        }
        self.0.pop();
        Some(digit)
    }

    /// Gives them all up.
    pub fn clear(&mut self) {
        self.0.zeroize();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Something keyed in confidence: a PIN, or anything that may turn out to be one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// An empty entry with room for `capacity` keys, so that growing it leaves no copy behind.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(capacity)))
    }

    /// Takes `text` over as a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Adds a key at the end.
    pub fn push(&mut self, digit: Digit) {
        self.0.push(digit.expose());
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been keyed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wipes what was keyed.
    pub fn clear(&mut self) {
        self.0.zeroize();
    }

    /// The keys as text. The only reader is the one that sends them to the back end.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// A password out of the configuration, with which machines prove themselves to each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes `text` over as a password.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password as text. The only reader is the one that makes a digest of it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_event_codes_agree() {
        for (code, key) in "0123456789*#ABCD".chars().enumerate() {
            let digit = Digit::from_event(code as u8).expect("0-15 are keys");
            assert_eq!(digit.expose(), key);
            assert_eq!(usize::from(digit.to_event()), code);
            assert_eq!(Digit::from_char(key.to_ascii_lowercase()), Some(digit));
        }
        assert_eq!(Digit::from_event(16), None);
        assert_eq!(Digit::from_char('x'), None);
        assert_eq!(Digit::from_char('é'), None);
    }

    #[test]
    fn keys_wait_in_order_and_no_more_than_there_is_room_for() {
        let mut waiting = Waiting::default();
        assert!(waiting.pop().is_none());
        let key = |nth: usize| Digit::from_event((nth % 10) as u8).expect("a key");
        (0..Waiting::MAX + 3).for_each(|nth| waiting.push(key(nth)));
        assert_eq!(waiting.len(), Waiting::MAX);
        let taken: Vec<_> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(taken, (0..Waiting::MAX).map(key).collect::<Vec<_>>());
        waiting.push(Digit::STAR);
        waiting.clear();
        assert!(waiting.is_empty() && waiting.pop().is_none());
    }

    #[test]
    fn nothing_keyed_shows_in_debug() {
        let mut secret = Secret::with_capacity(4);
        for key in "4711".chars() {
            secret.push(Digit::from_char(key).expect("a digit"));
        }
        let shown = format!("{secret:?} {:?} {:?}", Digit::HASH, secret.clone());
        assert!(!shown.contains("4711") && !shown.contains('#'));
        assert_eq!(format!("{:?}", Password::new("open sesame".to_owned())), "Password(…)");
        assert_eq!(secret.expose(), "4711");
        secret.clear();
        assert!(secret.is_empty());
    }
}
