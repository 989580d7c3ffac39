//! How punctual a media thread is: which share of its packets left late, second by second.
//!
//! It counts and tells; what follows from it is others' business.

use std::time::{Duration, Instant};

/// A packet is late that leaves this long after its time: half a packet time, which is as much as a receiver's jitter
/// buffer commonly has to spare.
const LATE: Duration = Duration::from_millis(10);
/// How long is counted.
const WINDOW: Duration = Duration::from_secs(1);
/// The fewest packets in it that say anything, which is half of one call's: a thread with hardly a call is not full.
const PACKETS_MIN: u64 = 25;

/// See the module.
#[derive(Debug, Clone)]
pub struct Punctuality {
    since: Instant,
    packets: u64,
    late: u64,
}

impl Punctuality {
    /// Counts from now on.
    pub fn new(now: Instant) -> Self {
        Self { since: now, packets: 0, late: 0 }
    }

    /// Counts packets that left so long after their time.
    pub fn sent(&mut self, packets: u64, after: Duration) {
        self.packets += packets;
        if after > LATE {
            self.late += packets;
        }
    }

    /// Counts packets that never left, because it was too late for them.
    pub fn missed(&mut self, packets: u64) {
        self.packets += packets;
        self.late += packets;
    }

    /// The share of packets that were late, 0 to 1, once a second.
    pub fn share(&mut self, now: Instant) -> Option<f64> {
        if now.saturating_duration_since(self.since) < WINDOW {
            return None;
        }
        let Self { packets, late, .. } = std::mem::replace(self, Self::new(now));
        Some(if packets < PACKETS_MIN { 0.0 } else { late as f64 / packets as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    #[test]
    fn the_share_is_that_of_the_last_second() {
        let zero = start();
        let mut punctuality = Punctuality::new(zero);
        punctuality.sent(60, 10 * MS);
        punctuality.sent(30, 11 * MS);
        punctuality.missed(10);
        assert_eq!(punctuality.share(zero + 999 * MS), None);
        assert_eq!(punctuality.share(zero + 1000 * MS), Some(0.4));
        punctuality.sent(100, MS);
        assert_eq!(punctuality.share(zero + 1999 * MS), None);
        assert_eq!(punctuality.share(zero + 2500 * MS), Some(0.0));
    }

    #[test]
    fn a_few_packets_say_nothing() {
        let zero = start();
        for (packets, share) in [(0, 0.0), (24, 0.0), (25, 1.0)] {
            let mut punctuality = Punctuality::new(zero);
            punctuality.missed(packets);
            assert_eq!(punctuality.share(zero + 1000 * MS), Some(share), "{packets}");
        }
    }
}
