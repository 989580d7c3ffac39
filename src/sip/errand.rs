//! Errands: what we ask a server again and again outside of dialogs, REGISTER (RFC 3261 §10.2) and OPTIONS (§11.1).
//!
//! One errand is one server and one Call-ID, with numbers that grow. When to run it, and what its answers mean, is
//! for `registration` and `liveness` to say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use sipx_sip::build::RequestBuilder;
use sipx_sip::error::BuildError;
use sipx_sip::headers::{Address, Expires};
use sipx_sip::{HeaderName, Headers, Host, Method, Request, Response, Scheme, Uri};

use super::dialog::{MAX_FORWARDS, Ourselves};
use super::digest::{Account, Keys};
use super::endpoint::Endpoint;
use super::finding::{Seeker, Ways};
use super::hop::Hop;
use super::locate::{Destination, Sought};
use super::message;
use super::response::allow;
use super::transaction::{Owner, TransactionId};
use super::{Event, SearchId, uac};

/// Names an errand of this endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrandId(u64);

/// The domain that a registration is with: the Request-URI of its REGISTER, without a user (RFC 3261 §10.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    uri: String,
    host: String,
    server: Sought,
}

impl Registrar {
    /// Reads `sip:carrier.example` or `sip:203.0.113.1:5060;transport=tcp`; `None` for anything else, and for a
    /// transport that we do not speak.
    pub fn parse(text: &str) -> Option<Self> {
        let uri = Uri::parse(text.to_owned().into()).ok()?;
        if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips)
            || uri.user().is_some()
            || uri.headers().is_some_and(|headers| !headers.is_empty())
        {
            return None;
        }
        let server = Sought::server_of(&uri)?;
        let host = match uri.host()? {
            Host::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => String::from_utf8_lossy(name.as_bytes()).into_owned(),
        };
        Some(Self { uri: text.to_owned(), host, server })
    }

    /// Where it is to be found, unless servers are named.
    pub fn server(&self) -> &Sought {
        &self.server
    }
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// OPTIONS: whether the server is there.
    Ping,
    /// REGISTER.
    Register {
        /// With whom.
        registrar: Registrar,
        /// The user part of the address of record.
        user: String,
        /// The user part of our Contact, which the calls that come of it then dial.
        contact_user: String,
    },
}

/// What is asked, of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub task: Task,
    /// Of whom. A name is looked up each time.
    pub server: Sought,
    /// What we prove ourselves with.
    pub account: Option<Arc<Account>>,
}

/// What an errand brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply {
    /// The final status. 408: no answer came; 503 also: nothing could be sent, as where a name leads nowhere.
    pub status: u16,
    /// How long a REGISTER's binding lasts, where the answer says so.
    pub expires: Option<Duration>,
    /// Min-Expires.
    pub min_expires: Option<Duration>,
    /// Retry-After.
    pub retry_after: Option<Duration>,
}

/// An errand and how far it is.
#[derive(Debug)]
pub struct Errand {
    order: Order,
    call_id: String,
    tag: String,
    cseq: u32,
    keys: Option<Keys>,
    running: Option<TransactionId>,
    /// Its server is being looked up.
    search: Option<SearchId>,
    contact: String,
}

impl Errand {
    /// What signs it, and its next number.
    pub(super) fn keys_and_cseq(&mut self) -> (Option<&mut Keys>, u32) {
        self.cseq += 1;
        (self.keys.as_mut(), self.cseq)
    }

    /// It is under way as this transaction.
    pub(super) fn runs(&mut self, transaction: TransactionId) {
        self.running = Some(transaction);
    }

    fn request(
        &mut self,
        ourselves: Ourselves,
        expires: Duration,
        allow: String,
    ) -> Result<Request, NotBuilt> {
        self.cseq += 1;
        let (method, uri, party) = match &self.order.task {
            Task::Ping => (Method::Options, self.order.server.uri(), None),
            Task::Register { registrar, user, .. } => {
                (Method::Register, registrar.uri.clone(), Some(format!("<sip:{user}@{}>", registrar.host)))
            }
        };
        let from = party.clone().unwrap_or_else(|| ourselves.contact.clone());
        let to = party.unwrap_or_else(|| format!("<{uri}>"));
        let uri = Uri::parse(uri.into()).map_err(|_| NotBuilt)?;
        let mut builder = RequestBuilder::new(method.clone(), uri)
            .header(HeaderName::Via, ourselves.via)?
            .max_forwards(MAX_FORWARDS)
            .header(HeaderName::From, format!("{from};tag={}", self.tag))?
            .header(HeaderName::To, to)?
            .header(HeaderName::CallId, self.call_id.clone())?
            .cseq(self.cseq, &method)?
            .header(HeaderName::Contact, ourselves.contact)?
            .header(HeaderName::UserAgent, ourselves.user_agent)?;
        builder = match self.order.task {
            Task::Ping => builder.header(HeaderName::Accept, "application/sdp")?,
            Task::Register { .. } => {
                let builder = builder.header(HeaderName::Allow, allow)?;
                builder.header(HeaderName::Expires, expires.as_secs().to_string())?
            }
        };
        let mut request = builder.build();
        if let Some(keys) = &mut self.keys {
            keys.sign(&mut request)?;
        }
        Ok(request)
    }

    /// Our Contact with the user part that calls are to dial.
    fn contact_at(&self, ours: &str) -> String {
        let Task::Register { contact_user, .. } = &self.order.task else { return ours.to_owned() };
        match ours.split_once('@') {
            Some((_, address)) => format!("<sip:{}@{address}", uac::escaped_user(contact_user)),
            None => ours.to_owned(),
        }
    }

    /// RFC 3261 §10.2.4: the answer lists every binding; ours has its own `expires`, or the message has one for all.
    fn expires(&self, headers: &Headers) -> Option<Duration> {
        let ours = Address::parse(self.contact.as_bytes(), "Contact").ok()?;
        let bindings = headers.get_all(&HeaderName::Contact);
        let mut bindings =
            bindings.filter_map(|row| Address::parse_list(&row.value(), "Contact").ok()).flatten();
        let own = bindings.find(|binding| {
            let (one, other) = (&binding.uri, &ours.uri);
            let same_host = match (one.host(), other.host()) {
                (Some(Host::Ip(one)), Some(Host::Ip(other))) => one == other,
                _ => false,
            };
            same_host && (one.user(), one.port()) == (other.user(), other.port())
        });
        let seconds = own.and_then(|own| seconds(own.param("expires")?));
        let for_all = || headers.typed::<Expires>()?.ok().map(|Expires(seconds)| u64::from(seconds));
        seconds.or_else(for_all).map(Duration::from_secs)
    }
}

/// What keeps an errand's request from being built: a value of the configuration that cannot stand in one.
#[derive(Debug)]
struct NotBuilt;

impl From<BuildError> for NotBuilt {
    fn from(_: BuildError) -> Self {
        Self
    }
}

impl Endpoint {
    /// Takes an errand on, which is run as often as wanted.
    pub fn take_on(&mut self, order: Order) -> ErrandId {
        self.last_errand += 1;
        let id = ErrandId(self.last_errand);
        let errand = Errand {
            keys: order.account.clone().map(Keys::new),
            order,
            call_id: self.token() + &self.token(),
            tag: self.token(),
            cseq: u32::from(self.rng.random::<u16>()),
            running: None,
            search: None,
            contact: String::new(),
        };
        self.errands.insert(id, errand);
        id
    }

    /// Runs an errand, once more or for the first time; `Event::Replied` follows. One that is under way is given
    /// up for it. `expires` is for a REGISTER; nothing at all takes the binding back. A server that is known by name
    /// is looked up first.
    pub fn run(&mut self, id: ErrandId, expires: Duration, now: Instant) {
        self.stop(id, now);
        let Some(server) = self.errands.get(&id).map(|errand| &errand.order.server) else { return };
        if let Some(destination) = server.literal() {
            return self.set_out(id, expires, &[destination], now);
        }
        let search = self.seek(Seeker::Errand(id, expires), server.clone());
        if let Some(errand) = self.errands.get_mut(&id) {
            errand.search = Some(search);
        }
    }

    /// Sends the request of an errand to where its server has been found to be.
    pub(super) fn set_out(
        &mut self,
        id: ErrandId,
        expires: Duration,
        destinations: &[Destination],
        now: Instant,
    ) {
        let Some(errand) = self.errands.get_mut(&id) else { return };
        errand.search = None;
        let domain = errand.order.server.domain();
        let hop = |it: &Destination| self.config.whereabouts.hop_to(it.transport, it.address);
        let mut spares: VecDeque<Hop> = destinations.iter().filter_map(hop).collect();
        let sent = spares.pop_front().and_then(|first| {
            let owner = Some(Owner::Errand(id));
            let (ourselves, allow) = (self.ourselves_for(owner, &first), allow(self.config.accept_referrals));
            let request = self.errands.get_mut(&id)?.request(ourselves, expires, allow).ok()?;
            self.send(request, Ways { first, spares, domain }, owner, now)
        });
        match (sent, self.errands.get_mut(&id)) {
            (Some(transaction), Some(errand)) => errand.runs(transaction),
            // RFC 3261 §8.1.3.1: what cannot be sent counts as answered with 503.
            _ => self.events.push_back(Event::Replied(id, Reply { status: 503, ..Reply::default() })),
        }
    }

    /// Forgets an errand; nothing more is told of it.
    pub fn drop_errand(&mut self, id: ErrandId, now: Instant) {
        self.stop(id, now);
        self.errands.remove(&id);
    }

    fn stop(&mut self, id: ErrandId, now: Instant) {
        let Some(errand) = self.errands.get_mut(&id) else { return };
        if let Some(transaction) = errand.running.take() {
            self.transactions.abandon(transaction, now);
        }
        if let Some(search) = errand.search.take() {
            self.searches.forget(search);
        }
    }

    /// What a request by `hop` says of us: an errand has a Contact of its own, which its answer is read by.
    pub(super) fn ourselves_for(&mut self, owner: Option<Owner>, hop: &Hop) -> Ourselves {
        let mut ourselves = self.ourselves(hop);
        if let Some(Owner::Errand(id)) = owner
            && let Some(errand) = self.errands.get_mut(&id)
        {
            ourselves.contact = errand.contact_at(&ourselves.contact);
            errand.contact.clone_from(&ourselves.contact);
        }
        ourselves
    }

    pub(super) fn on_errand_response(&mut self, id: ErrandId, response: &Response) {
        let status = response.status.code();
        let Some(errand) = self.errands.get_mut(&id).filter(|_| status >= 200) else { return };
        errand.running = None;
        let headers = &response.headers;
        let field =
            |name: &HeaderName| seconds(message::text(headers, name)?.as_bytes()).map(Duration::from_secs);
        let reply = Reply {
            status,
            expires: errand.expires(headers),
            min_expires: field(&HeaderName::MinExpires),
            retry_after: message::retry_after(headers),
        };
        self.events.push_back(Event::Replied(id, reply));
    }

    pub(super) fn on_errand_failure(&mut self, id: ErrandId, status: u16) {
        if let Some(errand) = self.errands.get_mut(&id) {
            errand.running = None;
            self.events.push_back(Event::Replied(id, Reply { status, ..Reply::default() }));
        }
    }
}

/// Seconds, at most what RFC 3261 §20.19 has room for.
fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    text.parse::<u32>().ok().map(u64::from)
}
