//! Ladders: a trace as a diagram. One column a party, one arrow a message, read from top to bottom.
//!
//! This file says what there is to draw; `text` and `svg` draw it. The words come out of messages that anybody may
//! have sent: each is read by eye, not by grammar, cut to what fits, and escaped where it is drawn.

mod summary;
mod svg;
mod text;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::trace::{Message, Trace};
use crate::sip::{Direction, Transport};

/// Columns at the most; whoever comes after shares the last.
const PARTIES_MAX: usize = 6;

/// The column that is ours.
const OURS: usize = 1;

/// What is drawn of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ladder<'t> {
    /// Our identifier of the call.
    call: &'t str,
    /// When its first message was seen.
    began_at: Option<Timestamp>,
    /// The columns, from left to right: the caller, Portero, others.
    parties: Vec<Party>,
    /// The arrows, from top to bottom.
    messages: Vec<Arrow<'t>>,
    /// What is left out.
    gap: Option<Gap>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Party {
    name: String,
    transport: Transport,
    address: SocketAddr,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Arrow<'t> {
    /// Counted from one, those left out included.
    number: u64,
    at: Timestamp,
    offset_ms: i64,
    /// Its columns.
    from: usize,
    to: usize,
    /// What it is, in short.
    label: String,
    /// What it says of media, or otherwise besides.
    note: Option<String>,
    /// Whether it is the same message as one before.
    retransmission: bool,
    direction: Direction,
    transport: Transport,
    local: SocketAddr,
    peer: SocketAddr,
    /// The whole message, without its secrets.
    text: &'t str,
}

/// What is left out of a trace, because a call had more than is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Gap {
    /// The number of the last message before it.
    after: u64,
    messages: u64,
}

impl<'t> Ladder<'t> {
    /// The ladder of a trace.
    pub fn new(trace: &'t Trace) -> Self {
        let gap = trace.gap().map(|(after, messages)| Gap { after: after as u64, messages });
        let began_at = trace.messages().next().map(|message| message.at);
        let mut ladder = Self { call: &trace.call, began_at, parties: Vec::new(), messages: Vec::new(), gap };
        let mut known = HashSet::new();
        for (place, message) in (1..).zip(trace.messages()) {
            let left_out = gap.filter(|gap| place > gap.after).map_or(0, |gap| gap.messages);
            let is_new = known.insert((message.direction, message.peer, message.text.as_str()));
            ladder.push(place + left_out, message, !is_new);
        }
        ladder
    }

    fn push(&mut self, number: u64, message: &'t Message, retransmission: bool) {
        let peer = self.column(message);
        let (from, to) = match message.direction {
            Direction::In => (peer, OURS),
            Direction::Out => (OURS, peer),
        };
        let began_at = self.began_at.unwrap_or(message.at);
        let text = message.text.as_str();
        self.messages.push(Arrow {
            number,
            at: message.at,
            offset_ms: message.at.duration_since(began_at).as_millis() as i64,
            from,
            to,
            label: summary::label(text),
            note: summary::note(text),
            retransmission,
            direction: message.direction,
            transport: message.transport,
            local: message.local,
            peer: message.peer,
            text,
        });
    }

    /// The column of a message's peer. Whoever sent the first message is the caller.
    fn column(&mut self, message: &Message) -> usize {
        let (transport, address) = (message.transport, message.peer);
        if self.parties.is_empty() {
            self.parties.push(Party { name: "Caller".into(), transport, address });
            self.parties.push(Party { name: "Portero".into(), transport, address: message.local });
        }
        let is_peer = |(column, party): (usize, &Party)| {
            (column != OURS && (party.transport, party.address) == (transport, address)).then_some(column)
        };
        if let Some(column) = self.parties.iter().enumerate().find_map(is_peer) {
            return column;
        }
        if self.parties.len() == PARTIES_MAX {
            self.parties[PARTIES_MAX - 1].name = "Others".into();
            return PARTIES_MAX - 1;
        }
        self.parties.push(Party { name: format!("Peer {}", self.parties.len()), transport, address });
        self.parties.len() - 1
    }

    /// As text: the diagram, then the messages in full.
    pub fn text(&self) -> String {
        text::draw(self)
    }

    /// As an SVG that stands alone: no script, nothing loaded, in the colours that its viewer prefers.
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    /// The gap, where it comes right before this arrow.
    fn gap_before(&self, arrow: &Arrow<'_>) -> Option<u64> {
        self.gap.filter(|gap| arrow.number == gap.after + gap.messages + 1).map(|gap| gap.messages)
    }
}

impl Party {
    fn place(&self) -> String {
        format!("{} {}", self.transport.via_name(), self.address)
    }
}

fn seconds(offset_ms: i64) -> String {
    format!("{}.{:03}", offset_ms / 1000, offset_ms % 1000)
}

/// As much of `text` as fits into so many characters.
fn fit(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}
