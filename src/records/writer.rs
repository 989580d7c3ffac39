//! Writing records without making a call wait.
//!
//! [`Writer::submit`] puts a record on a queue and returns. A task writes what it finds there in one
//! transaction; if the database will not have it, to the spool. A full queue is emptied into the spool by a
//! thread of its own, so that a stuck database does not lose a record. Only when a record is safe on disk is it
//! told: whoever reports a call as ended waits for that.
#![expect(
    clippy::disallowed_methods,
    reason = "shell: runs the task and the thread that write records; old traces are deleted by the clock"
)]

use std::fs::File;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{error, info};

use super::person::{self, Erased, Person};
use super::spool::{Replay, Spool};
use super::store::{self, Store};
use super::{RecordsError, recordings, row, trace};
use crate::call::{CallRecord, Trace};

/// How much the writer holds and how long it waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Records that wait for the database; as many again may wait for the spool.
    pub queue_records_max: usize,
    /// Records in one transaction.
    pub batch_records_max: usize,
    /// How long the first record of a transaction waits for others: committing is what costs.
    pub gather: Duration,
    /// How long one write waits for another process's lock on the database; three times that for the whole write.
    pub patience: Duration,
    /// How often the database is tried while the spool is not empty.
    pub retry: Duration,
    /// Traces that wait for the database. One more is lost.
    pub queue_traces_max: usize,
}

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Not at all: what there is of an earlier process is deleted.
    Off,
    /// For so long after the call's last message, or its end.
    For(Duration),
}

impl Retention {
    fn age(self) -> Duration {
        match self {
            Self::Off => Duration::ZERO,
            Self::For(age) => age,
        }
    }
}

/// How long what is kept of calls besides their records is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Their SIP messages.
    pub traces: Retention,
    /// What was said.
    pub recordings: Retention,
}

impl Kept {
    /// Nothing.
    pub const NOTHING: Self = Self { traces: Retention::Off, recordings: Retention::Off };

    /// Everything, for ever.
    pub const EVERYTHING: Self =
        Self { traces: Retention::For(Duration::MAX), recordings: Retention::For(Duration::MAX) };
}

/// Erasures that wait for their turn; whoever comes then waits for a place.
const ERASURES_MAX: usize = 4;

/// How often traces and recordings whose time is over are deleted.
const DELETE_EVERY: Duration = Duration::from_mins(10);

/// At 2,000 calls of 40 s, one minute and more of records before the first goes to the spool.
const LIMITS: Limits = Limits {
    queue_records_max: 4096,
    batch_records_max: 256,
    gather: Duration::from_millis(20),
    patience: Duration::from_secs(2),
    retry: Duration::from_secs(5),
    queue_traces_max: 4096,
};

/// The end of the line for a record: both queues are full, because neither database nor disk takes any more.
#[derive(Debug, thiserror::Error)]
#[error("the record of call {id} is lost: neither the database nor the spool takes records")]
pub struct Lost {
    /// Our identifier of the call.
    pub id: String,
}

/// Whatever keeps a batch out of the database: it is logged, and the batch goes to the spool.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is done with a record once it is safe on disk.
type Told = Arc<dyn Fn(Arc<CallRecord>) + Send + Sync>;

/// Takes call records and sees to it that they are kept.
#[derive(Debug)]
pub struct Writer {
    queue: mpsc::Sender<Arc<CallRecord>>,
    overflow: mpsc::Sender<Arc<CallRecord>>,
    traces: mpsc::Sender<Trace>,
    eraser: Eraser,
    task: JoinHandle<()>,
    thread: thread::JoinHandle<()>,
}

impl Writer {
    /// Starts writing to `store`, after what an earlier process left in the spool. Needs a tokio runtime.
    ///
    /// `told` is called once for each submitted record when it is safe on disk, on the writer's task or
    /// thread: it must not block. Records from an earlier process's spool are not told again.
    ///
    /// # Errors
    /// [`RecordsError::Unwritable`] for a store that was opened read-only; [`RecordsError::Thread`].
    pub fn start(
        store: &Store,
        kept: Kept,
        told: impl Fn(Arc<CallRecord>) + Send + Sync + 'static,
    ) -> Result<Self, RecordsError> {
        Self::start_within(store, LIMITS, kept, Arc::new(told))
    }

    pub(super) fn start_within(
        store: &Store,
        limits: Limits,
        kept: Kept,
        told: Told,
    ) -> Result<Self, RecordsError> {
        let Some(lock) = store.lock() else {
            let source = std::io::ErrorKind::ReadOnlyFilesystem.into();
            return Err(RecordsError::unwritable(&store::database_path(store.folder()))(source));
        };
        let spool = Arc::new(Spool::new(store.folder()));
        let (queue, records) = mpsc::channel(limits.queue_records_max);
        let (overflow, spare) = mpsc::channel(limits.queue_records_max);
        let (erasures, to_erase) = mpsc::channel(ERASURES_MAX);
        let (trace_queue, traces) = mpsc::channel(limits.queue_traces_max);
        let thread = spawn_overflow(Arc::clone(&spool), spare, limits, Arc::clone(&told))?;
        let waiting = spool.waiting();
        let store = store.clone();
        let scribe = Scribe { store, connection: None, spool, waiting, limits, kept, told, _lock: lock };
        let task = tokio::spawn(scribe.run(records, traces, to_erase));
        Ok(Self { queue, overflow, traces: trace_queue, eraser: Eraser(erasures), task, thread })
    }

    /// Whether its task and its thread are still there.
    pub fn is_whole(&self) -> bool {
        !self.task.is_finished() && !self.thread.is_finished()
    }

    /// Hands a record over for keeping. Neither waits nor blocks.
    ///
    /// # Errors
    /// [`Lost`] if nothing on this machine takes records any more; it has been counted and logged.
    pub fn submit(&self, mut record: CallRecord) -> Result<(), Lost> {
        row::make_storable(&mut record);
        let kept =
            self.queue.try_send(Arc::new(record)).or_else(|full| self.overflow.try_send(full.into_inner()));
        kept.map_err(|full| {
            let lost = Lost { id: full.into_inner().id.clone() };
            counter!("portero_records_lost_total").increment(1);
            error!("{lost}");
            lost
        })
    }

    /// Hands a trace over for keeping. Neither waits nor blocks; one that there is no room for is counted and lost.
    pub fn submit_trace(&self, trace: Trace) {
        if self.traces.try_send(trace).is_err() {
            counter!("portero_traces_lost_total").increment(1);
        }
    }

    /// What erases people for as long as this writer is there.
    pub fn eraser(&self) -> Eraser {
        self.eraser.clone()
    }

    /// Returns when everything submitted is on disk. What even then cannot be kept is counted and logged.
    pub async fn drain(self) {
        let Self { queue, overflow, traces, eraser: _, task, thread } = self;
        drop((queue, overflow, traces));
        // The thread first: the task's last act is to replay what the thread has spooled.
        let joined = spawn_blocking(|| thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) || task.await.is_err() {
            error!("the records' writer broke off; see above");
        }
    }
}

/// Erases people. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Eraser(mpsc::Sender<Erasure>);

/// Somebody to be erased.
#[derive(Debug)]
struct Erasure {
    person: Person,
    reply: oneshot::Sender<Result<Erased, RecordsError>>,
}

impl Eraser {
    /// Erases what is kept of a person in records, traces, recordings and the spool, after everything that was submitted
    /// before. Calls that are up are not among that.
    ///
    /// # Errors
    /// [`RecordsError::NotErased`], and then it is to be tried again; [`RecordsError::StillInLog`].
    pub async fn erase(&self, person: Person) -> Result<Erased, RecordsError> {
        let ended = || RecordsError::NotErased { why: "the writer of records has ended".to_owned() };
        let (reply, erased) = oneshot::channel();
        self.0.send(Erasure { person, reply }).await.map_err(|_| ended())?;
        erased.await.map_err(|_| ended())?
    }
}

/// Empties what the queue has no room for into the spool.
fn spawn_overflow(
    spool: Arc<Spool>,
    mut spare: mpsc::Receiver<Arc<CallRecord>>,
    limits: Limits,
    told: Told,
) -> Result<thread::JoinHandle<()>, RecordsError> {
    let overflow = move || {
        while let Some(record) = spare.blocking_recv() {
            let mut batch = vec![record];
            while batch.len() < limits.batch_records_max
                && let Ok(record) = spare.try_recv()
            {
                batch.push(record);
            }
            while let Err(failure) = append(&spool, &batch) {
                if spare.is_closed() {
                    return lose(&batch, &failure);
                }
                thread::sleep(limits.retry);
            }
            batch.into_iter().for_each(&*told);
        }
    };
    thread::Builder::new().name("records-spool".to_owned()).spawn(overflow).map_err(RecordsError::Thread)
}

fn append(spool: &Spool, batch: &[Arc<CallRecord>]) -> std::io::Result<()> {
    spool.append(batch)?;
    counter!("portero_records_spooled_total").increment(batch.len() as u64);
    Ok(())
}

fn lose(batch: &[Arc<CallRecord>], failure: &std::io::Error) {
    counter!("portero_records_lost_total").increment(batch.len() as u64);
    for record in batch {
        error!(call = record.id, %failure, "a record is lost: neither the database nor the spool takes it");
    }
}

/// The task that writes.
struct Scribe {
    store: Store,
    /// Dropped after any failure: a fresh one has no half transaction and sees a file that was put back.
    connection: Option<SqliteConnection>,
    spool: Arc<Spool>,
    waiting: watch::Receiver<bool>,
    limits: Limits,
    kept: Kept,
    told: Told,
    _lock: Arc<File>,
}

impl Scribe {
    async fn run(
        mut self,
        mut records: mpsc::Receiver<Arc<CallRecord>>,
        mut traces: mpsc::Receiver<Trace>,
        mut erasures: mpsc::Receiver<Erasure>,
    ) {
        self.replay().await;
        let mut batch = Vec::new();
        let mut deleting = tokio::time::interval(DELETE_EVERY);
        loop {
            let spooled = *self.waiting.borrow();
            tokio::select! {
                biased;
                count = records.recv_many(&mut batch, self.limits.batch_records_max) => {
                    if count == 0 {
                        break;
                    }
                    self.gather(&mut batch, &mut records).await;
                    self.keep(std::mem::take(&mut batch), &records).await;
                }
                () = tokio::time::sleep(self.limits.retry), if spooled => self.replay().await,
                Some(trace) = traces.recv() => self.keep_traces(trace, &mut traces).await,
                Some(Erasure { person, reply }) = erasures.recv() => {
                    let erased = self.erase(&person).await;
                    // Whoever asked may have gone; it is erased.
                    let _ = reply.send(erased);
                }
                // One batch a turn: records that come meanwhile go first.
                _ = deleting.tick() => {
                    self.delete_recordings();
                    if self.delete_traces().await {
                        deleting.reset_immediately();
                    }
                }
            }
        }
        while let Ok(trace) = traces.try_recv() {
            self.keep_traces(trace, &mut traces).await;
        }
        self.replay().await;
    }

    /// Waits a moment for what else is to be written, unless nothing more will come or the batch is full.
    async fn gather(&self, batch: &mut Vec<Arc<CallRecord>>, records: &mut mpsc::Receiver<Arc<CallRecord>>) {
        if records.is_closed() || batch.len() >= self.limits.batch_records_max {
            return;
        }
        tokio::time::sleep(self.limits.gather).await;
        while batch.len() < self.limits.batch_records_max
            && let Ok(record) = records.try_recv()
        {
            batch.push(record);
        }
    }

    /// Writes a batch to the database or else to the spool, and tells.
    async fn keep(&mut self, batch: Vec<Arc<CallRecord>>, queue: &mpsc::Receiver<Arc<CallRecord>>) {
        if let Err(failure) = self.insert(&batch).await {
            error!(records = batch.len(), %failure, "the database does not take records; they go to the spool");
            while let Err(failure) = self.spool(batch.clone()).await {
                error!(records = batch.len(), %failure, "the spool does not take records either");
                if queue.is_closed() {
                    return lose(&batch, &failure);
                }
                tokio::time::sleep(self.limits.retry).await;
            }
        } else if *self.waiting.borrow() {
            self.replay().await;
        }
        batch.into_iter().for_each(&*self.told);
    }

    /// Writes a trace and those that wait behind it, if the database takes them.
    async fn keep_traces(&mut self, first: Trace, queue: &mut mpsc::Receiver<Trace>) {
        let mut batch = vec![first];
        while batch.len() < self.limits.batch_records_max
            && let Ok(trace) = queue.try_recv()
        {
            batch.push(trace);
        }
        let written = self.write(async |connection| trace::insert(connection, &batch).await).await;
        if let Err(failure) = written {
            counter!("portero_traces_lost_total").increment(batch.len() as u64);
            error!(traces = batch.len(), %failure, "the database does not take traces; they are lost");
        }
    }

    /// Deletes some of the traces whose time is over; whether there may be more.
    async fn delete_traces(&mut self) -> bool {
        let (age, now) = (self.kept.traces.age(), Timestamp::now());
        let deleted = self.write(async |connection| trace::delete_older(connection, age, now).await).await;
        deleted.unwrap_or_else(|failure| {
            error!(%failure, "old traces stay for now");
            false
        })
    }

    /// Deletes the recordings whose time is over, beside the records: there may be many, and nobody waits for it.
    fn delete_recordings(&self) {
        let (folder, age) = (self.store.folder().to_owned(), self.kept.recordings.age());
        spawn_blocking(move || {
            if let Err(failure) = recordings::delete_older(&folder, age, Timestamp::now()) {
                error!(%failure, "old recordings stay for now");
            }
        });
    }

    /// Erases what is kept of a person.
    async fn erase(&mut self, person: &Person) -> Result<Erased, RecordsError> {
        let failed = |failure: Failure| RecordsError::NotErased { why: failure.to_string() };
        self.replay().await;
        if *self.waiting.borrow() {
            return Err(failed("records wait in the spool, which the database does not take".into()));
        }
        let told = self.write(async |connection| person::told(connection, person).await).await;
        let (folder, calls) = (self.store.folder().to_owned(), told.map_err(failed)?);
        let deleted = blocking(move || Ok((person::delete_files(&folder, &calls)?, calls))).await;
        let (recordings, calls) = deleted.map_err(|error| failed(error.into()))?;
        let now = Timestamp::now();
        let stripped = self.write(async |connection| person::strip(connection, &calls, now).await).await;
        let erased = Erased { recordings, ..stripped.map_err(failed)? };
        self.store.empty_log().await?;
        Ok(erased)
    }

    async fn spool(&self, batch: Vec<Arc<CallRecord>>) -> std::io::Result<()> {
        let spool = Arc::clone(&self.spool);
        blocking(move || append(&spool, &batch)).await
    }

    /// Brings what is in the spool into the database, as far as it goes.
    async fn replay(&mut self) {
        loop {
            let spool = Arc::clone(&self.spool);
            match blocking(move || spool.begin_replay()).await {
                Ok(None) => return,
                Ok(Some(replay)) => match self.replay_file(replay).await {
                    Ok(0) => {}
                    Ok(records) => info!(records, "records from the spool are in the database"),
                    Err(failure) => return error!(%failure, "the spool stays for now"),
                },
                Err(failure) => return error!(%failure, "the spool cannot be read"),
            }
        }
    }

    async fn replay_file(&mut self, mut replay: Replay) -> Result<usize, Failure> {
        let mut total = 0;
        loop {
            let records_max = self.limits.batch_records_max;
            let (rest, records) =
                blocking(move || replay.next(records_max).map(|records| (replay, records))).await?;
            replay = rest;
            if records.is_empty() {
                blocking(move || replay.finish()).await?;
                return Ok(total);
            }
            self.insert(&records).await?;
            total += records.len();
        }
    }

    async fn insert(&mut self, batch: &[Arc<CallRecord>]) -> Result<(), Failure> {
        self.write(async |connection| store::insert(connection, batch).await).await?;
        counter!("portero_records_written_total").increment(batch.len() as u64);
        Ok(())
    }

    /// Does something with the database.
    async fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> Result<T, Failure> {
        // A disk that hangs must not hold the queue: if this write succeeds after all, replaying it is harmless.
        Ok(tokio::time::timeout(self.limits.patience * 3, self.write_at_leisure(work)).await??)
    }

    async fn write_at_leisure<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => store::connect_to_write(self.store.folder(), self.limits.patience).await?,
        };
        let done = work(&mut connection).await?;
        self.connection = Some(connection);
        Ok(done)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    spawn_blocking(work).await.map_err(std::io::Error::other)?
}
