//! Hops: by which transport, and between which two addresses, a message travels; and where we are, as the peer at
//! the other end of a hop sees it (RFC 3261 §18, RFC 3581, RFC 5923).
//!
//! No name is resolved and nothing is opened here: a hop says what is wanted, and the shell has the sockets.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sipx_sip::{Host, Reliability, Uri};

use super::locate::Way;

/// How SIP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams. Whatever is lost is sent again by SIP itself.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
}

impl Transport {
    /// Its name in Via (RFC 3261 §20.42).
    pub fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Its name in a URI's `transport` parameter, in the configuration and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Reads a URI's `transport` parameter, in any case of letters; `None` for what we do not speak.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls]
            .into_iter()
            .find(|transport| transport.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether it is a stream, which loses nothing while it lasts.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }

    /// Where it is spoken when no port is named (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// How much RFC 3261 §17 leaves to it.
    pub(super) fn reliability(self) -> Reliability {
        if self.is_stream() { Reliability::Reliable } else { Reliability::Unreliable }
    }

    /// What the `transport` parameter of a URI asks for (RFC 3261 §19.1.1); `Ok(None)` where there is none.
    pub(super) fn named_by(uri: &Uri) -> Result<Option<Self>, NotSpoken> {
        let Some(name) = uri.transport() else { return Ok(None) };
        let named = Self::parse(&String::from_utf8_lossy(name)).ok_or(NotSpoken)?;
        // RFC 3261 §26.2.2: a SIPS URI is reached by TLS, whatever it says is below that.
        Ok(Some(if uri.scheme().is_secure() { Self::Tls } else { named }))
    }

    /// What a URI asks for by its parameter or its scheme; `Ok(None)` where it leaves us the choice.
    pub(super) fn of_uri(uri: &Uri) -> Result<Option<Self>, NotSpoken> {
        let by_scheme = || uri.scheme().is_secure().then_some(Self::Tls);
        Ok(Self::named_by(uri)?.or_else(by_scheme))
    }
}

/// A URI asks for a transport that we do not speak: nothing else would reach what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSpoken;

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Names one connection of a stream transport for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The way between us and one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    /// By what.
    pub transport: Transport,
    /// Our end: the address at which the peer reached us, or from which we are to reach it. Never a wildcard. Port 0
    /// where a connection is to be opened from any port.
    pub local: SocketAddr,
    /// The peer's end.
    pub peer: SocketAddr,
    /// The connection to use while it lasts; once it is gone, and where there is none, any other to `peer`.
    pub connection: Option<ConnectionId>,
}

impl Hop {
    /// A hop by UDP.
    pub fn udp(local: SocketAddr, peer: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, peer, connection: None }
    }

    /// The same way to another port or address.
    pub(super) fn to(self, peer: SocketAddr) -> Self {
        Self { peer, ..self }
    }
}

/// The domain for which the certificate of a TLS peer has to be (RFC 5922 §7.2): the one that the peer was sought by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain(Arc<str>);

impl Domain {
    /// A domain name, without a dot at its end.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// By which way.
    pub hop: Hop,
    /// Whom a TLS peer has to be; `None`: whoever has its address. Other transports prove nothing, and have none.
    pub domain: Option<Domain>,
    /// The whole message.
    pub payload: Vec<u8>,
}

impl Transmit {
    /// A message to whoever is at the other end of `hop`.
    pub fn new(hop: Hop, payload: Vec<u8>) -> Self {
        Self { hop, domain: None, payload }
    }

    /// A message to a peer that was sought by its domain.
    pub fn to(hop: Hop, domain: Option<&Domain>, payload: Vec<u8>) -> Self {
        Self { hop, domain: proven(&hop, domain).cloned(), payload }
    }

    /// Whether it answers a request, by its first word (RFC 3261 §7.2).
    pub fn is_response(&self) -> bool {
        self.payload.starts_with(b"SIP/")
    }
}

/// A place where we listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// For what.
    pub transport: Transport,
    /// The address that is bound, perhaps a wildcard.
    pub address: SocketAddr,
    /// The address that peers we have not heard from know it by, if `address` is a wildcard: else the same.
    pub own: IpAddr,
}

/// Where we are on the network, as peers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// Where we listen; at least one.
    pub listeners: Vec<Listener>,
    /// What peers outside of the local networks know us by, behind a NAT. Port 0: the listener's own.
    pub external: Option<SocketAddr>,
    /// The networks whose members reach us without the NAT.
    pub local_networks: Vec<IpNet>,
}

impl Whereabouts {
    /// One UDP address and no NAT.
    pub fn udp(address: SocketAddr) -> Self {
        let listener = Listener { transport: Transport::Udp, address, own: address.ip() };
        Self { listeners: vec![listener], external: None, local_networks: Vec::new() }
    }

    /// Whether a NAT, if there is one, stands between us and this peer.
    pub fn is_outside(&self, peer: IpAddr) -> bool {
        !self.is_inside(peer)
    }

    fn is_inside(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.local_networks.iter().any(|network| network.contains(&address))
    }

    /// The address at which the peer of a hop reaches us: what Via and Contact say to it.
    pub fn seen_by(&self, hop: &Hop) -> SocketAddr {
        let listener = self.listener_of(hop);
        let port = listener.map_or(hop.local.port(), |listener| listener.address.port());
        match self.external {
            Some(external) if self.is_outside(hop.peer.ip()) => {
                // The one port that a NAT maps for us is that of UDP and TCP; TLS has its own.
                let mapped = external.port() != 0 && hop.transport != Transport::Tls;
                SocketAddr::new(external.ip(), if mapped { external.port() } else { port })
            }
            _ => SocketAddr::new(hop.local.ip(), port),
        }
    }

    /// The listener that a hop belongs to, or one like it: a connection of our own making leaves from another port,
    /// and perhaps by a transport that we listen to nowhere.
    fn listener_of(&self, hop: &Hop) -> Option<&Listener> {
        let likeness = |listener: &&Listener| {
            let address = listener.address;
            let here = address.ip() == hop.local.ip() || address.ip().is_unspecified();
            (listener.transport == hop.transport, here, address.port() == hop.local.port())
        };
        let of_family = self.listeners.iter().filter(|it| it.address.is_ipv4() == hop.local.is_ipv4());
        // Of several alike, the first.
        of_family.rev().max_by_key(likeness)
    }

    /// The way to a peer by a transport; `None` where we have no address of the peer's family.
    pub fn hop_to(&self, transport: Transport, peer: SocketAddr) -> Option<Hop> {
        let of_family = || self.listeners.iter().filter(|it| it.address.is_ipv4() == peer.is_ipv4());
        let listener = of_family().find(|listener| listener.transport == transport);
        let port = listener.map_or(0, |listener| listener.address.port());
        if transport == Transport::Udp && port == 0 {
            return None;
        }
        let listener = listener.or_else(|| of_family().next())?;
        let wildcard = listener.address.ip().is_unspecified();
        let ip = match peer.ip() {
            // What is sent to this machine itself leaves from the address that it goes to.
            ip if wildcard && ip.is_loopback() => ip,
            _ => listener.own,
        };
        Some(Hop { transport, local: SocketAddr::new(ip, port), peer, connection: None })
    }

    /// The ways of sending that are open to us, UDP first. A stream can be opened from any address; a datagram leaves
    /// from where we listen for them.
    pub fn ways(&self) -> Vec<Way> {
        let families = |transport: Transport| {
            [true, false].into_iter().filter(move |&ipv6| {
                let of_family = |it: &Listener| it.address.is_ipv6() == ipv6;
                let serves = |it: &Listener| transport.is_stream() || it.transport == transport;
                self.listeners.iter().any(|it| of_family(it) && serves(it))
            })
        };
        let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let way = |transport| families(transport).map(move |ipv6| Way { transport, ipv6 });
        transports.into_iter().flat_map(way).collect()
    }

    /// The way to what a URI names, from a peer that we have heard from by `heard`: its own, wherever that is no
    /// worse than what the URI says.
    pub(super) fn way(&self, uri: &Uri, heard: &Hop) -> Hop {
        // What asks for a transport that we do not speak is reached by the one that it has spoken, or not at all.
        let Ok(named) = Transport::of_uri(uri) else { return *heard };
        let transport = named.unwrap_or(Transport::Udp);
        let Some(address) = literal_address(uri, transport) else { return *heard };
        self.way_to(transport, address, named, heard)
    }

    /// As [`Self::way`], where it is known already which address the URI leads to, and by which transport; `named` is
    /// the one that the URI itself names.
    pub(super) fn way_to(
        &self,
        transport: Transport,
        address: SocketAddr,
        named: Option<Transport>,
        heard: &Hop,
    ) -> Hop {
        let same_host = address.ip() == heard.peer.ip();
        // A connection that is up already leads there, and through whatever NAT is in between (RFC 5923). Peers
        // that call by TCP and leave `transport` out of their Contact mean TCP.
        if same_host && heard.transport.is_stream() && named.is_none_or(|it| it == heard.transport) {
            return *heard;
        }
        // RFC 3581's reasoning, for requests: a private address of somebody who is not in a local network is the
        // inside of their NAT, and leads nowhere.
        if !same_host && is_private(address.ip()) && !is_private(heard.peer.ip()) {
            return *heard;
        }
        if transport == heard.transport && address.is_ipv4() == heard.local.is_ipv4() {
            return Hop { connection: None, ..heard.to(address) };
        }
        self.hop_to(transport, address).unwrap_or(*heard)
    }
}

/// The domain that the peer of a hop has to prove itself to be, where its transport lets it.
pub(super) fn proven<'d>(hop: &Hop, domain: Option<&'d Domain>) -> Option<&'d Domain> {
    domain.filter(|_| hop.transport == Transport::Tls)
}

/// Addresses that only their own network can reach: loopback, RFC 1918, RFC 4193, RFC 6598, link-local.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let shared = first == 100 && second & 0xC0 == 64;
            address.is_loopback() || address.is_private() || address.is_link_local() || shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// The transport address that a URI names, where its host is an IP literal.
pub fn literal_address(uri: &Uri, transport: Transport) -> Option<SocketAddr> {
    match uri.host()? {
        // RFC 5118 §4.9: an IPv4 address written as an IPv6 one is reached over IPv4.
        Host::Ip(ip) => {
            Some(SocketAddr::new(ip.to_canonical(), uri.port().unwrap_or(transport.default_port())))
        }
        Host::Name(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text.to_owned().into()).expect("a URI")
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn hop(text: &str) -> Hop {
        let mut words = text.split(' ');
        let mut word = || words.next().expect("transport, local, peer");
        let (transport, local, peer) = (word(), at(word()), at(word()));
        let transport = Transport::parse(transport).expect("a transport");
        Hop { transport, local, peer, connection: transport.is_stream().then_some(ConnectionId(7)) }
    }

    fn shown(hop: &Hop) -> String {
        let connected = if hop.connection.is_some() { " connected" } else { "" };
        format!("{} {} {}{connected}", hop.transport, hop.local, hop.peer)
    }

    fn whereabouts() -> Whereabouts {
        let listener = |transport, address: &str, own: &str| {
            let (address, own) = (at(address), own.parse().expect("an address"));
            Listener { transport, address, own }
        };
        Whereabouts {
            listeners: vec![
                listener(Transport::Udp, "0.0.0.0:5060", "10.0.0.5"),
                listener(Transport::Udp, "10.0.0.6:5070", "10.0.0.6"),
                listener(Transport::Tcp, "0.0.0.0:5060", "10.0.0.5"),
                listener(Transport::Tls, "10.0.0.5:5061", "10.0.0.5"),
                listener(Transport::Udp, "[2001:db8::5]:5060", "2001:db8::5"),
            ],
            external: Some(at("198.51.100.9:0")),
            local_networks: ["10.0.0.0/8", "2001:db8::/32"]
                .map(|text| text.parse().expect("a network"))
                .into(),
        }
    }

    #[test]
    fn peers_outside_are_told_the_external_address() {
        let whereabouts = whereabouts();
        let table = [
            ("udp 10.0.0.5:5060 10.1.2.3:5060", "10.0.0.5:5060"),
            ("udp 10.0.0.6:5070 10.1.2.3:5060", "10.0.0.6:5070"),
            ("udp 10.0.0.5:5060 203.0.113.7:5060", "198.51.100.9:5060"),
            ("tcp 10.0.0.5:41234 203.0.113.7:5060", "198.51.100.9:5060"),
            ("tcp 10.0.0.5:41234 10.1.2.3:5060", "10.0.0.5:5060"),
            ("tls 10.0.0.5:41234 203.0.113.7:5061", "198.51.100.9:5061"),
            ("udp 127.0.0.1:5060 127.0.0.1:7000", "127.0.0.1:5060"),
            ("tcp [2001:db8::5]:41234 [2001:db8::7]:5060", "[2001:db8::5]:5060"),
        ];
        for (text, seen) in table {
            assert_eq!(whereabouts.seen_by(&hop(text)).to_string(), seen, "{text}");
        }
        // A connection of our own where we listen by UDP alone: what it says of us is where we are heard, never port 0.
        let udp = Whereabouts::udp(at("10.0.0.5:5060"));
        let way = udp.hop_to(Transport::Tcp, at("10.1.2.3:5060")).expect("a stream can be opened");
        assert_eq!((way.local.port(), udp.seen_by(&way)), (0, at("10.0.0.5:5060")));
        let mapped = Whereabouts { external: Some(at("198.51.100.9:6060")), ..whereabouts };
        assert_eq!(mapped.seen_by(&hop("udp 10.0.0.5:5060 203.0.113.7:5060")), at("198.51.100.9:6060"));
        assert_eq!(mapped.seen_by(&hop("tls 10.0.0.5:5061 203.0.113.7:5060")), at("198.51.100.9:5061"));
    }

    #[test]
    fn a_way_to_somebody_new_leaves_from_an_address_of_the_same_family() {
        let whereabouts = whereabouts();
        let table = [
            (Transport::Udp, "203.0.113.7:5060", Some("udp 10.0.0.5:5060 203.0.113.7:5060")),
            (Transport::Udp, "127.0.0.9:5060", Some("udp 127.0.0.9:5060 127.0.0.9:5060")),
            (Transport::Tcp, "203.0.113.7:5060", Some("tcp 10.0.0.5:5060 203.0.113.7:5060")),
            (Transport::Udp, "[2001:db8::7]:5060", Some("udp [2001:db8::5]:5060 [2001:db8::7]:5060")),
            (Transport::Tcp, "[2001:db8::7]:5060", Some("tcp [2001:db8::5]:0 [2001:db8::7]:5060")),
        ];
        for (transport, peer, expected) in table {
            let hop = whereabouts.hop_to(transport, at(peer));
            assert_eq!(hop.as_ref().map(shown).as_deref(), expected, "{transport} {peer}");
        }
        let udp = Whereabouts::udp(at("192.0.2.1:5060"));
        assert_eq!(udp.hop_to(Transport::Udp, at("[2001:db8::7]:5060")), None);
    }

    #[test]
    fn requests_follow_the_uri_unless_the_way_they_came_is_better() {
        let whereabouts = whereabouts();
        let udp = "udp 10.0.0.5:5060 203.0.113.7:1024";
        let tcp = "tcp 10.0.0.5:5060 203.0.113.7:41000";
        let tcp_connected = "tcp 10.0.0.5:5060 203.0.113.7:41000 connected";
        let table = [
            // A Contact is where its peer wants its requests.
            (udp, "sip:a@203.0.113.7:5062", "udp 10.0.0.5:5060 203.0.113.7:5062"),
            (udp, "sip:a@203.0.113.8", "udp 10.0.0.5:5060 203.0.113.8:5060"),
            (udp, "sip:a@203.0.113.8;transport=tcp", "tcp 10.0.0.5:5060 203.0.113.8:5060"),
            (udp, "sips:a@203.0.113.8", "tls 10.0.0.5:5061 203.0.113.8:5061"),
            // The inside of a NAT that is not ours.
            (udp, "sip:a@192.168.1.20:5060", udp),
            // Names are not for this file.
            (udp, "sip:a@phone.example", udp),
            // An address that we cannot reach.
            (
                "udp 10.0.0.5:5060 10.0.0.9:5060",
                "sip:a@[2001:db8::7]",
                "udp [2001:db8::5]:5060 [2001:db8::7]:5060",
            ),
            // A connection that is up is used again.
            (tcp, "sip:a@203.0.113.7:5060;transport=tcp", tcp_connected),
            (tcp, "sip:a@203.0.113.7", tcp_connected),
            (tcp, "sip:a@192.168.1.20:5060;transport=tcp", tcp_connected),
            (tcp, "sip:a@203.0.113.7;transport=udp", "udp 10.0.0.5:5060 203.0.113.7:5060"),
            (tcp, "sip:a@203.0.113.8;transport=tcp", "tcp 10.0.0.5:5060 203.0.113.8:5060"),
            // SIPS is TLS, whatever else it says; and what we do not speak is not reached by what it did not ask for.
            (udp, "sips:a@203.0.113.8;transport=udp", "tls 10.0.0.5:5061 203.0.113.8:5061"),
            (udp, "sips:a@203.0.113.8;transport=TCP", "tls 10.0.0.5:5061 203.0.113.8:5061"),
            (udp, "sip:a@203.0.113.8;transport=sctp", udp),
            (tcp, "sip:a@203.0.113.8:5070;transport=ws", tcp_connected),
        ];
        for (heard, text, expected) in table {
            assert_eq!(shown(&whereabouts.way(&uri(text), &hop(heard))), expected, "{text} heard by {heard}");
        }
    }

    #[test]
    fn only_literals_name_an_address() {
        let udp = |text| literal_address(&uri(text), Transport::Udp);
        assert_eq!(udp("sip:a@192.0.2.1"), Some(at("192.0.2.1:5060")));
        assert_eq!(udp("sip:a@[2001:db8::1]:5070"), Some(at("[2001:db8::1]:5070")));
        assert_eq!(udp("sip:a@[::ffff:192.0.2.1]"), Some(at("192.0.2.1:5060")));
        assert_eq!(udp("sip:a@example.com"), None);
        assert_eq!(udp("tel:+12025550101"), None);
        assert_eq!(literal_address(&uri("sips:a@192.0.2.1"), Transport::Tls), Some(at("192.0.2.1:5061")));
    }
}
