//! Reads `[actions]`: what the back end can be asked, each with an eye to what it is used for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::back_end::{DEADLINE, header_name};
use super::bodies;
use super::fault::Fault;
use super::lines::{Purpose, Use};
use super::nearest::nearest;
use super::readings::{self, Kind};
use super::section::{Complaint, Section, Text};
use super::values;
use crate::crm::{Action, Body, HeaderName, Method, Place, Reading, Template};
use crate::flow::ActionName;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "PATCH"];

/// Reads every action of the file.
pub(super) fn read(section: &Section<'_>, uses: &[Use], back_ends: &[&str]) -> HashMap<ActionName, Action> {
    let attributes = attribute_names(section);
    let mut actions = HashMap::new();
    for (name, mut section) in section.named_sections("actions") {
        let uses: Vec<&Use> = uses.iter().filter(|used| used.action == *name.get_ref()).collect();
        if uses.is_empty() {
            let fault = Fault::at(name.span(), format!("no line uses the action `{}`", name.get_ref()));
            section.note(fault.help("delete it, or name it where a line should use it").warning());
        }
        let kind = readings::kind(&mut section, &uses);
        let asked = Asked { given: given(kind, &uses, &attributes), back_ends };
        let action = asked.action(&mut section, kind, &uses);
        section.finish();
        actions.extend(action.map(|action| (ActionName::new(*name.get_ref()), action)));
    }
    actions
}

/// The longest deadline that any action says. What is wrong with one is told when the action is read.
pub(super) fn longest_deadline(section: &Section<'_>) -> Option<Duration> {
    let entries = section.entries();
    let tables = entries.iter().filter_map(|(_, value)| value.get_ref().as_table());
    let texts = tables.filter_map(|table| table.get("deadline")?.get_ref().as_str());
    texts.filter_map(|text| values::duration(DEADLINE)(text).ok()).max()
}

/// What any action tells of customers, as templates name it: `record.segment`.
fn attribute_names(section: &Section<'_>) -> BTreeSet<String> {
    let entries = section.entries();
    let tables = entries.iter().filter_map(|(_, value)| value.get_ref().as_table());
    let attributes = tables.filter_map(|table| table.get("attributes")?.get_ref().as_table());
    attributes.flat_map(|table| table.keys()).map(|name| format!("record.{}", name.get_ref())).collect()
}

/// What is known whenever an action is asked: what all its uses have in common.
fn given(kind: Kind, uses: &[&Use], attributes: &BTreeSet<String>) -> BTreeSet<String> {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    let of_customer = |more: &[&str]| &(&names(&["customer", "name"]) | &names(more)) | attributes;
    let of = |purpose| match purpose {
        Purpose::Number => names(&["ani"]),
        Purpose::Identifier => names(&["identifier"]),
        Purpose::Secret | Purpose::Places => of_customer(&["secret", "positions"]),
        Purpose::Code => of_customer(&["contact"]),
        Purpose::Record => of_customer(&[]),
    };
    let shared = uses.iter().map(|used| of(used.purpose)).reduce(|left, right| &left & &right);
    // Of one that is not used, it can only be said what it might be used for.
    let possible = if kind == Kind::LookUp { &Purpose::ALL } else { kind.purposes() };
    shared.unwrap_or_else(|| possible.iter().flat_map(|purpose| of(*purpose)).collect())
}

/// What an action may be filled in with.
pub(super) struct Asked<'b> {
    given: BTreeSet<String>,
    /// The names of the back ends that can be asked besides the default one.
    back_ends: &'b [&'b str],
}

impl Asked<'_> {
    fn action(&self, section: &mut Section<'_>, kind: Kind, uses: &[&Use]) -> Option<Action> {
        let method = section.read("method", method).unwrap_or(Method::GET);
        let path = self.path(section);
        let headers = self.headers(section);
        let body = bodies::read(section, self, &method, &headers);
        let deadline = section.read("deadline", values::duration(DEADLINE));
        // RFC 9110 §9.2.2: a GET that is sent twice does no more than one that is sent once.
        let retry = section.flag("retry").unwrap_or(method == Method::GET);
        let back_end = self.back_end(section);
        let reading = readings::read(section, kind, uses);
        if matches!(reading, Some(Reading::Hash(_))) && asks_for_secret(&headers, body.as_ref()) {
            let fault = Fault::at(
                section.span(),
                "this sends the secret to a back end that leaves it to us to compare",
            );
            section.note(
                fault.help("leave `{{ secret }}` out: the customer is all that it needs for the `hash`"),
            );
        }
        Some(Action { back_end, method, path: path?, headers, body, deadline, retry, reading: reading? })
    }

    fn back_end(&self, section: &mut Section<'_>) -> Option<Arc<str>> {
        let text = section.text("back_end")?;
        let name = *text.get_ref();
        if !self.back_ends.contains(&name) {
            let fault = Fault::at(text.span(), format!("there is no back end `{name}`"));
            section.note(fault.help(nearest(name, self.back_ends, "back ends")));
        }
        Some(name.into())
    }

    fn path(&self, section: &mut Section<'_>) -> Option<Template> {
        if section.value("path").is_none() {
            section.miss("path", "\"/customers?phone={{ ani }}\"");
        }
        let text = section.text("path")?;
        let template = self.template(section, &text, Place::Path)?;
        section.accept(text.span(), usable_path(template))
    }

    fn headers(&self, section: &mut Section<'_>) -> Vec<(HeaderName, Template)> {
        let mut headers = Vec::new();
        for (name, text) in section.section("headers", "`headers`").named_texts() {
            let name = section.accept(name.span(), header_name(name.get_ref()));
            let template = self.template(section, &text, Place::Header);
            headers.extend(name.zip(template));
        }
        headers
    }

    /// Reads a template that asks for nothing that it is not given.
    pub(super) fn template(&self, section: &Section<'_>, text: &Text<'_>, place: Place) -> Option<Template> {
        let read = Template::new(text.get_ref(), place).map_err(|fault| {
            Complaint::new(
                format!("this cannot be filled in: {fault}"),
                "write a value as {{ ani }}; `{{ ani | digits }}` leaves all but its digits out",
            )
        });
        let template = section.accept(text.span(), read)?;
        // That a secret stands in a path is a graver fault, and told of by who reads the path.
        let told_elsewhere = |name: &str| place == Place::Path && name == "secret";
        let unknown = |name: &&String| !self.given.contains(name.as_str()) && !told_elsewhere(name);
        for name in template.variables().iter().filter(unknown) {
            let known: Vec<&str> = self.given.iter().map(String::as_str).collect();
            let fault = Fault::at(text.span(), format!("`{{{{ {name} }}}}` is not known when this is asked"));
            section.note(fault.help(nearest(name, &known, "values known")));
        }
        Some(template)
    }
}

fn asks_for_secret(headers: &[(HeaderName, Template)], body: Option<&Body>) -> bool {
    let mut templates = headers.iter().map(|(_, value)| value).chain(body.map(|body| &body.template));
    templates.any(|template| template.variables().contains("secret"))
}

fn method(text: &str) -> Result<Method, Complaint> {
    let method = METHODS.contains(&text).then(|| text.parse().ok()).flatten();
    method.ok_or_else(|| Complaint::new(format!("`{text}` is no method"), nearest(text, &METHODS, "methods")))
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
