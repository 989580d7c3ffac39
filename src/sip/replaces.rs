//! INVITEs that want to take a call of ours over (RFC 3891): understood, so that they are refused for what they are.
//!
//! A call here is one caller's conversation with us, and nobody else's: `replaces` is not among what we support, and
//! a peer that asks for it all the same is not to be served as if it had called anew.

use sipx_sip::{HeaderName, Method, Request};

use super::admission::Refusal;
use super::counters::Rejection;
use super::endpoint::Endpoint;
use super::message;
use super::response::Answer;
use super::usage::Phase;

impl Endpoint {
    /// Refuses a request that is to replace a dialog: 400 where that makes no sense, 481 where there is no such
    /// dialog, 486 where only an unanswered one was meant, and else 603 (RFC 3891 §3).
    pub(super) fn check_replaces(&self, request: &Request) -> Result<(), Refusal> {
        let Some(value) = message::text(&request.headers, &HeaderName::Replaces) else { return Ok(()) };
        if request.method != Method::Invite || request.headers.count(&HeaderName::Replaces) > 1 {
            return Err(Answer::new(400).because("Misplaced Replaces").refuse(Rejection::Malformed));
        }
        let refuse = |status| Err(Refusal::new(status, Rejection::Replacement));
        let parameter = |name| message::parameter(&request.headers, &HeaderName::Replaces, name);
        let (Some(ours), Some(theirs)) = (parameter("to-tag"), parameter("from-tag")) else {
            return Err(Answer::new(400).because("Malformed Replaces").refuse(Rejection::Malformed));
        };
        let call_id = value.split(';').next().unwrap_or_default().trim();
        let leg = self.by_tag.get(&ours).and_then(|id| self.legs.get(id));
        let leg = leg.filter(|leg| leg.dialog.is_between(call_id.as_bytes(), theirs.as_bytes()));
        let early_only =
            value.split(';').skip(1).any(|piece| piece.trim().eq_ignore_ascii_case("early-only"));
        match leg.map(|leg| &leg.phase) {
            // Nobody but who has made a call may replace it before the answer.
            None | Some(Phase::Incoming(_)) => refuse(481),
            Some(Phase::Established(_)) if early_only => refuse(486),
            Some(_) => refuse(603),
        }
    }
}
