//! Reads what a section of `[[trunks]]` says of proving: what the trunk proves itself with, what we prove ourselves
//! with to it; and of its servers, which we ping and register with.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::nearest::one_of;
use super::section::{Complaint, Section};
use super::{Environment, values};
use crate::call::{Register, Uplink};
use crate::secret::Password;
use crate::sip::{Account, Algorithm, Login, Registrar, Sought};

const PING: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_mins(10);
const EXPIRES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);

/// The longest username or password, in bytes.
const CREDENTIAL_LENGTH_MAX: usize = 255;

/// Servers of one trunk.
const SERVERS_MAX: usize = 16;

const ALGORITHMS: [(&str, Algorithm); 3] =
    [("SHA-512-256", Algorithm::Sha512_256), ("SHA-256", Algorithm::Sha256), ("MD5", Algorithm::Md5)];

/// What the trunk `name` proves itself with: `username`, `password` and `algorithms`.
pub(super) fn login(section: &mut Section<'_>, name: &str, environment: Environment<'_>) -> Option<Login> {
    let algorithms = algorithms(section);
    let (username, password) = credentials(section, environment)?;
    Some(Login { name: name.into(), username, password, algorithms })
}

/// Both or neither of `username` and `password`.
fn credentials(section: &mut Section<'_>, environment: Environment<'_>) -> Option<(String, Password)> {
    let given = ["username", "password"].map(|key| section.value(key).is_some());
    match given {
        [true, false] => section.miss("password", "\"env:TRUNK_PASSWORD\""),
        [false, true] => section.miss("username", "\"carrier\""),
        _ => {}
    }
    let username = section.read("username", username);
    let password = section.read("password", |text| password(&values::credential(text, environment)?));
    Some((username?, password?))
}

fn username(text: &str) -> Result<String, Complaint> {
    let fits = |byte: u8| !byte.is_ascii_control() && !matches!(byte, b'"' | b'\\' | b':');
    if (1..=CREDENTIAL_LENGTH_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        format!("`{text}` is no username"),
        "leave out quotes, colons, backslashes and control characters; 255 bytes at the most",
    ))
}

fn password(text: &str) -> Result<Password, Complaint> {
    if (1..=CREDENTIAL_LENGTH_MAX).contains(&text.len()) && !text.bytes().any(|byte| byte.is_ascii_control())
    {
        return Ok(Password::new(text.to_owned()));
    }
    Err(Complaint::new("this is no password", "1 to 255 bytes without control characters, or \"env:NAME\""))
}

/// What a trunk may compute; SHA-256 and, for those that cannot, MD5 where nothing is said.
fn algorithms(section: &mut Section<'_>) -> Vec<Algorithm> {
    let usual = vec![Algorithm::Sha256, Algorithm::Md5];
    let Some(texts) = section.texts("algorithms") else { return usual };
    if texts.is_empty() {
        let span = section.value("algorithms").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, "`algorithms` names none");
        section.note(fault.help("name at least one, or delete this to have \"SHA-256\" and \"MD5\""));
    }
    let mut algorithms = Vec::new();
    for text in texts {
        let read = one_of(&ALGORITHMS, text.get_ref(), "algorithms").map_err(|help| {
            Complaint::new(format!("`{}` is no algorithm for digests", text.get_ref()), help)
        });
        let Some(algorithm) = section.accept(text.span(), read) else { continue };
        if algorithms.contains(&algorithm) {
            let fault = Fault::at(text.span(), format!("`{}` is named already", text.get_ref()));
            section.note(fault.help("name each algorithm once, the best first"));
        }
        algorithms.push(algorithm);
    }
    algorithms
}

/// What we prove ourselves with: the section `account`.
pub(super) fn account(section: &mut Section<'_>, environment: Environment<'_>) -> Option<Arc<Account>> {
    let mut section = section.section("account", "`account`");
    if !section.is_present() {
        return None;
    }
    if ["username", "password"].iter().all(|key| section.value(key).is_none()) {
        section.miss("username", "\"portero\"");
    }
    let credentials = credentials(&mut section, environment);
    let realm = section.read("realm", username);
    section.finish();
    let (username, password) = credentials?;
    Some(Arc::new(Account { username, password, realm }))
}

/// The trunk's servers, and what we want of them; `None` where it has none.
pub(super) fn uplink(section: &mut Section<'_>, account: Option<&Account>) -> Option<Uplink> {
    let ping = section.read("ping", values::duration(PING));
    let mut servers = servers(section);
    let register = register(section, account);
    // Where no servers are named, whom we register with is where its own URI leads.
    let of_domain = register.as_ref().map(|register| register.registrar.server().clone());
    let named = ["servers", "register"].map(|key| section.value(key).is_some());
    if !named[0] {
        servers.extend(of_domain);
    }
    if !servers.is_empty() {
        return Some(Uplink { servers, ping, register });
    }
    // What is there and faulty has been told of.
    if ping.is_some() && named == [false, false] {
        let span = section.value("ping").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, "`ping` needs to know which servers the trunk has");
        section.note(fault.help("add a line such as `servers = [\"sip.carrier.example\"]`"));
    }
    None
}

fn servers(section: &mut Section<'_>) -> Vec<Sought> {
    let mut servers = Vec::new();
    let Some(texts) = section.texts("servers") else { return servers };
    if texts.len() > SERVERS_MAX {
        let span = section.value("servers").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, format!("{} servers are too many for one trunk", texts.len()));
        section.note(fault.help(format!("{SERVERS_MAX} will do, the best first")));
    }
    for text in texts {
        let Some(server) = section.accept(text.span(), server(text.get_ref())) else { continue };
        if servers.contains(&server) {
            let fault = Fault::at(text.span(), format!("`{}` is named already", text.get_ref()));
            section.note(fault.help("name each server once, the best first"));
        }
        servers.push(server);
    }
    servers
}

/// `sip.carrier.example`, `tcp:sip.carrier.example:5070`, `203.0.113.1`.
fn server(text: &str) -> Result<Sought, Complaint> {
    Sought::server(text).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no server"),
            "write a domain or an IP address, with \"udp:\", \"tcp:\" or \"tls:\" before it and a port behind it or \
             without, such as \"sip.carrier.example\" or \"tcp:203.0.113.1:5060\"",
        )
    })
}

fn register(section: &mut Section<'_>, account: Option<&Account>) -> Option<Register> {
    let expires = section.read("register_for", values::duration(EXPIRES)).unwrap_or(Duration::from_hours(1));
    let called = section.read("register_as", username);
    let registrar = section.read("register", registrar)?;
    let Some(account) = account else {
        // One that is there and faulty has been told of.
        if section.value("account").is_none() {
            let span = section.value("register").map_or(section.span(), toml::Spanned::span);
            let fault = Fault::at(span, "`register` needs to know as whom");
            section.note(fault.help(
                "add a line such as `account = { username = \"portero\", password = \"env:TRUNK_PASSWORD\" }`",
            ));
        }
        return None;
    };
    let user = account.username.clone();
    Some(Register { registrar, called: called.unwrap_or_else(|| user.clone()), user, expires })
}

fn registrar(text: &str) -> Result<Registrar, Complaint> {
    Registrar::parse(text).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is nothing to register with"),
            "write the trunk's domain as a SIP URI without a user: \"sip:carrier.example\", \"sip:203.0.113.1\"",
        )
    })
}
