//! Whether two samples can be told apart: the rank test of Mann and Whitney, with its normal approximation, corrected for
//! ties and for continuity.

/// The two-sided probability that samples of one and the same kind differ by as much as these; 1 where they are all alike.
/// For samples of twenty and more.
pub fn p_value(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        one.iter().map(|value| (*value, true)).chain(other.iter().map(|value| (*value, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (count, other_count) = (one.len() as f64, other.len() as f64);
    let total = count + other_count;
    let (mut ranks, mut ties, mut first) = (0.0, 0.0, 0);
    for group in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let size = group.len() as f64;
        let rank = f64::from(first) + f64::midpoint(1.0, size);
        ranks += rank * group.iter().filter(|(_, ours)| *ours).count() as f64;
        ties += size.powi(3) - size;
        first += group.len() as u32;
    }
    let u = ranks - count * (count + 1.0) / 2.0;
    let mean = count * other_count / 2.0;
    let variance = count * other_count / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - mean).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(z)).min(1.0)
}

/// How likely a normal variable is above `z`, for `z` of 0 and more (Abramowitz and Stegun 26.2.17, to 7.5e-8).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let powers = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = powers.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    sum * (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

#[test]
fn p_values_are_those_of_the_textbook() {
    let row = |from: i32, step: i32| (0..20).map(|nth| f64::from(from + nth * step)).collect::<Vec<f64>>();
    // As `scipy.stats.mannwhitneyu(one, other, method="asymptotic")` has them.
    let table = [
        (row(0, 1), row(0, 1), 1.0),
        (row(0, 1), row(9, 1), 0.000_168_624_9),
        (row(0, 2), row(5, 2), 0.208_453_55),
        ([1.0, 1.0, 2.0, 3.0].repeat(5), [1.0, 2.0, 2.0, 3.0].repeat(5), 0.285_862_04),
        (vec![1.0; 20], vec![1.0; 20], 1.0),
    ];
    for (one, other, expected) in table {
        let p = p_value(&one, &other);
        assert!((p - expected).abs() <= 1e-3 * expected, "{p} and not {expected}");
    }
}
