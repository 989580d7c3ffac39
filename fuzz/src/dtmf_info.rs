//! INFO bodies inside a call: each INFO gets one final response, and tells one key at the most.
//!
//! The first octet picks the media type.

use super::peer::{Peer, hop, request};
use portero::sip::Event;

const TYPES: [&str; 4] =
    ["application/dtmf-relay", "application/dtmf", "Application/DTMF-Relay;charset=utf-8", "text/plain"];

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let Some((&kind, body)) = data.split_first() else { return };
    let mut peer = Peer::in_call();
    let kind = format!("Content-Type: {}\r\n", TYPES[usize::from(kind) % TYPES.len()]);
    let info = request("INFO", &peer.tag, 2, &kind, body);
    peer.endpoint.receive(hop(), &info, peer.now);
    let sent = peer.sent();
    assert_eq!(sent.len(), 1);
    let ok = sent[0].payload.starts_with(b"SIP/2.0 200 ");
    let digits = peer.events().iter().filter(|event| matches!(event, Event::Digit(..))).count();
    assert!(digits <= usize::from(ok), "{digits} digits");
    // A retransmission gets the same answer and tells nothing.
    peer.endpoint.receive(hop(), &info, peer.now);
    assert_eq!(peer.sent(), sent);
    assert!(peer.events().is_empty());
    peer.end();
}
