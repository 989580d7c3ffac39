//! Keys by INFO: `application/dtmf-relay` and `application/dtmf`.
//!
//! Neither has a standard; what is read here is what gateways send: `Signal=5` on a line of its own, or the
//! key alone. The bodies are secrets of the caller and are never shown.

use crate::secret::Digit;

/// What an INFO body said.
#[derive(Debug, PartialEq, Eq)]
pub enum Info {
    /// A key.
    Key(Digit),
    /// Something valid that is no key: nothing at all, or hook flash.
    Nothing,
    /// A key event that cannot be read.
    Malformed,
    /// A body of another kind.
    OtherKind,
}

/// The types understood, for Accept.
pub const ACCEPTED: &str = "application/dtmf-relay, application/dtmf";

/// The telephone-event code of a hook flash (RFC 4733 §3.2, table 7), which some relay by INFO too.
const FLASH: u8 = 16;

/// Reads an INFO body of the given media type (lower case, without parameters).
pub fn read(media_type: Option<&str>, body: &[u8]) -> Info {
    if body.trim_ascii().is_empty() {
        return Info::Nothing;
    }
    let Ok(body) = std::str::from_utf8(body) else { return Info::Malformed };
    match media_type {
        Some("application/dtmf-relay") => signal(body).map_or(Info::Malformed, key),
        Some("application/dtmf") => key(signal(body).unwrap_or(body)),
        _ => Info::OtherKind,
    }
}

/// The value of the `Signal` line.
fn signal(body: &str) -> Option<&str> {
    body.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    })
}

fn key(text: &str) -> Info {
    let text = text.trim();
    let mut characters = text.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return Digit::from_char(character).map_or(Info::Malformed, Info::Key);
    }
    match text.parse::<u8>() {
        Ok(FLASH) => Info::Nothing,
        Ok(code) => Digit::from_event(code).map_or(Info::Malformed, Info::Key),
        Err(_) if text.eq_ignore_ascii_case("flash") => Info::Nothing,
        Err(_) => Info::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digit(key: char) -> Info {
        Info::Key(Digit::from_char(key).expect("a key"))
    }

    #[test]
    fn bodies_of_the_field() {
        let relay = Some("application/dtmf-relay");
        let plain = Some("application/dtmf");
        let table = [
            (relay, "Signal=5\r\nDuration=160\r\n", digit('5')),
            (relay, "Signal= *\r\nDuration=250", digit('*')),
            (relay, "Duration=160\r\nsignal = #\r\n", digit('#')),
            (relay, "Signal=11\r\n", digit('#')),
            (relay, "Signal=16\r\n", Info::Nothing),
            (relay, "Signal=\r\n", Info::Malformed),
            (relay, "5", Info::Malformed),
            (relay, "Signal=99\r\n", Info::Malformed),
            (plain, "5\r\n", digit('5')),
            (plain, "d", digit('D')),
            (plain, "10", digit('*')),
            (plain, "Signal=7\r\nDuration=100\r\n", digit('7')),
            (plain, "x", Info::Malformed),
            (relay, "", Info::Nothing),
            (None, "", Info::Nothing),
            (Some("application/media_control+xml"), "<x/>", Info::OtherKind),
            (None, "5", Info::OtherKind),
        ];
        for (media_type, body, expected) in table {
            assert_eq!(read(media_type, body.as_bytes()), expected, "{media_type:?} {body:?}");
        }
        assert_eq!(read(relay, b"Signal=\xff"), Info::Malformed);
    }

    proptest! {
        #[test]
        fn any_body_is_read_as_something(body in "[Signal=0-9A-D#* \r\n]{0,24}", relay: bool) {
            let kind = if relay { "application/dtmf-relay" } else { "application/dtmf" };
            if let Info::Key(digit) = read(Some(kind), body.as_bytes()) {
                let shown = digit.to_event().to_string();
                prop_assert!(body.to_ascii_uppercase().contains(digit.expose()) || body.contains(&shown));
            }
            prop_assert!(matches!(read(Some("text/plain"), body.as_bytes()), Info::OtherKind | Info::Nothing));
        }

        #[test]
        fn octets_never_panic(body: Vec<u8>, relay: bool) {
            read(Some(if relay { "application/dtmf-relay" } else { "application/dtmf" }), &body);
        }
    }
}
