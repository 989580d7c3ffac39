//! Has calling numbers checked beside the loop.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::call::CallId;
use crate::config::{Configuration, Stir};
use crate::net::certificates::{Certificates, Misconfigured};
use crate::net::dns::Dns;
use crate::stir::{self, Finding, Passport, Presented, Replays, Roots, RootsFault};

/// What checks came to may wait for the loop; each belongs to a call that waits for it.
pub const CHECKED_MAX: usize = 1024;

/// What a check came to, on its way to its call.
pub struct Checked {
    pub call: CallId,
    pub finding: Finding,
}

/// Calling numbers cannot be checked as configured.
#[derive(Debug, thiserror::Error)]
pub enum CheckingError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is of no use.
    #[error("{} is of no use: {fault}", file.display())]
    Roots {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        fault: RootsFault,
    },
    /// Certificates cannot be fetched.
    #[error(transparent)]
    Certificates(#[from] Misconfigured),
}

/// Checks calling numbers. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Checker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    roots: Roots,
    freshness: Duration,
    certificates: Certificates,
}

/// What has been shown of late. It outlives a change of the configuration: else that would be the time to show it again.
pub type Shown = Arc<Mutex<Replays>>;

impl Checker {
    /// The one that is configured, if there is one. Its files are read here; nothing is fetched yet.
    ///
    /// # Errors
    /// Where a file is missing or of no use.
    pub fn of(configuration: &Configuration) -> Result<Option<Self>, CheckingError> {
        let dns = || Dns::new(&configuration.sip.name_servers);
        configuration.stir.as_ref().map(|stir| Self::new(stir, dns())).transpose()
    }

    fn new(stir: &Stir, dns: Dns) -> Result<Self, CheckingError> {
        let certificates = read(&stir.roots)?;
        let revocations = stir.revocations.as_deref().map(read).transpose()?;
        let roots = Roots::read(&certificates, revocations.as_deref()).map_err(|fault| {
            let of_list = matches!(fault, RootsFault::NoList | RootsFault::BadList(_));
            let file = stir.revocations.as_ref().filter(|_| of_list).unwrap_or(&stir.roots).clone();
            CheckingError::Roots { file, fault }
        })?;
        let certificates = Certificates::new(&stir.repositories, dns)?;
        Ok(Self { shared: Arc::new(Shared { roots, freshness: stir.freshness, certificates }) })
    }

    /// Checks a number by all the passports that came with its call.
    async fn check(&self, presented: &Presented, shown: &Shown) -> Finding {
        let mut findings = Vec::new();
        for field in &presented.fields {
            match Passport::read(field, presented, self.shared.freshness, Timestamp::now()) {
                Ok(Some(passport)) => findings.push(self.prove(&passport, presented, shown).await),
                Ok(None) => {}
                Err(fault) => findings.push(Err(fault)),
            }
        }
        stir::outcome_of(findings)
    }

    async fn prove(&self, passport: &Passport, presented: &Presented, shown: &Shown) -> Finding {
        let chain = self.shared.certificates.fetch(passport.place()).await?;
        let now = Timestamp::now();
        let genuine = passport.prove(&chain, &self.shared.roots, now)?;
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.admit(&genuine, &presented.sip_call_id, now)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CheckingError> {
    fs::read(file).map_err(|source| CheckingError::File { file: file.to_owned(), source })
}

/// Checks a number, and tells the loop.
pub async fn check(
    checker: Checker,
    shown: Shown,
    call: CallId,
    presented: Presented,
    findings: mpsc::Sender<Checked>,
) {
    let finding = checker.check(&presented, &shown).await;
    if let Err(fault) = finding {
        tracing::info!(%call, status = fault.status(), "a calling number is not shown to be right: {fault}");
    }
    // Without a loop to hear it, nobody waits for it.
    drop(findings.send(Checked { call, finding }).await);
}
