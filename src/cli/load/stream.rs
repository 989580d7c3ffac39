//! The sound of one call of many, without its socket: what it sends is the test caller's voice and keys, what it
//! hears is counted and timed (RFC 3550 §6.4.1, appendix A.8).
//!
//! RTCP is neither sent nor read, so what the other side loses of ours is not known here.

use std::time::{Duration, Instant};

use super::histogram::Histogram;
use crate::cli::call::ear::Ear;
use crate::cli::call::script::{Script, Want};
use crate::cli::call::voice::{Origin, Voice};
use crate::rtp::{Header, Packet, Reception};
use crate::sdp::Negotiated;

/// A tick of the RTP clock of all that we offer.
const TICK_NANOS: i64 = 125_000;
/// How long the earliest packet counts for the grid that others are late by. Two clocks that run apart by 100 parts
/// in a million are apart by 1 ms then, twice that at the most.
const GRID_FOR: Duration = Duration::from_secs(10);
/// What is later than this is lost to a listener, whose jitter buffer does not wait for it: a common setting.
const JITTER_BUFFER: Duration = Duration::from_millis(60);
/// A new talkspurt that is further off than this has a clock of its own.
const NEW_CLOCK_NANOS: i64 = 1_000_000_000;

/// What came, and when.
#[derive(Debug, Clone, Default)]
pub struct Timings {
    /// How late packets were, after the earliest that their call's grid allows.
    pub pacing: Histogram,
    /// Interarrival jitter, as it stood at each packet.
    pub jitter: Histogram,
    /// How late we ourselves were with what was to send.
    pub own_lateness: Histogram,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the kernel did not take.
    pub unsent: u64,
    /// Packets that came.
    pub received: u64,
}

impl Timings {
    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.pacing.merge(&other.pacing);
        self.jitter.merge(&other.jitter);
        self.own_lateness.merge(&other.own_lateness);
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.received += other.received;
    }
}

/// What one call heard, in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Packets that came.
    pub received: u64,
    /// Packets that were numbered and did not come.
    pub lost: u64,
    /// Packets that came too late for a jitter buffer.
    pub late: u64,
    /// Interarrival jitter in the end.
    pub jitter: Duration,
    /// How long the call had sound.
    pub lasted: Duration,
}

impl Heard {
    /// The share, 0-1, of its packets that a listener did without.
    pub fn missing(&self) -> f64 {
        let expected = self.received + self.lost;
        if expected == 0 { 1.0 } else { (self.lost + self.late) as f64 / expected as f64 }
    }
}

/// See the module.
pub struct Stream {
    voice: Voice,
    telephone_event: Option<u8>,
    script: Script,
    ear: Ear,
    began: Instant,
    reception: Option<Reception>,
    grid: Option<Grid>,
    heard: Heard,
}

impl Stream {
    /// A stream whose first packet is due at `begin`, and whose script begins then.
    pub fn new(origin: Origin, agreed: &Negotiated, script: Script, begin: Instant) -> Self {
        Self {
            voice: Voice::new(origin, agreed, begin),
            telephone_event: agreed.telephone_event,
            script,
            ear: Ear::default(),
            began: begin,
            reception: None,
            grid: None,
            heard: Heard::default(),
        }
    }

    /// Takes what a new offer and answer settled.
    pub fn change(&mut self, agreed: &Negotiated) {
        self.voice.change(agreed);
        self.telephone_event = agreed.telephone_event;
    }

    /// Does what the script wants done by now.
    pub fn follow_script(&mut self, now: Instant) {
        if let Some(heard) = self.ear.handle_timeout(now) {
            self.script.heard(heard);
        }
        while let Some(want) = self.script.poll_want(now) {
            if let Want::Press(key) = want {
                self.voice.press(key);
            }
        }
    }

    /// Whether what it does next depends on what it hears.
    pub fn listens(&self) -> bool {
        self.script.listens()
    }

    /// The next packet that is due; ask until there is none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.voice.poll_transmit(now)
    }

    /// Takes in what came at `at`, by the kernel's clock.
    pub fn receive(&mut self, datagram: &[u8], at: Instant, timings: &mut Timings) {
        let Some(Packet { header, .. }) = Packet::read(datagram) else { return };
        self.heard.received += 1;
        timings.received += 1;
        let is_audio = Some(header.payload_type) != self.telephone_event;
        let reception = self.reception_of(&header, at);
        if is_audio {
            reception.time(&header, at);
            timings.jitter.record(jitter(reception));
            let late = self.grid.get_or_insert_with(|| Grid::new(&header, at)).late(&header, at);
            timings.pacing.record(late);
            self.heard.late += u64::from(late > JITTER_BUFFER);
        }
        // To decode costs more than all else here, so it is done only for a script that waits for a prompt.
        if is_audio
            && self.script.listens()
            && let Some((_, samples)) = self.voice.receive(datagram)
            && let Some(heard) = self.ear.hear(&samples, at)
        {
            self.script.heard(heard);
        }
    }

    /// What was heard up to now.
    pub fn heard(&self, now: Instant) -> Heard {
        let lost = self.heard.lost + self.reception.as_ref().map_or(0, Reception::lost);
        let jitter = self.reception.as_ref().map_or(Duration::ZERO, jitter);
        Heard { lost, jitter, lasted: now.saturating_duration_since(self.began), ..self.heard }
    }

    /// The reception of this packet's source; a new source is a new stream.
    fn reception_of(&mut self, header: &Header, at: Instant) -> &mut Reception {
        if let Some(before) = self.reception.take_if(|reception| reception.ssrc() != header.ssrc) {
            self.heard.lost += before.lost();
            self.grid = None;
        }
        match &mut self.reception {
            Some(reception) => {
                reception.receive(header);
            }
            none => *none = Some(Reception::new(header, at)),
        }
        self.reception.as_mut().expect("it was made just now, where it was not there")
    }
}

fn jitter(reception: &Reception) -> Duration {
    Duration::from_secs_f64(reception.jitter_ms() / 1000.0)
}

/// The instants at which a stream's packets should come: those of its earliest packet, by the stream's own clock.
struct Grid {
    first: (Instant, u32),
    /// The least that a packet was off the first one's grid, in this span of time and in the one before.
    earliest: i64,
    earliest_before: i64,
    since: Instant,
}

impl Grid {
    fn new(first: &Header, at: Instant) -> Self {
        Self { first: (at, first.timestamp), earliest: 0, earliest_before: 0, since: at }
    }

    /// How late a packet is.
    fn late(&mut self, header: &Header, at: Instant) -> Duration {
        let mut off = self.off(header, at);
        if header.marker && (off - self.earliest).abs() > NEW_CLOCK_NANOS {
            *self = Self::new(header, at);
            off = 0;
        }
        if at.saturating_duration_since(self.since) >= GRID_FOR {
            (self.earliest_before, self.earliest, self.since) = (self.earliest, off, at);
        }
        self.earliest = self.earliest.min(off);
        Duration::from_nanos((off - self.earliest.min(self.earliest_before)).unsigned_abs())
    }

    /// How long after the first packet's grid.
    fn off(&self, header: &Header, at: Instant) -> i64 {
        let (first, timestamp) = self.first;
        let ticks = header.timestamp.wrapping_sub(timestamp).cast_signed();
        let nanos = at.saturating_duration_since(first).as_nanos() as i64;
        nanos - i64::from(ticks) * TICK_NANOS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp;

    const ORIGIN: Origin = Origin { ssrc: 7, sequence: 0, timestamp: 0 };

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    fn stream(script: &str, begin: Instant) -> Stream {
        let agreed = Negotiated {
            codec: sdp::Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            own: None,
            packet_time: Duration::from_millis(20),
            remote: "127.0.0.1:4000".parse().expect("an address"),
            remote_rtcp: "127.0.0.1:4001".parse().expect("an address"),
            sends: true,
            receives: true,
            keys: None,
        };
        Stream::new(ORIGIN, &agreed, script.parse().expect("a script"), begin)
    }

    fn packet(sequence: u16, timestamp: u32, marker: bool, payload: u8) -> Vec<u8> {
        let header = Header { payload_type: 0, marker, sequence, timestamp, ssrc: 9 };
        [&header.octets()[..], &[payload; 160]].concat()
    }

    #[test]
    fn losses_and_lateness_are_counted() {
        let zero = start();
        let mut stream = stream("", zero);
        let mut timings = Timings::default();
        // Number, and when it came: 2 comes 5 ms late, 4 never, 6 comes 70 ms late.
        for (number, ms) in [(0, 0), (1, 20), (2, 45), (3, 60), (5, 100), (6, 190), (7, 140)] {
            let datagram = packet(number, u32::from(number) * 160, number == 0, 0xFF);
            stream.receive(&datagram, zero + Duration::from_millis(ms), &mut timings);
        }
        stream.receive(&[0x80, 0], zero, &mut timings);
        let heard = stream.heard(zero + Duration::from_millis(200));
        assert_eq!((heard.received, heard.lost, heard.late, timings.received), (7, 1, 1, 7));
        assert_eq!(heard.lasted, Duration::from_millis(200));
        assert!(heard.jitter > Duration::from_millis(1) && heard.jitter < Duration::from_millis(20));
        assert!((heard.missing() - 0.25).abs() < 1e-9);
        assert_eq!(timings.pacing.max(), Some(70.0));
        assert_eq!(timings.pacing.quantile(0.7), Some(0.0));
    }

    #[test]
    fn the_grid_is_that_of_the_earliest_packet_and_follows_a_clock_that_runs_apart() {
        let zero = start();
        let mut stream = stream("", zero);
        let mut timings = Timings::default();
        // The first is 8 ms late; then a sender whose clock is slow by 100 parts in a million, for two minutes.
        stream.receive(&packet(0, 0, true, 0xFF), zero + Duration::from_millis(8), &mut timings);
        for number in 1..6000_u16 {
            let datagram = packet(number, u32::from(number) * 160, false, 0xFF);
            stream.receive(&datagram, zero + Duration::from_micros(20_002) * number.into(), &mut timings);
        }
        let largest = timings.pacing.max().expect("packets came");
        assert!((1.0..2.1).contains(&largest), "{largest} ms");
    }

    #[test]
    fn a_talkspurt_with_a_clock_of_its_own_is_not_late_and_a_new_source_is_no_loss() {
        let zero = start();
        let mut stream = stream("", zero);
        let mut timings = Timings::default();
        let at = |ms| zero + Duration::from_millis(ms);
        stream.receive(&packet(0, 0, true, 0xFF), at(0), &mut timings);
        stream.receive(&packet(1, 160, false, 0xFF), at(20), &mut timings);
        stream.receive(&packet(2, 4_000_000, true, 0xFF), at(40), &mut timings);
        stream.receive(&packet(3, 4_000_160, false, 0xFF), at(60), &mut timings);
        let mut other = packet(999, 77, false, 0xFF);
        other[11] = 10;
        stream.receive(&other, at(81), &mut timings);
        assert_eq!((stream.heard(at(100)).lost, timings.pacing.max()), (0, Some(0.0)));
    }

    #[test]
    fn a_call_that_heard_nothing_misses_everything() {
        let zero = start();
        assert!((stream("", zero).heard(zero).missing() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_script_waits_for_the_prompt_and_keys_go_out_as_events() {
        let zero = start();
        let mut stream = stream("prompt,5", zero);
        let mut timings = Timings::default();
        let mut sent = Vec::new();
        // Half a second of sound, then silence for two.
        for number in 0..125_u16 {
            let now = zero + Duration::from_millis(20) * number.into();
            let octet = if number < 25 { 0x10 } else { 0xFF };
            stream.receive(&packet(number, u32::from(number) * 160, false, octet), now, &mut timings);
            stream.follow_script(now);
            while let Some(datagram) = stream.poll_transmit(now) {
                sent.push(Packet::read(&datagram).expect("RTP").header.payload_type == 101);
            }
        }
        let first = sent.iter().position(|is_key| *is_key).expect("the key was pressed");
        assert!((59..62).contains(&first), "700 ms after the end of the sound, not at packet {first}");
        assert_eq!((sent.len(), sent.iter().filter(|is_key| **is_key).count()), (125, 8));
    }
}
