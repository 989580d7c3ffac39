//! The user agent server: what each request means (RFC 3261 §8.2, §9.2, §11.2, §12.2.2, §13.3, §14.2, §15.1.2).
//!
//! A method here returns the answer to its request, or `None` where the endpoint's user is to give it. Where that
//! takes 200 ms or more, the transaction says 100 meanwhile (§17.2.1).

use std::time::Instant;

use rand::Rng;
use sipx_sip::update::peer_allows;
use sipx_sip::{HeaderName, Method, Request};

use super::admission::{Refusal, SUPPORTED, check_sdp, check_service};
use super::counters::Rejection;
use super::dialog::Dialog;
use super::dtmf_info::{self, Info};
use super::endpoint::{Endpoint, Timer};
use super::hop::Hop;
use super::reason::Reason;
use super::response::Answer;
use super::session_timer::{agree, check_interval};
use super::transaction::{Owner, Purpose, TransactionId};
use super::usage::{Established, Leg, Pending, Phase, Refreshing, Unacknowledged, Usage};
use super::{DialogId, EndCause, Event, invitation, message};

/// What serving a request gives: its answer now, one later, or a refusal.
pub(super) type Served = Result<Option<Answer>, Refusal>;

/// The most that RFC 3261 §14.2 lets us ask of a peer whose INVITE came too early, in seconds.
const RETRY_AFTER_GLARE_MAX_S: u32 = 10;

impl Endpoint {
    /// 200 with `sdp` to an INVITE, a re-INVITE or an UPDATE with an offer.
    pub fn accept(&mut self, dialog: DialogId, sdp: &str, now: Instant) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let Some(pending) = leg.pending() else { return };
        let Some(request) = self.transactions.request(pending.transaction) else { return };
        let Some(hop) = self.transactions.hop(pending.transaction) else { return };
        let (tag, updates) = (leg.tag.clone(), peer_allows(&request.headers));
        let answer =
            self.capable(Answer::new(200)).with_contact(&self.config.whereabouts, &hop).with_sdp(sdp);
        let (answer, timer) = agree(answer, &request.headers);
        let Some(sent) = self.respond(pending.transaction, answer, &tag, now).cloned() else { return };
        self.stop_ringing(dialog);
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        sdp.clone_into(&mut leg.description);
        if let Phase::Incoming(_) = leg.phase {
            leg.phase = Phase::Established(Established::default());
        }
        let Some(session) = leg.session() else { return };
        session.reinvite = None;
        session.peer_updates |= updates;
        if pending.usage == Usage::Invite {
            session.unacknowledged = Some(Unacknowledged::new(pending, sent));
            self.await_ack(dialog, now);
        }
        self.time_session(dialog, timer, now);
    }

    /// A final refusal (300-699) to an INVITE (then `Ended(LocalReject)`) or re-INVITE (the call stays as it
    /// was). 503 carries `Config::retry_after`.
    pub fn reject(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let status = if (300..700).contains(&status) { status } else { 500 };
        self.refuse_pending(dialog, status, now);
        if matches!(self.legs.get(&dialog).map(|leg| &leg.phase), Some(Phase::Incoming(_))) {
            self.end(dialog, EndCause::LocalReject, now);
        }
    }

    /// Serves a request that is new, and answers it unless the answer is for later.
    pub(super) fn serve(&mut self, transaction: TransactionId, request: &Request, hop: Hop, now: Instant) {
        let answer = match self.dispatch(transaction, request, hop, now) {
            Ok(Some(answer)) => answer,
            Ok(None) => return,
            Err(refusal) => {
                self.counters.count_rejection(refusal.reason);
                refusal.answer
            }
        };
        let tag = self.token();
        self.respond(transaction, answer, &tag, now);
    }

    fn dispatch(&mut self, transaction: TransactionId, request: &Request, hop: Hop, now: Instant) -> Served {
        check_service(request, self.config.accept_referrals)?;
        self.check_replaces(request)?;
        if request.method == Method::Cancel {
            return self.on_cancel(transaction, request, now);
        }
        if message::to_tag(&request.headers).is_none() {
            return self.outside(transaction, request, hop, now);
        }
        let dialog = self.find(request).ok_or_else(unknown_dialog)?;
        self.inside(dialog, transaction, request, hop, now)
    }

    /// A request outside any dialog.
    fn outside(&mut self, transaction: TransactionId, request: &Request, hop: Hop, now: Instant) -> Served {
        if self.transactions.is_merged(transaction, request) {
            return Err(Refusal::new(482, Rejection::Merged));
        }
        match request.method {
            Method::Invite | Method::Options if self.draining => Err(self.unavailable(Rejection::Draining)),
            Method::Invite => self.on_invite(transaction, request, hop, now),
            Method::Options => Ok(Some(self.capable(Answer::new(200)))),
            Method::Refer => Err(Refusal::new(603, Rejection::Referral)),
            _ => Err(unknown_dialog()),
        }
    }

    /// A request inside a dialog.
    fn inside(
        &mut self,
        dialog: DialogId,
        transaction: TransactionId,
        request: &Request,
        hop: Hop,
        now: Instant,
    ) -> Served {
        let leg = self.legs.get_mut(&dialog).ok_or_else(unknown_dialog)?;
        if !message::cseq(&request.headers).is_some_and(|cseq| leg.dialog.advance(cseq)) {
            return Err(Refusal::new(500, Rejection::OutOfOrder));
        }
        leg.dialog.heard_by(hop);
        match (&leg.phase, &request.method) {
            (_, Method::Notify) => self.on_notify(dialog, request),
            // Where two BYEs cross, each gets its 200.
            (Phase::Closing, Method::Bye) => Ok(Some(Answer::new(200))),
            (Phase::Outgoing(_) | Phase::Closing | Phase::Lingering, _) => Err(unknown_dialog()),
            (_, Method::Bye) => {
                self.refuse_pending(dialog, 487, now);
                self.explain(dialog, request);
                self.end(dialog, EndCause::RemoteBye, now);
                Ok(Some(Answer::new(200)))
            }
            (_, Method::Invite) => self.on_reinvite(dialog, transaction, request, now),
            (_, Method::Update) => self.on_update(dialog, transaction, request, now),
            (_, Method::Prack) => self.on_prack(dialog, request),
            (_, Method::Refer) => self.on_refer(dialog, transaction, request),
            (_, Method::Info) => self.on_info(dialog, request),
            _ => Ok(Some(self.capable(Answer::new(200)))),
        }
    }

    fn on_invite(&mut self, transaction: TransactionId, request: &Request, hop: Hop, now: Instant) -> Served {
        check_sdp(request)?;
        check_interval(request)?;
        if self.legs.len() >= self.caps.dialogs {
            return Err(self.unavailable(Rejection::Overload));
        }
        let (tag, cseq) = (self.token(), u32::from(self.rng.random::<u16>()));
        let dialog = Dialog::of_invite(request, &tag, cseq, hop)
            .map_err(|fault| Answer::new(400).because(fault.to_string()).refuse(Rejection::Malformed))?;
        let invitation = invitation::read(request, hop, self.proven.clone());
        let phase = Phase::Incoming(pending(transaction, request));
        let id = self.hold(Leg::new(dialog, tag, phase));
        self.own(transaction, id);
        self.find_next_hop(id, now);
        self.events.push_back(Event::Invited(id, Box::new(invitation)));
        Ok(None)
    }

    fn on_reinvite(
        &mut self,
        id: DialogId,
        transaction: TransactionId,
        request: &Request,
        now: Instant,
    ) -> Served {
        check_sdp(request)?;
        check_interval(request)?;
        if self.legs.get(&id).is_some_and(|leg| leg.pending().is_some()) {
            return Err(self.too_early());
        }
        let session = self.legs.get_mut(&id).and_then(Leg::session).ok_or_else(unknown_dialog)?;
        match &session.unacknowledged {
            // RFC 3261 §14.2: ours is under way.
            _ if session.refreshing == Some(Refreshing::ByReinvite) => {
                return Err(Refusal::new(491, Rejection::Glare));
            }
            // RFC 3264 §4: no new offer while our own waits for its answer, which only the ACK brings.
            Some(sent) if !sent.invite.offered => return Err(Refusal::new(491, Rejection::Glare)),
            // RFC 5407 §3.1.4: the peer has our 2xx, or it could not go on; its ACK is late or lost.
            Some(_) => self.acknowledged(id, None, now),
            None => {}
        }
        let leg = self.legs.get_mut(&id).ok_or_else(unknown_dialog)?;
        leg.dialog.refresh_target(&request.headers);
        leg.session().ok_or_else(unknown_dialog)?.reinvite = Some(pending(transaction, request));
        self.own(transaction, id);
        self.find_next_hop(id, now);
        self.events.push_back(Event::Reinvited(id, message::body(request.body())));
        Ok(None)
    }

    /// The ACK to a 2xx; one that fits nothing is ignored.
    pub(super) fn on_ack(&mut self, ack: &Request, now: Instant) {
        let Some(id) = self.find(ack) else { return };
        let Some(session) = self.legs.get_mut(&id).and_then(Leg::session) else { return };
        let Some(sent) = &session.unacknowledged else { return };
        if message::cseq(&ack.headers) == Some(sent.invite.cseq) {
            let answer = message::body(ack.body()).filter(|_| !sent.invite.offered);
            self.acknowledged(id, answer, now);
        }
    }

    fn acknowledged(&mut self, id: DialogId, answer: Option<String>, now: Instant) {
        self.timers.clear((id, Timer::Resend));
        self.timers.clear((id, Timer::AwaitAck));
        let Some(session) = self.legs.get_mut(&id).and_then(Leg::session) else { return };
        session.unacknowledged = None;
        if session.leaving {
            self.leave(id, now);
        } else {
            self.events.push_back(Event::Confirmed(id, answer));
        }
    }

    fn on_cancel(&mut self, transaction: TransactionId, cancel: &Request, now: Instant) -> Served {
        let (invite, owner) = self.transactions.cancelled(cancel).ok_or_else(unknown_dialog)?;
        let Some(Owner::Dialog(id, Purpose::Invited)) = owner else { return Ok(Some(Answer::new(200))) };
        let Some(leg) = self.legs.get(&id) else { return Ok(Some(Answer::new(200))) };
        let (tag, incoming) = (leg.tag.clone(), matches!(leg.phase, Phase::Incoming(_)));
        let waits = leg.pending().is_some_and(|pending| pending.transaction == invite);
        // RFC 3261 §9.2: the same To tag as the INVITE's own answers.
        self.respond(transaction, Answer::new(200), &tag, now);
        if waits {
            self.refuse_pending(id, 487, now);
        }
        if waits && incoming {
            self.explain(id, cancel);
            self.end(id, EndCause::RemoteCancel, now);
        }
        Ok(None)
    }

    /// Tells why the peer ends a dialog, where that is out of the ordinary.
    fn explain(&mut self, id: DialogId, request: &Request) {
        let reason = Reason::read(&request.headers).filter(|reason| reason.is_remarkable());
        self.events.extend(reason.map(|reason| Event::Explained(id, reason)));
    }

    fn on_info(&mut self, id: DialogId, request: &Request) -> Served {
        let headers = &request.headers;
        if !matches!(self.legs.get(&id).map(|leg| &leg.phase), Some(Phase::Established(_))) {
            return Err(unknown_dialog());
        }
        if headers.get(&message::extension("Info-Package")).is_some() {
            // RFC 6086 §4.2.2: no package is ours.
            let answer = Answer::new(469).with(message::extension("Recv-Info"), "nil");
            return Err(answer.refuse(Rejection::Content));
        }
        let media_type = message::essence(headers, &HeaderName::ContentType);
        match dtmf_info::read(media_type.as_deref(), request.body()) {
            Info::Key(digit) => self.events.push_back(Event::Digit(id, digit)),
            Info::Nothing => {}
            Info::Malformed => {
                return Err(Answer::new(400).because("Malformed Body").refuse(Rejection::Malformed));
            }
            Info::OtherKind => {
                let answer = Answer::new(415).with(HeaderName::Accept, dtmf_info::ACCEPTED);
                return Err(answer.refuse(Rejection::Content));
            }
        }
        Ok(Some(Answer::new(200)))
    }

    /// 500 with a Retry-After to an offer whose forerunner has no answer yet (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(super) fn too_early(&mut self) -> Refusal {
        let seconds = self.rng.random_range(0..=RETRY_AFTER_GLARE_MAX_S).to_string();
        Answer::new(500).with(HeaderName::RetryAfter, seconds).refuse(Rejection::Glare)
    }

    /// Adds what we can (RFC 3261 §11.2, §13.3.1.4).
    pub(super) fn capable(&self, answer: Answer) -> Answer {
        answer
            .with_allow(self.config.accept_referrals)
            .with(HeaderName::Accept, format!("application/sdp, {}", dtmf_info::ACCEPTED))
            .with(HeaderName::Supported, SUPPORTED.join(", "))
    }
}

/// 481.
pub(super) fn unknown_dialog() -> Refusal {
    Refusal::new(481, Rejection::UnknownDialog)
}

fn pending(transaction: TransactionId, request: &Request) -> Pending {
    Pending {
        transaction,
        cseq: message::cseq(&request.headers).unwrap_or_default(),
        offered: message::body(request.body()).is_some(),
        usage: Usage::Invite,
    }
}
