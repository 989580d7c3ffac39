//! Reads what lets us into a back end: a token, a name and a password, a key, or where tokens come from.

use toml::Spanned;

use super::Environment;
use super::back_end::{header_name, header_value, is_here};
use super::fault::Fault;
use super::nearest::nearest;
use super::section::{Complaint, Section};
use super::values;
use crate::crm::{Authentication, ClientIn, HeaderName, OAuth2, Url, basic};
use crate::secret::Password;

/// The settings of which a back end has at most one.
const WAYS: [&str; 4] = ["token", "basic", "api_key", "oauth2"];

/// What a token request has of its own accord (RFC 6749 §4.4.2).
const TAKEN: [&str; 3] = ["grant_type", "client_id", "client_secret"];

/// Reads `token`, `basic`, `api_key` or `oauth2`.
pub(super) fn read(section: &mut Section<'_>, environment: Environment<'_>) -> Authentication {
    let said: Vec<&str> = WAYS.into_iter().filter(|way| section.value(way).is_some()).collect();
    if let [_, second, ..] = said[..] {
        let span = section.value("base_url").map_or(section.span(), Spanned::span);
        let fault = Fault::at(span, format!("this back end is told both `{}` and `{second}`", said[0]));
        section.note(fault.help("one of them lets us in: delete the other, or move it to `headers`"));
    }
    let ways = [
        token(section, environment),
        by_password(section, environment),
        api_key(section, environment),
        oauth2(section, environment).map(Authentication::Token),
    ];
    ways.into_iter().flatten().next().unwrap_or(Authentication::None)
}

fn token(section: &mut Section<'_>, environment: Environment<'_>) -> Option<Authentication> {
    let value = section
        .read("token", |text| header_value(&format!("Bearer {}", values::credential(text, environment)?)))?;
    Some(Authentication::Header(HeaderName::from_static("authorization"), value))
}

fn by_password(section: &mut Section<'_>, environment: Environment<'_>) -> Option<Authentication> {
    let mut section = section.section("basic", "`basic`");
    if !section.is_present() {
        return None;
    }
    let credential = |text: &str| values::credential(text, environment);
    let username = section.need("username", "\"portero\"", |text| {
        let name = credential(text)?;
        // RFC 7617 §2: what stands behind the first colon is the password.
        if name.contains(':') {
            return Err(Complaint::new("a username has no colon", "a colon ends it on the way"));
        }
        Ok(name)
    });
    let password = section.need("password", "\"env:CRM_PASSWORD\"", credential);
    section.finish();
    let value = basic(&username?, &password?)?;
    Some(Authentication::Header(HeaderName::from_static("authorization"), value))
}

fn api_key(section: &mut Section<'_>, environment: Environment<'_>) -> Option<Authentication> {
    let mut section = section.section("api_key", "`api_key`");
    if !section.is_present() {
        return None;
    }
    let header = section.read("header", header_name);
    let parameter = section.read("parameter", |text| Ok(text.to_owned()));
    if section.value("header").is_some() == section.value("parameter").is_some() {
        let fault = Fault::at(section.span(), "`api_key` should say either `header` or `parameter`");
        section.note(fault.help("such as { header = \"X-Api-Key\", value = \"env:CRM_API_KEY\" }"));
    }
    let value = section.need("value", "\"env:CRM_API_KEY\"", |text| {
        let key = values::credential(text, environment)?;
        Ok((header_value(&key)?, Password::new(key)))
    });
    section.finish();
    let (value, key) = value?;
    let in_header = header.map(|name| Authentication::Header(name, value));
    in_header.or_else(|| parameter.map(|name| Authentication::Parameter(name, key)))
}

fn oauth2(section: &mut Section<'_>, environment: Environment<'_>) -> Option<OAuth2> {
    let mut section = section.section("oauth2", "`oauth2`");
    if !section.is_present() {
        return None;
    }
    let credential = |text: &str| values::credential(text, environment);
    let token_url = section.need("token_url", "\"https://login.example.com/oauth2/token\"", token_url);
    let client_id = section.need("client_id", "\"env:CRM_CLIENT_ID\"", credential);
    let client_secret = section.need("client_secret", "\"env:CRM_CLIENT_SECRET\"", credential);
    let place = section.read("client_in", client_in).unwrap_or(ClientIn::Header);
    let parameters = parameters(&section.section("parameters", "`parameters`"), environment);
    section.finish();
    Some(OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: Password::new(client_secret?),
        client_in: place,
        parameters,
    })
}

/// What is sent to a token endpoint opens the back end: it does not travel in the clear (RFC 6749 §3.2).
fn token_url(text: &str) -> Result<Url, Complaint> {
    let help = "write it as \"https://login.example.com/oauth2/token\"";
    let url =
        Url::parse(text).map_err(|error| Complaint::new(format!("`{text}` is no URL: {error}"), help))?;
    let is_usable = url.scheme() == "https" || (url.scheme() == "http" && is_here(&url));
    if !is_usable || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(Complaint::new("tokens cannot be fetched from there", help));
    }
    Ok(url)
}

fn client_in(text: &str) -> Result<ClientIn, Complaint> {
    match text {
        "header" => Ok(ClientIn::Header),
        "body" => Ok(ClientIn::Body),
        _ => Err(Complaint::new(
            format!("a client cannot be named in the `{text}`"),
            nearest(text, &["header", "body"], "places"),
        )),
    }
}

fn parameters(section: &Section<'_>, environment: Environment<'_>) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for (name, text) in section.named_texts() {
        if TAKEN.contains(name.get_ref()) {
            let fault = Fault::at(name.span(), format!("`{}` goes without saying", name.get_ref()));
            section.note(fault.help("delete it"));
        }
        let value = section.accept(text.span(), values::credential(text.get_ref(), environment));
        parameters.extend(value.map(|value| ((*name.get_ref()).to_owned(), value)));
    }
    parameters
}
