//! The DNS, for finding peers: asks what a search (RFC 3263) needs to know, and lets no search take long.
//!
//! The resolver keeps answers for as long as they hold, and just so that a name has no records of a kind
//! (RFC 2308), and follows aliases. It asks the name servers that the configuration names, else the system's.
#![expect(clippy::disallowed_methods, reason = "shell: searches are tasks")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::sip::{Answer, Kind, Located, Question, Record, Search, SearchId, Srv, Step};

/// Searches at a time. One more finds nothing, at once: its caller has somewhere else to send, or fails soon.
const SEARCHES_MAX: usize = 256;
/// Answers that are kept.
const ANSWERS_KEPT_MAX: u64 = 4096;
/// How long it is kept that there is nothing, at the most (RFC 2308 §5), so that a new record is soon seen.
const NOTHING_KEPT_MAX: Duration = Duration::from_mins(5);
/// How long a name server may take before it, or the next, is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often a question is asked again.
const ASK_AGAIN: usize = 2;
/// How long a whole search may take. What is not known by then counts as nothing.
const SEARCH_WITHIN: Duration = Duration::from_secs(5);

/// Asks the DNS. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Dns {
    resolver: Option<TokioResolver>,
    places: Arc<Semaphore>,
}

/// Searches beside the loop that wants to know.
pub struct Locator {
    dns: Dns,
    found: mpsc::Sender<(SearchId, Located)>,
}

/// What searches have found, for the loop to take.
pub type Found = mpsc::Receiver<(SearchId, Located)>;

impl Locator {
    /// One that asks by `dns`, and where its answers come out.
    pub fn new(dns: Dns) -> (Self, Found) {
        let (found, receiver) = mpsc::channel(SEARCHES_MAX);
        (Self { dns, found }, receiver)
    }

    /// Begins a search. What it finds comes out later, always.
    pub fn locate(&self, id: SearchId, search: Search) {
        let (dns, found) = (self.dns.clone(), self.found.clone());
        tokio::spawn(async move {
            let located = dns.locate(search).await;
            debug!("a peer known by name: {} addresses found", located.destinations.len());
            // Without a loop to hear it, nobody waits for it.
            drop(found.send((id, located)).await);
        });
    }
}

impl Dns {
    /// One that asks these name servers; where none is given, the system's. Where the system has none either,
    /// names lead nowhere.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(|&server| name_server(server)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        };
        let built = builder.and_then(|mut builder| {
            adjust(builder.options_mut());
            builder.build()
        });
        let resolver = built.inspect_err(|error| warn!("names of peers cannot be looked up: {error}")).ok();
        Self { resolver, places: Arc::new(Semaphore::new(SEARCHES_MAX)) }
    }

    /// Brings a search to its end.
    pub async fn locate(&self, search: Search) -> Located {
        let Ok(_place) = self.places.try_acquire() else {
            debug!("{SEARCHES_MAX} searches for peers are under way; one more finds nothing");
            return Located::default();
        };
        self.search(search, Instant::now() + SEARCH_WITHIN).await
    }

    /// The addresses of a name; none where it has none, or nobody tells in time.
    pub async fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let Ok(_place) = self.places.try_acquire() else { return Vec::new() };
        let deadline = Instant::now() + SEARCH_WITHIN;
        let questions = [Kind::A, Kind::Aaaa].map(|kind| Question { name: name.to_owned(), kind });
        let answers = questions.iter().map(|question| timeout_at(deadline, self.ask(question)));
        let records = join_all(answers).await.into_iter().flatten().flat_map(|answer| answer.records);
        let address = |record| if let Record::Address(address) = record { Some(address) } else { None };
        records.filter_map(address).collect()
    }

    async fn search(&self, mut search: Search, deadline: Instant) -> Located {
        loop {
            let questions = match search.step() {
                Step::Found(located) => return located,
                Step::Ask(questions) => questions,
            };
            let answers = questions.iter().map(|question| timeout_at(deadline, self.ask(question)));
            for (question, answer) in questions.iter().zip(join_all(answers).await) {
                search.answer(question.clone(), answer.unwrap_or_default());
            }
        }
    }

    async fn ask(&self, question: &Question) -> Answer {
        let Some(resolver) = &self.resolver else { return Answer::default() };
        match resolver.lookup(question.name.as_str(), record_type(question.kind)).await {
            Ok(found) => answer(&found),
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
                let seconds = nothing.negative_ttl.unwrap_or_default();
                let valid_for = Duration::from_secs(seconds.into()).min(NOTHING_KEPT_MAX);
                Answer { records: Vec::new(), valid_for }
            }
            Err(error) => {
                debug!("the DNS did not answer: {error}");
                Answer::default()
            }
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}

fn adjust(options: &mut ResolverOpts) {
    options.cache_size = ANSWERS_KEPT_MAX;
    options.negative_max_ttl = Some(NOTHING_KEPT_MAX);
    options.timeout = ASK_AGAIN_AFTER;
    options.attempts = ASK_AGAIN;
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    }
}

fn answer(found: &Lookup) -> Answer {
    let records = found.answers().iter().filter_map(|record| read(&record.data));
    Answer {
        records: records.collect(),
        valid_for: found.valid_until().saturating_duration_since(Instant::now().into_std()),
    }
}

fn read(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match data {
        RData::A(address) => Some(Record::Address(IpAddr::V4(address.0))),
        RData::AAAA(address) => Some(Record::Address(IpAddr::V6(address.0))),
        RData::SRV(srv) => Some(Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        })),
        RData::NAPTR(naptr) => Some(Record::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: naptr.replacement.to_ascii(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;
    use crate::sip::{Sought, Transport, Way};

    fn search(uri: &str) -> Search {
        let ways = [Way { transport: Transport::Udp, ipv6: false }];
        Search::new(Sought::parse(uri).expect("a URI"), &ways, 1)
    }

    async fn silent_server() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.expect("bound")
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_says_nothing_is_waited_for_so_long_and_no_longer() {
        let server = silent_server().await;
        let dns = Dns::new(&[server.local_addr().expect("an address")]);
        let begun = Instant::now();
        assert_eq!(dns.locate(search("sip:a@silent.example")).await, Located::default());
        assert!(begun.elapsed() <= SEARCH_WITHIN + Duration::from_millis(10), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_address_is_found_without_asking() {
        let located =
            Dns::new(&["127.0.0.1:1".parse().expect("an address")]).locate(search("sip:a@127.0.0.1")).await;
        assert_eq!(located.destinations.len(), 1);
    }

    #[tokio::test]
    async fn one_search_too_many_finds_nothing_and_delays_nobody() {
        let dns = Dns::new(&["127.0.0.1:1".parse().expect("an address")]);
        let _taken = dns.places.try_acquire_many(SEARCHES_MAX as u32).expect("all places");
        assert_eq!(dns.locate(search("sip:a@127.0.0.1")).await, Located::default());
    }
}
