//! What is hidden, what is shown, and that neither depends on a message being a good one.

use proptest::prelude::*;

use super::*;

fn of(message: &str) -> String {
    Redacted::of(message.as_bytes()).as_str().to_owned()
}

/// A header line in a message of its own.
fn line(header: &str) -> String {
    let whole = of(&format!("OPTIONS sip:a@b SIP/2.0\r\n{header}\r\n\r\n"));
    whole.strip_prefix("OPTIONS sip:a@b SIP/2.0\r\n").expect("the start line").trim_end().to_owned()
}

/// A body of this kind in a message of its own.
fn body(method: &str, kind: &str, body: &str) -> String {
    let whole = of(&format!("{method} sip:a@b SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}"));
    whole.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

#[test]
fn header_fields() {
    let table = [
        (
            "Authorization: Digest username=\"trunk\", realm=\"r, s\", nonce=\"n\", uri=\"sip:a@b\", \
             response=\"6629\", algorithm=MD5, cnonce=\"c\", nc=00000001, qop=auth, opaque=\"o\"",
            "Authorization: Digest username=\"trunk\", realm=\"r, s\", nonce=…, uri=\"sip:a@b\", \
             response=…, algorithm=MD5, cnonce=…, nc=00000001, qop=auth, opaque=…",
        ),
        ("proxy-authorization :digest response=6629", "proxy-authorization : digest response=…"),
        ("WWW-Authenticate: Digest realm=\"r\",nonce=\"n\"", "WWW-Authenticate: Digest realm=\"r\", nonce=…"),
        ("Authentication-Info: nextnonce=\"n\", qop=auth", "Authentication-Info: nextnonce=…, qop=auth"),
        ("Authorization: Basic YTpi", "Authorization: Basic …"),
        ("Authorization: Bearer\tabc=def", "Authorization: Bearer …"),
        ("Authorization: 6629", "Authorization: …"),
        ("Authorization: Digest username=\"a\" response=\"6629\"", "Authorization: Digest username=…"),
        ("Authorization: Digest realm=\"a, response=\"6629\"", "Authorization: Digest realm=…"),
        ("Authorization: Digest realm=\"a\\\" response=\"6629\"", "Authorization: Digest realm=…"),
        (
            "Authorization: Digest\r\n realm=\"a\",\r\n\tresponse=\"6629\"",
            "Authorization: Digest realm=\"a\", response=…",
        ),
        ("Identity: eyJ.eyJ.sig;info=<https://c/x>;ppt=shaken", "Identity: …"),
        ("y: eyJ.eyJ.sig", "y: …"),
        ("From: \"A\" <sip:alice:s3cret@a.example>;tag=1", "From: \"A\" <sip:alice:…@a.example>;tag=1"),
        ("From: sips:alice:p@ss@a.example;tag=1", "From: sips:alice:…@a.example;tag=1"),
        ("Contact: <sip:a@b:5060>, <SIP:c:d@e>", "Contact: <sip:a@b:5060>, <SIP:c:…@e>"),
        ("Call-Info: <http://u:p@h/x>", "Call-Info: <http://u:…@h/x>"),
        (
            "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1",
        ),
        (
            "Refer-To: <sip:agents@h:5060;token=1?X-Verdict=verified>",
            "Refer-To: <sip:agents@h:5060;token=1?X-Verdict=verified>",
        ),
        ("no field at all", "…"),
        ("Subject: \u{1b}[2J\u{202e}gnorw\u{7}", "Subject: \u{fffd}[2J\u{fffd}gnorw\u{fffd}"),
    ];
    for (header, expected) in table {
        assert_eq!(line(header), expected);
    }
}

#[test]
fn bodies() {
    let sdp = "application/sdp";
    let table = [
        ("INVITE", sdp, "v=0\r\na=sendrecv\r\n", "v=0\r\na=sendrecv\r\n"),
        ("INVITE", sdp, "a=crypto:1 AES inline:KEY|2^20\r\nk=clear:KEY\r\n", "a=crypto:…\r\nk=…\r\n"),
        ("INVITE", sdp, "a=KEY-MGMT:mikey KEY\r\na=ice-pwd:KEY", "a=KEY-MGMT:…\r\na=ice-pwd:…"),
        ("INVITE", sdp, "a=x-own Inline:KEY\n", "a=x-own …\n"),
        ("INVITE", "application/SDP; x=y", "v=0\r\n5\r\nSignal=5\r\n 5", "v=0\r\n…\r\n…\r\n…"),
        ("INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "…"),
        ("INFO", "application/dtmf", "5", "…"),
        ("INFO", sdp, "v=0\r\na=5\r\n", "…"),
        ("info", sdp, "v=0\r\n", "…"),
        ("INFO", "application/vnd.nortelnetworks.digits", "p=Digit-Collection\r\nd=5", "…"),
        ("NOTIFY", "application/kpml-response+xml", "<kpml-response digits=\"4711\"/>", "…"),
        ("NOTIFY", "message/sipfrag;version=2.0", "SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK\r\n"),
        (
            "NOTIFY",
            "message/sipfrag",
            "SIP/2.0 200 OK\r\nAuthorization: Digest response=1\r\n\r\na=crypto:1 KEY",
            "SIP/2.0 200 OK\r\nAuthorization: Digest response=…\r\n\r\n…",
        ),
        ("MESSAGE", "text/plain", "my PIN is 4711", "…"),
        ("INVITE", "application/sdp\r\nc: application/dtmf", "v=0\r\n", "…"),
        ("INVITE", sdp, "", ""),
    ];
    for (method, kind, text, expected) in table {
        assert_eq!(body(method, kind, text), expected, "{method} {kind} {text:?}");
    }
}

#[test]
fn lines_may_end_as_they_like() {
    let info = "INFO sip:a@b SIP/2.0\nContent-Type: application/dtmf\nCall-ID: x\n\n5";
    assert_eq!(of(info), info.replace("\n5", "\n…"));
    assert_eq!(of("\r\n\r\nINFO sip:a@b SIP/2.0\r\n\r\n5"), "INFO sip:a@b SIP/2.0\r\n\r\n…");
}

#[test]
fn the_call_id_is_read_on_the_way() {
    let table = [
        ("OPTIONS sip:a@b SIP/2.0\r\nCall-ID: one@a\r\nCall-ID: two\r\n\r\n", Some("one@a")),
        ("SIP/2.0 200 OK\r\ni :  compact \r\n\r\n", Some("compact")),
        ("OPTIONS sip:a@b SIP/2.0\r\n\r\nCall-ID: of no header\r\n", None),
        ("", None),
    ];
    for (message, expected) in table {
        assert_eq!(scan(message.as_bytes()).call_id.as_deref(), expected, "{message:?}");
        assert_eq!(call_id(message.as_bytes()).as_deref(), expected, "{message:?}");
    }
}

#[test]
fn a_long_message_is_cut_once_and_says_so() {
    let long = format!("OPTIONS sip:a@b SIP/2.0\r\nSubject: {}\r\n\r\n", "é".repeat(TEXT_BYTES_MAX));
    let cut = of(&long);
    assert!(cut.len() <= TEXT_BYTES_MAX && cut.ends_with("bytes more)"), "{}", cut.len());
    assert_eq!(of(&cut), cut);
}

#[test]
fn no_text_in_debug() {
    assert_eq!(format!("{:?}", Redacted::of(b"OPTIONS sip:alice@b SIP/2.0")), "Redacted(27 bytes)");
}

/// Pieces that messages are made of, the canary among them wherever a secret can stand.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Authorization: Digest username=\"a\", response=\"CANARY\"".to_owned()),
        Just("Proxy-Authorization: Basic CANARY".to_owned()),
        Just("Identity: CANARY".to_owned()),
        Just("From: <sip:a:CANARY@b>".to_owned()),
        Just("Content-Type: application/sdp".to_owned()),
        Just("Content-Type: application/dtmf-relay".to_owned()),
        Just("a=crypto:1 AES inline:CANARY".to_owned()),
        Just("Signal=CANARY".to_owned()),
        Just("CANARY".to_owned()),
        Just("Call-ID: one@a".to_owned()),
        Just("i: two".to_owned()),
        Just("\tgoes on".to_owned()),
        Just(String::new()),
        "[ -~]{0,12}".prop_map(|text| text),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// An INFO holds no secret, whatever it is made of.
    #[test]
    fn no_arrangement_shows_a_secret(
        pieces in prop::collection::vec(piece(), 0..12),
        ends in prop::collection::vec(prop_oneof![Just("\r\n"), Just("\n")], 12),
    ) {
        let mut message = "INFO sip:a@b SIP/2.0\r\n".to_owned();
        for (piece, end) in pieces.iter().zip(&ends) {
            message.push_str(piece);
            message.push_str(end);
        }
        let kept = of(&message);
        prop_assert!(!kept.contains("CANARY"), "{kept}");
        prop_assert_eq!(of(&kept), kept);
        prop_assert_eq!(call_id(message.as_bytes()), scan(message.as_bytes()).call_id);
    }

    #[test]
    fn any_bytes_are_kept_as_harmless_text(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let kept = of(&String::from_utf8_lossy(&bytes));
        prop_assert_eq!(call_id(&bytes), scan(&bytes).call_id);
        prop_assert!(kept.chars().all(is_harmless));
        prop_assert_eq!(of(&kept), kept);
    }
}
