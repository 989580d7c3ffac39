//! One request and its answer in full, for whoever sets an action up. Where it came from, secrets and all: what of it may
//! be shown is for `cli` to say.

use axum::http::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request, Url};
use zeroize::Zeroizing;

use crate::flow::{Answer, Failure};

/// What was sent, what came back, and what it means. It has no `Debug`, as it holds secrets.
pub struct Trial {
    /// The HTTP method.
    pub method: Method,
    /// Where it was sent, keys in the query included.
    pub url: Url,
    /// What went with it, but for a token; credentials are marked as sensitive.
    pub headers: HeaderMap,
    /// The token that went with it, as `Bearer …`.
    pub token: Option<HeaderValue>,
    /// What was sent along.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// What came back; absent where nothing did, or nothing whole.
    pub heard: Option<Heard>,
    /// What Portero makes of it.
    pub answer: Answer,
}

/// An answer as it came.
pub struct Heard {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unless there is a hash in it.
    pub body: Zeroizing<Vec<u8>>,
}

impl Trial {
    pub(super) fn of(request: &Request) -> Self {
        let body = request.body().and_then(reqwest::Body::as_bytes);
        Self {
            method: request.method().clone(),
            url: request.url().clone(),
            headers: request.headers().clone(),
            token: None,
            body: body.map(|body| Zeroizing::new(body.to_vec())),
            heard: None,
            answer: Answer::Failed(Failure::Unreachable),
        }
    }
}
