//! TLS for SIP (RFC 3261 §26.3.1, RFC 5922): our certificate, whom we ask for one, and whose we trust.
//!
//! Certificates can be replaced while the program runs: a connection keeps what it began with.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tracing::debug;

use crate::sip::Domain;

/// What the configuration says of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: our certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// PEM: who may have issued a peer's certificate. Absent: peers that connect to us are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// Whether a peer without a certificate is turned away.
    pub client_required: bool,
    /// PEM: who may have issued the certificate of whom we connect to; absent: those that this machine trusts.
    pub trust: Option<PathBuf>,
}

/// Why TLS cannot be had as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read, or holds nothing of use.
    #[error("{what} cannot be read from {}: {source}", file.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The files do not fit together, or hold something that TLS cannot use.
    #[error("the certificates of [sip.tls] cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The same of the pages' certificate.
    #[error("the certificate of [web.tls] cannot be used: {0}")]
    Pages(#[source] rustls::Error),
    /// Nobody can be recognised by what the file of authorities holds.
    #[error("the authorities in {} cannot be used: {source}", file.display())]
    Authorities {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rustls::server::VerifierBuilderError,
    },
}

/// A certificate with those between it and its root, and its key.
type OwnCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Both sides of TLS, ready to use.
#[derive(Clone)]
pub struct Tls {
    /// For peers that connect to us; absent without a certificate.
    acceptor: Option<TlsAcceptor>,
    /// For peers that we connect to; absent where this machine trusts nobody.
    connector: Option<TlsConnector>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("accepts", &self.acceptor.is_some()).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads what the configuration names; without it, only connections of our own can be made.
    pub fn load(files: Option<&TlsFiles>) -> Result<Self, TlsFault> {
        let Some(files) = files else { return Self::client(None) };
        let acceptor = TlsAcceptor::from(Arc::new(server_side(files)?));
        // Trunks that ask who we are get the certificate that they know us by.
        let own = (chain(&files.certificate)?, key(&files.key)?);
        let connector = client_side(files.trust.as_deref(), Some(own))?;
        Ok(Self { acceptor: Some(acceptor), connector })
    }

    /// Only connections of our own, to those whose certificate was issued by somebody in this PEM file; without it, by
    /// somebody whom this machine trusts.
    pub fn client(trust: Option<&Path>) -> Result<Self, TlsFault> {
        Ok(Self { acceptor: None, connector: client_side(trust, None)? })
    }

    /// Shakes hands with a peer that has connected.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let acceptor = self.acceptor.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        acceptor.accept(stream).await
    }

    /// Shakes hands with a peer that we have connected to, whose certificate has to be for the domain that it was
    /// sought by, else for its address.
    ///
    /// RFC 5922 §7.2 would have no wildcards in a certificate; they are taken, as carriers have them.
    pub async fn connect(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        domain: Option<&Domain>,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let connector = self.connector.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let name = match domain {
            Some(domain) => ServerName::try_from(domain.as_str().to_owned())
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
            None => ServerName::IpAddress(peer.ip().into()),
        };
        connector.connect(name, stream).await
    }
}

fn server_side(files: &TlsFiles) -> Result<ServerConfig, TlsFault> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), provider());
            let verifier = if files.client_required { verifier } else { verifier.allow_unauthenticated() };
            let unusable = |source| TlsFault::Authorities { file: file.clone(), source };
            builder.with_client_cert_verifier(verifier.build().map_err(unusable)?)
        }
    };
    Ok(builder.with_single_cert(chain(&files.certificate)?, key(&files.key)?)?)
}

fn client_side(trust: Option<&Path>, own: Option<OwnCertificate>) -> Result<Option<TlsConnector>, TlsFault> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match trust {
        Some(file) => builder.with_root_certificates(authorities(file)?),
        None => match builder.with_platform_verifier() {
            Ok(builder) => builder,
            // A machine without a list of authorities can do without, until it is to connect to somebody by TLS.
            Err(error) => {
                debug!(%error, "nobody can be connected to by TLS");
                return Ok(None);
            }
        },
    };
    let config = match own {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

/// The cryptography of everything that speaks TLS here.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate, and those between it and its root.
pub fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let unreadable = |source| TlsFault::File { what: "a certificate", file: file.to_owned(), source };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(unreadable)?;
    if chain.is_empty() {
        return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(chain)
}

/// A private key.
pub fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let unreadable = |source| TlsFault::File { what: "a private key", file: file.to_owned(), source };
    PrivateKeyDer::from_pem_file(file).map_err(unreadable)
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}
