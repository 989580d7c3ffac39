//! The way to one back end: its HTTP client, how much of it may be used at a time, its breaker and its tokens.
#![expect(clippy::disallowed_methods, reason = "shell: the breaker is told the time")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Identity, Method, Request, Response};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::breaker::{Breaker, Outcome, Pass};
use super::client::Misconfigured;
use super::config::{Action, Authentication, Service, TlsFiles};
use super::reading::{Reading, Understood};
use super::token::{Token, Tokens};
use super::trial::{Heard, Trial};
use super::{sending, variables};
use crate::flow::{ActionName, Answer, Failure, Query};
use crate::http;
use crate::secret::Secret;

/// The largest answer that is read. A customer is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How long an unused connection is kept. Shorter than the 5 s after which common servers close theirs, so
/// that a request is not sent into a connection that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// What is told in place of a body that holds somebody's hash.
const HASH_INSIDE: &[u8] = b"(not shown: the hash is in it)";

/// How long is waited before a request is sent once more: long enough for a server that restarts its worker.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// One back end, ready to be asked.
#[derive(Debug)]
pub(super) struct Connection {
    name: Arc<str>,
    service: Service,
    http: reqwest::Client,
    slots: Semaphore,
    /// Shared with who takes its place.
    breaker: Option<Arc<Mutex<Breaker>>>,
    tokens: Option<Tokens>,
}

/// What an attempt came to, and whether the back end was there at all.
type Tried = (Understood, Outcome);

impl Connection {
    /// Sets it up, in place of `former`, if there was one.
    pub(super) fn new(name: &str, service: Service, former: Option<&Self>) -> Result<Self, Misconfigured> {
        let mut builder = http::client(service.uses_tls())
            .pool_max_idle_per_host(service.max_concurrent)
            .pool_idle_timeout(IDLE_MAX);
        let TlsFiles { trust, identity } = &service.tls;
        if let Some(trust) = trust {
            builder = builder.tls_certs_only(certificates(trust)?);
        }
        if let Some((certificate, key)) = identity {
            builder = builder.identity(identity_of(certificate, key)?);
        }
        let tokens = match &service.authentication {
            Authentication::Token(oauth2) => Some(Tokens::new(oauth2.clone())),
            _ => None,
        };
        let connection = Self {
            name: name.into(),
            http: builder.build().map_err(Misconfigured::Http)?,
            slots: Semaphore::new(service.max_concurrent),
            breaker: match former.filter(|former| former.service == service) {
                Some(former) => former.breaker.clone(),
                None => service.breaker.map(|limits| Arc::new(Mutex::new(Breaker::new(limits)))),
            },
            tokens,
            service,
        };
        connection.show_breaker(connection.breaker.as_ref().is_some_and(|breaker| lock(breaker).is_open()));
        Ok(connection)
    }

    /// Asks, within the deadline.
    pub(super) async fn ask(&self, name: &ActionName, action: &Action, query: &Query) -> Answer {
        let Some(request) = self.request(action, query) else {
            // A value that the back end itself gave does not fit where the action puts it.
            tracing::warn!(action = %name, "the request could not be filled in");
            return Answer::Failed(Failure::Garbage);
        };
        let Ok(_slot) = self.slots.try_acquire() else { return Answer::Failed(Failure::Overloaded) };
        let Some(mut passage) = self.enter() else { return Answer::Failed(Failure::Open) };
        let deadline = action.deadline.unwrap_or(self.service.deadline);
        let secret = query.secret();
        let tried = tokio::time::timeout(deadline, async {
            let (understood, outcome) = self.attempts(name, action, request).await;
            (compared(understood, secret, name).await, outcome)
        });
        let tried = tried.await;
        let (answer, outcome) = tried.unwrap_or((Answer::Failed(Failure::TimedOut), Outcome::Bad));
        passage.outcome = outcome;
        answer
    }

    /// One try, and a second where that is safe and may help.
    async fn attempts(&self, name: &ActionName, action: &Action, request: Request) -> Tried {
        let again = action.retry.then(|| request.try_clone()).flatten();
        match (self.attempt(name, action, request).await, again) {
            (Attempt::WorthAnother(_), Some(again)) => {
                tokio::time::sleep(RETRY_PAUSE).await;
                self.attempt(name, action, again).await.into_tried()
            }
            (attempt, _) => attempt.into_tried(),
        }
    }

    async fn attempt(&self, name: &ActionName, action: &Action, request: Request) -> Attempt {
        let response = match self.send(name, request).await {
            Ok(response) => response,
            Err(failure) => return Attempt::failed(failure),
        };
        let status = response.status();
        if let Some(answer) = action.reading.of_status(status.as_u16()) {
            return Attempt::of_status(answer, status);
        }
        match sending::body(response, ANSWER_BYTES_MAX, name.as_str()).await {
            Ok(body) => Attempt::Over(of_body(action, &Zeroizing::new(body))),
            Err(failure) => Attempt::failed(failure),
        }
    }

    /// Sends a request, with a token where the back end wants one; with a new one where it refuses the first.
    async fn send(&self, name: &ActionName, mut request: Request) -> Result<Response, Failure> {
        let whom = name.as_str();
        let Some(tokens) = &self.tokens else { return sending::execute(&self.http, request, whom).await };
        let again = request.try_clone();
        let token = tokens.token(&self.http, None).await?;
        authorize(&mut request, &token);
        let response = sending::execute(&self.http, request, whom).await?;
        match again {
            Some(mut request) if response.status() == StatusCode::UNAUTHORIZED => {
                authorize(&mut request, &tokens.token(&self.http, Some(&token)).await?);
                sending::execute(&self.http, request, whom).await
            }
            _ => Ok(response),
        }
    }

    /// The request that the action makes of a query; `None` where a value is missing or does not fit.
    fn request(&self, action: &Action, query: &Query) -> Option<Request> {
        let values = variables(query);
        let mut url = self.service.url(&action.path.fill(&values)?)?;
        let mut credential = None;
        match &self.service.authentication {
            Authentication::Header(name, value) => credential = Some((name.clone(), value.clone())),
            Authentication::Parameter(name, key) => {
                url.query_pairs_mut().append_pair(name, key.expose());
            }
            Authentication::None | Authentication::Token(_) => {}
        }
        let mut request = Request::new(action.method.clone(), url);
        if let Some(body) = &action.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(body.media_type));
            *request.body_mut() = Some(sending::wiped(body.template.fill(&values)?).into());
        }
        let fixed = self.service.headers.iter().cloned().chain(credential);
        fixed.for_each(|(name, value)| drop(request.headers_mut().insert(name, value)));
        for (name, value) in &action.headers {
            let mut value = HeaderValue::from_bytes(value.fill(&values)?.as_bytes()).ok()?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Some(request)
    }

    /// Asks once, and tells all that was sent and came back.
    pub(super) async fn try_out(&self, name: &ActionName, action: &Action, query: &Query) -> Option<Trial> {
        let request = self.request(action, query)?;
        let mut trial = Trial::of(&request);
        let deadline = action.deadline.unwrap_or(self.service.deadline);
        let heard = async {
            let response = self.send(name, request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = sending::body(response, ANSWER_BYTES_MAX, name.as_str()).await?;
            Ok(Heard { status, headers, body: Zeroizing::new(body) })
        };
        let heard = tokio::time::timeout(deadline, heard).await.unwrap_or(Err(Failure::TimedOut));
        trial.answer = match &heard {
            Ok(heard) => match action.reading.of_status(heard.status.as_u16()) {
                Some(answer) => answer,
                None => compared(action.reading.of_body(&heard.body), query.secret(), name).await,
            },
            Err(failure) => Answer::Failed(*failure),
        };
        trial.heard = heard.ok();
        if let (Some(heard), Reading::Hash(_)) = (&mut trial.heard, &action.reading) {
            heard.body = Zeroizing::new(HASH_INSIDE.to_vec());
        }
        if let Some(tokens) = &self.tokens {
            trial.token = tokens.kept().await;
        }
        Some(trial)
    }

    /// Where it is.
    pub(super) fn address(&self) -> String {
        self.service.base_url.to_string()
    }

    /// Whether anybody answers at the base URL, whatever they answer; or why not. Nothing secret is sent.
    pub(super) async fn reach(&self) -> Result<(), String> {
        let request = Request::new(Method::HEAD, self.service.base_url.clone());
        match tokio::time::timeout(self.service.deadline, self.http.execute(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(http::reason(&error)),
            Err(_) => Err(format!("no answer within {:?}", self.service.deadline)),
        }
    }

    fn enter(&self) -> Option<Passage<'_>> {
        let pass = match &self.breaker {
            Some(breaker) => Some(lock(breaker).enter(Instant::now())?),
            None => None,
        };
        Some(Passage { connection: self, pass, outcome: Outcome::Unknown })
    }

    fn leave(&self, pass: Pass, outcome: Outcome) {
        let Some(breaker) = &self.breaker else { return };
        let mut breaker = lock(breaker);
        let was_open = breaker.is_open();
        breaker.leave(pass, outcome, Instant::now());
        let is_open = breaker.is_open();
        drop(breaker);
        match (was_open, is_open) {
            (false, true) => tracing::warn!(back_end = %self.name, "it fails so often that it is left alone"),
            (true, false) => tracing::info!(back_end = %self.name, "it answers again"),
            _ => return,
        }
        self.show_breaker(is_open);
    }

    fn show_breaker(&self, is_open: bool) {
        let gauge = metrics::gauge!("portero_crm_breaker_open", "back_end" => self.name.to_string());
        gauge.set(f64::from(u8::from(is_open)));
    }
}

/// What one try came to.
enum Attempt {
    /// It is what it is.
    Over(Tried),
    /// The back end did not get to it, or says that it did not.
    WorthAnother(Answer),
}

impl Attempt {
    fn failed(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable => Self::WorthAnother(Answer::Failed(failure)),
            _ => Self::over(Answer::Failed(failure), Outcome::Bad),
        }
    }

    fn over(answer: Answer, outcome: Outcome) -> Self {
        Self::Over((Understood::Answer(answer), outcome))
    }

    fn of_status(answer: Answer, status: StatusCode) -> Self {
        match (&answer, status) {
            (
                Answer::Failed(Failure::Status),
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT,
            ) => Self::WorthAnother(answer),
            (Answer::Failed(Failure::Status), _) => Self::over(answer, Outcome::Bad),
            // Whoever refuses one request is there for others.
            _ => Self::over(answer, Outcome::Good),
        }
    }

    fn into_tried(self) -> Tried {
        match self {
            Self::Over(tried) => tried,
            Self::WorthAnother(answer) => (Understood::Answer(answer), Outcome::Bad),
        }
    }
}

fn of_body(action: &Action, body: &[u8]) -> Tried {
    let understood = action.reading.of_body(body);
    let is_garbage = matches!(understood, Understood::Answer(Answer::Failed(_)));
    (understood, if is_garbage { Outcome::Bad } else { Outcome::Good })
}

/// What an answer means, once what was keyed has been compared where it has to be.
async fn compared(understood: Understood, secret: Option<&Secret>, name: &ActionName) -> Answer {
    match (understood, secret) {
        (Understood::Answer(answer), _) => answer,
        (Understood::Compare(hash), Some(secret)) => hash.answer(secret, name.as_str()).await,
        (Understood::Compare(_), None) => Answer::Failed(Failure::Garbage),
    }
}

/// The permission to ask a back end, which tells the breaker what came of it, be it that nobody waited for that.
struct Passage<'c> {
    connection: &'c Connection,
    pass: Option<Pass>,
    outcome: Outcome,
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass {
            self.connection.leave(pass, self.outcome);
        }
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

fn authorize(request: &mut Request, token: &Token) {
    request.headers_mut().insert(AUTHORIZATION, token.header.clone());
}

/// The certificates in a file of PEM.
///
/// # Errors
/// Where it cannot be read, or holds none.
pub fn certificates(file: &Path) -> Result<Vec<Certificate>, Misconfigured> {
    let empty = || Misconfigured::Empty { file: file.to_owned(), what: "certificate" };
    let certificates = Certificate::from_pem_bundle(&read(file)?).map_err(|_| empty())?;
    if certificates.is_empty() { Err(empty()) } else { Ok(certificates) }
}

fn identity_of(certificate: &Path, key: &Path) -> Result<Identity, Misconfigured> {
    certificates(certificate)?;
    let mut pem = read(certificate)?;
    pem.push(b'\n');
    pem.extend_from_slice(&read(key)?);
    Identity::from_pem(&pem).map_err(|_| Misconfigured::Empty { file: key.to_owned(), what: "private key" })
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Misconfigured> {
    let bytes = fs::read(file).map_err(|source| Misconfigured::File { file: file.to_owned(), source })?;
    Ok(Zeroizing::new(bytes))
}
