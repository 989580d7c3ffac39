//! HTTP as a client: what all clients of ours have in common. They go only where they are told to, by no proxy and no
//! redirect, and no answer is read past its bound.

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Response};

/// A client that is not finished: whom it trusts is for its owner to say.
pub fn client() -> ClientBuilder {
    // Fails where the process has one already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("portero/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
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
