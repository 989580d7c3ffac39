//! TLS for the pages: our certificate, and no question for that of whoever comes.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;

use super::sip::{self, TlsFault};

/// Where our certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: our certificate, and those between it and its root.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// Reads what the configuration names.
///
/// # Errors
/// Files that cannot be read, or do not fit together.
pub fn tls(files: &CertificateFiles) -> Result<Arc<ServerConfig>, TlsFault> {
    let (chain, key) = (sip::chain(&files.certificate)?, sip::key(&files.key)?);
    let builder = ServerConfig::builder_with_provider(sip::provider()).with_safe_default_protocol_versions();
    let config = builder.and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(TlsFault::Pages)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
