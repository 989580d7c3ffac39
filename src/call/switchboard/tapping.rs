//! What is seen of the messages that pass: kept with their call, and copied to whoever collects them.

use std::time::Instant;

use jiff::Timestamp;

use super::super::one::CallId;
use super::super::trace::Trace;
use super::{Action, Switchboard};
use crate::sip::{Direction, Hop, Seen};

/// What is done with messages that pass. Nothing, unless told otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tap {
    /// Those of each call are kept, and given as [`Action::Trace`] some seconds after its end.
    pub keeps: bool,
    /// All are copied, those of no call included: [`Action::Copy`].
    pub copies: bool,
}

/// A message that passed, for a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// When.
    pub at: Timestamp,
    /// What was seen of it.
    pub seen: Seen,
}

impl Switchboard {
    /// Says what is done with messages that pass from now on.
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = tap;
    }

    /// The messages of a call so far; `None` for one that is not up, and whose trace has been given away.
    pub fn trace(&self, call: &str) -> Option<&Trace> {
        self.traces.get(CallId::parse(call)?)
    }

    /// Gives away the traces of calls that are over, though there may be messages to come.
    pub fn close_traces(&mut self) {
        self.traces.close_ended();
        self.give_traces();
    }

    /// Looks at a message, where anybody wants to know.
    pub(super) fn look(&self, direction: Direction, hop: Hop, message: &[u8]) -> Option<Seen> {
        let wanted = self.tap.keeps || self.tap.copies;
        wanted.then(|| Seen::new(direction, hop, message)).flatten()
    }

    /// Passes on what was seen.
    pub(super) fn pass(&mut self, seen: Seen, now: Instant) {
        let at = self.clock.date(now);
        if self.tap.copies {
            self.actions.push_back(Action::Copy(Box::new(Copied { at, seen: seen.clone() })));
        }
        if self.tap.keeps {
            self.traces.see(seen, at, now);
        }
    }

    pub(super) fn give_traces(&mut self) {
        while let Some(trace) = self.traces.poll_closed() {
            self.actions.push_back(Action::Trace(Box::new(trace)));
        }
    }
}
