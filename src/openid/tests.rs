//! What a provider sends, held against the rules; its signatures against those of RFC 7515.

use std::time::{Duration, Instant};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::attempt::PATIENCE;
use super::keys::Algorithm;
use super::*;

const ISSUER: &str = "https://id.example/realms/a";
const EXPECTED: Expected<'_> = Expected { issuer: ISSUER, client: "portero", nonce: "n-0S6_WzA2Mj" };

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("an instant")
}

/// Signs as a provider does.
struct Provider {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Provider {
    fn new() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
        Self { pair, random }
    }

    fn keys(&self) -> KeySet {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": x, "y": y });
        let other = json!({ "kty": "oct", "kid": "k1", "k": "AAAA" });
        KeySet::read(json!({ "keys": [other, key] }).to_string().as_bytes()).expect("a set of keys")
    }

    fn token(&self, header: &Value, payload: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(payload));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).expect("signed");
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k1" })
}

fn payload() -> Value {
    let second = now().as_second();
    json!({
        "iss": ISSUER, "aud": "portero", "sub": "248289761001", "nonce": EXPECTED.nonce,
        "iat": second - 5, "exp": second + 300, "preferred_username": "ann",
        "groups": ["staff", "portero-admins"], "realm_access": { "roles": ["agent"] },
        "https://example.com/role": "editor",
    })
}

fn with(mut value: Value, name: &str, new: Value) -> Value {
    value[name] = new;
    value
}

fn verdict(provider: &Provider, header: &Value, payload: &Value) -> Result<Claims, Fault> {
    Claims::verify(&provider.token(header, payload), &provider.keys(), EXPECTED, now())
}

#[test]
fn a_token_that_fulfils_everything_is_believed_in_what_it_says() {
    let provider = Provider::new();
    let claims = verdict(&provider, &header(), &payload()).expect("believed");
    assert_eq!(claims.text("preferred_username"), Some("ann"));
    assert_eq!(claims.texts("groups"), ["staff", "portero-admins"]);
    assert_eq!(claims.texts("realm_access.roles"), ["agent"]);
    assert_eq!(claims.texts("https://example.com/role"), ["editor"]);
    assert_eq!(claims.texts("sub"), ["248289761001"]);
    assert!(claims.texts("iat").is_empty() && claims.texts("nothing.there").is_empty());
}

#[test]
fn a_token_is_believed_by_no_less() {
    let provider = Provider::new();
    let second = now().as_second();
    let several = |azp: Value| with(with(payload(), "aud", json!(["portero", "other"])), "azp", azp);
    let table = [
        (header(), with(payload(), "iss", json!("https://id.example/realms/b")), Fault::Issuer),
        (header(), with(payload(), "iss", json!("https://id.example/realms/a/")), Fault::Issuer),
        (header(), with(payload(), "aud", json!("other")), Fault::Audience),
        (header(), with(payload(), "aud", json!(["other"])), Fault::Audience),
        (header(), several(Value::Null), Fault::Audience),
        (header(), several(json!("other")), Fault::Audience),
        (header(), with(payload(), "azp", json!("other")), Fault::Audience),
        (header(), with(payload(), "nonce", json!("another")), Fault::Nonce),
        (header(), with(payload(), "nonce", Value::Null), Fault::Nonce),
        (header(), with(payload(), "exp", json!(second - 61)), Fault::Time),
        (header(), with(payload(), "iat", json!(second + 61)), Fault::Time),
        (header(), with(payload(), "nbf", json!(second + 61)), Fault::Time),
        (header(), with(payload(), "exp", Value::Null), Fault::Malformed("its token")),
        (with(header(), "kid", json!("k2")), payload(), Fault::Key),
        (with(header(), "alg", json!("RS256")), payload(), Fault::Key),
        (with(header(), "alg", json!("none")), payload(), Fault::Algorithm),
        (with(header(), "alg", json!("HS256")), payload(), Fault::Algorithm),
        (with(header(), "crit", json!(["b64"])), payload(), Fault::Malformed("its token")),
    ];
    for (header, payload, expected) in table {
        assert_eq!(verdict(&provider, &header, &payload), Err(expected), "{header} {payload}");
    }
    for second in [second - 59, second + 300] {
        assert!(verdict(&provider, &header(), &with(payload(), "exp", json!(second))).is_ok());
    }
    assert!(verdict(&provider, &header(), &several(json!("portero"))).is_ok());
}

#[test]
fn a_token_that_was_changed_or_cut_is_not_believed() {
    let provider = Provider::new();
    let token = provider.token(&header(), &payload());
    let mut parts = token.splitn(3, '.');
    let mut part = || parts.next().expect("three parts");
    let (head, body, signature) = (part(), part(), part());
    let forged = BASE64.encode(with(payload(), "groups", json!(["portero-admins"])).to_string());
    for (token, fault) in [
        (format!("{head}.{forged}.{signature}"), Fault::Signature),
        (format!("{head}.{body}."), Fault::Signature),
        (format!("{head}.{body}"), Fault::Malformed("its token")),
        (String::new(), Fault::Malformed("its token")),
        ("a.".repeat(40_000), Fault::Malformed("its token")),
    ] {
        assert_eq!(Claims::verify(&token, &provider.keys(), EXPECTED, now()), Err(fault));
    }
    let another = Provider::new();
    assert_eq!(Claims::verify(&token, &another.keys(), EXPECTED, now()), Err(Fault::Signature));
}

/// RFC 7515 appendices A.2 and A.3: keys, what they have signed, and their signatures.
#[test]
fn signatures_are_those_of_rfc_7515() {
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rsa = json!({
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    });
    let p256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let keys = json!({ "keys": [rsa, p256] }).to_string();
    let keys = KeySet::read(keys.as_bytes()).expect("a set of keys");
    let table = [
        (
            Algorithm::Rs256,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            Algorithm::Es256,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    for (algorithm, header, signature) in table {
        let signed = format!("{header}.{PAYLOAD}");
        let mut signature = BASE64.decode(signature).expect("base64url");
        assert_eq!(keys.have_signed(None, algorithm, signed.as_bytes(), &signature), Ok(()), "{algorithm:?}");
        signature[9] ^= 1;
        let changed = keys.have_signed(None, algorithm, signed.as_bytes(), &signature);
        assert_eq!(changed, Err(Fault::Signature), "{algorithm:?}");
    }
    assert!(keys.has(None) && !keys.has(Some("k1")));
}

#[test]
fn a_provider_is_the_one_that_is_configured_to_the_letter() {
    let text = |issuer: &str| {
        let place = |end: &str| format!("{ISSUER}/{end}");
        json!({
            "issuer": issuer, "authorization_endpoint": place("auth"), "token_endpoint": place("token"),
            "jwks_uri": place("certs"), "scopes_supported": ["openid"],
        })
        .to_string()
    };
    let metadata = Metadata::read(text(ISSUER).as_bytes(), ISSUER).expect("a provider");
    assert_eq!(metadata.endpoints()[1], format!("{ISSUER}/token"));
    assert_eq!(Metadata::read(text("https://id.example").as_bytes(), ISSUER), Err(Fault::Issuer));
    assert!(matches!(Metadata::read(b"<html>", ISSUER), Err(Fault::Malformed(_))));
    assert_eq!(
        Metadata::place(&format!("{ISSUER}/")),
        "https://id.example/realms/a/.well-known/openid-configuration"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a clock that is only a variable has to begin somewhere")]
fn a_login_is_finished_once_in_time_and_by_the_browser_that_began_it() {
    let start = Instant::now();
    let mut attempts = Attempts::default();
    let begin = |attempts: &mut Attempts, number: u8, now| attempts.begin(&[number; 96], now);
    let (mine, attempt) = begin(&mut attempts, 1, start);
    let (theirs, _) = begin(&mut attempts, 2, start);
    assert_eq!(attempts.take(&mine, &theirs, start), None, "somebody else's browser");
    assert_eq!(attempts.take(&mine, &mine, start), Some(attempt));
    assert_eq!(attempts.take(&mine, &mine, start), None, "once");
    assert_eq!(attempts.take(&theirs, &theirs, start + PATIENCE), None, "too late");
    let unknown = Handle::new("what nobody began");
    assert_eq!(attempts.take(&unknown, &unknown, start), None);

    let (first, _) = begin(&mut attempts, 0, start);
    for number in 0..1024_u32 {
        let mut random = [7; 96];
        random[..4].copy_from_slice(&number.to_be_bytes());
        attempts.begin(&random, start + Duration::from_secs(1));
    }
    assert_eq!(attempts.take(&first, &first, start), None, "nobody can fill the table");
}

/// The verifier and its challenge are those of RFC 7636 appendix B.
#[test]
#[expect(clippy::disallowed_methods, reason = "a clock that is only a variable has to begin somewhere")]
fn a_browser_is_sent_with_all_that_ties_its_way_back_to_it() {
    let verifier = BASE64.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").expect("base64url");
    let random: [u8; 96] =
        [[0; 32], [1; 32], verifier.try_into().expect("32 octets")].concat().try_into().expect("96 octets");
    let (handle, attempt) = Attempts::default().begin(&random, Instant::now());
    let client = Client {
        id: "portero & co".into(),
        redirect_uri: "https://portero.example/login/provider/back".into(),
        scope: "openid profile".into(),
    };
    let state = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let nonce = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    assert_eq!(
        attempt.address("https://id.example/auth?tenant=a", &client, &handle),
        format!(
            "https://id.example/auth?tenant=a&response_type=code&client_id=portero%20%26%20co&\
             redirect_uri=https%3A%2F%2Fportero.example%2Flogin%2Fprovider%2Fback&scope=openid%20profile&\
             state={state}&nonce={nonce}&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&\
             code_challenge_method=S256"
        )
    );
    let body = attempt.exchange("a+b/c", &client);
    assert!(
        body.contains("code=a%2Bb%2Fc&") && body.ends_with("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    );
}
