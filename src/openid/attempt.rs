//! Logins under way: a browser has been sent to the provider, and has not come back.
//!
//! Three things tie what comes back to what was begun: `state`, which the browser also has in a cookie, so that nobody
//! can have somebody else's browser finish a login of theirs; `nonce`, which comes back inside of the signed token; and the
//! verifier (RFC 7636), without which a code that was seen on its way is worth nothing.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// How long somebody may take to log in at the provider.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// Logins under way at a time; one more ends the oldest.
const ATTEMPTS_MAX: usize = 1024;

/// What need not be escaped in a query (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who we are to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// What the provider calls us.
    pub id: String,
    /// Where it sends browsers back to.
    pub redirect_uri: String,
    /// What is asked for, such as `openid profile`.
    pub scope: String,
}

/// Tells one login under way from another: the `state` of RFC 6749 §10.12.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Handle(String);

/// A login under way.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What the token has to bring back (`OpenID` Connect Core §3.1.2.1).
    pub nonce: String,
    /// What the code is worth nothing without (RFC 7636 §4.1).
    pub verifier: String,
    began: Instant,
}

/// All logins under way.
#[derive(Debug, Default)]
pub struct Attempts(HashMap<Handle, Attempt>);

impl Handle {
    /// As it came back, by the query or by the cookie.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For the query and for the cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// Whoever has it can finish the login.
impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Handle(…)")
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Attempt(…)")
    }
}

impl Attempts {
    /// Begins a login. `random` are octets that nobody can guess; each third becomes one of the three.
    pub fn begin(&mut self, random: &[u8; 96], now: Instant) -> (Handle, Attempt) {
        self.0.retain(|_, attempt| !attempt.is_over(now));
        if self.0.len() >= ATTEMPTS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, attempt)| attempt.began);
            if let Some(oldest) = oldest.map(|(handle, _)| handle.clone()) {
                self.0.remove(&oldest);
            }
        }
        let word = |nth: usize| BASE64.encode(&random[32 * nth..32 * (nth + 1)]);
        let attempt = Attempt { nonce: word(1), verifier: word(2), began: now };
        let handle = Handle(word(0));
        self.0.insert(handle.clone(), attempt.clone());
        (handle, attempt)
    }

    /// Takes the login that a browser comes back from: once, in time, and by the browser that began it.
    pub fn take(&mut self, told: &Handle, kept: &Handle, now: Instant) -> Option<Attempt> {
        let attempt = (told == kept).then(|| self.0.remove(told)).flatten()?;
        (!attempt.is_over(now)).then_some(attempt)
    }
}

impl Attempt {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= PATIENCE
    }

    /// Where the browser is sent (`OpenID` Connect Core §3.1.2.1, RFC 7636 §4.3).
    pub fn address(&self, endpoint: &str, client: &Client, handle: &Handle) -> String {
        let challenge = BASE64.encode(Sha256::digest(self.verifier.as_bytes()));
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", &client.redirect_uri),
            ("scope", &client.scope),
            ("state", handle.as_str()),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        format!("{endpoint}{separator}{query}")
    }

    /// What is sent to the provider for the tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
    pub fn exchange(&self, code: &str, client: &Client) -> String {
        form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.redirect_uri),
            ("client_id", &client.id),
            ("code_verifier", &self.verifier),
        ])
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, ESCAPED));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}
