//! When each session of a thread wants to be asked next, and where on the clock a new one begins.
//!
//! Most sessions send every 20 ms. Were they to begin whenever calls are answered, a thread would wake for each;
//! were they all to begin at once, the last would always be late. So the 20 ms are divided into slots of one
//! millisecond, which is as finely as the poller waits, and a new call goes to the emptiest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Slots in a frame.
const SLOTS: usize = 20;
/// How long one is.
const SLOT: Duration = Duration::from_millis(1);

/// See the module. Sessions are known by their place in the thread's table.
pub(super) struct Schedule {
    epoch: Instant,
    sessions_in: [usize; SLOTS],
    /// Entries may be out of date: whoever takes one out knows what the session was last scheduled for.
    queue: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// Where a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    /// When its first packet is due.
    pub(super) at: Instant,
    /// The slot, to be given back when the session ends.
    pub(super) slot: usize,
}

impl Schedule {
    pub(super) fn new(epoch: Instant) -> Self {
        Self { epoch, sessions_in: [0; SLOTS], queue: BinaryHeap::new() }
    }

    /// Takes a place in the emptiest slot, the soonest of several.
    pub(super) fn begin(&mut self, now: Instant) -> Beginning {
        let slots_gone =
            now.saturating_duration_since(self.epoch).as_nanos().div_ceil(SLOT.as_nanos()) as u64;
        let ahead = (0..SLOTS as u64)
            .min_by_key(|ahead| self.sessions_in[slot(slots_gone + ahead)])
            .expect("there is more than no slot");
        let slot = slot(slots_gone + ahead);
        self.sessions_in[slot] += 1;
        Beginning { at: self.epoch + Duration::from_millis(slots_gone + ahead), slot }
    }

    /// Gives a place back.
    pub(super) fn end(&mut self, slot: usize) {
        self.sessions_in[slot] -= 1;
    }

    /// Enters a session for an instant.
    pub(super) fn enter(&mut self, at: Instant, session: usize) {
        self.queue.push(Reverse((at, session)));
    }

    /// When the next entry is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out an entry that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, usize)> {
        self.next().filter(|at| *at <= now)?;
        self.queue.pop().map(|Reverse(entry)| entry)
    }
}

fn slot(slots_since_epoch: u64) -> usize {
    (slots_since_epoch % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    #[test]
    fn sessions_spread_over_the_slots_and_fill_those_left() {
        let epoch = start();
        let mut schedule = Schedule::new(epoch);
        let now = epoch + Duration::from_micros(7300);
        let first: Vec<Beginning> = (0..20).map(|_| schedule.begin(now)).collect();
        for (ahead, beginning) in first.iter().enumerate() {
            assert_eq!(beginning.at, epoch + Duration::from_millis(8 + ahead as u64));
            assert_eq!(beginning.slot, (8 + ahead) % 20);
        }
        assert_eq!(schedule.begin(now).slot, 8, "all are equally full again");
        schedule.end(3);
        assert_eq!(schedule.begin(now).slot, 3);
    }

    #[test]
    fn entries_come_out_when_due_and_in_order() {
        let epoch = start();
        let at = |ms| epoch + Duration::from_millis(ms);
        let mut schedule = Schedule::new(epoch);
        for (ms, session) in [(30, 3), (10, 1), (20, 2)] {
            schedule.enter(at(ms), session);
        }
        assert_eq!(schedule.next(), Some(at(10)));
        assert_eq!(schedule.pop_due(at(9)), None);
        let due: Vec<_> = std::iter::from_fn(|| schedule.pop_due(at(20))).collect();
        assert_eq!(due, [(at(10), 1), (at(20), 2)]);
    }
}
