//! How peers are met that nobody knows: turned away, not answered at all, or asked who they are, before there is any
//! state (RFC 3261 §22.1).
//!
//! Whose address is known is for the endpoint's user to say. What belongs to a call of ours is served from
//! wherever it comes, as a proxy may leave the path after the INVITE.

use std::sync::Arc;
use std::time::Instant;

use sipx_sip::{HeaderName, Message, Method, Request};

use super::DialogId;
use super::admission::{Refusal, check_form};
use super::counters::Rejection;
use super::digest::{Judgement, Login};
use super::endpoint::Endpoint;
use super::hop::Hop;
use super::message::{self, Unreadable};
use super::response::Answer;
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

    /// Takes in one message of somebody who may be one of `logins`, and has to prove it where they call. What else
    /// they send is met as with everybody, or as a stranger's.
    ///
    /// Only a new INVITE is challenged: nothing else makes us do anything for whoever sends it.
    pub fn receive_to_prove(
        &mut self,
        hop: Hop,
        payload: &[u8],
        logins: &[&Login],
        otherwise: Option<Reception>,
        now: Instant,
    ) {
        let calls = match message::read(payload) {
            Ok(Message::Request(request)) if is_new_call(&request) && !self.is_of_ours(&request) => request,
            _ => {
                return match otherwise {
                    None => self.receive(hop, payload, now),
                    Some(reception) => self.receive_from_stranger(hop, payload, reception, now),
                };
            }
        };
        match self.door.judge(&calls, hop.peer.ip(), logins, now) {
            Judgement::Proven(login) => {
                self.proven = Some(Arc::clone(&login.name));
                self.take_in(Ok(Message::Request(calls)), hop, now);
                self.proven = None;
            }
            Judgement::Challenge { rows, wrong } => {
                let challenged = rows
                    .into_iter()
                    .fold(Answer::new(401), |answer, row| answer.with(HeaderName::WwwAuthenticate, row));
                let reason = if wrong { Rejection::Credentials } else { Rejection::Challenged };
                self.turn_from_the_door(calls, hop, challenged.refuse(reason));
            }
            Judgement::Refuse => {
                self.turn_from_the_door(calls, hop, Refusal::new(403, Rejection::Credentials));
            }
        }
    }

    /// As [`Endpoint::reject`], and counted under this reason.
    pub fn turn_away(&mut self, dialog: DialogId, status: u16, reason: Rejection, now: Instant) {
        self.counters.count_rejection(reason);
        self.reject(dialog, status, now);
    }

    fn is_of_ours(&self, request: &Request) -> bool {
        self.find(request).is_some() || self.transactions.knows(request)
    }

    fn refuse_stranger(&mut self, request: Request, hop: Hop) {
        self.turn_from_the_door(request, hop, Refusal::new(403, Rejection::Stranger));
    }

    fn turn_from_the_door(&mut self, mut request: Request, hop: Hop, refusal: Refusal) {
        match via::stamp(&mut request, &hop) {
            Some(reply_to) => {
                self.refuse_statelessly(&request, reply_to, refusal);
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
