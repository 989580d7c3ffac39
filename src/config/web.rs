//! Reads `[web]`: where pages and API are, by which names, and who may look.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Fault;
use super::nearest::{nearest, one_of};
use super::section::{Complaint, Section};
use super::settings::Web;
use super::{Environment, provider, values};
use crate::access::{Key, KeyHash, Lifetimes, Name, Role, Scope, Scopes};
use crate::net::pages::CertificateFiles;
use crate::web::KnownToken;

const IDLE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
const IDLE_USUAL: Duration = Duration::from_hours(1);
const WHOLE: RangeInclusive<Duration> = Duration::from_mins(5)..=Duration::from_hours(30 * 24);
const WHOLE_USUAL: Duration = Duration::from_hours(12);

/// A token is never slowed down, so it must be long: 16 letters that somebody made up can still be guessed, and no fewer
/// are taken. `openssl rand -base64 32` makes good ones.
const TOKEN_BYTES: RangeInclusive<usize> = 16..=512;

/// The longest name of a host (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Whether anybody may read the metrics.
const METRICS: [(&str, bool); 2] = [("token", false), ("open", true)];

pub(super) fn read(mut section: Section<'_>, environment: Environment<'_>) -> Web {
    let listen = section.read("listen", values::socket_address);
    let listen = listen.unwrap_or_else(|| ([127, 0, 0, 1], 8080).into());
    let names = section.texts("names").unwrap_or_default();
    let names = names.iter().filter_map(|name| section.accept(name.span(), host(name.get_ref()))).collect();
    let idle = section.read("session_idle", values::duration(IDLE)).unwrap_or(IDLE_USUAL);
    let whole = section.read("session", values::duration(WHOLE)).unwrap_or(WHOLE_USUAL);
    let open_metrics = section.read("metrics", metrics).unwrap_or(false);
    let tls = tls(section.section("tls", "[web.tls]"));
    let provider = provider::read(section.section("provider", "[web.provider]"), environment);
    let tokens = tokens(&mut section, environment);
    warn_of_the_open(&mut section, listen, tls.is_some());
    section.finish();
    let lifetimes = Lifetimes { idle, whole };
    Web { listen, names, lifetimes, open_metrics, provider, tls, tokens, link: None }
}

/// Passwords, and what callers are called, should not travel in the clear.
fn warn_of_the_open(section: &mut Section<'_>, listen: SocketAddr, has_tls: bool) {
    let span = section.text("listen").map(|text| text.span());
    if let (Some(span), false, false) = (span, listen.ip().is_loopback(), has_tls) {
        let fault = Fault::at(span, "passwords and callers' names go to other machines in the clear");
        let help = "add [web.tls], or listen on 127.0.0.1 behind a proxy that has TLS";
        section.note(fault.help(help).warning());
    }
}

fn tls(mut section: Section<'_>) -> Option<CertificateFiles> {
    if !section.is_present() {
        return None;
    }
    let certificate = section.need("certificate", "\"/etc/portero/certificate.pem\"", values::file);
    let key = section.need("key", "\"/etc/portero/key.pem\"", values::file);
    section.finish();
    Some(CertificateFiles { certificate: certificate?, key: key? })
}

fn tokens(section: &mut Section<'_>, environment: Environment<'_>) -> Vec<KnownToken> {
    let mut tokens: Vec<KnownToken> = Vec::new();
    for mut section in section.sections("tokens", "this token") {
        let name = section.need("name", "\"prometheus\"", name);
        let hash = section.need("token", "\"env:PROMETHEUS_TOKEN\"", |text| token(text, environment));
        let scopes = scopes(&mut section);
        let same = tokens.iter().any(|other| Some(&other.name) == name.as_ref() || Some(other.hash) == hash);
        if same {
            let fault = Fault::at(section.span(), "another token has this name, or is the same");
            section.note(fault.help("each token has a name of its own, so that one can be taken away alone"));
        }
        section.finish();
        if let (Some(name), Some(hash)) = (name, hash) {
            tokens.push(KnownToken { name, hash, scopes });
        }
    }
    tokens
}

fn scopes(section: &mut Section<'_>) -> Scopes {
    let Some(texts) = section.texts("scopes") else {
        if section.value("scopes").is_none() {
            section.miss("scopes", "[\"metrics:read\"]");
        }
        return Scopes::NONE;
    };
    let accepted = |text: &super::section::Text<'_>| section.accept(text.span(), scope(text.get_ref()));
    texts.iter().filter_map(accepted).fold(Scopes::NONE, Scopes::with)
}

/// A scope, or a role for all of its scopes.
fn scope(text: &str) -> Result<Scopes, Complaint> {
    Scopes::of_word(text).ok_or_else(|| {
        let words: Vec<&str> = Scope::all().map(Scope::word).chain(Role::ALL.map(Role::word)).collect();
        Complaint::new(format!("`{text}` is no scope"), nearest(text, &words, "scopes"))
    })
}

fn name(text: &str) -> Result<Name, Complaint> {
    Name::parse(text).ok_or_else(|| {
        Complaint::new(format!("`{text}` is no name"), "letters, digits and . _ - @ will do, 64 at the most")
    })
}

fn token(text: &str, environment: Environment<'_>) -> Result<KeyHash, Complaint> {
    let token = values::credential(text, environment)?;
    if TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Key::shown(&token).hash());
    }
    Err(Complaint::new(
        "this is no token that could be trusted",
        "16 to 512 letters, digits and signs without spaces: `openssl rand -base64 32` makes one",
    ))
}

fn metrics(text: &str) -> Result<bool, Complaint> {
    one_of(&METRICS, text, "choices")
        .map_err(|help| Complaint::new(format!("metrics cannot be `{text}`"), help))
}

/// A name that browsers may call us by.
fn host(text: &str) -> Result<String, Complaint> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if (1..=HOST_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Complaint::new(
        format!("`{text}` is no name of a machine"),
        "write it as \"portero.example.com\", without https:// and without a port",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Configuration, DEMO, Overrides};
    use super::*;

    fn parse(web: &str) -> Result<Configuration, String> {
        let text = DEMO
            .replace("\n[web]\n", &format!("\n[web]\n{web}\n"))
            .replace("listen = \"127.0.0.1:8080\"", "");
        let environment = |name: &str| (name == "TOKEN").then(|| "from-the-environment".to_owned());
        Configuration::parse("portero.toml", &text, &environment).map_err(|faults| faults.to_string())
    }

    #[test]
    fn what_is_said_is_read() {
        let read = parse(
            "listen = \"192.0.2.1:443\"\nnames = [\"Portero.Example\"]\nsession_idle = \"10m\"\nsession = \"8h\"\n\
             metrics = \"open\"\ntls = { certificate = \"c.pem\", key = \"k.pem\" }\n\
             tokens = [{ name = \"wall\", token = \"env:TOKEN\", scopes = [\"agent\", \"metrics:read\"] }]",
        );
        let web = read.expect("no faults").web;
        assert_eq!(web.names, ["portero.example"]);
        assert_eq!(
            web.lifetimes,
            Lifetimes { idle: Duration::from_mins(10), whole: Duration::from_hours(8) }
        );
        assert!(web.open_metrics && web.tls.is_some());
        let [token] = &web.tokens[..] else { panic!("one token") };
        assert_eq!(token.hash, Key::shown("from-the-environment").hash());
        assert_eq!(token.scopes.to_string(), "calls:read handovers:read metrics:read");
        let demo = Configuration::demo(&Overrides::default()).web;
        assert_eq!(demo.lifetimes, Lifetimes { idle: IDLE_USUAL, whole: WHOLE_USUAL });
        assert!(!demo.open_metrics && demo.tokens.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let table = [
            ("names = [\"https://portero.example\"]", "is no name of a machine"),
            ("metrics = \"everybody\"", "metrics cannot be `everybody`"),
            ("tls = { key = \"k.pem\" }", "[web.tls] does not say `certificate`"),
            ("tokens = [{ name = \"a\", token = \"short\", scopes = [] }]", "no token that could be trusted"),
            ("tokens = [{ name = \"a b\", token = \"env:TOKEN\", scopes = [] }]", "`a b` is no name"),
            ("tokens = [{ name = \"a\", token = \"env:TOKEN\" }]", "does not say `scopes`"),
            (
                "tokens = [{ name = \"a\", token = \"env:TOKEN\", scopes = [\"calls:raed\"] }]",
                "did you mean `calls:read`?",
            ),
            (
                "tokens = [{ name = \"a\", token = \"env:TOKEN\", scopes = [] }, { name = \"b\", token = \"env:TOKEN\", \
                 scopes = [] }]",
                "another token has this name, or is the same",
            ),
        ];
        for (web, told) in table {
            let faults = parse(web).expect_err(web);
            assert!(faults.contains(told), "{web}: {faults}");
        }
    }

    #[test]
    fn pages_in_the_open_are_warned_of() {
        let told = |web: &str| parse(web).expect("no faults").warnings.to_string();
        assert!(told("listen = \"0.0.0.0:8080\"").contains("in the clear"));
        assert_eq!(told("listen = \"[::1]:8080\""), "");
        let tls = "listen = \"0.0.0.0:8080\"\ntls = { certificate = \"c.pem\", key = \"k.pem\" }";
        assert_eq!(told(tls), "");
    }
}
