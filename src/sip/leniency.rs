//! Display names as the field writes them: with letters, commas and dots that RFC 3261 §25.1 wants in quotes.
//!
//! A name in front of an address is decoration, and must not cost anybody a call. What stands before the angle
//! bracket is put in quotes where it has to be; the URI and the tag stay what they were. Nothing else is mended:
//! a quote that never ends hides where the address begins, and such a message stays malformed.

use sipx_sip::headers::Address;
use sipx_sip::{Header, HeaderName, Headers};

/// The fields whose display name is mended.
const NAMED: [HeaderName; 3] = [HeaderName::From, HeaderName::To, HeaderName::Contact];

/// Puts the display names of From, To and Contact in quotes where the parser could not read them otherwise.
pub fn quote_display_names(headers: &mut Headers) {
    for name in &NAMED {
        let Some(position) = headers.iter().position(|header| header.name() == name) else { continue };
        let Some(mended) = headers.value(name).and_then(|value| quoted(&value)) else { continue };
        if let Ok(header) = Header::build(name.clone(), mended) {
            headers.remove_first(name);
            headers.insert(position, header);
        }
    }
}

/// The value with its display name in quotes; `None` where that is not needed, or does not help.
fn quoted(value: &[u8]) -> Option<Vec<u8>> {
    // A row of Contact may hold several addresses; only the first is ever used.
    if is_readable(value) {
        return None;
    }
    let angle = value.iter().position(|&byte| byte == b'<')?;
    let (name, address) = value.split_at(angle);
    let name = bare(name.trim_ascii())?;
    let mut mended = vec![b'"'];
    for &byte in name {
        if matches!(byte, b'"' | b'\\') {
            mended.push(b'\\');
        }
        mended.push(byte);
    }
    mended.extend_from_slice(b"\" ");
    mended.extend_from_slice(address);
    is_readable(&mended).then_some(mended)
}

/// A name without the quotes around it. `None` where quotes open and do not close.
fn bare(name: &[u8]) -> Option<&[u8]> {
    let quotes = name.split(|&byte| byte == b'"').count() - 1;
    match name {
        [b'"', inner @ .., b'"'] => Some(inner),
        _ => quotes.is_multiple_of(2).then_some(name),
    }
}

fn is_readable(value: &[u8]) -> bool {
    Address::parse_list(value, "display name").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted_and_nothing_else_is_touched() {
        let table = [
            ("José <sip:1@h>;tag=1", Some("\"José\" <sip:1@h>;tag=1")),
            ("Bell, Alexander <sip:a@h>;tag=1", Some("\"Bell, Alexander\" <sip:a@h>;tag=1")),
            ("Sales (EU) <sip:a@h>", Some("\"Sales (EU)\" <sip:a@h>")),
            ("a@b.example <sip:a@h>;tag=x", Some("\"a@b.example\" <sip:a@h>;tag=x")),
            ("Joe \"J\" Doe; MD <sip:a@h>", Some("\"Joe \\\"J\\\" Doe; MD\" <sip:a@h>")),
            ("\"Joe\" Doe <sip:a@h>", Some("\"\\\"Joe\\\" Doe\" <sip:a@h>")),
            ("back\\slash <sip:a@h>", Some("\"back\\\\slash\" <sip:a@h>")),
            ("Joe <sip:a@h>;tag=1", None),
            ("\"José, x\" <sip:a@h>", None),
            ("sip:a@h;tag=1", None),
            ("<sip:a@h>, \"x\" <sip:b@h>", None),
            ("\"unterminated <sip:a@h>", None),
            ("José <<sip:a@h>", None),
            ("José", None),
            ("", None),
        ];
        for (value, mended) in table {
            let got = quoted(value.as_bytes()).map(|mended| String::from_utf8(mended).expect("text"));
            assert_eq!(got.as_deref(), mended, "{value}");
        }
        let latin = quoted(b"Jos\xe9 <sip:a@h>").expect("mended");
        assert_eq!(latin, b"\"Jos\xe9\" <sip:a@h>");
    }
}
