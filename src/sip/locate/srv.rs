//! The order in which hosts of one service are tried (RFC 2782, "The format of the SRV RR" and "Usage rules").

use rand::Rng;
use rand::rngs::StdRng;

use super::{RECORDS_MAX, Srv};

/// By priority; within one, drawn by weight, so that over many draws each host is first as often as its share.
///
/// One of weight 0 is first only now and then, and of the draws that are left it always gets one.
pub fn order(mut records: Vec<Srv>, rng: &mut StdRng) -> Vec<Srv> {
    // Those of weight 0 stand first of their priority. The rest is for a seed to give the same order again,
    // as servers rotate their answers.
    records.sort_by(|one, other| {
        (one.priority, one.weight > 0, one).cmp(&(other.priority, other.weight > 0, other))
    });
    records.truncate(RECORDS_MAX);
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let peers = records.iter().take_while(|record| record.priority == priority);
        let total: u32 = peers.map(|record| u32::from(record.weight)).sum();
        let drawn = rng.random_range(0..=total);
        let mut sum = 0;
        let chosen = records.iter().position(|record| {
            sum += u32::from(record.weight);
            sum >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or_default()));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn host(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn first(records: &[Srv], seed: u64) -> String {
        order(records.to_vec(), &mut StdRng::seed_from_u64(seed)).remove(0).target
    }

    /// How often each target is first in this many draws.
    fn shares(records: &[Srv], target: &str, draws: u64) -> f64 {
        let times = (0..draws).filter(|&seed| first(records, seed) == target).count();
        times as f64 / draws as f64
    }

    #[test]
    fn priorities_come_before_weights() {
        let records = [host(20, 65_535, "b."), host(10, 1, "a."), host(30, 0, "c.")];
        for seed in 0..100 {
            let ordered = order(records.to_vec(), &mut StdRng::seed_from_u64(seed));
            let targets: Vec<_> = ordered.iter().map(|record| record.target.as_str()).collect();
            assert_eq!(targets, ["a.", "b.", "c."], "seed {seed}");
        }
    }

    #[test]
    fn weights_are_shares() {
        // The example of RFC 2782. Its draw begins at 0, which with weights as small as these tips the scale.
        let records = [host(0, 1, "old-slow-box."), host(0, 3, "new-fast-box.")];
        let share = shares(&records, "new-fast-box.", 4000);
        assert!((0.55..0.80).contains(&share), "{share}");
        let large = [host(0, 1000, "old."), host(0, 3000, "new.")];
        let share = shares(&large, "new.", 4000);
        assert!((0.72..0.78).contains(&share), "{share}");
    }

    #[test]
    fn weight_zero_is_chosen_seldom_and_alone_always() {
        let records = [host(0, 0, "spare."), host(0, 100, "usual.")];
        let share = shares(&records, "spare.", 4000);
        assert!(share > 0.0 && share < 0.03, "{share}");
        assert_eq!(first(&[host(0, 0, "only.")], 7), "only.");
        let equals = [host(0, 0, "one."), host(0, 0, "other.")];
        assert_eq!(order(equals.to_vec(), &mut StdRng::seed_from_u64(7)).len(), 2);
    }

    #[test]
    fn a_seed_gives_the_same_order_however_the_answer_is_rotated() {
        let records = [host(0, 10, "a."), host(0, 20, "b."), host(0, 30, "c."), host(1, 0, "d.")];
        for seed in 0..50 {
            let mut rotated = records.to_vec();
            rotated.rotate_left(seed as usize % 4);
            let draw = |records: &[Srv]| order(records.to_vec(), &mut StdRng::seed_from_u64(seed));
            assert_eq!(draw(&records), draw(&rotated), "seed {seed}");
        }
    }

    #[test]
    fn of_too_many_the_best_are_kept() {
        let records: Vec<_> = (0..1000).rev().map(|number| host(number, 65_535, "x.")).collect();
        let ordered = order(records, &mut StdRng::seed_from_u64(1));
        assert_eq!((ordered.len(), ordered[0].priority), (RECORDS_MAX, 0));
    }
}
