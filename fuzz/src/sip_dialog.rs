//! Requests inside a live dialog, well-formed up to the header fields and bodies, which are the fuzzer's.
//!
//! Four octets make the outline of a request: method, step of the `CSeq`, length of the header fields, length of the
//! body; those follow it.

use std::time::Duration;

use super::peer::{Peer, request};
use portero::sip::{Event, Referral};

const METHODS: [&str; 11] =
    ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "NOTIFY", "REFER", "PRACK", "UPDATE", "MESSAGE"];

const REQUESTS_MAX: usize = 8;

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let mut peer = Peer::in_call();
    let (mut rest, mut cseq) = (data, 1_u32);
    for _ in 0..REQUESTS_MAX {
        let Some((&[method, step, head, body], more)) = rest.split_first_chunk() else { break };
        let (head, more) = more.split_at(more.len().min(head.into()));
        let (body, more) = more.split_at(more.len().min(body.into()));
        rest = more;
        if step & 0x80 != 0 {
            let referral = Referral { refer_to: "sip:agents@192.0.2.20".to_owned(), headers: vec![] };
            peer.endpoint.refer(peer.dialog, &referral, peer.now);
        }
        if step & 0x40 != 0 {
            peer.pass(Duration::from_millis(u64::from(step) * 100));
        }
        cseq = cseq.wrapping_add(u32::from(step & 0x0F));
        let head = String::from_utf8_lossy(head);
        let method = METHODS[usize::from(method) % METHODS.len()];
        let events = peer.receive(&request(method, &peer.tag.clone(), cseq, &head, body));
        let digits = events.iter().filter(|event| matches!(event, Event::Digit(..))).count();
        assert!(digits <= usize::from(method == "INFO"), "{digits} digits by one {method}");
        let ends = events.iter().filter(|event| matches!(event, Event::Ended(..))).count();
        assert!(ends <= 1, "a dialog ends once");
    }
    peer.end();
}
