//! Master keys with their salts, and how they are kept: never shown, and overwritten when they are dropped.

use std::fmt;

use rand::CryptoRng;
use zeroize::Zeroize;

use super::Suite;

/// Octets of the longest key with its salt.
const LEN_MAX: usize = 32 + 12;

/// A master key and its master salt, of a suite's length.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    octets: [u8; LEN_MAX],
}

impl MasterKey {
    /// Key and salt, one after the other; `None` if they are not as long as the suite wants them.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        let length = suite.key_len() + suite.salt_len();
        let mut octets = [0; LEN_MAX];
        (key_and_salt.len() == length).then(|| octets[..length].copy_from_slice(key_and_salt))?;
        Some(Self { suite, octets })
    }

    /// A new one.
    pub fn draw(suite: Suite, rng: &mut impl CryptoRng) -> Self {
        let mut octets = [0; LEN_MAX];
        rng.fill_bytes(&mut octets[..suite.key_len() + suite.salt_len()]);
        Self { suite, octets }
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, one after the other: for SDP only, never for a log.
    pub fn expose(&self) -> &[u8] {
        &self.octets[..self.suite.key_len() + self.suite.salt_len()]
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.octets[..self.suite.key_len()]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.octets[self.suite.key_len()..][..self.suite.salt_len()]
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({}, …)", self.suite.name())
    }
}

/// One master key of our own for each suite that may be used, the best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing(Vec<MasterKey>);

impl KeyRing {
    /// A ring of new keys for these suites.
    pub fn draw(suites: &[Suite], rng: &mut impl CryptoRng) -> Self {
        Self(suites.iter().map(|suite| MasterKey::draw(*suite, rng)).collect())
    }

    /// The key for a suite; `None` where that is not to be used.
    pub fn of(&self, suite: Suite) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.suite() == suite)
    }

    /// All of them.
    pub fn all(&self) -> &[MasterKey] {
        &self.0
    }
}

/// What two sides have settled: both keys are of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// What we send is sealed with this.
    pub ours: MasterKey,
    /// What the peer sends is sealed with this.
    pub theirs: MasterKey,
    /// What the peer names its key by in each packet, if it does. Ours has no such name.
    pub their_mki: Option<Mki>,
}

/// A master key identifier (RFC 3711 §3.1): a number, written in so many octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mki {
    number: u64,
    octets: u8,
}

impl Mki {
    /// The most octets of one (RFC 4568 §6.1).
    const LEN_MAX: u8 = 128;

    /// `None` where the number does not fit into the octets, or they are none or more than 128.
    pub fn new(number: u64, octets: u8) -> Option<Self> {
        let fits = octets >= 8 || number >> (8 * u32::from(octets)) == 0;
        (fits && (1..=Self::LEN_MAX).contains(&octets)).then_some(Self { number, octets })
    }

    /// How long the packet is without this name at its end; `None` where another is there, or none.
    pub(super) fn cut_from(self, packet: &[u8]) -> Option<usize> {
        let length = packet.len().checked_sub(usize::from(self.octets))?;
        let said = packet[length..].iter().try_fold(0_u64, |number, octet| {
            number.checked_mul(256).map(|number| number | u64::from(*octet))
        })?;
        (said == self.number).then_some(length)
    }
}
