//! Dialog state (RFC 3261 §12): who talks with whom, by which route, how far the sequence numbers are; and
//! the requests that are built from it.
//!
//! What a dialog is used for is `usage`'s part; this file decides nothing about calls.

use std::collections::VecDeque;
use std::time::Instant;

use sipx_sip::build::RequestBuilder;
use sipx_sip::error::BuildError;
use sipx_sip::headers::{Contact, From};
use sipx_sip::{HeaderName, Headers, Method, Request, Response, Uri};

use super::hop::{Domain, Hop, Transport, Whereabouts};
use super::locate::{Destination, Sought};
use super::message;
use super::route::RouteSet;

/// The hops that a request of ours may pass (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// What identifies and routes a dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    call_id: Vec<u8>,
    /// Our From in requests: name-addr with our tag.
    local: Vec<u8>,
    /// Our To in requests: name-addr with the peer's tag, once it has one.
    remote: Vec<u8>,
    remote_tag: Option<Vec<u8>>,
    target: Uri,
    routes: RouteSet,
    /// The way by which the peer spoke last.
    heard: Hop,
    /// Where its next hop is, if that is a name that has been looked up.
    found: Option<Found>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// Whether we made its Call-ID.
    ours: bool,
}

/// Where a next hop that is a name was found to be.
#[derive(Debug, Clone)]
struct Found {
    sought: Sought,
    /// The best first; empty where it leads nowhere.
    destinations: Vec<Destination>,
    until: Instant,
}

/// What our messages say of ourselves.
#[derive(Debug, Clone)]
pub struct Ourselves {
    /// Value of Via up to the branch, which is this message's own.
    pub via: String,
    /// Value of Contact.
    pub contact: String,
    /// Value of User-Agent.
    pub user_agent: String,
}

/// Why a message cannot found a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoDialog {
    /// A dialog-forming message has a Contact with a SIP URI (RFC 3261 §8.1.1.8).
    #[error("Missing or Unusable Contact")]
    Contact,
    /// Record-Route that does not parse.
    #[error("Malformed Record-Route")]
    RecordRoute,
    /// A field that must be there, or a value that cannot be sent back.
    #[error("Malformed Header Field")]
    Field,
}

impl Dialog {
    /// The callee's side of a dialog, from its INVITE (RFC 3261 §12.1.1).
    pub fn of_invite(
        request: &Request,
        local_tag: &str,
        local_cseq: u32,
        hop: Hop,
    ) -> Result<Self, NoDialog> {
        let headers = &request.headers;
        // RFC 3261 lets a quoted string hold an escaped NUL, which requests of ours must not repeat.
        let names = [HeaderName::From, HeaderName::To, HeaderName::CallId];
        if names.iter().any(|name| headers.value(name).is_some_and(|value| value.contains(&0))) {
            return Err(NoDialog::Field);
        }
        let mut local = headers.value(&HeaderName::To).ok_or(NoDialog::Field)?.into_owned();
        local.extend_from_slice(format!(";tag={local_tag}").as_bytes());
        Ok(Self {
            call_id: message::call_id(headers).ok_or(NoDialog::Field)?,
            local,
            remote: headers.value(&HeaderName::From).ok_or(NoDialog::Field)?.into_owned(),
            remote_tag: message::from_tag(headers),
            target: contact(headers).or_else(|| legacy_target(headers)).ok_or(NoDialog::Contact)?,
            routes: RouteSet::of_request(headers).ok_or(NoDialog::RecordRoute)?,
            heard: hop,
            found: None,
            local_cseq,
            remote_cseq: message::cseq(headers),
            ours: false,
        })
    }

    /// The caller's side before there is an answer: what our INVITE says.
    pub fn to_call(call_id: String, local: String, target: Uri, hop: Hop, cseq: u32) -> Self {
        Self {
            call_id: call_id.into_bytes(),
            local: local.into_bytes(),
            remote: format!("<{target}>").into_bytes(),
            remote_tag: None,
            target,
            routes: RouteSet::default(),
            heard: hop,
            found: None,
            local_cseq: cseq,
            remote_cseq: None,
            ours: true,
        }
    }

    /// The caller's side once a 2xx is there (RFC 3261 §12.1.2).
    ///
    /// A peer that leaves out its Contact is reached where the INVITE went.
    pub fn confirm(&mut self, response: &Response) {
        let headers = &response.headers;
        if let Some(to) = headers.value(&HeaderName::To) {
            self.remote = to.into_owned();
        }
        self.remote_tag = message::to_tag(headers);
        self.routes = RouteSet::of_response(headers).unwrap_or_default();
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// Whether `headers` of a request from the peer belong to this dialog. The local tag has led here already.
    pub fn matches(&self, headers: &Headers) -> bool {
        message::call_id(headers).is_some_and(|call_id| call_id == self.call_id)
            && message::from_tag(headers) == self.remote_tag
    }

    /// Whether this is the dialog of a Call-ID with the peer of a tag. The local tag has led here already.
    pub fn is_between(&self, call_id: &[u8], remote_tag: &[u8]) -> bool {
        self.call_id == call_id && self.remote_tag.as_deref() == Some(remote_tag)
    }

    /// Whether a response to our INVITE comes from the peer of this dialog, not from another branch of a fork.
    pub fn answered_by(&self, response: &Response) -> bool {
        message::to_tag(&response.headers) == self.remote_tag
    }

    /// Takes note of a request's `CSeq`; `false` where it is out of order (RFC 3261 §12.2.2).
    pub fn advance(&mut self, cseq: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| cseq < last) {
            return false;
        }
        self.remote_cseq = Some(cseq);
        true
    }

    /// Follows the peer to a new Contact (RFC 3261 §12.2.2, target refresh).
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// Whether its Call-ID is ours: the other side's calls are not.
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// Takes note of the way by which a request of the peer has come: a NAT may have moved it, or a connection
    /// have taken another's place.
    pub fn heard_by(&mut self, hop: Hop) {
        self.heard = hop;
    }

    /// The way of the next request. Where its next hop is a name that nobody has looked up yet, or that leads
    /// nowhere, it is the way by which the peer spoke last.
    pub fn next_hop(&self, whereabouts: &Whereabouts) -> Hop {
        let uri = self.routes.itinerary(&self.target).next_hop;
        let way = || whereabouts.way(uri, &self.heard);
        self.ways_found(whereabouts).next().unwrap_or_else(way)
    }

    /// The ways of the next request where nobody takes it by the first. The last is that by which the peer spoke:
    /// a name may lead where the peer is not, or not any more.
    pub fn spares(&self, whereabouts: &Whereabouts) -> VecDeque<Hop> {
        let mut spares = VecDeque::new();
        let first = self.next_hop(whereabouts);
        // What a name leads to may be wrong, and a connection that is to be opened may not be had: then there is still
        // where the peer spoke from. A datagram to the address that it names is as good as any.
        if self.ways_found(whereabouts).next().is_none() && !first.transport.is_stream() {
            return spares;
        }
        for hop in self.ways_found(whereabouts).chain([self.heard]) {
            if hop != first && !spares.contains(&hop) {
                spares.push_back(hop);
            }
        }
        spares
    }

    fn ways_found<'d>(&'d self, whereabouts: &'d Whereabouts) -> impl Iterator<Item = Hop> + 'd {
        let uri = self.routes.itinerary(&self.target).next_hop;
        let sought = self.found.as_ref().and_then(|_| Sought::of(uri));
        let found = self.found.iter().filter(move |found| Some(&found.sought) == sought.as_ref());
        found.flat_map(|found| &found.destinations).map(move |destination| {
            let Destination { transport, address } = *destination;
            whereabouts.way_to(transport, address, Transport::of_uri(uri).unwrap_or_default(), &self.heard)
        })
    }

    /// Whom to look up before the next request: its next hop, where that is a name, and what was found of it is
    /// out of date.
    pub fn sought(&self, now: Instant) -> Option<Sought> {
        let sought = Sought::of(self.routes.itinerary(&self.target).next_hop)?;
        let is_known = |found: &Found| found.sought == sought && now < found.until;
        let known = sought.literal().is_some() || self.found.as_ref().is_some_and(is_known);
        (!known).then_some(sought)
    }

    /// The domain that the next request is for: its next hop, where that is a name.
    pub fn domain(&self) -> Option<Domain> {
        Sought::of(self.routes.itinerary(&self.target).next_hop)?.domain()
    }

    /// Takes note of where a next hop is.
    pub fn found(&mut self, sought: Sought, destinations: Vec<Destination>, until: Instant) {
        self.found = Some(Found { sought, destinations, until });
    }

    /// The way to the peer is this one, of several.
    pub fn prefer(&mut self, hop: Hop) {
        let found = self.found.as_mut().map(|found| &mut found.destinations);
        let Some(destinations) = found else { return self.heard_by(hop) };
        let is_it = |it: &Destination| it.address == hop.peer && it.transport == hop.transport;
        if let Some(position) = destinations.iter().position(is_it) {
            destinations.rotate_left(position);
        }
    }

    /// The `CSeq` of the last request sent.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The `CSeq` of a request that is sent once more as another one.
    pub fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Begins the next request.
    pub fn next_request(
        &mut self,
        method: &Method,
        ourselves: &Ourselves,
    ) -> Result<RequestBuilder, BuildError> {
        // The first is below 2^16 and a call makes few requests; wrapping would need 2^31 of them.
        let cseq = self.next_cseq();
        self.request(method, cseq, ourselves)
    }

    /// Begins a request with a given `CSeq`: the INVITE, or the ACK that shares its number.
    pub fn request(
        &self,
        method: &Method,
        cseq: u32,
        ourselves: &Ourselves,
    ) -> Result<RequestBuilder, BuildError> {
        let way = self.routes.itinerary(&self.target);
        let mut builder = RequestBuilder::new(method.clone(), request_uri(way.request_uri))
            .header(HeaderName::Via, ourselves.via.clone())?
            .max_forwards(MAX_FORWARDS);
        for route in way.routes {
            builder = builder.header(HeaderName::Route, format!("<{route}>"))?;
        }
        builder = builder
            .header(HeaderName::From, self.local.clone())?
            .header(HeaderName::To, self.remote.clone())?
            .header(HeaderName::CallId, self.call_id.clone())?
            .cseq(cseq, method)?;
        // RFC 3261 §20, table 2: a BYE has no Contact.
        if *method != Method::Bye {
            builder = builder.header(HeaderName::Contact, ourselves.contact.clone())?;
        }
        builder.header(HeaderName::UserAgent, ourselves.user_agent.clone())
    }
}

/// A URI in the form that a Request-URI may have: without header components (RFC 3261 §19.1.1, table 1).
pub fn request_uri(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    let names: Vec<_> = uri
        .headers()
        .into_iter()
        .flat_map(sipx_sip::Params::iter)
        .map(|header| String::from_utf8_lossy(header.name()).into_owned())
        .collect();
    for name in names {
        uri.remove_header(&name);
    }
    if uri.params().is_some_and(|parameters| parameters.contains("method")) {
        uri.remove_param("method");
    }
    uri
}

/// Where a peer from before RFC 3261, which has neither Contact nor tag, takes its requests: its From.
fn legacy_target(headers: &Headers) -> Option<Uri> {
    let from = headers.typed::<From>()?.ok()?;
    let legacy =
        headers.get(&HeaderName::Contact).is_none() && from.tag().is_none() && from.uri.host().is_some();
    legacy.then(|| request_uri(&from.uri))
}

/// The SIP URI of the first Contact.
fn contact(headers: &Headers) -> Option<Uri> {
    let contact = headers.typed::<Contact>()?.ok()?;
    contact.uri.host()?;
    Some(contact.0.uri)
}
