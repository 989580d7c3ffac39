//! When which event is sent: a rule without a clock, a disk or a network of its own.
//!
//! - Events of one call go one after another; those of different calls do not wait for each other.
//! - An event that fails is tried again, each time after twice as long, and at random up to half as early.
//! - Where events fail one after another, whichever they are, it is the receiver that fails: then it is left alone for
//!   a while, likewise longer and longer, and tried with one event at a time until it takes one.
//! - An event whose time is over is given up, and the call's next one goes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use crate::call::CallId;

/// How long is waited after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long an event waits at the longest from one try to the next.
const EVENT_PAUSE_MAX: Duration = Duration::from_mins(10);
/// How long a receiver is left alone at the longest, where it does not ask for more: then all it has missed begins to come.
const RECEIVER_PAUSE_MAX: Duration = Duration::from_mins(1);
/// The longest that a receiver may ask to be left alone.
const ASKED_PAUSE_MAX: Duration = Duration::from_hours(1);
/// So many failures without a success between them are the receiver's own.
const STRUGGLING: u32 = 3;

/// An event that waits: its place in the spool, its call, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Counts up: of one call's events the smaller comes first.
    pub place: i64,
    /// The call that it is of.
    pub call: CallId,
    /// When it is given up.
    pub expires: Instant,
}

/// What came of sending an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It may not have it; and may have asked to be left alone for a while.
    Failed(Option<Duration>),
}

/// What is to be done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it, and tell what came of it.
    Send(i64),
    /// Forget it: its time is over.
    Expire(i64),
}

/// The events that wait for one receiver.
#[derive(Debug)]
pub struct Schedule {
    concurrent_max: usize,
    rng: StdRng,
    calls: HashMap<CallId, VecDeque<Waiting>>,
    /// The first event of each call that has none under way, by when it may go.
    ready: BTreeSet<(Instant, i64, CallId)>,
    under_way: HashMap<i64, CallId>,
    /// Failures since the last success.
    failures: u32,
    /// How often the receiver has been left alone since.
    pauses: u32,
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    /// Failures that were its own.
    failures: u32,
}

impl Schedule {
    /// Without events. `concurrent_max` of them are under way at the most, each of another call.
    pub fn new(concurrent_max: usize, rng: StdRng) -> Self {
        Self {
            concurrent_max,
            rng,
            calls: HashMap::new(),
            ready: BTreeSet::new(),
            under_way: HashMap::new(),
            failures: 0,
            pauses: 0,
            paused_until: None,
        }
    }

    /// Takes an event in, behind those of its call.
    pub fn add(&mut self, ticket: Ticket, now: Instant) {
        let queue = self.calls.entry(ticket.call).or_default();
        if queue.is_empty() {
            self.ready.insert((now, ticket.place, ticket.call));
        }
        queue.push_back(Waiting { ticket, failures: 0 });
    }

    /// How many events there are, those under way included.
    pub fn len(&self) -> usize {
        self.calls.values().map(VecDeque::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The next thing to do now.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        let &(at, place, call) = self.ready.first()?;
        if at > now {
            return None;
        }
        let expires = self.calls.get(&call)?.front()?.ticket.expires;
        if expires <= now {
            self.ready.pop_first();
            self.forget_first(call, now);
            return Some(Action::Expire(place));
        }
        if self.paused_until.is_some_and(|until| until > now) || !self.has_room() {
            return None;
        }
        self.ready.pop_first();
        self.under_way.insert(place, call);
        Some(Action::Send(place))
    }

    /// When `poll_action` may next have something that it has not now; `None`: not before something else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (at, _, _) = self.ready.first()?;
        self.has_room().then_some(self.paused_until.map_or(*at, |until| until.max(*at)))
    }

    /// Whether one more may be under way: of a receiver that is struggling, the only one.
    fn has_room(&self) -> bool {
        self.under_way.len() < if self.failures >= STRUGGLING { 1 } else { self.concurrent_max }
    }

    /// Takes in what came of an event that was to be sent.
    pub fn handle(&mut self, place: i64, outcome: Outcome, now: Instant) {
        let Some(call) = self.under_way.remove(&place) else { return };
        match outcome {
            Outcome::Delivered => {
                (self.failures, self.pauses, self.paused_until) = (0, 0, None);
                self.forget_first(call, now);
            }
            Outcome::Failed(asked) => self.failed(call, asked, now),
        }
    }

    fn failed(&mut self, call: CallId, asked: Option<Duration>, now: Instant) {
        let Some(first) = self.calls.get_mut(&call).and_then(VecDeque::front_mut) else { return };
        if self.failures < STRUGGLING {
            first.failures += 1;
        }
        let (place, failures) = (first.ticket.place, first.failures);
        let again = now + pause(failures, EVENT_PAUSE_MAX, &mut self.rng);
        self.ready.insert((again, place, call));
        self.failures += 1;
        let is_paused = self.paused_until.is_some_and(|until| until > now);
        if self.failures >= STRUGGLING && !is_paused {
            self.pauses += 1;
            let until = now + pause(self.pauses, RECEIVER_PAUSE_MAX, &mut self.rng);
            self.leave_alone(until);
        }
        if let Some(asked) = asked {
            self.leave_alone(now + asked.min(ASKED_PAUSE_MAX));
        }
    }

    fn leave_alone(&mut self, until: Instant) {
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
    }

    /// The first event of a call is settled, and the next one may go.
    fn forget_first(&mut self, call: CallId, now: Instant) {
        let Some(queue) = self.calls.get_mut(&call) else { return };
        queue.pop_front();
        match queue.front() {
            Some(next) => drop(self.ready.insert((now, next.ticket.place, call))),
            None => drop(self.calls.remove(&call)),
        }
    }
}

/// How long is waited after so many failures.
fn pause(failures: u32, longest: Duration, rng: &mut StdRng) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(longest).mul_f64(rng.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests;
