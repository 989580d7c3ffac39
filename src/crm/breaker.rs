//! Leaves a back end alone that keeps failing, so that callers do not wait for what will not come.
//!
//! ```text
//!            enough failures                  open_for is over
//!   Closed ──────────────────▶ Open ─────────────────────────────▶ Trying
//!      ▲                        ▲                                    │ │
//!      │                        └────────── the probe failed ────────┘ │
//!      └─────────────────────────────────── the probe was answered ────┘
//! ```
//!
//! Closed lets everybody pass, and counts what comes of it over a window that slides. Open lets nobody pass. Trying lets
//! one pass, the probe, and waits for what comes of it; a probe that is abandoned is followed by another at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Into how many parts the window is divided: how finely it slides.
const SLICES: u32 = 10;

/// When a back end is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many requests have to fail within the window …
    pub failures: u32,
    /// … and how many of a hundred these have to be.
    pub percent: u32,
    /// How long what came of a request counts.
    pub window: Duration,
    /// How long it is left alone until it is tried again.
    pub open_for: Duration,
}

impl Limits {
    /// Those of a back end of which nothing is said: half of all requests fail, and at least ten within ten seconds.
    pub const USUAL: Self = Self {
        failures: 10,
        percent: 50,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(10),
    };
}

/// What came of a request that was let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The back end has answered.
    Good,
    /// It has failed.
    Bad,
    /// Nobody waited for it.
    Unknown,
}

/// The permission to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Counts changes of state: what comes of a request that was sent before the last one counts for nothing.
    epoch: u64,
}

/// Whether a back end is asked or left alone.
#[derive(Debug)]
pub struct Breaker {
    limits: Limits,
    epoch: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed(VecDeque<Slice>),
    Open { until: Instant },
    Trying,
}

/// A part of the window.
#[derive(Debug)]
struct Slice {
    began: Instant,
    good: u32,
    bad: u32,
}

impl Breaker {
    /// Closed, and nothing counted.
    pub fn new(limits: Limits) -> Self {
        Self { limits, epoch: 0, state: State::Closed(VecDeque::new()) }
    }

    /// Whether requests are kept back.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed(_))
    }

    /// Lets a request pass, or not.
    pub fn enter(&mut self, now: Instant) -> Option<Pass> {
        match self.state {
            State::Closed(_) => {}
            State::Open { until } if until <= now => self.become_state(State::Trying),
            State::Open { .. } | State::Trying => return None,
        }
        Some(Pass { epoch: self.epoch })
    }

    /// Takes what came of a request. Each pass is given back once.
    pub fn leave(&mut self, pass: Pass, outcome: Outcome, now: Instant) {
        if pass.epoch != self.epoch {
            return;
        }
        match (&mut self.state, outcome) {
            (State::Closed(slices), Outcome::Good | Outcome::Bad) => {
                count(slices, outcome, self.limits.window, now);
                if self.limits.are_reached(slices) {
                    self.open(now);
                }
            }
            (State::Trying, Outcome::Good) => self.become_state(State::Closed(VecDeque::new())),
            (State::Trying, Outcome::Bad) => self.open(now),
            (State::Trying, Outcome::Unknown) => self.become_state(State::Open { until: now }),
            // Nobody passes while it is open, so that nobody comes back in its epoch.
            (State::Closed(_), Outcome::Unknown) | (State::Open { .. }, _) => {}
        }
    }

    fn open(&mut self, now: Instant) {
        self.become_state(State::Open { until: now + self.limits.open_for });
    }

    fn become_state(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

impl Limits {
    fn are_reached(&self, slices: &VecDeque<Slice>) -> bool {
        let sum = |part: fn(&Slice) -> u32| slices.iter().map(|slice| u64::from(part(slice))).sum::<u64>();
        let (good, bad) = (sum(|slice| slice.good), sum(|slice| slice.bad));
        bad >= u64::from(self.failures) && bad * 100 >= u64::from(self.percent) * (good + bad)
    }
}

fn count(slices: &mut VecDeque<Slice>, outcome: Outcome, window: Duration, now: Instant) {
    while slices.front().is_some_and(|slice| slice.began + window <= now) {
        slices.pop_front();
    }
    let is_over = |slice: &Slice| slice.began + window / SLICES <= now;
    if slices.back().is_none_or(is_over) {
        slices.push_back(Slice { began: now, good: 0, bad: 0 });
    }
    if let Some(slice) = slices.back_mut() {
        match outcome {
            Outcome::Good => slice.good = slice.good.saturating_add(1),
            Outcome::Bad => slice.bad = slice.bad.saturating_add(1),
            Outcome::Unknown => {}
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's time begins somewhere")]
mod tests {
    use proptest::prelude::*;

    use super::Outcome::{Bad, Good, Unknown};
    use super::*;

    const LIMITS: Limits = Limits {
        failures: 3,
        percent: 50,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
    };

    /// A breaker on a clock of its own.
    struct Tried {
        breaker: Breaker,
        now: Instant,
    }

    impl Tried {
        fn new() -> Self {
            Self { breaker: Breaker::new(LIMITS), now: Instant::now() }
        }

        fn wait(&mut self, milliseconds: u64) {
            self.now += Duration::from_millis(milliseconds);
        }

        fn enter(&mut self) -> Option<Pass> {
            self.breaker.enter(self.now)
        }

        fn leave(&mut self, pass: Pass, outcome: Outcome) {
            self.breaker.leave(pass, outcome, self.now);
        }

        fn ask(&mut self, outcome: Outcome) {
            let pass = self.enter().expect("it is let pass");
            self.leave(pass, outcome);
        }

        fn opened() -> Self {
            let mut it = Self::new();
            (0..LIMITS.failures).for_each(|_| it.ask(Bad));
            assert!(it.breaker.is_open());
            it
        }
    }

    #[test]
    fn it_opens_when_failures_are_many_and_a_large_share() {
        let table: [(&[Outcome], bool); 6] = [
            (&[Bad, Bad], false),
            (&[Bad, Bad, Bad], true),
            (&[Good, Good, Good, Bad, Bad, Bad], true),
            (&[Good, Good, Good, Good, Bad, Bad, Bad], false),
            (&[Good, Good, Good, Good, Bad, Bad, Bad, Bad], true),
            (&[Unknown, Unknown, Unknown, Unknown, Bad, Bad, Bad], true),
        ];
        for (outcomes, expected) in table {
            let mut it = Tried::new();
            for outcome in outcomes {
                it.ask(*outcome);
            }
            assert_eq!(it.breaker.is_open(), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut it = Tried::new();
        it.ask(Bad);
        it.ask(Bad);
        it.wait(10_000);
        it.ask(Bad);
        assert!(!it.breaker.is_open());
        it.wait(9_999);
        it.ask(Bad);
        it.ask(Bad);
        assert!(it.breaker.is_open());
    }

    #[test]
    fn while_it_is_open_nobody_passes_and_then_one_does() {
        let mut it = Tried::opened();
        assert_eq!(it.enter(), None);
        it.wait(4_999);
        assert_eq!(it.enter(), None);
        it.wait(1);
        let probe = it.enter().expect("the probe passes");
        assert_eq!(it.enter(), None, "one at a time");
        it.leave(probe, Good);
        assert!(!it.breaker.is_open());
        it.ask(Bad);
        assert!(!it.breaker.is_open(), "it counts from the beginning");
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_as_long_again() {
        let mut it = Tried::opened();
        it.wait(5_000);
        it.ask(Bad);
        it.wait(4_999);
        assert_eq!(it.enter(), None);
        it.wait(1);
        it.ask(Good);
        assert!(!it.breaker.is_open());
    }

    #[test]
    fn an_abandoned_probe_is_followed_by_another() {
        let mut it = Tried::opened();
        it.wait(5_000);
        let probe = it.enter().expect("the probe passes");
        it.leave(probe, Unknown);
        it.ask(Good);
        assert!(!it.breaker.is_open());
    }

    #[test]
    fn what_comes_late_counts_for_nothing() {
        let mut it = Tried::new();
        let (late, later) = (it.enter().expect("a pass"), it.enter().expect("a pass"));
        (0..3).for_each(|_| it.ask(Bad));
        it.leave(late, Good);
        assert!(it.breaker.is_open(), "it was sent before");
        it.wait(5_000);
        let probe = it.enter().expect("the probe passes");
        it.leave(later, Good);
        assert!(it.breaker.is_open(), "it is not the probe");
        it.leave(probe, Good);
        assert!(!it.breaker.is_open());
    }

    proptest! {
        #[test]
        fn it_never_stays_open_for_good(
            steps in proptest::collection::vec((0_u64..7_000, 0_usize..4), 0..200)
        ) {
            let mut it = Tried::new();
            let mut passes = Vec::new();
            for (wait, what) in steps {
                it.wait(wait);
                match [Good, Bad, Unknown].get(what) {
                    Some(outcome) => {
                        if let Some(pass) = passes.pop() {
                            it.leave(pass, *outcome);
                        }
                    }
                    None => passes.extend(it.enter()),
                }
            }
            // Whoever is still on the way comes back; then the next probe decides.
            for pass in passes {
                it.leave(pass, Unknown);
            }
            it.wait(5_000);
            it.ask(Good);
            prop_assert!(!it.breaker.is_open());
        }
    }
}
