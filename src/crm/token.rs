//! Tokens of OAuth 2: fetched by client credentials (RFC 6749 §4.4) when they are needed, kept until shortly before they
//! expire. Many who need one at the same time wait for one fetch.
#![expect(clippy::disallowed_methods, reason = "shell: tokens expire")]

use std::time::{Duration, Instant};

use percent_encoding::utf8_percent_encode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::config::{ClientIn, OAuth2};
use super::sending::{self, basic};
use super::template::RESERVED;
use crate::flow::Failure;

/// The largest answer of a token endpoint that is read. A token is some kilobytes at the most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long before its end a token is replaced, so that none expires on its way.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a token is kept of which nobody says when it expires (RFC 6749 §5.1 leaves that open).
const LIFETIME_UNSAID: Duration = Duration::from_mins(30);
/// The longest that one is kept, whatever is said.
const LIFETIME_MAX: Duration = Duration::from_hours(24);
/// For how long a fetch that failed is the answer to all who ask: those who waited for it do not try one by one.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// A token, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// `Bearer …`, marked as sensitive.
    pub(super) header: HeaderValue,
    /// Tells it from the one before it.
    serial: u64,
    until: Instant,
}

/// Where the tokens of one back end come from.
#[derive(Debug)]
pub(super) struct Tokens {
    oauth2: OAuth2,
    /// Whoever fetches holds it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    failed: Option<(Failure, Instant)>,
    fetched: u64,
}

/// What a token endpoint answers (RFC 6749 §5.1). It has no `Debug`: that would show the token.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    /// A number; some services write it as a text.
    expires_in: Option<serde_json::Value>,
}

impl Tokens {
    pub(super) fn new(oauth2: OAuth2) -> Self {
        Self { oauth2, state: Mutex::default() }
    }

    /// A token that holds, other than `refused`.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        refused: Option<&Token>,
    ) -> Result<Token, Failure> {
        let mut state = self.state.lock().await;
        let usable = |token: &&Token| {
            Instant::now() < token.until && refused.is_none_or(|refused| refused.serial != token.serial)
        };
        if let Some(token) = state.token.as_ref().filter(usable) {
            return Ok(token.clone());
        }
        if let Some((failure, when)) = state.failed
            && when.elapsed() < FAILED_FOR
        {
            return Err(failure);
        }
        state.token = None;
        state.fetched += 1;
        let granted = self.fetch(http).await.and_then(|granted| granted.token(state.fetched));
        state.failed = granted.as_ref().err().map(|failure| (*failure, Instant::now()));
        state.token = granted.as_ref().ok().cloned();
        granted
    }

    /// The token that is kept, if any.
    pub(super) async fn kept(&self) -> Option<HeaderValue> {
        self.state.lock().await.token.as_ref().map(|token| token.header.clone())
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<Granted, Failure> {
        let response = sending::execute(http, self.request(), "the token endpoint").await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            tracing::warn!(status, "the token endpoint gives no token");
            return Err(Failure::Status);
        }
        let body = sending::body(response, ANSWER_BYTES_MAX, "the token endpoint").await?;
        serde_json::from_slice(&Zeroizing::new(body)).map_err(|_| {
            tracing::warn!("the token endpoint's answer holds no token");
            Failure::Garbage
        })
    }

    fn request(&self) -> Request {
        let OAuth2 { token_url, client_id, client_secret, client_in, parameters } = &self.oauth2;
        let mut request = Request::new(Method::POST, token_url.clone());
        let mut form = Zeroizing::new(String::from("grant_type=client_credentials"));
        match client_in {
            ClientIn::Header => {
                // RFC 6749 §2.3.1: each is encoded as in a form first, so that a colon is none.
                let (id, secret) = (encoded(client_id), encoded(client_secret.expose()));
                request.headers_mut().extend(basic(&id, &secret).map(|value| (AUTHORIZATION, value)));
            }
            ClientIn::Body => {
                push(&mut form, "client_id", client_id);
                push(&mut form, "client_secret", client_secret.expose());
            }
        }
        for (name, value) in parameters {
            push(&mut form, name, value);
        }
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form_type);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(sending::wiped(form).into());
        request
    }
}

impl Granted {
    fn token(self, serial: u64) -> Result<Token, Failure> {
        let is_bearer = self.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let bearer = Zeroizing::new(format!("Bearer {}", *Zeroizing::new(self.access_token)));
        let header =
            HeaderValue::from_str(&bearer).ok().filter(|_| is_bearer && bearer.len() > "Bearer ".len());
        let mut header = header.ok_or_else(|| {
            tracing::warn!("the token endpoint's token is none that can be sent");
            Failure::Garbage
        })?;
        header.set_sensitive(true);
        let told = self.expires_in.and_then(|told| match told {
            serde_json::Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        });
        let lifetime = told.map_or(LIFETIME_UNSAID, Duration::from_secs).min(LIFETIME_MAX);
        // One that lives shorter than the margin serves for half of its life.
        let kept = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        Ok(Token { header, serial, until: Instant::now() + kept })
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn push(form: &mut String, name: &str, value: &str) {
    form.push('&');
    form.extend(utf8_percent_encode(name, RESERVED));
    form.push('=');
    form.extend(utf8_percent_encode(value, RESERVED));
}
