//! Frames as a session passes them, and what is left of them: everything but the keys.

use std::f64::consts::TAU;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::audio::Prompt;
use crate::media::tape::{Head, tape};

const FREQUENCIES: [f64; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    Instant::now()
}

fn signed(count: usize) -> i64 {
    count.cast_signed() as i64
}

/// A recording under way: a session's writing end, and what has been written.
struct Desk {
    zero: Instant,
    head: Head,
    frames: Receiver<Frame>,
    reel: Reel,
    codec: Codec,
    written: Vec<[i16; 2]>,
}

/// What the caller's timestamps begin with: they wrap soon.
const THEIRS: u32 = u32::MAX - 5000;

impl Desk {
    fn new(codec: Codec) -> Self {
        let zero = start();
        let (tape, frames) = tape();
        let head = Head::new(tape, zero);
        Self { zero, head, frames, reel: Reel::new(codec), codec, written: Vec::new() }
    }

    fn at(&self, tick: i64) -> Instant {
        self.zero + Duration::from_micros(u64::try_from(tick).expect("not before the beginning") * 125)
    }

    /// A packet that was spoken at this tick, and comes 40 ms after its last sample.
    fn hear(&mut self, tick: i64, octets: &[u8]) {
        self.hear_late(tick, octets, ms(40));
    }

    fn hear_late(&mut self, tick: i64, octets: &[u8], delay: i64) {
        let now = self.at(tick + signed(octets.len()) + delay);
        self.head.heard(self.codec, THEIRS.wrapping_add(tick as u32), octets, now);
        self.take();
    }

    fn say(&mut self, tick: i64, octets: &[u8]) {
        let due = self.at(tick);
        self.head.said(self.codec, due, octets);
        self.take();
    }

    fn take(&mut self) {
        while let Ok(frame) = self.frames.try_recv() {
            self.reel.take(&frame, &mut |block| self.written.extend_from_slice(block));
        }
    }

    /// Both sides: the caller's and ours.
    fn finish(mut self) -> (Vec<i16>, Vec<i16>) {
        self.take();
        self.reel.finish(&mut |block| self.written.extend_from_slice(block));
        self.written.iter().map(|[caller, portero]| (*caller, *portero)).unzip()
    }

    /// Hears all of this from tick 0 on, in packets of 20 ms, with silence of ours beside it.
    fn hear_all(&mut self, octets: &[u8]) {
        for (packet, octets) in octets.chunks(160).enumerate() {
            let tick = signed(packet) * 160;
            self.say(tick, &[self.codec.silence(); 160]);
            self.hear(tick, octets);
        }
    }
}

/// Something like speech at these ticks, which is no key: three voices and a little noise.
fn voice(tick: i64) -> f64 {
    let time = tick as f64 / 8000.0;
    let swell = 0.6 + 0.4 * (TAU * 3.0 * time).sin();
    let voices = [(180.0, 2500.0), (1050.0, 1800.0), (2400.0, 900.0)];
    swell * voices.iter().map(|(hertz, level)| level * (TAU * hertz * time).sin()).sum::<f64>()
}

fn key_tone(key: char, tick: i64, level: f64) -> f64 {
    let place = "123A456B789C*0#D".find(key).expect("a key");
    let time = tick as f64 / 8000.0;
    let [low, high] = [FREQUENCIES[place / 4], FREQUENCIES[4 + place % 4]];
    level * ((TAU * low * time).sin() + (TAU * high * time + 0.9).sin())
}

fn encoded(codec: Codec, ticks: i64, sample: impl Fn(i64) -> f64) -> Vec<u8> {
    let narrow: Vec<i16> = (0..ticks).map(|tick| sample(tick) as i16).collect();
    let wide: Vec<i16> = narrow
        .iter()
        .zip(narrow.iter().skip(1).chain([&0]))
        .flat_map(|(now, next)| [*now, i16::midpoint(*now, *next)])
        .collect();
    Prompt::new(&narrow, Some(&wide)).octets(codec).to_vec()
}

fn decoded(codec: Codec, octets: &[u8]) -> Vec<i16> {
    let mut decoder = G722Decoder::default();
    let samples = octets.iter().flat_map(|&octet| match codec {
        Codec::Pcmu => vec![Law::Mu.decode(octet)],
        Codec::Pcma => vec![Law::A.decode(octet)],
        Codec::G722 => decoder.decode(octet).to_vec(),
        Codec::Opus => unreachable!("no octet of it is a sample"),
    });
    samples.collect()
}

/// At which ticks there is anything of two tones of the keypad, and nothing else, by Goertzel in windows of 12 ms:
/// a stricter ear than the detector.
fn tone_ticks(samples: &[i16]) -> Vec<i64> {
    const WINDOW: usize = 96;
    let power = |window: &[i16], hertz: f64| {
        let coefficient = 2.0 * (TAU * hertz / 8000.0).cos();
        let (mut last, mut before) = (0.0, 0.0);
        for &sample in window {
            (last, before) = (f64::from(sample) + coefficient * last - before, last);
        }
        (last * last + before * before - coefficient * last * before) * 2.0 / WINDOW as f64
    };
    let is_tone = |window: &[i16]| {
        let energy: f64 = window.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        let best = |group: &[f64]| group.iter().map(|hertz| power(window, *hertz)).fold(0.0, f64::max);
        let (low, high) = (best(&FREQUENCIES[..4]), best(&FREQUENCIES[4..]));
        energy > 96.0 * 100.0 && low + high > 0.8 * energy && low > 0.1 * energy && high > 0.1 * energy
    };
    let windows = samples.windows(WINDOW).enumerate().step_by(16);
    windows.filter(|(_, window)| is_tone(window)).map(|(tick, _)| signed(tick)).collect()
}

/// Whether a side is what was sent from one tick to another.
fn is_as_sent(side: &[i16], sent: &[i16], from: i64, to: i64, delay: i64) -> bool {
    let (from, to, delay) = (from as usize, to as usize, delay as usize);
    side[from + delay..to + delay] == sent[from..to]
}

#[test]
fn both_sides_are_there_sample_for_sample() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        let mut desk = Desk::new(codec);
        let width = if codec == Codec::G722 { 2 } else { 1 };
        let ours = encoded(codec, 16_000, |tick| key_tone('5', tick, 5000.0));
        let theirs = encoded(codec, 16_000, voice);
        for (packet, (ours, theirs)) in ours.chunks(160).zip(theirs.chunks(160)).enumerate() {
            desk.say(signed(packet) * 160, ours);
            desk.hear(signed(packet) * 160, theirs);
        }
        assert_eq!(desk.reel.sample_rate(), 8000 * width);
        let (caller, portero) = desk.finish();
        let (ours, theirs) = (decoded(codec, &ours), decoded(codec, &theirs));
        assert_eq!(portero[..ours.len()], ours, "{codec:?}");
        let delay = (ms(40) as u32 * width) as usize;
        assert!(caller[..delay].iter().all(|sample| *sample == 0));
        assert_eq!(caller[delay..delay + theirs.len()], theirs, "{codec:?}");
    }
}

#[test]
fn what_is_missing_is_silence_and_what_comes_in_disorder_is_put_right() {
    let mut desk = Desk::new(Codec::Pcma);
    let sound = encoded(Codec::Pcma, 32_000, voice);
    let packet = |number: i64| &sound[number as usize * 160..][..160];
    for number in 0..200_i64 {
        desk.say(number * 160, packet(number));
        match number {
            20 | 50 => {}
            31..40 => desk.hear((70 - number) * 160, packet(70 - number)),
            65 => {
                desk.hear_late(50 * 160, packet(50), ms(330));
                desk.hear(65 * 160, packet(65));
            }
            _ => desk.hear(number * 160, packet(number)),
        }
    }
    let (caller, _) = desk.finish();
    let sent = decoded(Codec::Pcma, &sound);
    let delay = ms(40);
    assert!(is_as_sent(&caller, &sent, 0, 20 * 160, delay));
    for lost in [20, 50] {
        assert!(caller[(lost * 160 + 320) as usize..][..160].iter().all(|sample| *sample == 0), "{lost}");
    }
    assert!(is_as_sent(&caller, &sent, 21 * 160, 50 * 160, delay));
    assert!(is_as_sent(&caller, &sent, 51 * 160, 200 * 160, delay));
}

#[test]
fn a_long_pause_is_as_long_in_the_recording() {
    let mut desk = Desk::new(Codec::Pcmu);
    let sound = encoded(Codec::Pcmu, 160, voice);
    desk.say(0, &sound);
    desk.hear(0, &sound);
    let later = 60 * 8000;
    desk.say(later, &sound);
    desk.hear(later, &sound);
    let (caller, portero) = desk.finish();
    assert_eq!(portero[later as usize..][..160], decoded(Codec::Pcmu, &sound));
    assert!(portero[160..later as usize].iter().all(|sample| *sample == 0));
    let heard: Vec<usize> = (0..caller.len()).filter(|at| caller[*at] != 0).collect();
    assert_eq!(
        (heard.first(), heard.last().map(|at| at / 400)),
        (Some(&321), Some((later as usize + 479) / 400))
    );
}

/// A call in which a key is held between two ticks: what is sent, and what is left of the caller. Around the key its
/// sender is silent for 20 ms.
fn with_key(codec: Codec, key: char, (from, to): (i64, i64), level: f64) -> (Vec<i16>, Vec<i16>) {
    let sound = encoded(codec, to + ms(300), |tick| match tick {
        _ if (from..to).contains(&tick) => key_tone(key, tick, level),
        _ if (from - ms(20)..to + ms(20)).contains(&tick) => 0.0,
        _ => voice(tick),
    });
    let mut desk = Desk::new(codec);
    desk.hear_all(&sound);
    (decoded(codec, &sound), desk.finish().0)
}

fn narrow(codec: Codec, samples: &[i16]) -> Vec<i16> {
    match codec {
        Codec::G722 => samples.chunks_exact(2).map(|pair| i16::midpoint(pair[0], pair[1])).collect(),
        _ => samples.to_vec(),
    }
}

#[test]
fn no_tone_is_left_and_speech_around_it_is() {
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722];
    for (held, beginning) in [(40, 0), (40, 37), (40, 111), (100, 80), (700, 2)] {
        for (level, key) in [(60.0, '5'), (300.0, '1'), (3000.0, 'D'), (12_000.0, '#')] {
            let codec = codecs[(held + beginning) as usize % 3];
            let span = (ms(300) + beginning, ms(300) + beginning + ms(held));
            let what = format!("{codec:?} {key} held for {held} ms from {beginning} at {level}");
            let (sent, left) = with_key(codec, key, span, level);
            assert!(!tone_ticks(&narrow(codec, &sent)).is_empty(), "{what}: the ear of this test hears it");
            assert_eq!(tone_ticks(&narrow(codec, &left)), [0_i64; 0], "{what}");
            let width = if codec == Codec::G722 { 2 } else { 1 };
            let (before, after) = (span.0 - ms(150), span.1 + ms(150));
            assert!(is_as_sent(&left, &sent, ms(50) * width, before * width, ms(40) * width), "{what}");
            assert!(
                is_as_sent(&left, &sent, after * width, (span.1 + ms(300)) * width, ms(40) * width),
                "{what}"
            );
        }
    }
}

/// What a caller's side is by ear of somebody who knows it to be `voice` all along: whether it is silent from one tick
/// to another, and as it was sent before and behind.
fn is_silent_just(left: &[i16], sent: &[i16], from: i64, to: i64) -> bool {
    let delay = ms(40);
    left[(from + delay) as usize..(to + delay) as usize].iter().all(|sample| *sample == 0)
        && is_as_sent(left, sent, ms(10), from - ms(10), delay)
        && is_as_sent(left, sent, to + ms(10), signed(sent.len()), delay)
}

/// Three seconds of voice, during which `meanwhile` is told before the packet of each tick.
fn voice_with(mut meanwhile: impl FnMut(&mut Desk, i64)) -> (Vec<i16>, Vec<i16>) {
    let mut desk = Desk::new(Codec::Pcmu);
    let sound = encoded(Codec::Pcmu, ms(3000), voice);
    for (tick, octets) in (0..).step_by(160).zip(sound.chunks(160)) {
        desk.say(tick, &[Codec::Pcmu.silence(); 160]);
        meanwhile(&mut desk, tick);
        desk.hear(tick, octets);
    }
    (decoded(Codec::Pcmu, &sound), desk.finish().0)
}

#[test]
fn an_event_silences_what_is_around_it_whatever_the_audio_holds() {
    // Held from 1400 to 1500 ms; the packets come as late as those of audio do.
    let (began, held) = (ms(1400), ms(100));
    let (sent, left) = voice_with(|desk, tick| {
        if (began..began + held).contains(&tick) {
            let duration = (tick - began + 160) as u16;
            let now = desk.at(tick + 160 + ms(40));
            desk.head.keyed(Codec::Pcmu, THEIRS.wrapping_add(began as u32), duration, now);
        }
    });
    // Its arrival counts as well as its timestamp, so that a gateway that stamps events oddly leaks nothing either.
    let (from, to) = (began - AROUND_EVENT, began + held + AROUND_EVENT);
    assert!(is_silent_just(&left, &sent, from, to), "{:?}", silence_of(&left));
}

#[test]
fn an_event_of_an_odd_timestamp_silences_where_it_came() {
    let (sent, left) = voice_with(|desk, tick| {
        if tick == ms(1400) {
            let now = desk.at(tick + ms(40));
            desk.head.keyed(Codec::Pcmu, 0x7777_7777, 800, now);
        }
    });
    let (from, to) = (ms(1400) - AROUND_EVENT, ms(1400) + 800 + AROUND_EVENT);
    assert!(is_silent_just(&left, &sent, from, to), "{:?}", silence_of(&left));
}

#[test]
fn a_key_by_info_silences_what_may_have_been_its_tone() {
    let (sent, left) = voice_with(|desk, tick| {
        if tick == ms(1400) {
            let now = desk.at(tick + ms(40));
            desk.head.told(Codec::Pcmu, now);
        }
    });
    let (from, to) = (ms(1400) - BEFORE_TOLD, ms(1400) + AFTER_TOLD);
    assert!(is_silent_just(&left, &sent, from, to), "{:?}", silence_of(&left));
}

#[test]
fn while_a_secret_is_asked_for_the_caller_is_silent() {
    let (sent, left) = voice_with(|desk, tick| match tick {
        _ if tick == ms(1000) => desk.head.conceal(true),
        _ if tick == ms(2000) => desk.head.conceal(false),
        _ => {}
    });
    // The first frame of it is our packet of 1020 ms, the last one the caller's of 1980 ms, which comes at 2040 ms. What
    // comes at one moment was spoken 40 ms before.
    let (from, to) = (ms(1020 - 40) - BEFORE_SECRET, ms(2040 - 40) + AFTER_SECRET);
    assert!(is_silent_just(&left, &sent, from, to), "{:?}", silence_of(&left));
}

#[test]
fn frames_that_were_lost_may_have_told_of_a_key() {
    let (sent, left) = voice_with(|desk, tick| {
        if tick == ms(1400) {
            // Nobody reads for more than a tape holds.
            for _ in 0..400 {
                desk.head.keyed(Codec::Pcmu, 0, 0, desk.zero);
            }
            let lost = desk.frames.try_iter().count();
            assert!(lost < 400);
        }
    });
    // All that was held is gone: nobody knows which key pressed when was among them.
    let silent = silence_of(&left);
    assert!(silent.start <= ms(500) && silent.end >= ms(1400), "{silent:?}");
    assert!(is_as_sent(&left, &sent, ms(2500), ms(3000), ms(40)));
}

/// From the first to the last tick of at least 5 ms of silence, but for what is before the caller's first packet.
fn silence_of(samples: &[i16]) -> Range<i64> {
    let silent: Vec<i64> = (ms(60)..signed(samples.len()) - BLOCK)
        .filter(|tick| samples[*tick as usize..][..BLOCK as usize].iter().all(|sample| *sample == 0))
        .collect();
    silent.first().copied().unwrap_or(0)..silent.last().copied().unwrap_or(0) + BLOCK
}

/// The share of blocks of the prompts' voice that are silenced though there is no key in them.
#[test]
fn speech_is_hardly_ever_taken_for_a_key() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en");
    let mut spoken = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the recordings are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "wav") {
            let bytes = std::fs::read(path).expect("a recording");
            let mut reader = hound::WavReader::new(&bytes[..]).expect("a recording");
            let samples: Vec<i32> =
                reader.samples::<i16>().map(|sample| i32::from(sample.expect("a sample"))).collect();
            spoken.extend(
                samples.chunks_exact(2).map(|pair| Law::Mu.encode(i32::midpoint(pair[0], pair[1]) as i16)),
            );
        }
    }
    let mut desk = Desk::new(Codec::Pcmu);
    desk.hear_all(&spoken);
    let (caller, _) = desk.finish();
    let sent = decoded(Codec::Pcmu, &spoken);
    let differs = sent.iter().zip(&caller[320..]).filter(|(sent, caller)| sent != caller).count();
    let share = differs as f64 / sent.len() as f64;
    assert!(share < 0.02, "{share} of {} s", sent.len() / 8000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_frames_make_it_panic_or_grow(
        packets in proptest::collection::vec((0_u8..4, any::<u32>(), 0_usize..600, 0_i64..2000, any::<bool>()), 0..40),
    ) {
        let mut desk = Desk::new(Codec::G722);
        let mut now = 0;
        for (kind, timestamp, length, passed, concealed) in packets {
            now += passed;
            let at = desk.at(now);
            desk.head.conceal(concealed);
            match kind {
                0 => desk.head.heard(Codec::Pcmu, timestamp, &vec![3; length], at),
                1 => desk.head.keyed(Codec::G722, timestamp, length as u16 * 99, at),
                2 => desk.head.told(Codec::G722, at),
                _ => desk.head.said(Codec::G722, at, &vec![3; length.min(480)]),
            }
            desk.take();
        }
        let (caller, portero) = desk.finish();
        prop_assert_eq!(caller.len(), portero.len());
        prop_assert!(signed(caller.len()) <= (now + SPAN + DELAY) * 2);
    }
}
