//! The business's back end: REST actions against it, and the demo's stand-in for it.
//!
//! An [`Action`] is one configured request: a [`Template`] for each of its parts, and a [`Reading`] of its
//! answer. The [`Client`] fills an action in, sends it to its [`Service`], once more where that is safe, and says
//! what came of it, within a deadline and whatever the back end does; one that keeps failing is left alone for a
//! while. What is deliberately absent: no redirect is followed and no proxy taken from the environment, as either would
//! carry a secret to where nobody configured it to go; no answer is kept.

mod attributes;
mod breaker;
mod client;
mod config;
mod connection;
pub mod demo;
mod filters;
mod hash;
mod reading;
mod sending;
mod template;
mod token;
mod trial;

#[cfg(test)]
mod tests;

pub use attributes::{Attribute, Attributes};
pub use breaker::Limits;
pub use client::{Client, Misconfigured, result_word};
pub use config::{Action, Authentication, Body, ClientIn, Config, OAuth2, Service, TlsFiles};
pub use connection::certificates;
pub use hash::{SaltedHash, Unusable};
pub use reading::{Check, Condition, Hashed, LookUp, Reading, Sending, Understood};
pub use reqwest::header::{HeaderName, HeaderValue};
pub use reqwest::{Method, Url};
pub use sending::basic;
pub use serde_json_path::JsonPath;
pub use template::{Place, Template, TemplateFault, Values};
pub use trial::{Heard, Trial};

use crate::flow::{Customer, Query};

/// The names and values that a template may use to ask `query`.
fn variables(query: &Query) -> Values {
    let customer = |customer: &Customer, more: &[(&str, &str)]| {
        let mut names = vec![("customer", customer.id.as_str())];
        names.extend(customer.name.as_deref().map(|name| ("name", name)));
        names.extend_from_slice(more);
        Values::new(&names, Some(&customer.attributes))
    };
    match query {
        Query::Number(ani) => Values::new(&[("ani", ani.number.as_str())], None),
        Query::Identifier(identifier) => Values::new(&[("identifier", identifier.expose())], None),
        Query::Secret { customer: of, secret, positions } => {
            customer(of, &[("secret", secret.expose()), ("positions", &listed(positions))])
        }
        Query::Code { customer: to, contact: Some(contact) } => customer(to, &[("contact", contact)]),
        Query::Code { customer: of, contact: None } | Query::Record(of) => customer(of, &[]),
    }
}

/// Places of a secret, as in `2,4`.
fn listed(positions: &[u8]) -> String {
    positions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
