//! A message in a few words: its start line in short, and what its SDP offers or answers (RFC 8866).

use std::fmt::Write as _;

/// Payload types that need no `rtpmap` (RFC 3551 §6).
const STATIC_TYPES: [(&str, &str); 5] =
    [("0", "PCMU"), ("3", "GSM"), ("8", "PCMA"), ("9", "G722"), ("18", "G729")];

/// Requests whose target says what they are about.
const AIMED: [&str; 6] = ["INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH"];

/// Words of codecs in a note; the rest is counted.
const CODECS_MAX: usize = 6;

/// `INVITE sip:1000@192.0.2.1`, `200 OK (BYE)`, `REFER to sip:agents@192.0.2.7`.
pub(super) fn label(message: &str) -> String {
    let start = message.lines().next().unwrap_or_default();
    let mut words = start.splitn(3, ' ');
    let (first, second, third) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if first.starts_with("SIP/") {
        let method = header(message, "cseq", None).and_then(|cseq| cseq.split_whitespace().nth(1));
        let of = method.map(|method| format!(" ({method})")).unwrap_or_default();
        return format!("{second} {third}{of}");
    }
    match first {
        "REFER" => header(message, "refer-to", Some("r"))
            .map_or_else(|| first.to_owned(), |target| format!("REFER to {}", bare(target))),
        "NOTIFY" => notified(message).map_or_else(|| first.to_owned(), |status| format!("NOTIFY {status}")),
        _ if AIMED.contains(&first) => format!("{first} {}", bare(second)),
        _ => first.to_owned(),
    }
}

/// What a message says of media: `audio 192.0.2.9:4000 sendrecv PCMU PCMA`.
pub(super) fn note(message: &str) -> Option<String> {
    let body = body(message)?;
    let value = |start: &'static str| body.lines().find_map(move |line| line.strip_prefix(start));
    let media = value("m=")?;
    let mut words = media.split_whitespace();
    let (kind, port) = (words.next()?, words.next()?);
    let address = value("c=").and_then(|line| line.split_whitespace().nth(2)).unwrap_or("?");
    let mut note = if address.contains(':') {
        format!("{kind} [{address}]:{port}")
    } else {
        format!("{kind} {address}:{port}")
    };
    let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let mut said = body.lines().filter_map(|line| line.strip_prefix("a="));
    let direction = said.find(|attribute| directions.contains(attribute)).unwrap_or("sendrecv");
    // Writing to a string cannot fail.
    let _ = write!(note, " {direction}");
    let types: Vec<&str> = words.skip(1).collect();
    for payload_type in types.iter().take(CODECS_MAX) {
        let _ = write!(note, " {}", codec(body, payload_type));
    }
    if types.len() > CODECS_MAX {
        let _ = write!(note, " +{}", types.len() - CODECS_MAX);
    }
    Some(note)
}

/// The name of a payload type.
fn codec<'m>(sdp: &'m str, payload_type: &'m str) -> &'m str {
    let mapped = sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")).find_map(|line| {
        let (of, name) = line.split_once(' ')?;
        (of == payload_type).then(|| name.split('/').next().unwrap_or(name))
    });
    let known = || STATIC_TYPES.iter().find(|(of, _)| *of == payload_type).map(|(_, name)| *name);
    mapped.or_else(known).unwrap_or(payload_type)
}

/// The status in a NOTIFY about a REFER (RFC 3515 §2.4.5), without its version.
fn notified(message: &str) -> Option<&str> {
    body(message)?.lines().next()?.strip_prefix("SIP/2.0 ")
}

/// A URI without what is around it and without its parameters.
fn bare(target: &str) -> &str {
    let inside = target.split_once('<').map_or(target, |(_, uri)| uri);
    inside.split(['>', ';', '?']).next().unwrap_or(inside).trim()
}

/// The value of the first header field of this name, in lower case, or of its compact form.
fn header<'m>(message: &'m str, name: &str, compact: Option<&str>) -> Option<&'m str> {
    let fields = message.lines().skip(1).take_while(|line| !line.is_empty());
    fields.filter_map(|line| line.split_once(':')).find_map(|(field, value)| {
        let field = field.trim();
        let is_it = field.eq_ignore_ascii_case(name)
            || compact.is_some_and(|compact| field.eq_ignore_ascii_case(compact));
        is_it.then(|| value.trim())
    })
}

fn body(message: &str) -> Option<&str> {
    message.split_once("\r\n\r\n").or_else(|| message.split_once("\n\n")).map(|(_, body)| body)
}
