//! What can be wrong with a passport, or with the way to its certificate (RFC 8224 §6.2.2).

use serde::{Deserialize, Serialize};

use crate::flow::CheckOutcome;

/// Why a calling number is not shown to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The caller's network: it has not signed the number, or in no way that we read.
    #[error("there is no passport of the calling number")]
    Absent,
    /// The signer: header field or passport is not as RFC 8224, 8225 or 8588 has it.
    #[error("the Identity header field, or the passport in it, is malformed")]
    Malformed,
    /// The signer: another algorithm than ES256, which is the only one that there is (RFC 8225 §8).
    #[error("the passport is signed by an algorithm other than ES256")]
    Algorithm,
    /// Whoever sent it: signed too long ago, or in the future.
    #[error("the passport is not fresh")]
    Stale,
    /// Whoever sent it: signed for another caller's number.
    #[error("the passport is of another calling number")]
    OtherCaller,
    /// Whoever sent it: signed for a call to somebody else.
    #[error("the passport is of a call to another number")]
    OtherCallee,
    /// Whoever sent it: it came with another call already.
    #[error("the passport came with another call before")]
    Replayed,
    /// The signer: its certificate is where we do not fetch from.
    #[error("the certificate is where none is fetched from")]
    NotAllowed,
    /// The signer's server: it does not answer, or answers with something else.
    #[error("the certificate cannot be fetched")]
    Unreachable,
    /// Whoever took too long.
    #[error("the check took too long")]
    TimedOut,
    /// The signer: what was fetched is no certificate of a key on P-256.
    #[error("what was fetched is no certificate of such a key")]
    NoCertificate,
    /// The signer: none of our roots stands behind its certificate.
    #[error("no trusted root stands behind the certificate")]
    Untrusted,
    /// The signer: a certificate is not valid now.
    #[error("a certificate has expired, or is not valid yet")]
    Expired,
    /// The signer: a certificate has been taken back.
    #[error("a certificate has been revoked")]
    Revoked,
    /// Whoever sent it: the signature is not of that certificate's key.
    #[error("the signature is wrong")]
    Signature,
}

impl Fault {
    /// The SIP status that stands for it (RFC 8224 §6.2.2). We refuse no call for it.
    pub fn status(self) -> u16 {
        match self {
            Self::Absent => 428,
            Self::Stale => 403,
            Self::NotAllowed | Self::Unreachable | Self::TimedOut => 436,
            Self::Algorithm | Self::NoCertificate | Self::Untrusted | Self::Expired | Self::Revoked => 437,
            Self::Malformed | Self::OtherCaller | Self::OtherCallee | Self::Replayed | Self::Signature => 438,
        }
    }

    /// What it makes of the check: a certificate that is not to be had shows nothing, for or against.
    pub fn outcome(self) -> CheckOutcome {
        match self.status() {
            428 | 436 => CheckOutcome::NotChecked,
            _ => CheckOutcome::Failed,
        }
    }

    /// Which of several faults is told.
    pub(super) fn weight(self) -> u8 {
        match self.status() {
            428 => 0,
            436 => 1,
            _ => 2,
        }
    }
}
