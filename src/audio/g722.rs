//! G.722 at 64 kbit/s (ITU-T G.722, mode 1): wideband speech in the octets of G.711.
//!
//! Sixteen thousand samples a second are split by a pair of filters into two bands, each of which goes as the
//! difference from what an adaptive predictor expects: six bits for the lower band, two for the upper. The names of
//! the blocks are the recommendation's. An octet is two samples, so that, by a slip that RFC 3551 §4.5.2 keeps, the
//! RTP clock runs at 8000 Hz; a position in octets therefore means the same time as in G.711.

/// What fills a pause: the smallest positive difference in either band, which at the smallest step is none. An encoder
/// of silence gives other octets, which wander; these let a decoder come to rest.
pub(super) const SILENCE: u8 = 0xFD;

/// The filters that split and join the bands (§3.1, table 11), as even and odd taps.
const TAPS: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the lower band (table 14), scaled by the step size.
const LOWER_LEVELS: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121,
    1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Code words of the lower band for a negative difference (table 15), by the interval it falls in.
const LOWER_NEGATIVE: [u8; 31] = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8,
    7, 6, 5, 4,
];
/// The same for a positive one.
const LOWER_POSITIVE: [u8; 31] = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37,
    36, 35, 34, 33, 32,
];
/// What a code word of the lower band stands for, all six bits and the upper four of them (tables 16 and 17).
const LOWER_SIX: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
const LOWER_FOUR: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// The one decision level of the upper band, and what its code words stand for (tables 18 to 20).
const UPPER_LEVEL: i32 = 564;
const UPPER_TWO: [i32; 4] = [-7408, -1616, 7408, 1616];
/// How the step's logarithm follows a code word (tables 21 and 22).
const LOWER_GROWTH: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
const UPPER_GROWTH: [i32; 4] = [798, -214, 798, -214];
/// Powers of two in 32nds of an octave (table 23).
const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// What differs between the bands in following the step size (blocks 3L and 3H).
#[derive(Debug, Clone, Copy)]
struct Scale {
    log_max: i32,
    shift: i32,
    first_step: i32,
}

const LOWER: Scale = Scale { log_max: 18_432, shift: 8, first_step: 32 };
const UPPER: Scale = Scale { log_max: 22_528, shift: 10, first_step: 8 };

/// One band: its step size and its predictor.
#[derive(Debug, Clone)]
struct Band {
    scale: Scale,
    log_step: i32,
    step: i32,
    predictor: Predictor,
}

impl Band {
    fn new(scale: Scale) -> Self {
        Self { scale, log_step: 0, step: scale.first_step, predictor: Predictor::default() }
    }

    /// What a quantised value stands for (INVQAL, INVQAH).
    fn scaled(&self, value: i32) -> i32 {
        (self.step * value) >> 15
    }

    /// Follows a code word: predictor first, by the step that the word was made with, then the step.
    fn follow(&mut self, value: i32, growth: i32) {
        let difference = self.scaled(value);
        self.log_step = (((self.log_step * 127) >> 7) + growth).clamp(0, self.scale.log_max);
        let power = POWERS[(self.log_step >> 6 & 31) as usize];
        let shift = self.scale.shift - (self.log_step >> 11);
        self.step = if shift < 0 { power << -shift } else { power >> shift } << 2;
        self.predictor.follow(difference);
    }

    fn difference(&self, sample: i32) -> i32 {
        saturated(sample - self.predictor.estimate)
    }

    /// The sample that a value adds up to, held to 15 bits (blocks 5 and 6).
    fn reconstructed(&self, value: i32) -> i32 {
        (self.predictor.estimate + self.scaled(value)).clamp(-16_384, 16_383)
    }
}

/// Two poles and six zeros, adapted by the signs of what came (block 4).
#[derive(Debug, Clone, Default)]
struct Predictor {
    /// The next sample, as expected from all, and from the zeros alone.
    estimate: i32,
    estimate_by_zeros: i32,
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The newest first: reconstructed signals, their part without poles, and differences.
    signals: [i32; 2],
    partial: [i32; 2],
    differences: [i32; 6],
}

impl Predictor {
    fn follow(&mut self, difference: i32) {
        let signal = saturated(self.estimate + difference);
        let partial = saturated(self.estimate_by_zeros + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.signals = [signal, self.signals[0]];
        self.partial = [partial, self.partial[0]];
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.expect();
    }

    /// UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let agrees = |earlier: i32| (partial < 0) == (earlier < 0);
        let [first, second] = self.poles;
        let first_times_four = saturated(first << 2);
        let towards = if agrees(self.partial[0]) { -first_times_four } else { first_times_four }.min(32_767);
        let sign = if agrees(self.partial[1]) { 128 } else { -128 };
        let second = ((towards >> 7) + sign + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let sign = if agrees(self.partial[0]) { 192 } else { -192 };
        let most = saturated(15_360 - second);
        let first = saturated(sign + ((first * 32_640) >> 15)).clamp(-most, most);
        self.poles = [first, second];
    }

    /// UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let towards = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(self.differences) {
            let sign = if (earlier < 0) == (difference < 0) { towards } else { -towards };
            *zero = saturated(sign + ((*zero * 32_640) >> 15));
        }
    }

    /// FILTEP, FILTEZ and PREDIC.
    fn expect(&mut self) {
        let weighted = |weight: &i32, value: &i32| (weight * saturated(value + value)) >> 15;
        let by_poles: i32 =
            self.poles.iter().zip(&self.signals).map(|(pole, signal)| weighted(pole, signal)).sum();
        let by_zeros: i32 = self
            .zeros
            .iter()
            .zip(&self.differences)
            .map(|(zero, difference)| weighted(zero, difference))
            .sum();
        self.estimate_by_zeros = saturated(by_zeros);
        self.estimate = saturated(saturated(by_poles) + self.estimate_by_zeros);
    }
}

fn saturated(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

/// From samples at 16 000 Hz to octets.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    history: [i32; 24],
    lower: Band,
    upper: Band,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { history: [0; 24], lower: Band::new(LOWER), upper: Band::new(UPPER) }
    }

    /// The octet of two samples.
    pub(super) fn encode(&mut self, pair: [i16; 2]) -> u8 {
        let (sum, difference) = filtered(&mut self.history, pair.map(i32::from));
        let (low, high) = ((sum + difference) >> 14, (sum - difference) >> 14);
        let low = self.encode_lower(low);
        self.encode_upper(high) << 6 | low
    }

    fn encode_lower(&mut self, sample: i32) -> u8 {
        let difference = self.lower.difference(sample);
        let magnitude = if difference < 0 { -(difference + 1) } else { difference };
        let above = |level: &&i32| magnitude >= (**level * self.lower.step) >> 12;
        let interval = 1 + LOWER_LEVELS[1..].iter().take_while(above).count();
        let word = if difference < 0 { LOWER_NEGATIVE[interval] } else { LOWER_POSITIVE[interval] };
        let four = usize::from(word >> 2);
        self.lower.follow(LOWER_FOUR[four], LOWER_GROWTH[four]);
        word
    }

    fn encode_upper(&mut self, sample: i32) -> u8 {
        let difference = self.upper.difference(sample);
        let magnitude = if difference < 0 { -(difference + 1) } else { difference };
        let far = magnitude >= (UPPER_LEVEL * self.upper.step) >> 12;
        let word = match (difference < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.upper.follow(UPPER_TWO[usize::from(word)], UPPER_GROWTH[usize::from(word)]);
        word
    }
}

/// From octets to samples at 16 000 Hz.
#[derive(Debug, Clone)]
pub struct Decoder {
    history: [i32; 24],
    lower: Band,
    upper: Band,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { history: [0; 24], lower: Band::new(LOWER), upper: Band::new(UPPER) }
    }
}

impl Decoder {
    /// The two samples of an octet.
    pub fn decode(&mut self, octet: u8) -> [i16; 2] {
        let (low, high) = self.decode_bands(octet);
        let (first, second) = filtered(&mut self.history, [low + high, low - high]);
        [first, second].map(|sample| saturated(sample >> 11) as i16)
    }

    /// What is below 4000 Hz of an octet: a sample at 8000 Hz.
    ///
    /// A stream is decoded in one way or the other: the upper band's state is left alone here.
    pub fn decode_narrow(&mut self, octet: u8) -> i16 {
        saturated(self.decode_lower(octet) << 1) as i16
    }

    fn decode_lower(&mut self, octet: u8) -> i32 {
        let six = usize::from(octet & 0x3F);
        let low = self.lower.reconstructed(LOWER_SIX[six]);
        self.lower.follow(LOWER_FOUR[six >> 2], LOWER_GROWTH[six >> 2]);
        low
    }

    fn decode_bands(&mut self, octet: u8) -> (i32, i32) {
        let low = self.decode_lower(octet);
        let two = usize::from(octet >> 6);
        let high = self.upper.reconstructed(UPPER_TWO[two]);
        self.upper.follow(UPPER_TWO[two], UPPER_GROWTH[two]);
        (low, high)
    }
}

/// Takes two samples into a filter's history; the sums over the later and over the earlier of each pair in it.
fn filtered(history: &mut [i32; 24], pair: [i32; 2]) -> (i32, i32) {
    history.copy_within(2.., 0);
    history[22..].copy_from_slice(&pair);
    let mut sums = (0, 0);
    for (place, samples) in history.chunks_exact(2).enumerate() {
        sums.0 += samples[1] * TAPS[11 - place];
        sums.1 += samples[0] * TAPS[place];
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sweep that swells, with noise in it.
    fn sweep() -> Vec<i16> {
        let mut random = 1_u32;
        let sample = |n: i64| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let tone = ((n * n / 40) % 2000 - 1000) * (n % 4000) / 400;
            (tone + (i64::from(random >> 20) - 2048) / 4).clamp(-32_768, 32_767) as i16
        };
        (0..16_000).map(sample).collect()
    }

    fn encoded(samples: &[i16]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        samples.chunks_exact(2).map(|pair| encoder.encode([pair[0], pair[1]])).collect()
    }

    fn decoded(octets: &[u8]) -> Vec<i16> {
        let mut decoder = Decoder::default();
        octets.iter().flat_map(|octet| decoder.decode(*octet)).collect()
    }

    /// FNV-1a of 64 bits.
    fn hash(octets: impl Iterator<Item = u8>) -> u64 {
        octets.fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3)
        })
    }

    #[test]
    fn octets_and_samples_are_those_of_another_implementation() {
        // What libg722 (CMU, Steve Underwood) makes of the same sweep.
        let octets = encoded(&sweep());
        assert_eq!(octets[..16], [122, 158, 50, 150, 33, 132, 31, 141, 59, 149, 139, 59, 181, 169, 58, 148]);
        assert_eq!(hash(octets.iter().copied()), 0x1B91_15CC_CD91_AE8A);
        let samples = decoded(&octets);
        assert_eq!(samples[100..108], [231, 121, -56, -105, -143, -572, -302, -66]);
        assert_eq!(hash(samples.iter().flat_map(|sample| sample.to_le_bytes())), 0x5AD3_A8EA_9D42_3A6C);
    }

    #[test]
    fn a_tone_of_either_band_comes_through() {
        for (frequency, signal_to_noise) in [(440.0, 1000.0), (1000.0, 1000.0), (5500.0, 30.0)] {
            let tone: Vec<i16> = (0..16_000)
                .map(|n| {
                    ((f64::from(n) * frequency / 16_000.0 * std::f64::consts::TAU).sin() * 8000.0) as i16
                })
                .collect();
            let heard = decoded(&encoded(&tone));
            // Both filters together delay by 22 samples. The predictor has settled after the first half.
            let pairs = tone[8000..15_000].iter().zip(&heard[8022..]);
            let power =
                |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
            let noise = power(&mut pairs.map(|(sent, heard)| f64::from(*sent) - f64::from(*heard)));
            let signal = power(&mut tone[8000..15_000].iter().map(|sample| f64::from(*sample)));
            assert!(signal / noise > signal_to_noise, "{frequency} Hz: {}", signal / noise);
        }
    }

    #[test]
    fn silence_is_silent_whatever_came_before() {
        let speech = encoded(&sweep());
        for before in [&[][..], &speech, &speech[..2000]] {
            let octets = [before, &[SILENCE; 8000]].concat();
            let heard = decoded(&octets);
            let rest = &heard[2 * before.len() + 8000..];
            // Rounding keeps a predictor a little off zero, at -56 dBFS: less than the idle noise of a line.
            assert!(rest.iter().all(|sample| sample.abs() < 50), "{:?}", rest.iter().max());
        }
    }

    #[test]
    fn the_lower_band_alone_is_what_is_below_4000_hz() {
        let tone: Vec<i16> = (0..16_000)
            .map(|n| ((f64::from(n) * 0.1 * std::f64::consts::TAU / 2.0).sin() * 8000.0) as i16)
            .collect();
        let mut decoder = Decoder::default();
        let narrow: Vec<i16> = encoded(&tone).iter().map(|octet| decoder.decode_narrow(*octet)).collect();
        assert_eq!(narrow.len(), 8000);
        let loudest = narrow[4000..].iter().max().copied().unwrap_or(0);
        assert!((7200..8800).contains(&loudest), "{loudest}");
    }
}
