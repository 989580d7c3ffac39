//! A proof on its way to the back end: charged first, given back where that is due, and kept from it where a key is locked.
//!
//! Whoever is locked hears that the secret was wrong, after as long as that takes to be known: the answer to nothing
//! comes when the last "no" would have come.
#![expect(
    clippy::disallowed_methods,
    reason = "shell: measures how long the back end takes, and takes as long"
)]

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Key;
use super::keeper::{Locks, NotCounted};
use crate::flow::{ActionName, Answer, Failure};

/// How long a "no" takes where none has been heard yet.
const PACE_USUALLY: Duration = Duration::from_millis(150);

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
                tokio::time::sleep_until((began + self.pace(action)).into()).await;
                return Answer::Locked(lock);
            }
            Err(NotCounted) => return Answer::Failed(Failure::NotCounted),
        };
        let answer = ask.await;
        if answer == Answer::Check(false) {
            self.note_pace(action, began.elapsed());
        }
        if is_given_back(&answer) {
            self.give_back(charge);
        }
        answer
    }

    fn pace(&self, action: &ActionName) -> Duration {
        let paces = self.shared.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.get(action).copied().unwrap_or(PACE_USUALLY)
    }

    fn note_pace(&self, action: &ActionName, pace: Duration) {
        let mut paces = self.shared.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.insert(action.clone(), pace);
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
