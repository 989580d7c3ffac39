//! INVITEs whose caller's header fields are the fuzzer's: what is believed of them is no longer than what was said.

use super::peer::{Peer, SDP, hop};
use portero::sip::{Claim, Event};

/// The values read of each header field.
const VALUES_MAX: usize = 4;

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let lines = String::from_utf8_lossy(data);
    let invite = format!(
        "INVITE sip:1000@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKidentity\r\n\
         To: <sip:1000@192.0.2.10>\r\nCall-ID: identity\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
         Contact: <sip:192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n{lines}\r\n\r\n{SDP}",
        SDP.len()
    );
    let mut peer = Peer::in_call();
    peer.endpoint.receive(hop(), invite.as_bytes(), peer.now);
    for event in peer.events() {
        let Event::Invited(_, invitation) = event else { continue };
        let identity = &invitation.identity;
        assert!(identity.asserted.len() <= VALUES_MAX && identity.remote_party.len() <= VALUES_MAX);
        assert!(identity.privacy.len() <= VALUES_MAX);
        let claims = identity.asserted.iter().chain(&identity.remote_party).chain(&identity.from);
        let users = claims.filter_map(|claim| match claim {
            Claim::User(user) => Some(user),
            Claim::Anonymous => None,
        });
        for user in users.chain(&identity.first_dialled) {
            // An escape that is no UTF-8 becomes U+FFFD: three octets for three.
            assert!(user.len() <= invite.len(), "{} octets of {}", user.len(), invite.len());
        }
        assert_eq!(invitation.dialled, "1000");
    }
    peer.end();
}
