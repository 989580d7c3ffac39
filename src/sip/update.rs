//! UPDATE (RFC 3311): the peer's. Ours are the refreshes of `session_timer`.
//!
//! One without an offer refreshes target and session and is answered at once. One with an offer is told like a
//! re-INVITE and answered by the endpoint's user. Offers that would cross another are refused as §5.2 says:
//! 491 where the other one is ours, 500 where it is the peer's and has no answer yet.

use std::time::Instant;

use sipx_sip::Request;

use super::admission::{Refusal, check_sdp};
use super::counters::Rejection;
use super::endpoint::Endpoint;
use super::response::Answer;
use super::session_timer::{agree, check_interval};
use super::transaction::TransactionId;
use super::uas::{Served, unknown_dialog};
use super::usage::{Pending, Phase, Refreshing, Usage};
use super::{DialogId, Event, message};

impl Endpoint {
    /// An UPDATE inside a dialog.
    pub(super) fn on_update(
        &mut self,
        id: DialogId,
        transaction: TransactionId,
        request: &Request,
        now: Instant,
    ) -> Served {
        check_sdp(request)?;
        check_interval(request)?;
        let offer = message::body(request.body());
        self.check_turn(id, offer.is_some())?;
        let leg = self.legs.get_mut(&id).ok_or_else(unknown_dialog)?;
        leg.dialog.refresh_target(&request.headers);
        self.find_next_hop(id, now);
        let Some(offer) = offer else {
            let hop = self.transactions.hop(transaction).ok_or_else(unknown_dialog)?;
            let answer = self.capable(Answer::new(200)).with_contact(&self.config.whereabouts, &hop);
            let (answer, agreed) = agree(answer, &request.headers);
            self.time_session(id, agreed, now);
            return Ok(Some(answer));
        };
        let cseq = message::cseq(&request.headers).unwrap_or_default();
        let leg = self.legs.get_mut(&id).ok_or_else(unknown_dialog)?;
        let session = leg.session().ok_or_else(unknown_dialog)?;
        session.reinvite = Some(Pending { transaction, cseq, offered: true, usage: Usage::Update });
        self.events.push_back(Event::Reinvited(id, Some(offer)));
        Ok(None)
    }

    /// Whether the peer may speak now.
    fn check_turn(&mut self, id: DialogId, offers: bool) -> Result<(), Refusal> {
        let leg = self.legs.get(&id).ok_or_else(unknown_dialog)?;
        let updating = leg.pending().is_some_and(|pending| pending.usage == Usage::Update);
        if updating || (offers && leg.pending().is_some()) {
            return Err(self.too_early());
        }
        let ours_is_open = match &leg.phase {
            Phase::Established(session) => {
                session.unacknowledged.as_ref().is_some_and(|sent| !sent.invite.offered)
                    || session.refreshing == Some(Refreshing::ByReinvite)
            }
            _ => false,
        };
        if offers && ours_is_open {
            return Err(Refusal::new(491, Rejection::Glare));
        }
        Ok(())
    }
}
