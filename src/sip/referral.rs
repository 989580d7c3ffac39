//! REFER, both ways (RFC 3515): ours, followed through its NOTIFYs, and the peer's, where we take any.
//!
//! There are no time-outs here beyond the transactions': how long a silent peer is waited for is the user's to say.

use std::time::Instant;

use sipx_sip::headers::Address;
use sipx_sip::{HeaderName, Method, Request};

use super::admission::Refusal;
use super::counters::Rejection;
use super::endpoint::Endpoint;
use super::response::{Answer, contact, sipfrag};
use super::transaction::{Owner, Purpose, TransactionId};
use super::uac::with_headers;
use super::uas::{Served, unknown_dialog};
use super::usage::{Notifier, Phase, Subscription, SubscriptionState};
use super::{DialogId, EndCause, Event, Referral, ReferralEvent, message};

/// The body of a NOTIFY about a REFER (RFC 3515 §2.4.5).
const SIPFRAG: &str = "message/sipfrag";

/// How long we promise the peer to report on its REFER, in seconds.
const NOTIFIER_EXPIRES_S: u32 = 60;

impl Endpoint {
    /// Sends a REFER; `Event::Referral`s follow. Nothing is sent while an earlier one has no response yet. A
    /// value that cannot stand in a message is told as `Refused(400)`.
    pub fn refer(&mut self, dialog: DialogId, referral: &Referral, now: Instant) {
        let Some(hop) = self.next_hop(dialog) else { return };
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if !matches!(&leg.phase, Phase::Established(session) if !session.leaving) {
            return;
        }
        if leg.subscription.is_some_and(|subscription| subscription.state == SubscriptionState::Asked) {
            return;
        }
        let cseq = leg.dialog.local_cseq() + 1;
        let earlier = leg.subscription.replace(Subscription { cseq, state: SubscriptionState::Asked });
        let referred_by = contact(&self.config.whereabouts, &hop);
        let complete = |builder| {
            let builder = with_headers(builder, &referral.headers)?;
            builder
                .header(HeaderName::ReferTo, format!("<{}>", referral.refer_to))?
                .header(HeaderName::ReferredBy, referred_by)
        };
        let owner = Some(Owner::Dialog(dialog, Purpose::Refer(cseq)));
        if self.send_inside(dialog, &Method::Refer, owner, complete, now).is_err() {
            if let Some(leg) = self.legs.get_mut(&dialog) {
                leg.subscription = earlier;
            }
            self.tell(dialog, ReferralEvent::Refused(400));
        }
    }

    /// Final response to the peer's REFER (`Event::Referred`): 202, or a refusal.
    pub fn answer_refer(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(Notifier::Asked { transaction, cseq }) = leg.notifier else { return };
        let tag = leg.tag.clone();
        leg.notifier = (200..300).contains(&status).then_some(Notifier::Active { cseq });
        let Some(hop) = self.transactions.hop(transaction) else { return };
        let answer = Answer::new(status).with_contact(&self.config.whereabouts, &hop);
        self.respond(transaction, answer, &tag, now);
    }

    /// A NOTIFY to the peer whose REFER we accepted; `last` ends its subscription. RFC 3515 §2.4.4 wants one
    /// with 100 right after the 202.
    pub fn notify(&mut self, dialog: DialogId, sipfrag_status: u16, last: bool, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(Notifier::Active { cseq }) = leg.notifier else { return };
        if last {
            leg.notifier = Some(Notifier::Over);
        }
        let state = if last {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={NOTIFIER_EXPIRES_S}")
        };
        let complete = |builder: sipx_sip::RequestBuilder| {
            let builder = builder
                .header(HeaderName::Event, format!("refer;id={cseq}"))?
                .header(HeaderName::SubscriptionState, state)?
                .header(HeaderName::ContentType, format!("{SIPFRAG};version=2.0"))?;
            Ok(builder.body(sipfrag(sipfrag_status)))
        };
        // Nothing in it is the user's but a number, so nothing can keep it from being built.
        self.send_inside(
            dialog,
            &Method::Notify,
            Some(Owner::Dialog(dialog, Purpose::Notify)),
            complete,
            now,
        )
        .ok();
    }

    /// The final response to our REFER, or 408 for none.
    pub(super) fn on_refer_response(&mut self, id: DialogId, cseq: u32, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(subscription) = leg.subscription.as_mut().filter(|subscription| subscription.cseq == cseq)
        else {
            return;
        };
        if (200..300).contains(&status) {
            // A NOTIFY that overtook the response has told it already.
            if subscription.state == SubscriptionState::Asked {
                subscription.state = SubscriptionState::Active;
                self.tell(id, ReferralEvent::Accepted);
            }
            return;
        }
        leg.subscription = None;
        self.tell(id, ReferralEvent::Refused(status));
        // RFC 3261 §12.2.1.2: a peer that does not know the dialog, or does not answer, has left it.
        let in_session = matches!(self.legs.get(&id).map(|leg| &leg.phase), Some(Phase::Established(_)));
        if matches!(status, 408 | 481) && in_session {
            self.hang_up(id, EndCause::PeerGone, now);
        }
    }

    /// RFC 6665 §4.2.2: a NOTIFY that fails ends its subscription, and nothing else.
    pub(super) fn on_notify_response(&mut self, id: DialogId, status: u16) {
        if let Some(leg) = self.legs.get_mut(&id).filter(|_| status >= 300) {
            leg.notifier = Some(Notifier::Over);
        }
    }

    /// A NOTIFY of the peer's: about our REFER, or about nothing that we know.
    pub(super) fn on_notify(&mut self, id: DialogId, request: &Request) -> Served {
        let headers = &request.headers;
        if message::essence(headers, &HeaderName::Event).as_deref() != Some("refer") {
            let answer = Answer::new(489).with(HeaderName::AllowEvents, "refer");
            return Err(answer.refuse(Rejection::UnknownDialog));
        }
        let leg = self.legs.get_mut(&id).ok_or_else(unknown_dialog)?;
        let subscription = leg.subscription.as_mut().ok_or_else(unknown_dialog)?;
        let status = match message::body(request.body()) {
            None => None,
            Some(body) if message::essence(headers, &HeaderName::ContentType).as_deref() == Some(SIPFRAG) => {
                Some(status_of(&body).ok_or_else(|| Refusal::new(400, Rejection::Malformed))?)
            }
            Some(_) => {
                return Err(Answer::new(415).with(HeaderName::Accept, SIPFRAG).refuse(Rejection::Content));
            }
        };
        let about = message::parameter(headers, &HeaderName::Event, "id");
        let stale = about.is_some_and(|about| about != subscription.cseq.to_string());
        if !stale {
            let ends =
                message::essence(headers, &HeaderName::SubscriptionState).as_deref() == Some("terminated");
            for event in news(subscription, status, ends) {
                self.tell(id, event);
            }
        }
        Ok(Some(Answer::new(200)))
    }

    /// A REFER of the peer's.
    pub(super) fn on_refer(&mut self, id: DialogId, transaction: TransactionId, request: &Request) -> Served {
        if !self.config.accept_referrals {
            return Err(Refusal::new(603, Rejection::Referral));
        }
        let leg = self.legs.get_mut(&id).ok_or_else(unknown_dialog)?;
        if !matches!(leg.phase, Phase::Established(_)) {
            return Err(unknown_dialog());
        }
        if matches!(leg.notifier, Some(Notifier::Asked { .. })) {
            return Err(Refusal::new(491, Rejection::Glare));
        }
        let referral = read_referral(request).ok_or_else(|| {
            Answer::new(400).because("Missing or Malformed Refer-To").refuse(Rejection::Malformed)
        })?;
        let cseq = message::cseq(&request.headers).unwrap_or_default();
        leg.notifier = Some(Notifier::Asked { transaction, cseq });
        self.events.push_back(Event::Referred(id, Box::new(referral)));
        Ok(None)
    }

    /// Tells news of a referral, unless the dialog's end has been told.
    fn tell(&mut self, id: DialogId, event: ReferralEvent) {
        let ended = self.legs.get(&id).is_none_or(|leg| matches!(leg.phase, Phase::Lingering));
        if !ended {
            self.events.push_back(Event::Referral(id, event));
        }
    }
}

/// What a NOTIFY with this sipfrag status tells, and how it moves the subscription.
fn news(subscription: &mut Subscription, status: Option<u16>, ends: bool) -> Vec<ReferralEvent> {
    let mut told = Vec::new();
    if subscription.state == SubscriptionState::Over {
        return told;
    }
    if subscription.state == SubscriptionState::Asked {
        told.push(ReferralEvent::Accepted);
    }
    let last = status.is_some_and(|status| status >= 200);
    told.extend(status.map(ReferralEvent::Notified));
    if ends && !last {
        told.push(ReferralEvent::Terminated);
    }
    subscription.state = if ends || last { SubscriptionState::Over } else { SubscriptionState::Active };
    told
}

/// The status of a sipfrag (RFC 3420) that begins with a status line.
fn status_of(sipfrag: &str) -> Option<u16> {
    let mut words = sipfrag.trim_start().lines().next()?.split_ascii_whitespace();
    words.next().filter(|version| version.eq_ignore_ascii_case("SIP/2.0"))?;
    words.next()?.parse().ok().filter(|status| (100..700).contains(status))
}

/// Refer-To (exactly one, RFC 3515 §2.4.1) and the fields that go with it.
fn read_referral(request: &Request) -> Option<Referral> {
    let headers = &request.headers;
    if headers.count(&HeaderName::ReferTo) != 1 {
        return None;
    }
    let refer_to = Address::parse(&headers.value(&HeaderName::ReferTo)?, "Refer-To").ok()?;
    let kept = |name: &HeaderName| matches!(name, HeaderName::Other(_) | HeaderName::ReferredBy);
    let headers = headers.iter().filter(|header| kept(header.name())).map(|header| {
        let name = String::from_utf8_lossy(header.name().canonical()).into_owned();
        (name, String::from_utf8_lossy(&header.value()).into_owned())
    });
    Some(Referral { refer_to: refer_to.uri.to_string(), headers: headers.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_sipfrag() {
        let table = [
            ("SIP/2.0 200 OK\r\n", Some(200)),
            ("SIP/2.0 100 Trying\r\nVia: x\r\n", Some(100)),
            ("\r\nsip/2.0 603", Some(603)),
            ("SIP/2.0 999 Odd\r\n", None),
            ("SIP/3.0 200 OK\r\n", None),
            ("INVITE sip:a@b SIP/2.0\r\n", None),
            ("", None),
        ];
        for (text, status) in table {
            assert_eq!(status_of(text), status, "{text:?}");
        }
    }

    #[test]
    fn every_state_of_a_subscription_by_every_notify() {
        use ReferralEvent::{Accepted, Notified, Terminated};
        use SubscriptionState::{Active, Asked, Over};
        let table = [
            (Asked, Some(100), false, vec![Accepted, Notified(100)], Active),
            (Asked, Some(200), true, vec![Accepted, Notified(200)], Over),
            (Asked, None, true, vec![Accepted, Terminated], Over),
            (Active, Some(180), false, vec![Notified(180)], Active),
            (Active, Some(503), false, vec![Notified(503)], Over),
            (Active, Some(100), true, vec![Notified(100), Terminated], Over),
            (Active, None, false, vec![], Active),
            (Active, None, true, vec![Terminated], Over),
            (Over, Some(200), true, vec![], Over),
        ];
        for (state, status, ends, told, after) in table {
            let mut subscription = Subscription { cseq: 1, state };
            assert_eq!(news(&mut subscription, status, ends), told, "{state:?} {status:?} {ends}");
            assert_eq!(subscription.state, after, "{state:?} {status:?} {ends}");
        }
    }
}
