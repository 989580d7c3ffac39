//! One audio stream as a peer describes it: formats, packet time, addresses, direction.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sipx_sdp::rtpmap::same_format;
use sipx_sdp::{Direction, MediaDescription, SessionDescription};

use super::{Codec, Codecs, Incompatible, Negotiated, crypto};

/// The packet time where the peer asks for none, or for one that we do not make, in milliseconds.
const PACKET_TIME_DEFAULT_MS: u64 = 20;

/// The packet time of Opus, whatever the peer would like best: prompts are encoded once, and in these packets.
const OPUS_PACKET_TIME: Duration = Duration::from_millis(20);

impl Codec {
    /// How rtpmap names it.
    pub(super) fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
        }
    }

    /// Its static payload type (RFC 3551 §6), which needs no rtpmap, if it has one.
    fn static_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus => None,
        }
    }

    /// The payload type that we offer it as: the static one, or for Opus the one that most of the field uses.
    pub(super) fn offered_type(self) -> u8 {
        self.static_type().unwrap_or(111)
    }

    /// What fmtp says of it, if there is anything to say.
    pub(super) fn fmtp(self) -> Option<&'static str> {
        // RFC 7587 §6.1, what we would like to get: one channel, no wider than we send, and no bits for a copy of the packet
        // before, which we do not use.
        (self == Self::Opus).then_some("maxplaybackrate=16000;stereo=0;useinbandfec=0")
    }

    /// How rtpmap names the events that go with it: those with its clock (RFC 4733 §2.6).
    pub(super) fn events(self) -> &'static str {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => "telephone-event/8000",
            Self::Opus => "telephone-event/48000",
        }
    }

    /// The payload type that we offer those as.
    pub(super) fn offered_events(self) -> u8 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 101,
            Self::Opus => 110,
        }
    }
}

/// What all rtpmaps of telephone-events begin with.
const EVENTS: &str = "telephone-event/";

/// Whether a stream is audio that we could take, its codecs and its encryption aside.
pub(super) fn is_acceptable(media: &MediaDescription) -> bool {
    media.media == "audio" && media.port != 0 && crypto::is_known(&media.protocol)
}

/// Settles what the peer's `media` leaves open, but for its encryption. `mux` says whether both want rtcp-mux.
pub(super) fn settle(
    description: &SessionDescription,
    media: &MediaDescription,
    mux: bool,
    codecs: &Codecs,
) -> Result<Negotiated, Incompatible> {
    let (codec, number) = choose(media, codecs).ok_or(Incompatible::NoCodec)?;
    let remote = remote(description, media)?;
    let direction = media.declared_direction().unwrap_or_else(|| description.direction());
    Ok(Negotiated {
        codec,
        payload_type: number,
        telephone_event: events(media, codec),
        own: None,
        packet_time: if codec == Codec::Opus { OPUS_PACKET_TIME } else { packet_time(media) },
        remote,
        remote_rtcp: if mux { remote } else { remote_rtcp(media, remote) },
        sends: direction.receives() && !remote.ip().is_unspecified(),
        receives: direction.sends(),
        keys: None,
    })
}

/// Our direction, as our description says it.
pub(super) fn direction(negotiated: &Negotiated) -> Direction {
    match (negotiated.sends, negotiated.receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

fn choose(media: &MediaDescription, codecs: &Codecs) -> Option<(Codec, u8)> {
    let place = |codec: Codec| codecs.list().iter().position(|known| *known == codec);
    let offered = media.formats.iter();
    let mut taken = offered
        .filter_map(|format| Some((codec(media, format)?, payload_type(format)?)))
        .filter(|found| place(found.0).is_some());
    match codecs {
        Codecs::Theirs(_) => taken.next(),
        Codecs::Ours(_) => taken.min_by_key(|found| place(found.0)),
    }
}

fn codec(media: &MediaDescription, format: &str) -> Option<Codec> {
    let named = Codec::ALL.into_iter().find(|codec| match media.rtpmap(format) {
        Some(rtpmap) => same_format(rtpmap, codec.rtpmap()),
        None => codec.static_type().is_some_and(|number| number.to_string() == format),
    });
    named.filter(|codec| *codec != Codec::Opus || takes_opus_packets(media))
}

/// Whether packets as long as those of our Opus are taken (RFC 8866 §6.4: `maxptime` is the most).
fn takes_opus_packets(media: &MediaDescription) -> bool {
    milliseconds(media, "maxptime").is_none_or(|most| u128::from(most) >= OPUS_PACKET_TIME.as_millis())
}

/// The events that go with a codec: those with its clock, or else the first. Many a phone offers Opus with
/// `telephone-event/8000` alone, and sends events by the clock of its audio.
fn events(media: &MediaDescription, codec: Codec) -> Option<u8> {
    let rtpmap = |format: &String| media.rtpmap(format).filter(|name| is_event(name));
    let mut offered = media.formats.iter().filter(|format| rtpmap(format).is_some());
    let exact = |format: &&String| rtpmap(format).is_some_and(|name| same_format(name, codec.events()));
    let first = offered.clone().next().filter(|_| codec == Codec::Opus);
    payload_type(offered.find(exact).or(first)?)
}

fn is_event(rtpmap: &str) -> bool {
    rtpmap.get(..EVENTS.len()).is_some_and(|name| name.eq_ignore_ascii_case(EVENTS))
}

fn payload_type(format: &str) -> Option<u8> {
    format.parse().ok().filter(|number| *number < 128)
}

/// RFC 8866 §6.4: `ptime` is what the peer would like, `maxptime` is what it can take.
fn packet_time(media: &MediaDescription) -> Duration {
    let wanted =
        milliseconds(media, "ptime").filter(|ms| (10..=60).contains(ms)).unwrap_or(PACKET_TIME_DEFAULT_MS);
    let most = milliseconds(media, "maxptime").unwrap_or(wanted);
    let whole = wanted.min(most) / 10 * 10;
    Duration::from_millis(whole.max(10))
}

fn milliseconds(media: &MediaDescription, name: &str) -> Option<u64> {
    media.attribute(name)?.value.as_deref()?.trim().parse().ok()
}

fn remote(description: &SessionDescription, media: &MediaDescription) -> Result<SocketAddr, Incompatible> {
    let ip = description.address_for(media).filter(|ip| !ip.is_multicast()).ok_or(Incompatible::NoAddress)?;
    // RFC 5118 §4.9: an IPv4 address written as an IPv6 one is reached over IPv4.
    Ok(SocketAddr::new(ip.to_canonical(), media.port))
}

/// RFC 3605: `a=rtcp:PORT [IN IP4 ADDRESS]`; without it, the port above RTP's (RFC 3550 §11).
fn remote_rtcp(media: &MediaDescription, remote: SocketAddr) -> SocketAddr {
    let above = SocketAddr::new(remote.ip(), remote.port().checked_add(1).unwrap_or(remote.port()));
    let Some(value) = media.attribute("rtcp").and_then(|attribute| attribute.value.as_deref()) else {
        return above;
    };
    let mut words = value.split_ascii_whitespace();
    let Some(port) = words.next().and_then(|port| port.parse().ok()).filter(|port| *port != 0) else {
        return above;
    };
    let named = words.nth(2).and_then(|address| address.parse::<IpAddr>().ok());
    let ip = named.filter(|ip| ip.is_ipv4() == remote.is_ipv4() && !ip.is_multicast());
    SocketAddr::new(ip.unwrap_or(remote.ip()), port)
}
