//! How well one source is received: loss and jitter, and the report block that tells the source of it
//! (RFC 3550 §6.4.1, appendices A.3 and A.8).

use std::time::{Duration, Instant};

use super::packet::Header;
use super::rtcp::ReportBlock;
use super::sequence::{Arrival, SequenceTracker};

/// The reception of one source.
#[derive(Debug, Clone)]
pub struct Reception {
    ssrc: u32,
    ticks_per_ms: u16,
    tracker: SequenceTracker,
    /// Where arrival times are counted from.
    epoch: Instant,
    /// Arrival less timestamp of the last packet that was timed.
    transit: Option<u32>,
    /// In ticks, smoothed.
    jitter: f64,
    expected_reported: u64,
    received_reported: u64,
    /// The middle of the last sender report's NTP timestamp, and when it came.
    sender_report: Option<(u32, Instant)>,
}

impl Reception {
    /// Starts with a source's first packet, with the clock of G.711.
    pub fn new(first: &Header, now: Instant) -> Self {
        Self {
            ssrc: first.ssrc,
            ticks_per_ms: 8,
            tracker: SequenceTracker::new(first.sequence),
            epoch: now,
            transit: None,
            jitter: 0.0,
            expected_reported: 0,
            received_reported: 0,
            sender_report: None,
        }
    }

    /// The source that is followed.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Takes timestamps from now on as of this RTP clock.
    pub fn set_clock(&mut self, ticks_per_ms: u16) {
        if self.ticks_per_ms != ticks_per_ms {
            self.jitter *= f64::from(ticks_per_ms) / f64::from(self.ticks_per_ms);
            self.transit = None;
            self.ticks_per_ms = ticks_per_ms;
        }
    }

    /// Counts a packet of this source.
    pub fn receive(&mut self, header: &Header) -> Arrival {
        self.tracker.receive(header.sequence)
    }

    /// Counts packets of this source that came and were not shown, because the stream is thinned.
    pub fn receive_unseen(&mut self, packets: u32) {
        self.tracker.receive_unseen(packets);
    }

    /// Whether the source has shown two packets in sequence.
    pub fn is_established(&self) -> bool {
        self.tracker.is_established()
    }

    /// Times a packet of audio (RFC 3550 A.8). Events are not timed, because all packets of one bear the time of
    /// its beginning; nor is the step into a new talkspurt, where a sender may set its clock anew. In a thinned
    /// stream the difference is between packets further apart, which are as far off as neighbours are.
    pub fn time(&mut self, header: &Header, now: Instant) {
        let arrival = ticks(now.saturating_duration_since(self.epoch), self.ticks_per_ms) as u32;
        let transit = arrival.wrapping_sub(header.timestamp);
        if let Some(last) = self.transit.replace(transit)
            && !header.marker
        {
            let difference = transit.wrapping_sub(last).cast_signed().unsigned_abs();
            self.jitter += (f64::from(difference) - self.jitter) / 16.0;
        }
    }

    /// Remembers a sender report of this source, so that the next report block answers it.
    pub fn sender_report(&mut self, ntp: u64, now: Instant) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// Packets lost so far; never less than none.
    pub fn lost(&self) -> u64 {
        u64::try_from(self.tracker.lost()).unwrap_or(0)
    }

    /// Interarrival jitter in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        self.jitter / f64::from(self.ticks_per_ms)
    }

    /// The report block for the time since the last one.
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        let (expected, received) = (self.tracker.expected(), self.tracker.received());
        // A restart of the source takes the counts back; there is nothing to compare with then.
        let expected_interval = expected.saturating_sub(self.expected_reported);
        let received_interval = received.saturating_sub(self.received_reported);
        (self.expected_reported, self.received_reported) = (expected, received);
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(middle, at)| {
            (middle, (now.saturating_duration_since(at).as_secs_f64() * 65536.0) as u32)
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost_interval * 256).checked_div(expected_interval).unwrap_or(0).min(255) as u8,
            cumulative_lost: self.tracker.lost().clamp(-0x80_0000, 0x7F_FFFF) as i32,
            extended_highest: self.tracker.extended_highest(),
            jitter: self.jitter as u32,
            last_sender_report,
            delay_since_sender_report: delay,
        }
    }
}

/// A duration in ticks of the RTP clock, wrapping where a timestamp wraps once cut to 32 bits.
fn ticks(duration: Duration, ticks_per_ms: u16) -> u64 {
    (duration.as_micros() as u64).saturating_mul(u64::from(ticks_per_ms)) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header { payload_type: 0, marker: false, sequence, timestamp, ssrc: 7 }
    }

    #[test]
    fn jitter_follows_the_formula() {
        let zero = start();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let mut reception = Reception::new(&header(0, u32::MAX - 159), zero);
        // Arrivals at 0, 20, 45 and 60 ms of packets stamped 20 ms apart, over the timestamp's wrap.
        let table = [
            (0, u32::MAX - 159, 0.0),
            (20, 0, 0.0),
            // 5 ms late: 40 ticks; J = 40/16.
            (45, 160, 2.5),
            // Back in time: 40 ticks again; J = 2.5 + (40 - 2.5)/16.
            (60, 320, 4.843_75),
        ];
        for (ms, timestamp, jitter) in table {
            reception.time(&header(0, timestamp), at(ms));
            assert!((reception.jitter - jitter).abs() < 1e-9, "{ms} ms: {}", reception.jitter);
        }
        assert!((reception.jitter_ms() - 4.843_75 / 8.0).abs() < 1e-9);
        // A new talkspurt with a clock of its own changes nothing.
        let marked = Header { marker: true, ..header(0, 77_777) };
        reception.time(&marked, at(80));
        reception.time(&header(0, 77_937), at(100));
        assert!((reception.jitter - 4.843_75 * 15.0 / 16.0).abs() < 1e-9);
    }

    #[test]
    fn jitter_is_in_milliseconds_whatever_the_clock() {
        let zero = start();
        let mut reception = Reception::new(&header(0, 0), zero);
        let mut at = 0;
        for (ticks_per_ms, count) in [(48_u16, 400_u32), (8, 400)] {
            reception.set_clock(ticks_per_ms);
            for n in 0..count {
                // Every other packet is 4 ms late, so that each step is 4 ms off.
                let late = u64::from(n % 2) * 4;
                reception.time(
                    &header(0, n * 20 * u32::from(ticks_per_ms)),
                    zero + Duration::from_millis(at + late),
                );
                at += 20;
            }
            assert!((reception.jitter_ms() - 4.0).abs() < 0.1, "{} ms", reception.jitter_ms());
        }
    }

    #[test]
    fn a_report_covers_the_time_since_the_last_one() {
        let zero = start();
        let mut reception = Reception::new(&header(100, 0), zero);
        for sequence in [101, 102, 103, 105, 106, 107, 108] {
            reception.receive(&header(sequence, 0));
        }
        let first = reception.report(zero);
        // 101-108 are eight, one is missing: 256/8.
        assert_eq!((first.fraction_lost, first.cumulative_lost, first.extended_highest), (32, 1, 108));
        assert_eq!((first.last_sender_report, first.delay_since_sender_report), (0, 0));
        reception.receive(&header(109, 0));
        reception.sender_report(0x1234_5678_9ABC_DEF0, zero);
        let second = reception.report(zero + Duration::from_millis(1500));
        assert_eq!((second.fraction_lost, second.cumulative_lost), (0, 1));
        assert_eq!(second.last_sender_report, 0x5678_9ABC);
        assert_eq!(second.delay_since_sender_report, 98_304, "1.5 s in units of 1/65536 s");
    }
}
