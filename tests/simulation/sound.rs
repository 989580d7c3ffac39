//! Sound over a link that loses, doubles, delays and reorders: a caller who talks and keys, and a media session.
//!
//! What must hold: a key of which any packet arrives is told exactly once, in the order in which the keys were pressed,
//! as long as no packet overtakes more than the pause between two keys; the figures say what the link did; and what the
//! session sends is moved by none of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portero::audio::Codec;
use portero::media::{DATAGRAM_LEN_MAX, Event, Figures, Origin, Parameters, Session};
use portero::rtp::{Header, KeyPress, Packet};
use portero::secret::Digit;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::link::Weather;

const MS: Duration = Duration::from_millis(1);
const PACKET_MS: u64 = 20;
/// The shortest pause between two keys. No two delays of a link here are further apart.
const PAUSE_MIN_MS: u64 = 80;
const AUDIO: u8 = 0;
const EVENTS: u8 = 101;

/// What came of a call's sound.
struct Outcome {
    /// The keys of which at least one packet arrived.
    pressed: String,
    told: String,
    figures: Figures,
    /// Packets of the caller's between the first and the last that arrived, and how many of those were lost.
    sent: u64,
    lost: u64,
    arrived: u64,
    lasted: Duration,
}

struct Caller {
    rng: StdRng,
    next: Header,
    now_ms: u64,
    /// Each packet with the time at which it was sent, and the number of the key that it is of.
    packets: Vec<(u64, Vec<u8>, Option<usize>)>,
    keys: Vec<Digit>,
    /// Whether nothing is sent while nobody speaks.
    suppresses_silence: bool,
}

impl Caller {
    fn new(mut rng: StdRng) -> Self {
        let next = Header {
            payload_type: AUDIO,
            marker: true,
            sequence: rng.random(),
            timestamp: rng.random(),
            ssrc: rng.random(),
        };
        Self { rng, next, now_ms: 0, packets: Vec::new(), keys: Vec::new(), suppresses_silence: false }
    }

    fn send(&mut self, header: Header, payload: &[u8], key: Option<usize>) {
        let datagram = [&header.octets()[..], payload].concat();
        self.packets.push((self.now_ms, datagram, key));
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.pass();
    }

    fn pass(&mut self) {
        self.now_ms += PACKET_MS;
        self.next.timestamp = self.next.timestamp.wrapping_add(PACKET_MS as u32 * 8);
        self.next.marker = false;
    }

    fn talk(&mut self, span_ms: u64) {
        for _ in 0..span_ms / PACKET_MS {
            if self.suppresses_silence && !self.packets.is_empty() {
                self.pass();
                self.next.marker = true;
            } else {
                self.send(self.next, &[0xD5; 160], None);
            }
        }
    }

    fn press(&mut self) {
        let digit = Digit::from_event(self.rng.random_range(0..16)).expect("0-15 are keys");
        let beginning = self.next.timestamp;
        let held = self.rng.random_range(40..300) * MS;
        for packet in KeyPress::new(digit, held) {
            let header =
                Header { payload_type: EVENTS, marker: packet.marker, timestamp: beginning, ..self.next };
            self.send(header, &packet.event.octets(), Some(self.keys.len()));
        }
        self.keys.push(digit);
        self.next.marker = true;
    }
}

fn parameters(remote: SocketAddr) -> Parameters {
    Parameters {
        codec: Codec::Pcmu,
        payload_type: AUDIO,
        telephone_event: Some(EVENTS),
        own: None,
        packet_time: PACKET_MS as u32 * MS,
        remote,
        remote_rtcp: remote,
        sends: true,
        receives: true,
        tones: false,
        keys: None,
    }
}

/// A call in which so many keys are pressed, with pauses between them, and after that there is talk for so long.
fn run(seed: u64, weather: Weather, keys: usize, talks_ms: u64) -> Outcome {
    let mut caller = Caller::new(StdRng::seed_from_u64(seed));
    caller.suppresses_silence = talks_ms == 0 && seed.is_multiple_of(4);
    for _ in 0..keys {
        let pause = caller.rng.random_range(PAUSE_MIN_MS..500);
        caller.talk(pause.next_multiple_of(PACKET_MS));
        caller.press();
    }
    caller.talk(talks_ms);
    let (least, most) = weather.delay_ms;
    let mut arrivals = Vec::new();
    for (number, (at, ..)) in caller.packets.iter().enumerate() {
        for _ in 0..=usize::from(caller.rng.random_bool(weather.duplication)) {
            if !caller.rng.random_bool(weather.loss) {
                // In tenths of a millisecond: jitter is finer than a millisecond.
                let delay = caller.rng.random_range(least * 10..=most * 10);
                arrivals.push((at * 10 + delay, number));
            }
        }
    }
    arrivals.sort_unstable();
    listen(seed, &caller, &arrivals)
}

fn listen(seed: u64, caller: &Caller, arrivals: &[(u64, usize)]) -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    let zero = Instant::now();
    let remote: SocketAddr = ([192, 0, 2, 1], 4000).into();
    let origin = Origin { ssrc: 5, sequence: 1, timestamp: 2, cname: "a@b".to_owned(), seed };
    let mut session = Session::new(origin, parameters(remote), zero);
    let mut told = String::new();
    for (at, number) in arrivals {
        let now = zero + Duration::from_micros(at * 100);
        send_until(&mut session, now);
        session.receive(remote, &caller.packets[*number].1, now);
        while let Some(event) = session.poll_event() {
            if let Event::Digit(digit) = event {
                told.push(digit.expose());
            }
        }
    }
    let lasted = Duration::from_micros(arrivals.last().map_or(0, |(at, _)| at * 100));
    let mut came: Vec<usize> = arrivals.iter().map(|(_, number)| *number).collect();
    let arrived = came.len() as u64;
    came.sort_unstable();
    came.dedup();
    let sent = came.last().zip(came.first()).map_or(0, |(last, first)| (last - first + 1) as u64);
    let mut pressed: Vec<usize> = came.iter().filter_map(|number| caller.packets[*number].2).collect();
    pressed.dedup();
    Outcome {
        pressed: pressed.iter().map(|key| caller.keys[*key].expose()).collect(),
        told,
        figures: session.figures(),
        sent,
        lost: sent - came.len() as u64,
        arrived,
        lasted,
    }
}

/// Lets time pass; whatever leaves is of one unbroken stream.
fn send_until(session: &mut Session, now: Instant) {
    let mut room = [0; DATAGRAM_LEN_MAX];
    while session.next_due() <= now {
        let due = session.next_due();
        while let Some(outgoing) = session.tick(due, &mut room) {
            assert!(Packet::read(outgoing.datagram).is_some(), "well-formed");
        }
    }
}

fn weathers(seed: u64) -> Weather {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x50FA);
    let spread = rng.random_range(0..PAUSE_MIN_MS);
    Weather {
        loss: [0.0, 0.01, 0.1, 0.4, 0.7][rng.random_range(0..5)],
        duplication: [0.0, 0.0, 0.05, 0.3][rng.random_range(0..4)],
        delay_ms: (20, 20 + spread),
    }
}

#[test]
fn no_key_is_lost_or_doubled_by_a_link_that_lets_one_packet_of_it_through() {
    let (mut keys, mut unheard) = (0, 0);
    for seed in super::seeds() {
        let outcome = run(seed, weathers(seed), 12, 0);
        assert_eq!(outcome.told, outcome.pressed, "seed {seed}");
        assert_eq!(outcome.figures.packets_received, outcome.arrived, "seed {seed}");
        let slots = outcome.lasted.as_millis() as u64 / PACKET_MS + 1;
        assert_eq!(outcome.figures.packets_sent, slots, "seed {seed}: what leaves keeps its pace");
        keys += outcome.pressed.len();
        unheard += 12 - outcome.pressed.len();
    }
    if std::env::var("PORTERO_SEED").is_err() {
        // Rich enough to be worth running: most keys came, and some had all of their packets lost.
        assert!(keys > 3000 && unheard > 0, "{keys} keys, {unheard} unheard");
    }
}

#[test]
fn losses_are_counted_as_they_were() {
    for seed in super::seeds() {
        let weather = weathers(seed);
        let weather = Weather { loss: weather.loss.min(0.4), ..weather };
        let Outcome { figures, sent, lost, arrived, .. } = run(seed, weather, 6, 5000);
        // RFC 3550 §6.4.1: copies make up for losses. A source counts from the second of two packets in sequence
        // (A.1), which it takes the longer to show the more are lost and swapped.
        let truth = sent.saturating_sub(arrived);
        let off = figures.packets_lost.abs_diff(truth);
        assert!(off <= 12 + lost / 10, "seed {seed}: {} of {sent}, not {truth}", figures.packets_lost);
    }
}

/// Delays that are evenly spread over D differ from one packet to the next by D/3 on average (RFC 3550 A.8).
#[test]
fn jitter_is_near_what_it_was() {
    for spread_ms in [0, 10, 30, 60] {
        let weather = Weather { loss: 0.02, duplication: 0.0, delay_ms: (20, 20 + spread_ms) };
        let jitters: Vec<f64> = (0..100).map(|seed| run(seed, weather, 0, 4000).figures.jitter_ms).collect();
        let mean = jitters.iter().sum::<f64>() / jitters.len() as f64;
        let truth = spread_ms as f64 / 3.0;
        assert!((mean - truth).abs() <= truth * 0.15, "{mean} ms on average, not {truth}");
        assert!(jitters.iter().all(|jitter| (jitter - truth).abs() <= truth * 0.7), "{truth}: {jitters:?}");
    }
}
