//! Certificates of those who sign calling numbers, fetched from where a passport says (`x5u`, RFC 8225 §4.3).
//!
//! Anybody who can call can have something fetched, so it is a narrow door: https to ports of the web, no redirects, a
//! list of hosts where there is one, and no address that is not the public's, whatever name leads to it. What is fetched
//! is small, soon there or given up, and kept for as long as its server says, within bounds; that it cannot be had is
//! kept as well, for a while. However many calls wait for one certificate, it is fetched once.

mod door;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, HeaderMap};
use reqwest::{Certificate, Url};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout};

pub use door::HostPattern;

use super::dns::Dns;
use crate::http;
use crate::stir::{Chain, Fault};
use door::{Door, Resolver};

/// A chain has some three thousand octets.
const BYTES_MAX: usize = 64 * 1024;
/// How long a fetch may take, what it waits for its turn included. It goes on where the call does not wait so long: the
/// next call finds it done.
const FETCH_WITHIN: Duration = Duration::from_secs(2);
/// Fetches at a time.
const FETCHES_MAX: usize = 16;
/// Certificates that are kept.
const KEPT_MAX: usize = 1024;
/// How long one is kept: at the least, where its server says nothing, and at the most.
const KEPT_FOR: [Duration; 3] = [Duration::from_mins(1), Duration::from_hours(1), Duration::from_hours(24)];
/// How long it is kept that there is none.
const NONE_KEPT_FOR: Duration = Duration::from_secs(10);

/// From where certificates are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The hosts; `None`: any that is on the public's network.
    pub hosts: Option<Vec<HostPattern>>,
    /// Hosts of our own, by name or address in lower case, which may have any address and any port.
    pub local_hosts: Vec<String>,
    /// Certificates in PEM of who vouches for those servers; `None`: whom the system trusts.
    pub trust: Option<PathBuf>,
}

/// Nothing can be fetched as configured.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// The HTTP client would not start, such as for want of the system's root certificates.
    #[error("the HTTP client for certificates cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// The file of whom to trust cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Fetches certificates, and keeps them.
#[derive(Debug)]
pub struct Certificates {
    door: Door,
    http: reqwest::Client,
    slots: Semaphore,
    kept: Mutex<HashMap<String, Arc<OnceCell<Kept>>>>,
}

/// What came of a fetch.
#[derive(Debug)]
struct Kept {
    chain: Result<Arc<Chain>, Fault>,
    until: Instant,
}

impl Certificates {
    /// Fetches nothing yet. Names are looked up by `dns`.
    ///
    /// # Errors
    /// Where there is no client to be had.
    pub fn new(config: &Config, dns: Dns) -> Result<Self, Misconfigured> {
        let door = Door::new(config);
        let mut builder =
            http::client(true).https_only(true).dns_resolver(Arc::new(Resolver::new(dns, door.clone())));
        if let Some(file) = &config.trust {
            let pem = fs::read(file).map_err(|source| Misconfigured::File { file: file.clone(), source })?;
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(&pem)?);
        }
        let (slots, kept) = (Semaphore::new(FETCHES_MAX), Mutex::default());
        Ok(Self { door, http: builder.build()?, slots, kept })
    }

    /// The certificates at a place.
    ///
    /// # Errors
    /// That nothing is fetched from there, that nothing came, or that it is no certificate.
    pub async fn fetch(&self, place: &str) -> Result<Arc<Chain>, Fault> {
        let url = self.door.admit(place).ok_or(Fault::NotAllowed)?;
        let cell = self.cell(url.as_str()).ok_or(Fault::Unreachable)?;
        cell.get_or_init(|| self.bring(url)).await.chain.clone()
    }

    /// Where what came from there is kept, or will be; `None` where there is no room.
    fn cell(&self, url: &str) -> Option<Arc<OnceCell<Kept>>> {
        let now = Instant::now();
        let is_old = |cell: &OnceCell<Kept>| cell.get().is_some_and(|kept| kept.until <= now);
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = all.get(url).filter(|cell| !is_old(cell)) {
            return Some(Arc::clone(cell));
        }
        if all.len() >= KEPT_MAX {
            all.retain(|_, cell| !is_old(cell));
        }
        if all.len() >= KEPT_MAX {
            let until = |cell: &OnceCell<Kept>| cell.get().map(|kept| kept.until);
            let soonest = all.iter().filter_map(|(url, cell)| Some((until(cell)?, url.clone()))).min()?;
            all.remove(&soonest.1);
        }
        let cell = Arc::default();
        all.insert(url.to_owned(), Arc::clone(&cell));
        Some(cell)
    }

    async fn bring(&self, url: Url) -> Kept {
        let fetched = timeout(FETCH_WITHIN, self.download(url)).await.unwrap_or(Err(Fault::Unreachable));
        let (chain, kept_for) = match fetched {
            Ok((chain, kept_for)) => (Ok(Arc::new(chain)), kept_for),
            Err(fault) => (Err(fault), NONE_KEPT_FOR),
        };
        let result = chain.as_ref().map_or_else(
            |fault| if *fault == Fault::NoCertificate { "no_certificate" } else { "not_fetched" },
            |_| "fetched",
        );
        metrics::counter!("portero_certificate_fetches_total", "result" => result).increment(1);
        Kept { chain, until: Instant::now() + kept_for }
    }

    async fn download(&self, url: Url) -> Result<(Chain, Duration), Fault> {
        let _slot = self.slots.acquire().await.map_err(|_| Fault::Unreachable)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let response = self.http.get(url).send().await.map_err(|error| {
            let fault = door::fault(&error);
            tracing::warn!(host, %fault, "a signer's certificate is not to be had");
            fault
        })?;
        if response.status() != 200 {
            tracing::warn!(
                host,
                status = response.status().as_u16(),
                "a signer's certificate is not to be had"
            );
            return Err(Fault::Unreachable);
        }
        let kept_for = kept_for(response.headers());
        let fetched = http::body(response, BYTES_MAX).await.map_err(|error| {
            tracing::warn!(host, %error, "a signer's certificate is not to be had");
            Fault::Unreachable
        })?;
        Ok((Chain::read(&fetched)?, kept_for))
    }
}

/// How long its server lets it be kept (RFC 9111 §5.2.2), within bounds.
fn kept_for(headers: &HeaderMap) -> Duration {
    let [least, usual, most] = KEPT_FOR;
    let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives =
        said.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase());
    let age = directives.find_map(|directive| {
        let seconds = directive.strip_prefix("max-age=").map(|age| age.trim_matches('"').parse().ok());
        let none = matches!(directive.as_str(), "no-store" | "no-cache");
        none.then_some(0).or(seconds.flatten())
    });
    age.map_or(usual, |age| Duration::from_secs(age).clamp(least, most))
}
