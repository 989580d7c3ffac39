//! Traces: the SIP messages of each call, those that came and those that went, for as long as the call has any.
//!
//! Messages find their call by Call-ID, so that a trace shows what an engineer looks for: also what of the call was
//! sent twice, came from elsewhere, or was refused. A message is redacted before it comes here (see
//! [`sip::Redacted`](crate::sip::Redacted)). What a trace looks like is `ladder`'s part, where it is kept `records`'.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::one::CallId;
use crate::sip::{Direction, Redacted, Seen, Transport};
use crate::timer::Timers;

/// So many of the first messages of a call are kept, and as many of the last. What is between them is counted.
const MESSAGES_MAX: usize = 64;

/// So many bytes of the first messages are kept, and as many of the last.
const BYTES_MAX: usize = 64 * 1024;

/// A trace is closed when its call is over and nothing has been seen for this long: no retransmission waits
/// longer than T2, 4 s (RFC 3261 §17.1.2.2).
const QUIET_FOR: Duration = Duration::from_secs(5);

/// How long after the call's end a trace stays open at the most: 64*T1, when every transaction is over.
const OPEN_FOR: Duration = Duration::from_secs(32);

/// Traces of calls that are over and may still see messages. One more, and the one that is due next is closed now.
const LINGERING_MAX: usize = 1024;

/// One message of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When it was seen.
    pub at: Timestamp,
    /// Which way it went.
    pub direction: Direction,
    /// What carried it.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub peer: SocketAddr,
    /// What it says.
    pub text: Redacted,
}

/// The messages of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Our identifier of the call: 16 hexadecimal digits.
    pub call: String,
    /// The first messages.
    first: Vec<Message>,
    /// How many are left out between the first and the last.
    left_out: u64,
    /// The last messages; none where all have room among the first.
    last: VecDeque<Message>,
}

impl Trace {
    /// A trace without messages.
    pub fn new(call: CallId) -> Self {
        Self { call: call.to_string(), first: Vec::new(), left_out: 0, last: VecDeque::new() }
    }

    /// Adds what was seen.
    pub fn push(&mut self, seen: Seen, at: Timestamp) {
        let Seen { direction, hop, text, .. } = seen;
        let message =
            Message { at, direction, transport: hop.transport, local: hop.local, peer: hop.peer, text };
        let is_first = self.last.is_empty() && self.left_out == 0 && self.first.len() < MESSAGES_MAX;
        if is_first && bytes(&self.first) + message.text.as_str().len() <= BYTES_MAX {
            return self.first.push(message);
        }
        self.last.push_back(message);
        while self.last.len() > MESSAGES_MAX || bytes(&self.last) > BYTES_MAX {
            self.last.pop_front();
            self.left_out += 1;
        }
    }

    /// The messages that are kept, in order.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.first.iter().chain(&self.last)
    }

    /// What is left out: after so many messages, so many. `None` where nothing is.
    pub fn gap(&self) -> Option<(usize, u64)> {
        (self.left_out > 0).then_some((self.first.len(), self.left_out))
    }

    /// When the last message was seen.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.messages().last().map(|message| message.at)
    }
}

fn bytes<'m>(messages: impl IntoIterator<Item = &'m Message>) -> usize {
    messages.into_iter().map(|message| message.text.as_str().len()).sum()
}

/// The traces of calls that are up, and of those that are over and may still see messages.
#[derive(Debug, Default)]
pub(super) struct Traces {
    open: HashMap<CallId, Open>,
    by_sip_call_id: HashMap<String, CallId>,
    closing: Timers<CallId>,
    lingering: usize,
    closed: VecDeque<Trace>,
}

#[derive(Debug)]
struct Open {
    trace: Trace,
    sip_call_id: String,
    /// When it is closed whatever comes, once its call is over.
    closes_by: Option<Instant>,
}

impl Traces {
    /// A call begins. Where another one that is up has the same Call-ID, messages go on to that one's trace, and this
    /// call has none: only a peer that breaks RFC 3261 §8.1.1.4 does so.
    pub fn begin(&mut self, call: CallId, sip_call_id: &str) {
        if let Some(&other) = self.by_sip_call_id.get(sip_call_id) {
            if self.open.get(&other).is_some_and(|open| open.closes_by.is_none()) {
                return;
            }
            self.close(other);
        }
        let open = Open { trace: Trace::new(call), sip_call_id: sip_call_id.to_owned(), closes_by: None };
        self.open.insert(call, open);
        self.by_sip_call_id.insert(sip_call_id.to_owned(), call);
    }

    /// Whether messages with this Call-ID are kept.
    pub fn follow(&self, sip_call_id: &str) -> bool {
        self.by_sip_call_id.contains_key(sip_call_id)
    }

    /// Adds a message to the call that it belongs to, if it belongs to any.
    pub fn see(&mut self, seen: Seen, at: Timestamp, now: Instant) {
        let call = seen.sip_call_id.as_ref().and_then(|id| self.by_sip_call_id.get(id)).copied();
        let Some((call, open)) = call.and_then(|call| Some((call, self.open.get_mut(&call)?))) else {
            return;
        };
        open.trace.push(seen, at);
        if let Some(closes_by) = open.closes_by {
            self.closing.set(call, closes_by.min(now + QUIET_FOR));
        }
    }

    /// A call is over.
    pub fn end(&mut self, call: CallId, now: Instant) {
        let Some(open) = self.open.get_mut(&call).filter(|open| open.closes_by.is_none()) else { return };
        open.closes_by = Some(now + OPEN_FOR);
        self.lingering += 1;
        self.closing.set(call, now + QUIET_FOR);
        if self.lingering > LINGERING_MAX
            && let Some(due) = self.closing.next()
        {
            self.handle_one(due);
        }
    }

    /// Closes what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.handle_one(now) {}
    }

    /// When the next is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.closing.next()
    }

    /// The next trace that is closed: whole, as far as it goes.
    pub fn poll_closed(&mut self) -> Option<Trace> {
        self.closed.pop_front()
    }

    /// The trace of a call, as far as it has come.
    pub fn get(&self, call: CallId) -> Option<&Trace> {
        self.open.get(&call).map(|open| &open.trace)
    }

    /// Closes all of calls that are over.
    pub fn close_ended(&mut self) {
        while let Some(due) = self.closing.next() {
            self.handle_one(due);
        }
    }

    fn handle_one(&mut self, now: Instant) -> bool {
        let due = self.closing.pop_due(now);
        if let Some(call) = due {
            self.close(call);
        }
        due.is_some()
    }

    fn close(&mut self, call: CallId) {
        self.closing.clear(call);
        let Some(open) = self.open.remove(&call) else { return };
        self.by_sip_call_id.remove(&open.sip_call_id);
        self.lingering -= usize::from(open.closes_by.is_some());
        self.closed.push_back(open.trace);
    }
}

#[cfg(test)]
mod tests;
