//! How a call sounds to whoever hears it, estimated from what the network does to it: the E-model (ITU-T G.107) with
//! its defaults, for G.711 with concealment of lost packets (G.113 appendix I), and its opinion score (annex B).
//!
//! An estimate for comparing calls and networks with each other. What echo, noise and microphones do is not in it.

use std::time::Duration;

/// The rating of a call without loss and without delay, all else at its default.
const BEST: f64 = 93.2;
/// How well G.711 with concealment stands random loss.
const ROBUSTNESS: f64 = 25.1;
/// From this one-way delay on conversations suffer more.
const DELAY_KNEE_MS: f64 = 177.3;
/// A receiver waits for late packets about as long as this many times the jitter.
const JITTER_BUFFER: f64 = 2.0;

/// The mean opinion score, 1 to 4.5, where this share of packets (0-1) is lost on a path of this round trip.
pub fn opinion(loss: f64, round_trip: Duration, jitter: Duration, packet_time: Duration) -> f64 {
    let delay_ms =
        (round_trip / 2 + packet_time).as_secs_f64() * 1e3 + jitter.as_secs_f64() * 1e3 * JITTER_BUFFER;
    let loss = loss.clamp(0.0, 1.0) * 100.0;
    let by_delay = 0.024 * delay_ms + 0.11 * (delay_ms - DELAY_KNEE_MS).max(0.0);
    let by_loss = 95.0 * loss / (loss + ROBUSTNESS);
    score((BEST - by_delay - by_loss).clamp(0.0, 100.0))
}

/// G.107 annex B.
fn score(rating: f64) -> f64 {
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn ratings_are_scored_as_annex_b_has_it() {
        for (rating, expected) in
            [(0.0, 1.0), (50.0, 2.58), (60.0, 3.1), (70.0, 3.6), (80.0, 4.02), (93.2, 4.41)]
        {
            assert!((score(rating) - expected).abs() < 0.01, "{rating}: {}", score(rating));
        }
    }

    #[test]
    fn loss_and_delay_cost_what_the_model_says() {
        let table = [
            (0.0, 0, 0, 4.40),
            (0.01, 40, 0, 4.30),
            (0.05, 100, 5, 3.84),
            (0.0, 400, 0, 4.14),
            (0.2, 100, 10, 2.52),
            (1.0, 100, 0, 1.14),
            (7.0, 60_000, 9000, 1.0),
        ];
        for (loss, round_trip, jitter, expected) in table {
            let opinion = opinion(loss, round_trip * MS, jitter * MS, 20 * MS);
            assert!((opinion - expected).abs() < 0.01, "{loss} {round_trip} {jitter}: {opinion}");
        }
    }
}
