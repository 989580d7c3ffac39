//! The token in which a provider vouches for somebody (`OpenID` Connect Core §2), and what it takes to believe it
//! (§3.1.3.7).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::keys::Algorithm;
use super::{Fault, KeySet};

/// How far two clocks may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The longest token that is read, in octets: groups can be many.
const OCTETS_MAX: usize = 64 * 1024;

/// What a token has to be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Whose.
    pub issuer: &'a str,
    /// For whom: us.
    pub client: &'a str,
    /// Of which login.
    pub nonce: &'a str,
}

/// What a provider vouches for. Only [`Claims::verify`] makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What we must understand (RFC 7515 §4.1.11), of which there is nothing.
    crit: Option<IgnoredAny>,
}

/// Those of the claims that say whether the others count.
#[derive(Deserialize)]
struct Conditions {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// The name of the key by which a token says that it is signed. It is no more than a claim.
    pub fn key_of(token: &str) -> Option<String> {
        json::<Header>(token.split('.').next()?).ok()?.kid
    }

    /// Believes a token, or does not.
    ///
    /// # Errors
    /// Whatever keeps it from being believed.
    pub fn verify(token: &str, keys: &KeySet, expected: Expected<'_>, now: Timestamp) -> Result<Self, Fault> {
        let malformed = Fault::Malformed("its token");
        if token.len() > OCTETS_MAX {
            return Err(malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        let header: Header = json(header).map_err(|()| malformed)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            _ => return Err(Fault::Algorithm),
        };
        if header.crit.is_some() {
            return Err(malformed);
        }
        let signature = BASE64.decode(signature).map_err(|_| malformed)?;
        keys.have_signed(header.kid.as_deref(), algorithm, signed.as_bytes(), &signature)?;
        json::<Conditions>(payload).map_err(|()| malformed)?.hold(expected, now)?;
        json(payload).map(Self).map_err(|()| malformed)
    }

    /// The text of a claim; `name` may lead into others, as in `realm_access.roles`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// The texts of a claim that is a text or a list of them.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match self.value(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A claim of this very name is found before one inside of others: names that are URLs have dots.
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).or_else(|| {
            let (first, rest) = name.split_once('.')?;
            rest.split('.').try_fold(self.0.get(first)?, |value, part| value.get(part))
        })
    }
}

impl Conditions {
    fn hold(&self, expected: Expected<'_>, now: Timestamp) -> Result<(), Fault> {
        if self.iss != expected.issuer {
            return Err(Fault::Issuer);
        }
        let is_for_us = match &self.aud {
            Audience::One(client) => client == expected.client,
            // Whose else it is must be said, so that it is not another client's that can be used here as well.
            Audience::Several(clients) => {
                clients.iter().any(|client| client == expected.client)
                    && (clients.len() == 1 || self.azp.is_some())
            }
        };
        if !is_for_us || self.azp.as_deref().is_some_and(|azp| azp != expected.client) {
            return Err(Fault::Audience);
        }
        let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| Fault::Time);
        let over = time(self.exp)? <= now - LEEWAY;
        let early = time(self.iat)? > now + LEEWAY || time(self.nbf.unwrap_or(0))? > now + LEEWAY;
        if over || early {
            return Err(Fault::Time);
        }
        let nonce = self.nonce.as_deref().unwrap_or_default();
        if bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) { Ok(()) } else { Err(Fault::Nonce) }
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, ()> {
    let text = BASE64.decode(part).map_err(|_| ())?;
    serde_json::from_slice(&text).map_err(|_| ())
}
