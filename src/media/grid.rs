//! The grid of instants at which packets fall due, and the RTP timestamps that belong to them.
//!
//! Instants are added up and never measured anew, so the stream does not drift, and the timestamp keeps to the
//! wall clock through holds and stalls. Slots that were missed are passed over: a burst of old packets would only
//! overflow the peer's jitter buffer.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// The packet times that are kept to (RFC 3551 §4.2 asks receivers for up to 200 ms; nobody sends so much).
const PACKET_TIMES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(60);

/// The most samples that a packet holds.
pub(super) const SAMPLES_MAX: usize = 480;

/// A place on the grid whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// When it fell due.
    pub(super) due: Instant,
    /// The timestamp of its first sample.
    pub(super) timestamp: u32,
    /// How many samples it holds, as a prompt counts them: 8 in a millisecond.
    pub(super) samples: usize,
    /// How far the timestamp goes on to the next.
    pub(super) ticks: u32,
    /// How many slots before it were missed.
    pub(super) missed: u64,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    next: Instant,
    timestamp: u32,
    packet_time: Duration,
    ticks_per_ms: u16,
}

impl Grid {
    /// A grid whose first slot is `first`, with the clock of G.711.
    pub(super) fn new(first: Instant, timestamp: u32, packet_time: Duration) -> Self {
        Self { next: first, timestamp, packet_time: kept(packet_time), ticks_per_ms: 8 }
    }

    /// Takes this RTP clock from the next slot on: timestamps go on from where they are (RFC 7160 §4.1).
    pub(super) fn set_clock(&mut self, ticks_per_ms: u16) {
        self.ticks_per_ms = ticks_per_ms;
    }

    /// When the next slot falls due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Takes this packet time from the next slot on.
    pub(super) fn set_packet_time(&mut self, packet_time: Duration) {
        self.packet_time = kept(packet_time);
    }

    /// Takes the newest slot that is due, if one is.
    pub(super) fn take(&mut self, now: Instant) -> Option<Slot> {
        let late = now.checked_duration_since(self.next)?;
        let missed = if late < self.packet_time { 0 } else { self.skip(late) };
        let slot = Slot {
            due: self.next,
            timestamp: self.timestamp,
            samples: self.samples(),
            ticks: self.ticks(),
            missed,
        };
        self.advance(1);
        Some(slot)
    }

    /// Moves to the first slot from `now` on, as after a time in which nothing was to be sent.
    pub(super) fn resume(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.next);
        self.advance(late.as_nanos().div_ceil(self.packet_time.as_nanos()) as u64);
    }

    /// The RTP timestamp of this moment.
    pub(super) fn timestamp_at(&self, now: Instant) -> u32 {
        let ticks = |span: Duration| (span.as_micros() as u64 * u64::from(self.ticks_per_ms) / 1000) as u32;
        match now.checked_duration_since(self.next) {
            Some(after) => self.timestamp.wrapping_add(ticks(after)),
            None => self.timestamp.wrapping_sub(ticks(self.next - now)),
        }
    }

    /// Passes over the slots that this delay has used up.
    fn skip(&mut self, late: Duration) -> u64 {
        self.advance((late.as_nanos() / self.packet_time.as_nanos()) as u64)
    }

    fn samples(&self) -> usize {
        self.packet_time.as_millis() as usize * 8
    }

    fn ticks(&self) -> u32 {
        self.packet_time.as_millis() as u32 * u32::from(self.ticks_per_ms)
    }

    fn advance(&mut self, slots: u64) -> u64 {
        self.next += Duration::from_nanos(self.packet_time.as_nanos() as u64 * slots);
        self.timestamp = self.timestamp.wrapping_add((slots as u32).wrapping_mul(self.ticks()));
        slots
    }
}

/// The packet time, held to what a packet of ours has room for.
fn kept(packet_time: Duration) -> Duration {
    packet_time.clamp(*PACKET_TIMES.start(), *PACKET_TIMES.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn slots_follow_the_wall_clock_whatever_comes_between() {
        let zero = start();
        let mut grid = Grid::new(zero, u32::MAX - 79, 20 * MS);
        // Asked when, the slot's timestamp, how many were missed before it, and when the next one is due.
        let table = [
            (0, Some((u32::MAX - 79, 0)), 20),
            (0, None, 20),
            (19, None, 20),
            (22, Some((80, 0)), 40),
            (40, Some((240, 0)), 60),
            (159, Some((1040, 4)), 160),
            (160, Some((1200, 0)), 180),
        ];
        for (at, expected, next) in table {
            let slot = grid.take(zero + at * MS).map(|slot| (slot.timestamp, slot.missed));
            assert_eq!(slot, expected, "at {at} ms");
            assert_eq!(grid.due(), zero + next * MS, "at {at} ms");
        }
    }

    #[test]
    fn a_new_packet_time_holds_from_the_next_slot_on() {
        let zero = start();
        let mut grid = Grid::new(zero, 0, 20 * MS);
        grid.take(zero);
        grid.set_packet_time(60 * MS);
        let slot = grid.take(zero + 20 * MS).expect("it is due");
        assert_eq!((slot.timestamp, slot.samples), (160, SAMPLES_MAX));
        assert_eq!(grid.due(), zero + 80 * MS);
        for strange in [Duration::ZERO, Duration::MAX] {
            grid.set_packet_time(strange);
            let slot = grid.take(grid.due()).expect("it is due");
            assert!((80..=SAMPLES_MAX).contains(&slot.samples));
        }
    }

    #[test]
    fn resuming_lands_on_the_grid_and_counts_nothing_as_missed() {
        let zero = start();
        for (now, due, timestamp) in [(0, 0, 0), (1, 20, 160), (20, 20, 160), (99, 100, 800)] {
            let mut grid = Grid::new(zero, 0, 20 * MS);
            grid.resume(zero + now * MS);
            assert_eq!((grid.due(), grid.timestamp), (zero + due * MS, timestamp), "from {now} ms");
        }
    }

    #[test]
    fn any_moment_has_a_timestamp() {
        let zero = start();
        let mut grid = Grid::new(zero + 20 * MS, 100, 20 * MS);
        assert_eq!(grid.timestamp_at(zero + 20 * MS), 100);
        assert_eq!(grid.timestamp_at(zero + 30 * MS), 180);
        assert_eq!(grid.timestamp_at(zero), 100_u32.wrapping_sub(160));
        grid.take(zero + 20 * MS);
        assert_eq!(grid.timestamp_at(zero + 30 * MS), 180);
    }

    #[test]
    fn a_new_clock_goes_on_from_where_the_old_one_was() {
        let zero = start();
        let mut grid = Grid::new(zero, 1000, 20 * MS);
        grid.take(zero);
        grid.set_clock(48);
        let slot = grid.take(zero + 20 * MS).expect("it is due");
        assert_eq!((slot.timestamp, slot.samples, slot.ticks), (1160, 160, 960));
        let slot = grid.take(zero + 60 * MS).expect("it is due");
        assert_eq!((slot.timestamp, slot.missed), (1160 + 2 * 960, 1));
        assert_eq!(grid.timestamp_at(zero + 90 * MS), 1160 + 3 * 960 + 480);
    }
}
