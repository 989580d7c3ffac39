//! SIP addresses as the test caller needs them: whom to find, and what a Refer-To asks for (RFC 3261 §19.1).
//!
//! Not a parser of every SIP URI: `tel:` and transports that we do not speak are refused, and a password or a
//! parameter is passed on unread.

use percent_encoding::percent_decode_str;

use crate::sip::{Sought, Transport};

/// Header fields that a Refer-To may put into the INVITE. Anything else could forge who we are or where the
/// call goes (RFC 3261 §19.1.5 says to be as careful).
const HEADERS_TAKEN: [&str; 1] = ["User-to-User"];
/// Prefix of the further header fields that are taken.
const HEADER_PREFIX_TAKEN: &str = "X-";

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The URI without its header fields: a Request-URI.
    pub uri: String,
    /// The header fields that the URI asks for, decoded.
    pub headers: Vec<(String, String)>,
    /// Whom to find (RFC 3263).
    pub sought: Sought,
    host: String,
}

/// Why an address is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("`{0}` is not a `sip:` or `sips:` address")]
    Scheme(String),
    /// No user, no host, or a port that is no number.
    #[error("`{0}` is not of the form `sip:user@host[:port]`")]
    Form(String),
    /// A transport that the test caller does not speak.
    #[error("`{0}` asks for a transport other than udp, tcp and tls")]
    Transport(String),
    /// The host cannot be found.
    #[error("no address found for host `{0}`")]
    Unresolved(String),
}

impl Address {
    /// Reads `sip:user@host[:port][;parameters][?headers]`, or the same with `sips:`, which means TLS.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let begins =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        let secure = begins("sips:");
        if !secure && !begins("sip:") {
            return Err(AddressError::Scheme(text.to_owned()));
        }
        let scheme_length = if secure { "sips:".len() } else { "sip:".len() };
        let form = || AddressError::Form(text.to_owned());
        if text.chars().any(|c| c.is_ascii_control() || c.is_whitespace() || "<>\"".contains(c)) {
            return Err(form());
        }
        let (uri, headers) = text.split_once('?').unwrap_or((text, ""));
        let (user, rest) = uri[scheme_length..].rsplit_once('@').ok_or_else(form)?;
        let (host_port, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let named = parameters.split(';').find_map(|parameter| parameter.strip_prefix("transport="));
        if named.is_some_and(|name| Transport::parse(name).is_none()) {
            return Err(AddressError::Transport(text.to_owned()));
        }
        let host = host_of(host_port).ok_or_else(form)?;
        if user.is_empty() || host.is_empty() {
            return Err(form());
        }
        let sought = Sought::parse(uri).ok_or_else(form)?;
        let (uri, host) = (uri.to_owned(), host.to_owned());
        Ok(Self { uri, headers: headers_of(headers), sought, host })
    }

    /// The fault of a host that was not found.
    pub fn unresolved(&self) -> AddressError {
        AddressError::Unresolved(self.host.clone())
    }
}

/// The host, if what follows it is a port or nothing.
fn host_of(text: &str) -> Option<&str> {
    let host_length =
        if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, port) = text.split_at(host_length);
    match port.strip_prefix(':') {
        Some(port) => port.parse::<u16>().ok().map(|_| host),
        None => port.is_empty().then_some(host),
    }
}

fn headers_of(text: &str) -> Vec<(String, String)> {
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    let decoded = fields.filter_map(|(name, value)| Some((decode(name)?, decode(value)?)));
    decoded.filter(|(name, value)| is_taken(name) && !value.contains(['\r', '\n'])).collect()
}

fn is_taken(name: &str) -> bool {
    let prefix = name.get(..HEADER_PREFIX_TAKEN.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(HEADER_PREFIX_TAKEN))
        || HEADERS_TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(name))
}

/// Percent-decodes a value; `None` where it is not UTF-8.
pub fn decode(value: &str) -> Option<String> {
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        let form = |text: &str| AddressError::Form(text.to_owned());
        let table = [
            ("sip:1000@127.0.0.1:5070", Ok("127.0.0.1")),
            ("SIP:1000@localhost", Ok("localhost")),
            ("sip:1000@[::1]:5070;transport=udp", Ok("[::1]")),
            ("sip:1000@[::1]", Ok("[::1]")),
            ("sip:a%40b@host", Ok("host")),
            ("sip:a@b@host", Err(form("sip:a@b@host"))),
            ("sip:host", Err(form("sip:host"))),
            ("sip:@host", Err(form("sip:@host"))),
            ("sip:1000@", Err(form("sip:1000@"))),
            ("sip:1000@host:x", Err(form("sip:1000@host:x"))),
            ("sip:1000@[::1", Err(form("sip:1000@[::1"))),
            ("sip:1000@host\r\nX: y", Err(form("sip:1000@host\r\nX: y"))),
            ("tel:+1202", Err(AddressError::Scheme("tel:+1202".to_owned()))),
            ("sip:1@h;transport=tcp", Ok("h")),
            ("sip:1@h;transport=TLS", Ok("h")),
            ("sips:1@h", Ok("h")),
            ("sip:1@h;transport=sctp", Err(AddressError::Transport("sip:1@h;transport=sctp".to_owned()))),
        ];
        for (text, expected) in table {
            let read = Address::parse(text);
            let read = read.as_ref().map(|address| address.host.as_str());
            assert_eq!(read.map_err(Clone::clone), expected, "{text:?}");
        }
    }

    #[test]
    fn a_refer_to_says_where_and_with_which_headers() {
        let text = "sip:agents@127.0.0.1:5060;portero-token=abc?X-Portero-Verdict=verified&X-Name=Ana%20O%27H&From=x";
        let address = Address::parse(text).expect("a good address");
        assert_eq!(address.uri, "sip:agents@127.0.0.1:5060;portero-token=abc");
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(address.headers, [field("X-Portero-Verdict", "verified"), field("X-Name", "Ana O'H")]);
        let found = address.sought.literal().expect("an address");
        assert_eq!(
            (found.transport, found.address.to_string()),
            (Transport::Udp, "127.0.0.1:5060".to_owned())
        );
    }

    #[test]
    fn a_header_cannot_be_forged() {
        let address = Address::parse("sip:a@127.0.0.1?X-A=1%0d%0aFrom:%20x&User-to-User=1&X-B=%ff")
            .expect("an address");
        assert_eq!(address.headers, [("User-to-User".to_owned(), "1".to_owned())]);
    }
}
