//! How peers are met that nobody knows: turned away, or not answered at all, before there is any state.
//!
//! Whose address is known is for the endpoint's user to say. What belongs to a call of ours is served from
//! wherever it comes, as a proxy may leave the path after the INVITE.

use std::time::Instant;

use sipx_sip::{Message, Method, Request};

use super::DialogId;
use super::admission::{Refusal, check_form};
use super::counters::Rejection;
use super::endpoint::Endpoint;
use super::hop::Hop;
use super::message::{self, Unreadable};
use super::via;

/// What a stranger gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// 403 to an INVITE, without a transaction; what it asks besides is answered.
    Refuse,
    /// Nothing: scanners go on to where there is somebody.
    Ignore,
}

impl Endpoint {
    /// Takes in one message of a stranger.
    pub fn receive_from_stranger(&mut self, hop: Hop, payload: &[u8], reception: Reception, now: Instant) {
        let read = message::read(payload);
        let request = match &read {
            Ok(Message::Request(request)) => Some(request),
            Err(Unreadable::Request(request)) => Some(&**request),
            Ok(Message::Response(_)) | Err(Unreadable::KeepAlive | Unreadable::Noise) => None,
        };
        match (request.filter(|request| !self.is_of_ours(request)), reception) {
            (Some(_), Reception::Ignore) => self.counters.count_rejection(Rejection::Stranger),
            (Some(request), Reception::Refuse) if is_new_call(request) => {
                self.refuse_stranger(request.clone(), hop);
            }
            _ => self.take_in(read, hop, now),
        }
    }

    /// Takes note of a message that was dropped unread.
    pub fn drop_unread(&mut self, reason: Rejection) {
        self.counters.count_rejection(reason);
    }

    /// As [`Endpoint::reject`], and counted under this reason.
    pub fn turn_away(&mut self, dialog: DialogId, status: u16, reason: Rejection, now: Instant) {
        self.counters.count_rejection(reason);
        self.reject(dialog, status, now);
    }

    fn is_of_ours(&self, request: &Request) -> bool {
        self.find(request).is_some() || self.transactions.knows(request)
    }

    fn refuse_stranger(&mut self, mut request: Request, hop: Hop) {
        match via::stamp(&mut request, &hop) {
            Some(reply_to) => {
                self.refuse_statelessly(&request, reply_to, Refusal::new(403, Rejection::Stranger));
            }
            None => self.counters.count_rejection(Rejection::Malformed),
        }
    }
}

/// An INVITE that would make a dialog, and that can be answered.
fn is_new_call(request: &Request) -> bool {
    request.method == Method::Invite
        && message::to_tag(&request.headers).is_none()
        && check_form(request).is_ok()
}
