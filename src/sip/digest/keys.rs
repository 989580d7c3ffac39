//! The side that is asked: challenges of 401 and 407, and requests signed for them (RFC 7616 §3.4, RFC 3261 §22.2).
//!
//! What a server once asked is kept, so that the next request to it carries its answer unasked, with the next
//! count of the same nonce.

use std::fmt;
use std::sync::Arc;

use sipx_sip::error::BuildError;
use sipx_sip::{Header, HeaderName, Headers, Request};

use super::Account;
use super::fields::{Challenge, Parameters};
use super::formula::{Formula, Qop};

/// Challenges of one request that are answered: a proxy's and its server's, and a nonce of each grown stale.
pub const TRIES_MAX: u8 = 4;

/// Servers that are remembered at one time. One more, and the one that asked first is forgotten.
const SERVERS_MAX: usize = 4;

/// What somebody asked, and how often it has been answered.
#[derive(Clone)]
struct Held {
    challenge: Challenge,
    cnonce: String,
    count: u32,
}

/// An account with what its servers have asked so far.
#[derive(Clone)]
pub struct Keys {
    account: Arc<Account>,
    held: Vec<Held>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").field("servers", &self.held.len()).finish_non_exhaustive()
    }
}

impl Keys {
    /// Nobody has asked yet.
    pub fn new(account: Arc<Account>) -> Self {
        Self { account, held: Vec::new() }
    }

    /// Takes the challenges of a response to `request`, which was sent again `tries` times before. Whether it is
    /// worth sending once more.
    pub fn learn(&mut self, challenges: &Headers, request: &Request, tries: u8, cnonce: &str) -> bool {
        if tries >= TRIES_MAX {
            return false;
        }
        let mut learnt = false;
        for challenge in self.chosen(challenges) {
            match said(request, &challenge) {
                // RFC 3261 §22.2: the same nonce again, or after an answer a challenge that is not for staleness,
                // says that the password is wrong. An answer that was given unasked proves nothing yet.
                Some(nonce) if nonce == challenge.nonce => return false,
                Some(_) if tries > 0 && !challenge.stale => return false,
                _ => {}
            }
            self.hold(challenge, cnonce.to_owned());
            learnt = true;
        }
        learnt
    }

    /// The challenges to answer: of each server the first that we can (RFC 8760 §2.4).
    fn chosen(&self, headers: &Headers) -> Vec<Challenge> {
        let mut chosen: Vec<Challenge> = Vec::new();
        for challenge in Challenge::of_response(headers) {
            let is_for_us = |realm: &String| realm.as_bytes() == challenge.realm;
            let wanted = self.account.realm.as_ref().is_none_or(is_for_us);
            if wanted && !chosen.iter().any(|other| is_same_server(other, &challenge)) {
                chosen.push(challenge);
            }
        }
        chosen
    }

    fn hold(&mut self, challenge: Challenge, cnonce: String) {
        self.held.retain(|held| !is_same_server(&held.challenge, &challenge));
        if self.held.len() >= SERVERS_MAX {
            self.held.remove(0);
        }
        self.held.push(Held { challenge, cnonce, count: 0 });
    }

    /// Puts into `request` what is known to be asked of it, in place of what it said before.
    pub fn sign(&mut self, request: &mut Request) -> Result<(), BuildError> {
        request.headers.remove_all(&HeaderName::Authorization);
        request.headers.remove_all(&HeaderName::ProxyAuthorization);
        let uri = request.uri.to_string();
        for held in &mut self.held {
            // The count has room for 2^32 requests of one nonce; whoever gets there is asked anew.
            held.count = held.count.saturating_add(1);
            let value = held.answer(&self.account, request.method.as_bytes(), uri.as_bytes());
            request.headers.push(Header::build(held.challenge.answered_in(), value)?);
        }
        Ok(())
    }
}

impl Held {
    fn answer(&self, account: &Account, method: &[u8], uri: &[u8]) -> Vec<u8> {
        let Self { challenge, cnonce, count } = self;
        let count = format!("{count:08x}");
        let auth = Qop::Auth { count: count.as_bytes(), cnonce: cnonce.as_bytes() };
        let formula = Formula {
            variant: challenge.variant,
            username: account.username.as_bytes(),
            realm: &challenge.realm,
            password: account.password.expose().as_bytes(),
            nonce: &challenge.nonce,
            method,
            uri,
            qop: if challenge.auth { auth } else { Qop::Absent },
        };
        let quoted = |name: &str, value: &[u8]| [name.as_bytes(), b"=\"", value, b"\""].concat();
        let mut parameters = vec![
            quoted("Digest username", account.username.as_bytes()),
            quoted("realm", &challenge.realm),
            quoted("nonce", &challenge.nonce),
            quoted("uri", uri),
            quoted("response", formula.response().as_bytes()),
            format!("algorithm={}", challenge.variant.name()).into_bytes(),
        ];
        if challenge.auth {
            parameters.push(format!("qop=auth, nc={count}").into_bytes());
            parameters.push(quoted("cnonce", cnonce.as_bytes()));
        }
        parameters.extend(challenge.opaque.as_ref().map(|opaque| quoted("opaque", opaque)));
        parameters.join(b", ".as_slice())
    }
}

fn is_same_server(one: &Challenge, other: &Challenge) -> bool {
    one.from_proxy == other.from_proxy && one.realm == other.realm
}

/// The nonce that a request answered to this challenge's server.
fn said(request: &Request, challenge: &Challenge) -> Option<Vec<u8>> {
    let field = challenge.answered_in();
    let rows = request.headers.get_all(&field);
    let mut answers = rows.flat_map(|row| Parameters::read_row(&row.value()));
    let answer = answers.find(|answer| answer.get("realm") == Some(&challenge.realm))?;
    answer.get("nonce").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use sipx_sip::Message;

    use super::*;
    use crate::secret::Password;
    use crate::sip::message;

    fn keys(realm: Option<&str>) -> Keys {
        let (username, password) = ("bob".to_owned(), Password::new("zanzibar".to_owned()));
        Keys::new(Arc::new(Account { username, password, realm: realm.map(ToOwned::to_owned) }))
    }

    fn request() -> Request {
        let text = "REGISTER sip:biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n";
        match message::read(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn challenged(rows: &str) -> Headers {
        match message::read(format!("SIP/2.0 401 No\r\nVia: SIP/2.0/UDP h\r\n{rows}\r\n").as_bytes()) {
            Ok(Message::Response(response)) => response.headers,
            other => panic!("{other:?}"),
        }
    }

    fn www(rest: &str) -> String {
        format!("WWW-Authenticate: Digest realm=\"biloxi\", qop=\"auth,auth-int\", {rest}\r\n")
    }

    fn values(request: &Request, name: &HeaderName) -> Vec<String> {
        request.headers.get_all(name).map(|row| String::from_utf8_lossy(&row.value()).into_owned()).collect()
    }

    fn answers(request: &Request) -> Vec<(String, String)> {
        let values = values(request, &HeaderName::Authorization);
        let read = values.iter().flat_map(|value| Parameters::read_row(value.as_bytes()));
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec()).unwrap();
        read.map(|answer| (text(answer.get("nonce")), text(answer.get("nc")))).collect()
    }

    #[test]
    fn a_request_is_signed_as_it_was_asked_and_the_next_one_unasked() {
        let (mut keys, mut request) = (keys(None), request());
        let rows = www("nonce=\"n1\", algorithm=SHA-1024") + &www("nonce=\"n1\", opaque=\"\", algorithm=MD5");
        assert!(keys.learn(&challenged(&rows), &request, 0, "c0"));
        keys.sign(&mut request).unwrap();
        let response = Formula {
            variant: crate::sip::digest::formula::Variant {
                algorithm: super::super::Algorithm::Md5,
                session: false,
            },
            username: b"bob",
            realm: b"biloxi",
            password: b"zanzibar",
            nonce: b"n1",
            method: b"REGISTER",
            uri: b"sip:biloxi.example",
            qop: Qop::Auth { count: b"00000001", cnonce: b"c0" },
        }
        .response();
        let expected = format!(
            "Digest username=\"bob\", realm=\"biloxi\", nonce=\"n1\", uri=\"sip:biloxi.example\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0\", opaque=\"\""
        );
        assert_eq!(values(&request, &HeaderName::Authorization), [expected]);
        keys.sign(&mut request).unwrap();
        assert_eq!(answers(&request), [("n1".to_owned(), "00000002".to_owned())]);
        assert!(!format!("{keys:?}").contains("zanzibar"));
    }

    #[test]
    fn what_is_worth_trying_again() {
        let stale = www("nonce=\"n2\", stale=true");
        let table = [
            ("the same nonce again", 0, www("nonce=\"n1\""), false),
            ("the same nonce, said to be stale", 1, www("nonce=\"n1\", stale=true"), false),
            ("another nonce to what was said unasked", 0, www("nonce=\"n2\""), true),
            ("another nonce to what was asked", 1, www("nonce=\"n2\""), false),
            ("a stale one", 1, stale.clone(), true),
            ("one tried too often", TRIES_MAX, stale, false),
            ("another realm", 1, www("nonce=\"n2\"").replace("biloxi", "atlanta"), true),
            ("a proxy", 1, www("nonce=\"n1\"").replace("WWW-", "Proxy-"), true),
            ("no challenge", 0, String::new(), false),
            ("nothing that we can", 0, www("nonce=\"n2\", algorithm=AKAv1-MD5"), false),
            ("a password in the clear", 0, "WWW-Authenticate: Basic realm=\"biloxi\"\r\n".to_owned(), false),
        ];
        for (what, tries, rows, expected) in table {
            let (mut keys, mut request) = (keys(None), request());
            assert!(keys.learn(&challenged(&www("nonce=\"n1\"")), &request, 0, "c0"));
            keys.sign(&mut request).unwrap();
            assert_eq!(keys.learn(&challenged(&rows), &request, tries, "c1"), expected, "{what}");
        }
    }

    #[test]
    fn a_proxy_and_its_server_are_both_answered_and_no_realm_but_ours_is() {
        let rows = www("nonce=\"n1\"") + &www("nonce=\"p1\"").replace("WWW-", "Proxy-");
        let (mut open, mut request) = (keys(None), request());
        assert!(open.learn(&challenged(&rows), &request, 0, "c0"));
        open.sign(&mut request).unwrap();
        assert_eq!(values(&request, &HeaderName::Authorization).len(), 1);
        assert_eq!(values(&request, &HeaderName::ProxyAuthorization).len(), 1);
        assert!(!keys(Some("atlanta")).learn(&challenged(&rows), &request, 0, "c0"));
        assert!(keys(Some("biloxi")).learn(&challenged(&www("nonce=\"n3\"")), &request, 0, "c0"));
        for index in 0..8 {
            let rows = www("nonce=\"n1\"").replace("biloxi", &format!("realm{index}"));
            assert!(open.learn(&challenged(&rows), &request, 0, "c0"));
        }
        open.sign(&mut request).unwrap();
        assert_eq!(values(&request, &HeaderName::Authorization).len(), SERVERS_MAX);
    }
}
