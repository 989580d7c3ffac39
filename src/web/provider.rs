//! Logging in at an identity provider (`OpenID` Connect): what is fetched for that, and the two doors in it.
//!
//! `GET /login/provider` sends the browser to the provider, and `GET /login/provider/back` is where it comes back to. What is
//! believed, and when, is decided in `openid`; here are the clock, the random numbers and the requests. Nothing of what
//! comes back is shown: it can be anybody's.
#![expect(clippy::disallowed_methods, reason = "shell: reads the clocks")]

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, ConnectInfo, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use metrics::counter;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngCore as _;
use reqwest::{Client as HttpClient, RequestBuilder};
use serde::Deserialize;
use tracing::warn;

use super::doorway::Peer;
use super::{App, entrance};
use crate::access::{Identity, Name, Proof, Role};
use crate::http::{self, BodyError};
use crate::openid::{Attempt, Attempts, Claims, Client, Expected, Fault, Handle, KeySet, Metadata};
use crate::secret::Password;

/// Where browsers come back to, behind our public address.
pub const BACK: &str = "/login/provider/back";

/// How long one request to the provider may take; a login makes one, or four where its keys are not known.
const FETCH_WITHIN: Duration = Duration::from_secs(3);

/// The longest answer that is read, in octets.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long what a provider says of itself is believed.
const KNOWN_FOR: Duration = Duration::from_hours(1);

/// How soon its keys are fetched again for a key that is not among them: whoever comes back with a token of their own
/// making must not have us ask each time.
const KEYS_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// An identity provider, and what its word is worth here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name, which is a URL.
    pub issuer: String,
    /// What people call it.
    pub label: String,
    /// Who we are to it.
    pub client: Client,
    /// What we prove that with; `None` where it takes us without.
    pub secret: Option<Password>,
    /// The claim that is the user's name.
    pub name_claim: String,
    /// The claim that tells what the user may do, such as `groups`.
    pub role_claim: String,
    /// What has to be in it for each role. The first that fits counts.
    pub roles: Vec<(Role, Vec<String>)>,
}

/// Why nobody comes in.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the identity provider does not answer: {0}")]
    Unreachable(String),
    #[error("the identity provider refuses the code: {0}")]
    Code(StatusCode),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("no role is configured for anything in the claim of roles")]
    NoRole,
    #[error("the claim of names has nothing that can be a name")]
    NoName,
}

impl Refused {
    /// The answer to the browser.
    fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRole => (
                StatusCode::FORBIDDEN,
                "The identity provider knows you, but you have no role here. Ask whoever runs it for one.",
            ),
            Self::NoName => {
                (StatusCode::FORBIDDEN, "The identity provider does not say what you are called.")
            }
            Self::Unreachable(_) => (
                StatusCode::BAD_GATEWAY,
                "The identity provider does not answer. Try again, or log in by name and password.",
            ),
            Self::Code(_) | Self::Fault(_) => {
                (StatusCode::FORBIDDEN, "The identity provider's word does not count. The log says why.")
            }
        }
    }
}

/// What is kept from one login to the next.
pub(super) struct Desk {
    attempts: Mutex<Attempts>,
    /// One at a time fetches; the others wait for it.
    known: tokio::sync::Mutex<Option<Known>>,
    /// `None` where this machine has no certificates to trust.
    http: Option<HttpClient>,
}

#[derive(Clone)]
struct Known {
    metadata: Metadata,
    keys: KeySet,
    since: Instant,
    keys_since: Instant,
}

impl fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Desk")
    }
}

/// What a provider answers a code with (`OpenID` Connect Core §3.1.3.3). Its other tokens are of no use here.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// The query with which a browser comes back.
#[derive(Deserialize)]
pub(super) struct BackQuery {
    state: Option<String>,
    code: Option<String>,
}

/// Sends the browser on. A redirect would not do: it is still the provider's page that leads here, and so the browser would
/// not show the cookie that it has just been given, which is for our own pages alone.
#[derive(Template)]
#[template(path = "onward.html")]
struct Onward;

/// `GET /login/provider`
pub(super) async fn away(extract::State(app): extract::State<Arc<App>>) -> Response {
    let Some(provider) = app.door.settings().provider.clone() else { return none(&app) };
    let metadata = match app.desk.known(&provider).await {
        Ok(known) => known.metadata,
        Err(refused) => return turned_away(&app, &refused),
    };
    let (handle, attempt) = app.desk.begin();
    let address = attempt.address(&metadata.authorization_endpoint, &provider.client, &handle);
    let cookie = app.door.errand_cookie(Some(handle.as_str()));
    ([(header::SET_COOKIE, cookie)], Redirect::to(&address)).into_response()
}

/// `GET /login/provider/back`
pub(super) async fn back(
    extract::State(app): extract::State<Arc<App>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    query: Result<Query<BackQuery>, QueryRejection>,
) -> Response {
    let Some(provider) = app.door.settings().provider.clone() else { return none(&app) };
    let told = query.ok().and_then(|Query(BackQuery { state, code })| Some((Handle::new(&state?), code)));
    let kept = app.door.errand_of(&headers).map(|kept| Handle::new(&kept));
    let attempt = told.zip(kept).and_then(|((told, code), kept)| Some((app.desk.take(&told, &kept)?, code)));
    let (attempt, code) = match attempt {
        Some((attempt, Some(code))) => (attempt, code),
        Some((_, None)) => {
            let why = "The identity provider lets nobody in this way.";
            return entrance::page(&app, StatusCode::FORBIDDEN, Some(why.into()));
        }
        None => {
            let why = "This login was not begun here, or too long ago. Begin again.";
            return entrance::page(&app, StatusCode::FORBIDDEN, Some(why.into()));
        }
    };
    match app.desk.redeem(&provider, &attempt, &code).await {
        Ok(identity) => {
            counter!("portero_logins_total", "result" => "accepted").increment(1);
            welcome(&app, &headers, identity, peer.ip()).await
        }
        Err(refused) => turned_away(&app, &refused),
    }
}

async fn welcome(app: &App, headers: &HeaderMap, identity: Identity, address: IpAddr) -> Response {
    let Ok(page) = Onward.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    app.door.log_out(headers).await;
    let Ok(key) = app.door.open(identity, address).await else {
        let why = "Nobody can log in at the moment.";
        return entrance::page(app, StatusCode::SERVICE_UNAVAILABLE, Some(why.into()));
    };
    let mut response = Html(page).into_response();
    for cookie in [app.door.set_cookie(Some(&key)), app.door.errand_cookie(None)] {
        response.headers_mut().extend(cookie.parse().ok().map(|cookie| (header::SET_COOKIE, cookie)));
    }
    response
}

fn turned_away(app: &App, refused: &Refused) -> Response {
    counter!("portero_logins_total", "result" => "refused").increment(1);
    warn!(%refused, "nobody is let in by the identity provider's word");
    let (status, why) = refused.told();
    entrance::page(app, status, Some(why.into()))
}

fn none(app: &App) -> Response {
    entrance::page(app, StatusCode::NOT_FOUND, Some("No identity provider is configured here.".into()))
}

impl Desk {
    /// With no login under way.
    pub fn new() -> Self {
        Self {
            attempts: Mutex::default(),
            known: tokio::sync::Mutex::new(None),
            http: http::client(true).timeout(FETCH_WITHIN).build().ok(),
        }
    }

    fn begin(&self) -> (Handle, Attempt) {
        let mut random = [0; 96];
        rand::rng().fill_bytes(&mut random);
        self.attempts().begin(&random, Instant::now())
    }

    fn take(&self, told: &Handle, kept: &Handle) -> Option<Attempt> {
        self.attempts().take(told, kept, Instant::now())
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        // Each change is one insertion or removal: a panic leaves nothing half done.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has come back with this code, and in which role.
    async fn redeem(&self, provider: &Provider, attempt: &Attempt, code: &str) -> Result<Identity, Refused> {
        let known = self.known(provider).await?;
        let request = self.http()?.post(&known.metadata.token_endpoint);
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = attempt.exchange(code, &provider.client);
        let answer = fetch(provider.proves(request).body(body)).await?;
        let tokens: Tokens = serde_json::from_slice(&answer).map_err(|_| Fault::Malformed("its tokens"))?;
        let keys = self.keys_for(provider, &tokens.id_token).await?;
        let expected =
            Expected { issuer: &provider.issuer, client: &provider.client.id, nonce: &attempt.nonce };
        provider.identity(&Claims::verify(&tokens.id_token, &keys, expected, Timestamp::now())?)
    }

    /// What is known of the provider, fetched where that is nothing, too old, or of another.
    async fn known(&self, provider: &Provider) -> Result<Known, Refused> {
        let mut known = self.known.lock().await;
        let good = known
            .as_ref()
            .filter(|known| known.metadata.issuer == provider.issuer && known.since.elapsed() < KNOWN_FOR);
        if let Some(good) = good {
            return Ok(good.clone());
        }
        let text = fetch(self.http()?.get(Metadata::place(&provider.issuer))).await?;
        let metadata = Metadata::read(&text, &provider.issuer)?;
        // Whoever speaks https must not be led to where it is not.
        if !metadata.endpoints().iter().all(|end| scheme(end) == scheme(&provider.issuer)) {
            return Err(Fault::Malformed("its configuration").into());
        }
        let keys = KeySet::read(&fetch(self.http()?.get(&metadata.jwks_uri)).await?)?;
        let now = Instant::now();
        let fresh = Known { metadata, keys, since: now, keys_since: now };
        *known = Some(fresh.clone());
        Ok(fresh)
    }

    /// The provider's keys, fetched again where the token's is not among them: it may have got new ones.
    async fn keys_for(&self, provider: &Provider, token: &str) -> Result<KeySet, Refused> {
        let keys = self.known(provider).await?.keys;
        if keys.has(Claims::key_of(token).as_deref()) {
            return Ok(keys);
        }
        let mut known = self.known.lock().await;
        let Some(known) = known.as_mut().filter(|known| known.keys_since.elapsed() >= KEYS_AGAIN_AFTER)
        else {
            return Ok(keys);
        };
        known.keys_since = Instant::now();
        known.keys = KeySet::read(&fetch(self.http()?.get(&known.metadata.jwks_uri)).await?)?;
        Ok(known.keys.clone())
    }

    fn http(&self) -> Result<&HttpClient, Refused> {
        let why = "this machine has no certificates that it trusts";
        self.http.as_ref().ok_or_else(|| Refused::Unreachable(why.to_owned()))
    }
}

impl Provider {
    /// With what proves who we are (RFC 6749 §2.3.1).
    fn proves(&self, request: RequestBuilder) -> RequestBuilder {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        match &self.secret {
            Some(secret) => request.basic_auth(encoded(&self.client.id), Some(encoded(secret.expose()))),
            None => request,
        }
    }

    /// Whom these claims make a visitor. Behind the name stands whose word it is, so that nobody can have a name there
    /// that is a user's here.
    fn identity(&self, claims: &Claims) -> Result<Identity, Refused> {
        let given = claims.texts(&self.role_claim);
        let fits = |words: &[String]| words.iter().any(|word| given.contains(&word.as_str()));
        let role = self.roles.iter().find(|(_, words)| fits(words)).map(|(role, _)| *role);
        let host = self.issuer.split('/').nth(2).unwrap_or_default().split(':').next().unwrap_or_default();
        let name = claims.text(&self.name_claim).ok_or(Refused::NoName)?;
        let name = Name::parse(&format!("{name}@{host}")).ok_or(Refused::NoName)?;
        Ok(Identity { name, proof: Proof::Vouched(role.ok_or(Refused::NoRole)?) })
    }
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

async fn fetch(request: RequestBuilder) -> Result<Vec<u8>, Refused> {
    let unreachable = |error: reqwest::Error| Refused::Unreachable(http::reason(&error));
    let answer = request.send().await.map_err(unreachable)?;
    if answer.status() != StatusCode::OK {
        return Err(Refused::Code(answer.status()));
    }
    http::body(answer, ANSWER_BYTES_MAX).await.map_err(|error| match error {
        BodyError::Broken(error) => unreachable(error),
        BodyError::TooLarge => Fault::Malformed("more than anybody would").into(),
    })
}
