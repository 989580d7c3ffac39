//! Times counted by size, so that millions of them take no more room than a few: in microseconds, 64 steps to each
//! doubling, which keeps every percentile within 1.6 %.

use std::time::Duration;

/// Steps to a doubling, as a power of two.
const STEP_BITS: u32 = 6;
/// The largest time that is told from larger ones: 71 minutes.
const LARGEST: u64 = u32::MAX as u64;
/// One bucket for each step up to [`LARGEST`].
const BUCKETS: usize = bucket(LARGEST) + 1;

/// See the module.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u32]>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts a time.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LARGEST).min(LARGEST);
        let counted = &mut self.counts[bucket(micros)];
        *counted = counted.saturating_add(1);
        self.count += 1;
        self.max = self.max.max(micros);
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// What this share of the times, 0-1, does not exceed, in milliseconds; `None` where there are none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let place = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut passed = 0;
        let found = self.counts.iter().position(|count| {
            passed += u64::from(*count);
            passed >= place
        })?;
        Some(largest_in(found).min(self.max) as f64 / 1000.0)
    }

    /// The largest, in milliseconds.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max as f64 / 1000.0)
    }
}

/// Where a time is counted. Up to twice 64 each has a bucket of its own.
const fn bucket(micros: u64) -> usize {
    let shift = (micros | 1).ilog2().saturating_sub(STEP_BITS);
    ((shift as u64) << STEP_BITS) as usize + (micros >> shift) as usize
}

/// The largest time that is counted there.
fn largest_in(bucket: usize) -> u64 {
    let shift = (bucket >> STEP_BITS).saturating_sub(1);
    let step = bucket - (shift << STEP_BITS);
    ((step as u64 + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_a_bucket_that_holds_it_closely() {
        let times = (0..300).chain((8..32).flat_map(|power| [-1, 0, 1].map(|by| (1_i64 << power) + by)));
        for time in times.map(i64::cast_unsigned).chain([LARGEST]) {
            let largest = largest_in(bucket(time));
            assert!(largest >= time && largest - time <= time >> STEP_BITS, "{time}: {largest}");
            assert_eq!(bucket(largest), bucket(time));
            assert_eq!(bucket(largest + 1), bucket(time) + 1, "there is no gap after {time}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut times = Histogram::default();
        assert_eq!((times.quantile(0.5), times.max()), (None, None));
        (1..=1000).for_each(|micros| times.record(Duration::from_micros(micros)));
        for (share, exact) in [(0.0, 0.001), (0.05, 0.05), (0.5, 0.5), (0.99, 0.99), (1.0, 1.0)] {
            let found = times.quantile(share).expect("there are times");
            assert!(found >= exact && found <= exact * 1.016, "{share}: {found}");
        }
        assert_eq!(times.max(), Some(1.0));
    }

    #[test]
    fn what_is_merged_counts_and_what_is_too_large_is_the_largest() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_micros(10));
        other.record(Duration::from_hours(2));
        one.merge(&other);
        assert_eq!((one.quantile(0.5), one.max()), (Some(0.01), Some(LARGEST as f64 / 1000.0)));
    }
}
