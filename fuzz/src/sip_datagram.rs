//! Datagrams to an endpoint with a live dialog: of the known peer, and of strangers who are refused or ignored.
//!
//! The first octet says who sends; `\0\0` parts one datagram from the next.

use super::peer::{Peer, check_frame, hop};
use portero::sip::Reception;

/// More of them find nothing that these do not.
const DATAGRAMS_MAX: usize = 4;

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let Some((&who, data)) = data.split_first() else { return };
    let mut peer = Peer::in_call();
    let mut rest = data;
    for _ in 0..DATAGRAMS_MAX {
        let end = rest.windows(2).position(|window| window == b"\0\0");
        let (datagram, more) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + 2..]));
        let now = peer.now;
        match who % 3 {
            0 => {
                peer.receive(datagram);
            }
            1 => peer.endpoint.receive_from_stranger(hop(), datagram, Reception::Refuse, now),
            _ => peer.endpoint.receive_from_stranger(hop(), datagram, Reception::Ignore, now),
        }
        for transmit in peer.sent() {
            check_frame(&transmit.payload);
        }
        peer.events();
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    peer.end();
}
