//! Reads what an action sends along: JSON, XML or a form, each with its gaps where a value can stand.

use super::actions::Asked;
use super::fault::Fault;
use super::nearest::nearest;
use super::section::{Complaint, Section};
use crate::crm::{Body, HeaderName, Method, Place, Template};

/// Stands in every gap while it is looked at where the gaps are. Private use: no file has it.
const GAP: char = '\u{e000}';

const TYPES: [&str; 3] = ["json", "xml", "form"];

/// Reads `body` and `body_type`.
pub(super) fn read(
    section: &mut Section<'_>,
    asked: &Asked<'_>,
    method: &Method,
    headers: &[(HeaderName, Template)],
) -> Option<Body> {
    let said = section.read("body_type", body_type);
    let text = section.text("body");
    if let (None, Some(body_type)) = (&text, section.text("body_type")) {
        let fault = Fault::at(body_type.span(), "this says of what type the body is, and there is none");
        section.note(fault.help("add a `body`, or delete this"));
    }
    let text = text?;
    if *method == Method::GET {
        let fault = Fault::at(text.span(), "a GET has no body");
        section.note(fault.help("add `method = \"POST\"`, or put the values into the `path`"));
    }
    let place = said.or_else(|| by_content_type(headers)).unwrap_or(Place::Json);
    let template = asked.template(section, &text, place)?;
    if let Err((message, help)) = fits(&template, place) {
        section.note(Fault::at(text.span(), message).help(help));
    }
    Some(Body { template, media_type: media_type(place) })
}

/// Whether what a template makes is of its type, or else why not and what to do about it.
pub(super) fn fits(template: &Template, place: Place) -> Result<(), (&'static str, &'static str)> {
    match place {
        Place::Xml => is_xml(template).then_some(()).ok_or(NOT_XML),
        Place::Form => is_form(template).then_some(()).ok_or(NOT_A_FORM),
        _ => is_json(template).then_some(()).ok_or(NOT_JSON),
    }
}

const NOT_JSON: (&str, &str) = (
    "this body is not JSON once it has been filled in",
    "every {{ … }} stands in double quotes: '{\"pin\": \"{{ secret }}\"}'; other bodies need a `body_type`",
);
const NOT_XML: (&str, &str) = (
    "this body is not XML once it has been filled in",
    "every {{ … }} stands between two tags or in quotes: '<pin of=\"{{ customer }}\">{{ secret }}</pin>'",
);
const NOT_A_FORM: (&str, &str) = (
    "this body is no form once it has been filled in",
    "write it as 'customer={{ customer }}&pin={{ secret }}', without spaces outside of the braces",
);

pub(super) fn body_type(text: &str) -> Result<Place, Complaint> {
    match text {
        "json" => Ok(Place::Json),
        "xml" => Ok(Place::Xml),
        "form" => Ok(Place::Form),
        _ => Err(Complaint::new(format!("`{text}` is no type of body"), nearest(text, &TYPES, "types"))),
    }
}

/// What the action's own `Content-Type` says that the body is.
fn by_content_type(headers: &[(HeaderName, Template)]) -> Option<Place> {
    let (_, value) = headers.iter().find(|(name, _)| name == "content-type")?;
    let value = value.fill_all("1")?.to_ascii_lowercase();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    match media_type {
        "application/x-www-form-urlencoded" => Some(Place::Form),
        "application/xml" | "text/xml" => Some(Place::Xml),
        _ if media_type.ends_with("+xml") => Some(Place::Xml),
        _ => None,
    }
}

pub(super) fn media_type(place: Place) -> &'static str {
    match place {
        Place::Xml => "application/xml",
        Place::Form => "application/x-www-form-urlencoded",
        _ => "application/json",
    }
}

fn is_json(template: &Template) -> bool {
    let filled = template.fill_all("a");
    filled.is_some_and(|body| serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok())
}

fn is_form(template: &Template) -> bool {
    let filled = template.fill_all("a");
    filled.is_some_and(|body| body.contains('=') && body.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Whether each gap is where a value stays one: in text, or in a quoted attribute (XML 1.0 §3.1). It is not checked
/// that every tag is closed, which the service will tell at the first try.
fn is_xml(template: &Template) -> bool {
    let Some(filled) = template.fill_all(&GAP.to_string()) else { return false };
    let mut rest = filled.trim();
    if !rest.starts_with('<') {
        return false;
    }
    while let Some(tag) = rest.find('<') {
        let Some(length) = markup_length(&rest[tag..]) else { return false };
        rest = &rest[tag + length..];
    }
    true
}

/// How long the tag or comment is that `text` begins with; `None` where it has a gap outside of quotes, or no end.
fn markup_length(text: &str) -> Option<usize> {
    for (start, end) in [("<!--", "-->"), ("<![CDATA[", "]]>")] {
        if text.starts_with(start) {
            let length = text.find(end)? + end.len();
            return (!text[..length].contains(GAP)).then_some(length);
        }
    }
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '>') => return Some(at + 1),
            (None, GAP) => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_xml_are_where_a_value_stays_one() {
        let table = [
            ("<c>{{ v }}</c>", true),
            ("<c of=\"{{ v }}\" x='{{ v }}'/>", true),
            ("<?xml version=\"1.0\"?>\n<c><!-- don't --><d>{{ v }}</d></c>", true),
            ("<c><![CDATA[ <x ]]>{{ v }}</c>", true),
            ("<c of={{ v }}/>", false),
            ("<{{ v }}/>", false),
            ("<c><!-- {{ v }} --></c>", false),
            ("<c><![CDATA[{{ v }}]]></c>", false),
            ("<c of=\"{{ v }}>", false),
            ("pin={{ v }}", false),
            ("{{ v }}", false),
            ("", false),
        ];
        for (text, expected) in table {
            let template = Template::new(text, Place::Xml).expect("a template");
            assert_eq!(is_xml(&template), expected, "{text}");
        }
    }

    #[test]
    fn forms_are_forms() {
        let table = [
            ("a={{ v }}&b=1", true),
            ("a={{ v }} &b=1", false),
            ("{{ v }}", false),
            ("{\"a\": \"{{ v }}\"}", false),
        ];
        for (text, expected) in table {
            let template = Template::new(text, Place::Form).expect("a template");
            assert_eq!(is_form(&template), expected, "{text}");
        }
    }
}
