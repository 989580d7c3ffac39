//! Nonces that tell their own age (RFC 7616 §3.3), and which of their counts have been used (§3.4, `nc`).
//!
//! A nonce is its time, its number and a hash of both with the asker's address and a key of ours, so that asking
//! costs no memory. Only who has proved itself is remembered: by nonce, the highest count so far.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha512_256};
use subtle::ConstantTimeEq;

use super::formula::hexadecimal;

/// How long a nonce is good for.
const LIFETIME: Duration = Duration::from_mins(5);

/// Nonces whose counts are remembered. One more, and the oldest is good no longer.
const REMEMBERED_MAX: usize = 16_384;

/// What a nonce turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh {
    serial: u64,
}

/// The nonces of one server.
pub struct Nonces {
    key: [u8; 32],
    /// What times are counted from: the first that was seen.
    began: Option<Instant>,
    last: u64,
    /// Numbers up to this one are good only if they are remembered.
    forgotten: u64,
    used: BTreeMap<u64, u32>,
    remembered_max: usize,
}

impl Nonces {
    /// None given out. `key` must not be guessable.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            began: None,
            last: 0,
            forgotten: 0,
            used: BTreeMap::new(),
            remembered_max: REMEMBERED_MAX,
        }
    }

    /// One that has never been given out.
    pub fn issue(&mut self, to: IpAddr, now: Instant) -> String {
        self.last += 1;
        let head = format!("{:012x}{:012x}", self.age_of_server_ms(now), self.last);
        let seal = self.seal(&head, to);
        head + &seal
    }

    /// Whether a nonce is one of ours, given out to this address not too long ago.
    pub fn check(&mut self, nonce: &[u8], from: IpAddr, now: Instant) -> Option<Fresh> {
        let nonce = std::str::from_utf8(nonce).ok().filter(|nonce| nonce.len() == 24 + 64)?;
        let (head, seal) = nonce.split_at_checked(24)?;
        if !bool::from(self.seal(head, from).as_bytes().ct_eq(seal.as_bytes())) {
            return None;
        }
        let (at_ms, serial) = head.split_at(12);
        let at_ms = u64::from_str_radix(at_ms, 16).ok()?;
        let serial = u64::from_str_radix(serial, 16).ok()?;
        let age_ms = self.age_of_server_ms(now).saturating_sub(at_ms);
        let is_known = serial > self.forgotten || self.used.contains_key(&serial);
        (u128::from(age_ms) < LIFETIME.as_millis() && is_known).then_some(Fresh { serial })
    }

    /// Uses up a count, and with it all below; `false` where that has happened before.
    pub fn spend(&mut self, nonce: Fresh, count: u32) -> bool {
        if count <= self.used.get(&nonce.serial).copied().unwrap_or(0) {
            return false;
        }
        self.used.insert(nonce.serial, count);
        while self.used.len() > self.remembered_max {
            // Numbers grow with time, so the first is the oldest.
            self.forgotten = self.used.pop_first().map_or(self.forgotten, |(serial, _)| serial);
        }
        true
    }

    fn age_of_server_ms(&mut self, now: Instant) -> u64 {
        let began = *self.began.get_or_insert(now);
        now.saturating_duration_since(began).as_millis() as u64
    }

    /// SHA-512/256 needs no HMAC around it: what it gives does not let anybody hash on.
    fn seal(&self, head: &str, to: IpAddr) -> String {
        let address = to.to_canonical().to_string();
        let hash =
            Sha512_256::new().chain_update(self.key).chain_update(head).chain_update(address).finalize();
        hexadecimal(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_nonce_is_good_for_whom_it_was_made_until_it_is_old() {
        let now = start();
        let mut nonces = Nonces::new([7; 32]);
        nonces.issue(PEER, now);
        let nonce = nonces.issue(PEER, now + Duration::from_secs(1));
        let mut other = nonces.issue(PEER, now + Duration::from_secs(1));
        assert_ne!(nonce, other);
        other.replace_range(..24, &nonce[..24]);
        let mut check = |nonce: &str, from: &str, seconds| {
            let from = from.parse().expect("an address");
            nonces.check(nonce.as_bytes(), from, now + Duration::from_secs(seconds)).is_some()
        };
        assert!(check(&nonce, "192.0.2.1", 1) && check(&nonce, "192.0.2.1", 300));
        assert!(check(&nonce, "::ffff:192.0.2.1", 1), "the same peer on another socket");
        assert!(!check(&nonce, "192.0.2.1", 301), "too old");
        assert!(!check(&nonce, "192.0.2.2", 1), "somebody else's");
        assert!(!check(&other, "192.0.2.1", 1), "patched together");
        assert!(!check(&nonce.to_uppercase(), "192.0.2.1", 1));
        for odd in ["", "é", &nonce[1..], &"é".repeat(44)] {
            assert!(!check(odd, "192.0.2.1", 1), "{odd:?}");
        }
        let mut restarted = Nonces::new([8; 32]);
        assert_eq!(restarted.check(nonce.as_bytes(), PEER, now), None, "another server's");
    }

    #[test]
    fn a_count_is_good_once() {
        let now = start();
        let mut nonces = Nonces::new([7; 32]);
        let mut fresh = || {
            let nonce = nonces.issue(PEER, now);
            nonces.check(nonce.as_bytes(), PEER, now).expect("it is fresh")
        };
        let (one, two) = (fresh(), fresh());
        let told = [(one, 1), (one, 1), (two, 1), (one, 3), (one, 2), (two, 2), (two, 0)]
            .map(|(nonce, count)| nonces.spend(nonce, count));
        assert_eq!(told, [true, false, true, true, false, true, false]);
    }

    #[test]
    fn what_is_forgotten_is_not_good_again() {
        let now = start();
        let mut nonces = Nonces { remembered_max: 2, ..Nonces::new([7; 32]) };
        let issued: Vec<String> = (0..4).map(|_| nonces.issue(PEER, now)).collect();
        let check = |nonces: &mut Nonces, index: usize| nonces.check(issued[index].as_bytes(), PEER, now);
        for index in [1, 2, 3] {
            let fresh = check(&mut nonces, index).expect("fresh");
            assert!(nonces.spend(fresh, 1));
        }
        assert_eq!(check(&mut nonces, 1), None, "used, and its count forgotten");
        assert_eq!(check(&mut nonces, 0), None, "as old as that, and it cannot be told whether it was used");
        let fresh = check(&mut nonces, 2).expect("still remembered");
        assert!(!nonces.spend(fresh, 1) && nonces.spend(fresh, 2));
        assert_eq!(nonces.used.len(), 2);
    }
}
