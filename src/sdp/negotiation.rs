//! Offer and answer (RFC 3264): an offer read and answered, an offer made and its answer read.

use std::fmt;
use std::net::SocketAddr;

use sipx_sdp::{Attribute, Direction, MediaDescription, SessionDescription};

use super::crypto::{self, Settled};
use super::stream;
use super::{Codec, Codecs, Incompatible, Negotiated, PayloadTypes, Protection, SdpError, Session, Terms};
use crate::srtp::{KeyRing, Keys};

/// The packet time that our descriptions ask for, in milliseconds.
const PACKET_TIME_MS: &str = "20";

/// The keys of a keypad: the events 0-15 of RFC 4733 §3.2.
const KEYS: &str = "0-15";

/// A peer's offer, read. There may be keys in it, so that its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Offer(SessionDescription);

impl fmt::Debug for Offer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Offer({} streams)", self.0.media.len())
    }
}

impl Offer {
    /// Reads an offer.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        parse(text).map(Self)
    }
}

/// Answers an offer for media at `local` (RTP; RTCP one port up, or the same under rtcp-mux).
///
/// The answer names one codec, so that nobody has to guess which one will come: the best of the terms. It takes the
/// first audio stream that is encrypted, if that may be, or else the first that is not. Every other stream is there with
/// port 0 (RFC 3264 §6). The peer's address may be of another family than ours: phones on machines with both name one
/// and use the other.
pub fn negotiate<'a>(
    offer: &Offer,
    local: SocketAddr,
    session: Session,
    terms: impl Into<Terms<'a>>,
) -> Result<(String, Negotiated), Incompatible> {
    let Offer(offered) = offer;
    let Terms { codecs, protection } = terms.into();
    let (chosen, settled) = choose(offered, protection)?;
    let mux = offered.media[chosen].rtcp_mux();
    let mut negotiated = stream::settle(offered, &offered.media[chosen], mux, codecs)?;
    let mut stream = accepted(&negotiated, &offered.media[chosen], local, mux);
    stream.protocol.clone_from(&offered.media[chosen].protocol);
    if let Some(settled) = settled {
        stream.attributes.push(settled.attribute());
        negotiated.keys = Some(Box::new(settled.keys));
    }
    let mut answer = describe(local, session);
    // RFC 3264 §6: the answer repeats the offer's t= lines.
    answer.timing.clone_from(&offered.timing);
    answer.media = offered.media.iter().map(refused).collect();
    answer.media[chosen] = stream;
    Ok((answer.to_string_sdp(), negotiated))
}

/// Which of the streams is taken, and how it is encrypted.
fn choose(
    offered: &SessionDescription,
    protection: Protection<'_>,
) -> Result<(usize, Option<Settled>), Incompatible> {
    let audio = offered.media.iter().enumerate().filter(|(_, media)| stream::is_acceptable(media));
    let (mut plain, mut refused) = (None, None);
    for (place, media) in audio {
        match crypto::settle(media, protection) {
            Ok(Some(settled)) => return Ok((place, Some(settled))),
            Ok(None) => plain = plain.or(Some(place)),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    plain.map(|place| (place, None)).ok_or(refused.unwrap_or(Incompatible::NoAudio))
}

/// An offer of the terms' codecs and telephone-event for media at `local`, which is encrypted where that is required.
pub fn offer<'a>(local: SocketAddr, session: Session, terms: impl Into<Terms<'a>>) -> String {
    let Terms { codecs, protection } = terms.into();
    let formats = codecs.list().iter().map(|codec| (codec.offered_type().to_string(), *codec)).collect();
    let mut events = Vec::new();
    for codec in codecs.list() {
        let event = (codec.offered_events().to_string(), codec.events().to_owned());
        if !events.contains(&event) {
            events.push(event);
        }
    }
    let mut media = audio(local, &Formats { codecs: formats, events }, Direction::SendRecv);
    if let Protection::Required(ring) = protection {
        crypto::offer(&mut media, ring);
    }
    let mut description = describe(local, session);
    description.media = vec![media];
    description.to_string_sdp()
}

/// Reads the peer's answer to our `offer` of media that is not encrypted.
pub fn read_answer(text: &str) -> Result<Negotiated, SdpError> {
    read(text, |media| crypto::settle(media, Protection::Off).map(|_| None))
}

/// Reads the peer's answer to our `offer` of media that is encrypted with a key of this ring.
pub fn read_encrypted_answer(text: &str, ring: &KeyRing) -> Result<Negotiated, SdpError> {
    read(text, |media| crypto::read_answer(media, ring).map(|keys| Some(Box::new(keys))))
}

fn read(
    text: &str,
    keys: impl FnOnce(&MediaDescription) -> Result<Option<Box<Keys>>, Incompatible>,
) -> Result<Negotiated, SdpError> {
    let answer = parse(text)?;
    let media =
        answer.media.first().filter(|media| stream::is_acceptable(media)).ok_or(Incompatible::NoAudio)?;
    let keys = keys(media)?;
    // Our offer does not ask for rtcp-mux, so an answer cannot grant it (RFC 5761 §5.1.1).
    let negotiated = stream::settle(&answer, media, false, &Codecs::Theirs(Codec::ALL.to_vec()))?;
    let Negotiated { codec, payload_type, telephone_event, .. } = negotiated;
    let theirs = PayloadTypes { codec: payload_type, telephone_event };
    let own = PayloadTypes {
        codec: codec.offered_type(),
        telephone_event: telephone_event.map(|_| codec.offered_events()),
    };
    Ok(Negotiated { keys, own: Some(own).filter(|own| *own != theirs), ..negotiated })
}

fn parse(text: &str) -> Result<SessionDescription, SdpError> {
    sipx_sdp::parse(text).map_err(|fault| SdpError::Malformed(fault.to_string()))
}

fn describe(local: SocketAddr, session: Session) -> SessionDescription {
    SessionDescription::new(local.ip(), session.id, session.version)
}

fn refused(offered: &MediaDescription) -> MediaDescription {
    MediaDescription {
        port: 0,
        connection: None,
        attributes: Vec::new(),
        other: Vec::new(),
        ..offered.clone()
    }
}

fn accepted(
    negotiated: &Negotiated,
    offered: &MediaDescription,
    local: SocketAddr,
    mux: bool,
) -> MediaDescription {
    let event = negotiated.telephone_event.map(|payload_type| {
        let format = payload_type.to_string();
        let name = offered.rtpmap(&format).unwrap_or(negotiated.codec.events()).to_owned();
        (format, name)
    });
    let formats = Formats {
        codecs: vec![(negotiated.payload_type.to_string(), negotiated.codec)],
        events: event.into_iter().collect(),
    };
    let mut media = audio(local, &formats, stream::direction(negotiated));
    if mux {
        media.attributes.push(Attribute::flag("rtcp-mux"));
    }
    media
}

/// What an audio stream of ours is to have, by payload types.
struct Formats {
    codecs: Vec<(String, Codec)>,
    /// With their names.
    events: Vec<(String, String)>,
}

fn audio(local: SocketAddr, formats: &Formats, direction: Direction) -> MediaDescription {
    let Formats { codecs, events } = formats;
    let numbers = codecs.iter().map(|(format, _)| format).chain(events.iter().map(|(format, _)| format));
    let mut media = MediaDescription::audio(local.port(), numbers.cloned().collect());
    let mut says = |name, format: &str, what: &str| {
        media.attributes.push(Attribute::valued(name, format!("{format} {what}")));
    };
    for (format, codec) in codecs {
        says("rtpmap", format, codec.rtpmap());
        if let Some(parameters) = codec.fmtp() {
            says("fmtp", format, parameters);
        }
    }
    for (format, name) in events {
        says("rtpmap", format, name);
        says("fmtp", format, KEYS);
    }
    media.attributes.push(Attribute::valued("ptime", PACKET_TIME_MS));
    media.set_direction(direction);
    media
}
