//! Reads `[back_end]` and `[back_ends]`: where the business's services are, and how they are treated. What lets us in is
//! read by `letting_in`.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Environment;
use super::fault::Fault;
use super::letting_in;
use super::section::{Complaint, Said, Section, Text};
use super::values;
use crate::crm::{Action, Config, HeaderName, HeaderValue, Limits, Service, TlsFiles, Url};
use crate::flow::ActionName;

/// How long a request may take: a caller waits for it.
pub(super) const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);
const CONCURRENT: RangeInclusive<u32> = 1..=10_000;
const FAILURES: RangeInclusive<u32> = 1..=10_000;
const PERCENT: RangeInclusive<u32> = 1..=100;
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);

/// The headers that say how a message is framed, which is not for a file to say.
const FRAMING: [&str; 5] = ["connection", "content-length", "host", "te", "transfer-encoding"];

/// What `[back_end]` and `[back_ends]` say.
pub(super) struct BackEnds {
    default: Option<Service>,
    /// `None` where one is faulty.
    others: BTreeMap<Arc<str>, Option<Service>>,
    /// `back_end.deadline`.
    deadline: Duration,
}

impl BackEnds {
    /// Reads both sections.
    pub(super) fn read(mut default: Section<'_>, others: &Section<'_>, environment: Environment<'_>) -> Self {
        let deadline = deadline(&mut default);
        let default = service(default, deadline, environment);
        let mut named = BTreeMap::new();
        for (name, mut section) in others.named_sections("back_ends") {
            let deadline = self::deadline(&mut section);
            named.insert(Arc::from(*name.get_ref()), service(section, deadline, environment));
        }
        Self { default, others: named, deadline }
    }

    /// The names of all but the default, faulty ones included.
    pub(super) fn names(&self) -> Vec<&str> {
        self.others.keys().map(|name| &**name).collect()
    }

    /// The longest that any request may take: how long a conversation waits for one at the most.
    pub(super) fn longest(&self, of_actions: Option<Duration>) -> Duration {
        let named = self.others.values().flatten().map(|service| service.deadline);
        named.chain(of_actions).fold(self.deadline, Duration::max)
    }

    /// Adds the actions; `None` where a back end is faulty.
    pub(super) fn with_actions(self, actions: HashMap<ActionName, Action>) -> Option<Config> {
        let named = self.others.into_iter().map(|(name, service)| Some((name, service?)));
        Some(Config { default: self.default?, others: named.collect::<Option<_>>()?, actions })
    }
}

fn deadline(section: &mut Section<'_>) -> Duration {
    section.read("deadline", values::duration(DEADLINE)).unwrap_or(Duration::from_secs(3))
}

fn service(mut section: Section<'_>, deadline: Duration, environment: Environment<'_>) -> Option<Service> {
    let base_url = section.need("base_url", "\"http://127.0.0.1:8081\"", values::base_url);
    let max_concurrent = section.number("max_concurrent", CONCURRENT).unwrap_or(64) as usize;
    let headers = headers(&mut section, environment);
    let authentication = letting_in::read(&mut section, environment);
    let tls = tls(section.section("tls", "`tls`"));
    let breaker = breaker(&mut section);
    let text = section.text("base_url");
    if let Some(fault) = base_url.as_ref().zip(text).and_then(|(url, text)| unencrypted(url, &text)) {
        section.note(fault);
    }
    section.finish();
    Some(Service { base_url: base_url?, deadline, max_concurrent, headers, authentication, tls, breaker })
}

/// A warning where secrets would leave this machine in the clear.
fn unencrypted(url: &Url, text: &Text<'_>) -> Option<Fault> {
    let host = url.host_str()?;
    (url.scheme() == "http" && !is_here(url)).then(|| {
        let fault = Fault::at(text.span(), format!("callers' secrets go to {host} unencrypted"));
        fault.help("use https, unless the way there is protected by other means").warning()
    })
}

/// Whether it is on this machine.
pub(super) fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    })
}

pub(super) fn headers(
    section: &mut Section<'_>,
    environment: Environment<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, text) in section.section("headers", "`headers`").named_texts() {
        let name = section.accept(name.span(), header_name(name.get_ref()));
        let value = values::credential(text.get_ref(), environment).and_then(|value| header_value(&value));
        headers.extend(name.zip(section.accept(text.span(), value)));
    }
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

pub(super) fn header_value(text: &str) -> Result<HeaderValue, Complaint> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        Complaint::new("a header cannot hold this", "leave out line breaks and control characters")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn tls(mut section: Section<'_>) -> TlsFiles {
    let trust = section.read("trust", values::file);
    let certificate = section.read("certificate", values::file);
    let key = section.read("key", values::file);
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if section.value(one).is_some() && section.value(other).is_none() {
            section.miss(other, "\"/etc/portero/back-end.pem\"");
        }
    }
    section.finish();
    TlsFiles { trust, identity: certificate.zip(key) }
}

/// `None` where it is "off".
fn breaker(section: &mut Section<'_>) -> Option<Limits> {
    match section.said("breaker", "`breaker`") {
        Some(Said::Text(text)) => {
            if *text.get_ref() != "off" {
                let fault =
                    Fault::at(text.span(), format!("`{}` is no way to leave it alone", text.get_ref()));
                section.note(fault.help("write \"off\", or { failures = 10, percent = 50 }"));
            }
            None
        }
        Some(Said::Section(mut section)) => {
            let usual = Limits::USUAL;
            let limits = Limits {
                failures: section.number("failures", FAILURES).unwrap_or(usual.failures),
                percent: section.number("percent", PERCENT).unwrap_or(usual.percent),
                window: section.read("window", values::duration(WINDOW)).unwrap_or(usual.window),
                open_for: section.read("open_for", values::duration(WINDOW)).unwrap_or(usual.open_for),
            };
            section.finish();
            Some(limits)
        }
        None => Some(Limits::USUAL),
    }
}
