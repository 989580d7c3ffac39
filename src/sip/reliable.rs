//! Ringing that arrives: reliable provisional responses (RFC 3262), as the side that sends them.
//!
//! They are sent where the INVITE requires them, and only then. Our ringing holds no SDP, so an INVITE without
//! an offer, to which the first reliable response would have to offer (§5), gets no ringing but only its answer.

use std::time::{Duration, Instant};

use rand::Rng;
use sipx_sip::rel::{MAX_FIRST_RSEQ, OPTION_TAG, Offered, RAck};
use sipx_sip::{HeaderName, Request};

use super::admission::Refusal;
use super::counters::Rejection;
use super::endpoint::{Endpoint, Timer};
use super::limits::{T1, TIMEOUT};
use super::response::Answer;
use super::uas::{Served, unknown_dialog};
use super::usage::{Pending, Phase, Provisional};
use super::{DialogId, EndCause, Transmit, message};

impl Endpoint {
    /// 180 to an INVITE, which is resent until its PRACK comes if the INVITE requires that.
    pub fn ring(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let Phase::Incoming(pending) = leg.phase else { return };
        let (tag, rung) = (leg.tag.clone(), leg.provisional.is_some());
        let request = self.transactions.request(pending.transaction);
        let reliable = request.is_some_and(|invite| Offered::in_request(invite).required);
        let Some(hop) = self.transactions.hop(pending.transaction) else { return };
        let answer = Answer::new(180).with_contact(&self.config.whereabouts, &hop);
        if !reliable {
            self.respond(pending.transaction, answer, &tag, now);
        } else if pending.offered && !rung {
            let rseq = self.rng.random_range(1..=MAX_FIRST_RSEQ);
            let answer =
                answer.with(HeaderName::Require, OPTION_TAG).with(HeaderName::RSeq, rseq.to_string());
            if let Some(sent) = self.respond(pending.transaction, answer, &tag, now).cloned() {
                self.await_prack(dialog, pending, rseq, sent, now);
            }
        }
    }

    fn await_prack(&mut self, id: DialogId, pending: Pending, rseq: u32, sent: Transmit, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.provisional = Some(Provisional { rseq, cseq: pending.cseq, sent, interval: T1 });
        self.timers.set((id, Timer::ResendRinging), now + T1);
        self.timers.set((id, Timer::AwaitPrack), now + TIMEOUT);
    }

    /// RFC 3262 §3: the interval doubles without a limit, until `give_up_ringing`.
    pub(super) fn resend_ringing(&mut self, id: DialogId, now: Instant) {
        let provisional = self.legs.get_mut(&id).and_then(|leg| leg.provisional.as_mut());
        let Some(Provisional { sent, interval, .. }) = provisional else { return };
        *interval *= 2;
        let (sent, next): (Transmit, Duration) = (sent.clone(), *interval);
        self.transactions.transmit(sent);
        self.timers.set((id, Timer::ResendRinging), now + next);
    }

    /// No PRACK in 64*T1: RFC 3262 §3 has the INVITE refused with a 5xx.
    pub(super) fn give_up_ringing(&mut self, id: DialogId, now: Instant) {
        self.refuse_pending(id, 504, now);
        self.end(id, EndCause::PeerGone, now);
    }

    /// Stops resending: the PRACK came, or a final response has taken its place.
    pub(super) fn stop_ringing(&mut self, id: DialogId) {
        self.timers.clear((id, Timer::ResendRinging));
        self.timers.clear((id, Timer::AwaitPrack));
    }

    /// A PRACK. One that comes after the final response is still right (RFC 3262 §3).
    pub(super) fn on_prack(&mut self, id: DialogId, request: &Request) -> Served {
        let Some(Ok(ack)) = request.headers.typed::<RAck>() else {
            let answer = Answer::new(400).because("Missing or Malformed RAck");
            return Err(answer.refuse(Rejection::Malformed));
        };
        let leg = self.legs.get_mut(&id).ok_or_else(unknown_dialog)?;
        let meant = leg
            .provisional
            .as_ref()
            .is_some_and(|sent| (sent.rseq, sent.cseq) == (ack.rseq, ack.cseq) && ack.method == b"INVITE");
        if !meant {
            return Err(unknown_dialog());
        }
        leg.provisional = None;
        self.stop_ringing(id);
        if message::body(request.body()).is_some() {
            // The INVITE's own offer has no answer yet: another one has no place here (RFC 3262 §5).
            return Err(Refusal::new(488, Rejection::Content));
        }
        Ok(Some(Answer::new(200)))
    }
}
