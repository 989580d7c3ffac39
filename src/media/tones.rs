//! Keys that are heard: the detector of DTMF in a caller's audio (ITU-T Q.23 and Q.24).
//!
//! Every 5 ms it looks at the last 20 ms through a Hann window, at the eight frequencies of the keypad. The strongest
//! of each group must carry nearly all of the energy, the two must be of like strength, and by the advance of their
//! phases from one look to the next both must be within 2.5 % of what Q.23 says: ±1.5 % is accepted and ±3.5 % is
//! refused. What is so for four looks in a row is a key; what is not for eight is its end. So tones of 40 ms with
//! gaps of 50 ms are heard, drop-outs of 10 ms do not make two keys of one, and speech, which hardly ever stands
//! still on two pure frequencies at once, makes none.

use std::sync::LazyLock;

use crate::secret::Digit;

/// Both groups (Q.23), in Hz: the rows of the keypad and its columns.
const FREQUENCIES: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
/// The keys by row and column.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
const SAMPLE_RATE: f32 = 8000.0;
/// Samples in a window, and from one look to the next.
const WINDOW: usize = 160;
const HOP: usize = 40;
/// Real and imaginary parts of eight frequencies, side by side.
const LANES: usize = 16;

/// Looks in a row that make a key: a tone of 40 ms fills six or seven.
const HEARD_LOOKS: u8 = 4;
/// Looks in a row without it that end a key: a gap of 50 ms makes eleven, one of 10 ms four or five.
const GONE_LOOKS: u8 = 8;
/// How far off a frequency may be.
const DEVIATION_MAX: f32 = 0.025;
/// The least share of the energy that the two tones must make up. At a signal-to-noise ratio of 15 dB they are 0.97.
const PURITY_MIN: f32 = 0.8;
/// How much stronger one tone may be than the other: 8 dB, and what noise 15 dB below both makes of the weaker one.
const TWIST_MAX: f32 = 12.0;
/// The least power of the weaker tone, as the square of its amplitude: -40 dB below full scale. Q.24 has administrations
/// ask for -25 dBm0 and more.
const POWER_MIN: f32 = 327.0 * 327.0;
/// A window's sum, which a tone's amplitude is multiplied by, and the sum of its squares.
const WINDOW_SUM: f32 = WINDOW as f32 / 2.0;
const WINDOW_SQUARES: f32 = WINDOW as f32 * 3.0 / 8.0;
/// The distance of the window's frequencies, in Hz.
const BIN_HZ: f32 = SAMPLE_RATE / WINDOW as f32;
/// The longest time that is filled with silence where packets are missing, in samples: 60 ms.
const MISSING_MAX: u32 = 480;

/// How far back a packet is a late one; what is further back is a sender's clock that was set anew.
const LATE_MAX: i32 = 8000;

/// What a look takes for a key.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measure {
    /// The least share of the energy that the two tones must make up.
    purity_min: f32,
    /// How much stronger one tone may be than the other.
    twist_max: f32,
    /// The least power of the weaker one, as the square of its amplitude.
    power_min: f32,
}

/// What counts as keyed.
const KEYED: Measure = Measure { purity_min: PURITY_MIN, twist_max: TWIST_MAX, power_min: POWER_MIN };
/// What somebody with patience might still make a key of: 0 dB above noise, 12 dB apart, 60 dB below full scale.
const LEGIBLE: Measure = Measure { purity_min: 0.5, twist_max: 16.0, power_min: 33.0 * 33.0 };

/// The window, and the window times a cosine and a sine of each frequency.
struct Tables {
    window: [f32; WINDOW],
    waves: [[f32; LANES]; WINDOW],
    /// How far each frequency's phase advances in a hop, as cosine and sine.
    advance: [(f32, f32); 8],
}

static TABLES: LazyLock<Box<Tables>> = LazyLock::new(|| {
    let turn = std::f32::consts::TAU;
    let mut tables = Box::new(Tables {
        window: [0.0; WINDOW],
        waves: [[0.0; LANES]; WINDOW],
        advance: FREQUENCIES.map(|frequency| {
            let angle = (frequency * HOP as f32 / SAMPLE_RATE).fract() * turn;
            (angle.cos(), angle.sin())
        }),
    });
    for at in 0..WINDOW {
        let weight = 0.5 - 0.5 * (turn * (at as f32 + 0.5) / WINDOW as f32).cos();
        tables.window[at] = weight;
        for (lane, frequency) in FREQUENCIES.iter().enumerate() {
            let angle = (frequency * at as f32 / SAMPLE_RATE).fract() * turn;
            tables.waves[at][lane] = weight * angle.cos();
            tables.waves[at][lane + 8] = -weight * angle.sin();
        }
    }
    tables
});

/// Listens to one stream of audio. It has no `Debug`, because it knows what was keyed.
pub(super) struct ToneDetector {
    measure: Measure,
    tables: &'static Tables,
    /// The last window's samples, the oldest first, and how many of the next hop have come.
    samples: [f32; WINDOW + HOP],
    filled: usize,
    last: Look,
    /// The key that was seen in the last looks, and in how many.
    candidate: Option<u8>,
    seen: u8,
    /// The key that is down, and for how many looks it has not been seen.
    down: Option<u8>,
    unseen: u8,
    /// The timestamp that would follow without a gap.
    next: Option<u32>,
}

/// What was seen in a window: the complex amplitude of each frequency.
#[derive(Clone, Copy)]
struct Look {
    parts: [f32; LANES],
}

impl ToneDetector {
    /// The ticks that it looks at at a time.
    pub(super) const WINDOW: i64 = WINDOW.cast_signed() as i64;

    pub(super) fn new() -> Self {
        Self::with(KEYED)
    }

    /// One that would rather hear a key too many. What it tells is of no use; what it suspects is.
    pub(super) fn wary() -> Self {
        Self::with(LEGIBLE)
    }

    fn with(measure: Measure) -> Self {
        Self {
            measure,
            tables: &TABLES,
            samples: [0.0; WINDOW + HOP],
            filled: WINDOW,
            last: Look { parts: [0.0; LANES] },
            candidate: None,
            seen: 0,
            down: None,
            unseen: 0,
            next: None,
        }
    }

    /// Hears the samples of a packet; tells a key when it is sure of it. A short gap before the packet is heard as
    /// silence, which is shorter than what ends a key; a packet that comes late is not heard.
    pub(super) fn hear(
        &mut self,
        timestamp: u32,
        samples: impl ExactSizeIterator<Item = i16>,
        mut tell: impl FnMut(Digit),
    ) {
        let missing = self.next.map_or(0, |next| timestamp.wrapping_sub(next));
        if (-LATE_MAX..0).contains(&missing.cast_signed()) {
            return;
        }
        self.next = Some(timestamp.wrapping_add(samples.len() as u32));
        if missing > MISSING_MAX {
            let next = self.next;
            *self = Self { next, ..Self::with(self.measure) };
        } else {
            (0..missing).for_each(|_| self.sample(0, &mut tell));
        }
        samples.for_each(|sample| self.sample(sample, &mut tell));
    }

    /// Whether the last look was at what may be a key, however short.
    pub(super) fn suspects(&self) -> bool {
        self.candidate.is_some()
    }

    fn sample(&mut self, sample: i16, tell: &mut impl FnMut(Digit)) {
        self.samples[self.filled] = f32::from(sample);
        self.filled += 1;
        if self.filled == self.samples.len() {
            self.samples.copy_within(HOP.., 0);
            self.filled = WINDOW;
            if let Some(digit) = self.look() {
                tell(digit);
            }
        }
    }

    /// Looks at the window; tells a key that has now been seen for long enough.
    fn look(&mut self) -> Option<Digit> {
        let window = self.samples.first_chunk::<WINDOW>().expect("the window is shorter than all samples");
        let look = Look::at(window, self.tables);
        let key = look.key(&self.last, window, self.tables, &self.measure);
        self.last = look;
        self.seen = if key == self.candidate { self.seen.saturating_add(1) } else { 1 };
        self.candidate = key;
        if key.is_some() && key == self.down {
            self.unseen = 0;
            return None;
        }
        self.unseen = self.unseen.saturating_add(1);
        if self.unseen == GONE_LOOKS {
            self.down = None;
        }
        let pressed = key.filter(|_| self.seen == HEARD_LOOKS)?;
        self.down = key;
        self.unseen = 0;
        Digit::from_char(KEYS[usize::from(pressed / 4)][usize::from(pressed % 4)])
    }
}

impl Look {
    fn at(window: &[f32; WINDOW], tables: &Tables) -> Self {
        let mut parts = [0.0; LANES];
        let mut at = 0;
        // Plain counting, which is quick even where nothing is optimised: a test has an hour of speech to hear.
        while at < WINDOW {
            let (sample, waves) = (window[at], &tables.waves[at]);
            let mut lane = 0;
            while lane < LANES {
                parts[lane] += sample * waves[lane];
                lane += 1;
            }
            at += 1;
        }
        Self { parts }
    }

    /// The key in the window, if there is nothing else in it.
    fn key(&self, last: &Self, window: &[f32; WINDOW], tables: &Tables, measure: &Measure) -> Option<u8> {
        let Measure { purity_min, twist_max, power_min } = *measure;
        let (row, column) = (self.strongest(0..4), self.strongest(4..8));
        // The cheap questions first: most looks at speech end with the first.
        if self.power(row).min(self.power(column)) < power_min / 2.0 * (WINDOW_SUM / 2.0).powi(2) {
            return None;
        }
        let [low, high] = [row, column].map(|place| {
            let off = self.deviation_hz(last, place, tables);
            (off.abs() <= FREQUENCIES[place] * DEVIATION_MAX).then(|| self.power(place) / response(off))
        });
        let (low, high) = (low?, high?);
        let alike = low <= high * twist_max && high <= low * twist_max;
        let loud = low.min(high) >= power_min * (WINDOW_SUM / 2.0).powi(2);
        (alike && loud && is_pure(low + high, window, tables, purity_min))
            .then_some((row * 4 + column - 4) as u8)
    }

    fn power(&self, place: usize) -> f32 {
        self.parts[place].powi(2) + self.parts[place + 8].powi(2)
    }

    fn strongest(&self, places: std::ops::Range<usize>) -> usize {
        let first = places.start;
        places.fold(first, |best, place| if self.power(place) > self.power(best) { place } else { best })
    }

    /// How far the frequency at this place is from what it should be, by how far its phase came in a hop: between
    /// -100 and 100 Hz.
    fn deviation_hz(&self, last: &Self, place: usize, tables: &Tables) -> f32 {
        let (real, imaginary) = (self.parts[place], self.parts[place + 8]);
        let (real_before, imaginary_before) = (last.parts[place], last.parts[place + 8]);
        let (cosine, sine) = tables.advance[place];
        // Now, times the conjugate of then, times the conjugate of the advance that is expected.
        let turned = (
            real * real_before + imaginary * imaginary_before,
            imaginary * real_before - real * imaginary_before,
        );
        let angle = (turned.1 * cosine - turned.0 * sine).atan2(turned.0 * cosine + turned.1 * sine);
        angle / std::f32::consts::TAU * SAMPLE_RATE / HOP as f32
    }
}

/// What is left of a tone's power in the window where it is off by this much: the window's own spectrum, squared.
fn response(off_hz: f32) -> f32 {
    let bins = (off_hz / BIN_HZ).abs();
    if bins < 0.01 {
        return 1.0;
    }
    let angle = std::f32::consts::PI * bins;
    (angle.sin() / angle / (1.0 - bins * bins)).powi(2)
}

/// Whether two tones whose powers add up to this are all that is in the window.
fn is_pure(power: f32, window: &[f32; WINDOW], tables: &Tables, purity_min: f32) -> bool {
    let all: f32 = window.iter().zip(&tables.window).map(|(sample, weight)| (sample * weight).powi(2)).sum();
    // A tone of amplitude a has a power of (a/2 Σw)² here, and an energy of a²/2 Σw² there.
    let tones = power / (WINDOW_SUM / 2.0).powi(2) / 2.0 * WINDOW_SQUARES;
    tones >= all * purity_min
}

#[cfg(test)]
mod tests;
