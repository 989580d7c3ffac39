//! Messages as they may be kept: without what proves who somebody is, and without what a caller keyed.
//!
//! A [`Redacted`] can only be made by the scan in this file, so that nothing raw is kept by mistake. The scan reads
//! lines and no grammar: it must hold for what no parser reads, too. What is shown is therefore listed, not what is
//! hidden, wherever a list can be had: parameters of digest (RFC 8760, RFC 7616), kinds of bodies, lines of SDP
//! (RFC 8866). Names and numbers stay, as a trace is for finding them; it is not for logs.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Deserializer, Serialize};

/// What stands in place of what is not kept.
const HIDDEN: &str = "…";

/// The most of one message that is kept, in bytes; the rest is told by its length.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The header field that all messages of a call share, and its compact form.
const CALL_ID: [&str; 2] = ["call-id", "i"];

/// Header fields of credentials and challenges (RFC 3261 §20, RFC 7615).
const OF_DIGEST: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
];

/// What of digest proves nothing.
const SHOWN_OF_DIGEST: [&str; 7] = ["realm", "algorithm", "qop", "stale", "uri", "username", "nc"];

/// Header fields that hold a signed token (RFC 8224): `y` is the compact form of Identity.
const SIGNED: [&str; 2] = ["identity", "y"];

/// Attributes of SDP that hold keys (RFC 4568, RFC 4567, RFC 8839).
const KEYS_OF_SDP: [&str; 3] = ["crypto:", "key-mgmt:", "ice-pwd:"];

/// Schemes of URIs that may hold a password.
const SCHEMES: [&[u8]; 4] = [b"sip", b"sips", b"http", b"https"];

/// A message that holds no secret any more. Its `Debug` shows no text: there are names and numbers in it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Redacted(Box<str>);

/// What a message is known by, read on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scanned {
    pub text: Redacted,
    /// Value of the first Call-ID.
    pub call_id: Option<String>,
}

impl Redacted {
    /// Scans a message, or what once was scanned: that stays as it is.
    pub fn of(message: &[u8]) -> Self {
        scan(message).text
    }

    /// The text, with the line ends that it came with.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redacted({} bytes)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Redacted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::of(text.as_bytes()))
    }
}

/// The Call-ID of a message, as [`Seen`](super::Seen) has it: what costs little to know before one looks closer.
pub fn call_id(message: &[u8]) -> Option<String> {
    let text = printable(message);
    let (_, _, mut rest) = next_field(from_start_line(&text))?;
    while let Some((line, _, behind)) = next_field(rest).filter(|(line, ..)| !line.is_empty()) {
        if let Some((_, value)) = field(line).filter(|(name, _)| is_one_of(name, &CALL_ID)) {
            return Some(value.trim().to_owned());
        }
        rest = behind;
    }
    None
}

/// RFC 3261 §7.5: empty lines before the start line are none of the message.
fn from_start_line(text: &str) -> &str {
    text.trim_start_matches(['\r', '\n'])
}

/// Reads a message once, line by line.
pub(super) fn scan(message: &[u8]) -> Scanned {
    let text = printable(message);
    let text = from_start_line(&text);
    let mut kept = String::with_capacity(text.len() + 64);
    let (head, body) = push_head(text, &mut kept);
    match head.kind() {
        _ if body.is_empty() => {}
        Kind::Sdp => push_sdp(body, &mut kept),
        Kind::Sipfrag => {
            let (_, body) = push_head(body, &mut kept);
            kept.push_str(if body.is_empty() { "" } else { HIDDEN });
        }
        Kind::Other => kept.push_str(HIDDEN),
    }
    Scanned { text: Redacted(cut(kept).into_boxed_str()), call_id: head.call_id }
}

/// Keeps start line and header fields up to the empty line; gives what follows it.
fn push_head<'t>(text: &'t str, kept: &mut String) -> (Head, &'t str) {
    let mut head = Head::default();
    let mut rest = text;
    while let Some((line, end, behind)) = next_field(rest) {
        rest = behind;
        if !line.is_empty() {
            head.push(line, kept);
        }
        kept.push_str(end);
        if line.is_empty() {
            break;
        }
    }
    (head, rest)
}

/// What of the lines so far decides about those that follow.
#[derive(Default)]
struct Head {
    has_start_line: bool,
    is_info: bool,
    call_id: Option<String>,
    kinds: Vec<Kind>,
}

/// Bodies as they are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sdp,
    Sipfrag,
    Other,
}

impl Head {
    fn push(&mut self, line: &str, kept: &mut String) {
        if !std::mem::replace(&mut self.has_start_line, true) {
            let method = line.split_ascii_whitespace().next().unwrap_or_default();
            self.is_info = method.eq_ignore_ascii_case("INFO");
            return push_without_passwords(line, kept);
        }
        let Some((name, value)) = field(line) else {
            // No header field, and so nothing that could be told from a secret.
            return kept.push_str(HIDDEN);
        };
        let is_one_of = |names: &[&str]| is_one_of(name, names);
        if self.call_id.is_none() && is_one_of(&CALL_ID) {
            self.call_id = Some(value.trim().to_owned());
        } else if is_one_of(&["content-type", "c"]) {
            self.kinds.push(kind(value));
        }
        if is_one_of(&OF_DIGEST) {
            kept.push_str(name);
            kept.push(':');
            push_digest(value, kept);
        } else if is_one_of(&SIGNED) {
            kept.push_str(name);
            kept.push_str(": ");
            kept.push_str(HIDDEN);
        } else {
            push_without_passwords(line, kept);
        }
    }

    /// The one kind that every Content-Type says; of INFO, whose bodies are keys, none is known.
    fn kind(&self) -> Kind {
        match self.kinds.as_slice() {
            [first, others @ ..] if !self.is_info && others.iter().all(|kind| kind == first) => *first,
            _ => Kind::Other,
        }
    }
}

/// Name and value of a header field, if it is one; white space stays.
fn field(line: &str) -> Option<(&str, &str)> {
    line.split_once(':').filter(|(name, _)| is_token(name.trim_ascii()))
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known))
}

/// RFC 3261 §25.1: what the name of a header field is made of.
fn is_token(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !name.is_empty() && name.bytes().all(letter)
}

fn kind(content_type: &str) -> Kind {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/sdp") {
        Kind::Sdp
    } else if essence.eq_ignore_ascii_case("message/sipfrag") {
        Kind::Sipfrag
    } else {
        Kind::Other
    }
}

/// The next header field with the lines that continue it (RFC 3261 §7.3.1), its line end, and what follows.
fn next_field(text: &str) -> Option<(&str, &str, &str)> {
    let mut end = line_end(text)?;
    if end.0 > 0 {
        while text[end.1..].starts_with([' ', '\t'])
            && let Some(more) = line_end(&text[end.1..])
        {
            end = (end.1 + more.0, end.1 + more.1);
        }
    }
    Some((&text[..end.0], &text[end.0..end.1], &text[end.1..]))
}

/// Where a line ends, and where the next begins; `None` where there is no text.
fn line_end(text: &str) -> Option<(usize, usize)> {
    if text.is_empty() {
        return None;
    }
    let Some(feed) = text.find('\n') else { return Some((text.len(), text.len())) };
    let end = if text[..feed].ends_with('\r') { feed - 1 } else { feed };
    Some((end, feed + 1))
}

/// `Digest realm="…", response="…"`: each parameter that is not known to be harmless loses its value, and any
/// other scheme all of it.
fn push_digest(value: &str, kept: &mut String) {
    let value = value.trim();
    let (scheme, parameters) = match value.split_once([' ', '\t', '\r', '\n']) {
        Some((scheme, parameters)) if !scheme.contains('=') => (Some(scheme), parameters),
        _ => (None, value),
    };
    let is_digest = scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case("Digest"));
    if let Some(word) = scheme {
        kept.push(' ');
        kept.push_str(word);
    }
    if !is_digest {
        kept.push(' ');
        return kept.push_str(HIDDEN);
    }
    for (number, parameter) in split_outside_quotes(parameters).enumerate() {
        kept.push_str(if number == 0 { " " } else { ", " });
        push_parameter(parameter.trim(), kept);
    }
}

fn push_parameter(parameter: &str, kept: &mut String) {
    let Some((name, value)) = parameter.split_once('=') else { return kept.push_str(HIDDEN) };
    let is_known = SHOWN_OF_DIGEST.iter().any(|shown| name.trim().eq_ignore_ascii_case(shown));
    if is_known && is_one_value(value.trim()) {
        return push_without_passwords(parameter, kept);
    }
    kept.push_str(name);
    kept.push('=');
    kept.push_str(HIDDEN);
}

/// Whether it is one token or one quoted string: where a comma is missing, the next parameter would come along.
fn is_one_value(value: &str) -> bool {
    let Some(quoted) = value.strip_prefix('"') else {
        return !value.contains(|letter: char| letter == '=' || letter == '"' || letter.is_whitespace());
    };
    let mut escaped = false;
    let closing = quoted.find(|letter| {
        let closes = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        closes
    });
    closing == Some(quoted.len().wrapping_sub(1))
}

fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let is_comma = character == ',' && !quoted;
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && quoted && !escaped;
        is_comma
    })
}

/// A URI may carry a password (RFC 3261 §19.1.1): `sip:alice:secret@example.com`.
fn push_without_passwords(line: &str, kept: &mut String) {
    let mut rest = line;
    // Without an @ there is no user part, and so no password.
    while rest.contains('@')
        && let Some(at) = after_scheme(rest)
    {
        let (before, uri) = rest.split_at(at);
        kept.push_str(before);
        rest = uri;
        let end = uri.find(['<', '>', '"', ' ', '\t', '\r', '\n']).unwrap_or(uri.len());
        // The last @, as a password that was not escaped may hold one.
        if let Some(host) = uri[..end].rfind('@')
            && let Some(colon) = uri[..host].find(':')
        {
            kept.push_str(&uri[..=colon]);
            kept.push_str(HIDDEN);
            rest = &uri[host..];
        }
    }
    kept.push_str(rest);
}

/// Where what follows a URI's scheme begins, if there is one.
fn after_scheme(text: &str) -> Option<usize> {
    let is_scheme = |at: usize| {
        let before = &text.as_bytes()[..at];
        SCHEMES.iter().any(|scheme| {
            before
                .len()
                .checked_sub(scheme.len())
                .is_some_and(|from| before[from..].eq_ignore_ascii_case(scheme))
        })
    };
    text.match_indices(':').find(|(at, _)| is_scheme(*at)).map(|(at, _)| at + 1)
}

fn push_sdp(body: &str, kept: &mut String) {
    let mut rest = body;
    while let Some((end, next)) = line_end(rest) {
        if end > 0 {
            push_sdp_line(&rest[..end], kept);
        }
        kept.push_str(&rest[end..next]);
        rest = &rest[next..];
    }
}

/// A line of SDP says `<letter>=<value>`; what does not is not kept.
fn push_sdp_line(line: &str, kept: &mut String) {
    let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| is_sdp_type(kind)) else {
        return kept.push_str(HIDDEN);
    };
    let key = KEYS_OF_SDP.iter().find(|key| starts_with(value, key)).map(|key| key.len());
    let shown = match (kind, key) {
        ("k", _) => 0,
        ("a", Some(length)) => length,
        _ => inline_key(value).unwrap_or(value.len()),
    };
    kept.push_str(kind);
    kept.push('=');
    kept.push_str(&value[..shown]);
    if shown < value.len() {
        kept.push_str(HIDDEN);
    }
}

fn is_sdp_type(kind: &str) -> bool {
    matches!(kind.as_bytes(), [letter] if letter.is_ascii_lowercase())
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Where a key of SRTP begins, wherever it is written (RFC 4568 §6.1).
fn inline_key(value: &str) -> Option<usize> {
    const WORD: &[u8] = b"inline";
    let is_word = |at: usize| {
        let from = at.checked_sub(WORD.len());
        from.filter(|&from| value.as_bytes()[from..at].eq_ignore_ascii_case(WORD))
    };
    value.match_indices(':').find_map(|(at, _)| is_word(at))
}

/// As text that does nothing to whoever looks at it: neither to a terminal nor to the order of its letters.
fn printable(message: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(message);
    // Nearly every message, and many times as fast as looking at each letter.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t');
    if message.iter().fold(true, |plain, byte| plain & is_plain(byte)) {
        return text;
    }
    let harmless = |letter| if is_harmless(letter) { letter } else { char::REPLACEMENT_CHARACTER };
    Cow::Owned(text.chars().map(harmless).collect())
}

fn is_harmless(letter: char) -> bool {
    let directs =
        matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_no_character = matches!(letter, '\u{fffe}' | '\u{ffff}');
    matches!(letter, '\r' | '\n' | '\t') || !(letter.is_control() || directs || is_no_character)
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        // With room for the note, so that what was cut once is not cut again.
        let end = text.floor_char_boundary(TEXT_BYTES_MAX - 64);
        let left = text.len() - end;
        text.truncate(end);
        // Writing to a string cannot fail.
        let _ = write!(text, "{HIDDEN} ({left} bytes more)");
    }
    text
}

#[cfg(test)]
mod tests;
