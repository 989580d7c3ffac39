//! Challenges to our requests: each is sent once more, signed (RFC 3261 §22.2, §22.3).
//!
//! Another request, another number: the same dialog, the next `CSeq`, a branch of its own. What an answer to a
//! challenge is, and when there is no use in one, is `digest`'s to say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use sipx_sip::{Header, HeaderName, Method, Request, Response};

use super::DialogId;
use super::digest::{Account, Keys};
use super::endpoint::Endpoint;
use super::finding::Ways;
use super::message;
use super::transaction::{Challenged, Owner, Purpose, TransactionId};
use super::usage::Phase;

impl Endpoint {
    /// Has what we send in a dialog signed with this account, once its peer asks who we are.
    pub fn set_account(&mut self, dialog: DialogId, account: &Arc<Account>) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.keys = Some(Keys::new(Arc::clone(account)));
        }
    }

    /// Sends a request that was challenged once more; `false` where that is of no use.
    pub(super) fn sign_again(
        &mut self,
        owner: Owner,
        challenged: Challenged,
        response: &Response,
        now: Instant,
    ) -> bool {
        let (via, cnonce) = (self.ourselves(&challenged.hop).via, self.token());
        let Challenged { request, hop, domain, tries } = challenged;
        let (keys, cseq) = match owner {
            // Another has been asked in its place already.
            Owner::Dialog(_, Purpose::Forsaken(_) | Purpose::Unwanted) => return false,
            Owner::Dialog(id, _) => {
                let Some(leg) = self.legs.get_mut(&id).filter(|leg| !is_unwanted(&leg.phase)) else {
                    return false;
                };
                (leg.keys.as_mut(), leg.dialog.next_cseq())
            }
            Owner::Errand(id) => {
                let Some(errand) = self.errands.get_mut(&id) else { return false };
                errand.keys_and_cseq()
            }
        };
        let Some(keys) = keys else { return false };
        if !keys.learn(&response.headers, &request, tries, &cnonce) {
            return false;
        }
        let Some(mut request) = renumbered(request, via, cseq) else { return false };
        // What cannot stand in a header field, a realm with control characters, is not answered.
        if keys.sign(&mut request).is_err() {
            return false;
        }
        let credentials = credentials(&request);
        let owner = at(owner, cseq);
        // With its credentials, it may be too large for a datagram now.
        let ways = Ways { first: hop, spares: VecDeque::new(), domain };
        let Some(transaction) = self.send(request, ways, Some(owner), now) else { return false };
        self.transactions.set_tries(transaction, tries + 1);
        self.took_its_place(owner, transaction, cseq, credentials);
        true
    }

    /// What waited for the challenged request waits for this one now.
    fn took_its_place(&mut self, owner: Owner, transaction: TransactionId, cseq: u32, signed: Vec<Header>) {
        let (id, purpose) = match owner {
            Owner::Dialog(id, purpose) => (id, purpose),
            Owner::Errand(id) => {
                return self.errands.get_mut(&id).into_iter().for_each(|errand| errand.runs(transaction));
            }
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match purpose {
            Purpose::Invite => {
                leg.signed = signed;
                if let Phase::Outgoing(outgoing) = &mut leg.phase {
                    (outgoing.transaction, outgoing.provisional) = (transaction, false);
                }
            }
            Purpose::Refer(_) => {
                leg.subscription.iter_mut().for_each(|subscription| subscription.cseq = cseq);
            }
            Purpose::Refresh if leg.own_reinvite.is_some() => {
                leg.signed = signed;
                leg.own_reinvite = Some(transaction);
            }
            _ => {}
        }
    }

    /// Signs a new request of a dialog with what its peer has asked for before.
    pub(super) fn sign(&mut self, id: DialogId, request: &mut Request) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(keys) = &mut leg.keys else { return };
        // What was signed once can be signed again.
        if keys.sign(request).is_ok() && request.method == Method::Invite {
            leg.signed = credentials(request);
        }
    }
}

/// A request that has been given up meanwhile.
fn is_unwanted(phase: &Phase) -> bool {
    matches!(phase, Phase::Outgoing(outgoing) if outgoing.cancelled)
}

/// A REFER is known by its number.
fn at(owner: Owner, cseq: u32) -> Owner {
    match owner {
        Owner::Dialog(id, Purpose::Refer(_)) => Owner::Dialog(id, Purpose::Refer(cseq)),
        owner => owner,
    }
}

/// The same request as another transaction.
fn renumbered(mut request: Request, via: String, cseq: u32) -> Option<Request> {
    let number = format!("{cseq} {}", String::from_utf8_lossy(request.method.as_bytes()));
    for (name, value) in [(HeaderName::Via, via), (HeaderName::CSeq, number)] {
        let position = request.headers.iter().position(|header| header.name() == &name)?;
        request.headers.remove_first(&name);
        request.headers.insert(position, Header::build(name, value).ok()?);
    }
    message::cseq(&request.headers).map(|_| request)
}

/// What the ACK to a 2xx repeats of its INVITE (RFC 3261 §22.1).
fn credentials(request: &Request) -> Vec<Header> {
    let fields = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
    request.headers.iter().filter(|header| fields.contains(header.name())).cloned().collect()
}
