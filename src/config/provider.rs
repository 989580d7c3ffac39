//! Reads `[web.provider]`: by whose word people may log in, and in which role.

use super::Environment;
use super::section::{Complaint, Section};
use super::values;
use crate::access::Role;
use crate::openid::Client;
use crate::secret::Password;
use crate::web::{BACK, Provider};

/// What is asked for, what a user is called, and where groups are, as most providers have it.
const SCOPE: &str = "openid profile";
const NAME_CLAIM: &str = "preferred_username";
const ROLE_CLAIM: &str = "groups";

pub(super) fn read(mut section: Section<'_>, environment: Environment<'_>) -> Option<Provider> {
    if !section.is_present() {
        return None;
    }
    let issuer = section.need("issuer", "\"https://id.example.com\"", address);
    let id = section.need("client_id", "\"portero\"", text);
    let secret = section.read("client_secret", |text| values::credential(text, environment));
    let public = section.need("public_url", "\"https://portero.example.com\"", address);
    let label = section.read("label", text).unwrap_or_else(|| "your organisation".to_owned());
    let scope = section.read("scope", scope).unwrap_or_else(|| SCOPE.to_owned());
    let name_claim = section.read("name_claim", text).unwrap_or_else(|| NAME_CLAIM.to_owned());
    let role_claim = section.read("role_claim", text).unwrap_or_else(|| ROLE_CLAIM.to_owned());
    let roles = roles(&mut section);
    section.finish();
    let client = Client { id: id?, redirect_uri: format!("{}{BACK}", public?.trim_end_matches('/')), scope };
    let secret = secret.map(Password::new);
    Some(Provider { issuer: issuer?, label, client, secret, name_claim, role_claim, roles })
}

/// The role that may most comes first: whoever is in several groups has that one.
fn roles(section: &mut Section<'_>) -> Vec<(Role, Vec<String>)> {
    let span = section.span();
    let mut inner = section.section("roles", "[web.provider.roles]");
    let mut roles = Vec::new();
    for role in Role::ALL.into_iter().rev() {
        let words = inner.texts(role.word()).unwrap_or_default();
        let words: Vec<String> = words.iter().map(|word| str::to_owned(word.get_ref())).collect();
        if !words.is_empty() {
            roles.push((role, words));
        }
    }
    inner.finish();
    if roles.is_empty() {
        let fault = super::fault::Fault::at(span, "nobody has a role, so that nobody could log in this way");
        section
            .note(fault.help("say who has which: roles = { agent = [\"call-centre\"], admin = [\"it\"] }"));
    }
    roles
}

/// An address that what is secret can be sent to: by https, or on this machine.
fn address(text: &str) -> Result<String, Complaint> {
    let url = reqwest::Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
    let is_safe = url.is_some_and(|url| {
        let here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        url.scheme() == "https" || (url.scheme() == "http" && here)
    });
    if is_safe {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("`{text}` is no address that can be trusted"), "write it with https://"))
}

fn text(text: &str) -> Result<String, Complaint> {
    if (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new("this says nothing", "1 to 256 characters on one line will do"))
}

fn scope(words: &str) -> Result<String, Complaint> {
    if words.split(' ').any(|word| word == "openid") {
        return text(words);
    }
    Err(Complaint::new(
        "without `openid` the provider does not say who somebody is",
        "add it: \"openid profile\"",
    ))
}
