//! Sequence numbers: wrap-safe comparison, and the tracker that tells a stream from stray packets
//! (RFC 3550 appendix A.1).

/// How many packets in sequence make a source believable.
const MIN_SEQUENTIAL: u8 = 2;
/// A forward jump from here on is a restart, not a loss: a minute of 20 ms packets.
const MAX_DROPOUT: u16 = 3000;
/// How far behind a packet may be and still be a late one.
const MAX_MISORDER: u16 = 100;

/// Where a stream is thinned, one packet in this many is still seen: those whose number is a multiple of it.
pub const SAMPLED: u16 = 32;

/// How far `to` lies ahead of `from`: negative where it lies behind.
pub fn ahead(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from).cast_signed()
}

/// What the tracker made of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Part of the stream: the next one, one after a loss, a late one or a copy.
    Valid,
    /// The source has not shown two packets in sequence yet.
    Probation,
    /// Far out of step; a second one in sequence with it would be taken for a restart.
    OutOfStep,
}

/// Follows the sequence numbers of one source.
#[derive(Debug, Clone)]
pub struct SequenceTracker {
    /// Packets still to come in sequence before the source is believed.
    probation: u8,
    /// The first number since the last restart.
    base: u16,
    highest: u16,
    /// How often the number has wrapped, since the last restart.
    cycles: u16,
    received: u64,
    /// The last number that was out of step. Its successor confirms a restart.
    stray: Option<u16>,
    /// What was lost before the last restart.
    lost_before: i64,
}

impl SequenceTracker {
    /// Starts with a source's first packet, which counts only when its successor has come.
    pub fn new(first: u16) -> Self {
        Self {
            probation: MIN_SEQUENTIAL - 1,
            base: first,
            highest: first,
            cycles: 0,
            received: 0,
            stray: None,
            lost_before: 0,
        }
    }

    /// Takes in the number of the next packet that arrived.
    pub fn receive(&mut self, sequence: u16) -> Arrival {
        if self.probation > 0 {
            return self.probe(sequence);
        }
        let step = sequence.wrapping_sub(self.highest);
        if step < MAX_DROPOUT {
            if sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1);
            }
            self.highest = sequence;
        } else if step <= u16::MAX - MAX_MISORDER + 1 {
            let confirmed =
                self.stray.is_some_and(|stray| matches!(sequence.wrapping_sub(stray), 1 | SAMPLED));
            if !confirmed {
                self.stray = Some(sequence);
                return Arrival::OutOfStep;
            }
            self.begin(sequence);
        }
        self.received += 1;
        Arrival::Valid
    }

    /// Counts packets that came and were not shown, because the stream is thinned.
    pub fn receive_unseen(&mut self, packets: u32) {
        self.received += u64::from(packets);
    }

    /// Whether the source has shown two packets in sequence.
    pub fn is_established(&self) -> bool {
        self.probation == 0
    }

    fn probe(&mut self, sequence: u16) -> Arrival {
        if sequence == self.highest.wrapping_add(1) {
            self.probation -= 1;
        } else {
            self.probation = MIN_SEQUENTIAL - 1;
        }
        self.highest = sequence;
        if self.probation > 0 {
            return Arrival::Probation;
        }
        self.begin(sequence);
        self.received += 1;
        Arrival::Valid
    }

    /// RFC 3550 A.1 `init_seq`, keeping what was lost so far for the call's figures.
    fn begin(&mut self, sequence: u16) {
        self.lost_before = self.lost();
        self.base = sequence;
        self.highest = sequence;
        self.cycles = 0;
        self.received = 0;
        self.stray = None;
    }

    /// The highest number received, with the number of wraps in its upper half.
    pub fn extended_highest(&self) -> u32 {
        u32::from(self.cycles) << 16 | u32::from(self.highest)
    }

    /// How many packets there should have been since the last restart.
    pub fn expected(&self) -> u64 {
        if self.probation > 0 || self.received == 0 {
            return 0;
        }
        u64::from(self.extended_highest().wrapping_sub(u32::from(self.base))) + 1
    }

    /// How many have come since the last restart, copies included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets lost in all. Negative where copies outnumber losses (RFC 3550 §6.4.1).
    pub fn lost(&self) -> i64 {
        self.lost_before + self.expected().cast_signed() - self.received.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(numbers: impl IntoIterator<Item = u16>) -> (SequenceTracker, Vec<Arrival>) {
        let mut numbers = numbers.into_iter();
        let mut tracker = SequenceTracker::new(numbers.next().expect("at least one packet"));
        let arrivals = numbers.map(|number| tracker.receive(number)).collect();
        (tracker, arrivals)
    }

    #[test]
    fn loss_is_counted_over_wraps_reordering_and_copies() {
        // The first packet is the probation's; expected and received count from the second.
        let table: [(&str, &[u16], u64, i64); 7] = [
            ("in sequence", &[1, 2, 3, 4, 5], 4, 0),
            ("one missing", &[1, 2, 3, 5, 6], 5, 1),
            ("late, not missing", &[1, 2, 4, 3, 5], 4, 0),
            ("a copy", &[1, 2, 3, 3, 4], 3, -1),
            ("over the wrap", &[65533, 65534, 65535, 0, 1], 4, 0),
            ("missing over the wrap", &[65533, 65534, 1, 2], 5, 2),
            ("late over the wrap", &[65533, 65534, 0, 65535, 1], 4, 0),
        ];
        for (name, numbers, expected, lost) in table {
            let (tracker, _) = tracked(numbers.iter().copied());
            assert_eq!((tracker.expected(), tracker.lost()), (expected, lost), "{name}");
        }
    }

    #[test]
    fn a_source_is_believed_after_two_in_sequence() {
        use Arrival::{Probation, Valid};
        assert_eq!(tracked([7, 9, 20, 21, 22]).1, [Probation, Probation, Valid, Valid]);
        assert_eq!(tracked([7, 9, 20]).0.lost(), 0);
    }

    #[test]
    fn one_far_packet_is_stray_and_two_are_a_restart() {
        use Arrival::{OutOfStep, Valid};
        let (tracker, arrivals) = tracked([1, 2, 3, 30_000, 4, 5]);
        assert_eq!(arrivals, [Valid, Valid, OutOfStep, Valid, Valid]);
        assert_eq!((tracker.extended_highest(), tracker.lost()), (5, 0));
        let (tracker, arrivals) = tracked([1, 2, 4, 30_000, 30_001, 30_002]);
        assert_eq!(arrivals, [Valid, Valid, OutOfStep, Valid, Valid]);
        assert_eq!((tracker.extended_highest(), tracker.lost()), (30_002, 1));
    }

    #[test]
    fn a_thinned_stream_loses_nothing_that_came() {
        let mut tracker = SequenceTracker::new(0);
        for number in 1..=32 {
            tracker.receive(number);
        }
        // 33 to 63 came, but for two of them.
        tracker.receive_unseen(29);
        tracker.receive(64);
        assert_eq!((tracker.expected(), tracker.lost()), (64, 2));
        let restarted = [20_000, 20_032].map(|number| tracker.receive(number));
        assert_eq!(restarted, [Arrival::OutOfStep, Arrival::Valid]);
        assert_eq!((tracker.extended_highest(), tracker.lost()), (20_032, 2));
    }

    #[test]
    fn wraps_are_counted_in_the_extended_number() {
        let (tracker, _) = tracked((0..200_000_u32).map(|n| n as u16));
        assert_eq!(tracker.extended_highest(), 199_999);
        assert_eq!(tracker.lost(), 0);
    }

    #[test]
    fn comparison_wraps() {
        for (from, to, distance) in [(1, 2, 1), (2, 1, -1), (65535, 0, 1), (0, 65535, -1), (65000, 200, 736)]
        {
            assert_eq!(ahead(from, to), distance);
        }
    }
}
