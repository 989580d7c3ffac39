//! Reads `[sip]`: where calls arrive, what a NAT makes of that, and how strangers are met.

use std::net::{IpAddr, SocketAddr};

use super::fault::Fault;
use super::section::{Complaint, Section};
use super::settings::Sip;
use super::{trunks, values};
use crate::call::{IpNet, Strangers};
use crate::net::sip::{Listen, TlsFiles};
use crate::sip::Transport;

/// What an address stands for that names no transport: RFC 3261 §18 has every element speak both.
pub(super) const UNLESS_SAID: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// Whose members are not behind our NAT, unless the file says otherwise: RFC 1918, RFC 4193, RFC 3927, RFC 4291 §2.5.6.
const LOCAL_NETWORKS: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"];

/// The longest realm, in bytes.
const REALM_LENGTH_MAX: usize = 128;
/// As many as a resolver asks before it gives up (resolv.conf(5)).
const NAME_SERVERS_MAX: usize = 3;
/// Where name servers listen (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// What `[sip]` says of addresses, and what it says of strangers.
pub(super) fn read(mut section: Section<'_>) -> (Option<Sip>, Option<Strangers>) {
    let listen = listen(&mut section);
    let external = section.read("external_address", external_address);
    let local_networks = local_networks(&mut section);
    let name_servers = name_servers(&mut section);
    let strangers = section.read("strangers", trunks::strangers);
    let realm = section.read("realm", realm).unwrap_or_else(|| "portero".to_owned());
    let tls = tls(section.section("tls", "[sip.tls]"), listen.as_deref().unwrap_or_default());
    section.finish();
    (listen.map(|listen| Sip { listen, external, local_networks, realm, name_servers, tls }), strangers)
}

/// The name servers, in the order in which they are asked.
fn name_servers(section: &mut Section<'_>) -> Vec<SocketAddr> {
    let texts = section.texts("name_servers").unwrap_or_default();
    if let Some(text) = texts.get(NAME_SERVERS_MAX) {
        let fault = Fault::at(text.span(), format!("more than {NAME_SERVERS_MAX} name servers are no use"));
        section.note(fault.help("the time for a search is over before a fourth could be asked"));
    }
    texts.iter().filter_map(|text| section.accept(text.span(), name_server(text.get_ref()))).collect()
}

/// An address, with a port where that is not the usual one.
fn name_server(text: &str) -> Result<SocketAddr, Complaint> {
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    alone.or_else(|_| text.parse()).map_err(|_| {
        Complaint::new(
            format!("`{text}` is no IP address"),
            "write it as \"192.0.2.53\" or \"2001:db8::53\", or with a port as \"127.0.0.1:5353\"",
        )
    })
}

/// `[sip.tls]`, which a listener for TLS cannot do without.
fn tls(mut section: Section<'_>, listen: &[Listen]) -> Option<TlsFiles> {
    let wanted = listen.iter().any(|listen| listen.transport == Transport::Tls);
    if !section.is_present() && !wanted {
        return None;
    }
    let certificate = section.need("certificate", "\"/etc/portero/certificate.pem\"", values::file);
    let key = section.need("key", "\"/etc/portero/key.pem\"", values::file);
    let client_ca = section.read("client_ca", values::file);
    let client_required = section.flag("client_required").unwrap_or(client_ca.is_some());
    let trust = section.read("trust", values::file);
    if client_required && client_ca.is_none() {
        let fault =
            Fault::at(section.span(), "a peer's certificate is required, and nobody may have issued it");
        section.note(fault.help("add `client_ca`, the file of those who may, or delete `client_required`"));
    }
    section.finish();
    Some(TlsFiles { certificate: certificate?, key: key?, client_ca, client_required, trust })
}

/// Every listener; `None` where there is none, which has been told.
fn listen(section: &mut Section<'_>) -> Option<Vec<Listen>> {
    if section.value("listen").is_none() {
        section.miss("listen", "\"127.0.0.1:5060\"");
    }
    let texts = section.text_or_texts("listen")?;
    let mut all = Vec::new();
    for text in texts {
        for listen in section.accept(text.span(), listeners(text.get_ref())).unwrap_or_default() {
            if all.contains(&listen) {
                let message = format!("{}:{} is named already", listen.transport, listen.address);
                let help = "name each once; an address without a transport stands for udp and tcp";
                section.note(Fault::at(text.span(), message).help(help));
            }
            all.push(listen);
        }
    }
    (!all.is_empty()).then_some(all)
}

/// `udp:192.0.2.1:5060`, or an address alone.
fn listeners(text: &str) -> Result<Vec<Listen>, Complaint> {
    let (transports, address) = match text.split_once(':') {
        Some((name, address)) if name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            match Transport::parse(name) {
                Some(transport) => (vec![transport], address),
                None => (Vec::new(), text),
            }
        }
        _ => (UNLESS_SAID.to_vec(), text),
    };
    let address: Option<SocketAddr> = address.parse().ok();
    match address.filter(|_| !transports.is_empty()) {
        Some(address) => Ok(transports.into_iter().map(|transport| Listen { transport, address }).collect()),
        None => Err(Complaint::new(
            format!("`{text}` is nowhere to listen"),
            "write an IP address with a port, with \"udp:\", \"tcp:\" or \"tls:\" before it or without, such as \
             \"127.0.0.1:5060\" or \"tls:[::]:5061\"; names are not looked up",
        )),
    }
}

/// An address, with a port where that is not the listener's own.
fn external_address(text: &str) -> Result<SocketAddr, Complaint> {
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    alone.or_else(|_| text.parse()).map_err(|_| {
        Complaint::new(
            format!("`{text}` is no IP address"),
            "write it as \"203.0.113.7\" or \"2001:db8::7\", or with a port as \"203.0.113.7:5080\"; names are not \
             looked up",
        )
    })
}

/// What stands between quotes in a challenge (RFC 3261 §22.1).
fn realm(text: &str) -> Result<String, Complaint> {
    let fits = |byte: u8| !byte.is_ascii_control() && !matches!(byte, b'"' | b'\\');
    if (1..=REALM_LENGTH_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        format!("`{text}` is no realm"),
        "write a name such as \"sip.example.com\", without quotes, backslashes and control characters",
    ))
}

fn local_networks(section: &mut Section<'_>) -> Vec<IpNet> {
    let Some(texts) = section.texts("local_networks") else {
        let usual = LOCAL_NETWORKS.iter();
        return usual.map(|text| text.parse().expect("each of them is a network")).collect();
    };
    let read = |text: super::section::Text<'_>| section.accept(text.span(), values::network(text.get_ref()));
    texts.into_iter().filter_map(read).collect()
}
