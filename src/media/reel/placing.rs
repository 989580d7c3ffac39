//! Where a caller's packets belong in a recording: the caller's clock against ours.
//!
//! Within a talkspurt timestamps are exact and arrivals are not; over an hour it is the other way round, since the two
//! clocks drift apart by up to 0.4 s. So a packet lies where its timestamp says, and what that is counted from follows
//! the packets that were delayed least.

use std::mem;

use super::ms;

/// Sound that belongs this far ahead of its arrival, or behind it, comes from a clock that was set anew.
const EARLY_MAX: i64 = ms(200);
const LATE_MAX: i64 = ms(1000);
/// How far off the least delayed packets may be before the count is corrected.
const SLIP_MIN: i64 = ms(10);
/// For how long the least delayed packet is looked for: first, and from then on.
const FIRST_WINDOW: i64 = ms(1000);
const WINDOW: i64 = ms(5000);

/// See the module. All times are in ticks.
#[derive(Default)]
pub(super) struct Placing {
    anchor: Option<Anchor>,
}

struct Anchor {
    /// The newest timestamp, without its wraps.
    extended: i64,
    /// What is added to a timestamp to have its place.
    offset: i64,
    /// How far behind its place the least delayed packet of this window came.
    least: Option<i64>,
    window_ends: i64,
}

impl Placing {
    /// The place of a packet of `length` ticks that came at `at`.
    pub(super) fn place(&mut self, timestamp: u32, length: i64, at: i64) -> i64 {
        // Its last sample was taken just before it was sent.
        let latest = at - length;
        let anchor = self.anchor.get_or_insert_with(|| Anchor::new(timestamp, latest, at));
        let extended = anchor.extend(timestamp);
        anchor.extended = anchor.extended.max(extended);
        let behind = latest - extended - anchor.offset;
        if !(-EARLY_MAX..=LATE_MAX).contains(&behind) {
            *anchor = Anchor::new(timestamp, latest, at);
            return latest;
        }
        anchor.least = Some(anchor.least.map_or(behind, |least| least.min(behind)));
        if at >= anchor.window_ends {
            anchor.correct(at);
        }
        extended + anchor.offset
    }

    /// The place of this timestamp, as far as it is known.
    pub(super) fn look_up(&self, timestamp: u32) -> Option<i64> {
        self.anchor.as_ref().map(|anchor| anchor.extend(timestamp) + anchor.offset)
    }
}

impl Anchor {
    fn new(timestamp: u32, place: i64, at: i64) -> Self {
        let extended = i64::from(timestamp);
        Self { extended, offset: place - extended, least: None, window_ends: at + FIRST_WINDOW }
    }

    fn extend(&self, timestamp: u32) -> i64 {
        let ahead = timestamp.wrapping_sub(self.extended as u32).cast_signed();
        self.extended + i64::from(ahead)
    }

    fn correct(&mut self, at: i64) {
        let least = mem::take(&mut self.least).unwrap_or(0);
        if least.abs() >= SLIP_MIN {
            self.offset += least;
        }
        self.window_ends = at + WINDOW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A caller whose clock runs fast by `ppm`, with a delay that varies by up to `jitter` ticks; tells by how much
    /// packets are placed off the moment at which they were spoken plus the least delay, and the worst of it.
    fn worst(ppm: i64, jitter: i64, packets: i64) -> i64 {
        const DELAY: i64 = ms(30);
        let mut placing = Placing::default();
        let mut random = 1_u64;
        let mut worst = 0;
        for packet in 0..packets {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let jitter = (random >> 33).cast_signed() % jitter.max(1);
            let timestamp = (packet * 160 + 4_294_900_000) as u32;
            // A fast clock has its samples taken sooner.
            let spoken = packet * 160 - packet * 160 * ppm / 1_000_000;
            let placed = placing.place(timestamp, 160, spoken + 160 + DELAY + jitter);
            if packet > 100 {
                worst = worst.max((placed - spoken - DELAY).abs());
            }
        }
        worst
    }

    #[test]
    fn over_an_hour_a_drifting_clock_stays_within_20_ms() {
        const HOUR: i64 = 3600 * 50;
        for (ppm, jitter) in [(0, 0), (100, 0), (-100, 0), (100, ms(60)), (-100, ms(60)), (0, ms(150))] {
            let worst = worst(ppm, jitter, HOUR);
            assert!(worst <= ms(20), "{ppm} ppm, jitter of {jitter} ticks: {worst} ticks off");
        }
    }

    #[test]
    fn without_drift_nothing_is_ever_moved() {
        let mut placing = Placing::default();
        let first = placing.place(u32::MAX - 200, 160, 1000);
        assert_eq!(first, 840);
        for packet in 1..2000 {
            let late = if packet % 7 == 0 { 60 } else { 0 };
            let timestamp = (u32::MAX - 200).wrapping_add(packet * 160);
            let place = placing.place(timestamp, 160, 1000 + i64::from(packet) * 160 + late);
            assert_eq!(place, first + i64::from(packet) * 160);
        }
        assert_eq!(placing.look_up((u32::MAX - 200).wrapping_add(800)), Some(first + 800));
    }

    #[test]
    fn a_clock_that_was_set_anew_counts_from_there() {
        let table = [(1_000_000, ms(500)), (0, ms(3000)), (900, ms(90_000)), (4_000_000_000, ms(520))];
        for (timestamp, at) in table {
            let mut placing = Placing::default();
            placing.place(500_000, 160, ms(480));
            assert_eq!(placing.place(timestamp, 160, at), at - 160, "{timestamp} at {at}");
        }
    }
}
