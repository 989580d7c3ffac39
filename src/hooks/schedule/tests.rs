//! The rule on a clock of its own: what a receiver gets that is well, down for an hour, or dislikes one event.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng;

use super::Outcome::{Delivered, Failed};
use super::*;

const WEEK: Duration = Duration::from_hours(7 * 24);

struct World {
    schedule: Schedule,
    began: Instant,
    now: Instant,
    places: i64,
    /// What was sent, when, and of which call.
    sent: Vec<(Duration, i64)>,
    expired: Vec<i64>,
}

impl World {
    fn new(concurrent_max: usize) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test's time begins somewhere")]
        let now = Instant::now();
        let schedule = Schedule::new(concurrent_max, StdRng::seed_from_u64(7));
        Self { schedule, began: now, now, places: 0, sent: Vec::new(), expired: Vec::new() }
    }

    fn add(&mut self, call: u64, retry_for: Duration) -> i64 {
        self.places += 1;
        let ticket = Ticket { place: self.places, call: CallId(call), expires: self.now + retry_for };
        self.schedule.add(ticket, self.now);
        self.places
    }

    /// What is to be sent now.
    fn due(&mut self) -> Vec<i64> {
        let mut due = Vec::new();
        while let Some(action) = self.schedule.poll_action(self.now) {
            match action {
                Action::Send(place) => due.push(place),
                Action::Expire(place) => self.expired.push(place),
            }
        }
        self.sent.extend(due.iter().map(|place| (self.now - self.began, *place)));
        due
    }

    /// Lets time pass until `end`, `receiver` answering at once.
    fn run(&mut self, end: Duration, receiver: impl Fn(Duration, i64) -> Outcome) {
        loop {
            for place in self.due() {
                let outcome = receiver(self.now - self.began, place);
                self.schedule.handle(place, outcome, self.now);
            }
            match self.schedule.poll_timeout() {
                Some(next) if next <= self.began + end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = self.began + end;
    }

    fn tries(&self, place: i64) -> Vec<Duration> {
        self.sent.iter().filter(|(_, sent)| *sent == place).map(|(at, _)| *at).collect()
    }
}

#[test]
fn events_of_one_call_go_one_after_another_and_calls_side_by_side() {
    let mut world = World::new(8);
    for call in [1, 1, 2, 1, 2] {
        world.add(call, WEEK);
    }
    assert_eq!(world.due(), [1, 3]);
    world.schedule.handle(3, Delivered, world.now);
    assert_eq!(world.due(), [5]);
    world.schedule.handle(1, Delivered, world.now);
    assert_eq!(world.due(), [2]);
    assert_eq!(world.schedule.len(), 3);
}

#[test]
fn no_more_are_under_way_than_may_be() {
    let mut world = World::new(2);
    for call in 0..5 {
        world.add(call, WEEK);
    }
    assert_eq!(world.due(), [1, 2]);
    assert_eq!(world.schedule.poll_timeout(), None);
    world.schedule.handle(1, Delivered, world.now);
    assert_eq!(world.due(), [3]);
}

#[test]
fn a_receiver_that_is_down_for_an_hour_gets_all_of_them_once_and_in_order_within_a_minute_of_its_return() {
    let mut world = World::new(8);
    let hour = Duration::from_hours(1);
    let mut calls: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    // 1000 calls of five events over an hour.
    for (second, call) in (0..3600).step_by(18).zip((0..1000).step_by(5)) {
        world.run(Duration::from_secs(second), |_, _| Failed(None));
        for call in call..call + 5 {
            let places = (0..5).map(|_| world.add(call, WEEK)).collect();
            calls.insert(call, places);
        }
    }
    world.run(hour, |_, _| Failed(None));
    let tried = world.sent.len();
    assert!((60..300).contains(&tried), "it was not asked all the time, nor given up: {tried} times");
    assert_eq!(world.schedule.len(), 5000);
    world.run(hour + Duration::from_secs(61), |_, _| Delivered);
    assert!(world.schedule.is_empty(), "{} are left", world.schedule.len());
    let taken: Vec<i64> = world.sent[tried..].iter().map(|(_, place)| *place).collect();
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 5000);
    assert_eq!(taken.len(), 5000, "once each");
    for places in calls.values() {
        let order: Vec<_> = taken.iter().filter(|place| places.contains(place)).collect();
        assert_eq!(order, places.iter().collect::<Vec<_>>());
    }
}

#[test]
fn an_event_that_is_disliked_holds_up_its_call_and_no_other() {
    let mut world = World::new(4);
    let disliked = world.add(1, WEEK);
    let behind = world.add(1, WEEK);
    let others: Vec<i64> = (2..500).map(|call| world.add(call, WEEK)).collect();
    world.run(Duration::from_secs(1), |_, place| if place == disliked { Failed(None) } else { Delivered });
    assert_eq!(world.schedule.len(), 2);
    assert!(others.iter().all(|place| world.tries(*place).len() == 1));
    world.run(Duration::from_hours(2), |_, place| if place == disliked { Failed(None) } else { Delivered });
    let tries = world.tries(disliked);
    assert!((10..200).contains(&tries.len()), "{tries:?}");
    assert!(world.tries(behind).is_empty());
    let taken = |_, _| Delivered;
    world.run(Duration::from_hours(3), taken);
    assert!(world.schedule.is_empty() && world.tries(behind).len() == 1);
}

#[test]
fn pauses_double_up_to_the_longest_and_are_not_all_alike() {
    let mut rng = StdRng::seed_from_u64(1);
    for (failures, whole) in [(1, 1), (2, 2), (3, 4), (6, 32), (10, 512), (11, 600), (40, 600)] {
        let whole = Duration::from_secs(whole);
        let drawn: BTreeSet<Duration> = (0..50).map(|_| pause(failures, EVENT_PAUSE_MAX, &mut rng)).collect();
        assert!(drawn.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{failures}: {drawn:?}");
        assert!(drawn.len() > 10);
    }
}

#[test]
fn a_receiver_that_asks_to_be_left_alone_is() {
    let mut world = World::new(4);
    let first = world.add(1, WEEK);
    let asked = Duration::from_mins(5);
    world.run(Duration::ZERO, |_, _| Failed(Some(asked)));
    world.add(2, WEEK);
    world.run(Duration::from_mins(10), |_, _| Delivered);
    assert_eq!(world.tries(first), [Duration::ZERO, asked]);
    assert_eq!(world.tries(2), [asked]);
}

#[test]
fn an_event_is_given_up_in_time_and_the_next_of_its_call_goes() {
    let mut world = World::new(4);
    let first = world.add(1, Duration::from_mins(30));
    let second = world.add(1, WEEK);
    let refuses = move |_, place| if place == first { Failed(None) } else { Delivered };
    world.run(Duration::from_hours(1), refuses);
    assert_eq!(world.expired, [first]);
    assert!(world.tries(first).iter().all(|at| *at < Duration::from_mins(30)));
    assert_eq!(world.tries(second).len(), 1);
    assert!(world.schedule.is_empty());
}

proptest! {
    #[test]
    fn whatever_fails_each_event_is_taken_once_and_in_the_order_of_its_call(
        calls in proptest::collection::vec(0u64..6, 1..40),
        failing in proptest::collection::vec(any::<bool>(), 200),
    ) {
        let mut world = World::new(3);
        let mut of_call: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for call in calls {
            let place = world.add(call, WEEK);
            of_call.entry(call).or_default().push(place);
        }
        let tried = std::cell::Cell::new(0);
        let taken = std::cell::RefCell::new(Vec::new());
        world.run(Duration::from_hours(24), |_, place| {
            let nth = tried.replace(tried.get() + 1);
            if failing.get(nth).copied().unwrap_or(false) {
                return Failed(None);
            }
            taken.borrow_mut().push(place);
            Delivered
        });
        prop_assert!(world.schedule.is_empty());
        let taken = taken.into_inner();
        for places in of_call.values() {
            let order: Vec<i64> = taken.iter().copied().filter(|place| places.contains(place)).collect();
            prop_assert_eq!(&order, places);
        }
    }
}
