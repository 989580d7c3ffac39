//! From where certificates are fetched, and from where not: by the URL that a peer has written, and again by the addresses
//! that its host turns out to have.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::super::dns::Dns;
use super::Config;
use crate::stir::Fault;

/// The ports of repositories (ATIS-1000080 §5.2.2.3).
const PORTS: [u16; 2] = [443, 8443];

/// Hosts from which certificates are fetched: one, or all below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(String);

impl HostPattern {
    /// Reads `host.example`, or `*.example`; `None` where it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let host = text.strip_prefix("*.").unwrap_or(&text);
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        (host.split('.').all(is_label) || host.parse::<IpAddr>().is_ok()).then_some(Self(text))
    }

    fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(domain) => host.strip_suffix(domain).is_some_and(|label| !label.is_empty()),
            None => self.0 == host,
        }
    }
}

/// Whom to let through.
#[derive(Debug, Clone)]
pub(super) struct Door {
    hosts: Option<Vec<HostPattern>>,
    local_hosts: Vec<String>,
}

impl Door {
    pub fn new(config: &Config) -> Self {
        Self { hosts: config.hosts.clone(), local_hosts: config.local_hosts.clone() }
    }

    /// The URL, where certificates are fetched from there. One place has one URL: what else may stand in one
    /// (ATIS-1000080 §5.2.2.3 has nothing) would make many of it.
    pub fn admit(&self, place: &str) -> Option<Url> {
        let url = Url::parse(place).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let is_known =
            self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|pattern| pattern.matches(&host)));
        let is_outside = host.parse().map_or(true, is_public)
            && url.port_or_known_default().is_some_and(|port| PORTS.contains(&port));
        let is_open = self.is_local(&host) || (is_known && is_outside);
        (url.scheme() == "https" && is_bare && is_open).then_some(url)
    }

    fn is_local(&self, host: &str) -> bool {
        self.local_hosts.iter().any(|local| local == host)
    }
}

/// Looks names up, and leads to no address that is not the public's, unless the host is one of our own.
pub(super) struct Resolver {
    dns: Dns,
    door: Door,
}

/// A host has addresses, and none of them is the public's.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
struct NotPublic;

/// A host has no address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address")]
struct NoAddress;

impl Resolver {
    pub fn new(dns: Dns, door: Door) -> Self {
        Self { dns, door }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (dns, host) = (self.dns.clone(), name.as_str().to_owned());
        let is_local = self.door.is_local(&host.to_ascii_lowercase());
        Box::pin(async move {
            let found = dns.addresses(&host).await;
            let none = found.is_empty();
            let open = found.into_iter().filter(move |address| is_local || is_public(*address));
            // Port 0 stands for the URL's.
            let mut open = open.map(|address| SocketAddr::new(address, 0)).peekable();
            match open.peek() {
                Some(_) => Ok(Box::new(open) as Addrs),
                None if none => Err(NoAddress.into()),
                None => Err(NotPublic.into()),
            }
        })
    }
}

/// What a failed request comes to.
pub(super) fn fault(error: &reqwest::Error) -> Fault {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<NotPublic>() {
            return Fault::NotAllowed;
        }
        cause = inner.source();
    }
    Fault::Unreachable
}

/// Whether an address is one of the public's network (RFC 6890 and what IANA has added to it), not one of this machine's,
/// of a private network, or of the metadata services that clouds have inside.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !CLOSED_V4.iter().any(|network| network.contains(&address))
}

/// Of the addresses that are handed out for the public (`2000::/3`), those that are not.
fn is_public_v6(address: Ipv6Addr) -> bool {
    v6([0x2000, 0], 3).contains(&address) && !CLOSED_V6.iter().any(|network| network.contains(&address))
}

const CLOSED_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Where Azure's machines find their metadata, which is an address like any other.
    v4([168, 63, 129, 16], 32),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Multicast, and what is set aside behind it.
    v4([224, 0, 0, 0], 3),
];

/// Protocols' own (Teredo among them), documentation, 6to4.
const CLOSED_V6: [Ipv6Net; 4] =
    [v6([0x2001, 0], 23), v6([0x2001, 0xdb8], 32), v6([0x2002, 0], 16), v6([0x3fff, 0], 20)];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b]: [u16; 2], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_publics_addresses_are_public() {
        let table = [
            ("8.8.8.8", true),
            ("100.63.0.1", true),
            ("172.32.0.1", true),
            ("192.0.1.1", true),
            ("2606:4700::1111", true),
            ("2001:4860:4860::8888", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("100.100.100.200", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("172.31.255.255", false),
            ("192.0.0.192", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("203.0.113.7", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
        ];
        for (address, expected) in table {
            assert_eq!(is_public(address.parse().expect("an address")), expected, "{address}");
        }
    }

    #[test]
    fn hosts_are_one_or_all_below_a_domain() {
        let table = [
            ("a.example", "a.example", true),
            ("A.Example", "a.example", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.example", true),
            ("*.example", "b.a.example", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "badexample", false),
        ];
        for (pattern, host, expected) in table {
            let pattern = HostPattern::parse(pattern).expect("a pattern");
            assert_eq!(pattern.matches(host), expected, "{pattern:?} {host}");
        }
        for text in ["", "*", "*.", "a..b", "https://a.example", "a.example/", "*.*.example", "a b"] {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_door_is_narrow() {
        let open = Door::new(&Config::default());
        let hosts = Some(vec![HostPattern::parse("*.good.example").expect("a pattern")]);
        let local_hosts = vec!["127.0.0.1".to_owned(), "own.example".to_owned(), "::1".to_owned()];
        let listed = Door::new(&Config { hosts, local_hosts, trust: None });
        let table = [
            ("https://a.good.example/a.pem", true, true),
            ("https://a.good.example:8443/a.pem", true, true),
            ("https://other.example/a.pem", true, false),
            ("https://127.0.0.1/a.pem", false, true),
            ("https://127.0.0.1:4443/a.pem", false, true),
            ("https://own.example:4443/a.pem", false, true),
            ("https://[::1]:4443/a.pem", false, true),
            ("https://[::ffff:127.0.0.1]/a.pem", false, false),
            ("https://2130706433/a.pem", false, true),
            ("https://0x7f.2/a.pem", false, false),
            ("https://169.254.169.254/latest/meta-data/", false, false),
            ("https://a.good.example:22/a.pem", false, false),
            ("http://a.good.example/a.pem", false, false),
            ("ftp://a.good.example/a.pem", false, false),
            ("file:///etc/passwd", false, false),
            ("https://user@a.good.example/a.pem", false, false),
            ("https://a.good.example/a.pem?again=1", false, false),
            ("https://a.good.example/a.pem#1", false, false),
            ("//a.good.example/a.pem", false, false),
            ("", false, false),
        ];
        for (place, by_open, by_listed) in table {
            let admitted = (open.admit(place).is_some(), listed.admit(place).is_some());
            assert_eq!(admitted, (by_open, by_listed), "{place}");
        }
    }
}
