//! What an INVITE says about a call: who is dialled, who calls, what came with it.

use std::borrow::Cow;
use std::net::SocketAddr;

use percent_encoding::percent_decode;
use sipx_sip::headers::From;
use sipx_sip::{Headers, Params, Request, Uri};

use super::{Invitation, message};

/// The URI parameter that carries a hand-over's token.
const TOKEN_PARAMETER: &str = "portero-token";
/// The header field that carries a hand-over's token.
const TOKEN_HEADER: &str = "X-Portero-Token";
/// The header field that carries a hand-over's verdict.
const VERDICT_HEADER: &str = "X-Portero-Verdict";
/// The host of a withheld number (RFC 3323 §4.1.1.3).
const ANONYMOUS_HOST: &[u8] = b"anonymous.invalid";

/// Reads an INVITE.
///
/// Peers that follow a Refer-To differ in what they keep of it: its URI parameters stay in the Request-URI,
/// its header components become header fields or, against RFC 3261 §19.1.5, stay in the Request-URI too.
pub fn read(request: &Request, source: SocketAddr) -> Invitation {
    let uri = &request.uri;
    Invitation {
        dialled: user(uri).unwrap_or_default(),
        token: component(uri.params(), TOKEN_PARAMETER).or_else(|| carried(request, TOKEN_HEADER)),
        verdict: carried(request, VERDICT_HEADER),
        caller: caller(&request.headers),
        sip_call_id: message::text(&request.headers, &sipx_sip::HeaderName::CallId).unwrap_or_default(),
        source,
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

fn unescape(escaped: &[u8]) -> String {
    let bytes: Cow<'_, [u8]> = percent_decode(escaped).into();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The user part without its own parameters (`;npdi`, `;phone-context=…`), or the subscriber of a tel URI.
fn user(uri: &Uri) -> Option<String> {
    let raw = uri.user().or_else(|| uri.tel_parts().map(|tel| tel.subscriber()))?;
    let name = raw.split(|&byte| byte == b';').next()?;
    (!name.is_empty()).then(|| unescape(name))
}

fn caller(headers: &Headers) -> Option<String> {
    let from = headers.typed::<From>()?.ok()?;
    let hidden = from.uri.host().is_some_and(|host| host.to_bytes().eq_ignore_ascii_case(ANONYMOUS_HOST));
    user(&from.uri).filter(|user| !hidden && !user.eq_ignore_ascii_case("anonymous"))
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
        read(&request, SocketAddr::from(([192, 0, 2, 1], 5060)))
    }

    #[test]
    fn the_caller_is_read_from_every_form_of_from() {
        let table = [
            ("<sip:+12025550101@trunk.example>;tag=1", Some("+12025550101")),
            ("sip:+12025550101@trunk.example;tag=1", Some("+12025550101")),
            ("\"O'Hara \\\"x\\\" <b>\" <sip:2025550101@h>;tag=1", Some("2025550101")),
            ("José <sip:1@h>;tag=1", Some("1")),
            ("<tel:+1-202-555-0101;phone-context=x>;tag=1", Some("+1-202-555-0101")),
            ("<sip:+12025550101;npdi;rn=+1202@h>;tag=1", Some("+12025550101")),
            ("<sip:%2B12025550101@[2001:db8::1]:5070>;tag=1", Some("+12025550101")),
            ("<sip:anonymous@anonymous.invalid>;tag=1", None),
            ("\"Anonymous\" <sip:Anonymous@gw.example>;tag=1", None),
            ("<sip:12025550101@ANONYMOUS.invalid>;tag=1", None),
            ("<sip:trunk.example>;tag=1", None),
            ("Bell, Alexander <sip:a@h>;tag=1", Some("a")),
            ("\"unterminated <sip:a@h>;tag=1", None),
            ("", None),
        ];
        for (from, caller) in table {
            let invitation = invite("sip:1000@h", &format!("From: {from}\r\n"));
            assert_eq!(invitation.caller.as_deref(), caller, "{from}");
        }
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
