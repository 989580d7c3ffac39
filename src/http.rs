//! The client with which services are asked: it goes only where it is told to, by no redirect and by no proxy.

use std::error::Error;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;

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
