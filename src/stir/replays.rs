//! Passports that have been shown: each is good for one call, as long as it is fresh.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::passport::Genuine;
use super::{Fault, Finding};

/// How many are remembered; past that the oldest are forgotten. As many as a thousand calls a second bring within a minute.
const REMEMBERED_MAX: usize = 65_536;

/// What has been shown of late. Only genuine passports are, so that nobody else can fill it.
#[derive(Debug, Default)]
pub struct Replays {
    /// By what was signed: the call that it came with, and when it can be forgotten.
    shown: HashMap<[u8; 32], (CallDigest, Timestamp)>,
    by_time: BTreeSet<(Timestamp, [u8; 32])>,
}

/// Of a Call-ID, which a peer may make as long as it likes.
type CallDigest = [u8; 32];

impl Replays {
    /// What the passport attests, where it has not come with another call before.
    ///
    /// # Errors
    /// [`Fault::Replayed`].
    pub fn admit(&mut self, genuine: &Genuine, sip_call_id: &str, now: Timestamp) -> Finding {
        self.forget(now);
        let call: CallDigest = Sha256::digest(sip_call_id.as_bytes()).into();
        if let Some((shown_by, _)) = self.shown.get(&genuine.digest) {
            return if *shown_by == call { Ok(genuine.attestation) } else { Err(Fault::Replayed) };
        }
        self.shown.insert(genuine.digest, (call, genuine.expires));
        self.by_time.insert((genuine.expires, genuine.digest));
        Ok(genuine.attestation)
    }

    /// Forgets what nobody would believe any more, and makes room for one.
    fn forget(&mut self, now: Timestamp) {
        while let Some((expires, digest)) = self.by_time.first().copied()
            && (expires < now || self.shown.len() >= REMEMBERED_MAX)
        {
            self.by_time.remove(&(expires, digest));
            self.shown.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Attestation;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn genuine(nth: u32, expires: i64) -> Genuine {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&nth.to_be_bytes());
        Genuine { attestation: Some(Attestation::A), digest, expires: at(expires) }
    }

    #[test]
    fn a_passport_is_good_for_one_call_and_for_that_again() {
        let mut replays = Replays::default();
        let attested = Ok(Some(Attestation::A));
        assert_eq!(replays.admit(&genuine(1, 60), "call", at(0)), attested);
        assert_eq!(replays.admit(&genuine(1, 60), "call", at(1)), attested, "a proxy has forked it");
        assert_eq!(replays.admit(&genuine(1, 60), "another", at(60)), Err(Fault::Replayed));
        assert_eq!(replays.admit(&genuine(2, 60), "another", at(60)), attested);
    }

    #[test]
    fn what_is_not_fresh_any_more_is_forgotten_and_there_is_a_bound() {
        let mut replays = Replays::default();
        for nth in 0..REMEMBERED_MAX as u32 + 10 {
            replays.admit(&genuine(nth, 60 + i64::from(nth)), "call", at(0)).expect("new");
        }
        assert_eq!((replays.shown.len(), replays.by_time.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert!(replays.admit(&genuine(0, 60), "another", at(0)).is_ok(), "the oldest has been forgotten");
        replays.admit(&genuine(7, 1_000_000), "call", at(500_000)).expect("new");
        assert_eq!((replays.shown.len(), replays.by_time.len()), (1, 1));
    }
}
