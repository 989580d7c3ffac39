//! A media thread's clock: waits for slots at absolute instants, so that no wait adds to the error of the one
//! before, and asks the kernel to wake it neither later nor elsewhere than it must.
#![expect(clippy::disallowed_methods, reason = "shell: the clock of the media plane is read here")]

use std::num::NonZero;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::{ClockId, CpuSet, Timespec};
use rustix::time::clock_gettime;

/// How long a slot is.
pub const SLOT: Duration = Duration::from_millis(1);

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// See the module.
pub struct SlotClock {
    /// When slot 0 begins, as the rest of the program counts.
    epoch: Instant,
    /// The same, as the kernel counts, in nanoseconds.
    epoch_nanos: i64,
}

impl SlotClock {
    /// A clock whose slot 0 begins now.
    pub fn start() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        Self { epoch: Instant::now(), epoch_nanos: now.tv_sec * NANOS_PER_SECOND + now.tv_nsec }
    }

    /// When a slot begins.
    pub fn instant(&self, slot: u64) -> Instant {
        self.epoch + Duration::from_nanos(slot * SLOT.as_nanos() as u64)
    }

    /// The last slot that has begun by then.
    pub fn slot(&self, instant: Instant) -> u64 {
        nanos(self.epoch, instant) / SLOT.as_nanos() as u64
    }

    /// The first slot that begins then or later.
    pub fn slot_from(&self, instant: Instant) -> u64 {
        nanos(self.epoch, instant).div_ceil(SLOT.as_nanos() as u64)
    }

    /// Waits for a slot to begin; tells when it is.
    pub fn wait_for(&self, slot: u64) -> Instant {
        let now = Instant::now();
        if now >= self.instant(slot) {
            return now;
        }
        let at = self.epoch_nanos + slot.cast_signed() * SLOT.as_nanos() as i64;
        let at = Timespec { tv_sec: at / NANOS_PER_SECOND, tv_nsec: at % NANOS_PER_SECOND };
        while rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &at) == Err(Errno::INTR) {}
        Instant::now()
    }
}

fn nanos(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_nanos() as u64
}

/// Makes the calling thread one that wakes on time: with no slack, and where `pinned` names a number, on a
/// processor of its own, the last that this process may use for number 0, the one before for number 1, and so on.
pub fn prepare_thread(pinned: Option<usize>) {
    if let Err(error) = rustix::thread::set_current_timer_slack(NonZero::new(1)) {
        tracing::debug!(%error, "a media thread wakes with slack");
    }
    if let Some(number) = pinned
        && let Err(error) = pin(number)
    {
        tracing::warn!(%error, "a media thread is not pinned to a processor");
    }
}

fn pin(number: usize) -> rustix::io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let processors: Vec<usize> =
        (0..CpuSet::MAX_CPU).rev().filter(|processor| allowed.is_set(*processor)).collect();
    let mut one = CpuSet::new();
    one.set(processors[number % processors.len().max(1)]);
    rustix::thread::sched_setaffinity(None, &one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_from_instants_and_waited_for() {
        let clock = SlotClock::start();
        let at = |micros| clock.epoch + Duration::from_micros(micros);
        for (micros, begun, from) in [(0, 0, 0), (1, 0, 1), (999, 0, 1), (1000, 1, 1), (7300, 7, 8)] {
            assert_eq!((clock.slot(at(micros)), clock.slot_from(at(micros))), (begun, from), "{micros} µs");
        }
        let slot = clock.slot(Instant::now()) + 3;
        assert!(clock.wait_for(slot) >= clock.instant(slot));
        assert!(clock.wait_for(0) > clock.instant(slot), "what has begun is not waited for");
    }

    #[test]
    fn a_pinned_thread_has_one_processor() {
        let allowed = |pinned| {
            let thread = std::thread::spawn(move || {
                prepare_thread(pinned);
                rustix::thread::sched_getaffinity(None).expect("it can be asked").count()
            });
            thread.join().expect("it came through")
        };
        let all = allowed(None);
        assert_eq!([Some(0), Some(1), Some(all as usize)].map(allowed), [1; 3]);
    }
}
