//! The client with which services are asked: it goes only where it is told to, by no redirect and by no proxy, and reads no
//! answer past its bound.

use std::error::Error;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Response};

/// A client to be, with nothing said yet but what goes for all. `uses_tls` tells whether any of its requests will go by
/// https.
pub fn client(uses_tls: bool) -> ClientBuilder {
    // Fails where the process has one already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("portero/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy();
    // Spares the reading of root certificates, which a small container need not have.
    if uses_tls { builder } else { builder.tls_certs_only([]) }
}

/// The innermost cause of an error.
pub fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It broke off.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    /// It is larger than it may be.
    #[error("the answer is too large")]
    TooLarge,
}

/// An answer's body, of at most `bytes_max` bytes.
///
/// # Errors
/// Where it broke off, or is larger; then nothing more is read.
pub async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
