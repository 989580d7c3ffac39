//! A call's two sides on one timeline, without the keys: what becomes of a session's frames before they are a file.
//!
//! Each side is put where it belongs on a grid of 8000 ticks a second that begins with the recording; what is missing
//! is silence. The newest second is held back, because a key is known for one only after it has begun, and whatever
//! says that one was pressed silences the caller around it: the tone itself, a telephone-event (many gateways let the
//! beginning of the tone through before it, RFC 4733 §2.2), a key by SIP INFO, and frames that were lost, since one of
//! them may have said so. While a secret is asked for the caller is silent throughout.

mod placing;

use std::ops::Range;

use placing::Placing;

use super::tape::{Frame, Part};
use super::tones::ToneDetector;
use crate::audio::{Codec, G722Decoder, Law, OpusDecoder};

/// Ticks in a piece that is looked at and written as one: 5 ms, in which the detector looks once.
const BLOCK: i64 = 40;
/// How late the caller's packets may come.
const REORDER: i64 = ms(200);
/// How far what is written is behind what comes.
const DELAY: i64 = ms(1000);
/// What there is room for: what is held back, and as much ahead.
const SPAN: i64 = ms(2000);

/// How long a tone has sounded, and fitted in no window of the detector's, before and after one that it fits in.
const AROUND_TONE: i64 = ms(100);
/// How far a tone may be in the audio before and after the event that tells of it.
const AROUND_EVENT: i64 = ms(200);
/// A key by INFO may be told when it is pressed or when it is released.
const BEFORE_TOLD: i64 = ms(800);
const AFTER_TOLD: i64 = ms(300);
/// The secret's question begins, and the caller's key is still on its way; its answer is there, and the last key still
/// sounds.
const BEFORE_SECRET: i64 = ms(200);
const AFTER_SECRET: i64 = ms(500);

/// Ticks in so many milliseconds.
const fn ms(milliseconds: i64) -> i64 {
    milliseconds * 8
}

/// See the module.
pub struct Reel {
    /// Samples a tick: 2 where the recording is wideband.
    per_tick: usize,
    caller: Track,
    portero: Track,
    /// The blocks in which the caller is silenced.
    cut: Vec<bool>,
    placing: Placing,
    detector: ToneDetector,
    next_serial: u32,
    frames_lost: u64,
    /// Up to where the caller has been listened to for tones.
    examined: i64,
    /// Up to where it has been written.
    written: i64,
    block: Vec<[i16; 2]>,
}

impl Reel {
    /// An empty one, as wide as the codec with which its call begins.
    pub fn new(codec: Codec) -> Self {
        let per_tick = match codec {
            Codec::Pcmu | Codec::Pcma | Codec::Opus => 1,
            Codec::G722 => 2,
        };
        Self {
            per_tick,
            caller: Track::new(per_tick),
            portero: Track::new(per_tick),
            cut: vec![false; (SPAN / BLOCK) as usize],
            placing: Placing::default(),
            detector: ToneDetector::wary(),
            next_serial: 0,
            frames_lost: 0,
            examined: 0,
            written: 0,
            block: Vec::with_capacity(BLOCK as usize * per_tick),
        }
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        crate::audio::SAMPLE_RATE * self.per_tick as u32
    }

    /// Frames that the tape had no room for so far.
    pub fn frames_lost(&self) -> u64 {
        self.frames_lost
    }

    /// Takes a frame, in order; what can be written then goes to `write`, each sample of the caller's beside ours.
    pub fn take(&mut self, frame: &Frame, write: &mut impl FnMut(&[[i16; 2]])) {
        self.count(frame);
        let keyed = self.keyed(frame);
        let concealed = frame.concealed.then_some((frame.at - BEFORE_SECRET, frame.at + AFTER_SECRET));
        // Once for what is still held and is written by this, and once for what there is room for only then.
        let cuts = [keyed, concealed];
        cuts.into_iter().flatten().for_each(|span| self.cut(span));
        self.run_to(frame.at, write);
        cuts.into_iter().flatten().for_each(|span| self.cut(span));
        match frame.part {
            Part::Said => {
                self.portero.decode(frame);
                self.portero.put(frame.at, self.written..self.written + SPAN);
            }
            Part::Heard { timestamp } => {
                let ticks = self.caller.decode(frame);
                let place = self.placing.place(timestamp, ticks, frame.at);
                if !frame.concealed {
                    self.caller.put(place, self.examined..self.written + SPAN);
                }
            }
            Part::Keyed { .. } | Part::Told => {}
        }
    }

    /// Writes what was held back.
    pub fn finish(mut self, write: &mut impl FnMut(&[[i16; 2]])) {
        let end = self.caller.end.max(self.portero.end);
        self.run_to(end + DELAY + BLOCK, write);
    }

    /// Of what was lost nobody knows whether it told of a key.
    fn count(&mut self, frame: &Frame) {
        let lost = frame.serial.wrapping_sub(self.next_serial);
        self.next_serial = frame.serial.wrapping_add(1);
        if lost > 0 {
            self.frames_lost += u64::from(lost);
            self.cut((self.written, self.written + SPAN));
        }
    }

    /// Where a key is heard that this frame tells of.
    fn keyed(&self, frame: &Frame) -> Option<(i64, i64)> {
        match frame.part {
            Part::Said | Part::Heard { .. } => None,
            Part::Told => Some((frame.at - BEFORE_TOLD, frame.at + AFTER_TOLD)),
            Part::Keyed { timestamp, duration } => {
                let began = self.placing.look_up(timestamp);
                let began = began.filter(|began| (began - frame.at).abs() < SPAN).unwrap_or(frame.at);
                let ended = (began + i64::from(duration)).max(frame.at);
                Some((began.min(frame.at) - AROUND_EVENT, ended + AROUND_EVENT))
            }
        }
    }

    /// Silences the caller from one place to another, as far as that is held or there is room for.
    fn cut(&mut self, (from, to): (i64, i64)) {
        let first = from.max(self.written).div_euclid(BLOCK);
        let end = (to + BLOCK - 1).min(self.written + SPAN).div_euclid(BLOCK);
        for block in first..end {
            let place = block.rem_euclid(SPAN / BLOCK) as usize;
            self.cut[place] = true;
        }
    }

    fn run_to(&mut self, now: i64, write: &mut impl FnMut(&[[i16; 2]])) {
        while self.examined + BLOCK <= now - REORDER {
            self.examine();
            if self.examined - self.written > DELAY - REORDER {
                self.write(write);
            }
        }
    }

    fn examine(&mut self) {
        let (caller, first) = (&self.caller, self.examined);
        let block = (0..BLOCK as u32).map(|tick| caller.narrow(first + i64::from(tick)));
        self.detector.hear(first as u32, block, |_| {});
        self.examined += BLOCK;
        if self.detector.suspects() {
            self.cut((self.examined - ToneDetector::WINDOW - AROUND_TONE, self.examined + AROUND_TONE));
        }
    }

    fn write(&mut self, write: &mut impl FnMut(&[[i16; 2]])) {
        let place = (self.written / BLOCK) as usize % self.cut.len();
        let silenced = std::mem::take(&mut self.cut[place]);
        self.block.clear();
        for tick in self.written..self.written + BLOCK {
            let (caller, portero) = (self.caller.take(tick), self.portero.take(tick));
            let sides = caller.iter_mut().zip(portero);
            self.block.extend(sides.map(|(caller, portero)| {
                let heard = std::mem::take(caller);
                [if silenced { 0 } else { heard }, std::mem::take(portero)]
            }));
        }
        self.written += BLOCK;
        write(&self.block);
    }
}

/// One side, as far as it is held.
struct Track {
    per_tick: usize,
    samples: Vec<i16>,
    /// The last place that anything was put to.
    end: i64,
    /// What has been decoded last, and is to be put to its place.
    decoded: Vec<i16>,
    wide: G722Decoder,
    /// Made when it is needed: it is larger than all else here.
    opus: Option<Box<OpusDecoder>>,
    /// The last sample of G.711 or Opus, from which a wideband recording goes on.
    last: i16,
}

impl Track {
    fn new(per_tick: usize) -> Self {
        let samples = vec![0; SPAN as usize * per_tick];
        Self {
            per_tick,
            samples,
            end: 0,
            decoded: Vec::new(),
            wide: G722Decoder::default(),
            opus: None,
            last: 0,
        }
    }

    /// Puts what was decoded last to its place, as far as there is `room`: what is too late is silence already.
    fn put(&mut self, place: i64, room: Range<i64>) {
        let decoded = std::mem::take(&mut self.decoded);
        for (tick, sound) in (place..).zip(decoded.chunks_exact(self.per_tick)) {
            if room.contains(&tick) {
                self.take(tick).copy_from_slice(sound);
                self.end = self.end.max(tick + 1);
            }
        }
        self.decoded = decoded;
    }

    /// Decodes a frame's sound; tells how many ticks of it there are.
    fn decode(&mut self, frame: &Frame) -> i64 {
        self.decoded.clear();
        match frame.codec() {
            Codec::Pcmu => self.decode_law(Law::Mu, frame.octets()),
            Codec::Pcma => self.decode_law(Law::A, frame.octets()),
            Codec::G722 => self.decode_wide(frame.octets()),
            Codec::Opus => self.decode_opus(frame.octets()),
        }
        (self.decoded.len() / self.per_tick).cast_signed() as i64
    }

    fn decode_law(&mut self, law: Law, octets: &[u8]) {
        for &octet in octets {
            self.push_narrow(law.decode(octet));
        }
    }

    fn decode_opus(&mut self, octets: &[u8]) {
        let mut decoder = self.opus.take().unwrap_or_default();
        for &sample in decoder.decode(octets) {
            self.push_narrow(sample);
        }
        self.opus = Some(decoder);
    }

    /// In a wideband recording, what is between two samples is half-way between them.
    fn push_narrow(&mut self, sample: i16) {
        let pair = [i16::midpoint(self.last, sample), sample];
        self.decoded.extend_from_slice(&pair[2 - self.per_tick..]);
        self.last = sample;
    }

    fn decode_wide(&mut self, octets: &[u8]) {
        let decoder = &mut self.wide;
        if self.per_tick == 1 {
            self.decoded.extend(octets.iter().map(|octet| decoder.decode_narrow(*octet)));
        } else {
            self.decoded.extend(octets.iter().flat_map(|octet| decoder.decode(*octet)));
        }
    }

    fn take(&mut self, tick: i64) -> &mut [i16] {
        let place = tick.rem_euclid(SPAN) as usize * self.per_tick;
        &mut self.samples[place..place + self.per_tick]
    }

    fn narrow(&self, tick: i64) -> i16 {
        let place = tick.rem_euclid(SPAN) as usize * self.per_tick;
        match self.samples[place..place + self.per_tick] {
            [first, second] => i16::midpoint(first, second),
            [sample] => sample,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
