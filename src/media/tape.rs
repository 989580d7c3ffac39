//! What a session passes to whoever records it: each packet's sound, and where keys must not be heard.
//!
//! A media thread never waits, so a tape is bounded: a frame that it has no room for is lost, and counted by the
//! number that the next one bears. Nothing is decoded, placed or cut here; that is [`super::reel`]'s work, elsewhere.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::audio::Codec;

/// Frames that may wait for the recorder: more than a second of both sides.
const FRAMES_MAX: usize = 256;
/// Octets of sound in a frame: 60 ms. A longer packet is several frames.
const FRAME_LEN_MAX: usize = 480;

/// A tape, and the end at which it is read.
pub fn tape() -> (Tape, Receiver<Frame>) {
    let (frames, reader) = sync_channel(FRAMES_MAX);
    (Tape(frames), reader)
}

/// The end at which a tape is written. Dropping it ends the recording.
#[derive(Debug, Clone)]
pub struct Tape(SyncSender<Frame>);

/// A piece of a recording. It has no `Debug`: there is a voice in it.
pub struct Frame {
    /// Counts what was to be passed, lost frames included; wraps.
    pub(super) serial: u32,
    /// When it was passed, in ticks since the recording began.
    pub(super) at: i64,
    /// Whether the caller is being asked for a secret.
    pub(super) concealed: bool,
    pub(super) codec: Codec,
    pub(super) part: Part,
    length: u16,
    octets: [u8; FRAME_LEN_MAX],
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Sound of ours, which began when the frame was passed.
    Said,
    /// Sound of the caller, by the caller's clock.
    Heard { timestamp: u32 },
    /// A telephone-event that began at `timestamp` and has lasted for so many ticks. Which one is not told.
    Keyed { timestamp: u32, duration: u16 },
    /// A key that came by another way than this session.
    Told,
}

impl Frame {
    /// The codec that the session had.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The sound, encoded.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// A session's writing end: it knows when the recording began.
pub(super) struct Head {
    tape: Tape,
    began: Instant,
    serial: u32,
    concealed: bool,
}

impl Head {
    /// Begins `now`.
    pub(super) fn new(tape: Tape, now: Instant) -> Self {
        Self { tape, began: now, serial: 0, concealed: false }
    }

    /// From now on the caller is being asked for a secret, or not any more.
    pub(super) fn conceal(&mut self, concealed: bool) {
        self.concealed = concealed;
    }

    /// A packet of ours that was due then: it lies on the grid, whenever it really left.
    pub(super) fn said(&mut self, codec: Codec, due: Instant, octets: &[u8]) {
        self.pass(codec, self.ticks(due), Part::Said, octets);
    }

    /// A packet of the caller's.
    pub(super) fn heard(&mut self, codec: Codec, timestamp: u32, octets: &[u8], now: Instant) {
        let mut timestamp = timestamp / clock(codec);
        if codec == Codec::Opus {
            // A packet of it cannot be divided; those that are too long for a frame are of rates that no voice needs.
            let octets = if octets.len() > FRAME_LEN_MAX { &[] } else { octets };
            return self.pass(codec, self.ticks(now), Part::Heard { timestamp }, octets);
        }
        for octets in octets.chunks(FRAME_LEN_MAX) {
            self.pass(codec, self.ticks(now), Part::Heard { timestamp }, octets);
            timestamp = timestamp.wrapping_add(octets.len() as u32);
        }
    }

    /// A packet of a telephone-event.
    pub(super) fn keyed(&mut self, codec: Codec, timestamp: u32, duration: u16, now: Instant) {
        let (timestamp, duration) = (timestamp / clock(codec), duration / clock(codec) as u16);
        self.pass(codec, self.ticks(now), Part::Keyed { timestamp, duration }, &[]);
    }

    /// A key that came by another way.
    pub(super) fn told(&mut self, codec: Codec, now: Instant) {
        self.pass(codec, self.ticks(now), Part::Told, &[]);
    }

    fn ticks(&self, now: Instant) -> i64 {
        ticks(now.saturating_duration_since(self.began))
    }

    fn pass(&mut self, codec: Codec, at: i64, part: Part, sound: &[u8]) {
        let mut octets = [0; FRAME_LEN_MAX];
        let length = sound.len().min(FRAME_LEN_MAX);
        octets[..length].copy_from_slice(&sound[..length]);
        let (serial, concealed) = (self.serial, self.concealed);
        self.serial = self.serial.wrapping_add(1);
        // A full tape has lost this one, which the next one tells; where nobody reads any more, nobody misses it.
        let _ =
            self.tape.0.try_send(Frame { serial, at, concealed, codec, part, length: length as u16, octets });
    }
}

/// How many ticks of a codec's clock are one of ours. Where that is more than one, the clock wraps elsewhere than ours,
/// once a day: that is to us a sender's clock that was set anew.
fn clock(codec: Codec) -> u32 {
    u32::from(codec.ticks_per_ms() / 8)
}

/// So many ticks of the 8000 Hz clock.
pub(super) fn ticks(time: Duration) -> i64 {
    (time.as_micros() as u64 * 8 / 1000).cast_signed()
}
