//! What must hold of whatever arrives: a function for each parser, which a fuzzer or a test gives octets.
//!
//! `fuzz_targets` has the fuzzer call them; the program's own tests do it too, with the seeds and with what can be made
//! of them, so that this folder never falls behind.

pub mod dtmf_info;
pub mod packets;
pub mod passport;
pub mod peer;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip_datagram;
pub mod sip_dialog;
pub mod sip_identity;
pub mod sip_stream;
pub mod telephone_event;
pub mod wav;

use std::time::Instant;

/// What a target does with octets.
type Hold = fn(&[u8]);

/// Each target by its name.
pub const TARGETS: [(&str, Hold); 11] = [
    ("dtmf_info", dtmf_info::hold),
    ("passport", passport::hold),
    ("rtcp", rtcp::hold),
    ("rtp", rtp::hold),
    ("sdp", sdp::hold),
    ("sip_datagram", sip_datagram::hold),
    ("sip_dialog", sip_dialog::hold),
    ("sip_identity", sip_identity::hold),
    ("sip_stream", sip_stream::hold),
    ("telephone_event", telephone_event::hold),
    ("wav", wav::hold),
];

/// Time passes only where a target says so; it has to count from some instant.
fn some_instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    Instant::now()
}
