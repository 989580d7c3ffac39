//! Sends actions to the back end.
//!
//! Nothing of a query reaches a log or an error: what went wrong is told in words that hold no value.
#![expect(clippy::disallowed_methods, reason = "shell: measures how long the back end takes")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Request, Response};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{Action, Config, HeaderValue, variables};
use crate::flow::{ActionName, Answer, Failure, Matches, Query};

/// The largest answer that is read. A customer is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How long an unused connection is kept. Shorter than the 5 s after which common servers close theirs, so
/// that a request is not sent into a connection that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// The connection to a back end. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    config: Arc<Config>,
    slots: Arc<Semaphore>,
}

/// The back end cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// The HTTP client would not start, such as for want of the system's root certificates.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

impl Client {
    /// Sets the connection up; nothing is sent yet.
    pub fn new(config: Config) -> Result<Self, Misconfigured> {
        // Fails where the process has one already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portero/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE_MAX);
        if config.base_url.scheme() == "http" {
            // Spares the reading of root certificates, which a small container need not have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(Misconfigured::Http)?;
        let slots = Arc::new(Semaphore::new(config.max_concurrent));
        Ok(Self { http, config: Arc::new(config), slots })
    }

    /// Asks, and says what came of it within the deadline. Dropping the future abandons the request.
    pub async fn ask(&self, action: &ActionName, query: &Query) -> Answer {
        let mut measure = Measure::begin(action.clone());
        let answer = match tokio::time::timeout(self.config.deadline, self.exchange(action, query)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => Answer::Failed(failure),
            Err(_) => Answer::Failed(Failure::TimedOut),
        };
        measure.result = result_word(&answer);
        if let Answer::Failed(failure) = &answer {
            tracing::warn!(%action, failure = failure.as_str(), "the back end failed");
        }
        answer
    }

    async fn exchange(&self, name: &ActionName, query: &Query) -> Result<Answer, Failure> {
        let _slot = self.slots.try_acquire().map_err(|_| Failure::Overloaded)?;
        let Some(action) = self.config.actions.get(name) else {
            tracing::error!(action = %name, "there is no such action");
            return Err(Failure::Unreachable);
        };
        let request = self.request(action, query).ok_or_else(|| {
            // A value that the back end itself gave does not fit where the action puts it.
            tracing::warn!(action = %name, "the request could not be filled in");
            Failure::Garbage
        })?;
        let response = self.http.execute(request).await.map_err(|error| unreachable_because(name, error))?;
        if let Some(answer) = action.reading.of_status(response.status().as_u16()) {
            return Ok(answer);
        }
        Ok(action.reading.of_body(&body(name, response).await?))
    }

    fn request(&self, action: &Action, query: &Query) -> Option<Request> {
        let values = variables(query);
        let url = self.config.url(&action.path.fill(&values)?)?;
        let mut request = Request::new(action.method.clone(), url);
        for (name, value) in &self.config.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if let Some(body) = &action.body {
            let body = Filled(body.fill(&values)?);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Bytes::from_owner(body).into());
        }
        for (name, value) in &action.headers {
            let mut value = HeaderValue::from_bytes(value.fill(&values)?.as_bytes()).ok()?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Some(request)
    }
}

/// A body that is wiped once it has been sent.
struct Filled(Zeroizing<String>);

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

async fn body(name: &ActionName, mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable_because(name, error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            tracing::warn!(action = %name, "the answer is larger than {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::Garbage);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Logs the causes of `error`, of which only the innermost says something, without the URL, which is personal.
fn unreachable_because(name: &ActionName, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    tracing::warn!(action = %name, %cause, "no answer from the back end");
    Failure::Unreachable
}

/// The word for an answer in `portero_crm_requests_total{result}`.
pub fn result_word(answer: &Answer) -> &'static str {
    match answer {
        Answer::LookUp(Matches::None) => "no_match",
        Answer::LookUp(Matches::One(_)) => "match",
        Answer::LookUp(Matches::Several(_)) => "several",
        Answer::Check(true) => "accepted",
        Answer::Check(false) => "rejected",
        Answer::Sent(true) => "sent",
        Answer::Sent(false) => "not_sent",
        Answer::Record(_) => "record",
        Answer::Failed(failure) => failure.as_str(),
    }
}

/// Counts a request when it is over, be it that it was abandoned.
struct Measure {
    action: ActionName,
    began: Instant,
    result: &'static str,
}

impl Measure {
    fn begin(action: ActionName) -> Self {
        Self { action, began: Instant::now(), result: "abandoned" }
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let action = self.action.as_str().to_owned();
        metrics::counter!("portero_crm_requests_total", "action" => action, "result" => self.result)
            .increment(1);
        metrics::histogram!("portero_crm_request_seconds").record(self.began.elapsed());
        tracing::debug!(action = %self.action, result = self.result, "back end asked");
    }
}
