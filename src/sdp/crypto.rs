//! The keys of encrypted media in session descriptions: a=crypto (RFC 4568), also in a stream of RTP/AVP (RFC 8643).
//!
//! A line that asks for what we do not do (packets in the clear, other derivation rates, several keys) is passed over
//! as if it were not there, as RFC 4568 §6.3.7 has it. How long a key may last is read and not counted: a call sends
//! some 180 000 packets an hour, and the least that is usual is 2^20.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sipx_sdp::{Attribute, MediaDescription};
use zeroize::Zeroizing;

use super::{Incompatible, Protection};
use crate::srtp::{KeyRing, Keys, MasterKey, Mki, Suite};

/// The protocol of a stream that is not encrypted, or is where both sides can (RFC 8643 §3.1).
const PLAIN: &str = "RTP/AVP";
/// The protocol of a stream that is encrypted (RFC 3711 §12).
const SECURE: &str = "RTP/SAVP";
const CRYPTO: &str = "crypto";
const INLINE: &str = "inline:";

/// The most bits of a key's lifetime: what SRTP may send (RFC 3711 §9.2).
const LIFETIME_BITS_MAX: u32 = 48;

/// There are senders that leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a stream's protocol is one of those that we speak.
pub(super) fn is_known(protocol: &str) -> bool {
    [PLAIN, SECURE].contains(&protocol)
}

/// A stream's encryption as it was settled; what goes into the answer with it.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) keys: Keys,
    /// Which of the offered lines was taken.
    tag: String,
}

impl Settled {
    /// The answer's line.
    pub(super) fn attribute(&self) -> Attribute {
        attribute(&self.tag, &self.keys.ours)
    }
}

/// Settles how an offered stream is encrypted, if it is to be: the first of its lines that we can take, as the offerer
/// likes that best (RFC 4568 §5.1.1).
pub(super) fn settle(
    media: &MediaDescription,
    protection: Protection<'_>,
) -> Result<Option<Settled>, Incompatible> {
    let is_secure = media.protocol == SECURE;
    let ring = match protection {
        Protection::Off if is_secure => return Err(Incompatible::Encrypted),
        Protection::Off => return Ok(None),
        Protection::Allowed(ring) | Protection::Required(ring) => ring,
    };
    let settled = lines(media).find_map(|line| line.taken_with(ring));
    match protection {
        _ if settled.is_some() => Ok(settled),
        _ if is_secure => Err(Incompatible::NoSuite),
        Protection::Required(_) => Err(Incompatible::Unencrypted),
        _ => Ok(None),
    }
}

/// Makes `media` an offer of encryption with each key of the ring.
pub(super) fn offer(media: &mut MediaDescription, ring: &KeyRing) {
    SECURE.clone_into(&mut media.protocol);
    let lines = ring.all().iter().zip(1..);
    media.attributes.extend(lines.map(|(key, tag)| attribute(&tag.to_string(), key)));
}

/// Reads what was taken of such an offer.
pub(super) fn read_answer(media: &MediaDescription, ring: &KeyRing) -> Result<Keys, Incompatible> {
    let answered = |line: Line| {
        let offered = line.tag.parse::<usize>().ok()?.checked_sub(1)?;
        let ours = ring.all().get(offered).filter(|key| key.suite() == line.key.suite())?;
        Some(Keys { ours: ours.clone(), theirs: line.key, their_mki: line.mki })
    };
    lines(media).find_map(answered).ok_or(Incompatible::Unencrypted)
}

fn attribute(tag: &str, key: &MasterKey) -> Attribute {
    Attribute::valued(CRYPTO, format!("{tag} {} {INLINE}{}", key.suite().name(), BASE64.encode(key.expose())))
}

/// The lines of a stream that we understand in full.
fn lines(media: &MediaDescription) -> impl Iterator<Item = Line> {
    let cryptos = media.attributes.iter().filter(|attribute| attribute.name.eq_ignore_ascii_case(CRYPTO));
    cryptos.filter_map(|attribute| Line::parse(attribute.value.as_deref()?))
}

/// One a=crypto line.
struct Line {
    tag: String,
    key: MasterKey,
    mki: Option<Mki>,
}

impl Line {
    /// RFC 4568 §9.2: tag, suite, keys, and what else is wanted of the session.
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag =
            words.next().filter(|tag| tag.len() <= 9 && tag.bytes().all(|byte| byte.is_ascii_digit()))?;
        let suite = Suite::parse(words.next()?)?;
        let (key, mki) = key(suite, words.next()?)?;
        words.all(is_harmless).then(|| Self { tag: tag.to_owned(), key, mki })
    }

    fn taken_with(self, ring: &KeyRing) -> Option<Settled> {
        let ours = ring.of(self.key.suite())?.clone();
        Some(Settled { keys: Keys { ours, theirs: self.key, their_mki: self.mki }, tag: self.tag })
    }
}

/// `inline:KEY||SALT[|LIFETIME][|MKI:LENGTH]` (RFC 4568 §6.1).
fn key(suite: Suite, parameter: &str) -> Option<(MasterKey, Option<Mki>)> {
    let start = parameter.get(..INLINE.len()).filter(|start| start.eq_ignore_ascii_case(INLINE))?;
    let mut parts = parameter[start.len()..].split('|');
    let octets = Zeroizing::new(BASE64.decode(parts.next()?).ok()?);
    let key = MasterKey::new(suite, &octets)?;
    let (mut first, mut second) = (parts.next(), parts.next());
    if first.is_some_and(is_lifetime) {
        (first, second) = (second, None);
    }
    let mki = match first {
        Some(name) => Some(mki(name)?),
        None => None,
    };
    (second.is_none() && parts.next().is_none()).then_some((key, mki))
}

/// A number of packets, in decimal or as a power of two.
fn is_lifetime(text: &str) -> bool {
    let packets = match text.strip_prefix("2^") {
        Some(bits) => {
            bits.parse::<u32>().ok().filter(|bits| *bits <= LIFETIME_BITS_MAX).map(|bits| 1_u64 << bits)
        }
        None => text.parse::<u64>().ok(),
    };
    packets.is_some_and(|packets| (1..=1 << LIFETIME_BITS_MAX).contains(&packets))
}

fn mki(text: &str) -> Option<Mki> {
    let (number, octets) = text.split_once(':')?;
    Mki::new(number.parse().ok()?, octets.parse().ok()?)
}

/// Whether what is wanted of a session changes nothing for us: the usual derivation rate, hints about the size of the
/// window, the order of a correction that is not there, and what says of itself that it may be passed over.
fn is_harmless(parameter: &str) -> bool {
    parameter == "KDR=0" || ["WSH=", "FEC_ORDER=", "-"].iter().any(|start| parameter.starts_with(start))
}

#[cfg(test)]
mod tests;
