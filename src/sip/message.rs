//! Datagrams to messages and header fields to text: what every other file of this module reads with.
//!
//! The parser is sipx-sip's; this file sets its limits and makes the best of what it refuses, because a
//! request that cannot be read still deserves its 400 (RFC 3261 §8.2, §16.3).

use std::time::Duration;

use sipx_sip::error::ParseError;
use sipx_sip::headers::{CSeq, CallId, From, To};
use sipx_sip::{HeaderName, Headers, Limits, Message, Method, Request, parse_datagram};

use super::leniency::quote_display_names;
use super::limits::{HEADERS_MAX, MESSAGE_BYTES_MAX};

/// A datagram that holds no message.
#[derive(Debug)]
pub enum Unreadable {
    /// Empty lines that keep a NAT binding open (RFC 5626 §4.4.1), not a message.
    KeepAlive,
    /// A request too broken to read, of which enough is left to answer it.
    Request(Box<Request>),
    /// Anything else.
    Noise,
}

/// Reads one datagram.
pub fn read(payload: &[u8]) -> Result<Message, Unreadable> {
    if payload.trim_ascii().is_empty() {
        return Err(Unreadable::KeepAlive);
    }
    match parse(payload) {
        Ok(message) => Ok(message),
        Err(_) => {
            Err(salvage(payload).map_or(Unreadable::Noise, |request| Unreadable::Request(Box::new(request))))
        }
    }
}

fn parse(payload: &[u8]) -> Result<Message, ParseError> {
    let limits = Limits {
        max_message_bytes: MESSAGE_BYTES_MAX,
        max_body_bytes: MESSAGE_BYTES_MAX,
        max_headers: HEADERS_MAX,
        ..Limits::datagram()
    };
    let mut message = parse_datagram(payload.to_vec().into(), &limits)?;
    match &mut message {
        Message::Request(request) => quote_display_names(&mut request.headers),
        Message::Response(response) => quote_display_names(&mut response.headers),
    }
    Ok(message)
}

/// The header fields that a response copies from its request (RFC 3261 §8.2.6.2), with their compact forms.
const ANSWERABLE: [&str; 9] = ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"];

/// Rebuilds a request from those lines of `payload` that a response needs, if it was a request at all.
fn salvage(payload: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(payload.get(..MESSAGE_BYTES_MAX.min(payload.len()))?);
    let head = text.split("\r\n\r\n").next()?;
    let mut lines = head.split("\r\n");
    let method = lines.next()?.split_ascii_whitespace().next()?;
    // A response is never answered, and neither is an ACK (RFC 3261 §17.1.1.3).
    if method.to_ascii_uppercase().starts_with("SIP/") || method == "ACK" {
        return None;
    }
    let mut rebuilt = String::from("OPTIONS sip:unreadable.invalid SIP/2.0\r\n");
    for line in lines.filter(|line| is_answerable(line)) {
        rebuilt.push_str(line);
        rebuilt.push_str("\r\n");
    }
    rebuilt.push_str("\r\n");
    match parse(rebuilt.as_bytes()).ok()? {
        Message::Request(request) if request.headers.get(&HeaderName::Via).is_some() => Some(request),
        Message::Request(_) | Message::Response(_) => None,
    }
}

fn is_answerable(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default().trim_end();
    line.contains(':') && ANSWERABLE.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A header name that the parser has no word for.
pub fn extension(name: &str) -> HeaderName {
    HeaderName::parse(&name.as_bytes().to_vec().into())
}

/// The first value of a header field as text, with whatever is not UTF-8 replaced.
pub fn text(headers: &Headers, name: &HeaderName) -> Option<String> {
    headers.value(name).map(|value| String::from_utf8_lossy(&value).into_owned())
}

/// A header field's first value up to its parameters, in lower case: `message/sipfrag`, `refer`.
pub fn essence(headers: &Headers, name: &HeaderName) -> Option<String> {
    let value = text(headers, name)?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The value of `parameter` in a header field that is a token with parameters, as `Event: refer;id=7`.
pub fn parameter(headers: &Headers, name: &HeaderName, parameter: &str) -> Option<String> {
    let value = text(headers, name)?;
    value.split(';').skip(1).find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        key.trim().eq_ignore_ascii_case(parameter).then(|| value.trim().to_owned())
    })
}

/// Splits at a separator that is not inside quotes.
pub fn unquoted_pieces(value: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                pieces.push(&value[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    pieces.push(&value[start..]);
    pieces
}

/// The Call-ID, as bytes to compare.
pub fn call_id(headers: &Headers) -> Option<Vec<u8>> {
    headers.typed::<CallId>()?.ok().map(|id| id.0)
}

/// The `CSeq` number.
pub fn cseq(headers: &Headers) -> Option<u32> {
    headers.typed::<CSeq>()?.ok().map(|cseq| cseq.sequence)
}

/// How long Retry-After wants us to wait (RFC 3261 §20.33), whatever else it says.
pub fn retry_after(headers: &Headers) -> Option<Duration> {
    let value = text(headers, &HeaderName::RetryAfter)?;
    let digits = value.trim_start().split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse::<u32>().ok().map(|seconds| Duration::from_secs(u64::from(seconds)))
}

/// Whether a list of option tags has this one.
pub fn names_option(headers: &Headers, name: &HeaderName, option: &str) -> bool {
    headers.get_all(name).any(|row| {
        row.value()
            .split(|&byte| byte == b',')
            .any(|tag| tag.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    })
}

/// Whether a response answers an INVITE.
pub fn answers_invite(headers: &Headers) -> bool {
    matches!(headers.typed::<CSeq>(), Some(Ok(cseq)) if cseq.method == Method::Invite)
}

/// The tag of From.
pub fn from_tag(headers: &Headers) -> Option<Vec<u8>> {
    headers.typed::<From>()?.ok()?.tag().map(<[u8]>::to_vec)
}

/// The tag of To.
pub fn to_tag(headers: &Headers) -> Option<Vec<u8>> {
    headers.typed::<To>()?.ok()?.tag().map(<[u8]>::to_vec)
}

/// A body as text; `None` where it is empty.
pub fn body(message_body: &[u8]) -> Option<String> {
    (!message_body.trim_ascii().is_empty()).then(|| String::from_utf8_lossy(message_body).into_owned())
}

/// Whether this method opens a dialog or refreshes its target, and so gets Record-Route back.
pub fn is_invite(method: &Method) -> bool {
    *method == Method::Invite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alives_and_noise_are_told_apart() {
        assert!(matches!(read(b"\r\n\r\n"), Err(Unreadable::KeepAlive)));
        assert!(matches!(read(b""), Err(Unreadable::KeepAlive)));
        assert!(matches!(read(b"\x00\x01\x02"), Err(Unreadable::Noise)));
        assert!(matches!(read(b"SIP/2.0 99999 No\r\nVia: x\r\n\r\n"), Err(Unreadable::Noise)));
        assert!(matches!(read(b"ACK\r\nVia: SIP/2.0/UDP a\r\n\r\n"), Err(Unreadable::Noise)));
    }

    #[test]
    fn a_broken_request_keeps_what_its_answer_needs() {
        let broken =
            b"INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n\
            Bad Line\r\nt: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: -5\r\n\r\n";
        let Err(Unreadable::Request(request)) = read(broken) else { panic!("not salvaged") };
        assert_eq!(request.headers.len(), 5);
        assert_eq!(cseq(&request.headers), Some(1));
    }
}
