//! Transactions: sipx-sip's RFC 3261 §17 machines (with RFC 6026), given timers, addresses and owners.
//!
//! What is added here is what a pure machine cannot know: when a timer falls due, where a message goes, whose
//! a transaction is, and which requests are the same one come by two ways (RFC 3261 §8.2.2.2).
//!
//! A server transaction that has been answered is kept for 64*T1, and nearly all that are held are such ones. Of
//! these only what a retransmission needs is kept, instead of a machine with both of its messages.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use sipx_sip::transaction::{ClientState, Dispatch, Output, ServerState, TransactionLayer, TuEvent};
use sipx_sip::{Message, Method, Request, Response, Timer, Timers as Timings, TransactionKey};

use super::errand::ErrandId;
use super::hop::{Domain, Hop, Transmit, proven};
use super::limits::{NEXT_AFTER, T1, T2};
use super::{DialogId, message};
use crate::timer::Timers;

/// Names a transaction of this endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(u64);

/// What a transaction is to its dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The peer's INVITE, waiting for our final response.
    Invited,
    /// Our INVITE.
    Invite,
    /// Our BYE, whose outcome is awaited.
    Bye,
    /// Our REFER with this `CSeq`.
    Refer(u32),
    /// Our UPDATE or re-INVITE that refreshes the session.
    Refresh,
    /// Our NOTIFY about the peer's REFER.
    Notify,
    /// Our INVITE to a peer that was silent for so long that another was tried. What it says yet is not wanted.
    Forsaken(TransactionId),
    /// The same once it has been cancelled, in case an answer crosses that.
    Unwanted,
}

/// Whose a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A dialog's, and what it is for.
    Dialog(DialogId, Purpose),
    /// An errand's, outside of dialogs.
    Errand(ErrandId),
}

/// A request that was answered with 401 or 407.
#[derive(Debug)]
pub struct Challenged {
    /// What was sent.
    pub request: Request,
    /// Which way.
    pub hop: Hop,
    /// To whom.
    pub domain: Option<Domain>,
    /// How often it had been sent before, each time with another answer to a challenge.
    pub tries: u8,
}

/// A request that its peer did not take, and the ways to others who may (RFC 3263 §4.3).
#[derive(Debug)]
pub struct Untaken {
    /// The request as it was sent.
    pub request: Request,
    /// The best first; at least one.
    pub spares: VecDeque<Hop>,
    /// Whom all of them lead to.
    pub domain: Option<Domain>,
}

/// A client transaction that came to nothing.
#[derive(Debug)]
pub struct Failed {
    /// Whose it is.
    pub owner: Owner,
    /// What can be tried yet.
    pub untaken: Option<Untaken>,
}

/// A response to a request of ours.
#[derive(Debug)]
pub struct Reply {
    /// Whose the request is.
    pub owner: Owner,
    /// What it got.
    pub response: Response,
    /// What can be tried yet, where that is 503.
    pub untaken: Option<Untaken>,
    /// The request, where the response asks who we are.
    pub challenged: Option<Challenged>,
}

/// The status that sends a request on to the next peer (RFC 3263 §4.3).
const UNAVAILABLE: u16 = 503;

/// The timer of a transaction, beside those of its machine, at which the next way is tried.
const NEXT: usize = Timer::ALL.len();

/// What a request turned out to be. Retransmissions and ACKs of refusals are dealt with before this.
#[derive(Debug)]
pub enum Arrival {
    /// The first of its transaction.
    New(TransactionId, Request),
    /// The ACK to a 2xx.
    Ack(Request),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Client,
    Server,
}

/// Whether a request is a retransmission that has been dealt with; if not, what is to become of it.
enum Again {
    No(Request),
    Ack(Request),
}

/// From tag, Call-ID and `CSeq`: equal in two requests without To tag, they are one request that was forked.
type Origin = (Option<Vec<u8>>, Vec<u8>, u32, Vec<u8>);

#[derive(Debug)]
struct Held {
    side: Side,
    key: TransactionKey,
    hop: Hop,
    domain: Option<Domain>,
    owner: Option<Owner>,
    tries: u8,
    origin: Option<Arc<Origin>>,
    answered: Option<Answered>,
    /// Where the request may go if its peer does not take it.
    spares: VecDeque<Hop>,
}

/// What is left of a server transaction that has had its answer, until its last timer falls due.
enum Answered {
    /// Completed, other than INVITE: the answer, which a retransmission gets once more (RFC 3261 §17.2.2).
    Once(Vec<u8>),
    /// An INVITE with its 2xx: retransmissions get nothing, and ACKs are the core's (RFC 6026 §7.1).
    Accepted,
}

impl fmt::Debug for Answered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Once(_) => "Once",
            Self::Accepted => "Accepted",
        })
    }
}

/// Every transaction of an endpoint. Its `Debug` shows no messages: an INFO holds what the caller keyed.
pub struct Transactions {
    // Two layers, so that a peer that mirrors our own request back cannot make its key collide with ours.
    client: TransactionLayer,
    server: TransactionLayer,
    ids: HashMap<(Side, TransactionKey), TransactionId>,
    held: HashMap<TransactionId, Held>,
    origins: HashMap<Arc<Origin>, TransactionId>,
    timers: Timers<(TransactionId, usize)>,
    transmits: VecDeque<Transmit>,
    last: u64,
}

impl fmt::Debug for Transactions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transactions").field("held", &self.held).finish_non_exhaustive()
    }
}

impl Transactions {
    /// None in flight.
    pub fn new() -> Self {
        let timings = Timings { t1: T1, t2: T2, ..Timings::default() };
        Self {
            client: TransactionLayer::new(timings),
            server: TransactionLayer::new(timings),
            ids: HashMap::new(),
            held: HashMap::new(),
            origins: HashMap::new(),
            timers: Timers::default(),
            transmits: VecDeque::new(),
            last: 0,
        }
    }

    /// How many are in flight.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is in flight and nothing waits to be sent.
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && self.timers.is_empty() && self.transmits.is_empty()
    }

    /// Sends a message outside any transaction: the ACK to a 2xx, or a 2xx once more.
    pub fn transmit(&mut self, transmit: Transmit) {
        self.transmits.push_back(transmit);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// When the next timer falls due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether a request belongs to a transaction that exists.
    pub fn knows(&self, request: &Request) -> bool {
        TransactionKey::from_request(request).is_some_and(|key| self.ids.contains_key(&(Side::Server, key)))
    }

    /// Takes in a request whose responses go by `hop`. `None` where the transaction dealt with it itself.
    pub fn receive_request(&mut self, request: Request, hop: Hop, now: Instant) -> Option<Arrival> {
        let request = match self.receive_again(request)? {
            Again::No(request) => request,
            Again::Ack(ack) => return Some(Arrival::Ack(ack)),
        };
        match self.server.receive(Message::Request(request), hop.transport.reliability()) {
            Dispatch::Created { key, outputs } => {
                let id = self.hold(Side::Server, key, hop, None, None);
                match self.perform(id, outputs, now)? {
                    TuEvent::Request(request) => Some(Arrival::New(id, *request)),
                    _ => None,
                }
            }
            Dispatch::Matched { key, outputs } => {
                let id = *self.ids.get(&(Side::Server, key))?;
                match self.perform(id, outputs, now)? {
                    TuEvent::Ack(ack) => Some(Arrival::Ack(*ack)),
                    _ => None,
                }
            }
            Dispatch::Unmatched(message) => match *message {
                Message::Request(ack) => Some(Arrival::Ack(ack)),
                Message::Response(_) => None,
            },
        }
    }

    /// Deals with a request whose transaction has been answered; gives others back.
    fn receive_again(&mut self, request: Request) -> Option<Again> {
        let answered = TransactionKey::from_request(&request)
            .and_then(|key| self.ids.get(&(Side::Server, key)))
            .and_then(|id| self.held.get(id))
            .and_then(|held| Some((held.hop, held.answered.as_ref()?)));
        match answered {
            None => return Some(Again::No(request)),
            Some((_, Answered::Accepted)) if request.method == Method::Ack => {
                return Some(Again::Ack(request));
            }
            Some((_, Answered::Accepted)) => {}
            Some((hop, Answered::Once(payload))) => {
                let payload = payload.clone();
                self.transmit(Transmit::new(hop, payload));
            }
        }
        None
    }

    /// Takes in a response. `None` where no transaction of ours awaits it or its owner need not know.
    pub fn receive_response(&mut self, response: Response, hop: &Hop, now: Instant) -> Option<Reply> {
        let challenged = self.challenged(&response);
        let unavailable = response.status.code() == UNAVAILABLE;
        let key = unavailable.then(|| TransactionKey::from_response(&response)).flatten();
        let id = key.and_then(|key| self.ids.get(&(Side::Client, key)).copied());
        let untaken = id.and_then(|id| self.untaken(id));
        let dispatch = self.client.receive(Message::Response(response), hop.transport.reliability());
        let Dispatch::Matched { key, outputs } = dispatch else { return None };
        let id = *self.ids.get(&(Side::Client, key))?;
        let owner = self.held.get(&id)?.owner;
        match self.perform(id, outputs, now)? {
            TuEvent::Response(response) => {
                Some(Reply { owner: owner?, response: *response, untaken, challenged })
            }
            _ => None,
        }
    }

    /// What a 401 or 407 answers. Its transaction may end by it, and the request with that.
    fn challenged(&self, response: &Response) -> Option<Challenged> {
        if !matches!(response.status.code(), 401 | 407) {
            return None;
        }
        let key = TransactionKey::from_response(response)?;
        let request = self.client.client_request(&key)?.clone();
        let held = self.held.get(self.ids.get(&(Side::Client, key))?)?;
        Some(Challenged { request, hop: held.hop, domain: held.domain.clone(), tries: held.tries })
    }

    /// Says how often the request of `id` has been sent before, each time with another answer to a challenge.
    pub fn set_tries(&mut self, id: TransactionId, tries: u8) {
        if let Some(held) = self.held.get_mut(&id) {
            held.tries = tries;
        }
    }

    /// Sends a request by `hop`, to the peer that was sought by `domain` where it was. What comes of it is told with
    /// `owner`; without one, nobody asks.
    pub fn send(
        &mut self,
        request: Request,
        hop: Hop,
        domain: Option<Domain>,
        owner: Option<Owner>,
        now: Instant,
    ) -> Option<TransactionId> {
        let (key, outputs) = self.client.send_request(request, hop.transport.reliability())?;
        let id = self.hold(Side::Client, key, hop, domain, owner);
        self.perform(id, outputs, now);
        Some(id)
    }

    /// Names ways by which the request of `id` may go, in this order, if its peer does not take it.
    pub fn set_spares(&mut self, id: TransactionId, spares: VecDeque<Hop>, now: Instant) {
        let Some(held) = self.held.get_mut(&id) else { return };
        if spares.is_empty() {
            self.timers.clear((id, NEXT));
        } else {
            self.timers.set((id, NEXT), now + NEXT_AFTER);
        }
        held.spares = spares;
    }

    /// Sends a response to the request of `id`, and shows what goes out; does nothing once that transaction is over.
    pub fn respond(&mut self, id: TransactionId, response: Response, now: Instant) -> Option<&Transmit> {
        let outputs = self.server.send_response(&self.held.get(&id)?.key, response);
        let waiting = self.transmits.len();
        self.perform(id, outputs, now);
        self.settle(id, waiting);
        self.transmits.get(waiting)
    }

    /// Lets go of the machine of a transaction that has only to wait for its last timer. Its answer, if there was one
    /// just now, is the first of `transmits` from `at` on.
    fn settle(&mut self, id: TransactionId, at: usize) {
        let Some(held) = self.held.get_mut(&id) else { return };
        let is_invite = self.server.server_request(&held.key).is_some_and(|it| it.method == Method::Invite);
        let answered = match (self.server.server_state(&held.key), self.transmits.get(at)) {
            (Some(ServerState::Accepted), _) => Answered::Accepted,
            (Some(ServerState::Completed), Some(sent)) if !is_invite => Answered::Once(sent.payload.clone()),
            _ => return,
        };
        held.answered = Some(answered);
        self.server.abandon(&held.key);
    }

    /// The request of a server transaction.
    pub fn request(&self, id: TransactionId) -> Option<&Request> {
        self.server.server_request(&self.held.get(&id)?.key)
    }

    /// The way of a transaction's messages.
    pub fn hop(&self, id: TransactionId) -> Option<Hop> {
        self.held.get(&id).map(|held| held.hop)
    }

    /// Whom a transaction's messages are to reach.
    pub fn domain(&self, id: TransactionId) -> Option<Domain> {
        self.held.get(&id)?.domain.clone()
    }

    /// The request of a client transaction: a CANCEL copies it (RFC 3261 §9.1).
    pub fn sent_request(&self, id: TransactionId) -> Option<&Request> {
        self.client.client_request(&self.held.get(&id)?.key)
    }

    /// Says whose a server transaction is.
    pub fn set_owner(&mut self, id: TransactionId, owner: Owner) {
        if let Some(held) = self.held.get_mut(&id) {
            held.owner = Some(owner);
        }
    }

    /// The INVITE that a CANCEL means (RFC 3261 §9.2), with its owner.
    pub fn cancelled(&self, cancel: &Request) -> Option<(TransactionId, Option<Owner>)> {
        let key = TransactionKey::for_cancelled_invite(cancel)?;
        let id = *self.ids.get(&(Side::Server, key))?;
        Some((id, self.held.get(&id)?.owner))
    }

    /// Whether another transaction has the same request by another way; if not, `id` is remembered for it.
    pub fn is_merged(&mut self, id: TransactionId, request: &Request) -> bool {
        let Some(origin) = origin(request) else { return false };
        if let Some(&first) = self.origins.get(&origin) {
            return first != id;
        }
        let origin = Arc::new(origin);
        self.origins.insert(Arc::clone(&origin), id);
        if let Some(held) = self.held.get_mut(&id) {
            held.origin = Some(origin);
        }
        false
    }

    /// Gives up a client transaction that is waited for no longer.
    pub fn abandon(&mut self, id: TransactionId, now: Instant) {
        if let Some(held) = self.held.get(&id) {
            let outputs = self.client.on_transport_error(&held.key);
            self.perform(id, outputs, now);
        }
    }

    /// Gives up the client transactions whose requests went by `hop`, which does not lead to `domain` or leads nowhere
    /// (RFC 3261 §8.1.3.1); returns their owners.
    pub fn fail(&mut self, hop: &Hop, domain: Option<&Domain>, now: Instant) -> Vec<Failed> {
        let went = |held: &Held| held.hop == *hop && proven(hop, held.domain.as_ref()) == domain;
        let failed = self.held.iter().filter(|(_, held)| held.side == Side::Client && went(held));
        let mut failed: Vec<TransactionId> = failed.map(|(&id, _)| id).collect();
        failed.sort_unstable();
        let told = failed.iter().filter_map(|&id| self.failed(id)).collect();
        for id in failed {
            self.abandon(id, now);
        }
        told
    }

    /// Runs what is due at `now`; returns the client transactions that timed out, and those whose peer has said
    /// nothing for so long that the next is to be tried.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Failed> {
        let mut timed_out = Vec::new();
        while let Some((id, timer)) = self.timers.pop_due(now) {
            if timer == NEXT {
                timed_out.extend(self.forsake(id, now));
                continue;
            }
            let failed = self.failed(id);
            let Some(held) = self.held.get(&id) else { continue };
            if held.answered.is_some() {
                // Timer J or L (RFC 3261 §17.2.2, RFC 6026 §7.1): no other is armed.
                self.release(id);
                continue;
            }
            let side = held.side;
            let layer = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            let outputs = layer.on_timer(&held.key, Timer::ALL[timer]);
            let event = self.perform(id, outputs, now);
            if let (Side::Client, Some(TuEvent::Timeout)) = (side, event) {
                timed_out.extend(failed);
            }
        }
        timed_out
    }

    /// What is to be told of a client transaction if it comes to nothing now.
    fn failed(&self, id: TransactionId) -> Option<Failed> {
        let held = self.held.get(&id).filter(|held| held.side == Side::Client)?;
        Some(Failed { owner: held.owner?, untaken: self.untaken(id) })
    }

    fn untaken(&self, id: TransactionId) -> Option<Untaken> {
        let held = self.held.get(&id).filter(|held| !held.spares.is_empty())?;
        let request = self.client.client_request(&held.key)?.clone();
        Some(Untaken { request, spares: held.spares.clone(), domain: held.domain.clone() })
    }

    /// Gives up a peer that has said nothing while there are others. An INVITE goes on, as it may be taken yet, and
    /// whoever takes it must be told that it is not wanted any more.
    fn forsake(&mut self, id: TransactionId, now: Instant) -> Option<Failed> {
        let key = &self.held.get(&id)?.key;
        if !matches!(self.client.client_state(key)?, ClientState::Calling | ClientState::Trying) {
            return None;
        }
        let failed = self.failed(id)?;
        if let Owner::Dialog(dialog, Purpose::Invite) = failed.owner {
            let held = self.held.get_mut(&id)?;
            held.owner = Some(Owner::Dialog(dialog, Purpose::Forsaken(id)));
            held.spares.clear();
        } else {
            self.abandon(id, now);
        }
        Some(failed)
    }

    fn hold(
        &mut self,
        side: Side,
        key: TransactionKey,
        hop: Hop,
        domain: Option<Domain>,
        owner: Option<Owner>,
    ) -> TransactionId {
        self.last += 1;
        let id = TransactionId(self.last);
        self.ids.insert((side, key.clone()), id);
        let (origin, answered, spares) = (None, None, VecDeque::new());
        let held = Held { side, key, hop, domain, owner, tries: 0, origin, answered, spares };
        self.held.insert(id, held);
        id
    }

    /// Does what a transaction wants done; returns what it tells, which is one thing at most.
    fn perform(&mut self, id: TransactionId, outputs: Vec<Output>, now: Instant) -> Option<TuEvent> {
        let mut told = None;
        for output in outputs {
            match output {
                Output::Send(message) => {
                    if let Some(Held { hop, domain, .. }) = self.held.get(&id) {
                        let payload = message.to_bytes().to_vec();
                        self.transmit(Transmit::to(*hop, domain.as_ref(), payload));
                    }
                }
                Output::SetTimer { timer, after } => self.timers.set((id, index(timer)), now + after),
                Output::ClearTimer(timer) => self.timers.clear((id, index(timer))),
                Output::ToTu(event) => told = Some(*event),
                Output::Terminated(_) => self.release(id),
                _ => {}
            }
        }
        told
    }

    fn release(&mut self, id: TransactionId) {
        for timer in 0..=NEXT {
            self.timers.clear((id, timer));
        }
        if let Some(held) = self.held.remove(&id) {
            self.ids.remove(&(held.side, held.key));
            if let Some(origin) = held.origin {
                self.origins.remove(&origin);
            }
        }
    }
}

fn index(timer: Timer) -> usize {
    Timer::ALL.iter().position(|&known| known == timer).expect("Timer::ALL is the complete set")
}

fn origin(request: &Request) -> Option<Origin> {
    let headers = &request.headers;
    let method = request.method.as_bytes().to_vec();
    Some((message::from_tag(headers), message::call_id(headers)?, message::cseq(headers)?, method))
}
