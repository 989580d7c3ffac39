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
        logins: &[&'l Login],
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
        logins: &[&'l Login],
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

    fn challenge<'l>(&mut self, from: IpAddr, logins: &[&Login], stale: bool, now: Instant) -> Judgement<'l> {
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
mod tests;
