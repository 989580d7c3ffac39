//! The board: live calls, and those that ended within the last hour.
//!
//! Writing to it never waits for a reader. Readers get a picture and then the changes after it; a reader that
//! falls behind finds the oldest changes gone and starts again from a new picture, so that the slowest
//! one costs no more memory than the fastest.
#![expect(clippy::disallowed_methods, reason = "shell: forgets calls by the clock")]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;

use crate::call::{CallRecord, CallView, Stage, TrunkView};
use crate::records::person::Person;

/// Ended calls that are kept; the oldest makes room.
pub(super) const ENDED_MAX: usize = 200;

/// How long an ended call is kept.
const ENDED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Changes that a reader may be behind before it starts again.
const CHANGES_MAX: usize = 256;

/// Calls as they are now. Shared by the server loop, the records' writer and all viewers.
#[derive(Debug)]
pub struct Live {
    board: Mutex<Board>,
    trunks: Mutex<Arc<[TrunkView]>>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug, Default)]
struct Board {
    live: HashMap<String, Arc<CallView>>,
    /// Newest first.
    ended: VecDeque<Arc<CallView>>,
}

/// The board at one instant, newest calls first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Picture {
    /// By the time they began.
    pub live: Vec<Arc<CallView>>,
    /// By the time they ended.
    pub ended: Vec<Arc<CallView>>,
}

/// One change to the board.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A live call is new or has moved on.
    Live(Arc<CallView>),
    /// A call has ended and its record is kept.
    Ended(Arc<CallView>),
    /// A call is gone and left no record.
    Gone(String),
}

impl Default for Live {
    fn default() -> Self {
        Self {
            board: Mutex::default(),
            trunks: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES_MAX),
        }
    }
}

impl Live {
    /// An empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows how the trunks are doing. Never waits.
    pub fn set_trunks(&self, trunks: Vec<TrunkView>) {
        *self.trunks.lock().unwrap_or_else(PoisonError::into_inner) = trunks.into();
    }

    /// How the trunks are doing.
    pub(super) fn trunks(&self) -> Arc<[TrunkView]> {
        Arc::clone(&self.trunks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows a call as it is now. Never waits.
    ///
    /// A view of [`Stage::Ended`] changes nothing: a call is shown as ended by [`Live::ended`], which comes when its record
    /// is kept. Neither does one that comes after that.
    pub fn update(&self, view: CallView) {
        let mut board = self.lock();
        if view.stage == Stage::Ended || board.find_ended(&view.id).is_some() {
            return;
        }
        let view = Arc::new(view);
        board.live.insert(view.id.clone(), Arc::clone(&view));
        self.announce(Change::Live(view));
    }

    /// Shows a call as ended, once its record is kept. Never waits.
    pub fn ended(&self, record: Arc<CallRecord>) {
        let mut view = CallView::of_record(Arc::unwrap_or_clone(record));
        let mut board = self.lock();
        let live = board.live.remove(&view.id);
        if board.find_ended(&view.id).is_some() {
            return;
        }
        // The record does not say when the REFER was sent; the live view did.
        if let (Some(shown), Some(known)) =
            (&mut view.hand_over, live.as_ref().and_then(|live| live.hand_over.as_ref()))
        {
            shown.at = known.at;
        }
        let view = Arc::new(view);
        board.ended.push_front(Arc::clone(&view));
        board.ended.truncate(ENDED_MAX);
        self.announce(Change::Ended(view));
    }

    /// Takes a live call off the board that left no record.
    pub fn forget(&self, id: &str) {
        let mut board = self.lock();
        if board.live.remove(id).is_some() {
            self.announce(Change::Gone(id.to_owned()));
        }
    }

    /// The call that a person is in now, if there is one.
    pub(super) fn call_of(&self, person: &Person) -> Option<String> {
        let board = self.lock();
        let theirs = |view: &&Arc<CallView>| person.is(view.customer.as_deref(), view.ani.as_deref());
        board.live.values().find(theirs).map(|view| view.id.clone())
    }

    /// Takes the calls of a person that have ended off the board: they tell whose they were.
    pub(super) fn erase(&self, person: &Person) {
        let mut board = self.lock();
        board.ended.retain(|view| {
            let is_theirs = person.is(view.customer.as_deref(), view.ani.as_deref());
            if is_theirs {
                self.announce(Change::Gone(view.id.clone()));
            }
            !is_theirs
        });
    }

    /// The board now, and the changes from now on.
    pub(super) fn watch(&self) -> (Picture, broadcast::Receiver<Change>) {
        let mut board = self.lock();
        // Under the lock: no change falls between the picture and the first change that is received.
        let changes = self.changes.subscribe();
        (board.picture(Timestamp::now()), changes)
    }

    /// The board now.
    pub(super) fn picture(&self) -> Picture {
        self.lock().picture(Timestamp::now())
    }

    /// The call of this identifier, if it is on the board.
    pub(super) fn by_id(&self, id: &str) -> Option<Arc<CallView>> {
        let board = self.lock();
        board.live.get(id).or_else(|| board.find_ended(id)).cloned()
    }

    /// The call that was handed over with this token, if it is on the board.
    pub(super) fn by_token(&self, token: &str) -> Option<Arc<CallView>> {
        let board = self.lock();
        let mut views = board.live.values().chain(&board.ended);
        views.find(|view| view.hand_over.as_ref().is_some_and(|hand_over| hand_over.token == token)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // Each change to the board is one insertion or removal: a panic leaves nothing half done.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, change: Change) {
        // An error means that nobody is watching.
        let _ = self.changes.send(change);
    }
}

impl Board {
    fn find_ended(&self, id: &str) -> Option<&Arc<CallView>> {
        self.ended.iter().find(|view| view.id == id)
    }

    fn picture(&mut self, now: Timestamp) -> Picture {
        self.ended
            .retain(|view| view.record.as_ref().is_some_and(|record| record.ended_at + ENDED_FOR > now));
        let mut live: Vec<_> = self.live.values().cloned().collect();
        live.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
        Picture { live, ended: self.ended.iter().cloned().collect() }
    }
}
