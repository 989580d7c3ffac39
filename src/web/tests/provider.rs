//! Logging in at an identity provider, with one that runs beside the test: it signs, and it checks what it is shown.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::{get, post};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::access::Role;
use crate::openid;
use crate::records::audit::{Actor, AuditFilter};
use crate::secret::Password;
use crate::web::{BACK, Provider};

const SECRET: &str = "a secret / with signs";

/// A provider: its key, and what it has been asked for under which code.
struct Identity {
    issuer: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
    codes: Mutex<HashMap<String, Granted>>,
}

struct Granted {
    challenge: String,
    claims: Value,
}

impl Identity {
    #[expect(clippy::disallowed_methods, reason = "a test runs its provider beside itself")]
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let identity = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().expect("bound")),
            pair: EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key"),
            random,
            codes: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&identity));
        tokio::spawn(async { axum::serve(listener, router).await });
        identity
    }

    /// What the settings say of it.
    fn provider(&self) -> Provider {
        Provider {
            issuer: self.issuer.clone(),
            label: "the company".into(),
            client: openid::Client {
                id: "portero".into(),
                redirect_uri: format!("https://portero.example{BACK}"),
                scope: "openid profile".into(),
            },
            secret: Some(Password::new(SECRET.into())),
            name_claim: "preferred_username".into(),
            role_claim: "groups".into(),
            roles: vec![(Role::Admin, vec!["it".into()]), (Role::Agent, vec!["desk".into(), "floor".into()])],
        }
    }

    /// Somebody has logged in there, who is to go back with this code.
    fn grants(&self, code: &str, asked: &HashMap<String, String>, claims: Value) {
        let mut claims = claims;
        let at = now().as_second();
        for (name, value) in [
            ("iss", json!(self.issuer)),
            ("aud", json!("portero")),
            ("nonce", json!(asked["nonce"])),
            ("iat", json!(at)),
            ("exp", json!(at + 60)),
        ] {
            claims.as_object_mut().expect("claims").entry(name).or_insert(value);
        }
        let granted = Granted { challenge: asked["code_challenge"].clone(), claims };
        self.codes.lock().expect("no panic").insert(code.to_owned(), granted);
    }
}

async fn metadata(Shared(identity): Shared<Arc<Identity>>) -> String {
    let issuer = &identity.issuer;
    json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
    })
    .to_string()
}

async fn keys(Shared(identity): Shared<Arc<Identity>>) -> String {
    let point = identity.pair.public_key().as_ref();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k1", "x": x, "y": y }] }).to_string()
}

/// RFC 6749 §4.1.3 and RFC 7636 §4.6: a code is good once, for its client, with what its challenge was made from.
async fn token(
    Shared(identity): Shared<Arc<Identity>>,
    headers: HeaderMap,
    body: String,
) -> Result<String, StatusCode> {
    let sent = query(&body);
    let credentials = format!("portero:{}", "a%20secret%20%2F%20with%20signs");
    let expected = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    let granted = identity.codes.lock().expect("no panic").remove(&sent["code"]);
    let granted = granted.ok_or(StatusCode::BAD_REQUEST)?;
    let challenge = BASE64.encode(Sha256::digest(sent["code_verifier"].as_bytes()));
    if headers["authorization"] != expected.as_str() || challenge != granted.challenge {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let part = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": "k1" })), part(&granted.claims));
    let signature = identity.pair.sign(&identity.random, signed.as_bytes()).expect("signed");
    let token = format!("{signed}.{}", BASE64.encode(signature));
    Ok(json!({ "access_token": "of no use", "token_type": "Bearer", "id_token": token }).to_string())
}

fn query(text: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://a/?{text}")).expect("a query");
    url.query_pairs().into_owned().collect()
}

impl Site {
    async fn with_provider(identity: &Identity) -> Self {
        site_with([], Settings { provider: Some(identity.provider()), ..settings() }).await
    }

    /// Sets out to the provider: what it is asked, and the cookie that the browser has got.
    async fn set_out(&self) -> (HashMap<String, String>, String) {
        let away = client(None).get(format!("http://{}/login/provider", self.address)).send().await;
        let away = away.expect("an answer");
        assert_eq!(away.status(), StatusCode::SEE_OTHER);
        let cookie = away.headers()[SET_COOKIE].to_str().expect("text").to_owned();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
        let location = away.headers()[LOCATION].to_str().expect("text");
        let (_, asked) = location.split_once("/authorize?").expect("the provider's address");
        (query(asked), cookie.split(';').next().expect("a pair").to_owned())
    }

    async fn come_back(&self, state: &str, code: &str, cookie: &str) -> Response {
        let url = format!("http://{}{BACK}?state={state}&code={code}", self.address);
        client(None).get(url).header(COOKIE, cookie).send().await.expect("an answer")
    }

    /// The status of the board for whoever has the cookies of this answer.
    async fn board_for(&self, answer: &Response) -> StatusCode {
        let cookies = answer.headers().get_all(SET_COOKIE).iter();
        let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let asked = client(None).get(format!("http://{}/", self.address)).header(COOKIE, cookie).send();
        asked.await.expect("an answer").status()
    }
}

#[tokio::test]
async fn whoever_the_provider_vouches_for_is_let_in_in_the_role_of_their_group() {
    let identity = Identity::start().await;
    let site = Site::with_provider(&identity).await;
    assert!(site.text("/login").await.contains("Log in with the company"));
    let (asked, cookie) = site.set_out().await;
    assert_eq!(asked["redirect_uri"], format!("https://portero.example{BACK}"));
    identity.grants("c1", &asked, json!({ "preferred_username": "Ann", "groups": ["staff", "desk"] }));
    let back = site.come_back(&asked["state"], "c1", &cookie).await;
    assert_eq!(back.status(), StatusCode::OK, "a page that leads on: a redirect would lose the cookie");
    assert_eq!(site.board_for(&back).await, StatusCode::OK);
    let again = site.come_back(&asked["state"], "c1", &cookie).await;
    assert_eq!(again.status(), StatusCode::FORBIDDEN, "a login is finished once");
    let rows = site.store.audited(&AuditFilter::default(), 9).await.expect("read");
    assert!(rows.iter().any(|row| row.actor == Actor::User("ann@127.0.0.1".into())), "{rows:?}");
}

#[tokio::test]
async fn nobody_is_let_in_by_less() {
    let identity = Identity::start().await;
    let site = Site::with_provider(&identity).await;
    let ann = || json!({ "preferred_username": "ann", "groups": ["it"] });
    let with = |name: &str, value: Value| {
        let mut claims = ann();
        claims[name] = value;
        claims
    };
    let table = [
        ("no role here", with("groups", json!(["staff"]))),
        ("no name", with("preferred_username", json!("ann; admin"))),
        ("another client's", with("aud", json!("other"))),
        ("another provider's", with("iss", json!("http://127.0.0.1:1"))),
        ("another login's", with("nonce", json!("another"))),
        ("over", with("exp", json!(1))),
    ];
    for (what, claims) in table {
        let (asked, cookie) = site.set_out().await;
        identity.grants("c", &asked, claims);
        let back = site.come_back(&asked["state"], "c", &cookie).await;
        assert_eq!(back.status(), StatusCode::FORBIDDEN, "{what}");
        assert_eq!(site.board_for(&back).await, StatusCode::SEE_OTHER, "{what}");
    }
    // Somebody has another's browser finish a login of their own, so that what it does is done in their name.
    let (asked, _) = site.set_out().await;
    let (_, others) = site.set_out().await;
    identity.grants("c", &asked, ann());
    assert_eq!(site.come_back(&asked["state"], "c", &others).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(site.come_back(&asked["state"], "c", "").await.status(), StatusCode::FORBIDDEN);
    // A code that was seen on its way is worth nothing in another login.
    let (asked, _) = site.set_out().await;
    identity.grants("seen", &asked, ann());
    let (own, cookie) = site.set_out().await;
    assert_eq!(site.come_back(&own["state"], "seen", &cookie).await.status(), StatusCode::FORBIDDEN);
    let refused = format!("http://{}{BACK}?error=access_denied&error_description=%3Cb%3E", site.address);
    let refused = client(None).get(refused).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!refused.text().await.expect("text").contains("<b>"), "what anybody can send is not shown");
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_of() {
    let identity = Identity::start().await;
    let away = Provider { issuer: "http://127.0.0.1:1".into(), ..identity.provider() };
    let site = site_with([], Settings { provider: Some(away), ..settings() }).await;
    let answer = client(None).get(format!("http://{}/login/provider", site.address)).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.text().await.expect("text").contains("does not answer"));
}
