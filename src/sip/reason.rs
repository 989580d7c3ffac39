//! Why a request ends a call: the Reason header field (RFC 3326), read and written.
//!
//! Of what a peer says only the number is kept. Its text is for people, and whoever sends it may write anything.

use std::fmt;

use sipx_sip::{HeaderName, Headers};

use super::message;

/// Whose numbers a cause is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SIP's statuses.
    Sip,
    /// The telephone network's causes (ITU-T Q.850).
    Q850,
}

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Whose number it is.
    pub protocol: Protocol,
    /// The number.
    pub cause: u16,
}

impl Reason {
    /// Whoever spoke has finished.
    pub(super) const NORMAL: Self = Self { protocol: Protocol::Q850, cause: 16 };
    /// Nothing was heard that had to be.
    pub(super) const TIMED_OUT: Self = Self { protocol: Protocol::Sip, cause: 408 };

    /// The first reason of a message that is from numbers known here.
    pub(super) fn read(headers: &Headers) -> Option<Self> {
        let rows = headers
            .get_all(&HeaderName::Reason)
            .map(|row| String::from_utf8_lossy(&row.value()).into_owned());
        rows.into_iter().find_map(|row| outside_quotes(&row, ',').into_iter().find_map(Self::parse))
    }

    fn parse(value: &str) -> Option<Self> {
        let mut pieces = outside_quotes(value, ';').into_iter();
        let protocol = match pieces.next()?.trim() {
            name if name.eq_ignore_ascii_case("SIP") => Protocol::Sip,
            name if name.eq_ignore_ascii_case("Q.850") => Protocol::Q850,
            _ => return None,
        };
        let cause = pieces.find_map(|piece| {
            let (name, value) = piece.split_once('=')?;
            name.trim().eq_ignore_ascii_case("cause").then(|| value.trim().parse().ok())?
        });
        cause.map(|cause| Self { protocol, cause })
    }

    /// Whether it says more than that somebody has hung up.
    pub(super) fn is_remarkable(self) -> bool {
        // Q.850: 16 is normal clearing, 31 the same unspecified, and 0 nothing at all.
        !matches!((self.protocol, self.cause), (Protocol::Q850, 0 | 16 | 31))
    }

    /// Value of the header field.
    pub(super) fn value(self) -> String {
        match self.protocol {
            Protocol::Sip => format!("SIP;cause={}", self.cause),
            Protocol::Q850 => format!("Q.850;cause={}", self.cause),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Sip => write!(formatter, "SIP {}", self.cause),
            Protocol::Q850 => write!(formatter, "Q.850 cause {}", self.cause),
        }
    }
}

/// Splits at a separator that is not inside quotes.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    message::unquoted_pieces(text.as_bytes(), separator as u8)
        .into_iter()
        .filter_map(|piece| std::str::from_utf8(piece).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use sipx_sip::Message;

    use super::*;

    #[test]
    fn the_number_is_read_and_the_words_are_not() {
        let table = [
            ("Q.850;cause=16;text=\"Normal call clearing\"", Some("Q.850 cause 16")),
            ("SIP ;text=\"a, b; cause=9\"; cause = 503", Some("SIP 503")),
            ("sip;CAUSE=200;text=\"Call completed elsewhere\"", Some("SIP 200")),
            ("X.400;cause=1, q.850;cause=38", Some("Q.850 cause 38")),
            ("preemption;cause=1", None),
            ("SIP", None),
            ("SIP;cause=busy", None),
            ("SIP;cause=99999999", None),
            ("", None),
        ];
        for (value, expected) in table {
            let text = format!("BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nReason: {value}\r\n\r\n");
            let Ok(Message::Request(bye)) = message::read(text.as_bytes()) else { panic!("{text}") };
            let read = Reason::read(&bye.headers);
            assert_eq!(read.map(|reason| reason.to_string()).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn an_ordinary_end_is_nothing_to_remark() {
        let table = [(Protocol::Q850, 16, false), (Protocol::Q850, 38, true), (Protocol::Sip, 200, true)];
        for (protocol, cause, expected) in table {
            assert_eq!(Reason { protocol, cause }.is_remarkable(), expected, "{protocol:?} {cause}");
        }
        assert_eq!(Reason::NORMAL.value(), "Q.850;cause=16");
        assert_eq!(Reason::TIMED_OUT.value(), "SIP;cause=408");
    }
}
