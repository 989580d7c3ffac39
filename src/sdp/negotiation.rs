//! Offer and answer (RFC 3264): an offer read and answered, an offer made and its answer read.

use std::net::SocketAddr;

use sipx_sdp::{Attribute, Direction, MediaDescription, SessionDescription};

use super::stream::{self, TELEPHONE_EVENT};
use super::{Codec, Codecs, Incompatible, Negotiated, SdpError, Session};

/// The payload type under which we offer telephone-event: the one that most of the field uses.
const EVENT_FORMAT: &str = "101";

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
    answer.media[chosen] = accepted(&negotiated, local, mux);
    Ok((answer.to_string_sdp(), negotiated))
}

/// An offer of `codecs` and telephone-event for media at `local`.
pub fn offer(local: SocketAddr, session: Session, codecs: &Codecs) -> String {
    let codecs: Vec<_> =
        codecs.list().iter().map(|codec| (codec.static_format().to_owned(), *codec)).collect();
    let mut description = describe(local, session);
    description.media = vec![audio(local, &codecs, Some(EVENT_FORMAT.to_owned()), Direction::SendRecv)];
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

fn accepted(negotiated: &Negotiated, local: SocketAddr, mux: bool) -> MediaDescription {
    let codec = (negotiated.payload_type.to_string(), negotiated.codec);
    let event = negotiated.telephone_event.map(|payload_type| payload_type.to_string());
    let mut media = audio(local, &[codec], event, stream::direction(negotiated));
    if mux {
        media.attributes.push(Attribute::flag("rtcp-mux"));
    }
    media
}

fn audio(
    local: SocketAddr,
    codecs: &[(String, Codec)],
    event: Option<String>,
    direction: Direction,
) -> MediaDescription {
    let formats = codecs.iter().map(|(format, _)| format).chain(&event).cloned().collect();
    let mut media = MediaDescription::audio(local.port(), formats);
    for (format, codec) in codecs {
        media.attributes.push(Attribute::valued("rtpmap", format!("{format} {}", codec.rtpmap())));
    }
    if let Some(format) = event {
        media.attributes.push(Attribute::valued("rtpmap", format!("{format} {TELEPHONE_EVENT}")));
        media.attributes.push(Attribute::valued("fmtp", format!("{format} {KEYS}")));
    }
    media.attributes.push(Attribute::valued("ptime", PACKET_TIME_MS));
    media.set_direction(direction);
    media
}
