//! Reads `[back_end]`: where the business's service is, and what it takes to be let in.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Environment;
use super::fault::Fault;
use super::section::{Complaint, Section, Text};
use super::values;
use crate::crm::{Action, Config, HeaderName, HeaderValue, Url};
use crate::flow::ActionName;

const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);
const CONCURRENT: RangeInclusive<u32> = 1..=10_000;

/// The headers that say how a message is framed, which is not for a file to say.
const FRAMING: [&str; 5] = ["connection", "content-length", "host", "te", "transfer-encoding"];

/// What `[back_end]` says, all but the actions.
pub(super) struct BackEnd {
    base_url: Option<Url>,
    pub(super) deadline: Duration,
    max_concurrent: u32,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl BackEnd {
    /// Reads `[back_end]`.
    pub(super) fn read(mut section: Section<'_>, environment: Environment<'_>) -> Self {
        let base_url = section.need("base_url", "\"http://127.0.0.1:8081\"", values::base_url);
        let deadline = section.read("deadline", values::duration(DEADLINE)).unwrap_or(Duration::from_secs(3));
        let max_concurrent = section.number("max_concurrent", CONCURRENT).unwrap_or(64);
        let headers = headers(&mut section, environment);
        if let Some(text) = section.text("base_url") {
            base_url
                .as_ref()
                .and_then(|url| unencrypted(url, &text))
                .into_iter()
                .for_each(|fault| section.note(fault));
        }
        section.finish();
        Self { base_url, deadline, max_concurrent, headers }
    }

    /// Adds the actions; `None` where the base URL is faulty.
    pub(super) fn with_actions(self, actions: HashMap<ActionName, Action>) -> Option<Config> {
        Some(Config {
            base_url: self.base_url?,
            deadline: self.deadline,
            max_concurrent: self.max_concurrent as usize,
            headers: self.headers,
            actions,
        })
    }
}

/// A warning where secrets would leave this machine in the clear.
fn unencrypted(url: &Url, text: &Text<'_>) -> Option<Fault> {
    let host = url.host_str()?;
    let local = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    (url.scheme() == "http" && !local).then(|| {
        let fault = Fault::at(text.span(), format!("callers' secrets go to {host} unencrypted"));
        fault.help("use https, unless the way there is protected by other means").warning()
    })
}

fn headers(section: &mut Section<'_>, environment: Environment<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, text) in section.section("headers", "`headers`").named_texts() {
        let name = section.accept(name.span(), header_name(name.get_ref()));
        let value = values::credential(text.get_ref(), environment).and_then(|value| header_value(&value));
        headers.extend(name.zip(section.accept(text.span(), value)));
    }
    let token = section
        .read("token", |text| header_value(&format!("Bearer {}", values::credential(text, environment)?)));
    headers.extend(token.map(|token| (HeaderName::from_static("authorization"), token)));
    headers
}

pub(super) fn header_name(text: &str) -> Result<HeaderName, Complaint> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Complaint::new(format!("`{text}` is no header's name"), "use letters, digits and -"))?;
    if FRAMING.contains(&name.as_str()) {
        return Err(Complaint::new(
            format!("`{text}` cannot be chosen"),
            "delete it: it follows from the request",
        ));
    }
    Ok(name)
}

fn header_value(text: &str) -> Result<HeaderValue, Complaint> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        Complaint::new("a header cannot hold this", "leave out line breaks and control characters")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
