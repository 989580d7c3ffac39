//! A passport (RFC 8225): what it says of a call, and whether that is so.

use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest as _, Sha256};

use super::field::{Field, Form};
use super::{Chain, Fault, Presented, Roots};
use crate::flow::{Attestation, PhoneNumber};

/// The only algorithm (RFC 8225 §8).
const ES256: &str = "ES256";
/// The kind that attests how far the caller's own network answers for the number.
const SHAKEN: &str = "shaken";

/// A passport that fits its call. Who has signed it is not known yet.
pub struct Passport {
    token: Token,
    place: String,
    attestation: Option<Attestation>,
    expires: Timestamp,
}

/// A passport that fits its call and was signed by somebody who is trusted. It may have come with another call before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    pub(super) attestation: Option<Attestation>,
    /// Of what was signed. A signature has two forms that are both right, so that it does not tell two passports apart.
    pub(super) digest: [u8; 32],
    /// From when on it is not fresh any more.
    pub(super) expires: Timestamp,
}

/// What was signed, and the signature.
pub(super) struct Token {
    pub signed: String,
    pub signature: Vec<u8>,
}

// By hand, as what is signed are numbers.
impl fmt::Debug for Passport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Passport").field("place", &self.place).finish_non_exhaustive()
    }
}

/// RFC 8225 §4.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    x5u: String,
    ppt: Option<String>,
    /// What we must understand (RFC 7515 §4.1.11), of which there is nothing.
    crit: Option<IgnoredAny>,
}

/// RFC 8225 §5, RFC 8588 §3.
#[derive(Deserialize)]
struct Payload {
    iat: i64,
    orig: Caller,
    dest: Callees,
    attest: Option<String>,
    origid: Option<String>,
}

#[derive(Deserialize)]
struct Caller {
    tn: Option<String>,
}

#[derive(Deserialize)]
struct Callees {
    #[serde(default)]
    tn: Vec<String>,
}

impl Passport {
    /// Reads a header field, and holds what it says against the call and the time; `None` where its passport is of a
    /// kind that says nothing of the calling number.
    ///
    /// # Errors
    /// Whatever keeps it from fitting, before anything is fetched for it.
    pub fn read(
        field: &str,
        presented: &Presented,
        freshness: Duration,
        now: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let field = Field::parse(field).ok_or(Fault::Malformed)?;
        if field.kind.is_some_and(|kind| kind != SHAKEN) {
            return Ok(None);
        }
        if field.algorithm.is_some_and(|algorithm| algorithm != ES256) {
            return Err(Fault::Algorithm);
        }
        let token = Token::of(&field, presented)?;
        let (header, payload) = token.parts()?;
        if header.alg != ES256 {
            return Err(Fault::Algorithm);
        }
        let differs =
            header.x5u != field.info || field.kind.is_some_and(|kind| header.ppt.as_deref() != Some(kind));
        if differs || header.typ != "passport" || header.crit.is_some() {
            return Err(Fault::Malformed);
        }
        let attestation = match header.ppt.as_deref() {
            None => None,
            Some(SHAKEN) => Some(payload.attestation().ok_or(Fault::Malformed)?),
            Some(_) => return Ok(None),
        };
        let expires = payload.fits(presented, freshness, now)?;
        Ok(Some(Self { token, place: header.x5u, attestation, expires }))
    }

    /// Where its certificate is: a URI of any kind.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it was signed by the key of a certificate that is trusted at this time.
    ///
    /// # Errors
    /// Whatever keeps the signer from being trusted.
    pub fn prove(&self, chain: &Chain, roots: &Roots, now: Timestamp) -> Result<Genuine, Fault> {
        chain.verify(roots, now)?;
        if !chain.has_signed(self.token.signed.as_bytes(), &self.token.signature) {
            return Err(Fault::Signature);
        }
        Ok(Genuine {
            attestation: self.attestation,
            digest: Sha256::digest(self.token.signed.as_bytes()).into(),
            expires: self.expires,
        })
    }
}

impl Token {
    pub fn of(field: &Field<'_>, presented: &Presented) -> Result<Self, Fault> {
        let (signed, signature) = match field.form {
            Form::Full { header, payload, signature } => (format!("{header}.{payload}"), signature),
            Form::Compact { signature } => (rebuilt(field, presented)?, signature),
        };
        let signature = BASE64.decode(signature).map_err(|_| Fault::Malformed)?;
        Ok(Self { signed, signature })
    }

    fn parts(&self) -> Result<(Header, Payload), Fault> {
        let (header, payload) = self.signed.split_once('.').ok_or(Fault::Malformed)?;
        Ok((json(header)?, json(payload)?))
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, Fault> {
    let text = BASE64.decode(part).map_err(|_| Fault::Malformed)?;
    serde_json::from_slice(&text).map_err(|_| Fault::Malformed)
}

/// What is left out of the compact form (RFC 8224 §4.1), in the form that is signed (RFC 8225 §9). It has no claims but
/// those of every passport, so that it cannot be of a kind.
fn rebuilt(field: &Field<'_>, presented: &Presented) -> Result<String, Fault> {
    let date = presented.date.as_deref().and_then(|date| rfc2822::parse(date).ok());
    let (date, callee) = date.zip(presented.callees.first()).ok_or(Fault::Malformed)?;
    if field.kind.is_some() {
        return Err(Fault::Malformed);
    }
    let place = serde_json::to_string(field.info).map_err(|_| Fault::Malformed)?;
    let header = format!(r#"{{"alg":"{ES256}","typ":"passport","x5u":{place}}}"#);
    let (iat, dest, orig) = (date.timestamp().as_second(), canonical(callee), canonical(&presented.caller));
    let payload = format!(r#"{{"dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}}}}"#);
    Ok(format!("{}.{}", BASE64.encode(header), BASE64.encode(payload)))
}

impl Payload {
    /// RFC 8588 §4 and §5 have both claims in each.
    fn attestation(&self) -> Option<Attestation> {
        self.origid.as_ref()?;
        match self.attest.as_deref()? {
            "A" => Some(Attestation::A),
            "B" => Some(Attestation::B),
            "C" => Some(Attestation::C),
            _ => None,
        }
    }

    /// From when on it is not fresh any more, where it is of this call.
    fn fits(&self, presented: &Presented, freshness: Duration, now: Timestamp) -> Result<Timestamp, Fault> {
        let signed_at = Timestamp::from_second(self.iat).map_err(|_| Fault::Malformed)?;
        if signed_at.duration_since(now).unsigned_abs() > freshness {
            return Err(Fault::Stale);
        }
        let is = |number: &String, other: &PhoneNumber| {
            PhoneNumber::parse(number).is_some_and(|number| canonical(&number) == canonical(other))
        };
        if !self.orig.tn.as_ref().is_some_and(|caller| is(caller, &presented.caller)) {
            return Err(Fault::OtherCaller);
        }
        if !self.dest.tn.iter().any(|number| presented.callees.iter().any(|callee| is(number, callee))) {
            return Err(Fault::OtherCallee);
        }
        signed_at.checked_add(freshness).map_err(|_| Fault::Malformed)
    }
}

/// A number as passports have it: its digits (RFC 8224 §8.3).
fn canonical(number: &PhoneNumber) -> &str {
    number.as_str().trim_start_matches('+')
}
