//! Challenges and credentials as they stand in header fields (RFC 7616 §3.3, §3.4; RFC 3261 §20.7, §20.44).
//!
//! What stands between quotes is kept as it came, escapes and all: it is hashed and said again, never read.

use sipx_sip::{HeaderName, Headers};

use super::super::message;
use super::formula::Variant;

/// Challenges read of one response; more are not looked at.
const CHALLENGES_MAX: usize = 8;

/// The parameters of one challenge, or of one set of credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(Vec<u8>, Vec<u8>)>);

impl Parameters {
    /// The value of a parameter, without its quotes.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let is_named = |(known, _): &&(Vec<u8>, Vec<u8>)| known.eq_ignore_ascii_case(name.as_bytes());
        self.0.iter().find(is_named).map(|(_, value)| value.as_slice())
    }

    /// Reads a row that holds Digests, one or several, and perhaps other schemes, which are left out.
    pub fn read_row(row: &[u8]) -> Vec<Self> {
        let mut found: Vec<Option<Self>> = Vec::new();
        for piece in message::unquoted_pieces(row, b',') {
            let piece = piece.trim_ascii();
            if piece.is_empty() {
                continue;
            }
            let (name, value) = parameter(piece);
            let (scheme, name) = match name.iter().position(u8::is_ascii_whitespace) {
                Some(end) => (Some(&name[..end]), name[end..].trim_ascii_start()),
                // `Digest` alone has no parameter, and without an `=` it is nothing but a scheme.
                None if value.is_none() => (Some(name), b"".as_slice()),
                None => (None, name),
            };
            if let Some(scheme) = scheme {
                found.push(scheme.eq_ignore_ascii_case(b"Digest").then(Self::default));
            }
            if let (Some(Some(parameters)), Some(value)) = (found.last_mut(), value) {
                parameters.0.push((name.to_vec(), value.to_vec()));
            }
        }
        found.into_iter().flatten().collect()
    }
}

/// Name and value, the value without quotes.
fn parameter(piece: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(equals) = piece.iter().position(|&byte| byte == b'=') else { return (piece, None) };
    let value = piece[equals + 1..].trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    (piece[..equals].trim_ascii_end(), Some(unquoted.unwrap_or(value)))
}

/// What a server asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whether a proxy asks, which is answered in a field of its own.
    pub from_proxy: bool,
    /// How to hash.
    pub variant: Variant,
    /// What the password is for.
    pub realm: Vec<u8>,
    /// The server's half of what makes a response unique.
    pub nonce: Vec<u8>,
    /// What is to be said again.
    pub opaque: Option<Vec<u8>>,
    /// Whether `auth` may be used. Where nothing of the kind was said, RFC 2069 holds.
    pub auth: bool,
    /// Whether only the nonce was wrong.
    pub stale: bool,
}

impl Challenge {
    /// The challenges of a 401 or 407 that can be answered, in their order.
    pub fn of_response(headers: &Headers) -> Vec<Self> {
        let fields = [(HeaderName::WwwAuthenticate, false), (HeaderName::ProxyAuthenticate, true)];
        let rows = fields.iter().flat_map(|(name, from_proxy)| {
            headers.get_all(name).map(|row| (row.value().into_owned(), *from_proxy))
        });
        let read = rows.flat_map(|(row, from_proxy)| {
            let read = Parameters::read_row(&row);
            read.into_iter().filter_map(move |parameters| Self::read(&parameters, from_proxy))
        });
        read.take(CHALLENGES_MAX).collect()
    }

    /// `None` where there is no realm or nonce, or what it asks for is not to be had.
    fn read(parameters: &Parameters, from_proxy: bool) -> Option<Self> {
        let auth = match parameters.get("qop") {
            None => false,
            // RFC 7616 §3.3: a list between quotes. `auth-int` alone is passed over: an SBC on the way that
            // mends the body would break it.
            Some(list) if list.split(|&byte| byte == b',').any(is_auth) => true,
            Some(_) => return None,
        };
        // A session variant needs the client's nonce, which there is no place for without `qop`.
        let variant = Variant::of(parameters.get("algorithm")).filter(|variant| auth || !variant.session)?;
        Some(Self {
            from_proxy,
            variant,
            realm: parameters.get("realm")?.to_vec(),
            nonce: parameters.get("nonce")?.to_vec(),
            opaque: parameters.get("opaque").map(<[u8]>::to_vec),
            auth,
            stale: parameters.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
        })
    }

    /// The field that answers it.
    pub fn answered_in(&self) -> HeaderName {
        if self.from_proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization }
    }
}

fn is_auth(option: &[u8]) -> bool {
    option.trim_ascii().eq_ignore_ascii_case(b"auth")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::digest::Algorithm;

    fn read(row: &str) -> String {
        let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
            format!("{}:{}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        let one = |one: &Parameters| format!("[{}]", one.0.iter().map(pair).collect::<Vec<_>>().join(" "));
        Parameters::read_row(row.as_bytes()).iter().map(one).collect()
    }

    #[test]
    fn rows_are_read_as_they_are_written() {
        // Each Digest in brackets.
        let table = [
            ("Digest realm=\"a\", nonce=\"b\"", "[realm:a nonce:b]"),
            ("digest  realm = \"a, \\\"b\\\"\" ,nonce=b", "[realm:a, \\\"b\\\" nonce:b]"),
            ("Digest qop=\"auth,auth-int\",realm=\"\"", "[qop:auth,auth-int realm:]"),
            ("Digest a=1, Digest b=\"2\", c=3", "[a:1][b:2 c:3]"),
            ("Basic realm=\"x\", Digest a=1, Bearer", "[a:1]"),
            ("Digest", "[]"),
            (",, Digest a=b=c,", "[a:b=c]"),
            ("", ""),
        ];
        for (row, expected) in table {
            assert_eq!(read(row), expected, "{row}");
        }
    }

    #[test]
    fn challenges_that_cannot_be_answered_are_passed_over() {
        let table = [
            ("Digest realm=\"r\", nonce=\"n\"", Some((Algorithm::Md5, false, false))),
            ("Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\"", Some((Algorithm::Md5, true, false))),
            ("Digest realm=\"r\", nonce=\"n\", qop=auth, stale=TRUE", Some((Algorithm::Md5, true, true))),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256", Some((Algorithm::Sha256, false, false))),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=\"md5\"", Some((Algorithm::Md5, false, false))),
            ("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"", None),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-1", None),
            ("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess", None),
            ("Digest realm=\"r\"", None),
            ("Basic realm=\"r\", nonce=\"n\"", None),
        ];
        for (row, expected) in table {
            let read = Parameters::read_row(row.as_bytes());
            let challenge = read.first().and_then(|parameters| Challenge::read(parameters, false));
            let got = challenge.map(|it| (it.variant.algorithm, it.auth, it.stale));
            assert_eq!(got, expected, "{row}");
        }
    }
}
