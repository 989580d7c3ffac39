//! Reads `[[trunks]]` and what `[sip]` says of everybody else: who may call, how much, and whom to believe.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::fault::Fault;
use super::nearest::one_of;
use super::section::{Complaint, Section};
use super::stir::{self, Signers};
use super::{Environment, uplinks, values};
use crate::call::{IpNet, Strangers, Trunk, Trunks};
use crate::flow::{AniSource, Country};
use crate::sip::{Login, Transport};

const CALLS: RangeInclusive<u32> = 1..=100_000;
const CALLS_PER_SECOND: RangeInclusive<u32> = 1..=10_000;

/// The headers that can tell the calling number.
const IDENTITIES: [(&str, AniSource); 3] = [
    ("p-asserted-identity", AniSource::PAssertedIdentity),
    ("remote-party-id", AniSource::RemotePartyId),
    ("from", AniSource::From),
];

/// What the file calls one of them.
pub(super) fn identity_word(source: AniSource) -> &'static str {
    IDENTITIES.iter().find(|(_, known)| *known == source).map_or("from", |(word, _)| word)
}

/// What can be done with a peer on no trunk.
const STRANGERS: [(&str, Strangers); 4] = [
    ("refuse", Strangers::Refuse),
    ("ignore", Strangers::Ignore),
    ("admit", Strangers::Admit),
    ("admit-local", Strangers::AdmitLocal),
];

/// Reads `strangers` in `[sip]`.
pub(super) fn strangers(text: &str) -> Result<Strangers, Complaint> {
    one_of(&STRANGERS, text, "settings")
        .map_err(|help| Complaint::new(format!("strangers cannot be met with `{text}`"), help))
}

/// Reads every trunk of the file. Where nothing is said of strangers, they are refused; where there is no trunk
/// either, those on this machine and its private networks are not.
pub(super) fn read(
    file: &mut Section<'_>,
    strangers: Option<Strangers>,
    signers: &Signers,
    environment: Environment<'_>,
) -> Trunks {
    let sections = file.sections("trunks", "this trunk");
    let usual = if sections.is_empty() { Strangers::AdmitLocal } else { Strangers::Refuse };
    let strangers = strangers.unwrap_or(usual);
    let mut reader = Reader { asks_nobody: strangers == Strangers::Admit, ..Reader::default() };
    let mut list = Vec::new();
    for mut section in sections {
        list.extend(reader.trunk(&mut section, signers, environment).map(Arc::new));
        section.finish();
    }
    Trunks { list, strangers }
}

/// What the trunks so far have taken.
#[derive(Default)]
struct Reader {
    names: HashSet<String>,
    /// Each network with the position of its trunk, and what to call that.
    networks: Vec<(IpNet, usize, String)>,
    trunks: usize,
    /// The usernames of those that are known by nothing else.
    usernames: HashSet<String>,
    /// Whether strangers are served, and so never asked who they are.
    asks_nobody: bool,
}

impl Reader {
    fn trunk(
        &mut self,
        section: &mut Section<'_>,
        signers: &Signers,
        environment: Environment<'_>,
    ) -> Option<Trunk> {
        self.trunks += 1;
        let name = self.name(section);
        let called = name.clone().unwrap_or_else(|| "another".to_owned());
        let login = uplinks::login(section, &called, environment);
        let addresses = self.addresses(section, &called);
        self.known_by_login(section, login.as_ref());
        let account = uplinks::account(section, environment);
        let uplink = uplinks::uplink(section, account.as_deref());
        let calls_max = section.number("calls", CALLS).map(|calls| calls as usize);
        let calls_per_second =
            section.number("calls_per_second", CALLS_PER_SECOND).map(|calls| calls as usize);
        let identity = identity(section).unwrap_or_else(|| vec![AniSource::From]);
        let verstat = section.flag("verstat").unwrap_or(false);
        let passports = stir::wanted(section, signers);
        let country = section.read("country", country);
        let transport = section.read("transport", transport);
        Some(Trunk {
            name: name?.into(),
            addresses,
            transport,
            calls_max,
            calls_per_second,
            identity,
            verstat,
            passports,
            login,
            account,
            uplink,
            country,
        })
    }

    fn name(&mut self, section: &mut Section<'_>) -> Option<String> {
        let name = section.need("name", "\"carrier\"", values::title)?;
        if !self.names.insert(name.clone()) {
            let span = section.text("name").map_or(section.span(), |text| text.span());
            let fault = Fault::at(span, format!("there is a trunk `{name}` already"));
            section.note(fault.help("give one of the two another name, or put all `addresses` into one"));
        }
        Some(name)
    }

    /// A trunk that comes from anywhere is known by its username, which nobody else may have.
    fn known_by_login(&mut self, section: &mut Section<'_>, login: Option<&Login>) {
        let Some(login) = login.filter(|_| section.value("addresses").is_none()) else { return };
        let span = section.text("username").map_or(section.span(), |text| text.span());
        if self.asks_nobody {
            let fault =
                Fault::at(span.clone(), "nobody is asked for a username where strangers are admitted");
            section.note(
                fault.help("let [sip] `strangers` be \"refuse\", or say where this trunk's calls come from"),
            );
        }
        if !self.usernames.insert(login.username.clone()) {
            let fault = Fault::at(span, format!("`{}` is another trunk's username", login.username));
            section.note(fault.help("give each trunk without `addresses` a username of its own"));
        }
    }

    fn addresses(&mut self, section: &mut Section<'_>, called: &str) -> Vec<IpNet> {
        let Some(value) = section.value("addresses") else {
            if section.value("username").is_some() {
                return Vec::new();
            }
            section.miss("addresses", "[\"203.0.113.0/28\", \"2001:db8::7\"]");
            return Vec::new();
        };
        let Some(texts) = section.texts("addresses") else { return Vec::new() };
        if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
            let fault = Fault::at(value.span(), "this trunk has no address");
            section.note(fault.help("say where its calls come from, or delete it"));
        }
        let mut networks = Vec::new();
        for text in texts {
            let Some(network) = section.accept(text.span(), values::network(text.get_ref())) else {
                continue;
            };
            self.claim(section, network, text.span(), called);
            networks.push(network);
        }
        networks
    }

    /// Takes a network for the trunk that is being read.
    fn claim(&mut self, section: &Section<'_>, network: IpNet, span: Range<usize>, called: &str) {
        // Of two networks that have an address in common, one holds the other.
        let overlaps = |other: &IpNet| other.contains(&network) || network.contains(other);
        let taken = self.networks.iter().find(|(other, trunk, _)| *trunk != self.trunks && overlaps(other));
        if let Some((other, _, owner)) = taken {
            let message =
                format!("`{network}` and `{other}` of the trunk `{owner}` have addresses in common");
            let fault = Fault::at(span, message);
            section
                .note(fault.help("a call can only come by one trunk: give each address to one of the two"));
        }
        self.networks.push((network, self.trunks, called.to_owned()));
    }
}

fn identity(section: &mut Section<'_>) -> Option<Vec<AniSource>> {
    let texts = section.texts("identity")?;
    if texts.is_empty() {
        let span = section.value("identity").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, "`identity` names no header");
        section.note(fault.help("name at least one, or delete this to have \"from\""));
    }
    let mut sources = Vec::new();
    for text in texts {
        let read = one_of(&IDENTITIES, text.get_ref(), "headers")
            .map_err(|help| Complaint::new(format!("`{}` tells no calling number", text.get_ref()), help));
        let Some(source) = section.accept(text.span(), read) else { continue };
        if sources.contains(&source) {
            let fault = Fault::at(text.span(), format!("`{}` is named already", text.get_ref()));
            section.note(fault.help("name each header once, the best first"));
        }
        sources.push(source);
    }
    Some(sources)
}

fn transport(text: &str) -> Result<Transport, Complaint> {
    Transport::parse(text).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no transport of SIP that we speak"),
            "write \"udp\", \"tcp\" or \"tls\"",
        )
    })
}

fn country(text: &str) -> Result<Country, Complaint> {
    Country::parse(text).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no country with telephone numbers of its own"),
            "write its two capital letters (ISO 3166): \"US\", \"GB\", \"DE\"",
        )
    })
}
