//! The media plane: operating-system threads that own the RTP and RTCP sockets, apart from everything else, so
//! that a stalled back end or a locked database can never touch audio. It wants Linux.
//!
//! A call belongs to one thread for its whole life. Commands go in and events come out over bounded queues; no
//! side ever waits for the other. What a call's packets are is decided in `crate::media`; what is here is when and
//! through which socket they go.

pub mod clock;
mod filter;
mod sockets;
mod thread;
mod told;
mod wheel;

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use self::thread::MediaThread;
use crate::media::{Command, Event, SessionId};

/// How the media plane is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// Threads that carry calls, at least one.
    pub threads: usize,
    /// Whether each thread keeps to a processor of its own.
    pub pinned: bool,
    /// Whether audio that nobody listens to is kept back inside the kernel.
    pub kernel_filter: bool,
    /// Commands that may wait for one thread. A further one is refused.
    pub commands_max: usize,
    /// After how long without RTP and RTCP a session tells that it is silent.
    pub silence_limit: Duration,
}

impl Default for MediaConfig {
    /// One thread for each core but one, which is left to signalling; 4096 commands; a minute.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            threads: cores.saturating_sub(1).max(1),
            pinned: true,
            kernel_filter: true,
            commands_max: 4096,
            silence_limit: Duration::from_mins(1),
        }
    }
}

/// A media thread has more commands waiting than it is allowed to have; this one was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media plane is overloaded")]
pub struct Overloaded;

/// The running media threads. Dropping it says goodbye on every session and ends them.
pub struct MediaPlane {
    lanes: Vec<Lane>,
}

/// One thread, seen from outside.
struct Lane {
    /// Gone when the thread is to end.
    commands: Option<SyncSender<(SessionId, Command)>>,
    lateness: Lateness,
    thread: Option<JoinHandle<()>>,
}

impl MediaPlane {
    /// Starts the threads. What sessions tell goes to `events`; while that queue is full it waits in the threads.
    ///
    /// # Errors
    /// When the system refuses a thread or a poller.
    pub fn start(config: &MediaConfig, events: &mpsc::Sender<(SessionId, Event)>) -> io::Result<Self> {
        let lanes = (0..config.threads.max(1)).map(|number| Lane::start(number, config, events.clone()));
        Ok(Self { lanes: lanes.collect::<io::Result<_>>()? })
    }

    /// Which share of the last second's packets left late, 0 to 1, at the thread that fared worst. Sessions are given to
    /// threads by their names, so that the next one may be that thread's.
    pub fn lateness(&self) -> f64 {
        self.lanes.iter().map(|lane| lane.lateness.share()).fold(0.0, f64::max)
    }

    /// Whether every thread is still there.
    pub fn is_whole(&self) -> bool {
        self.lanes.iter().all(|lane| lane.thread.as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    /// Gives a command to the session's thread, without ever waiting.
    ///
    /// # Errors
    /// [`Overloaded`] when the thread's queue is full. Nothing has happened then.
    pub fn send(&self, session: SessionId, command: Command) -> Result<(), Overloaded> {
        let lane = &self.lanes[(session.0 % self.lanes.len() as u64) as usize];
        match &lane.commands {
            Some(commands) => commands.try_send((session, command)).map_err(|_| Overloaded),
            None => Err(Overloaded),
        }
    }
}

/// Which share of its last second's packets left a thread late, in millionths: a whole number can be told atomically.
#[derive(Debug, Clone, Default)]
struct Lateness(Arc<AtomicU32>);

impl Lateness {
    fn set(&self, share: f64) {
        self.0.store((share * 1e6) as u32, Ordering::Relaxed);
    }

    fn share(&self) -> f64 {
        f64::from(self.0.load(Ordering::Relaxed)) / 1e6
    }
}

impl Lane {
    fn start(
        number: usize,
        config: &MediaConfig,
        events: mpsc::Sender<(SessionId, Event)>,
    ) -> io::Result<Self> {
        let (commands, waiting) = sync_channel(config.commands_max);
        let lateness = Lateness::default();
        let media = MediaThread::new(number, config, waiting, events, lateness.clone())?;
        let thread =
            std::thread::Builder::new().name(format!("media-{number}")).spawn(move || media.run())?;
        Ok(Self { commands: Some(commands), lateness, thread: Some(thread) })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a media thread had panicked");
        }
    }
}

#[cfg(test)]
mod tests;
