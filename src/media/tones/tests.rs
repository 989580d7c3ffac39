//! Tones at the limits of Q.24 and past them, and speech without a single one.

use std::f64::consts::TAU;

use super::*;
use crate::audio::Law;

/// A key as it may come.
#[derive(Clone, Copy)]
struct Press {
    key: char,
    on_ms: usize,
    off_ms: usize,
    /// Deviations of both frequencies.
    off_by: (f64, f64),
    /// How much stronger the higher tone is, in dB.
    twist_db: f64,
    /// Of the stronger one, below full scale.
    level_db: f64,
    /// How far noise is below the tones, in dB.
    signal_to_noise_db: f64,
}

const PLAIN: Press = Press {
    key: '5',
    on_ms: 50,
    off_ms: 50,
    off_by: (0.0, 0.0),
    twist_db: 0.0,
    level_db: -12.0,
    signal_to_noise_db: 60.0,
};

/// A stream of samples that presses are put into.
struct Line {
    samples: Vec<f64>,
    random: u64,
}

impl Line {
    fn new() -> Self {
        Self { samples: vec![0.0; 333], random: 1 }
    }

    /// Near enough to a normal distribution of variance 1.
    fn noise(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..12 {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        }
        sum - 6.0
    }

    fn press(&mut self, press: Press) {
        let place = KEYS.iter().flatten().position(|key| *key == press.key).expect("a key");
        let low = f64::from(FREQUENCIES[place / 4]) * (1.0 + press.off_by.0);
        let high = f64::from(FREQUENCIES[place % 4 + 4]) * (1.0 + press.off_by.1);
        let decibels = |db: f64| 10.0_f64.powf(db / 20.0);
        let strong = decibels(press.level_db);
        let (of_low, of_high) = if press.twist_db < 0.0 {
            (strong, strong * decibels(press.twist_db))
        } else {
            (strong * decibels(-press.twist_db), strong)
        };
        let power = f64::midpoint(of_low.powi(2), of_high.powi(2));
        let deviation = power.sqrt() * decibels(-press.signal_to_noise_db);
        for at in 0..(press.on_ms + press.off_ms) * 8 {
            let noise = self.noise() * deviation;
            let time = at as f64 / 8000.0;
            let on = at < press.on_ms * 8;
            let tone = of_low * (TAU * low * time).sin() + of_high * (TAU * high * time + 0.7).sin();
            self.samples.push(if on { tone + noise } else { noise });
        }
    }

    /// The samples as G.711 brings them.
    fn companded(&self) -> Vec<i16> {
        self.companded_by(Law::Mu)
    }

    fn companded_by(&self, law: Law) -> Vec<i16> {
        let full =
            |sample: f64| law.decode(law.encode((sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16));
        self.samples.iter().map(|sample| full(*sample)).collect()
    }

    fn heard(&self) -> String {
        heard(&self.companded())
    }
}

fn heard(samples: &[i16]) -> String {
    let mut detector = ToneDetector::new();
    let mut keys = String::new();
    for (packet, samples) in samples.chunks(160).enumerate() {
        detector.hear(packet as u32 * 160, samples.iter().copied(), |digit| keys.push(digit.expose()));
    }
    keys
}

/// Every key with these properties, at eight beginnings within a hop.
fn all_keys(with: Press) -> (String, String) {
    let mut line = Line::new();
    let mut sent = String::new();
    for beginning in 0..8 {
        line.samples.extend([0.0; 400]);
        line.samples.extend(vec![0.0; beginning * 5]);
        for key in KEYS.into_iter().flatten() {
            line.press(Press { key, ..with });
            sent.push(key);
        }
    }
    (line.heard(), sent)
}

#[test]
fn what_q24_and_the_field_ask_for_is_heard() {
    let table = [
        ("plain", PLAIN),
        ("40 ms with gaps of 50 ms", Press { on_ms: 40, ..PLAIN }),
        ("40 ms with gaps of 40 ms", Press { on_ms: 40, off_ms: 40, ..PLAIN }),
        ("long", Press { on_ms: 2000, off_ms: 70, ..PLAIN }),
        ("both 1.5 % up", Press { on_ms: 40, off_by: (0.015, 0.015), ..PLAIN }),
        ("both 1.5 % down", Press { on_ms: 40, off_by: (-0.015, -0.015), ..PLAIN }),
        ("1.5 % apart", Press { on_ms: 40, off_by: (-0.015, 0.015), ..PLAIN }),
        ("the higher 8 dB stronger", Press { on_ms: 40, twist_db: 8.0, ..PLAIN }),
        ("the lower 8 dB stronger", Press { on_ms: 40, twist_db: -8.0, ..PLAIN }),
        ("15 dB above noise", Press { on_ms: 40, signal_to_noise_db: 15.0, ..PLAIN }),
        (
            "all limits at once",
            Press {
                on_ms: 40,
                off_by: (0.015, -0.015),
                twist_db: -4.0,
                signal_to_noise_db: 15.0,
                level_db: -20.0,
                ..PLAIN
            },
        ),
        (
            "all limits at once, the other way round",
            Press {
                on_ms: 40,
                off_by: (-0.015, 0.015),
                twist_db: 8.0,
                signal_to_noise_db: 15.0,
                level_db: -20.0,
                ..PLAIN
            },
        ),
        ("loud", Press { on_ms: 40, level_db: -6.1, ..PLAIN }),
        ("weak", Press { on_ms: 40, level_db: -34.0, ..PLAIN }),
    ];
    for (name, press) in table {
        let (heard, sent) = all_keys(press);
        assert_eq!(heard, sent, "{name}");
    }
}

/// Every way in which both frequencies may be off, at every level, by either law of G.711.
#[test]
fn deviations_levels_and_laws_do_not_matter_to_each_other() {
    let deviations = [-0.015, 0.0, 0.015];
    for off_by in deviations.into_iter().flat_map(|low| deviations.map(|high| (low, high))) {
        for level_db in [-6.1, -16.0, -25.0, -34.0] {
            let mut line = Line::new();
            for key in "159D*0#".chars() {
                line.press(Press { key, on_ms: 40, off_by, level_db, ..PLAIN });
            }
            for law in [Law::Mu, Law::A] {
                let keys = heard(&line.companded_by(law));
                assert_eq!(keys, "159D*0#", "{off_by:?}, {level_db} dB, {law:?}");
            }
        }
    }
}

/// However the stream is cut into packets.
#[test]
fn packets_of_any_length_hold_the_same_keys() {
    let mut line = Line::new();
    "4711#".chars().for_each(|key| line.press(Press { key, on_ms: 40, ..PLAIN }));
    let samples = line.companded();
    for length in [1, 80, 160, 240, 320, 480] {
        let mut detector = ToneDetector::new();
        let (mut keys, mut timestamp) = (String::new(), 0);
        for samples in samples.chunks(length) {
            detector.hear(timestamp, samples.iter().copied(), |digit| keys.push(digit.expose()));
            timestamp += samples.len() as u32;
        }
        assert_eq!(keys, "4711#", "packets of {length}");
    }
}

/// Tones that a line has beside keys: for two seconds each, of equal strength, and going on and off.
#[test]
fn the_tones_of_the_network_are_no_keys() {
    let table: [(&str, &[f64]); 12] = [
        ("a dial tone", &[350.0, 440.0]),
        ("a European one", &[425.0]),
        ("ringing", &[440.0, 480.0]),
        ("busy", &[480.0, 620.0]),
        ("no such number", &[950.0, 1400.0, 1800.0]),
        ("a fax that calls", &[1100.0]),
        ("a fax that answers", &[2100.0]),
        ("a modem", &[1270.0, 2225.0]),
        ("two rows", &[697.0, 770.0]),
        ("two columns", &[1209.0, 1336.0]),
        ("two keys at once", &[697.0, 1209.0, 1477.0]),
        ("a call waits", &[440.0]),
    ];
    for (name, frequencies) in table {
        for on_ms in [40, 100, 500, 2000] {
            let sample = |at: usize| {
                let time = at as f64 / 8000.0;
                let on = at / 8 % (on_ms + 50) < on_ms;
                let sum: f64 = frequencies.iter().map(|frequency| (TAU * frequency * time).sin()).sum();
                if on { 0.25 * sum } else { 0.0 }
            };
            let line = Line { samples: (0..16_000).map(sample).collect(), random: 1 };
            assert_eq!(line.heard(), "", "{name}, {on_ms} ms on");
        }
    }
}

#[test]
fn what_is_no_key_is_not_heard() {
    let table = [
        ("the lower 3.5 % up", Press { off_by: (0.035, 0.0), ..PLAIN }),
        ("the lower 3.5 % down", Press { off_by: (-0.035, 0.0), ..PLAIN }),
        ("the higher 3.5 % up", Press { off_by: (0.0, 0.035), ..PLAIN }),
        ("the higher 3.5 % down", Press { off_by: (0.0, -0.035), ..PLAIN }),
        ("20 ms", Press { on_ms: 20, ..PLAIN }),
        ("one tone alone", Press { twist_db: 40.0, ..PLAIN }),
        ("the other alone", Press { twist_db: -40.0, ..PLAIN }),
        ("all but nothing", Press { level_db: -55.0, ..PLAIN }),
        ("in as much noise", Press { signal_to_noise_db: 0.0, ..PLAIN }),
        ("both 3.5 % up", Press { off_by: (0.035, 0.035), ..PLAIN }),
        ("both 3.5 % down", Press { off_by: (-0.035, -0.035), ..PLAIN }),
        ("3.5 % apart", Press { off_by: (-0.035, 0.035), ..PLAIN }),
        ("the lower 3.5 % up, and long", Press { on_ms: 500, off_by: (0.035, 0.0), ..PLAIN }),
    ];
    for (name, press) in table {
        assert_eq!(all_keys(press).0, "", "{name}");
    }
}

#[test]
fn a_drop_out_makes_no_second_key() {
    let mut line = Line::new();
    line.press(Press { on_ms: 200, ..PLAIN });
    for at in 1200..1280 {
        line.samples[at] = 0.0;
    }
    assert_eq!(line.heard(), "5");
}

#[test]
fn a_lost_packet_makes_no_second_key_and_a_late_one_is_not_heard() {
    let mut line = Line::new();
    line.press(Press { on_ms: 200, ..PLAIN });
    line.press(Press { key: '7', ..PLAIN });
    let samples = line.companded();
    let mut detector = ToneDetector::new();
    let mut keys = String::new();
    let mut hear = |packet: usize| {
        let samples = samples[packet * 160..].iter().take(160).copied().collect::<Vec<_>>();
        detector.hear(packet as u32 * 160, samples.into_iter(), |digit| keys.push(digit.expose()));
    };
    for packet in [0, 1, 2, 3, 4, 5, 7, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] {
        hear(packet);
    }
    assert_eq!(keys, "57");
}

#[test]
fn after_a_long_gap_it_begins_anew() {
    let mut line = Line::new();
    line.press(Press { on_ms: 60, ..PLAIN });
    let samples = line.companded();
    let mut detector = ToneDetector::new();
    let mut keys = String::new();
    for beginning in [0, 500_000, u32::MAX - 300] {
        let mut timestamp = beginning;
        for samples in samples.chunks(160) {
            detector.hear(timestamp, samples.iter().copied(), |digit| keys.push(digit.expose()));
            timestamp = timestamp.wrapping_add(160);
        }
    }
    assert_eq!(keys, "555");
}

/// An hour of the voices that speak our prompts, at speeds from 0.75 to 1.3, which moves their pitch along.
#[test]
fn an_hour_of_speech_holds_no_key() {
    let mut spoken = Vec::new();
    let prompts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let mut paths: Vec<_> = ["en", "de"]
        .iter()
        .flat_map(|language| std::fs::read_dir(prompts.join(language)).expect("the recordings are there"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "toml"))
        .collect();
    paths.sort();
    for path in paths {
        let bytes = std::fs::read(path).expect("a recording");
        let samples = crate::audio::read_recording(&bytes).expect("a recording").samples;
        // From 16 000 to 8000 Hz by the mean of two, which leaves more above 4000 Hz than it should: no help.
        spoken.extend(samples.chunks_exact(2).map(|pair| f32::midpoint(pair[0], pair[1]) * 32_768.0));
    }
    let mut detector = ToneDetector::new();
    let (mut timestamp, mut keys, mut variation) = (0_u32, 0, 0);
    while timestamp < 3600 * 8000 {
        let speed = 0.75 + 0.011 * (variation % 50) as f32;
        let gain = [1.0, 0.5, 0.2, 1.5][variation % 4];
        let length = (spoken.len() as f32 / speed) as usize - 1;
        let samples: Vec<i16> = (0..length)
            .map(|at| {
                let place = at as f32 * speed;
                let (whole, part) = (place as usize, place.fract());
                let sample = spoken[whole] * (1.0 - part) + spoken.get(whole + 1).unwrap_or(&0.0) * part;
                (sample * gain) as i16
            })
            .collect();
        detector.hear(timestamp, samples.iter().copied(), |_| keys += 1);
        timestamp += length as u32;
        variation += 1;
    }
    assert_eq!(keys, 0);
}
