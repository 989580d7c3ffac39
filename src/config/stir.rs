//! Reads `[stir]`: whom we trust to sign calling numbers, and from where their certificates are fetched; and who wants
//! passports checked.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::fault::Fault;
use super::section::{Complaint, Section};
use super::values;
use crate::call::{Passports, Trunks};
use crate::flow::LineName;
use crate::net::certificates::{self, HostPattern};

/// RFC 8224 §12.1 has 60 s; clocks differ.
const FRESHNESS: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_mins(10);
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);

/// How calling numbers are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stir {
    /// Certificates in PEM of the authorities that are trusted.
    pub roots: PathBuf,
    /// Lists in PEM of what they have taken back.
    pub revocations: Option<PathBuf>,
    /// How long a passport is good for, before and after it was signed; 5 s to 10 min.
    pub freshness: Duration,
    /// How long a call may ring for the check; 100 ms to 10 s.
    pub deadline: Duration,
    /// From where certificates are fetched.
    pub repositories: certificates::Config,
}

/// Reads the section. `None` where there is none, or where it is faulty.
pub(super) fn read(mut section: Section<'_>) -> Option<Stir> {
    if !section.is_present() {
        return None;
    }
    let roots = section.need("roots", "\"/etc/portero/roots.pem\"", values::file);
    let revocations = section.read("revocations", values::file);
    let freshness = section.read("freshness", values::duration(FRESHNESS));
    let deadline = section.read("deadline", values::duration(DEADLINE));
    let hosts = hosts(&mut section);
    let local_hosts = section
        .texts("local_hosts")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|text| section.accept(text.span(), local_host(text.get_ref())));
    let repositories = certificates::Config {
        hosts,
        local_hosts: local_hosts.collect(),
        trust: section.read("trust", values::file),
    };
    section.finish();
    Some(Stir {
        roots: roots?,
        revocations,
        freshness: freshness.unwrap_or(Duration::from_mins(1)),
        deadline: deadline.unwrap_or(Passports::default().deadline),
        repositories,
    })
}

fn hosts(section: &mut Section<'_>) -> Option<Vec<HostPattern>> {
    let texts = section.texts("hosts")?;
    Some(texts.iter().filter_map(|text| section.accept(text.span(), host(text.get_ref()))).collect())
}

fn host(text: &str) -> Result<HostPattern, Complaint> {
    HostPattern::parse(text).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no host"),
            "write \"certificates.example.com\" or \"*.example.com\"",
        )
    })
}

fn local_host(text: &str) -> Result<String, Complaint> {
    let is_host = !text.starts_with('*') && HostPattern::parse(text).is_some();
    is_host.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        Complaint::new(format!("`{text}` is no host"), "write a name or an address, such as \"10.0.0.7\"")
    })
}

/// `passports` of a trunk or a line: whether we check its calling numbers, which takes somebody to trust.
pub(super) fn wanted(section: &mut Section<'_>, whom: &Signers) -> bool {
    let wanted = section.flag("passports").unwrap_or(false);
    if wanted && !whom.are_said {
        let span = section.value("passports").map_or(section.span(), Spanned::span);
        let fault = Fault::at(span, "passports are checked here, and it is not said whose are trusted");
        section.note(fault.help("say `roots` in [stir], or delete this"));
    }
    wanted
}

/// Whether it is said who may sign, and where that stands.
#[derive(Debug)]
pub(super) struct Signers {
    are_said: bool,
    span: std::ops::Range<usize>,
}

impl Signers {
    pub(super) fn of(section: &Section<'_>) -> Self {
        Self { are_said: section.is_present(), span: section.span() }
    }

    /// Who wants their passports checked; a warning where nobody does.
    pub(super) fn wanted_by(
        &self,
        file: &Section<'_>,
        stir: Option<&Stir>,
        trunks: &Trunks,
        lines: HashSet<LineName>,
    ) -> Passports {
        if self.are_said && lines.is_empty() && !trunks.list.iter().any(|trunk| trunk.passports) {
            let fault = Fault::at(self.span.clone(), "nobody has passports checked");
            file.note(fault.help("let `passports` of a trunk or a line be true, or delete this").warning());
        }
        let usual = Passports::default();
        Passports { lines, deadline: stir.map_or(usual.deadline, |stir| stir.deadline) }
    }
}
