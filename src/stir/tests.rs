//! Passports, good ones and others: by signers of the test's own, and the one of RFC 8225.

mod signer;

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use jiff::Timestamp;
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, SerialNumber, date_time_ymd};
use serde_json::{Value, json};

use super::field::Field;
use super::passport::Token;
use super::*;
use crate::authority::Authority;
use crate::flow::CheckOutcome;
use signer::{Signer, claims, presented};

const FRESHNESS: Duration = Duration::from_mins(1);
const NOW: i64 = 1_790_000_000;

fn now() -> Timestamp {
    later(0)
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).expect("a time")
}

fn roots(authority: &Authority) -> Roots {
    Roots::read(authority.certificate().as_bytes(), None).expect("a root")
}

/// What a field comes to with a certificate.
fn check(
    field: &str,
    presented: &Presented,
    certificate: &str,
    roots: &Roots,
) -> Result<Option<Genuine>, Fault> {
    let Some(passport) = Passport::read(field, presented, FRESHNESS, now())? else { return Ok(None) };
    passport.prove(&Chain::read(certificate.as_bytes())?, roots, now()).map(Some)
}

/// What the passport of a signer comes to, for a call as it should be.
fn check_own(signer: &Signer, field: &str, roots: &Roots) -> Result<Option<Attestation>, Fault> {
    let genuine = check(field, &presented(&[]), &signer.certificate, roots)?.expect("a passport for us");
    Replays::default().admit(&genuine, "call", now())
}

#[test]
fn a_passport_attests_what_its_signer_says() {
    let authority = Authority::new();
    let signer = Signer::of(&authority, |_| {});
    let table = [("A", Attestation::A), ("B", Attestation::B), ("C", Attestation::C)];
    for (word, attestation) in table {
        let checked = check_own(&signer, &signer.field(word, now()), &roots(&authority));
        assert_eq!(checked, Ok(Some(attestation)), "{word}");
    }
}

/// One that signs, with its header and claims changed before.
fn changed(signer: &Signer, pointer: &str, value: Option<Value>) -> String {
    let (mut header, mut payload) = (signer.header(), claims("A", now()));
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let (of_header, rest) = (parent.starts_with("/header"), parent.trim_start_matches("/header"));
    let whole = if of_header { &mut header } else { &mut payload };
    let object = whole.pointer_mut(rest).and_then(Value::as_object_mut).expect("an object");
    match value {
        Some(value) => drop(object.insert(key.to_owned(), value)),
        None => drop(object.remove(key)),
    }
    signer.sign(&header, &payload)
}

#[test]
fn what_a_passport_says_is_held_against_the_call() {
    let authority = Authority::new();
    let signer = Signer::of(&authority, |_| {});
    let table = [
        ("/orig/tn", Some(json!("12025550199")), Fault::OtherCaller),
        ("/orig/tn", Some(json!("2025550101")), Fault::OtherCaller),
        ("/orig/tn", Some(json!("+1 202 555 0101")), Fault::Absent),
        ("/orig/tn", None, Fault::OtherCaller),
        ("/orig/tn", Some(json!(12_025_550_101_i64)), Fault::Malformed),
        ("/dest/tn", Some(json!(["12025550199"])), Fault::OtherCallee),
        ("/dest/tn", Some(json!(["12025550199", "12025550100"])), Fault::Absent),
        ("/dest/tn", Some(json!([])), Fault::OtherCallee),
        ("/dest/tn", Some(json!("12025550100")), Fault::Malformed),
        ("/dest", Some(json!({ "uri": ["sip:1000@portero.example"] })), Fault::OtherCallee),
        ("/dest", None, Fault::Malformed),
        ("/iat", Some(json!(NOW - 60)), Fault::Absent),
        ("/iat", Some(json!(NOW - 61)), Fault::Stale),
        ("/iat", Some(json!(NOW + 60)), Fault::Absent),
        ("/iat", Some(json!(NOW + 61)), Fault::Stale),
        ("/iat", Some(json!(i64::MAX)), Fault::Malformed),
        ("/iat", Some(json!("1790000000")), Fault::Malformed),
        ("/iat", None, Fault::Malformed),
        ("/attest", Some(json!("D")), Fault::Malformed),
        ("/attest", None, Fault::Malformed),
        ("/origid", None, Fault::Malformed),
        ("/header/alg", Some(json!("none")), Fault::Algorithm),
        ("/header/alg", Some(json!("HS256")), Fault::Algorithm),
        ("/header/typ", Some(json!("JWT")), Fault::Malformed),
        ("/header/crit", Some(json!(["exp"])), Fault::Malformed),
        ("/header/x5u", Some(json!("https://elsewhere.example/a.pem")), Fault::Malformed),
        ("/header/ppt", Some(json!("div")), Fault::Malformed),
        ("/header/ppt", None, Fault::Malformed),
        ("/header/kid", Some(json!("of no matter")), Fault::Absent),
    ];
    for (pointer, value, fault) in table {
        let said = format!("{pointer} {value:?}");
        let checked = check_own(&signer, &changed(&signer, pointer, value), &roots(&authority));
        // Absent stands for nothing amiss.
        assert_eq!(checked.err().unwrap_or(Fault::Absent), fault, "{said}");
    }
}

#[test]
fn a_passport_that_was_tampered_with_is_not_its_signers() {
    let authority = Authority::new();
    let (signer, other) = (Signer::of(&authority, |_| {}), Signer::of(&authority, |_| {}));
    let (own, better) = (signer.field("C", now()), signer.field("A", now()));
    let signature = own.split(['.', ';']).nth(2).expect("a signature");
    let forged = better.replacen(better.split(['.', ';']).nth(2).expect("a signature"), signature, 1);
    assert_eq!(check_own(&signer, &forged, &roots(&authority)), Err(Fault::Signature));
    assert_eq!(check_own(&other, &own, &roots(&authority)), Err(Fault::Signature));
}

#[test]
fn passports_of_other_kinds_are_passed_over() {
    let signer = Signer::of(&Authority::new(), |_| {});
    for field in [
        signer.field("A", now()).replace(";ppt=shaken", ";ppt=div"),
        signer
            .sign(
                &json!({ "alg": "ES256", "ppt": "rcd", "typ": "passport", "x5u": signer.place }),
                &claims("A", now()),
            )
            .replace(";ppt=shaken", ""),
    ] {
        let read = Passport::read(&field, &presented(&[]), FRESHNESS, now()).expect("nothing amiss");
        assert!(read.is_none(), "{field}");
    }
}

#[test]
fn another_algorithm_is_refused_wherever_it_is_said() {
    let signer = Signer::of(&Authority::new(), |_| {});
    let field = signer.field("A", now()).replace("alg=ES256", "alg=RS256");
    let read = Passport::read(&field, &presented(&[]), FRESHNESS, now());
    assert_eq!(read.err(), Some(Fault::Algorithm));
}

#[test]
fn the_compact_form_says_what_its_request_says() {
    let authority = Authority::new();
    let signer = Signer::of(&authority, |_| {});
    let header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":"{}"}}"#, signer.place);
    let payload = format!(r#"{{"dest":{{"tn":["12025550100"]}},"iat":{NOW},"orig":{{"tn":"12025550101"}}}}"#);
    let token = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let field = format!("..{};info=<{}>", signer.signature(&token), signer.place);
    let date = jiff::fmt::rfc2822::to_string(&now().to_zoned(jiff::tz::TimeZone::UTC)).expect("a date");
    let call = |date: Option<&str>| Presented { date: date.map(str::to_owned), ..presented(&[]) };
    let check = |field: &str, call: &Presented| check(field, call, &signer.certificate, &roots(&authority));
    let genuine = check(&field, &call(Some(&date))).expect("genuine").expect("a passport for us");
    assert_eq!(genuine.attestation, None);
    let gmt = date.replace("+0000", "GMT");
    assert!(check(&field, &call(Some(&gmt))).is_ok(), "{gmt}");
    let tomorrow = jiff::fmt::rfc2822::to_string(&later(86_400).to_zoned(jiff::tz::TimeZone::UTC));
    assert_eq!(check(&field, &call(Some(&tomorrow.expect("a date")))), Err(Fault::Stale));
    let other =
        Presented { caller: PhoneNumber::parse("+12025550199").expect("a number"), ..call(Some(&date)) };
    assert_eq!(check(&field, &other), Err(Fault::Signature));
    for (field, date) in
        [(&field, None), (&field, Some("yesterday")), (&format!("{field};ppt=shaken"), Some(date.as_str()))]
    {
        assert_eq!(check(field, &call(date)), Err(Fault::Malformed), "{date:?}");
    }
}

#[test]
fn a_root_has_to_stand_behind_the_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let self_signed = |params: CertificateParams| {
        let key = KeyPair::generate().expect("a key");
        Signer::with(params.self_signed(&key).expect("a certificate").pem(), &key.serialize_pem())
    };
    let own = CertificateParams::new(vec!["signer.example".to_owned()]).expect("a name");
    let year = |params: &mut CertificateParams, from, to| {
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
    };
    let table = [
        ("of a trusted root", Signer::of(&authority, |_| {}), None),
        ("of another root", Signer::of(&other, |_| {}), Some(Fault::Untrusted)),
        ("self-signed", self_signed(own), Some(Fault::Untrusted)),
        ("expired", Signer::of(&authority, |params| year(params, 2020, 2021)), Some(Fault::Expired)),
        ("not valid yet", Signer::of(&authority, |params| year(params, 2050, 2051)), Some(Fault::Expired)),
    ];
    for (whose, signer, fault) in table {
        let checked = check_own(&signer, &signer.field("A", now()), &roots(&authority));
        assert_eq!(checked.err(), fault, "{whose}");
    }
}

#[test]
fn a_root_of_another_key_than_the_one_that_has_signed_is_not_enough() {
    // Both authorities have one name, so that only their keys tell them apart.
    let (authority, other) = (Authority::new(), Authority::new());
    let both = format!("{}{}", other.certificate(), authority.certificate());
    let signer = Signer::of(&authority, |_| {});
    let checked =
        check_own(&signer, &signer.field("A", now()), &Roots::read(both.as_bytes(), None).expect("roots"));
    assert_eq!(checked, Ok(Some(Attestation::A)));
}

#[test]
fn a_certificate_that_was_taken_back_is_good_for_nothing() {
    let authority = Authority::new();
    let signer = Signer::of(&authority, |params| params.serial_number = Some(SerialNumber::from(7_u64)));
    for (revoked, fault) in [(&[7, 8][..], Some(Fault::Revoked)), (&[8], None), (&[], None)] {
        let list = authority.revoke(revoked);
        let roots = Roots::read(authority.certificate().as_bytes(), Some(list.as_bytes())).expect("roots");
        assert_eq!(check_own(&signer, &signer.field("A", now()), &roots).err(), fault, "{revoked:?}");
    }
    // Another authority's list says nothing of ours.
    let list = Authority::new().revoke(&[7]);
    let roots = Roots::read(authority.certificate().as_bytes(), Some(list.as_bytes())).expect("roots");
    assert!(check_own(&signer, &signer.field("A", now()), &roots).is_err(), "both have one name");
}

#[test]
fn what_is_fetched_is_a_chain_or_no_certificate() {
    let authority = Authority::new();
    let issued = authority.issue("signer.example", |_| {});
    let pem = issued.certificate.as_bytes();
    assert!(Chain::read(pem).is_ok());
    let der = issued.certificate.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    assert!(Chain::read(&BASE64_STANDARD.decode(der).expect("base64")).is_ok());
    let strong = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    let strong =
        CertificateParams::new(Vec::new()).expect("no names").self_signed(&strong).expect("one").pem();
    for fetched in
        [&b""[..], b"<html>Not found</html>", b"0", &pem[..100], issued.key.as_bytes(), strong.as_bytes()]
    {
        assert_eq!(Chain::read(fetched).err(), Some(Fault::NoCertificate), "{}", fetched.escape_ascii());
    }
}

#[test]
fn files_of_roots_and_of_revocations_are_read_or_refused() {
    let authority = Authority::new();
    let root = authority.certificate();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_list = broken.replace("CERTIFICATE", "X509 CRL");
    let list = authority.revoke(&[1]);
    let table = [
        (root.clone(), Some(list.clone()), None),
        (String::new(), None, Some(RootsFault::NoRoot)),
        (format!("{root}{broken}"), None, Some(RootsFault::BadRoot(2))),
        (root.clone(), Some(String::new()), Some(RootsFault::NoList)),
        (root, Some(format!("{list}{no_list}")), Some(RootsFault::BadList(2))),
    ];
    for (roots, lists, fault) in table {
        let read = Roots::read(roots.as_bytes(), lists.as_deref().map(str::as_bytes));
        assert_eq!(read.err(), fault);
    }
}

#[test]
fn of_several_passports_one_good_one_is_enough_and_else_the_gravest_fault_is_told() {
    let (good, away, bad) = (Ok(Some(Attestation::B)), Err(Fault::Unreachable), Err(Fault::Signature));
    assert_eq!(outcome_of([bad, good, away]), good);
    assert_eq!(outcome_of([away, bad, Err(Fault::Stale)]), bad);
    assert_eq!(outcome_of([away]), away);
    assert_eq!(outcome_of([]), Err(Fault::Absent));
    let outcomes = [Fault::Absent, Fault::Unreachable, Fault::Signature].map(Fault::outcome);
    assert_eq!(outcomes, [CheckOutcome::NotChecked, CheckOutcome::NotChecked, CheckOutcome::Failed]);
}

/// RFC 8225, appendix A.2: a public key.
const RFC_KEY: &str =
    "8HNbQd/TmvCKwPKHkMF9fScavGeH78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==";

/// What that key has signed in the drafts of the RFC, where `iat` is a text still.
const DRAFT_PASSPORT: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.",
    "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoi",
    "MTIxNTU1NTEyMTIifX0.",
    "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w",
);

/// The passport of the RFC itself. Its signature is by no key that the RFC has.
const RFC_PASSPORT: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.",
    "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEy",
    "MTU1NTUxMjEyIn19.",
    "VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw",
);

#[test]
fn the_key_of_the_rfc_has_signed_the_passport_of_its_drafts() {
    let field = format!("{DRAFT_PASSPORT};info=<https://cert.example.org/passport.cer>");
    let token = Token::of(&Field::parse(&field).expect("a field"), &presented(&[])).expect("a passport");
    let point = [vec![4], BASE64_STANDARD.decode(RFC_KEY).expect("base64")].concat();
    assert!(chain::is_signed(&point, token.signed.as_bytes(), &token.signature));
    assert!(!chain::is_signed(&point, format!("{} ", token.signed).as_bytes(), &token.signature));
    assert_eq!(Passport::read(&field, &presented(&[]), FRESHNESS, now()).err(), Some(Fault::Malformed));
}

#[test]
fn the_passport_of_the_rfc_is_read() {
    let field = format!("{RFC_PASSPORT};info=<https://cert.example.org/passport.cer>");
    let read = |caller: &str, signed_at: i64| {
        let call = Presented { caller: PhoneNumber::parse(caller).expect("a number"), ..presented(&[]) };
        let signed_at = Timestamp::from_second(signed_at).expect("a time");
        Passport::read(&field, &call, FRESHNESS, signed_at).err()
    };
    // It is for a call to sip:alice@example.com.
    assert_eq!(read("+12155551212", 1_471_375_418), Some(Fault::OtherCallee));
    assert_eq!(read("+12155551213", 1_471_375_418), Some(Fault::OtherCaller));
    assert_eq!(read("+12155551212", 1_471_375_418 + 61), Some(Fault::Stale));
}

proptest! {
    #[test]
    fn nothing_that_a_peer_sends_is_taken_for_a_passport(field in "[a-z.;=<>:/\" ]{0,80}", text in ".{0,60}") {
        let call = presented(&[]);
        prop_assert!(Passport::read(&field, &call, FRESHNESS, now()).ok().flatten().is_none());
        let part = BASE64.encode(&text);
        let field = format!("{part}.{part}.{part};info=<https://signer.example/a.pem>");
        prop_assert!(Passport::read(&field, &call, FRESHNESS, now()).is_err());
        prop_assert!(Chain::read(text.as_bytes()).is_err());
    }
}
