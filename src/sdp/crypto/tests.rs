//! Offers of encrypted media as the field sends them, and what becomes of them (RFC 4568, RFC 8643).

use std::net::SocketAddr;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::sdp::*;
use crate::srtp::{Mki, Suite};

const SESSION: Session = Session { id: 42, version: 7 };
/// 30 octets, from an example of RFC 4568 §6.1.
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
/// 28 and 44.
const SHORT_GCM: &str = "AAECAwQFBgcICQoLDA0OD6ChoqOkpaanqKmqqw==";
const LONG_GCM: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+goaKjpKWmp6ipqqs=";

fn local() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 5], 20_000))
}

fn ring() -> KeyRing {
    KeyRing::draw(&Suite::ALL, &mut StdRng::seed_from_u64(3))
}

/// How protection is told apart from its ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Off,
    Allowed,
    Required,
}

impl How {
    const ALL: [Self; 3] = [Self::Off, Self::Allowed, Self::Required];

    fn with(self, ring: &KeyRing) -> Protection<'_> {
        match self {
            Self::Off => Protection::Off,
            Self::Allowed => Protection::Allowed(ring),
            Self::Required => Protection::Required(ring),
        }
    }
}

fn session_with(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}")
}

fn answered(media: &str, how: How) -> Result<(String, Negotiated), Incompatible> {
    let offer = Offer::parse(&session_with(media)).expect("readable");
    let (codecs, ring) = (Codecs::default(), ring());
    negotiate(&offer, local(), SESSION, Terms { codecs: &codecs, protection: how.with(&ring) })
}

/// A stream of `protocol` with these values of a=crypto.
fn stream(protocol: &str, lines: &[&str]) -> String {
    let lines = lines.iter().fold(String::new(), |text, line| text + "a=crypto:" + line + "\r\n");
    format!("m=audio 4000 {protocol} 0\r\n{lines}")
}

fn suite_of(answered: &Result<(String, Negotiated), Incompatible>) -> Result<Option<Suite>, Incompatible> {
    answered.as_ref().map_err(|why| *why).map(|(_, it)| it.keys.as_ref().map(|keys| keys.theirs.suite()))
}

#[test]
fn what_is_offered_meets_what_is_wanted() {
    let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    let (known, unknown) = ([line.as_str()], ["1 F8_128_HMAC_SHA1_80 inline:AAAA"]);
    let secured = Ok(Some(Suite::AesCm128HmacSha1Tag80));
    let (plain, encrypted) = (Err(Incompatible::Unencrypted), Err(Incompatible::Encrypted));
    let no_suite = Err(Incompatible::NoSuite);
    let table = [
        (stream("RTP/AVP", &[]), [Ok(None), Ok(None), plain]),
        (stream("RTP/AVP", &known), [Ok(None), secured, secured]),
        (stream("RTP/AVP", &unknown), [Ok(None), Ok(None), plain]),
        (stream("RTP/SAVP", &known), [encrypted, secured, secured]),
        (stream("RTP/SAVP", &unknown), [encrypted, no_suite, no_suite]),
        (stream("RTP/SAVP", &[]), [encrypted, no_suite, no_suite]),
        // Both kinds side by side, as pjsip offers them.
        (stream("RTP/AVP", &[]) + &stream("RTP/SAVP", &known), [Ok(None), secured, secured]),
        (stream("RTP/SAVP", &unknown) + &stream("RTP/AVP", &[]), [Ok(None), Ok(None), no_suite]),
        (stream("UDP/TLS/RTP/SAVPF", &known), [Err(Incompatible::NoAudio); 3]),
    ];
    for (media, expected) in table {
        for (how, expected) in How::ALL.into_iter().zip(expected) {
            let answered = answered(&media, how);
            assert_eq!(suite_of(&answered), expected, "{how:?} {media}");
            let Ok((answer, _)) = answered else { continue };
            let is_encrypted = expected.is_ok_and(|suite| suite.is_some());
            assert_eq!(answer.matches("a=crypto:").count(), usize::from(is_encrypted), "{answer}");
            let offered: Vec<_> = media.lines().filter(|line| line.starts_with("m=")).collect();
            let said: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
            let protocol = |line: &&str| line.split(' ').nth(2).map(str::to_owned);
            assert_eq!(
                offered.iter().map(protocol).collect::<Vec<_>>(),
                said.iter().map(protocol).collect::<Vec<_>>(),
                "each stream is answered by its own protocol"
            );
        }
    }
}

#[test]
fn the_answer_has_our_key_under_the_offers_tag() {
    let media = stream(
        "RTP/SAVP",
        &[
            &format!("5 AES_256_CM_HMAC_SHA1_80 inline:{LONG_GCM}"),
            &format!("0 AEAD_AES_256_GCM inline:{LONG_GCM}"),
            &format!("3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
        ],
    );
    let (answer, negotiated) = answered(&media, How::Allowed).expect("compatible");
    let keys = negotiated.keys.expect("encrypted");
    assert_eq!((keys.ours.suite(), keys.theirs.suite()), (Suite::AeadAes256Gcm, Suite::AeadAes256Gcm));
    assert_eq!(&keys.ours, ring().of(Suite::AeadAes256Gcm).expect("it is on the ring"));
    assert!(keys.theirs.expose().starts_with(&[0, 1, 2, 3]) && keys.theirs.expose().ends_with(&[0xAA, 0xAB]));
    let line = answer.lines().find(|line| line.starts_with("a=crypto:")).expect("a key");
    assert!(line.starts_with("a=crypto:0 AEAD_AES_256_GCM inline:") && !line.contains(LONG_GCM), "{line}");
    let again = answered(&media, How::Allowed).expect("compatible").0;
    assert_eq!(again, answer, "the same ring answers the same");
}

#[test]
fn lines_are_read_or_passed_over() {
    let cm = "1 AES_CM_128_HMAC_SHA1_80";
    let named = |number| Mki::new(number, 4);
    let table = [
        (format!("{cm} inline:{KEY}"), Some(None)),
        (format!("{cm}   inline:{KEY}  "), Some(None)),
        (format!("1 aes_cm_128_hmac_sha1_32 INLINE:{KEY}"), Some(None)),
        (format!("999999999 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"), Some(None)),
        (format!("1 AEAD_AES_128_GCM inline:{SHORT_GCM}"), Some(None)),
        (format!("1 AEAD_AES_128_GCM inline:{}", SHORT_GCM.trim_end_matches('=')), Some(None)),
        (format!("{cm} inline:{KEY}|2^20"), Some(None)),
        (format!("{cm} inline:{KEY}|1048576"), Some(None)),
        (format!("{cm} inline:{KEY}|1:4"), Some(named(1))),
        (format!("{cm} inline:{KEY}|2^20|1066:4"), Some(named(1066))),
        (format!("{cm} inline:{KEY}|2^48"), Some(None)),
        (format!("{cm} inline:{KEY}|2^49"), None),
        (format!("{cm} inline:{KEY}|0"), None),
        (format!("{cm} inline:{KEY}|2^20|1:0"), None),
        (format!("{cm} inline:{KEY}|1:4|2^20"), None),
        (format!("{cm} inline:{KEY}|2^20|1:4|9"), None),
        (format!("{cm} inline:{KEY}|"), None),
        (format!("{cm} inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4"), None),
        (format!("{cm} inline:{KEY} KDR=0 WSH=128 FEC_ORDER=FEC_SRTP -X=1"), Some(None)),
        (format!("{cm} inline:{KEY} KDR=1"), None),
        (format!("{cm} inline:{KEY} UNENCRYPTED_SRTP"), None),
        (format!("{cm} inline:{KEY} UNENCRYPTED_SRTCP"), None),
        (format!("{cm} inline:{KEY} UNAUTHENTICATED_SRTP"), None),
        (format!("{cm} inline:{KEY} FEC_KEY=inline:{KEY}"), None),
        (format!("{cm} inline:{KEY} NEW=1"), None),
        (format!("{cm} inline:{SHORT_GCM}"), None),
        (format!("AEAD_AES_128_GCM inline:{KEY}"), None),
        (format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), None),
        (format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), None),
        (format!("{cm} uri:{KEY}"), None),
        (format!("{cm} inline:!{}", &KEY[1..]), None),
        (format!("{cm} é"), None),
        (cm.to_owned(), None),
        (String::new(), None),
    ];
    for (line, expected) in table {
        let found = answered(&stream("RTP/SAVP", &[&line]), How::Allowed);
        let mki = found.map(|(_, negotiated)| negotiated.keys.expect("encrypted").their_mki);
        assert_eq!(mki, expected.ok_or(Incompatible::NoSuite), "{line}");
        // The next line is taken then.
        let second = format!("2 AEAD_AES_128_GCM inline:{SHORT_GCM}");
        let (answer, _) = answered(&stream("RTP/SAVP", &[&line, &second]), How::Allowed).expect("compatible");
        assert_eq!(answer.contains("a=crypto:2 "), expected.is_none(), "{line}");
    }
}

#[test]
fn our_own_offer_and_answer_agree() {
    let codecs = Codecs::default();
    let theirs = KeyRing::draw(&Suite::ALL, &mut StdRng::seed_from_u64(4));
    for suite in Suite::ALL {
        let ours = KeyRing::draw(&[suite], &mut StdRng::seed_from_u64(5));
        for (offering, answering) in [(&theirs, &ours), (&ours, &theirs)] {
            let terms = |protection| Terms { codecs: &codecs, protection };
            let text = offer(local(), SESSION, terms(Protection::Required(offering)));
            assert_eq!(text.matches("a=crypto:").count(), offering.all().len(), "{text}");
            assert!(text.contains("m=audio 20000 RTP/SAVP 0 8 101\r\n"), "{text}");
            let read = Offer::parse(&text).expect("readable");
            let (answer, settled) = negotiate(&read, local(), SESSION, terms(Protection::Allowed(answering)))
                .expect("compatible");
            let heard = read_encrypted_answer(&answer, offering).expect("readable").keys.expect("encrypted");
            let settled = settled.keys.expect("encrypted");
            assert_eq!(
                (heard.ours.suite(), &heard.ours, &heard.theirs),
                (suite, &settled.theirs, &settled.ours)
            );
        }
    }
    let text = offer(local(), SESSION, Terms { codecs: &codecs, protection: Protection::Allowed(&theirs) });
    assert!(text.contains("RTP/AVP") && !text.contains("crypto"), "{text}");
}

#[test]
fn answers_to_what_was_not_offered_are_refused() {
    let ring = KeyRing::draw(&[Suite::AesCm128HmacSha1Tag80], &mut StdRng::seed_from_u64(6));
    let line = |tag: u32, name: &str| format!("{tag} {name} inline:{KEY}");
    let table = [
        (stream("RTP/SAVP", &[&line(1, "AES_CM_128_HMAC_SHA1_80")]), Ok(())),
        (stream("RTP/AVP", &[&line(1, "AES_CM_128_HMAC_SHA1_80")]), Ok(())),
        (stream("RTP/SAVP", &[&line(1, "AES_CM_128_HMAC_SHA1_32")]), Err(Incompatible::Unencrypted)),
        (stream("RTP/SAVP", &[&line(2, "AES_CM_128_HMAC_SHA1_80")]), Err(Incompatible::Unencrypted)),
        (stream("RTP/SAVP", &[&line(0, "AES_CM_128_HMAC_SHA1_80")]), Err(Incompatible::Unencrypted)),
        (stream("RTP/SAVP", &[]), Err(Incompatible::Unencrypted)),
        (stream("RTP/AVP", &[]), Err(Incompatible::Unencrypted)),
    ];
    for (media, expected) in table {
        let read = read_encrypted_answer(&session_with(&media), &ring).map(|_| ());
        assert_eq!(read, expected.map_err(SdpError::Incompatible), "{media}");
    }
    let secure = session_with(&stream("RTP/SAVP", &[&line(1, "AES_CM_128_HMAC_SHA1_80")]));
    assert_eq!(read_answer(&secure), Err(SdpError::Incompatible(Incompatible::Encrypted)));
}

#[test]
fn no_key_shows_in_debug() {
    let text = session_with(&stream("RTP/SAVP", &[&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")]));
    let offer = Offer::parse(&text).expect("readable");
    let (codecs, ring) = (Codecs::default(), ring());
    let terms = Terms { codecs: &codecs, protection: Protection::Allowed(&ring) };
    let (_, negotiated) = negotiate(&offer, local(), SESSION, terms).expect("compatible");
    let shown = format!("{offer:?} {terms:?} {negotiated:?}");
    assert!(!shown.contains("inline") && !shown.contains(KEY) && shown.contains("MasterKey("), "{shown}");
}

proptest! {
    #[test]
    fn no_line_brings_it_down(line in "[0-9]{0,3} ?(AES_CM_128_HMAC_SHA1_80|[A-Z_]{0,9}) ?(inline:)?[ -~]{0,60}") {
        let media = stream("RTP/AVP", &[&line]);
        if let Ok(offer) = Offer::parse(&session_with(&media)) {
            let (codecs, ring) = (Codecs::default(), ring());
            let terms = Terms { codecs: &codecs, protection: Protection::Allowed(&ring) };
            prop_assert!(negotiate(&offer, local(), SESSION, terms).is_ok());
        }
    }
}
