//! Calling numbers that somebody has signed: the Identity header field (RFC 8224), the passports in it (RFC 8225), and
//! those of SHAKEN (RFC 8588), which say how far the caller's own network answers for the number.
//!
//! What a passport says is held against the call first ([`Passport::read`]), then its signature and the certificates
//! behind it against the roots that are trusted ([`Passport::prove`]), and last it must not have been shown before
//! ([`Replays::admit`]): the types allow no other order, and nothing else makes an attestation.
//!
//! Deliberately absent: fetching, for which see `net::certificates`; passports of other kinds (`div`, `rph`, `rcd`), which
//! are passed over; and which numbers a certificate may speak for (RFC 8226), since SHAKEN's name providers, not numbers.

mod chain;
mod fault;
mod field;
mod passport;
mod replays;

#[cfg(test)]
mod tests;

use std::fmt;

pub use chain::{Chain, Roots, RootsFault};
pub use fault::Fault;
pub use passport::{Genuine, Passport};
pub use replays::Replays;

use crate::flow::{Attestation, PhoneNumber};

/// What a check came to: what the passport attests, if it is of a kind that does.
pub type Finding = Result<Option<Attestation>, Fault>;

/// A call as it presents itself, by which passports are judged.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// Its Identity header fields, at least one.
    pub fields: Vec<String>,
    /// Who calls, in E.164 where that can be told.
    pub caller: PhoneNumber,
    /// Whom they call: all the numbers that lead to where the call has come, the To header field's first.
    pub callees: Vec<PhoneNumber>,
    /// Its Date header field.
    pub date: Option<String>,
    /// Its Call-ID, by which the same passport may come again.
    pub sip_call_id: String,
}

// By hand, as numbers are personal, and a passport holds two.
impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Presented({} fields)", self.fields.len())
    }
}

/// What several passports of one call come to: the first that is good, or else the fault that weighs most.
pub fn outcome_of(findings: impl IntoIterator<Item = Finding>) -> Finding {
    let mut gravest = Fault::Absent;
    for finding in findings {
        match finding {
            Ok(attestation) => return Ok(attestation),
            Err(fault) if fault.weight() > gravest.weight() => gravest = fault,
            Err(_) => {}
        }
    }
    Err(gravest)
}
