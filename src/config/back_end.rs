//! Reads `[back_end]` and `[actions]`: how the business's service is asked.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Environment;
use super::fault::Fault;
use super::lines::{Purpose, Use};
use super::nearest::nearest;
use super::section::{Complaint, Section, Text};
use super::values;
use crate::crm::{
    Action, Check, Config, HeaderName, HeaderValue, JsonPath, LookUp, Method, Place, Reading, Template, Url,
};
use crate::flow::ActionName;

const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);
const CONCURRENT: RangeInclusive<u32> = 1..=10_000;
const STATUSES: RangeInclusive<u32> = 100..=599;
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "PATCH"];

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

fn header_name(text: &str) -> Result<HeaderName, Complaint> {
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

/// Reads `[actions]`, each with an eye to what it is used for.
pub(super) fn actions(section: &Section<'_>, uses: &[Use]) -> HashMap<ActionName, Action> {
    let mut actions = HashMap::new();
    for (name, mut section) in section.named_sections("actions") {
        let uses: Vec<&Use> = uses.iter().filter(|used| used.action == *name.get_ref()).collect();
        if uses.is_empty() {
            let fault = Fault::at(name.span(), format!("no line uses the action `{}`", name.get_ref()));
            section.note(fault.help("delete it, or name it where a line should use it").warning());
        }
        let action = action(&mut section, &uses);
        section.finish();
        actions.extend(action.map(|action| (ActionName::new(*name.get_ref()), action)));
    }
    actions
}

fn action(section: &mut Section<'_>, uses: &[&Use]) -> Option<Action> {
    let method = section.read("method", method).unwrap_or(Method::GET);
    let path = path(section, uses);
    let headers = header_templates(section, uses);
    let body = body(section, uses, &method);
    let reading = reading(section, uses);
    Some(Action { method, path: path?, headers, body, reading: reading? })
}

fn method(text: &str) -> Result<Method, Complaint> {
    let method = METHODS.contains(&text).then(|| text.parse().ok()).flatten();
    method.ok_or_else(|| Complaint::new(format!("`{text}` is no method"), nearest(text, &METHODS, "methods")))
}

fn path(section: &mut Section<'_>, uses: &[&Use]) -> Option<Template> {
    if section.value("path").is_none() {
        section.miss("path", "\"/customers?phone={{ ani }}\"");
    }
    let text = section.text("path")?;
    let template = template(section, &text, Place::Path, uses)?;
    section.accept(text.span(), usable_path(template))
}

fn usable_path(template: Template) -> Result<Template, Complaint> {
    if template.variables().contains("secret") {
        return Err(Complaint::new(
            "a secret cannot be part of a path",
            "paths end up in the logs of everything on the way: send it in the `body` of a POST, or in a header",
        ));
    }
    let path = template.fill_all("1").unwrap_or_default();
    if !path.starts_with('/')
        || path.starts_with("//")
        || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(Complaint::new(
            "this is no path",
            "it begins with one / and goes on to what stands behind the ?, if anything, without # and spaces",
        ));
    }
    Ok(template)
}

fn header_templates(section: &mut Section<'_>, uses: &[&Use]) -> Vec<(HeaderName, Template)> {
    let mut headers = Vec::new();
    for (name, text) in section.section("headers", "`headers`").named_texts() {
        let name = section.accept(name.span(), header_name(name.get_ref()));
        let template = template(section, &text, Place::Header, uses);
        headers.extend(name.zip(template));
    }
    headers
}

fn body(section: &mut Section<'_>, uses: &[&Use], method: &Method) -> Option<Template> {
    let text = section.text("body")?;
    if *method == Method::GET {
        let fault = Fault::at(text.span(), "a GET has no body");
        section.note(fault.help("add `method = \"POST\"`, or put the values into the `path`"));
    }
    let template = template(section, &text, Place::Json, uses)?;
    let json = template
        .fill_all("a")
        .is_some_and(|body| serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok());
    if !json {
        let fault = Fault::at(text.span(), "this body is not JSON once it has been filled in");
        section.note(fault.help("every {{ … }} stands in double quotes: '{\"pin\": \"{{ secret }}\"}'"));
    }
    Some(template)
}

/// Reads a template that asks for nothing that it is not given.
fn template(section: &Section<'_>, text: &Text<'_>, place: Place, uses: &[&Use]) -> Option<Template> {
    let read = Template::new(text.get_ref(), place).map_err(|fault| {
        Complaint::new(
            format!("this cannot be filled in: {fault}"),
            "write a value as {{ ani }}; `{{ ani | digits }}` leaves all but its digits out",
        )
    });
    let template = section.accept(text.span(), read)?;
    let given = given(uses);
    // That a secret stands in a path is a graver fault, and told of by who reads the path.
    let told_elsewhere = |name: &str| place == Place::Path && name == "secret";
    let unknown = |name: &&String| !given.contains(name.as_str()) && !told_elsewhere(name);
    for name in template.variables().iter().filter(unknown) {
        let fault = Fault::at(text.span(), format!("`{{{{ {name} }}}}` is not known when this is asked"));
        section.note(fault.help(nearest(name, &given.iter().copied().collect::<Vec<_>>(), "values known")));
    }
    Some(template)
}

/// What is known whenever an action is asked: what all its uses have in common.
fn given(uses: &[&Use]) -> BTreeSet<&'static str> {
    let of = |purpose| match purpose {
        Purpose::Number => BTreeSet::from(["ani"]),
        Purpose::Identifier => BTreeSet::from(["identifier"]),
        Purpose::Secret => BTreeSet::from(["customer", "secret"]),
        Purpose::Code => BTreeSet::from(["contact", "customer"]),
        Purpose::Record => BTreeSet::from(["customer"]),
    };
    uses.iter()
        .map(|used| of(used.purpose))
        .reduce(|left, right| &left & &right)
        .unwrap_or_else(|| BTreeSet::from(["ani", "customer", "identifier", "secret"]))
}

fn reading(section: &mut Section<'_>, uses: &[&Use]) -> Option<Reading> {
    let finds = ["results", "customer", "name", "no_match"].map(|key| section.value(key).is_some());
    let checks = ["accepted", "rejected"].map(|key| section.value(key).is_some());
    let (finds, checks) = (finds.contains(&true), checks.contains(&true));
    let secret = uses.first().is_some_and(|used| used.purpose == Purpose::Secret);
    let look_up = look_up(section);
    let check = check(section);
    if finds && checks {
        let fault = Fault::at(section.span(), "this action both finds customers and checks secrets");
        section.note(fault.help("`accepted` and `rejected` belong to an action of their own"));
        return None;
    }
    let check_wanted = checks || (secret && !finds);
    for used in uses.iter().filter(|used| (used.purpose == Purpose::Secret) != check_wanted) {
        let does = if check_wanted { "checks a secret" } else { "finds customers" };
        let wanted = if check_wanted { "finds customers" } else { "checks a secret" };
        let fault = Fault::at(used.span.clone(), format!("the action `{}` {does}", used.action));
        section.note(fault.help(format!("what is needed here is one that {wanted}")));
    }
    Some(if check_wanted { Reading::Check(check) } else { Reading::LookUp(look_up) })
}

fn look_up(section: &mut Section<'_>) -> LookUp {
    LookUp {
        results: json_path(section, "results", "$"),
        customer: json_path(section, "customer", "$.id"),
        name: json_path(section, "name", "$.name"),
        no_match: statuses(section, "no_match").unwrap_or_else(|| vec![404]),
    }
}

fn check(section: &mut Section<'_>) -> Check {
    Check {
        accepted: json_path(section, "accepted", "$.accepted"),
        rejected: statuses(section, "rejected").unwrap_or_default(),
    }
}

fn json_path(section: &mut Section<'_>, key: &'static str, default: &str) -> JsonPath {
    let read = section.read(key, values::json_path);
    read.unwrap_or_else(|| JsonPath::parse(default).expect("the defaults are JSONPaths"))
}

fn statuses(section: &mut Section<'_>, key: &'static str) -> Option<Vec<u16>> {
    let statuses = section.numbers(key, STATUSES)?;
    Some(statuses.into_iter().map(|status| status as u16).collect())
}
