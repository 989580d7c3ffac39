//! A thread's sessions by the millisecond in which each wants to be asked next, and where a new one begins.
//!
//! Most sessions send every 20 ms. Were they to begin whenever calls are answered, a thread would wake for each;
//! were they all to begin at once, the last would always be late. So time is cut into slots of one millisecond, a
//! thread wakes once a slot for whatever is in it, and a new call goes to the emptiest slot of the next 20.

/// Slots within which most sessions want to be asked once.
const FRAME: usize = 20;
/// How far ahead a session can be entered, which is past the longest packet time. What is due later is looked at
/// on the way there.
const HORIZON: usize = 128;

/// See the module. Sessions are known by their place in the thread's table, slots by their number since the
/// thread's start.
pub(super) struct Wheel {
    /// The first slot that has not been served.
    next: u64,
    /// Entries may be out of date: whoever takes one out knows what the session was last entered for.
    entries: [Vec<usize>; HORIZON],
    sessions_in: [usize; FRAME],
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { next: 0, entries: [const { Vec::new() }; HORIZON], sessions_in: [0; FRAME] }
    }

    /// The first slot that has not been served.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Goes on at `slot`, after a time without sessions. What stands in between is out of date.
    pub(super) fn skip_to(&mut self, slot: u64) {
        self.next = self.next.max(slot);
    }

    /// Takes a place for a session in the emptiest slot, the soonest of several.
    pub(super) fn begin(&mut self) -> u64 {
        let slot = (self.next..self.next + FRAME as u64)
            .min_by_key(|slot| self.sessions_in[phase(*slot)])
            .expect("there is more than no slot");
        self.sessions_in[phase(slot)] += 1;
        slot
    }

    /// Gives back the place of a session that began at `slot`.
    pub(super) fn end(&mut self, slot: u64) {
        self.sessions_in[phase(slot)] -= 1;
    }

    /// Enters a session for a slot, or for one on the way there; tells for which.
    pub(super) fn enter(&mut self, slot: u64, session: usize) -> u64 {
        let slot = slot.clamp(self.next, self.next + HORIZON as u64 - 1);
        self.entries[ring(slot)].push(session);
        slot
    }

    /// Serves the next slot: its sessions take the place of what is in `sessions`.
    pub(super) fn take(&mut self, sessions: &mut Vec<usize>) -> u64 {
        let slot = self.next;
        sessions.clear();
        std::mem::swap(&mut self.entries[ring(slot)], sessions);
        self.next += 1;
        slot
    }
}

fn phase(slot: u64) -> usize {
    (slot % FRAME as u64) as usize
}

fn ring(slot: u64) -> usize {
    (slot % HORIZON as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_spread_over_the_slots_and_fill_those_left() {
        let mut wheel = Wheel::new();
        wheel.skip_to(8);
        let first: Vec<u64> = (0..20).map(|_| wheel.begin()).collect();
        assert_eq!(first, (8..28).collect::<Vec<_>>());
        assert_eq!(wheel.begin(), 8, "all are equally full again");
        wheel.end(23);
        assert_eq!(wheel.begin(), 23);
    }

    #[test]
    fn entries_come_out_in_their_slots() {
        let mut wheel = Wheel::new();
        wheel.skip_to(1000);
        assert_eq!(
            [1002, 1001, 1002, 999, 1127].map(|slot| wheel.enter(slot, slot as usize)),
            [1002, 1001, 1002, 1000, 1127]
        );
        let mut sessions = Vec::new();
        let served: Vec<(u64, Vec<usize>)> = (0..128)
            .map(|_| (wheel.take(&mut sessions), sessions.clone()))
            .filter(|(_, sessions)| !sessions.is_empty())
            .collect();
        let expected = [(1000, vec![999]), (1001, vec![1001]), (1002, vec![1002, 1002]), (1127, vec![1127])];
        assert_eq!(served, expected);
        assert_eq!(wheel.next(), 1128);
    }

    #[test]
    fn what_is_far_ahead_is_entered_on_the_way_there() {
        let mut wheel = Wheel::new();
        assert_eq!(wheel.enter(5000, 1), 127);
        wheel.skip_to(4990);
        assert_eq!(wheel.enter(5000, 1), 5000);
    }
}
