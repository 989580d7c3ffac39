//! The endpoint: every SIP dialog of one local address, as one machine without sockets or clock.
//!
//! This file holds what all its parts share: the way in, the way out, timers, and the ends of dialogs. What a
//! request means is in `uas`, what becomes of ours in `uac`, REFER both ways in `referral`. Framing is the shell's:
//! what comes in is one message, whether it was a datagram or a piece of a stream.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use sipx_sip::{HeaderName, Message, Method, Request, validate_response};

use super::admission::{Refusal, check_form};
use super::counters::{Counters, Rejection};
use super::dialog::Ourselves;
use super::digest::Door;
use super::errand::{Errand, ErrandId};
use super::finding::Searches;
use super::hop::{Domain, Hop, Transmit, Whereabouts};
use super::limits::{Caps, T1, TIMEOUT};
use super::message::{self, Unreadable};
use super::reason::Reason;
use super::response::{Answer, contact};
use super::transaction::{Arrival, Owner, Purpose, TransactionId, Transactions};
use super::usage::{Leg, Notifier, Phase};
use super::{DialogId, EndCause, Event, via};
use crate::timer::Timers;

/// What an endpoint is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where peers reach us; it goes into Via and Contact.
    pub whereabouts: Whereabouts,
    /// What peers prove themselves for (RFC 3261 §22.1), without quotes and backslashes.
    pub realm: String,
    /// Value of User-Agent and Server.
    pub user_agent: String,
    /// Whether a peer's REFER is told as `Event::Referred`; where false it gets 603.
    pub accept_referrals: bool,
    /// Value of Retry-After on every 503 that we send, in whole seconds.
    pub retry_after: Duration,
}

/// Why a dialog wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Our 2xx is due once more (RFC 3261 §13.3.1.4).
    Resend,
    /// The ACK to our 2xx is overdue: 64*T1.
    AwaitAck,
    /// Our reliable ringing is due once more (RFC 3262 §3).
    ResendRinging,
    /// The PRACK to our reliable ringing is overdue: 64*T1.
    AwaitPrack,
    /// Our refresh of the session is due (RFC 4028 §10).
    Refresh,
    /// The session was not refreshed in time.
    Expiry,
    /// Our CANCEL brought no final response to the INVITE: 64*T1 (RFC 3261 §9.1).
    GiveUp,
    /// NOTIFYs are no longer waited for: 64*T1 after the end.
    Linger,
}

/// What a request counts as answered with that found no answer in time (RFC 3261 §8.1.3.1).
const TIMED_OUT: u16 = 408;

/// What a request counts as answered with that could not be delivered (RFC 3261 §8.1.3.1).
const UNREACHABLE: u16 = 503;

/// The timers that end with the INVITE's usage.
const OF_THE_SESSION: [Timer; 7] = [
    Timer::Resend,
    Timer::AwaitAck,
    Timer::ResendRinging,
    Timer::AwaitPrack,
    Timer::Refresh,
    Timer::Expiry,
    Timer::GiveUp,
];

/// A user agent, client and server.
///
/// An operation on a dialog that is over, or whose state it does not fit, does nothing: the event that
/// tells why is already waiting.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) config: Config,
    pub(super) caps: Caps,
    pub(super) rng: StdRng,
    pub(super) transactions: Transactions,
    pub(super) legs: HashMap<DialogId, Leg>,
    pub(super) by_tag: HashMap<String, DialogId>,
    pub(super) timers: Timers<(DialogId, Timer)>,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: Counters,
    pub(super) draining: bool,
    pub(super) door: Door,
    /// Whose login the request has proved that is being taken in; at no other time anybody's.
    pub(super) proven: Option<Arc<str>>,
    /// As many as the configuration has servers, and two for each of these.
    pub(super) errands: HashMap<ErrandId, Errand>,
    pub(super) last_errand: u64,
    pub(super) searches: Searches,
    last_dialog: u64,
    /// Keeps the To tags of answers without a transaction unguessable and yet the same for a retransmission.
    salt: u64,
}

impl Endpoint {
    /// An endpoint with nothing in flight.
    pub fn new(config: Config, mut rng: StdRng) -> Self {
        let salt = rng.random();
        Self {
            door: Door::new(config.realm.clone(), rng.random()),
            proven: None,
            config,
            caps: Caps::default(),
            rng,
            transactions: Transactions::new(),
            legs: HashMap::new(),
            by_tag: HashMap::new(),
            timers: Timers::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            draining: false,
            errands: HashMap::new(),
            last_errand: 0,
            searches: Searches::default(),
            last_dialog: 0,
            salt,
        }
    }

    /// Takes in one message: a datagram, or what a stream has framed.
    pub fn receive(&mut self, hop: Hop, payload: &[u8], now: Instant) {
        self.take_in(message::read(payload), hop, now);
    }

    /// Takes note that what was sent by `hop` to `domain` cannot be delivered, and that nothing more can (RFC 3261
    /// §8.1.3.1).
    pub fn unreachable(&mut self, hop: &Hop, domain: Option<&Domain>, now: Instant) {
        for failed in self.transactions.fail(hop, domain, now) {
            self.on_failed(failed, UNREACHABLE, now);
        }
    }

    /// Takes in what a message was read to be.
    pub(super) fn take_in(&mut self, read: Result<Message, Unreadable>, hop: Hop, now: Instant) {
        match read {
            Ok(Message::Request(request)) => self.on_request(request, hop, now),
            Ok(Message::Response(response)) if validate_response(&response).is_empty() => {
                if let Some(reply) = self.transactions.receive_response(response, &hop, now) {
                    self.on_reply(reply, now);
                }
            }
            Ok(Message::Response(_)) | Err(Unreadable::Noise) => {
                self.counters.count_rejection(Rejection::Malformed);
            }
            Err(Unreadable::KeepAlive) => {}
            Err(Unreadable::Request(mut request)) => match via::stamp(&mut request, &hop) {
                Some(reply_to) => {
                    let refusal = Refusal::new(400, Rejection::Malformed);
                    self.refuse_statelessly(&request, reply_to, refusal);
                }
                None => self.counters.count_rejection(Rejection::Malformed),
            },
        }
    }

    /// Runs every timer that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        for failed in self.transactions.handle_timeout(now) {
            self.on_failed(failed, TIMED_OUT, now);
        }
        while let Some((dialog, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Resend => self.resend(dialog, now),
                Timer::AwaitAck => self.hang_up(dialog, EndCause::NoAck, now),
                Timer::ResendRinging => self.resend_ringing(dialog, now),
                Timer::AwaitPrack => self.give_up_ringing(dialog, now),
                Timer::Refresh => self.refresh(dialog, now),
                Timer::Expiry => self.hang_up(dialog, EndCause::PeerGone, now),
                Timer::GiveUp => self.give_up(dialog, now),
                Timer::Linger => self.forget(dialog),
            }
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.transactions.poll_timeout(), self.timers.next()].into_iter().flatten().min()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transactions.poll_transmit()
    }

    /// The next event for the user.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How much may be held from now on. What is held already stays.
    pub fn set_caps(&mut self, caps: Caps) {
        self.caps = caps;
    }

    /// While draining, OPTIONS and new INVITEs get 503.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// How many dialogs are held, those included that only wait for late NOTIFYs.
    pub fn dialogs(&self) -> usize {
        self.legs.len()
    }

    /// Whether nothing is held, in flight, armed or waiting: nothing will happen unless somebody calls.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty()
            && self.by_tag.is_empty()
            && self.timers.is_empty()
            && self.events.is_empty()
            && self.searches.is_empty()
            && self.transactions.is_idle()
    }

    /// Where peers reach us.
    pub fn whereabouts(&self) -> &Whereabouts {
        &self.config.whereabouts
    }

    /// Totals for the metrics.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn on_request(&mut self, mut request: Request, hop: Hop, now: Instant) {
        let Some(reply_to) = via::stamp(&mut request, &hop) else {
            return self.counters.count_rejection(Rejection::Malformed);
        };
        if let Err(refusal) = check_form(&request) {
            return self.refuse_statelessly(&request, reply_to, refusal);
        }
        if self.is_full_for(&request) {
            let refusal = self.unavailable(Rejection::Overload);
            return self.refuse_statelessly(&request, reply_to, refusal);
        }
        match self.transactions.receive_request(request, reply_to, now) {
            Some(Arrival::New(transaction, request)) => {
                self.counters.count_request(&request.method);
                self.serve(transaction, &request, hop, now);
            }
            Some(Arrival::Ack(ack)) => self.on_ack(&ack, now),
            None => {}
        }
    }

    fn is_full_for(&self, request: &Request) -> bool {
        let held = self.transactions.len();
        if held < self.caps.transactions_for_strangers || request.method == Method::Ack {
            return false;
        }
        let ours = self.find(request).is_some() && held < self.caps.transactions;
        !ours && !self.transactions.knows(request)
    }

    /// The dialog that a request names by its To tag, and belongs to.
    pub(super) fn find(&self, request: &Request) -> Option<DialogId> {
        let tag = message::to_tag(&request.headers)?;
        let id = *self.by_tag.get(std::str::from_utf8(&tag).ok()?)?;
        self.legs.get(&id).filter(|leg| leg.dialog.matches(&request.headers)).map(|_| id)
    }

    /// Answers without a transaction (RFC 3261 §8.2.7), and never an ACK.
    pub(super) fn refuse_statelessly(&mut self, request: &Request, reply_to: Hop, refusal: Refusal) {
        self.counters.count_rejection(refusal.reason);
        if request.method == Method::Ack {
            return;
        }
        let mut hasher = DefaultHasher::new();
        (self.salt, request.headers.value(&HeaderName::Via), message::call_id(&request.headers))
            .hash(&mut hasher);
        let tag = format!("{:016x}", hasher.finish());
        let status = refusal.answer.status();
        // What a request holds that cannot be written again, an escaped NUL, cannot be answered.
        if let Ok(response) = refusal.answer.into_response(request, Some(&tag), &self.config.user_agent) {
            self.counters.count_response(&request.method, status);
            let payload = Message::Response(response).to_bytes().to_vec();
            self.transactions.transmit(Transmit::new(reply_to, payload));
        }
    }

    /// 503 with Retry-After.
    pub(super) fn unavailable(&self, reason: Rejection) -> Refusal {
        self.with_retry_after(Answer::new(503)).refuse(reason)
    }

    pub(super) fn with_retry_after(&self, answer: Answer) -> Answer {
        answer.with(HeaderName::RetryAfter, self.config.retry_after.as_secs().max(1).to_string())
    }

    /// Answers the request of a transaction; shows what is sent, and where to.
    pub(super) fn respond(
        &mut self,
        id: TransactionId,
        answer: Answer,
        tag: &str,
        now: Instant,
    ) -> Option<&Transmit> {
        let request = self.transactions.request(id)?;
        self.counters.count_response(&request.method, answer.status());
        let response = answer.into_response(request, Some(tag), &self.config.user_agent).ok()?;
        self.transactions.respond(id, response, now)
    }

    /// What our next message by `hop` says of us, with a branch of its own.
    pub(super) fn ourselves(&mut self, hop: &Hop) -> Ourselves {
        let (transport, branch) = (hop.transport.via_name(), self.token());
        let whereabouts = &self.config.whereabouts;
        let sent_by = whereabouts.seen_by(hop);
        Ourselves {
            // RFC 3581 §3: rport, so that a NAT's answer finds its way back.
            via: format!("SIP/2.0/{transport} {sent_by};branch=z9hG4bK{branch};rport"),
            contact: contact(whereabouts, hop),
            user_agent: self.config.user_agent.clone(),
        }
    }

    /// 64 random bits, for a tag or a branch (RFC 3261 §19.3 asks for 32 at least).
    pub(super) fn token(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }

    /// Takes a dialog in.
    pub(super) fn hold(&mut self, leg: Leg) -> DialogId {
        self.last_dialog += 1;
        let id = DialogId(self.last_dialog);
        self.by_tag.insert(leg.tag.clone(), id);
        self.legs.insert(id, leg);
        id
    }

    /// The identifier that the next dialog will get.
    pub(super) fn next_dialog(&self) -> DialogId {
        DialogId(self.last_dialog + 1)
    }

    /// Tells the end of a dialog, once, and lets go of all but what late NOTIFYs need.
    pub(super) fn end(&mut self, id: DialogId, cause: EndCause, now: Instant) {
        for timer in OF_THE_SESSION {
            self.timers.clear((id, timer));
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if matches!(leg.phase, Phase::Lingering) {
            return;
        }
        self.events.push_back(Event::Ended(id, cause));
        leg.phase = Phase::Lingering;
        let (lingers, tag) = (leg.outlives_its_session(), leg.tag.clone());
        if let Some(reinvite) = leg.own_reinvite.take() {
            self.transactions.abandon(reinvite, now);
        }
        if let Some(Notifier::Asked { transaction, .. }) = leg.notifier {
            leg.notifier = None;
            self.respond(transaction, Answer::new(487), &tag, now);
        }
        if lingers {
            self.timers.set((id, Timer::Linger), now + TIMEOUT);
        } else {
            self.forget(id);
        }
    }

    /// Sends BYE without waiting for what comes of it, and tells the end.
    pub(super) fn hang_up(&mut self, id: DialogId, cause: EndCause, now: Instant) {
        self.refuse_pending(id, 487, now);
        self.send_bye(id, None, Reason::TIMED_OUT, now);
        self.end(id, cause, now);
    }

    /// Gives the INVITE or re-INVITE that waits for an answer this one.
    pub(super) fn refuse_pending(&mut self, id: DialogId, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(pending) = leg.pending() else { return };
        if let Some(session) = leg.session() {
            session.reinvite = None;
        }
        let (tag, mut answer) = (leg.tag.clone(), Answer::new(status));
        if status == 503 {
            answer = self.with_retry_after(answer);
        }
        self.respond(pending.transaction, answer, &tag, now);
    }

    fn resend(&mut self, id: DialogId, now: Instant) {
        let Some(sent) =
            self.legs.get_mut(&id).and_then(Leg::session).and_then(|session| session.unacknowledged.as_mut())
        else {
            return;
        };
        let again = sent.sent.clone();
        let next = now + sent.back_off();
        self.transactions.transmit(again);
        self.timers.set((id, Timer::Resend), next);
    }

    fn give_up(&mut self, id: DialogId, now: Instant) {
        if let Some(Phase::Outgoing(outgoing)) = self.legs.get(&id).map(|leg| &leg.phase) {
            self.transactions.abandon(outgoing.transaction, now);
            self.end(id, EndCause::Refused(487), now);
        }
    }

    fn forget(&mut self, id: DialogId) {
        self.timers.clear((id, Timer::Linger));
        if let Some(leg) = self.legs.remove(&id) {
            self.by_tag.remove(&leg.tag);
            if let Some(search) = leg.search {
                self.searches.forget(search);
            }
        }
    }

    /// Starts the clock of a 2xx that was sent just now.
    pub(super) fn await_ack(&mut self, id: DialogId, now: Instant) {
        self.timers.set((id, Timer::Resend), now + T1);
        self.timers.set((id, Timer::AwaitAck), now + TIMEOUT);
    }

    /// Makes a server transaction the dialog's, so that a CANCEL finds it.
    pub(super) fn own(&mut self, transaction: TransactionId, id: DialogId) {
        self.transactions.set_owner(transaction, Owner::Dialog(id, Purpose::Invited));
    }
}
