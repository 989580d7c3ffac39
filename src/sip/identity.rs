//! Who calls, by the header fields that tell it: From (RFC 3261 §8.1.1.3), P-Asserted-Identity (RFC 3325 §9.1),
//! Remote-Party-ID (draft-ietf-sip-privacy-04), and whether they ask not to be told: Privacy (RFC 3323 §4.2). What
//! the network says that its check of a number came to: `verstat` (3GPP TS 24.229 §7.2A.20, ATIS-1000074). What somebody
//! has signed of it: Identity (RFC 8224 §4), which is read elsewhere. And whom they called, where somebody has diverted
//! the call: History-Info (RFC 7044 §5), Diversion (RFC 5806 §5).
//!
//! Everything here is a claim. Which of them to believe is not decided here, and display names are not read.
//! A value that does not parse is left out, and the others are read all the same.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;
use sipx_sip::headers::Address;
use sipx_sip::{HeaderName, Headers, Uri};

use super::message;

/// The host of a withheld number (RFC 3323 §4.1.1.3).
const ANONYMOUS_HOST: &[u8] = b"anonymous.invalid";
/// The user of a withheld number.
const ANONYMOUS_USER: &str = "anonymous";

/// The values read of each header field. RFC 3325 §9.1 has two at the most; further ones are not looked at.
const VALUES_MAX: usize = 4;

/// The parameter that tells what came of a check.
const VERSTAT: &str = "verstat";
/// The longest `verstat` that is read, in bytes: its words are shorter.
const VERSTAT_MAX: usize = 40;

/// What an INVITE says of who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The values of P-Asserted-Identity.
    pub asserted: Vec<Claim>,
    /// The values of Remote-Party-ID that tell the calling party.
    pub remote_party: Vec<Claim>,
    /// From; `None` where it does not parse, or has no user.
    pub from: Option<Claim>,
    /// The users of P-Asserted-Identity and From that the network says it has checked.
    pub verstats: Vec<Verstat>,
    /// What was signed of it.
    pub signed: Signed,
    /// User of the address that was called first, where the call has been diverted on its way to us.
    pub first_dialled: Option<String>,
    /// What Privacy asks for.
    pub privacy: Vec<Privacy>,
}

/// One header's word on who calls.
#[derive(Clone, PartialEq, Eq)]
pub enum Claim {
    /// This user of a SIP URI, or subscriber of a tel URI: unescaped and without parameters.
    User(String),
    /// Somebody who does not want it told.
    Anonymous,
}

/// What the network says that its check of a number came to.
#[derive(Clone, PartialEq, Eq)]
pub struct Verstat {
    /// The number, as it stands in [`Claim::User`].
    pub user: String,
    /// The parameter's value, such as `TN-Validation-Passed-A`.
    pub word: String,
}

/// What was signed of who calls whom, and what of the INVITE that is to be held against, as it stands there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Signed {
    /// The values of Identity, each a passport or the signature of one.
    pub fields: Vec<String>,
    /// Date.
    pub date: Option<String>,
    /// User of To, which is whom the caller wanted, wherever the call has come.
    pub to: Option<String>,
}

/// A wish for privacy, of those that matter to whom a caller is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Keep the asserted identity to yourselves (RFC 3325 §9.3).
    Id,
    /// Hide who I am (RFC 3323 §4.2).
    User,
    /// Hide the header fields that show who I am (RFC 3323 §4.2).
    Header,
}

impl Identity {
    /// Reads an INVITE's header fields.
    pub(super) fn read(headers: &Headers) -> Self {
        let from = headers.value(&HeaderName::From).and_then(|value| address(&value));
        let asserted = addresses(headers, &HeaderName::PAssertedIdentity);
        let remote_party = addresses(headers, &message::extension("Remote-Party-ID"));
        Self {
            asserted: asserted.iter().filter_map(|address| claim(&address.uri)).collect(),
            remote_party: remote_party.iter().filter_map(remote_party_claim).collect(),
            verstats: asserted.iter().chain(&from).filter_map(verstat).take(VALUES_MAX).collect(),
            from: from.and_then(|address| claim(&address.uri)),
            signed: signed(headers),
            first_dialled: first_dialled(headers),
            privacy: privacy(headers),
        }
    }

    /// Whether the caller, or a network on the way, wants the number kept to itself.
    pub fn is_withheld(&self) -> bool {
        !self.privacy.is_empty() || self.from == Some(Claim::Anonymous)
    }
}

// By hand, as a number is personal; and so for the others.
impl fmt::Debug for Signed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signed({} fields)", self.fields.len())
    }
}

impl fmt::Debug for Verstat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verstat").field("word", &self.word).finish_non_exhaustive()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::User(_) => "User(…)",
            Self::Anonymous => "Anonymous",
        })
    }
}

/// The user part without its own parameters (`;npdi`, `;phone-context=…`), or the subscriber of a tel URI.
pub(super) fn user(uri: &Uri) -> Option<String> {
    let raw = uri.user().or_else(|| uri.tel_parts().map(|tel| tel.subscriber()))?;
    let name = raw.split(|&byte| byte == b';').next()?;
    (!name.is_empty()).then(|| unescape(name))
}

pub(super) fn unescape(escaped: &[u8]) -> String {
    let bytes: Cow<'_, [u8]> = percent_decode(escaped).into();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn claim(uri: &Uri) -> Option<Claim> {
    let hidden = uri.host().is_some_and(|host| host.to_bytes().eq_ignore_ascii_case(ANONYMOUS_HOST));
    match user(uri) {
        _ if hidden => Some(Claim::Anonymous),
        Some(user) if user.eq_ignore_ascii_case(ANONYMOUS_USER) => Some(Claim::Anonymous),
        user => user.map(Claim::User),
    }
}

/// RFC 8224 §4: each value has a line of its own.
fn signed(headers: &Headers) -> Signed {
    let rows = headers.get_all(&HeaderName::Identity).take(VALUES_MAX);
    Signed {
        fields: rows.map(|row| String::from_utf8_lossy(&row.value()).into_owned()).collect(),
        date: message::text(headers, &message::extension("Date")),
        to: headers.value(&HeaderName::To).and_then(|value| user(&address(&value)?.uri)),
    }
}

/// Standards have it as a parameter of the user part; networks put it behind the host too, and behind the brackets.
fn verstat(address: &Address) -> Option<Verstat> {
    let uri = &address.uri;
    let of_user = uri.user().and_then(|user| parameter(user, VERSTAT));
    let of_tel = || parameter(uri.tel_parts()?.parameters()?, VERSTAT);
    let of_uri = || uri.params().and_then(|parameters| parameters.value(VERSTAT));
    let word = of_user.or_else(of_tel).or_else(of_uri).or_else(|| address.param(VERSTAT))?;
    let word = (word.len() <= VERSTAT_MAX).then(|| String::from_utf8_lossy(word).into_owned())?;
    Some(Verstat { user: user(uri)?, word })
}

/// The value of a parameter among `a;b=c;d`.
fn parameter<'v>(text: &'v [u8], name: &str) -> Option<&'v [u8]> {
    text.split(|&byte| byte == b';').find_map(|piece| {
        let (key, value) = piece.split_at(piece.iter().position(|&byte| byte == b'=')?);
        key.eq_ignore_ascii_case(name.as_bytes()).then_some(&value[1..])
    })
}

/// Of the calling party, which is meant where none is said; with `privacy=` that leaves nothing to be told.
fn remote_party_claim(address: &Address) -> Option<Claim> {
    let is = |name: &str, values: &[&str]| {
        let value = address.param(name).map(String::from_utf8_lossy);
        value.map(|value| values.iter().any(|known| value.trim_matches('"').eq_ignore_ascii_case(known)))
    };
    match (is("party", &["calling"]), is("privacy", &["full", "uri"])) {
        (Some(false), _) => None,
        (_, Some(true)) => Some(Claim::Anonymous),
        _ => claim(&address.uri),
    }
}

fn addresses(headers: &Headers, name: &HeaderName) -> Vec<Address> {
    let rows: Vec<_> = headers.get_all(name).take(VALUES_MAX).map(|row| row.value().into_owned()).collect();
    let values = rows.iter().flat_map(|row| split(row)).take(VALUES_MAX);
    values.filter_map(address).collect()
}

/// A display name that is not as RFC 3261 §25.1 has it does not cost the number: peers put letters, commas and
/// dots into it without quotes. Behind a quote that never ends there is no telling where the address begins.
fn address(value: &[u8]) -> Option<Address> {
    let parse = |value| Address::parse(value, "identity").ok();
    let behind_name = || {
        let (name, address) = value.split_at(value.iter().position(|&byte| byte == b'<')?);
        let quotes = name.split(|&byte| byte == b'"').count() - 1;
        quotes.is_multiple_of(2).then(|| parse(address)).flatten()
    };
    parse(value).or_else(behind_name)
}

/// RFC 7044 §5.1 has the oldest entry first, RFC 5806 §5 the oldest diversion last.
fn first_dialled(headers: &Headers) -> Option<String> {
    let called = |value: Option<&&[u8]>| user(&address(value?)?.uri);
    let history = message::extension("History-Info");
    let entry = headers.value(&history).and_then(|row| called(split(&row).first()));
    let diversion = message::extension("Diversion");
    let oldest = || headers.get_all(&diversion).last().and_then(|row| called(split(&row.value()).last()));
    entry.or_else(oldest)
}

/// The values of one line: what stands between commas that are in no quotes and no angle brackets.
fn split(row: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let values = row.split(move |&byte| {
        let ends = byte == b',' && !quoted && !bracketed;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            _ => {}
        }
        ends
    });
    values.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()).collect()
}

/// RFC 3323 §4.2 puts `;` between the values, and peers are known to put a comma.
fn privacy(headers: &Headers) -> Vec<Privacy> {
    let rows = headers.get_all(&HeaderName::Privacy).map(|row| row.value().to_ascii_lowercase());
    let wishes = rows.flat_map(|row| {
        let values = row.split(|byte| b";,".contains(byte)).map(|value| match value.trim_ascii() {
            b"id" => Some(Privacy::Id),
            b"user" => Some(Privacy::User),
            b"header" => Some(Privacy::Header),
            _ => None,
        });
        values.collect::<Vec<_>>()
    });
    wishes.flatten().take(VALUES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(lines: &str) -> Identity {
        let text = format!(
            "INVITE sip:1000@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:x@y>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n{lines}\r\n"
        );
        match message::read(text.as_bytes()) {
            Ok(sipx_sip::Message::Request(request)) => Identity::read(&request.headers),
            other => panic!("{other:?}: {text}"),
        }
    }

    /// Users as they are, `-` for anonymous.
    fn shown<'c>(claims: impl IntoIterator<Item = &'c Claim>) -> String {
        let words = claims.into_iter().map(|claim| match claim {
            Claim::User(user) => user.as_str(),
            Claim::Anonymous => "-",
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_from() {
        let table = [
            ("<sip:+12025550101@trunk.example>;tag=1", "+12025550101"),
            ("sip:+12025550101@trunk.example;tag=1", "+12025550101"),
            ("\"O'Hara \\\"x\\\" <b>\" <sip:2025550101@h>;tag=1", "2025550101"),
            ("José <sip:1@h>;tag=1", "1"),
            ("<tel:+1-202-555-0101;phone-context=x>;tag=1", "+1-202-555-0101"),
            ("<sip:+12025550101;npdi;rn=+1202@h>;tag=1", "+12025550101"),
            ("<sip:%2B12025550101@[2001:db8::1]:5070>;tag=1", "+12025550101"),
            ("<sip:anonymous@anonymous.invalid>;tag=1", "-"),
            ("\"Anonymous\" <sip:Anonymous@gw.example>;tag=1", "-"),
            ("<sip:12025550101@ANONYMOUS.invalid>;tag=1", "-"),
            ("<sip:trunk.example>;tag=1", ""),
            ("Bell, Alexander <sip:a@h>;tag=1", "a"),
            ("\"unterminated <sip:a@h>;tag=1", ""),
            ("", ""),
        ];
        for (from, expected) in table {
            let identity = identity(&format!("From: {from}\r\n"));
            assert_eq!(shown(&identity.from), expected, "{from}");
            assert_eq!(identity.is_withheld(), expected == "-", "{from}");
        }
    }

    #[test]
    fn every_form_of_an_asserted_identity() {
        let table = [
            ("<sip:+12025550101@h>", "+12025550101"),
            ("<tel:+12025550101>", "+12025550101"),
            ("\"Doe, Jane\" <sip:+12025550101@h>, <tel:+12025550102>", "+12025550101 +12025550102"),
            ("<sip:+12025550101@h>\r\np-asserted-identity: tel:+12025550102", "+12025550101 +12025550102"),
            ("<sip:+12025550101;npdi;verstat=TN-Validation-Passed-A@h;user=phone>", "+12025550101"),
            ("<sip:a,b@h>,<tel:+12025550102>", "a,b +12025550102"),
            ("garbage <, <tel:+12025550102>", ""),
            ("\"half, <tel:+12025550102>", ""),
            ("no address, <tel:+12025550102>", "+12025550102"),
            ("Dr. José <sip:+12025550101@h>, <tel:+12025550102>", "+12025550101 +12025550102"),
            ("<mailto:a@b>, <sip:@h>, <tel:>, <tel:+12025550102>", "+12025550102"),
            ("<sip:anonymous@anonymous.invalid>", "-"),
            ("<tel:1>,<tel:2>,<tel:3>,<tel:4>,<tel:5>", "1 2 3 4"),
            (",,,", ""),
            ("", ""),
        ];
        for (value, expected) in table {
            let identity = identity(&format!("P-Asserted-Identity: {value}\r\n"));
            assert_eq!(shown(&identity.asserted), expected, "{value}");
            assert!(!identity.is_withheld(), "{value}");
        }
    }

    #[test]
    fn every_form_of_a_remote_party() {
        let table = [
            ("<sip:+12025550101@h>;party=calling;screen=yes;privacy=off", "+12025550101"),
            ("\"Jane\" <sip:+12025550101@h>", "+12025550101"),
            ("<sip:1000@h>;party=called, <sip:+12025550101@h>;party=Calling", "+12025550101"),
            ("<sip:+12025550101@h>;party=calling;privacy=full", "-"),
            ("<sip:+12025550101@h>;privacy=\"uri\"", "-"),
            ("<sip:+12025550101@h>;privacy=name", "+12025550101"),
        ];
        for (value, expected) in table {
            let identity = identity(&format!("Remote-Party-ID: {value}\r\n"));
            assert_eq!(shown(&identity.remote_party), expected, "{value}");
        }
    }

    #[test]
    fn the_number_dialled_first() {
        let table = [
            ("Diversion: <sip:+12025550001@h>;reason=unconditional", Some("+12025550001")),
            ("Diversion: <tel:2>;reason=no-answer, \"A, B\" <tel:1>;reason=user-busy", Some("1")),
            ("Diversion: <sip:2@h>\r\nDiversion: <sip:1@h>", Some("1")),
            ("History-Info: <sip:1@h?Reason=SIP%3Bcause%3D302>;index=1, <sip:2@h>;index=1.1", Some("1")),
            ("History-Info: <sip:1@h>;index=1\r\nHistory-Info: <sip:2@h>;index=1.1", Some("1")),
            ("History-Info: <sip:1@h>;index=1\r\nDiversion: <sip:2@h>", Some("1")),
            ("History-Info: garbage <\r\nDiversion: <sip:2@h>", Some("2")),
            ("Diversion: <sip:h>", None),
            ("Diversion:", None),
        ];
        for (lines, expected) in table {
            assert_eq!(identity(&format!("{lines}\r\n")).first_dialled.as_deref(), expected, "{lines}");
        }
    }

    #[test]
    fn what_was_signed_is_taken_as_it_stands() {
        let lines = "Identity: a.b.c;info=<https://a.example/x,y>;ppt=shaken\r\nIdentity:  ..d;info=<https://b.example/>\r\n\
                     Date: Thu, 21 Feb 2002 13:02:03 GMT\r\n";
        let signed = identity(lines).signed;
        assert_eq!(
            signed.fields,
            ["a.b.c;info=<https://a.example/x,y>;ppt=shaken", "..d;info=<https://b.example/>"]
        );
        assert_eq!(signed.date.as_deref(), Some("Thu, 21 Feb 2002 13:02:03 GMT"));
        assert_eq!(signed.to.as_deref(), Some("x"));
        assert!(!format!("{signed:?}").contains("a.b.c"));
        let many = identity(&"Identity: a.b.c;info=<https://a.example/>\r\n".repeat(9)).signed;
        assert_eq!(many.fields.len(), VALUES_MAX);
        assert_eq!(identity("").signed, Signed { to: Some("x".into()), ..Signed::default() });
    }

    #[test]
    fn every_wish_for_privacy() {
        let table = [
            ("id", true),
            ("ID;critical", true),
            ("session; user", true),
            ("none, header", true),
            ("none", false),
            ("session;critical;history", false),
            ("identity", false),
            ("", false),
        ];
        for (value, withheld) in table {
            let line = format!("From: <sip:+12025550101@h>;tag=1\r\nPrivacy: {value}\r\n");
            assert_eq!(identity(&line).is_withheld(), withheld, "{value}");
        }
    }

    #[test]
    fn a_verstat_is_found_wherever_a_network_puts_it() {
        let table = [
            (
                "P-Asserted-Identity: <sip:+1202;verstat=TN-Validation-Passed-A@h>",
                "+1202 TN-Validation-Passed-A",
            ),
            (
                "P-Asserted-Identity: <sip:+1202@h;user=phone;verstat=TN-Validation-Failed>",
                "+1202 TN-Validation-Failed",
            ),
            ("P-Asserted-Identity: <sip:+1202@h>;verstat=No-TN-Validation", "+1202 No-TN-Validation"),
            (
                "P-Asserted-Identity: <tel:+1202;VERSTAT=TN-Validation-Passed-B>",
                "+1202 TN-Validation-Passed-B",
            ),
            ("From: <sip:+1202;npdi;verstat=TN-Validation-Passed@h>;tag=1", "+1202 TN-Validation-Passed"),
            (
                "From: <sip:+1;verstat=F@h>;tag=1\r\nP-Asserted-Identity: <tel:+2;verstat=P>, <tel:+3>",
                "+2 P, +1 F",
            ),
            ("From: <sip:+1202@h>;tag=1", ""),
            ("From: <sip:+1202;verstat@h>;tag=1", ""),
            ("From: <sip:+1202;verstat=12345678901234567890123456789012345678901@h>;tag=1", ""),
            ("Remote-Party-ID: <sip:+1202;verstat=TN-Validation-Passed@h>", ""),
        ];
        for (line, expected) in table {
            let verstats = identity(&format!("{line}\r\n")).verstats;
            let shown: Vec<_> =
                verstats.iter().map(|found| format!("{} {}", found.user, found.word)).collect();
            assert_eq!(shown.join(", "), expected, "{line}");
        }
    }

    #[test]
    fn claims_do_not_show_in_debug() {
        let shown = format!("{:?}", identity("From: <sip:+12025550101;verstat=x@h>;tag=1\r\n"));
        assert!(!shown.contains("2025550101"), "{shown}");
    }

    const NAMES: &str = "From|P-Asserted-Identity|Remote-Party-ID|Privacy|Diversion|History-Info";

    proptest! {
        #[test]
        fn nothing_panics(value in "[ -~é]{0,80}", name in NAMES) {
            let identity = identity(&format!("{name}: {value}\r\n"));
            prop_assert!(identity.asserted.len() <= VALUES_MAX && identity.privacy.len() <= VALUES_MAX);
        }

        #[test]
        fn a_value_is_read_whatever_stands_before_it(before in "[a-z @:;=.]{0,40}") {
            let line = format!("P-Asserted-Identity: {before}, <tel:+12025550101>\r\n");
            let last = identity(&line).asserted.pop();
            prop_assert_eq!(last, Some(Claim::User("+12025550101".to_owned())));
        }
    }
}
