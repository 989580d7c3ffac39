//! From what the callers heard to figures.

use std::collections::HashSet;
use std::fmt;

use crate::sound::{Arrival, Nanos, Trace};

/// A tick of the 8000 Hz clock.
const TICK_NANOS: i64 = 125_000;
/// Ticks in a packet.
const TICKS_PER_PACKET: u64 = 160;
/// A packet within this of its instant is in time.
const IN_TIME: f64 = 5.0;
/// How long after a key the end of the prompt is looked for. What goes on longer did not stop.
const AFTER_KEY: Nanos = 1_000_000_000;

/// Times in milliseconds, in order.
#[derive(Debug, Default)]
pub struct Times(Vec<f64>);

impl FromIterator<f64> for Times {
    fn from_iter<I: IntoIterator<Item = f64>>(times: I) -> Self {
        let mut times: Vec<f64> = times.into_iter().collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }
}

impl Times {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What this share of them, 0-1, does not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(place.saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
    }

    /// The greatest.
    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The share, in percent, that is in time.
    pub fn in_time(&self) -> f64 {
        let in_time = self.0.partition_point(|time| *time <= IN_TIME);
        in_time as f64 * 100.0 / self.0.len() as f64
    }
}

impl fmt::Display for Times {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, max] = [0.5, 0.99, 1.0].map(|share| self.quantile(share));
        write!(formatter, "p50 {half:.1}  p99 {most:.1}  max {max:.1} ms")
    }
}

/// How well the packets of all calls came.
#[derive(Debug, Default)]
pub struct Sound {
    /// Packets that there should have been between a call's first and its last.
    pub expected: u64,
    /// Packets that came, each counted once.
    pub received: u64,
    /// Packets that were numbered and did not come.
    pub lost: u64,
    /// Instants that passed without a packet: the timestamp went on, the sequence did not.
    pub skipped: u64,
    /// Calls that heard nothing any more at the end of the measurement.
    pub silent: usize,
    /// How far packets were from their instants.
    pub deviations: Times,
}

/// Judges what came; times only of what came between `begin` and `end`.
pub fn judge(traces: &[Trace], begin: Nanos, end: Nanos) -> Sound {
    let mut sound = Sound::default();
    let mut deviations = Vec::new();
    for Trace { arrivals, .. } in traces {
        let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
            sound.silent += 1;
            continue;
        };
        let numbers: HashSet<u16> = arrivals.iter().map(|arrival| arrival.sequence).collect();
        let numbered = u64::from(last.sequence.wrapping_sub(first.sequence)) + 1;
        let expected = u64::from(last.timestamp.wrapping_sub(first.timestamp)) / TICKS_PER_PACKET + 1;
        sound.expected += expected;
        sound.received += numbers.len() as u64;
        sound.lost += numbered.saturating_sub(numbers.len() as u64);
        sound.skipped += expected.saturating_sub(numbered);
        sound.silent += usize::from(last.at < end);
        deviations.extend(off_grid(arrivals.iter().filter(|arrival| (begin..end).contains(&arrival.at))));
    }
    sound.deviations = deviations.into_iter().collect();
    sound
}

/// How far packets are, in milliseconds, from the grid that fits them best: the one that half of them are before.
fn off_grid<'a>(arrivals: impl Iterator<Item = &'a Arrival> + Clone) -> Vec<f64> {
    let Some(first) = arrivals.clone().next() else { return Vec::new() };
    let off_first = |arrival: &Arrival| {
        let ticks = i64::from(arrival.timestamp.wrapping_sub(first.timestamp).cast_signed());
        arrival.at.cast_signed() - first.at.cast_signed() - ticks * TICK_NANOS
    };
    let offsets: Vec<i64> = arrivals.map(off_first).collect();
    let mut in_order = offsets.clone();
    in_order.sort_unstable();
    let grid = in_order[in_order.len() / 2];
    offsets.into_iter().map(|offset| (offset - grid).unsigned_abs() as f64 / 1e6).collect()
}

/// How long after its ACK each call heard the first of the prompt.
pub fn first_prompts(traces: &[Trace], acknowledged: &[Nanos]) -> Times {
    let heard = |(trace, at): (&Trace, &Nanos)| {
        let first = trace.arrivals.iter().find(|arrival| arrival.speech)?;
        Some((first.at.cast_signed() - at.cast_signed()) as f64 / 1e6)
    };
    traces.iter().zip(acknowledged).filter_map(heard).collect()
}

/// How long after its key each call heard the first silence that nothing of the prompt followed.
pub fn barge_ins(traces: &[Trace]) -> Times {
    let stopped = |trace: &Trace| {
        let pressed = trace.pressed?;
        let after_key =
            trace.arrivals.iter().filter(|arrival| (pressed..pressed + AFTER_KEY).contains(&arrival.at));
        let mut latest_first = after_key.rev();
        let silence = latest_first.by_ref().take_while(|arrival| !arrival.speech).last()?;
        Some((silence.at - pressed) as f64 / 1e6)
    };
    traces.iter().filter_map(stopped).collect()
}
