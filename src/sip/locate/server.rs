//! Servers as configurations name them: `sip.carrier.example`, `tcp:sip.carrier.example:5070`, `203.0.113.1`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use sipx_sip::Uri;

use super::{Place, Sought, Transport};

/// The longest name and the longest label of one (RFC 1035 §2.3.4), in bytes.
const NAME_LENGTH_MAX: usize = 253;
const LABEL_LENGTH_MAX: usize = 63;

impl Sought {
    /// Reads a server: a domain or an IP address, with `udp:`, `tcp:` or `tls:` before it and a port behind it, or
    /// without. Of a domain that leaves them out, the DNS tells them; of an address, they are UDP, and SIP's own port.
    pub fn server(text: &str) -> Option<Self> {
        let named = text.split_once(':').and_then(|(name, rest)| Some((Transport::parse(name)?, rest)));
        let (transport, place) = named.map_or((None, text), |(transport, rest)| (Some(transport), rest));
        let (host, port) = host_and_port(place)?;
        Some(Self { host, port, transport, secure: false }.settled())
    }

    /// The server that a URI leads to.
    pub(in crate::sip) fn server_of(uri: &Uri) -> Option<Self> {
        Self::of(uri).map(Self::settled)
    }

    /// With all that is known of it, so that two who lead to one address are equal.
    fn settled(self) -> Self {
        match self.literal() {
            Some(it) => Self { port: Some(it.address.port()), transport: Some(it.transport), ..self },
            None => self,
        }
    }

    /// Its URI: what a request that is for the server itself names (RFC 3261 §11.1).
    pub fn uri(&self) -> String {
        let scheme = if self.secure { "sips" } else { "sip" };
        let is_usual = |transport| self.secure || (self.literal().is_some() && transport == Transport::Udp);
        match self.transport.filter(|&transport| !is_usual(transport)) {
            Some(transport) => format!("{scheme}:{self};transport={transport}"),
            None => format!("{scheme}:{self}"),
        }
    }

    /// By which transport it is reached; `None` where its domain may choose.
    pub fn transport(&self) -> Option<Transport> {
        let chooses = self.transport.is_none() && self.port.is_none() && !self.secure;
        (!chooses).then(|| self.usual_transport())
    }
}

/// The host, and the port where there is one.
impl fmt::Display for Sought {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (Place::Name(name), None) => formatter.write_str(name.trim_end_matches('.')),
            (Place::Name(name), Some(port)) => write!(formatter, "{}:{port}", name.trim_end_matches('.')),
            (Place::Address(IpAddr::V6(ip)), None) => write!(formatter, "[{ip}]"),
            (Place::Address(ip), None) => write!(formatter, "{ip}"),
            (Place::Address(ip), Some(port)) => write!(formatter, "{}", SocketAddr::new(*ip, port)),
        }
    }
}

fn host_and_port(text: &str) -> Option<(Place, Option<u16>)> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some((Place::Address(ip.to_canonical()), None));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((Place::Address(address.ip().to_canonical()), Some(address.port())));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse::<NonZeroU16>().ok()?.get())),
        None => (text, None),
    };
    is_domain(name).then(|| (Place::named(name), port))
}

/// RFC 3261 §25.1, `hostname`: the last label begins with a letter, or it would be a broken address.
fn is_domain(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_LENGTH_MAX
        && name.split('.').all(is_label)
        && top.starts_with(|letter: char| letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_or_an_address_with_what_is_known_of_it() {
        let table = [
            ("sip.carrier.example", "sip:sip.carrier.example", None),
            ("SIP.Carrier.Example.", "sip:sip.carrier.example", None),
            ("pbx", "sip:pbx", None),
            ("sip.carrier.example:5070", "sip:sip.carrier.example:5070", Some(Transport::Udp)),
            ("tcp:sip.carrier.example", "sip:sip.carrier.example;transport=tcp", Some(Transport::Tcp)),
            ("udp:sip.carrier.example", "sip:sip.carrier.example;transport=udp", Some(Transport::Udp)),
            ("TLS:a.example:5071", "sip:a.example:5071;transport=tls", Some(Transport::Tls)),
            ("203.0.113.5", "sip:203.0.113.5:5060", Some(Transport::Udp)),
            ("udp:203.0.113.5:5060", "sip:203.0.113.5:5060", Some(Transport::Udp)),
            ("tls:203.0.113.5", "sip:203.0.113.5:5061;transport=tls", Some(Transport::Tls)),
            ("2001:db8::5", "sip:[2001:db8::5]:5060", Some(Transport::Udp)),
            ("tcp:[2001:db8::5]:5070", "sip:[2001:db8::5]:5070;transport=tcp", Some(Transport::Tcp)),
            ("localhost:5070", "sip:127.0.0.1:5070", Some(Transport::Udp)),
        ];
        for (text, uri, transport) in table {
            let server = Sought::server(text).unwrap_or_else(|| panic!("{text} is a server"));
            assert_eq!((server.uri().as_str(), server.transport()), (uri, transport), "{text}");
            let again = Uri::parse(uri.to_owned().into()).ok().and_then(|uri| Sought::server_of(&uri));
            assert_eq!(again, Some(server), "{text}");
        }
        let secure = Uri::parse("sips:carrier.example".into()).ok().and_then(|uri| Sought::server_of(&uri));
        let secure = secure.expect("a URI that leads somewhere");
        assert_eq!(
            (secure.uri().as_str(), secure.transport()),
            ("sips:carrier.example", Some(Transport::Tls))
        );
    }

    #[test]
    fn what_is_no_server_is_none() {
        let long = format!("{}.example", "a".repeat(64));
        let table = [
            "",
            ".",
            "a..example",
            "-a.example",
            "a_b.example",
            "a b.example",
            "sip:a.example",
            "me@a.example",
            "a.example:0",
            "a.example:65536",
            "a.example:sip",
            "203.0.113.256",
            "203.0.113",
            "tcp:",
            "sctp:a.example",
            "a.example;transport=tcp",
            long.as_str(),
        ];
        for text in table {
            assert_eq!(Sought::server(text), None, "{text}");
        }
    }
}
