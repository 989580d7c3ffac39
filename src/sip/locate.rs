//! Finding a peer (RFC 3263 §4): from a SIP or SIPS URI to the transport addresses to try, the best first.
//!
//! A machine without sockets. It says what it still has to ask the DNS, is given the answers, and in the end
//! has the list. Aliases and caching are the resolver's part, and so is the time that an answer may take: what
//! came to nothing is an answer without records. NAPTR records that do not lead to SRV records (RFC 3403 §4.1,
//! a flag other than `s`) are passed over.

mod server;
mod srv;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use sipx_sip::{Host, Uri};

use super::{Domain, Transport};

/// The records of one answer that are looked at. A name with more has those of the best priority considered.
const RECORDS_MAX: usize = 32;
/// The services of one domain that are asked for, which are one for each transport and some to spare.
const SERVICES_MAX: usize = 6;
/// The hosts whose addresses are asked for.
const HOSTS_MAX: usize = 8;
/// The addresses of one host and family that are tried.
const ADDRESSES_MAX: usize = 4;
/// The length of a list.
const DESTINATIONS_MAX: usize = 16;
/// How long a list counts where nothing in it came from the DNS.
const ALWAYS: Duration = Duration::from_hours(24);

/// A way of sending that is open to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The transport.
    pub transport: Transport,
    /// Whether over IPv6; else over IPv4.
    pub ipv6: bool,
}

/// Whom to find: what of a URI matters for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sought {
    host: Place,
    port: Option<u16>,
    transport: Option<Transport>,
    secure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Address(IpAddr),
    Name(String),
}

/// Something to ask the DNS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// A domain name; with a dot at its end, a complete one.
    pub name: String,
    /// The kind of records.
    pub kind: Kind,
}

/// The kinds of records that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Which transports a domain prefers (RFC 3403).
    Naptr,
    /// Which hosts give a service (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// What the DNS says. Without records: there are none, or none could be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Records of the kind that was asked for; others are ignored.
    pub records: Vec<Record>,
    /// How long it may be relied on.
    pub valid_for: Duration,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A service of a domain, and under which name its hosts are found.
    Naptr {
        /// The lowest is taken, and no other (RFC 3403 §4.1).
        order: u16,
        /// Of one order, the lowest is tried first.
        preference: u16,
        /// What kind of name follows: `s` for SRV.
        flags: String,
        /// Such as `SIP+D2U` (RFC 3263 §4.1).
        service: String,
        /// The name.
        replacement: String,
    },
    /// A host that gives a service.
    Srv(Srv),
    /// An address.
    Address(IpAddr),
}

/// A host that gives a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Srv {
    /// The lowest is tried first.
    pub priority: u16,
    /// Of one priority, the share of those who try it first.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name; `.` says that nobody gives the service.
    pub target: String,
}

/// Where to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Destination {
    /// By which transport.
    pub transport: Transport,
    /// To which address.
    pub address: SocketAddr,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Located {
    /// Where to send, the best first; where that fails, to the next (RFC 3263 §4.3). Empty: nowhere.
    pub destinations: Vec<Destination>,
    /// How long this holds: the shortest time to live of all answers that led to it.
    pub valid_for: Duration,
}

/// What a search needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Answers to these, in any order.
    Ask(Vec<Question>),
    /// Nothing more.
    Found(Located),
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    sought: Sought,
    ways: Vec<Way>,
    answers: HashMap<Question, Answer>,
    rng: StdRng,
}

impl Sought {
    /// Reads a SIP or SIPS URI. `None` for another scheme, or where it asks for a transport that we do not know.
    pub fn parse(uri: &str) -> Option<Self> {
        Self::of(&Uri::parse(uri.to_owned().into()).ok()?)
    }

    pub(super) fn of(uri: &Uri) -> Option<Self> {
        if !uri.scheme().is_sip() {
            return None;
        }
        let secure = uri.scheme().is_secure();
        let transport = Transport::named_by(uri).ok()?;
        let host = match uri.params().and_then(|parameters| parameters.value("maddr")) {
            // RFC 3263 §4: where there is one, it is the target.
            Some(maddr) => Host::parse_hostport(&maddr.to_vec().into()).ok()?.0,
            None => uri.host()?.clone(),
        };
        Some(Self { host: Place::of(&host), port: uri.port(), transport, secure })
    }

    /// Where to send, if that can be told without asking anybody: the host is an IP literal.
    pub fn literal(&self) -> Option<Destination> {
        let Place::Address(ip) = self.host else { return None };
        let transport = self.usual_transport();
        let address = SocketAddr::new(ip, self.port.unwrap_or_else(|| transport.default_port()));
        Some(Destination { transport, address })
    }

    /// The domain that whoever is found has to prove itself to be, where TLS leads there.
    pub fn domain(&self) -> Option<Domain> {
        match &self.host {
            Place::Name(name) => Some(Domain::new(name.trim_end_matches('.'))),
            Place::Address(_) => None,
        }
    }

    /// RFC 3263 §4.1: where nothing tells another, UDP; and TLS for SIPS.
    fn usual_transport(&self) -> Transport {
        let usual = if self.secure { Transport::Tls } else { Transport::Udp };
        self.transport.unwrap_or(usual)
    }

    /// Whether a domain may choose this transport: any, but that SIPS is TLS (RFC 3263 §4.1).
    fn takes(&self, transport: Transport) -> bool {
        let wanted = self.transport.or(self.secure.then_some(Transport::Tls));
        wanted.is_none_or(|wanted| wanted == transport)
    }

    /// Whether a domain that has no NAPTR records is asked for hosts that speak this transport. RFC 3263 §4.1: of a SIP
    /// URI, under the service `_sip`, which is never TLS.
    fn asks_for(&self, transport: Transport) -> bool {
        self.takes(transport) && self.secure == (transport == Transport::Tls)
    }
}

impl Place {
    fn of(host: &Host) -> Self {
        match host {
            // RFC 5118 §4.9: an IPv4 address written as an IPv6 one is reached over IPv4.
            Host::Ip(ip) => Self::Address(ip.to_canonical()),
            Host::Name(name) => Self::named(&String::from_utf8_lossy(name.as_bytes())),
        }
    }

    fn named(name: &str) -> Self {
        // RFC 6761 §6.3: nobody need be asked for this one.
        if name.eq_ignore_ascii_case("localhost") {
            return Self::Address(Ipv4Addr::LOCALHOST.into());
        }
        let name = name.to_ascii_lowercase();
        // A name of one label may be short for one in the resolver's own domain; any other is complete.
        let complete = name.contains('.') && !name.ends_with('.');
        Self::Name(if complete { name + "." } else { name })
    }
}

/// What the names of a service's SRV records begin with (RFC 3263 §4.1).
fn prefix(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp.",
        Transport::Tcp => "_sip._tcp.",
        Transport::Tls => "_sips._tcp.",
    }
}

/// The transport of a NAPTR record's service.
fn transport_of(service: &str) -> Option<Transport> {
    let known = [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)];
    known.into_iter().find_map(|(name, transport)| name.eq_ignore_ascii_case(service).then_some(transport))
}

impl Search {
    /// Begins. `ways` stand in our order of preference, for domains that have none. Equal seeds give equal lists.
    pub fn new(sought: Sought, ways: &[Way], seed: u64) -> Self {
        Self { sought, ways: ways.to_vec(), answers: HashMap::new(), rng: StdRng::seed_from_u64(seed) }
    }

    /// What is needed next.
    pub fn step(&self) -> Step {
        let mut lacking = Vec::new();
        let mut destinations = self.destinations(&mut lacking);
        if !lacking.is_empty() {
            return Step::Ask(lacking);
        }
        destinations.truncate(DESTINATIONS_MAX);
        let valid_for = self.answers.values().map(|answer| answer.valid_for).min().unwrap_or(ALWAYS);
        Step::Found(Located { destinations, valid_for })
    }

    /// Takes an answer in.
    pub fn answer(&mut self, question: Question, mut answer: Answer) {
        if question.kind == Kind::Srv {
            let records = answer.records.into_iter().filter_map(|record| match record {
                Record::Srv(srv) => Some(srv),
                _ => None,
            });
            // The draw is made once, so that every step sees the same order.
            let ordered = srv::order(records.collect(), &mut self.rng);
            answer.records = ordered.into_iter().map(Record::Srv).collect();
        }
        answer.records.truncate(RECORDS_MAX);
        self.answers.insert(question, answer);
    }

    /// The list as far as the answers go; what they lack is noted.
    fn destinations(&self, lacking: &mut Vec<Question>) -> Vec<Destination> {
        if let Some(destination) = self.sought.literal() {
            return Some(destination).filter(|literal| self.has_way(literal)).into_iter().collect();
        }
        let Place::Name(name) = &self.sought.host else { return Vec::new() };
        let usual = self.sought.usual_transport();
        if let Some(port) = self.sought.port {
            return self.hosts([(usual, name.as_str(), port)], lacking);
        }
        let Some(services) = self.services(name, lacking) else { return Vec::new() };
        let mut asked = Vec::new();
        for (transport, service) in services {
            asked.extend(self.ask(&service, Kind::Srv, lacking).map(|answer| (transport, answer)));
        }
        if !lacking.is_empty() {
            return Vec::new();
        }
        if asked.iter().all(|(_, answer)| answer.records.is_empty()) {
            // RFC 3263 §4.2: no SRV records at all.
            return self.hosts([(usual, name.as_str(), usual.default_port())], lacking);
        }
        let targets = asked.iter().flat_map(|(transport, answer)| {
            answer.records.iter().filter_map(|record| match record {
                // RFC 2782: the root as target says that the service is decidedly not there.
                Record::Srv(srv) if srv.target != "." => Some((*transport, srv.target.as_str(), srv.port)),
                _ => None,
            })
        });
        self.hosts(targets, lacking)
    }

    /// Under which names to ask for SRV records, and which transport each stands for. `None`: not known yet.
    fn services(&self, name: &str, lacking: &mut Vec<Question>) -> Option<Vec<(Transport, String)>> {
        let of_name = |transport: Transport| (transport, format!("{}{name}", prefix(transport)));
        // RFC 3263 §4.1: who names a transport does not ask the domain for its preference.
        if let Some(transport) = self.sought.transport {
            return Some(vec![of_name(transport)]);
        }
        let preferred = self.preferred(&self.ask(name, Kind::Naptr, lacking)?.records);
        if !preferred.is_empty() {
            return Some(preferred);
        }
        let mut transports: Vec<Transport> = Vec::new();
        for way in &self.ways {
            if self.sought.asks_for(way.transport) && !transports.contains(&way.transport) {
                transports.push(way.transport);
            }
        }
        Some(transports.into_iter().map(of_name).collect())
    }

    /// Of the NAPTR records that lead to a service that we can use, those of the lowest order.
    fn preferred(&self, records: &[Record]) -> Vec<(Transport, String)> {
        let usable = records.iter().filter_map(|record| {
            let Record::Naptr { order, preference, flags, service, replacement } = record else {
                return None;
            };
            let transport = transport_of(service).filter(|&transport| self.uses(transport))?;
            let leads = flags.eq_ignore_ascii_case("s") && replacement != ".";
            leads.then(|| (*order, *preference, transport, replacement.clone()))
        });
        let mut usable: Vec<_> = usable.collect();
        usable.sort();
        let lowest = usable.first().map(|(order, ..)| *order);
        let first = usable.into_iter().take_while(|(order, ..)| Some(*order) == lowest);
        first.take(SERVICES_MAX).map(|(_, _, transport, name)| (transport, name)).collect()
    }

    /// The addresses of hosts, in their order.
    fn hosts<'n>(
        &self,
        hosts: impl IntoIterator<Item = (Transport, &'n str, u16)>,
        lacking: &mut Vec<Question>,
    ) -> Vec<Destination> {
        let mut found = Vec::new();
        for (transport, name, port) in hosts.into_iter().take(HOSTS_MAX) {
            // RFC 6724 §2.1 has IPv6 first, where there is a way for it.
            for (kind, ipv6) in [(Kind::Aaaa, true), (Kind::A, false)] {
                if !self.ways.contains(&Way { transport, ipv6 }) {
                    continue;
                }
                let Some(answer) = self.ask(name, kind, lacking) else { continue };
                let addresses = answer.records.iter().filter_map(|record| match record {
                    Record::Address(ip) if ip.is_ipv6() == ipv6 => Some(SocketAddr::new(*ip, port)),
                    _ => None,
                });
                for address in addresses.take(ADDRESSES_MAX) {
                    let destination = Destination { transport, address };
                    if !found.contains(&destination) {
                        found.push(destination);
                    }
                }
            }
        }
        found
    }

    /// The answer to a question; or the question is noted, once.
    fn ask(&self, name: &str, kind: Kind, lacking: &mut Vec<Question>) -> Option<&Answer> {
        let question = Question { name: name.to_owned(), kind };
        let answer = self.answers.get(&question);
        if answer.is_none() && !lacking.contains(&question) {
            lacking.push(question);
        }
        answer
    }

    fn uses(&self, transport: Transport) -> bool {
        self.sought.takes(transport) && self.ways.iter().any(|way| way.transport == transport)
    }

    fn has_way(&self, destination: &Destination) -> bool {
        let way = Way { transport: destination.transport, ipv6: destination.address.is_ipv6() };
        self.ways.contains(&way)
    }
}
