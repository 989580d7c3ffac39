//! The business's back end: REST actions against it, and the demo's stand-in for it.

pub mod demo;

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::flow::{ActionName, Answer, Query};

/// What is to be known of a back end.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every action's path is put behind: `http` or `https`, no query, no fragment.
    pub base_url: Url,
    /// How long one request may take, from its first step to the answer's last byte.
    pub deadline: Duration,
    /// How many requests may be under way; the next one fails as [`crate::flow::Failure::Overloaded`].
    pub max_concurrent: usize,
    /// Sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What can be asked.
    pub actions: HashMap<ActionName, Action>,
}

/// One configured request.
#[derive(Debug, Clone)]
pub struct Action;

/// The connection to a back end. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Client;

/// The back end cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// The HTTP client would not start.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[source] reqwest::Error),
}

impl Client {
    /// Sets the connection up; nothing is sent yet.
    pub fn new(config: Config) -> Result<Self, Misconfigured> {
        unimplemented!("{config:?}")
    }

    /// Asks, and says what came of it within the deadline. Dropping the future abandons the request.
    #[expect(clippy::unused_async)]
    pub async fn ask(&self, action: &ActionName, query: &Query) -> Answer {
        unimplemented!("{action} {query:?}")
    }
}
