//! The keeper: one task that has the book, and takes what is wished of it in turns.
//!
//! What comes while it writes waits, and is then done in one turn together: committing is what costs. A charge that the
//! book does not take in time is refused, and then the back end is not asked: neither do callers wait for a database, nor
//! is anything tried that is not counted.
#![expect(clippy::disallowed_methods, reason = "shell: reads the clocks, waits, starts a task")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info};

use super::book::{Book, ChargeId, Turn};
use super::proof::Paces;
use super::rule::{Limits, Moment};
use super::{Key, LockOut, Place};
use crate::flow::Lock;

/// Wishes that may wait. One more is refused.
const QUEUE_MAX: usize = 1024;
/// Wishes in one turn, so many that it has its end in time on a slow machine.
const AT_ONCE_MAX: usize = 64;
/// How long the first opening may take, when nobody waits yet.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long a turn may take, the opening of a connection included.
const TURN_WITHIN: Duration = Duration::from_millis(1500);
/// How long whoever wishes something waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Charges that are to be given back once the book can be written again; further ones are kept by it.
const OWED_MAX: usize = 4096;
/// How often charges that count no longer are forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(10);

/// The lock-outs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Locks {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    queue: mpsc::Sender<Wish>,
    limits: watch::Sender<Limits>,
    pub paces: Mutex<Paces>,
}

/// The book could not be read or written in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lock-outs cannot be read or written at the moment")]
pub struct NotCounted;

/// What can be wished of the keeper.
#[derive(Debug)]
enum Wish {
    Charge(ChargeId, Vec<Key>, Asked<Result<(), Lock>>),
    GiveBack(ChargeId),
    Lift(Key, Asked<u64>),
    List(Asked<Vec<LockOut>>),
    /// Tells when all that was wished before is done.
    Finish(Asked<()>),
}

/// A wish that somebody waits for, and what came of it, which is told once it has happened.
#[derive(Debug)]
struct Asked<T> {
    reply: oneshot::Sender<Result<T, NotCounted>>,
    done: Option<T>,
}

impl<T> Asked<T> {
    /// Tells what came of it, if it has happened; `false` where nobody waits any more.
    fn tell(self, happened: bool) -> bool {
        let done = self.done.filter(|_| happened);
        self.reply.send(done.ok_or(NotCounted)).is_ok()
    }
}

impl Locks {
    /// Opens the book at `place`. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the database says, of a file in the data folder. A server that cannot be reached is tried again with each
    /// proof, and until it can be, none is put to the back end.
    pub async fn start(place: Place, limits: Limits) -> Result<Self, sqlx::Error> {
        let opened = timeout(OPEN_WITHIN, Book::open(&place, now())).await;
        let book = match (opened, &place) {
            (Ok(Ok(book)), _) => Some(book),
            (Ok(Err(failure)), Place::Folder(_)) => return Err(failure),
            (Err(_), Place::Folder(_)) => return Err(sqlx::Error::PoolTimedOut),
            (Ok(Err(failure)), Place::Server(_)) => {
                error!(%failure, "the database of [locks] cannot be used: until it can, no secret is checked");
                None
            }
            (Err(_), Place::Server(_)) => {
                error!("the database of [locks] does not answer: until it does, no secret is checked");
                None
            }
        };
        let (queue, wished) = mpsc::channel(QUEUE_MAX);
        let (limits, limits_told) = watch::channel(limits);
        let keeper = Keeper { place, book, limits: limits_told, owed: Vec::new(), works: true };
        tokio::spawn(keeper.run(wished));
        Ok(Self { shared: Arc::new(Shared { queue, limits, paces: Mutex::default() }) })
    }

    /// Proofs that come from now on are counted by these.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.limits.send_replace(limits);
    }

    /// Every key that is locked, of each kind those first that will be for the longest; at most 1000 of a kind.
    ///
    /// # Errors
    /// [`NotCounted`].
    pub async fn list(&self) -> Result<Vec<LockOut>, NotCounted> {
        self.ask(Wish::List).await
    }

    /// Forgets what is charged to a key, and tells how many proofs that were.
    ///
    /// # Errors
    /// [`NotCounted`].
    pub async fn lift(&self, key: Key) -> Result<u64, NotCounted> {
        self.ask(|asked| Wish::Lift(key, asked)).await
    }

    /// Returns when all is written that was wished before.
    ///
    /// # Errors
    /// [`NotCounted`].
    pub async fn finish(&self) -> Result<(), NotCounted> {
        self.ask(Wish::Finish).await
    }

    /// Charges a proof to these keys, or tells which is locked.
    pub(super) async fn charge(&self, keys: Vec<Key>) -> Result<Result<ChargeId, Lock>, NotCounted> {
        let id = ChargeId(rand::random());
        let charged = self.ask(|asked| Wish::Charge(id, keys, asked)).await?;
        Ok(charged.map(|()| id))
    }

    /// Gives a charge back, soon. Where there is no room for it, it stays: that errs on the safe side.
    pub(super) fn give_back(&self, id: ChargeId) {
        if self.shared.queue.try_send(Wish::GiveBack(id)).is_err() {
            error!("a proof that was right stays charged: the lock-outs have too much to do");
        }
    }

    async fn ask<T>(&self, wish: impl FnOnce(Asked<T>) -> Wish) -> Result<T, NotCounted> {
        let (reply, told) = oneshot::channel();
        self.shared.queue.try_send(wish(Asked { reply, done: None })).map_err(|_| NotCounted)?;
        timeout(PATIENCE, told).await.map_err(|_| NotCounted)?.map_err(|_| NotCounted)?
    }
}

/// The task that has the book.
struct Keeper {
    place: Place,
    /// Closed after any failure: a fresh one has no half turn.
    book: Option<Book>,
    limits: watch::Receiver<Limits>,
    /// Charges of which it is not known whether they are in the book, and which should not be.
    owed: Vec<ChargeId>,
    /// Whether the last turn went well.
    works: bool,
}

impl Keeper {
    async fn run(mut self, mut wished: mpsc::Receiver<Wish>) {
        let mut forgetting = interval(FORGET_EVERY);
        forgetting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = wished.recv_many(&mut batch, AT_ONCE_MAX) => {
                    if count == 0 {
                        return;
                    }
                    self.fulfil(std::mem::take(&mut batch)).await;
                }
                _ = forgetting.tick() => {
                    self.turn(&mut [], true).await;
                }
            }
        }
    }

    /// Does what is wished, and tells whoever waits for it.
    async fn fulfil(&mut self, mut wishes: Vec<Wish>) {
        // Whoever does not wait any more has been told that nothing was charged.
        wishes.retain(|wish| !matches!(wish, Wish::Charge(_, _, asked) if asked.reply.is_closed()));
        let happened = self.turn(&mut wishes, false).await;
        for wish in wishes {
            let owed = match wish {
                Wish::GiveBack(id) => (!happened).then_some(id),
                Wish::Charge(id, _, asked) => {
                    let charged = asked.done == Some(Ok(()));
                    let told = asked.tell(happened);
                    // A turn can fail after its commit.
                    (!happened || (charged && !told)).then_some(id)
                }
                Wish::Lift(_, asked) => owing_nothing(asked.tell(happened)),
                Wish::List(asked) => owing_nothing(asked.tell(happened)),
                Wish::Finish(asked) => owing_nothing(asked.tell(happened)),
            };
            if self.owed.len() < OWED_MAX {
                self.owed.extend(owed);
            }
        }
    }

    /// Takes a turn; whether it has come to its end.
    async fn turn(&mut self, wishes: &mut [Wish], forget: bool) -> bool {
        let turned = timeout(TURN_WITHIN, self.try_twice(wishes, forget)).await;
        let failure = match turned {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(_) => Some(format!("no end within {TURN_WITHIN:?}")),
        };
        match &failure {
            None if !self.works => info!("lock-outs can be written again"),
            Some(failure) if self.works => {
                error!(%failure, "lock-outs cannot be written: until they can, no secret is checked");
            }
            _ => {}
        }
        self.works = failure.is_none();
        if !self.works {
            self.book = None;
        }
        self.works
    }

    /// Tries again with a new connection, where the old one may have been lost while nobody used it.
    async fn try_twice(&mut self, wishes: &mut [Wish], forget: bool) -> sqlx::Result<()> {
        let was_open = self.book.is_some();
        match self.try_turn(wishes, forget).await {
            Err(_) if was_open => {
                self.book = None;
                self.try_turn(wishes, forget).await
            }
            turned => turned,
        }
    }

    async fn try_turn(&mut self, wishes: &mut [Wish], forget: bool) -> sqlx::Result<()> {
        let limits = *self.limits.borrow();
        let book = match &mut self.book {
            Some(book) => book,
            none => none.insert(Book::open(&self.place, now()).await?),
        };
        let mut turn = book.turn(now()).await?;
        for id in &self.owed {
            turn.give_back(*id).await?;
        }
        for wish in wishes {
            wish.fulfil(&mut turn, &limits).await?;
        }
        if forget {
            turn.forget_old(&limits).await?;
        }
        turn.close().await?;
        self.owed.clear();
        Ok(())
    }
}

impl Wish {
    async fn fulfil(&mut self, turn: &mut Turn<'_>, limits: &Limits) -> sqlx::Result<()> {
        match self {
            Self::Charge(id, keys, asked) => asked.done = Some(turn.charge(*id, keys, limits).await?),
            Self::GiveBack(id) => turn.give_back(*id).await?,
            Self::Lift(key, asked) => asked.done = Some(turn.lift(key).await?),
            Self::List(asked) => asked.done = Some(turn.locked(limits).await?),
            Self::Finish(asked) => asked.done = Some(()),
        }
        Ok(())
    }
}

/// Whether these were told or not, there is no charge to give back.
fn owing_nothing(_told: bool) -> Option<ChargeId> {
    None
}

fn now() -> Moment {
    Moment::of(Timestamp::now())
}
