//! The way out for events of a media thread's sessions. It never waits, and nothing is lost on it in silence.

use std::collections::VecDeque;

use metrics::{Counter, counter};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::media::{Event, SessionId};
use crate::mishap;

/// Events kept while the queue to the rest of the program is full.
const BACKLOG_MAX: usize = 16_384;

/// See the module. While the queue is full events wait here, in order.
pub(super) struct Told {
    events: mpsc::Sender<(SessionId, Event)>,
    backlog: VecDeque<(SessionId, Event)>,
    digits: Counter,
    tones: Counter,
}

impl Told {
    pub(super) fn new(events: mpsc::Sender<(SessionId, Event)>) -> Self {
        let heard = |source| counter!("portero_digits_total", "source" => source);
        Self { events, backlog: VecDeque::new(), digits: heard("rtp"), tones: heard("tone") }
    }

    /// Whether events are kept here, for want of room in the queue.
    pub(super) fn is_waiting(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(super) fn tell(&mut self, id: SessionId, event: Event) {
        match event {
            Event::Digit(digit) => {
                mishap::at("media", digit.expose());
                self.digits.increment(1);
            }
            Event::Tone(_) => self.tones.increment(1),
            _ => {}
        }
        if self.backlog.len() == BACKLOG_MAX {
            counter!("portero_media_events_lost_total").increment(1);
            tracing::warn!(session = id.0, "an event of a media session is lost: nobody takes them");
            return;
        }
        self.backlog.push_back((id, event));
        self.flush();
    }

    /// Tries again what found no room.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }
}
