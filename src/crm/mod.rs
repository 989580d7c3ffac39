//! The business's back end: REST actions against it, and the demo's stand-in for it.
//!
//! An [`Action`] is one configured request: a [`Template`] for each of its parts, and a [`Reading`] of its
//! answer. The [`Client`] fills an action in, sends it and says what came of it, within a deadline and
//! whatever the back end does. What is deliberately absent: no redirect is followed and no proxy taken from
//! the environment, as either would carry a secret to where nobody configured it to go; no answer is kept.

mod client;
pub mod demo;
mod reading;
mod template;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

pub use client::{Client, Misconfigured, result_word};
pub use reading::{Check, LookUp, Reading};
pub use reqwest::header::{HeaderName, HeaderValue};
pub use reqwest::{Method, Url};
pub use serde_json_path::JsonPath;
pub use template::{Place, Template, TemplateFault};

use crate::flow::{ActionName, Query};

/// What is to be known of a back end.
#[derive(Debug, Clone)]
pub struct Config {
    /// What every action's path is put behind: `http` or `https`, without query and fragment.
    pub base_url: Url,
    /// How long one request may take, from its first step to the answer's last byte.
    pub deadline: Duration,
    /// How many requests may be under way; the next one fails as [`crate::flow::Failure::Overloaded`].
    pub max_concurrent: usize,
    /// Sent with every request; those that hold a credential are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What can be asked.
    pub actions: HashMap<ActionName, Action>,
}

/// One configured request.
#[derive(Debug, Clone)]
pub struct Action {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, from the first `/`.
    pub path: Template,
    /// Headers besides those of [`Config::headers`].
    pub headers: Vec<(HeaderName, Template)>,
    /// A JSON body.
    pub body: Option<Template>,
    /// How the answer is understood.
    pub reading: Reading,
}

impl Config {
    /// The address that `path_and_query` makes behind the base URL, which keeps its own path.
    pub fn url(&self, path_and_query: &str) -> Option<Url> {
        Url::parse(&format!("{}{path_and_query}", self.base_url.as_str().trim_end_matches('/'))).ok()
    }
}

/// The names and values that a template may use to ask `query`.
fn variables(query: &Query) -> Vec<(&'static str, &str)> {
    match query {
        Query::Number(ani) => vec![("ani", ani.number.as_str())],
        Query::Identifier(identifier) => vec![("identifier", identifier.expose())],
        Query::Secret { customer, secret, .. } => {
            vec![("customer", customer.id.as_str()), ("secret", secret.expose())]
        }
        Query::Code { customer, contact } => {
            let contact = contact.as_deref().map(|contact| ("contact", contact));
            [Some(("customer", customer.id.as_str())), contact].into_iter().flatten().collect()
        }
        Query::Record(customer) => vec![("customer", customer.id.as_str())],
    }
}
