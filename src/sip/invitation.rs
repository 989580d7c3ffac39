//! What an INVITE says about a call: who is dialled, and what came with it. Who calls is in `identity`.

use std::sync::Arc;

use sipx_sip::{Params, Request};

use super::identity::{Identity, unescape, user};
use super::{Hop, Invitation, message};

/// The URI parameter that carries a hand-over's token.
const TOKEN_PARAMETER: &str = "portero-token";
/// The header field that carries a hand-over's token.
const TOKEN_HEADER: &str = "X-Portero-Token";
/// The header field that carries a hand-over's verdict.
const VERDICT_HEADER: &str = "X-Portero-Verdict";

/// Reads an INVITE.
///
/// Peers that follow a Refer-To differ in what they keep of it: its URI parameters stay in the Request-URI,
/// its header components become header fields or, against RFC 3261 §19.1.5, stay in the Request-URI too.
pub fn read(request: &Request, hop: Hop, login: Option<Arc<str>>) -> Invitation {
    let uri = &request.uri;
    Invitation {
        dialled: user(uri).unwrap_or_default(),
        token: component(uri.params(), TOKEN_PARAMETER).or_else(|| carried(request, TOKEN_HEADER)),
        verdict: carried(request, VERDICT_HEADER),
        identity: Identity::read(&request.headers),
        sip_call_id: message::text(&request.headers, &sipx_sip::HeaderName::CallId).unwrap_or_default(),
        hop,
        login,
        offer: message::body(request.body()),
    }
}

/// A header field, or the header component of the Request-URI with its name.
fn carried(request: &Request, name: &str) -> Option<String> {
    message::text(&request.headers, &message::extension(name))
        .or_else(|| component(request.uri.headers(), name))
}

fn component(components: Option<&Params>, name: &str) -> Option<String> {
    components?.value(name).map(unescape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(uri: &str, more: &str) -> Invitation {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:x@y>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n{more}\r\n"
        );
        let Ok(sipx_sip::Message::Request(request)) = message::read(text.as_bytes()) else {
            panic!("{text}")
        };
        let (here, there) = (([192, 0, 2, 2], 5060).into(), ([192, 0, 2, 1], 5060).into());
        read(&request, Hop::udp(here, there), None)
    }

    #[test]
    fn the_dialled_number_is_unescaped_and_bare() {
        let table = [
            ("sip:1000@192.0.2.1", "1000"),
            ("sip:1000;x=y@192.0.2.1;user=phone", "1000"),
            ("sip:%31000@[2001:db8::1]", "1000"),
            ("sip:1000:secret@h", "1000"),
            ("tel:+12025550101;ext=7", "+12025550101"),
            ("sip:192.0.2.1", ""),
        ];
        for (uri, dialled) in table {
            assert_eq!(invite(uri, "").dialled, dialled, "{uri}");
        }
    }

    #[test]
    fn token_and_verdict_are_found_wherever_a_peer_put_them() {
        let table = [
            ("sip:agents@h;portero-token=abc?X-Portero-Verdict=verified", "", Some("abc"), Some("verified")),
            (
                "sip:agents@h;Portero-Token=abc",
                "X-Portero-Verdict: verified\r\n",
                Some("abc"),
                Some("verified"),
            ),
            ("sip:agents@h", "x-portero-token: t1\r\n", Some("t1"), None),
            ("sip:agents@h?x-portero-token=t%31", "", Some("t1"), None),
            ("sip:agents@h", "", None, None),
        ];
        for (uri, more, token, verdict) in table {
            let invitation = invite(uri, more);
            assert_eq!(
                (invitation.token.as_deref(), invitation.verdict.as_deref()),
                (token, verdict),
                "{uri}"
            );
        }
    }
}
