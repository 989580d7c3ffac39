//! Names on our way: the searches for where they lead (RFC 3263 §4.1), and on to the next peer where one does not
//! take a request (§4.3).
//!
//! A dialog whose next hop is a name is asked for when it becomes so, and again when what was found runs out. Nothing
//! waits for the answer: until it comes, requests go the way that the peer spoke by. An errand has no such way, and its
//! server is sought each time that it is run: whoever asks the DNS remembers what it said for as long as that holds.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use rand::Rng;
use sipx_sip::{Header, HeaderName, Message, Request, Response};

use super::dialog::Ourselves;
use super::endpoint::Endpoint;
use super::errand::ErrandId;
use super::hop::{Domain, Hop, Transport};
use super::limits::{DATAGRAM_REQUEST_BYTES_MAX, FOUND_FOR_MIN};
use super::locate::{Located, Search, Sought};
use super::transaction::{Failed, Owner, Purpose, Reply, TransactionId, Untaken};
use super::usage::Phase;
use super::{DialogId, SearchId};

/// The searches that are under way, and those that are to begin.
#[derive(Debug, Default)]
pub struct Searches {
    under_way: HashMap<SearchId, (Seeker, Sought)>,
    to_begin: VecDeque<(SearchId, Search)>,
    last: u64,
}

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seeker {
    /// A dialog, for its next requests.
    Dialog(DialogId),
    /// An errand that waits to be run, with a binding for so long where it registers.
    Errand(ErrandId, Duration),
}

/// The ways that a request may go.
#[derive(Debug)]
pub(super) struct Ways {
    /// The first.
    pub first: Hop,
    /// The next, one after the other, where nobody takes it by the first (RFC 3263 §4.3).
    pub spares: VecDeque<Hop>,
    /// Whom all of them lead to, where that is known by name.
    pub domain: Option<Domain>,
}

impl Searches {
    /// Lets go of a search that nobody waits for.
    pub fn forget(&mut self, id: SearchId) {
        self.under_way.remove(&id);
        self.to_begin.retain(|(other, _)| *other != id);
    }

    /// Whether none is wanted.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    fn begin(&mut self, seeker: Seeker, sought: Sought, search: Search) -> SearchId {
        self.last += 1;
        let id = SearchId(self.last);
        self.under_way.insert(id, (seeker, sought));
        self.to_begin.push_back((id, search));
        id
    }
}

impl Endpoint {
    /// The next search that the shell is to bring to its end, and to tell with [`Endpoint::located`]. A dialog or
    /// an errand has one at a time, so there are never more than these.
    pub fn poll_search(&mut self) -> Option<(SearchId, Search)> {
        self.searches.to_begin.pop_front()
    }

    /// Takes in what a search has found. Comes it late, it changes nothing.
    pub fn located(&mut self, id: SearchId, located: Located, now: Instant) {
        let Some((seeker, sought)) = self.searches.under_way.remove(&id) else { return };
        match seeker {
            Seeker::Dialog(dialog) => {
                if let Some(leg) = self.legs.get_mut(&dialog) {
                    leg.search = None;
                    leg.dialog.found(
                        sought,
                        located.destinations,
                        now + located.valid_for.max(FOUND_FOR_MIN),
                    );
                }
            }
            Seeker::Errand(errand, expires) => self.set_out(errand, expires, &located.destinations, now),
        }
    }

    /// Begins a search.
    pub(super) fn seek(&mut self, seeker: Seeker, sought: Sought) -> SearchId {
        let search = Search::new(sought.clone(), &self.config.whereabouts.ways(), self.rng.random());
        self.searches.begin(seeker, sought, search)
    }

    /// Has the next hop of a dialog looked up, where that is needed.
    pub(super) fn find_next_hop(&mut self, id: DialogId, now: Instant) {
        let Some(leg) = self.legs.get(&id) else { return };
        let Some(sought) = leg.dialog.sought(now) else { return };
        match leg.search {
            Some(search) if self.searches.under_way.get(&search).is_some_and(|(_, it)| *it == sought) => {
                return;
            }
            Some(search) => self.searches.forget(search),
            None => {}
        }
        let search = self.seek(Seeker::Dialog(id), sought);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.search = Some(search);
        }
    }

    /// Sends a request by the first of its ways that leads to somebody who takes it. One that is too large for a datagram goes by TCP first
    /// where we speak it, and as a datagram where the peer does not (RFC 3261 §18.1.1).
    pub(super) fn send(
        &mut self,
        mut request: Request,
        ways: Ways,
        owner: Option<Owner>,
        now: Instant,
    ) -> Option<TransactionId> {
        let Ways { first: mut hop, mut spares, domain } = ways;
        if let Some((larger, stream)) = self.by_stream(&request, &hop, owner) {
            spares.push_front(hop);
            (request, hop) = (larger, stream);
        }
        let transaction = self.transactions.send(request, hop, domain, owner, now)?;
        if !spares.is_empty() {
            self.transactions.set_spares(transaction, spares, now);
        }
        Some(transaction)
    }

    fn by_stream(&mut self, request: &Request, hop: &Hop, owner: Option<Owner>) -> Option<(Request, Hop)> {
        let whereabouts = &self.config.whereabouts;
        let speaks_tcp = whereabouts.listeners.iter().any(|listener| listener.transport == Transport::Tcp);
        if hop.transport.is_stream() || !speaks_tcp {
            return None;
        }
        let larger = Message::Request(request.clone());
        if larger.to_bytes().len() <= DATAGRAM_REQUEST_BYTES_MAX {
            return None;
        }
        let stream = whereabouts.hop_to(Transport::Tcp, hop.peer)?;
        let ourselves = self.ourselves_for(owner, &stream);
        Some((readdressed(request.clone(), &ourselves)?, stream))
    }

    /// A response to a request of ours. With 503, the next peer is tried, if there is one; with 401 and 407, the same
    /// once more, if we can prove who we are.
    pub(super) fn on_reply(&mut self, reply: Reply, now: Instant) {
        let Reply { owner, response, untaken, challenged } = reply;
        let sent_again = self.send_on(owner, untaken, now)
            || challenged.is_some_and(|challenged| self.sign_again(owner, challenged, &response, now));
        if !sent_again {
            self.on_response(owner, &response, now);
        }
    }

    /// A request of ours found nobody. The next peer is tried; without one, it counts as answered with this status.
    pub(super) fn on_failed(&mut self, failed: Failed, status: u16, now: Instant) {
        let Failed { owner, untaken } = failed;
        if !self.send_on(owner, untaken, now) {
            self.on_failure(owner, status, now);
        }
    }

    /// Sends a request that its peer did not take to the next, in a transaction of its own; `false` if there is none.
    fn send_on(&mut self, owner: Owner, untaken: Option<Untaken>, now: Instant) -> bool {
        let Some(Untaken { request, mut spares, domain }) = untaken else { return false };
        let Some(hop) = spares.pop_front() else { return false };
        let ourselves = self.ourselves_for(Some(owner), &hop);
        let Some(request) = readdressed(request, &ourselves) else { return false };
        let sent = self.transactions.send(request, hop, domain, Some(owner), now);
        let Some(transaction) = sent else { return false };
        self.transactions.set_spares(transaction, spares, now);
        let (dialog, purpose) = match owner {
            Owner::Dialog(dialog, purpose) => (dialog, purpose),
            Owner::Errand(id) => {
                self.errands.get_mut(&id).into_iter().for_each(|errand| errand.runs(transaction));
                return true;
            }
        };
        let Some(leg) = self.legs.get_mut(&dialog) else { return true };
        leg.dialog.prefer(hop);
        match (purpose, &mut leg.phase) {
            (Purpose::Invite, Phase::Outgoing(outgoing)) => {
                (outgoing.transaction, outgoing.provisional) = (transaction, false);
            }
            (Purpose::Refresh, _) if leg.own_reinvite.is_some() => leg.own_reinvite = Some(transaction),
            _ => {}
        }
        true
    }

    /// A peer that was given up after a long silence speaks after all. It rings: it is told to stop. It answers: that
    /// call is taken and ended at once, as another is under way (RFC 3261 §13.2.2.4).
    pub(super) fn on_late_response(
        &mut self,
        dialog: DialogId,
        purpose: Purpose,
        response: &Response,
        now: Instant,
    ) {
        match (response.status.code(), purpose) {
            (..200, Purpose::Forsaken(transaction)) => {
                self.transactions.set_owner(transaction, Owner::Dialog(dialog, Purpose::Unwanted));
                self.cancel_transaction(transaction, now);
            }
            (200..300, _) => self.on_answer_again(dialog, response, now),
            _ => {}
        }
    }
}

/// The same request with another Via, and the Contact that its new way wants.
fn readdressed(mut request: Request, ourselves: &Ourselves) -> Option<Request> {
    for (name, value) in [(HeaderName::Via, &ourselves.via), (HeaderName::Contact, &ourselves.contact)] {
        let Some(position) = request.headers.iter().position(|header| header.name() == &name) else {
            continue;
        };
        let header = Header::build(name.clone(), value.clone()).ok()?;
        request.headers.remove_first(&name);
        request.headers.insert(position, header);
    }
    Some(request)
}
