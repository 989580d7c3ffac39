//! What is seen of the messages that pass: kept with their call, and copied to whoever collects them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use jiff::Timestamp;

use super::super::one::CallId;
use super::super::trace::Trace;
use super::{Action, Switchboard};
use crate::sip::{self, ConnectionId, Direction, Hop, Seen};

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

/// Connections whose far ends are known. One more, and all are forgotten, to be known again by their next message.
const CONNECTIONS_MAX: usize = 4096;

/// Where connections lead, by what came through them. What goes out names the address that is tried when its connection
/// is gone (RFC 3261 §18.2.2), which is not where it goes.
#[derive(Debug, Default)]
pub(super) struct FarEnds(HashMap<ConnectionId, SocketAddr>);

impl FarEnds {
    fn correct(&mut self, direction: Direction, hop: Hop) -> Hop {
        let Some(connection) = hop.connection else { return hop };
        if direction == Direction::Out {
            return Hop { peer: self.0.get(&connection).copied().unwrap_or(hop.peer), ..hop };
        }
        if self.0.len() >= CONNECTIONS_MAX && !self.0.contains_key(&connection) {
            self.0.clear();
        }
        self.0.insert(connection, hop.peer);
        hop
    }
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

    /// Looks at a message, where anybody wants to know. Most of what belongs to no call is passed over without a closer
    /// look: a flood is made of it.
    pub(super) fn look(&mut self, direction: Direction, hop: Hop, message: &[u8]) -> Option<Seen> {
        if !self.tap.keeps && !self.tap.copies {
            return None;
        }
        let hop = self.far_ends.correct(direction, hop);
        let is_wanted =
            self.tap.copies || sip::call_id(message).is_some_and(|call_id| self.traces.follow(&call_id));
        if is_wanted { Seen::new(direction, hop, message) } else { None }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn a_connection_leads_where_it_came_from() {
        let mut far_ends = FarEnds::default();
        let hop = |connection: u64, port: u16| Hop {
            transport: Transport::Tcp,
            local: ([192, 0, 2, 1], 5060).into(),
            peer: ([192, 0, 2, 9], port).into(),
            connection: Some(ConnectionId(connection)),
        };
        let mut port =
            |direction, connection, port| far_ends.correct(direction, hop(connection, port)).peer.port();
        assert_eq!(port(Direction::Out, 7, 5060), 5060);
        assert_eq!(port(Direction::In, 7, 41_000), 41_000);
        assert_eq!(port(Direction::Out, 7, 5060), 41_000);
        for connection in 0..=CONNECTIONS_MAX as u64 {
            port(Direction::In, 100 + connection, 42_000);
        }
        assert_eq!(port(Direction::Out, 7, 5060), 5060);
        assert!(far_ends.0.len() <= CONNECTIONS_MAX);
    }
}
