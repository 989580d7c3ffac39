//! Sends one event: an HTTP POST, signed, and what the receiver makes of it.
#![expect(clippy::disallowed_methods, reason = "shell: an event says when it is sent")]

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, StatusCode};

use super::signature::header;
use super::{Event, Key, KeyFault, Webhook};
use crate::http;

/// How much of an answer is read, so that its connection can be used again. Nothing in it matters.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// The way to one receiver.
#[derive(Debug)]
pub struct Sender {
    webhook: Webhook,
    keys: Vec<Key>,
    http: reqwest::Client,
}

/// Why a receiver cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum HooksError {
    /// What its events are to be signed with is no secret.
    #[error("the secret of the webhook `{name}` cannot be used: {fault}; {}", KeyFault::HELP)]
    Secret {
        /// Its name.
        name: String,
        /// What is wrong.
        fault: KeyFault,
    },
    /// The HTTP client would not start.
    #[error("the HTTP client of the webhooks cannot be set up: {0}")]
    Http(#[source] reqwest::Error),
}

/// What a receiver made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It has answered.
    Status(StatusCode, Option<Duration>),
    /// It could not be reached, or took too long; why, without its address.
    None(String),
}

impl Sender {
    /// Sets the way up; nothing is sent yet.
    ///
    /// # Errors
    /// A secret that is none, or a client that cannot be had.
    pub fn new(webhook: Webhook) -> Result<Self, HooksError> {
        let keys = webhook.secrets.iter().map(|secret| Key::read(secret.expose())).collect::<Result<_, _>>();
        let named = |fault| HooksError::Secret { name: webhook.name.clone(), fault };
        let http = http::client(webhook.url.scheme() == "https")
            .pool_max_idle_per_host(webhook.max_concurrent)
            .build()
            .map_err(HooksError::Http)?;
        Ok(Self { keys: keys.map_err(named)?, http, webhook })
    }

    /// The ways to all of these.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub fn all(webhooks: &[Webhook]) -> Result<Vec<Self>, HooksError> {
        webhooks.iter().cloned().map(Self::new).collect()
    }

    /// The receiver.
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Sends an event.
    pub async fn send(&self, event: &Event) -> Reply {
        match tokio::time::timeout(self.webhook.timeout, self.exchange(event)).await {
            Ok(Ok((status, retry_after))) => Reply::Status(status, retry_after),
            Ok(Err(error)) => Reply::None(http::reason(&error.without_url())),
            Err(_) => Reply::None(format!("no answer within {:?}", self.webhook.timeout)),
        }
    }

    async fn exchange(&self, event: &Event) -> reqwest::Result<(StatusCode, Option<Duration>)> {
        let response = self.http.execute(self.request(event)).await?;
        let told = (response.status(), retry_after(response.headers()));
        drop(http::body(response, ANSWER_BYTES_MAX).await);
        Ok(told)
    }

    /// The request for an event, signed for now.
    pub fn request(&self, event: &Event) -> Request {
        let seconds = Timestamp::now().as_second();
        let signatures = header(&self.keys, &event.id, seconds, &event.body);
        let mut request = Request::new(Method::POST, self.webhook.url.clone());
        let headers = request.headers_mut();
        for (name, value) in &self.webhook.headers {
            headers.insert(name, value.clone());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let texts = [("webhook-id", &event.id), ("webhook-signature", &signatures)];
        for (name, text) in texts {
            headers.insert(name, HeaderValue::from_str(text).expect("letters, digits and signs of ours"));
        }
        headers.insert("webhook-timestamp", seconds.into());
        *request.body_mut() = Some(event.body.clone().into());
        request
    }
}

/// How long the receiver asks to be left alone, where it says so in seconds (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
