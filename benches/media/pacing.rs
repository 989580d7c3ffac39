//! How well the packets of all calls kept to their grids.

use std::fmt;

use anyhow::{Context, Result};

/// A tick of the 8000 Hz clock.
const TICK_NANOS: i64 = 125_000;
const TICKS_PER_PACKET: u32 = 160;

/// What one call heard.
#[derive(Debug, Default, Clone)]
pub struct Trace {
    first: Option<(u16, u32, i64)>,
    last: (u16, u32),
    packets: u64,
    /// Wraps of the sequence number.
    wraps: u64,
    /// How far each packet was, in microseconds, from where the first one's grid puts it.
    offsets: Vec<i32>,
}

impl Trace {
    /// Takes down a packet, and by the kernel's clock when it came.
    pub fn packet(&mut self, sequence: u16, timestamp: u32, at_nanos: i64) {
        let (_, first_timestamp, first_at) = *self.first.get_or_insert((sequence, timestamp, at_nanos));
        if self.packets > 0 && sequence < self.last.0 {
            self.wraps += 1;
        }
        self.last = (sequence, timestamp);
        self.packets += 1;
        let due = i64::from(timestamp.wrapping_sub(first_timestamp)) * TICK_NANOS;
        self.offsets.push(((at_nanos - first_at - due) / 1000) as i32);
    }

    /// Packets that were numbered and did not come, and instants that passed without one.
    fn missing(&self) -> (u64, u64) {
        let Some((sequence, timestamp, _)) = self.first else { return (0, 0) };
        let numbered = self.wraps * 65_536 + u64::from(self.last.0) - u64::from(sequence) + 1;
        let instants = u64::from(self.last.1.wrapping_sub(timestamp) / TICKS_PER_PACKET) + 1;
        (numbered.saturating_sub(self.packets), instants.saturating_sub(numbered))
    }
}

/// What all calls heard.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// What half, 99 % and 99.9 % of the packets do not exceed, and what none does: milliseconds after the instant
    /// of the call's grid. The grid is where the call's earliest packet puts it.
    late_ms: [f64; 4],
    lost: u64,
    skipped: u64,
}

impl Summary {
    pub fn of(traces: &[Trace]) -> Self {
        let mut late: Vec<u32> = traces.iter().flat_map(lateness).collect();
        late.sort_unstable();
        let quantile = |share: f64| {
            let place = ((late.len() as f64 * share).ceil() as usize).clamp(1, late.len().max(1));
            late.get(place - 1).map_or(f64::NAN, |micros| f64::from(*micros) / 1e3)
        };
        let missing = traces.iter().map(Trace::missing);
        let (lost, skipped) = missing.fold((0, 0), |(lost, skipped), one| (lost + one.0, skipped + one.1));
        Self { late_ms: [0.5, 0.99, 0.999, 1.0].map(quantile), lost, skipped }
    }

    /// As one line that can be read back.
    pub fn line(&self) -> String {
        let [half, most, nearly, all] = self.late_ms;
        format!("{half} {most} {nearly} {all} {} {}", self.lost, self.skipped)
    }

    pub fn read(line: &str) -> Result<Self> {
        let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [half, most, nearly, all, lost, skipped] = numbers.try_into().ok().context("six numbers")?;
        Ok(Self { late_ms: [half, most, nearly, all], lost: lost as u64, skipped: skipped as u64 })
    }
}

fn lateness(trace: &Trace) -> impl Iterator<Item = u32> {
    let earliest = trace.offsets.iter().min().copied().unwrap_or(0);
    trace.offsets.iter().map(move |offset| (offset - earliest).unsigned_abs())
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, nearly, all] = self.late_ms;
        let Self { lost, skipped, .. } = self;
        write!(formatter, "{half:>5.2} {most:>6.2} {nearly:>6.2} {all:>6.1}    {lost:>6}  {skipped:>7}")
    }
}
