//! RTP to a media session: packets of any octets, from the agreed source and from elsewhere.
//!
//! Each packet is headed by its length and its source.

use std::net::SocketAddr;
use std::time::Duration;

use super::{packets, some_instant};
use portero::audio::Codec;
use portero::media::{DATAGRAM_LEN_MAX, Event, Origin, Parameters, Session};
use portero::rtp::packet::{HEADER_LEN, Packet};

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let remote = SocketAddr::from(([192, 0, 2, 1], 4000));
    let parameters = Parameters {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        own: None,
        packet_time: Duration::from_millis(20),
        remote,
        remote_rtcp: SocketAddr::from(([192, 0, 2, 1], 4001)),
        sends: true,
        receives: true,
        tones: true,
        keys: None,
    };
    let origin = Origin { ssrc: 7, sequence: 1, timestamp: 2, cname: "fuzz".to_owned(), seed: 3 };
    let mut now = some_instant();
    let mut session = Session::new(origin, parameters, now);
    let (mut given, mut digits) = (0, 0);
    let mut room = [0; DATAGRAM_LEN_MAX];
    for (flags, datagram) in packets::of(data) {
        if let Some(packet) = Packet::read(datagram) {
            assert!(packet.payload.len() + HEADER_LEN <= datagram.len());
        }
        let source = SocketAddr::new(remote.ip(), remote.port() + u16::from(flags & 3));
        session.receive(source, datagram, now);
        given += 1;
        while let Some(event) = session.poll_event() {
            digits += usize::from(matches!(event, Event::Digit(_)));
        }
        // What is sent does not depend on how much comes.
        let mut sent = 0;
        while session.tick(now, &mut room).is_some() {
            sent += 1;
            assert!(sent <= 8, "a slot has one packet");
        }
        now += Duration::from_millis(u64::from(flags >> 2));
    }
    assert!(digits <= given);
    let figures = session.figures();
    assert!(figures.packets_received <= given as u64);
    assert!(figures.jitter_ms.is_finite() && figures.jitter_ms >= 0.0);
    assert!(figures.remote_loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)));
    assert!(figures.remote_opinion.is_none_or(|opinion| (1.0..=4.5).contains(&opinion)));
}
