//! The way in: who has something to tell puts it here, without waiting.
#![expect(clippy::disallowed_methods, reason = "shell: starts each receiver's task")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, warn};

use super::courier::Courier;
use super::{Sender, Webhook, spool};
use crate::call::{CallRecord, Happening};

/// What may wait for a receiver's task. It waits for as long as the disk takes to write, which at 1000 calls a second may
/// be three seconds; what there is no room for is counted and lost.
const QUEUE_MAX: usize = 16_384;

/// How long a task may take to end.
const END_WITHIN: Duration = Duration::from_secs(3);

/// Tells receivers of calls. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Post {
    data: PathBuf,
    boxes: Arc<RwLock<Boxes>>,
}

#[derive(Debug, Default)]
struct Boxes {
    current: Vec<Postbox>,
    /// Those that are no more, until their spools are removed.
    leaving: HashMap<String, JoinHandle<()>>,
}

/// A receiver, and the way to its task.
#[derive(Debug)]
struct Postbox {
    webhook: Webhook,
    queue: mpsc::Sender<Arc<Happening>>,
    task: JoinHandle<()>,
}

impl Post {
    /// Begins to tell these, with spools below the data folder; first what an earlier process left there. What it left
    /// for others is dropped. Needs a tokio runtime.
    pub fn start(data: PathBuf, senders: Vec<Sender>) -> Self {
        for name in spool::names(&data) {
            if !senders.iter().any(|sender| sender.webhook().name == name) {
                drop_spool(&data, &name);
            }
        }
        let post = Self { data, boxes: Arc::default() };
        post.set(senders);
        post
    }

    /// Tells those who want it. Neither waits nor blocks.
    pub fn tell(&self, happening: Happening) {
        let boxes = self.boxes.read().unwrap_or_else(PoisonError::into_inner);
        if boxes.current.is_empty() {
            return;
        }
        let happening = Arc::new(happening);
        for postbox in boxes.current.iter().filter(|postbox| postbox.webhook.wants(&happening)) {
            if postbox.queue.try_send(Arc::clone(&happening)).is_err() {
                let name = &postbox.webhook.name;
                error!(webhook = name, "an event is lost: the disk does not keep up");
                let labels = [("webhook", name.clone()), ("result", "lost".to_owned())];
                counter!("portero_webhook_deliveries_total", &labels).increment(1);
            }
        }
    }

    /// Tells those who want it that a call has ended, whose record is kept. Neither waits nor blocks.
    pub fn tell_of_end(&self, record: &CallRecord) {
        let is_empty = self.boxes.read().unwrap_or_else(PoisonError::into_inner).current.is_empty();
        if !is_empty {
            self.tell(Happening::end(record.clone()));
        }
    }

    /// From now on these are told. Those that are what they were go on undisturbed; those that are changed go on with what
    /// waits for them; what waits for others is dropped.
    pub fn set(&self, senders: Vec<Sender>) {
        let mut boxes = self.boxes.write().unwrap_or_else(PoisonError::into_inner);
        let by_name = |postbox: Postbox| (postbox.webhook.name.clone(), postbox);
        let mut before: HashMap<String, Postbox> = boxes.current.drain(..).map(by_name).collect();
        for sender in senders {
            let postbox = match before.remove(&sender.webhook().name) {
                Some(postbox) if postbox.webhook == *sender.webhook() => postbox,
                Some(changed) => self.open(sender, Some(changed.task)),
                None => {
                    let leaving = boxes.leaving.remove(&sender.webhook().name);
                    self.open(sender, leaving)
                }
            };
            boxes.current.push(postbox);
        }
        for (name, postbox) in before {
            let (data, webhook) = (self.data.clone(), name.clone());
            let leaving = tokio::spawn(async move {
                drop(postbox.queue);
                end(&webhook, postbox.task).await;
                drop_spool(&data, &webhook);
            });
            boxes.leaving.insert(name, leaving);
        }
    }

    /// Returns when all that has been told is on disk, or with its receiver.
    pub async fn finish(self) {
        let boxes = std::mem::take(&mut *self.boxes.write().unwrap_or_else(PoisonError::into_inner));
        let tasks: Vec<_> =
            boxes.current.into_iter().map(|postbox| (postbox.webhook.name, postbox.task)).collect();
        for (name, task) in tasks.into_iter().chain(boxes.leaving) {
            end(&name, task).await;
        }
    }

    /// Starts the task of a receiver, which takes over from the one `before`.
    fn open(&self, sender: Sender, before: Option<JoinHandle<()>>) -> Postbox {
        let (queue, told) = mpsc::channel(QUEUE_MAX);
        let (webhook, data) = (sender.webhook().clone(), self.data.clone());
        let name = webhook.name.clone();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                end(&name, before).await;
            }
            Courier::open(sender, data).await.run(told).await;
        });
        Postbox { webhook, queue, task }
    }
}

/// Waits for the end of a task that nobody can tell anything any more. It first brings to disk what it has been told.
async fn end(name: &str, task: JoinHandle<()>) {
    if !matches!(tokio::time::timeout(END_WITHIN, task).await, Ok(Ok(()))) {
        error!(webhook = name, "the task of a webhook broke off; what was not on disk is lost");
    }
}

/// Drops what waits for a receiver that there is no more.
fn drop_spool(data: &Path, name: &str) {
    warn!(webhook = name, "there is no such webhook any more: what waited for it is dropped");
    gauge!("portero_webhook_spool_events", "webhook" => name.to_owned()).set(0.0);
    if let Err(error) = spool::remove(data, name) {
        error!(webhook = name, %error, "its spool cannot be removed");
    }
}
