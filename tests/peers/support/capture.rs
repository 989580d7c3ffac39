//! Captures of what a caller's telephone sends, for SIPp to play: G.711 audio with telephone-events in it.
//!
//! Written from the RFCs (3550 §5.1, 4733 §2.3) apart from the code under test, which must not be the one to say
//! what a good event is.

use std::f64::consts::TAU;
use std::fs;
use std::ops::Range;
use std::path::Path;

use portero::audio::Law;

/// Packets per second, at 20 ms each.
const PACKETS_PER_SECOND: u32 = 50;
/// Samples in a packet at 8000 Hz.
const SAMPLES: u32 = 160;
/// A key is held for five packets, 100 ms …
const KEY_PACKETS: u32 = 5;
/// … and its end is told three times (RFC 4733 §2.5.1.4).
const END_PACKETS: u32 = 3;
/// Audio between two keys: 60 ms.
const GAP_PACKETS: u32 = 3;
const PCMU: u8 = 0;
const TELEPHONE_EVENT: u8 = 101;
const MARKER: u8 = 0x80;
const END: u8 = 0x80;
/// A volume of -10 dBm0.
const VOLUME: u8 = 10;

/// A tone is held for 40 ms, the shortest that counts (ITU-T Q.24), and begins within a packet …
const TONE: Range<u32> = 37..357;
/// … of these 100 ms.
const TONE_PACKETS: u32 = 5;
/// What a gateway lets through of a tone before it sends its event.
const LEAK_PACKETS: u32 = 2;
/// The tones of the keypad's rows and columns (Q.23), in Hz.
pub const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
pub const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// One side's RTP stream: one SSRC, one sequence, one clock.
#[derive(Default)]
pub struct Capture {
    /// Microseconds since the start and the RTP packet.
    packets: Vec<(u64, Vec<u8>)>,
    ticks: u32,
    /// The audio, as it sounds.
    sound: Vec<i16>,
}

impl Capture {
    /// A capture of `script`: keys, and pauses in milliseconds, separated by spaces, such as `500ms 4711# 2000ms *`.
    ///
    /// In a pause of `~500ms` somebody speaks; `tones:4711` is keyed in the audio alone, and `leaks:4711` by events of a
    /// gateway that lets the beginning of each tone through.
    pub fn of(script: &str) -> Self {
        let mut capture = Self::default();
        for item in script.split_whitespace() {
            if let Some(pause) = item.strip_prefix('~') {
                let pause = pause.trim_end_matches("ms").parse::<u32>().expect("milliseconds");
                capture.audio(pause / 20, voice);
            } else if let Some(keys) = item.strip_prefix("tones:") {
                keys.chars().for_each(|key| capture.audio(TONE_PACKETS, |at, _| tone(key, at, TONE)));
            } else if let Some(keys) = item.strip_prefix("leaks:") {
                keys.chars().for_each(|key| {
                    capture.audio(LEAK_PACKETS, |at, _| tone(key, at, 0..u32::MAX));
                    capture.key(key);
                });
            } else if let Some(pause) = item.strip_suffix("ms") {
                capture.silence(pause.parse::<u32>().expect("milliseconds") / 20);
            } else {
                item.chars().for_each(|key| capture.key(key));
            }
        }
        // Something must be in it, and a telephone does not fall silent after the last key.
        capture.silence(PACKETS_PER_SECOND);
        capture
    }

    /// What its audio sounds like, one packet after the other.
    pub fn sound(&self) -> &[i16] {
        &self.sound
    }

    fn silence(&mut self, packets: u32) {
        self.audio(packets, |_, _| 0.0);
    }

    /// Audio by the sample: its place in this, and in all of the stream.
    fn audio(&mut self, packets: u32, sample: impl Fn(u32, u32) -> f64) {
        for packet in 0..packets {
            let timestamp = self.timestamp();
            let places = (0..SAMPLES).map(|at| (packet * SAMPLES + at, self.ticks * SAMPLES + at));
            let octets: Vec<u8> = places.map(|(here, at)| Law::Mu.encode(sample(here, at) as i16)).collect();
            self.sound.extend(octets.iter().map(|octet| Law::Mu.decode(*octet)));
            self.push(PCMU, timestamp, &octets);
            self.ticks += 1;
        }
    }

    fn key(&mut self, key: char) {
        let event = "0123456789*#ABCD".find(key).expect("a key") as u8;
        let timestamp = self.timestamp();
        for packet in 1..=KEY_PACKETS + END_PACKETS {
            let (end, held) = if packet > KEY_PACKETS { (END, KEY_PACKETS) } else { (0, packet) };
            let duration = (held * SAMPLES) as u16;
            let [high, low] = duration.to_be_bytes();
            let marker = if packet == 1 { MARKER } else { 0 };
            self.push(TELEPHONE_EVENT | marker, timestamp, &[event, end | VOLUME, high, low]);
            self.ticks += 1;
        }
        self.silence(GAP_PACKETS);
    }

    fn timestamp(&self) -> u32 {
        160_000 + self.ticks * SAMPLES
    }

    fn push(&mut self, type_and_marker: u8, timestamp: u32, payload: &[u8]) {
        let mut packet = vec![0x80, type_and_marker];
        packet.extend((1000 + self.packets.len() as u16).to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(0x5eed_cafe_u32.to_be_bytes());
        packet.extend(payload);
        self.packets.push((u64::from(self.ticks) * 20_000, packet));
    }

    /// Writes it in the classic format of libpcap, each packet in UDP, IPv4 and Ethernet. SIPp puts addresses,
    /// ports and checksums of its own into it.
    pub fn write(&self, file: &Path) {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
        bytes.extend([2, 0, 4, 0]);
        bytes.extend([0; 8]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        for (at, packet) in &self.packets {
            let frame = ethernet_frame(packet);
            bytes.extend(((at / 1_000_000) as u32).to_le_bytes());
            bytes.extend(((at % 1_000_000) as u32).to_le_bytes());
            bytes.extend((frame.len() as u32).to_le_bytes());
            bytes.extend((frame.len() as u32).to_le_bytes());
            bytes.extend(frame);
        }
        fs::write(file, bytes).expect("the capture can be written");
    }
}

/// Something like a voice, never the same twice.
fn voice(_: u32, at: u32) -> f64 {
    let time = f64::from(at) / 8000.0;
    let voices = [(183.0, 2500.0), (1053.7, 1800.0), (2411.3, 900.0)];
    voices.iter().map(|(hertz, level)| level * (TAU * hertz * time).sin()).sum()
}

/// A key's two tones while it is held.
fn tone(key: char, at: u32, held: Range<u32>) -> f64 {
    let place = "123A456B789C*0#D".find(key).expect("a key");
    let time = f64::from(at) / 8000.0;
    let tones = [ROWS[place / 4], COLUMNS[place % 4]];
    let sample: f64 = tones.iter().map(|hertz| 4000.0 * (TAU * hertz * time).sin()).sum();
    if held.contains(&at) { sample } else { 0.0 }
}

fn ethernet_frame(payload: &[u8]) -> Vec<u8> {
    let udp_length = payload.len() as u16 + 8;
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0]);
    frame.extend((udp_length + 20).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    frame.extend([0x3e, 0x80, 0x3e, 0x80]);
    frame.extend(udp_length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}
