//! Logging in by somebody else's word: `OpenID` Connect, by its authorization code flow with proof of possession
//! (`OpenID` Connect Core 1.0 §3.1, RFC 6749 §4.1, RFC 7636).
//!
//! This is all of it but the fetching: what a provider says of itself ([`Metadata`]), a login under way ([`Attempts`]), the
//! provider's keys ([`KeySet`]), and what it vouches for ([`Claims`], which only a token that was held against everything
//! that it has to fulfil becomes). Deliberately absent: the other flows, encrypted tokens, logging out at the provider.

mod attempt;
mod keys;
mod metadata;
mod token;

#[cfg(test)]
mod tests;

pub use attempt::{Attempt, Attempts, Client, Handle};
pub use keys::KeySet;
pub use metadata::Metadata;
pub use token::{Claims, Expected};

/// Why a provider's word does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("what the identity provider sent is not what `OpenID` Connect has it send: {0}")]
    Malformed(&'static str),
    /// It is another provider's.
    #[error("what the identity provider sent names another issuer than the one that is configured")]
    Issuer,
    /// It was made for somebody else.
    #[error("the identity provider's token is for another client than us")]
    Audience,
    /// It is not of this login.
    #[error("the identity provider's token is of another login")]
    Nonce,
    /// Its time is over, or has not come.
    #[error("the identity provider's token is not of this time: see that both clocks are right")]
    Time,
    /// It is signed by none of the provider's keys.
    #[error("the identity provider's token is signed by no key that we know of")]
    Key,
    /// It is signed in a way that we do not take: by a shared secret, or not at all.
    #[error("the identity provider's token is signed by another algorithm than RS256 and ES256")]
    Algorithm,
    /// Its signature is not right.
    #[error("the signature of the identity provider's token is wrong")]
    Signature,
}
