//! Offer and answer (RFC 3264): an offer read and answered, an offer made and its answer read.

use std::net::SocketAddr;

use sipx_sdp::{Attribute, Direction, MediaDescription, SessionDescription};

use super::stream;
use super::{Codec, Codecs, Incompatible, Negotiated, SdpError, Session};

/// The packet time that our descriptions ask for, in milliseconds.
const PACKET_TIME_MS: &str = "20";

/// The keys of a keypad: the events 0-15 of RFC 4733 §3.2.
const KEYS: &str = "0-15";

/// A peer's offer, read.
#[derive(Debug, Clone)]
pub struct Offer(SessionDescription);

impl Offer {
    /// Reads an offer.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        parse(text).map(Self)
    }
}

/// Answers an offer for media at `local` (RTP; RTCP one port up, or the same under rtcp-mux).
///
/// The answer names one codec, so that nobody has to guess which one will come: the best of `codecs`. Every other stream is there with port 0 (RFC 3264 §6). The peer's address may be of another family
/// than ours: phones on machines with both name one and use the other.
pub fn negotiate(
    offer: &Offer,
    local: SocketAddr,
    session: Session,
    codecs: &Codecs,
) -> Result<(String, Negotiated), Incompatible> {
    let Offer(offered) = offer;
    let chosen = offered.media.iter().position(stream::is_acceptable).ok_or(Incompatible::NoAudio)?;
    let mux = offered.media[chosen].rtcp_mux();
    let negotiated = stream::settle(offered, &offered.media[chosen], mux, codecs)?;
    let mut answer = describe(local, session);
    // RFC 3264 §6: the answer repeats the offer's t= lines.
    answer.timing.clone_from(&offered.timing);
    answer.media = offered.media.iter().map(refused).collect();
    answer.media[chosen] = accepted(&negotiated, &offered.media[chosen], local, mux);
    Ok((answer.to_string_sdp(), negotiated))
}

/// An offer of `codecs` and telephone-event, with the clocks of all of them, for media at `local`.
pub fn offer(local: SocketAddr, session: Session, codecs: &Codecs) -> String {
    let formats = codecs.list().iter().map(|codec| (codec.offered_format().to_owned(), *codec)).collect();
    let mut events = Vec::new();
    for codec in codecs.list() {
        let event = (codec.offered_events().to_owned(), codec.events().to_owned());
        if !events.contains(&event) {
            events.push(event);
        }
    }
    let mut description = describe(local, session);
    description.media = vec![audio(local, &Formats { codecs: formats, events }, Direction::SendRecv)];
    description.to_string_sdp()
}

/// Reads the peer's answer to our `offer`.
pub fn read_answer(text: &str) -> Result<Negotiated, SdpError> {
    let answer = parse(text)?;
    let media =
        answer.media.first().filter(|media| stream::is_acceptable(media)).ok_or(Incompatible::NoAudio)?;
    // Our offer does not ask for rtcp-mux, so an answer cannot grant it (RFC 5761 §5.1.1).
    Ok(stream::settle(&answer, media, false, &Codecs::Theirs(Codec::ALL.to_vec()))?)
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
