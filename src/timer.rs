//! A table of deadlines: the one way in which a core machine of this house remembers time.
//!
//! A machine names its timers with a small `Copy` enum (or with an identifier and such an enum) and
//! asks for the next deadline; the shell sleeps until then. Nothing here reads a clock.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Deadlines by key. Setting a key again replaces its deadline.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    by_key: HashMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord> Timers<K> {
    /// Arms `key` to fall due at `deadline`, in place of any deadline it had.
    pub fn set(&mut self, key: K, deadline: Instant) {
        self.clear(key);
        self.by_key.insert(key, deadline);
        self.by_time.insert((deadline, key));
    }

    /// Disarms `key`; does nothing if it was not armed.
    pub fn clear(&mut self, key: K) {
        if let Some(deadline) = self.by_key.remove(&key) {
            self.by_time.remove(&(deadline, key));
        }
    }

    /// Disarms every timer.
    pub fn clear_all(&mut self) {
        self.by_key.clear();
        self.by_time.clear();
    }

    /// Whether `key` is armed.
    pub fn is_set(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    /// The earliest deadline, if any timer is armed.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out one timer that is due at `now`, earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (deadline, key) = *self.by_time.first()?;
        if deadline > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    #[test]
    fn timers_fall_due_in_order_and_once() {
        let zero = start();
        let mut timers = Timers::default();
        timers.set('b', zero + Duration::from_secs(2));
        timers.set('a', zero + Duration::from_secs(1));
        assert_eq!(timers.next(), Some(zero + Duration::from_secs(1)));
        assert_eq!(timers.pop_due(zero), None);
        let late = zero + Duration::from_secs(3);
        assert_eq!(timers.pop_due(late), Some('a'));
        assert_eq!(timers.pop_due(late), Some('b'));
        assert_eq!(timers.pop_due(late), None);
    }

    #[test]
    fn setting_again_replaces_and_clearing_disarms() {
        let zero = start();
        let mut timers = Timers::default();
        timers.set('a', zero + Duration::from_secs(1));
        timers.set('a', zero + Duration::from_secs(5));
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.next(), Some(zero + Duration::from_secs(5)));
        timers.clear('a');
        assert!(timers.is_empty() && timers.next().is_none());
    }
}
