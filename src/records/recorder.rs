//! The thread that turns calls under way into recordings.
//!
//! It looks at every tape fifty times a second, which costs media threads nothing: nobody is woken by a frame. Where it
//! comes too late, a tape is full, and the recording has a gap; where the disk is full, the recording ends there and the
//! call goes on. Without recordings the thread sleeps.
#![expect(clippy::disallowed_methods, reason = "shell: runs the thread that records")]

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use super::RecordsError;
use super::recordings::{self, Part};
use crate::media::{Frame, Reel, Tape, tape};

/// Recordings that may wait to begin. One more call goes unrecorded, and is counted.
const WAITING_MAX: usize = 1024;
/// How often tapes are looked at.
const TURN: Duration = Duration::from_millis(20);

/// A call to be recorded.
struct Order {
    /// The recording's name, which is its path in the folder of recordings.
    name: String,
    frames: Receiver<Frame>,
}

/// Records calls. Dropping it lets the thread end when the last call has.
#[derive(Debug)]
pub struct Recorder {
    orders: SyncSender<Order>,
    thread: thread::JoinHandle<()>,
}

impl Recorder {
    /// Starts the thread, which first makes whole what an earlier process has left in `data`. No recording gets longer
    /// than `length_max`.
    ///
    /// # Errors
    /// [`RecordsError::Thread`].
    pub fn start(data: PathBuf, length_max: Duration) -> Result<Self, RecordsError> {
        let (orders, waiting) = sync_channel(WAITING_MAX);
        let desk = Desk { data, length_max, reels: Vec::new() };
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || desk.run(&waiting));
        Ok(Self { orders, thread: thread.map_err(RecordsError::Thread)? })
    }

    /// Whether its thread is still there.
    pub fn is_whole(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Begins a recording of this name; neither waits nor blocks. What goes to the tape is recorded until it is dropped.
    pub fn begin(&self, name: String) -> Tape {
        let (tape, frames) = tape();
        if self.orders.try_send(Order { name, frames }).is_err() {
            counter!("portero_recordings_total", "result" => "refused").increment(1);
            warn!("a call is not recorded: too many begin at once");
        }
        tape
    }

    /// Ends every recording, and returns when they are files.
    pub async fn finish(self) {
        let Self { orders, thread } = self;
        drop(orders);
        if !matches!(spawn_blocking(|| thread.join()).await, Ok(Ok(()))) {
            error!("the recorder broke off");
        }
    }
}

/// What the thread has.
struct Desk {
    data: PathBuf,
    length_max: Duration,
    reels: Vec<Recording>,
}

/// Whether there may be orders again.
#[derive(PartialEq, Eq)]
enum Ordered {
    Running,
    Over,
}

impl Desk {
    fn run(mut self, orders: &Receiver<Order>) {
        recordings::mend_all(&self.data);
        while self.take(orders) == Ordered::Running {
            self.reels.retain_mut(|reel| reel.turn(self.length_max));
            gauge!("portero_recordings_active").set(self.reels.len() as f64);
            if !self.reels.is_empty() {
                thread::sleep(TURN);
            }
        }
        for mut reel in self.reels {
            if reel.turn(self.length_max) {
                reel.finish();
            }
        }
    }

    /// Takes the orders there are; without any recording, waits for one.
    fn take(&mut self, orders: &Receiver<Order>) -> Ordered {
        if self.reels.is_empty() {
            match orders.recv() {
                Ok(order) => self.reels.push(Recording::new(order, &self.data)),
                Err(RecvError) => return Ordered::Over,
            }
        }
        loop {
            match orders.try_recv() {
                Ok(order) => self.reels.push(Recording::new(order, &self.data)),
                Err(TryRecvError::Empty) => return Ordered::Running,
                Err(TryRecvError::Disconnected) => return Ordered::Over,
            }
        }
    }
}

/// One call's recording.
struct Recording {
    order: Order,
    data: PathBuf,
    /// There from the first frame on, which tells how wide the call is.
    under_way: Option<(Reel, Sink)>,
}

impl Recording {
    fn new(order: Order, data: &std::path::Path) -> Self {
        Self { order, data: data.to_owned(), under_way: None }
    }

    /// Takes the frames there are; whether there may be more.
    fn turn(&mut self, length_max: Duration) -> bool {
        loop {
            match self.order.frames.try_recv() {
                Ok(frame) => {
                    if !self.take(&frame, length_max) {
                        self.finish();
                        return false;
                    }
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    self.finish();
                    return false;
                }
            }
        }
    }

    /// Takes a frame; whether another one is wanted.
    fn take(&mut self, frame: &Frame, length_max: Duration) -> bool {
        let (reel, sink) = self.under_way.get_or_insert_with(|| {
            let reel = Reel::new(frame.codec());
            let sink = Sink::open(&self.order, &self.data, reel.sample_rate(), length_max);
            (reel, sink)
        });
        let lost_before = reel.frames_lost();
        reel.take(frame, &mut |block| sink.write(block));
        counter!("portero_recording_frames_lost_total").increment(reel.frames_lost() - lost_before);
        sink.part.is_some() && sink.pairs_left > 0
    }

    fn finish(&mut self) {
        let Some((reel, mut sink)) = self.under_way.take() else { return };
        reel.finish(&mut |block| sink.write(block));
        sink.close();
    }
}

/// Where a recording goes.
struct Sink {
    /// Gone once the disk does not take any more.
    part: Option<Part>,
    /// How much longer it may get, in samples of each side.
    pairs_left: u64,
}

impl Sink {
    fn open(order: &Order, data: &std::path::Path, sample_rate: u32, length_max: Duration) -> Self {
        let part = Part::create(data, &order.name, sample_rate).map_err(|error| failed(&error)).ok();
        Self { part, pairs_left: length_max.as_secs() * u64::from(sample_rate) }
    }

    fn write(&mut self, block: &[[i16; 2]]) {
        let length = (block.len() as u64).min(self.pairs_left);
        self.pairs_left -= length;
        let Some(part) = &mut self.part else { return };
        if let Err(error) = part.write(&block[..length as usize]) {
            failed(&error);
            self.part.take().into_iter().for_each(Part::abandon);
        }
    }

    fn close(self) {
        let Some(part) = self.part else { return };
        match part.finish() {
            Ok(()) => counter!("portero_recordings_total", "result" => "whole").increment(1),
            Err(error) => failed(&error),
        }
    }
}

/// Once for each recording: what comes after is not written.
fn failed(error: &hound::Error) {
    counter!("portero_recordings_total", "result" => "failed").increment(1);
    warn!(%error, "a recording ends early: the disk does not take it");
}

#[cfg(test)]
mod tests;
