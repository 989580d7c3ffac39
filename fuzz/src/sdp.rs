//! Offers and answers: what is answered is an answer to what was offered, and reads back as what was settled.

use std::net::SocketAddr;
use std::time::Duration;

use portero::sdp::{Codec, Codecs, Negotiated, Offer, Session, negotiate, read_answer};

fn check(settled: &Negotiated) {
    assert!(settled.payload_type < 128);
    assert!(settled.telephone_event.is_none_or(|payload_type| payload_type < 128));
    assert!(
        settled.packet_time >= Duration::from_millis(10) && settled.packet_time <= Duration::from_millis(60)
    );
    assert_eq!(settled.packet_time.as_millis() % 10, 0);
    assert!(settled.remote.port() != 0 && !settled.remote.ip().is_multicast());
    assert!(settled.remote_rtcp.port() != 0);
    assert!(!(settled.sends && settled.remote.ip().is_unspecified()));
}

fn streams(description: &str) -> usize {
    description.lines().filter(|line| line.starts_with("m=")).count()
}

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(settled) = read_answer(text) {
        check(&settled);
    }
    let Ok(offer) = Offer::parse(text) else { return };
    let local = SocketAddr::from(([198, 51, 100, 5], 20_000));
    let session = Session { id: 42, version: 7 };
    let codecs = Codecs::Theirs(Codec::ALL.to_vec());
    let Ok((answer, settled)) = negotiate(&offer, local, session, &codecs) else { return };
    check(&settled);
    // RFC 3264 §6: one stream in the answer for each in the offer.
    assert_eq!(streams(&answer), streams(text), "{answer}");
    // Whoever reads the answer takes from it what we have settled. Theirs may have been a later stream than the first,
    // which is the only one that an offer of ours would have.
    let theirs = Offer::parse(&answer).expect("readable");
    let (_, read) = negotiate(&theirs, local, session, &codecs).expect("our own answer");
    assert_eq!(read.remote, local);
    assert_eq!((read.codec, read.payload_type), (settled.codec, settled.payload_type));
    assert_eq!(read.telephone_event, settled.telephone_event);
    assert_eq!((read.sends, read.receives), (settled.receives, settled.sends));
    let again = negotiate(&offer, local, session, &codecs).expect("it was answered before");
    assert_eq!(again, (answer, settled));
}
