//! What is known of a caller, and how far it is proven.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A customer as the back end knows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    /// The business's identifier of the customer.
    pub id: String,
    /// The name to show to an agent, if the back end gave one.
    pub name: Option<String>,
    /// What else the configuration wants to know of them.
    pub attributes: Attributes,
}

/// What the back end tells of a customer, by the names that the configuration gives it: for each, any number of texts.
pub type Attributes = BTreeMap<Arc<str>, Vec<String>>;

impl Customer {
    /// Nothing but an identifier and a name.
    pub fn new(id: impl Into<String>, name: Option<&str>) -> Self {
        Self { id: id.into(), name: name.map(str::to_owned), attributes: Attributes::new() }
    }

    /// The first text of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.first().map(String::as_str)
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Customer(…)")
    }
}

/// By what a caller was identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the calling number.
    Ani,
    /// By a keyed identifier.
    Identifier,
}

/// How a call went, in the one word that is handed over with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// We know who it is and the back end confirmed what they keyed.
    Verified,
    /// We know who it claims to be.
    Identified,
    /// We do not know who it is.
    Unidentified,
}

impl Verdict {
    /// The word in `X-Portero-Verdict`, in records and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Identified => "identified",
            Self::Unidentified => "unidentified",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Verified, Self::Identified, Self::Unidentified]
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }

    /// Whether this is `least` or more.
    pub fn is_at_least(self, least: Self) -> bool {
        let rank = |verdict| match verdict {
            Self::Verified => 2,
            Self::Identified => 1,
            Self::Unidentified => 0,
        };
        rank(self) >= rank(least)
    }

    /// What an agent reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::Verified => "Identified and verified",
            Self::Identified => "Identified only",
            Self::Unidentified => "Not identified or verified",
        }
    }
}

/// What is known of the caller, with the evidence that it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody yet.
    Unidentified,
    /// Claimed to be this customer.
    Identified(Customer),
    /// Shown to be this customer.
    Verified(Customer, Proof),
}

/// That the back end said yes to all that it had to. Only [`super::Verification::conclude`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof(());

impl Proof {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Standing {
    /// The verdict that this standing amounts to.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Unidentified => Verdict::Unidentified,
            Self::Identified(_) => Verdict::Identified,
            Self::Verified(..) => Verdict::Verified,
        }
    }

    /// The customer, if known, to be told more of.
    pub(super) fn customer_mut(&mut self) -> Option<&mut Customer> {
        match self {
            Self::Unidentified => None,
            Self::Identified(customer) | Self::Verified(customer, _) => Some(customer),
        }
    }

    /// The customer, if known.
    pub fn customer(&self) -> Option<&Customer> {
        match self {
            Self::Unidentified => None,
            Self::Identified(customer) | Self::Verified(customer, _) => Some(customer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_words_read_back() {
        for verdict in [Verdict::Verified, Verdict::Identified, Verdict::Unidentified] {
            assert_eq!(Verdict::parse(verdict.as_str()), Some(verdict));
        }
        assert_eq!(Verdict::parse("Verified"), None);
    }
}
