//! The user agent client: our INVITE, ACK, CANCEL and BYE, and what comes back (RFC 3261 §8.1, §9.1, §13.2, §15.1.1).
//!
//! Challenges are answered in `authorization`; what is left of them here is refusals like any other.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use rand::Rng;
use sipx_sip::build::RequestBuilder;
use sipx_sip::error::BuildError;
use sipx_sip::session;
use sipx_sip::update::peer_allows;
use sipx_sip::{Header, HeaderName, Message, Method, Params, Request, Response, Uri};

use super::dialog::{Dialog, Ourselves, request_uri};
use super::endpoint::{Endpoint, Timer};
use super::finding::Ways;
use super::hop::{Hop, Transmit};
use super::limits::TIMEOUT;
use super::reason::Reason;
use super::response::allow;
use super::session_timer::adopt;
use super::transaction::{Owner, Purpose, TransactionId};
use super::usage::{Established, Leg, Outgoing, Phase};
use super::{DialogId, EndCause, Event, message};

/// What a URI's user part must escape (RFC 3261 §25.1, `user`).
const USER: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A call to place.
#[derive(Debug, Clone)]
pub struct Call {
    /// Request-URI and To; its header components become header fields (RFC 3261 §19.1.5).
    pub to_uri: String,
    /// User part of From; `anonymous` becomes `sip:anonymous@anonymous.invalid` (RFC 3323 §4.1.1.3).
    pub from_user: String,
    /// Display name of From, unquoted.
    pub from_display: Option<String>,
    /// The way that the INVITE goes.
    pub hop: Hop,
    /// The ways that it goes, one after the other, where nobody takes it by the first (RFC 3263 §4.3).
    pub spares: Vec<Hop>,
    /// The offer.
    pub sdp: String,
    /// Further header fields of the INVITE.
    pub headers: Vec<(String, String)>,
}

impl Endpoint {
    /// Places a call. `None` at the cap of dialogs, or where a value cannot stand in a message.
    pub fn invite(&mut self, call: &Call, now: Instant) -> Option<DialogId> {
        if self.legs.len() >= self.caps.dialogs {
            return None;
        }
        let target = Uri::parse(call.to_uri.clone().into()).ok()?;
        let (tag, call_id, cseq) =
            (self.token(), self.token() + &self.token(), u32::from(self.rng.random::<u16>()));
        let dialog = Dialog::to_call(
            call_id,
            from(call, &tag, self.config.whereabouts.seen_by(&call.hop).ip()),
            request_uri(&target),
            call.hop,
            cseq,
        );
        let ourselves = self.ourselves(&call.hop);
        let headers = [carried_headers(&target), call.headers.clone()].concat();
        let request = with_headers(dialog.request(&Method::Invite, cseq, &ourselves).ok()?, &headers)
            .and_then(|builder| builder.header(HeaderName::Allow, allow(self.config.accept_referrals)))
            .and_then(|builder| builder.header(HeaderName::Supported, session::OPTION_TAG))
            .and_then(|builder| builder.header(HeaderName::ContentType, "application/sdp"))
            .ok()?
            .body(call.sdp.clone())
            .build();
        let owner = Owner::Dialog(self.next_dialog(), Purpose::Invite);
        let ways = Ways { first: call.hop, spares: call.spares.clone().into(), domain: dialog.domain() };
        let transaction = self.send(request, ways, Some(owner), now)?;
        let phase =
            Phase::Outgoing(Outgoing { transaction, provisional: false, ringing: false, cancelled: false });
        Some(self.hold(Leg { description: call.sdp.clone(), ..Leg::new(dialog, tag, phase) }))
    }

    /// Gives up a call that has not been answered: CANCEL, and then `Ended(Refused(487))`. Where the answer
    /// crosses it, the call is taken and ended with BYE, and `Ended(LocalBye)` is told.
    pub fn cancel(&mut self, dialog: DialogId, now: Instant) {
        let Some(Phase::Outgoing(outgoing)) = self.legs.get_mut(&dialog).map(|leg| &mut leg.phase) else {
            return;
        };
        let (first, provisional) = (!std::mem::replace(&mut outgoing.cancelled, true), outgoing.provisional);
        self.transactions.set_spares(outgoing.transaction, VecDeque::new(), now);
        if first && provisional {
            self.send_cancel(dialog, now);
        }
    }

    /// Ends a dialog; `Ended(LocalBye)` follows once the peer has answered or has not. Before our answer it
    /// refuses the INVITE with 480, before the peer's it cancels. Before the ACK to our 2xx it waits for that.
    pub fn bye(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match &mut leg.phase {
            Phase::Incoming(_) => self.reject(dialog, 480, now),
            Phase::Outgoing(_) => self.cancel(dialog, now),
            Phase::Established(session) if session.unacknowledged.is_some() => session.leaving = true,
            Phase::Established(_) => self.leave(dialog, now),
            Phase::Closing | Phase::Lingering => {}
        }
    }

    /// Sends BYE and waits for what comes of it.
    pub(super) fn leave(&mut self, id: DialogId, now: Instant) {
        self.refuse_pending(id, 487, now);
        self.send_bye(id, Some(Owner::Dialog(id, Purpose::Bye)), Reason::NORMAL, now);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.phase = Phase::Closing;
        }
    }

    pub(super) fn send_bye(&mut self, id: DialogId, owner: Option<Owner>, reason: Reason, now: Instant) {
        let complete = |builder: RequestBuilder| builder.header(HeaderName::Reason, reason.value());
        // Every value in it came out of a message or is ours, so nothing can keep it from being built.
        self.send_inside(id, &Method::Bye, owner, complete, now).ok();
    }

    /// Sends a request inside a dialog; gives its transaction.
    pub(super) fn send_inside(
        &mut self,
        id: DialogId,
        method: &Method,
        owner: Option<Owner>,
        complete: impl FnOnce(RequestBuilder) -> Result<RequestBuilder, BuildError>,
        now: Instant,
    ) -> Result<Option<TransactionId>, BuildError> {
        self.find_next_hop(id, now);
        let Some(hop) = self.next_hop(id) else { return Ok(None) };
        let ourselves = self.ourselves(&hop);
        let Some(leg) = self.legs.get_mut(&id) else { return Ok(None) };
        let mut request = complete(leg.dialog.next_request(method, &ourselves)?)?.build();
        self.sign(id, &mut request);
        let Some(leg) = self.legs.get_mut(&id) else { return Ok(None) };
        let spares = leg.dialog.spares(&self.config.whereabouts);
        let ways = Ways { first: hop, spares, domain: leg.dialog.domain() };
        Ok(self.send(request, ways, owner, now))
    }

    /// The way of a dialog's next request.
    pub(super) fn next_hop(&self, id: DialogId) -> Option<Hop> {
        self.legs.get(&id).map(|leg| leg.dialog.next_hop(&self.config.whereabouts))
    }

    /// A response to a request of ours, or its ACK sent and its 2xx come again.
    pub(super) fn on_response(&mut self, owner: Owner, response: &Response, now: Instant) {
        match owner {
            Owner::Dialog(id, purpose) => self.on_dialog_response(id, purpose, response, now),
            Owner::Errand(id) => self.on_errand_response(id, response),
        }
    }

    fn on_dialog_response(&mut self, id: DialogId, purpose: Purpose, response: &Response, now: Instant) {
        let status = response.status.code();
        match purpose {
            Purpose::Invite => self.on_invite_response(id, response, now),
            Purpose::Forsaken(_) | Purpose::Unwanted => self.on_late_response(id, purpose, response, now),
            _ if status < 200 => {}
            Purpose::Bye => self.end(id, EndCause::LocalBye, now),
            Purpose::Refer(cseq) => self.on_refer_response(id, cseq, status, now),
            Purpose::Notify => self.on_notify_response(id, status),
            Purpose::Refresh => self.on_refresh_response(id, response, now),
            Purpose::Invited => {}
        }
    }

    /// A request of ours found nobody, and counts as answered with this status (RFC 3261 §8.1.3.1).
    pub(super) fn on_failure(&mut self, owner: Owner, status: u16, now: Instant) {
        let (id, purpose) = match owner {
            Owner::Dialog(id, purpose) => (id, purpose),
            Owner::Errand(id) => return self.on_errand_failure(id, status),
        };
        match purpose {
            Purpose::Invite => self.end(id, EndCause::Refused(status), now),
            Purpose::Bye => self.end(id, EndCause::LocalBye, now),
            Purpose::Refer(cseq) => self.on_refer_response(id, cseq, status, now),
            Purpose::Notify => self.on_notify_response(id, status),
            Purpose::Refresh => self.on_refresh_failure(id, status, now),
            Purpose::Invited | Purpose::Forsaken(_) | Purpose::Unwanted => {}
        }
    }

    fn on_invite_response(&mut self, id: DialogId, response: &Response, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let status = response.status.code();
        match (&mut leg.phase, status) {
            (Phase::Outgoing(outgoing), ..200) => {
                let first = !std::mem::replace(&mut outgoing.provisional, true);
                let cancel = first && outgoing.cancelled;
                let rings = (180..=183).contains(&status) && !std::mem::replace(&mut outgoing.ringing, true);
                if rings {
                    self.events.push_back(Event::Ringing(id));
                }
                if cancel {
                    self.send_cancel(id, now);
                }
            }
            (Phase::Outgoing(outgoing), 200..300) => {
                let cancelled = outgoing.cancelled;
                self.on_answer(id, cancelled, response, now);
            }
            (Phase::Outgoing(_), _) => self.end(id, EndCause::Refused(status), now),
            (_, 200..300) => self.on_answer_again(id, response, now),
            _ => {}
        }
    }

    fn on_answer(&mut self, id: DialogId, cancelled: bool, response: &Response, now: Instant) {
        self.timers.clear((id, Timer::GiveUp));
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.dialog.confirm(response);
        let peer_updates = peer_allows(&response.headers);
        leg.phase = Phase::Established(Established { peer_updates, ..Established::default() });
        self.find_next_hop(id, now);
        self.acknowledge(id, response);
        if cancelled {
            self.leave(id, now);
        } else {
            self.time_session(id, adopt(response, None), now);
            let answer = message::body(response.body()).unwrap_or_default();
            self.events.push_back(Event::Answered(id, answer));
        }
    }

    /// Sends the ACK to a 2xx, and keeps it for when that 2xx comes again.
    pub(super) fn acknowledge(&mut self, id: DialogId, response: &Response) {
        let Some(hop) = self.next_hop(id) else { return };
        let ourselves = self.ourselves(&hop);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.ack = ack(&leg.dialog, response, hop, &ourselves, &leg.signed);
        if let Some(ack) = leg.ack.clone() {
            self.transactions.transmit(ack);
        }
    }

    /// The 2xx once more: its ACK was lost. Or another branch of a fork answered too, which is one too many:
    /// it gets its ACK and a BYE (RFC 3261 §13.2.2.4).
    pub(super) fn on_answer_again(&mut self, id: DialogId, response: &Response, now: Instant) {
        let Some(leg) = self.legs.get(&id) else { return };
        if leg.dialog.answered_by(response) {
            if let Some(ack) = leg.ack.clone() {
                self.transactions.transmit(ack);
            }
            return;
        }
        let (mut other, signed) = (leg.dialog.clone(), leg.signed.clone());
        other.confirm(response);
        let hop = other.next_hop(&self.config.whereabouts);
        let (of_ack, of_bye) = (self.ourselves(&hop), self.ourselves(&hop));
        if let Some(ack) = ack(&other, response, hop, &of_ack, &signed) {
            self.transactions.transmit(ack);
        }
        if let Ok(bye) = other.next_request(&Method::Bye, &of_bye) {
            self.transactions.send(bye.build(), hop, other.domain(), None, now);
        }
    }

    fn send_cancel(&mut self, id: DialogId, now: Instant) {
        let Some(Phase::Outgoing(outgoing)) = self.legs.get(&id).map(|leg| &leg.phase) else { return };
        if self.cancel_transaction(outgoing.transaction, now).is_some() {
            self.timers.set((id, Timer::GiveUp), now + TIMEOUT);
        }
    }

    /// Sends the CANCEL of an INVITE that is under way.
    pub(super) fn cancel_transaction(
        &mut self,
        transaction: TransactionId,
        now: Instant,
    ) -> Option<TransactionId> {
        let cancel = cancel_of(self.transactions.sent_request(transaction)?)?;
        let (hop, domain) = (self.transactions.hop(transaction)?, self.transactions.domain(transaction));
        self.transactions.send(cancel, hop, domain, None, now)
    }
}

/// The CANCEL of an INVITE: its Request-URI, topmost Via, Route, From, To, Call-ID and number (RFC 3261 §9.1).
fn cancel_of(invite: &Request) -> Option<Request> {
    let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
    let copied = [
        HeaderName::Via,
        HeaderName::MaxForwards,
        HeaderName::Route,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ];
    for header in invite.headers.iter().filter(|header| copied.contains(header.name())) {
        cancel.headers.push(header.clone());
    }
    let cseq = format!("{} CANCEL", message::cseq(&invite.headers)?);
    cancel.headers.push(Header::build(HeaderName::CSeq, cseq).ok()?);
    cancel.headers.push(Header::build(HeaderName::Reason, Reason::NORMAL.value()).ok()?);
    cancel.headers.push(Header::build(HeaderName::ContentLength, "0").ok()?);
    Some(cancel)
}

/// The ACK to a 2xx (RFC 3261 §13.2.2.4): a request of the dialog with the INVITE's number and its credentials, in
/// no transaction.
fn ack(
    dialog: &Dialog,
    response: &Response,
    hop: Hop,
    ourselves: &Ourselves,
    signed: &[Header],
) -> Option<Transmit> {
    let cseq = message::cseq(&response.headers)?;
    let mut request = dialog.request(&Method::Ack, cseq, ourselves).ok()?.build();
    for header in signed {
        request.headers.push(header.clone());
    }
    Some(Transmit::to(hop, dialog.domain().as_ref(), Message::Request(request).to_bytes().to_vec()))
}

/// The header fields that a URI asks for (RFC 3261 §19.1.5): extensions only, since no URI may choose who calls
/// or where the call goes.
fn carried_headers(uri: &Uri) -> Vec<(String, String)> {
    let components = uri.headers().into_iter().flat_map(Params::iter);
    components
        .filter_map(|component| {
            let name = String::from_utf8_lossy(component.name()).into_owned();
            let value = percent_decode(component.value()?).decode_utf8_lossy().into_owned();
            matches!(message::extension(&name), HeaderName::Other(_)).then_some((name, value))
        })
        .collect()
}

/// Adds header fields of the user's.
pub(super) fn with_headers(
    builder: RequestBuilder,
    headers: &[(String, String)],
) -> Result<RequestBuilder, BuildError> {
    headers
        .iter()
        .try_fold(builder, |builder, (name, value)| builder.header(message::extension(name), value.clone()))
}

/// A user part as it stands in a URI.
pub(super) fn escaped_user(user: &str) -> String {
    utf8_percent_encode(user, USER).to_string()
}

fn from(call: &Call, tag: &str, local: IpAddr) -> String {
    let display = call.from_display.as_ref().map(|name| {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\" ")
    });
    let display = display.unwrap_or_default();
    if call.from_user.eq_ignore_ascii_case("anonymous") {
        return format!("{display}<sip:anonymous@anonymous.invalid>;tag={tag}");
    }
    let user = escaped_user(&call.from_user);
    match local {
        IpAddr::V4(ip) => format!("{display}<sip:{user}@{ip}>;tag={tag}"),
        IpAddr::V6(ip) => format!("{display}<sip:{user}@[{ip}]>;tag={tag}"),
    }
}
