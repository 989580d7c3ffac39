//! The strain on the media threads: whether there is still room for one more call's sound.
//!
//! A machine's limit is not known beforehand, so it is felt: where packets leave late, one more call would take from those
//! that are up. A machine that stands still for a moment is not full, so it takes more than one bad second; and it is
//! let go only after some calm, so that calls do not come in by turns.

/// Seconds in a row above the limit before calls are refused.
const LATE_SECONDS: u8 = 2;
/// Seconds in a row with at most half of the limit before calls are taken again.
const CALM_SECONDS: u8 = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strain {
    strained: bool,
    /// Seconds above the limit so far, and of calm.
    late: u8,
    calm: u8,
}

impl Strain {
    /// Takes in which share of a second's packets left late; more than `late_max` of them are too many.
    pub(super) fn note(&mut self, late: f64, late_max: f64) {
        self.late = if late > late_max { self.late.saturating_add(1) } else { 0 };
        self.calm = if late > late_max / 2.0 { 0 } else { self.calm.saturating_add(1) };
        if self.late >= LATE_SECONDS {
            self.strained = true;
        } else if self.calm >= CALM_SECONDS {
            self.strained = false;
        }
    }

    /// Whether there is no room for one more.
    pub(super) fn is_strained(&self) -> bool {
        self.strained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_second_bad_second_and_ends_after_some_calm() {
        let mut strain = Strain::default();
        let seconds = [
            (0.11, false),
            (0.10, false),
            (1.0, false),
            (0.11, true),
            (0.0, true),
            (0.05, true),
            (0.06, true),
            (0.0, true),
            (0.0, true),
            (0.0, false),
            (1.0, false),
            (1.0, true),
        ];
        for (second, (late, strained)) in seconds.into_iter().enumerate() {
            strain.note(late, 0.1);
            assert_eq!(strain.is_strained(), strained, "second {second}");
        }
    }

    #[test]
    fn with_all_of_them_allowed_there_is_none() {
        let mut strain = Strain::default();
        strain.note(1.0, 1.0);
        strain.note(1.0, 1.0);
        assert!(!strain.is_strained());
    }
}
