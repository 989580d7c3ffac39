//! Sessions: who has logged in, by the hash of the key that their browser holds, until it is over.
//!
//! A session ends by logging out, by not being used for a while, and in any case after a longer while. They are kept in
//! memory: after a restart everybody logs in again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Fingerprint, Key, KeyHash, Name, Role};

/// Sessions at a time; one more ends the one that has not been used for the longest time.
const SESSIONS_MAX: usize = 4096;

/// Of these, by one name.
const SESSIONS_OF_ONE_MAX: usize = 32;

/// How long a session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without being used.
    pub idle: Duration,
    /// In any case.
    pub whole: Duration,
}

/// Who a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What they are called.
    pub name: Name,
    /// How that is known.
    pub proof: Proof,
}

/// How it is known who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the password that had this fingerprint. Whether it still has, and which role its user has, is looked up at each
    /// request: so the session ends with the user, and with the password.
    Password(Fingerprint),
    /// Somebody else, whose word counts, said who this is and in which role.
    Vouched(Role),
}

#[derive(Debug)]
struct Session {
    identity: Identity,
    began: Instant,
    used: Instant,
}

/// The sessions that are open.
#[derive(Debug)]
pub struct Sessions {
    open: HashMap<KeyHash, Session>,
    lifetimes: Lifetimes,
}

impl Sessions {
    /// None yet.
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self { open: HashMap::new(), lifetimes }
    }

    /// From now on sessions last so long, those that are open included.
    pub fn set_lifetimes(&mut self, lifetimes: Lifetimes) {
        self.lifetimes = lifetimes;
    }

    /// Opens a session for whoever holds `key`, which must be new: one that somebody has held before the login would let
    /// them in along with it.
    pub fn begin(&mut self, key: &Key, identity: Identity, now: Instant) {
        self.sweep(now);
        let mine = self.open.values().filter(|session| session.identity.name == identity.name).count();
        if mine >= SESSIONS_OF_ONE_MAX {
            self.end_oldest(|session| session.identity.name == identity.name);
        } else if self.open.len() >= SESSIONS_MAX {
            self.end_oldest(|_| true);
        }
        self.open.insert(key.hash(), Session { identity, began: now, used: now });
    }

    /// Whose session this is, which has been used by that; `None` where there is none, or none any more.
    pub fn visit(&mut self, key: KeyHash, now: Instant) -> Option<Identity> {
        let lifetimes = self.lifetimes;
        let session = self.open.get_mut(&key)?;
        if session.is_over(lifetimes, now) {
            self.open.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.identity.clone())
    }

    /// Ends a session.
    pub fn end(&mut self, key: KeyHash) -> Option<Identity> {
        self.open.remove(&key).map(|session| session.identity)
    }

    /// How many are open, or have been and are not swept yet.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn sweep(&mut self, now: Instant) {
        let lifetimes = self.lifetimes;
        self.open.retain(|_, session| !session.is_over(lifetimes, now));
    }

    fn end_oldest(&mut self, among: impl Fn(&Session) -> bool) {
        let candidates = self.open.iter().filter(|(_, session)| among(session));
        let oldest = candidates.min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
        oldest.and_then(|key| self.open.remove(&key));
    }
}

impl Session {
    fn is_over(&self, lifetimes: Lifetimes, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= lifetimes.idle
            || now.saturating_duration_since(self.began) >= lifetimes.whole
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a clock that is only a variable has to begin somewhere")]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes { idle: Duration::from_mins(30), whole: Duration::from_hours(8) };

    fn identity(name: &str) -> Identity {
        Identity { name: Name::parse(name).expect("a name"), proof: Proof::Vouched(Role::Agent) }
    }

    fn key(number: u8) -> Key {
        Key::new([number; 32])
    }

    #[test]
    fn a_session_is_over_when_it_is_not_used_and_in_any_case_after_a_time() {
        let start = Instant::now();
        let mut sessions = Sessions::new(LIFETIMES);
        sessions.begin(&key(1), identity("ann"), start);
        sessions.begin(&key(2), identity("bob"), start);
        let mut now = start;
        while now < start + LIFETIMES.whole {
            assert_eq!(sessions.visit(key(1).hash(), now), Some(identity("ann")), "{:?}", now - start);
            now += Duration::from_mins(29);
        }
        assert_eq!(sessions.visit(key(1).hash(), now), None, "it has been used, and it is over");
        assert_eq!(sessions.visit(key(2).hash(), start + Duration::from_mins(30)), None, "idle for too long");
        assert!(sessions.is_empty());
    }

    #[test]
    fn a_key_that_opened_no_session_opens_none_later() {
        let now = Instant::now();
        let mut sessions = Sessions::new(LIFETIMES);
        assert_eq!(sessions.visit(key(1).hash(), now), None);
        sessions.begin(&key(2), identity("ann"), now);
        assert_eq!(
            sessions.visit(key(1).hash(), now),
            None,
            "what was held before the login is worth nothing"
        );
        assert_eq!(sessions.end(key(2).hash()), Some(identity("ann")));
        assert_eq!(sessions.visit(key(2).hash(), now), None, "logged out");
    }

    #[test]
    fn nobody_can_fill_the_table() {
        let now = Instant::now();
        let mut sessions = Sessions::new(LIFETIMES);
        sessions.begin(&key(0), identity("bob"), now);
        for number in 1..=40 {
            sessions.begin(&key(number), identity("ann"), now + Duration::from_secs(number.into()));
        }
        assert_eq!(sessions.len(), 1 + SESSIONS_OF_ONE_MAX);
        assert!(sessions.visit(key(0).hash(), now).is_some(), "another's session stays");
        assert!(sessions.visit(key(1).hash(), now).is_none(), "the oldest is over");
        assert!(sessions.visit(key(40).hash(), now).is_some());
    }
}
