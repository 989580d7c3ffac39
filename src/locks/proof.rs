//! A proof on its way to the back end: charged first, given back where that is due, and kept from it where a key is locked.
//!
//! Whoever is locked hears that the secret was wrong, after as long as that takes to be known: as long as one of the last
//! times that the back end said no, any of them.
#![expect(
    clippy::disallowed_methods,
    reason = "shell: measures how long the back end takes, and takes as long"
)]

use std::collections::{HashMap, VecDeque};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Key;
use super::keeper::{Locks, NotCounted};
use crate::flow::{ActionName, Answer, Failure};

/// How long a "no" takes where none has been heard yet.
const PACE_USUALLY: Duration = Duration::from_millis(150);
/// Times that are kept of each action. One alone would be told from others by never changing.
const TIMES_MAX: usize = 16;

/// How long it took, the last times, until a secret was known to be wrong, by the action that checked it.
#[derive(Debug, Default)]
pub(super) struct Paces(HashMap<ActionName, VecDeque<Duration>>);

impl Paces {
    /// Takes note of one time.
    pub fn note(&mut self, action: &ActionName, time: Duration) {
        let times = self.0.entry(action.clone()).or_default();
        times.truncate(TIMES_MAX - 1);
        times.push_front(time);
    }

    /// One of the last times.
    fn draw(&self, action: &ActionName) -> Duration {
        let times = self.0.get(action).filter(|times| !times.is_empty());
        times.map_or(PACE_USUALLY, |times| times[rand::random_range(..times.len())])
    }
}

impl Locks {
    /// Has `ask` put a proof to the back end by `action`, if it can be charged to all of `keys`.
    ///
    /// The charge stays where the back end says no, where it refuses the request in a way that nobody has told us the
    /// meaning of, and where this future is dropped.
    pub async fn prove(
        &self,
        action: &ActionName,
        keys: Vec<Key>,
        ask: impl Future<Output = Answer>,
    ) -> Answer {
        let began = Instant::now();
        let charge = match self.charge(keys).await {
            Ok(Ok(charge)) => charge,
            Ok(Err(lock)) => {
                let pace = self.paces().draw(action);
                tokio::time::sleep_until((began + pace).into()).await;
                return Answer::Locked(lock);
            }
            Err(NotCounted) => return Answer::Failed(Failure::NotCounted),
        };
        let answer = ask.await;
        if answer == Answer::Check(false) {
            self.paces().note(action, began.elapsed());
        }
        if is_given_back(&answer) {
            self.give_back(charge);
        }
        answer
    }

    fn paces(&self) -> MutexGuard<'_, Paces> {
        self.shared.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a proof that was answered so counts for nothing. A refusal counts: it may be the "no" of a service that the
/// configuration does not know as such, and to give that back would be to let everything be tried.
pub(super) fn is_given_back(answer: &Answer) -> bool {
    match answer {
        Answer::Check(accepted) => *accepted,
        Answer::Failed(failure) => *failure != Failure::Refused,
        _ => false,
    }
}
