//! The side that asks: who may come in has proved who they are (RFC 7616 §3.4.6, RFC 3261 §22.1, §22.4).
//!
//! The `uri` of credentials goes into the hash and is not compared with the Request-URI, which proxies on the way
//! rewrite; that a response is good only once is what keeps it from being used for another number.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use sipx_sip::{HeaderName, Request};
use subtle::ConstantTimeEq;

use super::Login;
use super::fields::Parameters;
use super::formula::{Formula, Qop, Variant};
use super::nonces::Nonces;

/// Wrong answers of one source within `WRONG_WITHIN` that are asked again; then it is turned away.
const WRONG_MAX: u32 = 5;

/// How long a source's wrong answers are counted, from the first.
const WRONG_WITHIN: Duration = Duration::from_mins(1);

/// Sources whose wrong answers are counted. One more, and the one that began longest ago is let off.
const SOURCES_MAX: usize = 4096;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement<'l> {
    /// It comes from whom it says.
    Proven(&'l Login),
    /// 401 with these values of WWW-Authenticate.
    Challenge {
        /// One for each algorithm, the best first.
        rows: Vec<String>,
        /// Whether it came with an answer, and that was wrong.
        wrong: bool,
    },
    /// 403: its source has been wrong too often.
    Refuse,
}

/// What an answer to a challenge is worth.
enum Worth<'l> {
    Right(&'l Login),
    /// It cannot be told: its nonce is too old, used, or none of ours.
    Stale,
    Wrong,
}

/// Where logins are asked for.
pub struct Door {
    realm: String,
    nonces: Nonces,
    wrong: Wrong,
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Door").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl Door {
    /// A door in front of `realm`, which is without quotes and backslashes. `key` must not be guessable.
    pub fn new(realm: String, key: [u8; 32]) -> Self {
        Self { realm, nonces: Nonces::new(key), wrong: Wrong::default() }
    }

    /// Judges a request that one of `logins` may have sent.
    pub fn judge<'l>(
        &mut self,
        request: &Request,
        from: IpAddr,
        logins: &'l [Login],
        now: Instant,
    ) -> Judgement<'l> {
        if self.wrong.is_too_often(from, now) {
            return Judgement::Refuse;
        }
        let answers = request.headers.get_all(&HeaderName::Authorization);
        let answer = answers
            .flat_map(|row| Parameters::read_row(&row.value()))
            .find(|answer| answer.get("realm") == Some(self.realm.as_bytes()));
        let worth = answer.map(|answer| self.worth(&answer, request, from, logins, now));
        match worth {
            Some(Worth::Right(login)) => Judgement::Proven(login),
            None => self.challenge(from, logins, false, now),
            Some(Worth::Stale) => self.challenge(from, logins, true, now),
            Some(Worth::Wrong) => {
                self.wrong.count(from, now);
                if self.wrong.is_too_often(from, now) {
                    return Judgement::Refuse;
                }
                match self.challenge(from, logins, false, now) {
                    Judgement::Challenge { rows, .. } => Judgement::Challenge { rows, wrong: true },
                    other => other,
                }
            }
        }
    }

    /// Looks at the nonce first: whoever makes nonces up must not learn from `stale` whether a password was right,
    /// and a wrong answer is only held against the source that its nonce was given to, which nobody can forge.
    fn worth<'l>(
        &mut self,
        answer: &Parameters,
        request: &Request,
        from: IpAddr,
        logins: &'l [Login],
        now: Instant,
    ) -> Worth<'l> {
        let nonce = answer.get("nonce").unwrap_or_default();
        let Some(fresh) = self.nonces.check(nonce, from, now) else { return Worth::Stale };
        let username = answer.get("username").unwrap_or_default();
        let Some(login) = logins.iter().find(|login| login.username.as_bytes() == username) else {
            return Worth::Wrong;
        };
        match right_count(answer, request, login) {
            Some(count) if self.nonces.spend(fresh, count) => Worth::Right(login),
            Some(_) => Worth::Stale,
            None => Worth::Wrong,
        }
    }

    fn challenge<'l>(&mut self, from: IpAddr, logins: &[Login], stale: bool, now: Instant) -> Judgement<'l> {
        let mut algorithms = Vec::new();
        for &algorithm in logins.iter().flat_map(|login| &login.algorithms) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        let nonce = self.nonces.issue(from, now);
        let (realm, stale) = (&self.realm, if stale { ", stale=true" } else { "" });
        let row = |name| {
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{stale}")
        };
        let rows = algorithms.iter().map(|algorithm| row(algorithm.as_str())).collect();
        Judgement::Challenge { rows, wrong: false }
    }
}

/// The count of an answer that is right; `None` where it is not. Without `qop` there is no count, and such an
/// answer is good once in its nonce's life.
fn right_count(answer: &Parameters, request: &Request, login: &Login) -> Option<u32> {
    let variant = Variant::of(answer.get("algorithm"))?;
    let offered = !variant.session && login.algorithms.contains(&variant.algorithm);
    let (qop, count) = match answer.get("qop") {
        None => (Qop::Absent, u32::MAX),
        Some(name) => {
            let (count, cnonce) = (answer.get("nc")?, answer.get("cnonce")?);
            let qop = match name.to_ascii_lowercase().as_slice() {
                b"auth" => Qop::Auth { count, cnonce },
                b"auth-int" => Qop::AuthInt { count, cnonce, body: request.body() },
                _ => return None,
            };
            (qop, u32::from_str_radix(std::str::from_utf8(count).ok()?, 16).ok()?)
        }
    };
    let formula = Formula {
        variant,
        username: login.username.as_bytes(),
        realm: answer.get("realm")?,
        password: login.password.expose().as_bytes(),
        nonce: answer.get("nonce")?,
        method: request.method.as_bytes(),
        uri: answer.get("uri")?,
        qop,
    };
    let said = answer.get("response")?.to_ascii_lowercase();
    let right = bool::from(formula.response().as_bytes().ct_eq(&said));
    (offered && right).then_some(count)
}

/// Wrong answers by source.
#[derive(Default)]
struct Wrong(HashMap<IpAddr, (u32, Instant)>);

impl Wrong {
    fn is_too_often(&self, source: IpAddr, now: Instant) -> bool {
        let counted = self.0.get(&whose(source));
        counted.is_some_and(|&(count, since)| {
            count > WRONG_MAX && now.saturating_duration_since(since) < WRONG_WITHIN
        })
    }

    fn count(&mut self, source: IpAddr, now: Instant) {
        let source = whose(source);
        if self.0.len() >= SOURCES_MAX && !self.0.contains_key(&source) {
            let oldest = self.0.iter().min_by_key(|(_, (_, since))| *since).map(|(&source, _)| source);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        let entry = self.0.entry(source).or_insert((0, now));
        if now.saturating_duration_since(entry.1) >= WRONG_WITHIN {
            *entry = (0, now);
        }
        entry.0 += 1;
    }
}

/// The source that an address stands for: with IPv6 a whole /64, all of which one machine may have.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Password;
    use crate::sip::digest::Algorithm;
    use crate::sip::message;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    fn logins() -> Vec<Login> {
        let login = |name: &str, algorithms: &[Algorithm]| Login {
            name: name.into(),
            username: name.to_owned(),
            password: Password::new(format!("secret of {name}")),
            algorithms: algorithms.to_vec(),
        };
        vec![login("new", &[Algorithm::Sha512_256, Algorithm::Sha256]), login("old", &[Algorithm::Md5])]
    }

    struct Visit {
        door: Door,
        now: Instant,
    }

    /// What is said in answer to a challenge; everything else is right.
    #[derive(Clone)]
    struct Said<'a> {
        username: &'a str,
        algorithm: Option<&'a str>,
        nonce: &'a str,
        qop: Option<&'a str>,
        count: &'a str,
        password: &'a str,
        more: &'a str,
    }

    impl<'a> Said<'a> {
        fn by_old(nonce: &'a str) -> Self {
            let (username, password) = ("old", "secret of old");
            Self {
                username,
                algorithm: None,
                nonce,
                qop: Some("auth"),
                count: "00000001",
                password,
                more: "",
            }
        }

        fn header(&self) -> String {
            let (count, cnonce) = (self.count.as_bytes(), b"c0".as_slice());
            let qop = match self.qop {
                None => Qop::Absent,
                Some("auth-int") => Qop::AuthInt { count, cnonce, body: b"v=0" },
                Some(_) => Qop::Auth { count, cnonce },
            };
            let formula = Formula {
                variant: Variant::of(self.algorithm.map(str::as_bytes)).expect("a known one"),
                username: self.username.as_bytes(),
                realm: b"here",
                password: self.password.as_bytes(),
                nonce: self.nonce.as_bytes(),
                method: b"INVITE",
                uri: b"sip:anything@h",
                qop,
            };
            let Self { username, nonce, count, more, .. } = self;
            let algorithm = self.algorithm.map(|name| format!(", algorithm={name}")).unwrap_or_default();
            let qop =
                self.qop.map(|qop| format!(", qop={qop}, nc={count}, cnonce=\"c0\"")).unwrap_or_default();
            let response = formula.response();
            format!(
                "Authorization: Digest username=\"{username}\", realm=\"here\", nonce=\"{nonce}\", \
                 uri=\"sip:anything@h\", response=\"{response}\"{algorithm}{qop}{more}\r\n"
            )
        }
    }

    impl Visit {
        fn new() -> Self {
            Self { door: Door::new("here".to_owned(), [1; 32]), now: start() }
        }

        fn nonce(&mut self) -> String {
            self.door.nonces.issue(PEER, self.now)
        }

        fn judge(&mut self, headers: &str) -> String {
            self.judge_from(PEER, headers)
        }

        fn judge_from(&mut self, from: IpAddr, headers: &str) -> String {
            let text = format!(
                "INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{headers}Content-Length: 3\r\n\r\nv=0"
            );
            let Ok(sipx_sip::Message::Request(request)) = message::read(text.as_bytes()) else {
                panic!("{text}")
            };
            match self.door.judge(&request, from, &logins(), self.now) {
                Judgement::Proven(login) => login.name.to_string(),
                Judgement::Challenge { wrong: true, .. } => "wrong".to_owned(),
                Judgement::Challenge { rows, .. } if rows[0].contains("stale=true") => "stale".to_owned(),
                Judgement::Challenge { .. } => "asked".to_owned(),
                Judgement::Refuse => "refused".to_owned(),
            }
        }
    }

    #[test]
    fn there_is_a_challenge_for_each_algorithm_in_the_order_of_preference() {
        let mut visit = Visit::new();
        let logins = logins();
        let Judgement::Challenge { rows, wrong: false } =
            visit.door.challenge(PEER, &logins, false, visit.now)
        else {
            panic!("no challenge")
        };
        let read: Vec<_> = rows.iter().flat_map(|row| Parameters::read_row(row.as_bytes())).collect();
        let of = |name| read.iter().map(|row| row.get(name).unwrap_or_default()).collect::<Vec<_>>();
        let algorithms: Vec<&[u8]> = vec![b"SHA-512-256", b"SHA-256", b"MD5"];
        assert_eq!(of("algorithm"), algorithms);
        assert_eq!((of("realm"), of("qop")), (vec![&b"here"[..]; 3], vec![&b"auth"[..]; 3]));
        assert_eq!(of("stale"), [b""; 3]);
    }

    #[test]
    fn every_answer_by_its_worth() {
        let mut visit = Visit::new();
        assert_eq!(visit.judge(""), "asked");
        assert_eq!(visit.judge("Authorization: Digest realm=\"elsewhere\", nonce=\"1\"\r\n"), "asked");
        type Change = fn(&mut Said<'_>);
        let table: [(&str, Change, &str); 12] = [
            ("as it should be", |_| {}, "old"),
            ("MD5 by name", |said| said.algorithm = Some("MD5"), "old"),
            ("from before qop", |said| said.qop = None, "old"),
            ("with the body", |said| said.qop = Some("auth-int"), "old"),
            ("of another kind", |said| said.qop = Some("auth-conf"), "wrong"),
            ("a nonce made up", |said| said.nonce = "abc", "stale"),
            ("a count of none", |said| said.count = "00000000", "stale"),
            ("no count", |said| said.count = "many", "wrong"),
            ("a wrong password", |said| said.password = "guess", "wrong"),
            ("nobody's name", |said| said.username = "nobody", "wrong"),
            ("what this login may not use", |said| said.algorithm = Some("SHA-256"), "wrong"),
            ("what nobody was offered", |said| said.algorithm = Some("MD5-sess"), "wrong"),
        ];
        for (what, change, expected) in table {
            let mut visit = Visit::new();
            let nonce = visit.nonce();
            let mut said = Said::by_old(&nonce);
            change(&mut said);
            assert_eq!(visit.judge(&said.header()), expected, "{what}");
        }
        let nonce = visit.nonce();
        for (algorithm, count) in [("SHA-256", "00000001"), ("SHA-512-256", "00000002")] {
            let said = Said {
                username: "new",
                password: "secret of new",
                algorithm: Some(algorithm),
                count,
                ..Said::by_old(&nonce)
            };
            assert_eq!(visit.judge(&said.header()), "new", "{algorithm}");
        }
    }

    #[test]
    fn an_answer_is_good_once_and_its_nonce_with_the_next_count() {
        let mut visit = Visit::new();
        let nonce = visit.nonce();
        let said = Said::by_old(&nonce);
        assert_eq!(visit.judge(&said.header()), "old");
        assert_eq!(visit.judge(&said.header()), "stale", "a replay");
        assert_eq!(visit.judge_from("192.0.2.9".parse().unwrap(), &said.header()), "stale", "from elsewhere");
        let next = Said { count: "00000002", ..said.clone() };
        assert_eq!(visit.judge(&next.header()), "old");
        let bare = Said { qop: None, ..said };
        assert_eq!(visit.judge(&bare.header()), "old");
        assert_eq!(visit.judge(&bare.header()), "stale", "without a count a nonce is used up");
        visit.now += Duration::from_mins(6);
        let late = Said { count: "00000003", ..next };
        assert_eq!(visit.judge(&late.header()), "stale", "too old");
    }

    #[test]
    fn who_is_wrong_too_often_is_turned_away_for_a_while_and_nobody_else_is() {
        let mut visit = Visit::new();
        let nonce = visit.nonce();
        let guess = Said { password: "guess", ..Said::by_old(&nonce) };
        for _ in 0..WRONG_MAX {
            assert_eq!(visit.judge(&guess.header()), "wrong");
        }
        assert_eq!(visit.judge(&guess.header()), "refused");
        assert_eq!(visit.judge(""), "refused");
        assert_eq!(visit.judge(&Said::by_old(&nonce).header()), "refused", "even if it is right now");
        assert_eq!(visit.judge_from("192.0.2.9".parse().unwrap(), ""), "asked");
        visit.now += WRONG_WITHIN;
        assert_eq!(visit.judge(&Said::by_old(&nonce).header()), "old");
        assert_eq!(visit.judge(&guess.header()), "wrong", "counted anew");
    }

    #[test]
    fn wrong_answers_are_counted_for_so_many_sources_and_a_whole_network_of_ipv6() {
        let now = start();
        let mut wrong = Wrong::default();
        let source = |index: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + index));
        for index in 0..=SOURCES_MAX as u32 {
            wrong.count(source(index), now + Duration::from_millis(u64::from(index)));
        }
        assert_eq!(wrong.0.len(), SOURCES_MAX);
        assert!(!wrong.0.contains_key(&source(0)) && wrong.0.contains_key(&source(1)));
        let table = [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
        ];
        for (address, expected) in table {
            let expected: IpAddr = expected.parse().unwrap();
            assert_eq!(whose(address.parse().unwrap()), expected, "{address}");
        }
    }
}
