//! Where calls can be handed to: SIP URIs that the file names.
//!
//! Only the shape is checked (RFC 3261 §25.1); whether anybody answers there is found out when a call is
//! handed over.

use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr};

use super::fault::Fault;
use super::nearest::nearest;
use super::section::{Complaint, Section};
use crate::call::{Here, Target, TargetUri};
use crate::flow::TargetName;
use crate::sip::Transport;

/// What can be sent to a target besides the verdict.
const SENDABLE: [&str; 3] = ["customer", "name", "number_check"];

/// Reads a target's URI, in which the gap for our own address may be written with or without spaces.
fn target_uri(text: &str) -> Result<TargetUri, Complaint> {
    let uri = TargetUri::new(spaced(text).unwrap_or_else(|| text.to_owned()));
    let address = SocketAddr::from(([192, 0, 2, 1], 5060));
    let sample = uri.at(Here { transport: Transport::Tcp, address });
    if sample.contains("{{") {
        let help = "a target's address can be filled in with `{{ own_address }}` only";
        return Err(Complaint::new(format!("`{text}` cannot be filled in"), help));
    }
    check_uri(&sample).map(|()| uri)
}

fn spaced(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    (name.trim() == "own_address").then(|| format!("{before}{{{{ own_address }}}}{after}"))
}

/// Reads `[targets]`.
pub(super) fn read(section: &Section<'_>) -> HashMap<TargetName, Target> {
    let mut targets = HashMap::new();
    for (name, mut section) in section.named_sections("targets") {
        let uri = section.need("uri", "\"sip:agents@pbx.example.com\"", target_uri);
        let mut sends = Vec::new();
        for item in section.texts("send").unwrap_or_default() {
            if !SENDABLE.contains(item.get_ref()) {
                let fault =
                    Fault::at(item.span(), format!("`{}` cannot be sent to a target", item.get_ref()));
                section.note(fault.help(nearest(item.get_ref(), &SENDABLE, "things to send")));
            }
            sends.push(*item.get_ref());
        }
        section.finish();
        let [sends_customer, sends_name, sends_number_check] = SENDABLE.map(|word| sends.contains(&word));
        let target = uri.map(|uri| Target { uri, sends_customer, sends_name, sends_number_check });
        targets.extend(target.map(|target| (TargetName::new(*name.get_ref()), target)));
    }
    targets
}

fn check_uri(uri: &str) -> Result<(), Complaint> {
    let complaint = |why: &str| {
        Complaint::new(
            format!("`{uri}` is no SIP address: {why}"),
            "write it as \"sip:agents@pbx.example.com\" or \"sip:agents@203.0.113.7:5060;transport=udp\"",
        )
    };
    let (scheme, rest) = uri.split_once(':').ok_or_else(|| complaint("it does not begin with sip:"))?;
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return Err(complaint("it does not begin with sip: or sips:"));
    }
    let (user, rest) = rest.rsplit_once('@').ok_or_else(|| complaint("it has no user before an @"))?;
    // RFC 3261 §25.1: unreserved, escaped and user-unreserved. Headers would collide with our own.
    if user.is_empty() || !only(user, b"-_.!~*'()&=+$,;/%") {
        return Err(complaint("its user holds what a user cannot"));
    }
    let (host, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    if !only(parameters, b"-_.!~*'()%[]/:&+$;=") {
        return Err(complaint("its parameters hold what parameters cannot"));
    }
    if !is_host_and_port(host) {
        return Err(complaint("its host, or its port, is none"));
    }
    Ok(())
}

fn only(text: &str, marks: &[u8]) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (None, port.strip_prefix(':')),
        Some(_) => return false,
        None => text.split_once(':').map_or((Some(text), None), |(host, port)| (Some(host), Some(port))),
    };
    let is_label = |label: &str| !label.is_empty() && only(label, b"-");
    host.is_none_or(|host| host.trim_end_matches('.').split('.').all(is_label))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused() {
        let own: SocketAddr = "[2001:db8::1]:5070".parse().expect("an address");
        let table = [
            ("sip:agents@{{ own_address }}", Some("sip:agents@[2001:db8::1]:5070")),
            ("sip:agents@{{own_address}};transport=udp", Some("sip:agents@[2001:db8::1]:5070;transport=udp")),
            ("sip:a@pbx.example.com", Some("sip:a@pbx.example.com")),
            ("sips:%C3%A4+1@203.0.113.7:5061", Some("sips:%C3%A4+1@203.0.113.7:5061")),
            ("sip:a@[2001:db8::7]:5060", Some("sip:a@[2001:db8::7]:5060")),
            ("sip:a@[2001:db8::7]", Some("sip:a@[2001:db8::7]")),
            ("sip:agents@{{ own }}", None),
            ("sip:{{ own_address }}@{{ own_address }}", None),
            ("agents@pbx", None),
            ("tel:+12025550101", None),
            ("sip:pbx.example.com", None),
            ("sip:@pbx.example.com", None),
            ("sip:a@", None),
            ("sip:a@pbx..com", None),
            ("sip:a@pbx:0", None),
            ("sip:a@pbx:65536", None),
            ("sip:a@[nonsense]", None),
            ("sip:a@[2001:db8::7", None),
            ("sip:a b@pbx", None),
            ("sip:a@pbx?X-Portero-Verdict=verified", None),
            ("sip:a@pbx;x=\r\nX: y", None),
            ("sip:a@pbx>", None),
        ];
        for (text, expected) in table {
            let read = target_uri(text).map(|uri| uri.at(Here { transport: Transport::Udp, address: own }));
            assert_eq!(read.ok().as_deref(), expected, "{text}");
        }
    }
}
