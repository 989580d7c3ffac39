//! Erasing a person: everywhere where something of theirs is kept by a running server.

use crate::flow::Lock;
use crate::locks::{Key, Locks};
use crate::records::Eraser;
use crate::records::person::{Erased, Person};
use crate::speech::Voice;

/// Erases what is kept of `person`: all that was ever said, since nobody knows of which it was their name; the failed proofs
/// that were held against them; and last their records, so that what was in the way can be tried again.
pub async fn erase(person: Person, voice: Voice, locks: Locks, eraser: Eraser) -> Result<Erased, String> {
    let forgotten = voice.forget().await;
    forgotten.map_err(|error| format!("nothing is erased: what the voice said cannot be: {error}"))?;
    let key = match &person {
        Person::Customer(id) => Key::new(Lock::Customer, id),
        Person::Ani(number) => Key::new(Lock::Ani, number),
    };
    let lifted = locks.lift(key).await;
    lifted.map_err(|error| format!("no record is erased: the lock-outs cannot be: {error}"))?;
    eraser.erase(person).await.map_err(|error| error.to_string())
}
