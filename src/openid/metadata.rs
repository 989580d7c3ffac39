//! What a provider says of itself (`OpenID` Connect Discovery 1.0 §3 and §4).

use serde::Deserialize;

use super::Fault;

/// Where a provider's ends are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// Its name, which is a URL.
    pub issuer: String,
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
}

impl Metadata {
    /// Where a provider says it (`OpenID` Connect Discovery §4.1).
    pub fn place(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Reads what was found there.
    ///
    /// # Errors
    /// [`Fault::Malformed`], and [`Fault::Issuer`] where it is of another: to the letter, as §4.3 wants it.
    pub fn read(text: &[u8], issuer: &str) -> Result<Self, Fault> {
        let metadata: Self =
            serde_json::from_slice(text).map_err(|_| Fault::Malformed("its configuration"))?;
        if metadata.issuer == issuer { Ok(metadata) } else { Err(Fault::Issuer) }
    }

    /// All the addresses in it.
    pub fn endpoints(&self) -> [&str; 3] {
        [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri]
    }
}
