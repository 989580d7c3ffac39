//! A receiver's own task: what is told goes to disk, and from there to the receiver.
//!
//! Everything that is sent has been on disk before, and is forgotten there once it has been acknowledged: shortly after,
//! so that a process that is killed in between sends it again, under the same id.
#![expect(clippy::disallowed_methods, reason = "shell: reads the clocks, seeds the generator, starts tasks")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metrics::{counter, gauge};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{error, info, warn};

use super::{Action, Event, Outcome, Reply, Schedule, Sender, Spool, Spooled, Ticket, Webhook};
use crate::call::Happening;

/// Events that are held in memory; the others wait on disk. If ever so many are disliked, others wait for them.
const WINDOW: u32 = 10_000;
/// Happenings that are brought to disk at a time.
const BATCH_MAX: usize = 512;
/// How long what has been acknowledged waits for more, to be forgotten together.
const FORGET_AFTER: Duration = Duration::from_millis(20);
/// How long the disk is left alone that took nothing.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// How long what is under way may take when the server ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// The task of one receiver.
pub(super) struct Courier {
    webhook: Webhook,
    sender: Arc<Sender>,
    data: PathBuf,
    spool: Spool,
    schedule: Schedule,
    /// What the schedule knows of, by place.
    window: HashMap<i64, Arc<Event>>,
    /// The last place that was read.
    read_to: i64,
    /// Whether there may be more behind it.
    is_behind: bool,
    under_way: JoinSet<(i64, Reply)>,
    settled: Vec<i64>,
    forget_at: Option<Instant>,
    is_full: bool,
    /// The receiver wants nothing any more.
    is_gone: bool,
}

impl Courier {
    /// Opens the spool as soon as the disk lets it. What an earlier process left there goes first.
    pub(super) async fn open(sender: Sender, data: PathBuf) -> Self {
        let webhook = sender.webhook().clone();
        let spool = loop {
            match Spool::open(&data, &webhook.name).await {
                Ok(spool) => break spool,
                Err(error) => {
                    error!(webhook = webhook.name, %error, "the spool cannot be opened; it is tried again");
                }
            }
            sleep(DISK_PAUSE).await;
        };
        Self {
            schedule: Schedule::new(webhook.max_concurrent, StdRng::from_os_rng()),
            sender: Arc::new(sender),
            data,
            spool,
            window: HashMap::new(),
            read_to: 0,
            is_behind: true,
            under_way: JoinSet::new(),
            settled: Vec::new(),
            forget_at: None,
            is_full: false,
            is_gone: false,
            webhook,
        }
    }

    /// Runs until nobody has anything to tell any more.
    pub(super) async fn run(mut self, mut told: Receiver<Arc<Happening>>) {
        let mut batch = Vec::new();
        loop {
            self.show();
            self.refill().await;
            self.dispatch();
            let deadline = self.schedule.poll_timeout().into_iter().chain(self.forget_at).min();
            tokio::select! {
                count = told.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                    let is_over = || told.is_closed();
                    self.append(std::mem::take(&mut batch), is_over).await;
                }
                Some(done) = self.under_way.join_next() => {
                    self.done(done);
                    while let Some(done) = self.under_way.try_join_next() {
                        self.done(done);
                    }
                }
                () = wait_until(deadline) => {}
            }
            if self.forget_at.is_some_and(|at| at <= Instant::now()) {
                self.forget().await;
            }
        }
        self.finish().await;
    }

    /// Waits a little for what is under way, and leaves the rest for the next start.
    async fn finish(mut self) {
        let last = async {
            while let Some(done) = self.under_way.join_next().await {
                self.done(done);
            }
        };
        // What is not acknowledged by then is sent again.
        let _ = timeout(FAREWELL, last).await;
        self.forget().await;
        self.show();
        self.spool.close().await;
    }

    /// Brings to disk what has happened.
    async fn append(&mut self, batch: Vec<Arc<Happening>>, is_over: impl Fn() -> bool) {
        if self.is_gone {
            return;
        }
        let room = self.webhook.spool.saturating_sub(self.spool.len());
        let taken = batch.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.note_room(batch.len() - taken);
        let events: Vec<Event> =
            batch[..taken].iter().map(|happening| Event::of(happening, &self.webhook)).collect();
        while let Err(error) = self.append_or_reopen(&events).await {
            error!(webhook = self.webhook.name, %error, "events cannot be kept on disk; it is tried again");
            if is_over() {
                return self.count("lost", events.len());
            }
            sleep(DISK_PAUSE).await;
        }
        self.is_behind = true;
    }

    async fn append_or_reopen(&mut self, events: &[Event]) -> sqlx::Result<()> {
        let failure = match self.spool.append(events).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        // A fresh connection has no half transaction, and sees a file that was put back.
        self.spool = Spool::open(&self.data, &self.webhook.name).await?;
        Err(failure)
    }

    /// Counts events that there is no room for, and says so at the first.
    fn note_room(&mut self, turned_away: usize) {
        self.count("full", turned_away);
        if turned_away > 0 && !self.is_full {
            let (webhook, events) = (&self.webhook.name, self.webhook.spool);
            error!(webhook, events, "the spool is full: what happens now is not told to this receiver");
        }
        self.is_full = turned_away > 0;
    }

    /// Reads from disk what there is room for in memory.
    async fn refill(&mut self) {
        let room = WINDOW.saturating_sub(self.window.len() as u32);
        if !self.is_behind || self.is_gone || room < WINDOW / 2 {
            return;
        }
        match self.spool.read(self.read_to, room).await {
            Ok(spooled) => {
                self.is_behind = spooled.len() == room as usize;
                let (now, utc) = (Instant::now(), Timestamp::now());
                for spooled in spooled {
                    self.take(spooled, now, utc);
                }
            }
            Err(error) => {
                error!(webhook = self.webhook.name, %error, "the spool cannot be read; it is tried again");
                sleep(DISK_PAUSE).await;
            }
        }
    }

    fn take(&mut self, Spooled { place, event }: Spooled, now: Instant, utc: Timestamp) {
        let age = Duration::try_from(utc.duration_since(event.at)).unwrap_or_default();
        let expires = now + self.webhook.retry_for.saturating_sub(age);
        self.schedule.add(Ticket { place, call: event.call, expires }, now);
        self.window.insert(place, Arc::new(event));
        self.read_to = place;
    }

    /// Begins what is due.
    fn dispatch(&mut self) {
        while let Some(action) = self.schedule.poll_action(Instant::now()) {
            match action {
                Action::Send(place) => {
                    let Some(event) = self.window.get(&place).map(Arc::clone) else { continue };
                    let sender = Arc::clone(&self.sender);
                    self.under_way.spawn(async move { (place, sender.send(&event).await) });
                }
                Action::Expire(place) => {
                    let (webhook, event) = (&self.webhook.name, self.window.get(&place).map(|it| &it.id));
                    warn!(webhook, event, "an event is given up: its receiver did not take it in time");
                    self.count("expired", 1);
                    self.settle(place);
                }
            }
        }
    }

    /// Takes in what came of an event.
    fn done(&mut self, done: Result<(i64, Reply), tokio::task::JoinError>) {
        // A task of ours neither panics nor is aborted while anybody waits for it.
        let Ok((place, reply)) = done else { return };
        let outcome = match &reply {
            Reply::Status(status, _) if status.is_success() => Outcome::Delivered,
            Reply::Status(StatusCode::GONE, _) => return self.give_up(),
            Reply::Status(_, retry_after) => Outcome::Failed(*retry_after),
            Reply::None(_) => Outcome::Failed(None),
        };
        self.schedule.handle(place, outcome, Instant::now());
        if outcome == Outcome::Delivered {
            self.count("delivered", 1);
            return self.settle(place);
        }
        self.count("failed", 1);
        let (webhook, event) = (&self.webhook.name, self.window.get(&place).map(|event| &event.id));
        match reply {
            Reply::Status(status, _) => info!(webhook, event, %status, "an event was not acknowledged"),
            Reply::None(cause) => info!(webhook, event, cause, "an event was not acknowledged"),
        }
    }

    /// The receiver says that it is gone for good: nothing more is sent, and what it has missed is dropped.
    fn give_up(&mut self) {
        if std::mem::replace(&mut self.is_gone, true) {
            return;
        }
        let (webhook, events) = (&self.webhook.name, self.spool.len());
        error!(
            webhook,
            events, "the receiver says that it is gone (410): nothing is sent until a reload changes it"
        );
        self.count("gone", usize::try_from(events).unwrap_or(usize::MAX));
        self.schedule = Schedule::new(self.webhook.max_concurrent, StdRng::from_os_rng());
        self.window.clear();
        self.forget_at = Some(Instant::now());
    }

    fn settle(&mut self, place: i64) {
        self.window.remove(&place);
        self.settled.push(place);
        self.forget_at.get_or_insert(Instant::now() + FORGET_AFTER);
    }

    /// Forgets on disk what has been settled.
    async fn forget(&mut self) {
        self.forget_at = None;
        let forgotten = if self.is_gone {
            self.spool.clear().await
        } else if self.settled.is_empty() {
            Ok(())
        } else {
            self.spool.forget(&self.settled).await
        };
        match forgotten {
            Ok(()) => self.settled.clear(),
            Err(error) => {
                error!(webhook = self.webhook.name, %error, "what was sent cannot be forgotten; it is tried again");
                self.forget_at = Some(Instant::now() + DISK_PAUSE);
            }
        }
    }

    fn count(&self, result: &'static str, events: usize) {
        let name = self.webhook.name.clone();
        counter!("portero_webhook_deliveries_total", "webhook" => name, "result" => result)
            .increment(events as u64);
    }

    fn show(&self) {
        let name = self.webhook.name.clone();
        gauge!("portero_webhook_spool_events", "webhook" => name).set(self.spool.len() as f64);
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
