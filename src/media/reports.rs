//! When RTCP reports fall due (RFC 3550 §6.2): about every five seconds, at random, the first one sooner.
//!
//! With two parties there is no bandwidth to share out, so the interval is not reconsidered (§6.3.3).

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The minimum interval of RFC 3550 §6.2, which is the one of small sessions.
const INTERVAL: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Reports {
    /// Small, because every call has one, and nobody gains by guessing when a report is due.
    random: SmallRng,
    due: Instant,
}

impl Reports {
    /// Begins with half an interval (§6.2).
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        let mut reports = Self { random: SmallRng::seed_from_u64(seed), due: now };
        reports.due = now + reports.interval() / 2;
        reports
    }

    /// When the next report is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether one is due; the next is then an interval away.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.interval();
        }
        is_due
    }

    /// From half to one and a half of the interval, so that sessions do not report in step.
    fn interval(&mut self) -> Duration {
        INTERVAL.mul_f64(self.random.random_range(0.5..1.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_about_five_seconds_apart_and_repeat_from_their_seed() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let zero = Instant::now();
        let moments = |seed| -> Vec<Duration> {
            let mut reports = Reports::new(seed, zero);
            (0..1000)
                .map(|_| {
                    let due = reports.due();
                    assert!(!reports.take(zero) && reports.take(due));
                    due - zero
                })
                .collect()
        };
        let one = moments(1);
        assert!((Duration::from_millis(1250)..Duration::from_millis(3750)).contains(&one[0]));
        for pair in one.windows(2) {
            let apart = pair[1].saturating_sub(pair[0]);
            assert!((Duration::from_millis(2500)..Duration::from_millis(7500)).contains(&apart), "{apart:?}");
        }
        let mean = one[999].saturating_sub(one[0]).as_secs_f64() / 999.0;
        assert!((4.8..5.2).contains(&mean), "{mean}");
        assert_eq!(one, moments(1));
        assert_ne!(one, moments(2));
    }
}
