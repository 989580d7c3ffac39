//! The call record: the one thing that is kept of a call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::flow::{AniSource, Attestation, CheckOutcome, CheckedBy, Lock, Method, Verdict};
pub use crate::stir::Fault;

use crate::flow::{Ani, Flow, Line};

/// The version of the record's JSON shape. Fields are added, never renamed, under one version.
pub const RECORD_VERSION: u32 = 1;

/// One call, written once when it has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// [`RECORD_VERSION`] of the writer.
    pub version: u32,
    /// Our identifier of the call: 16 hexadecimal digits.
    pub id: String,
    /// The number of the service line, as dialled.
    pub line: String,
    /// The calling number, where it was usable.
    pub ani: Option<String>,
    /// Which header told the calling number, where there is one.
    #[serde(default)]
    pub ani_source: Option<AniSource>,
    /// Whether the caller, or a network on the way, asked that the number be kept back; where it is not, an
    /// absent `ani` is a number that nobody told.
    #[serde(default)]
    pub ani_withheld: bool,
    /// What a check of the calling number came to; absent where there was none of ours, and no trunk that is believed
    /// told of one.
    #[serde(default)]
    pub ani_verstat: Option<CheckOutcome>,
    /// How far the caller's own network answers for the calling number; absent where that is not told.
    #[serde(default)]
    pub ani_attestation: Option<Attestation>,
    /// Whose check it was, where there was one.
    #[serde(default)]
    pub ani_checked_by: Option<CheckedBy>,
    /// Why our check did not show the number to be right, where we made one and it did not.
    #[serde(default)]
    pub ani_check_fault: Option<Fault>,
    /// Name of the trunk by which the call came; absent where its peer is on none.
    #[serde(default)]
    pub trunk: Option<String>,
    /// The number that the caller dialled, where its trunk says that the call was diverted to us from there.
    #[serde(default)]
    pub first_dialled: Option<String>,
    /// When the INVITE arrived.
    pub started_at: Timestamp,
    /// When the call was answered; absent if it never was.
    pub answered_at: Option<Timestamp>,
    /// When the call ended.
    pub ended_at: Timestamp,
    /// Identifier of the customer, as the back end gave it.
    pub customer: Option<String>,
    /// Name of the customer, where the back end gave one.
    pub name: Option<String>,
    /// By what the customer was identified.
    pub identified_by: Option<Method>,
    /// Name of the question by whose answer the customer was identified, where it was by an identifier.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Entries made for the identifier.
    pub identifier_attempts: u32,
    /// Entries made for the secret.
    pub secret_attempts: u32,
    /// Names of the factors that were shown, in the order in which they were.
    #[serde(default)]
    pub factors: Vec<String>,
    /// The language that the caller heard last.
    #[serde(default)]
    pub language: Option<String>,
    /// The lines that the caller was taken on to, in order.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Whether the line was closed, or its emergency switch on.
    #[serde(default)]
    pub closed: bool,
    /// Whether the call ended in self-service.
    #[serde(default)]
    pub contained: bool,
    /// What had too many failed proofs for another to count, if anything had: the back end was not asked then.
    #[serde(default)]
    pub locked: Option<Lock>,
    /// Whether the caller accepted the notice; absent where none was given, or not answered.
    #[serde(default)]
    pub consent: Option<bool>,
    /// Whether the caller opted out of identification or verification.
    pub opted_out: bool,
    /// Why the back end came to nothing (`unreachable`, `timed_out`, `status`, `refused`, `garbage`, `overloaded`,
    /// `circuit_open`, `not_counted`).
    pub back_end_failure: Option<String>,
    /// The verdict as it stood when the call ended.
    pub verdict: Verdict,
    /// What became of the hand-over; absent if the call never got that far.
    pub hand_over: Option<HandOver>,
    /// Who ended the call.
    pub ended_by: EndedBy,
    /// Why the call ended, in a few words, where there is more to say than who ended it.
    pub reason: Option<String>,
    /// The recording's name, where the call was recorded: `/api/v1/calls/{id}/recording` gives it for as long as it
    /// is kept.
    #[serde(default)]
    pub recording: Option<String>,
    /// What went over the wire.
    pub media: MediaFigures,
}

impl CallRecord {
    /// A call to `line`, of which no more is known yet than when it was and who ended it.
    pub fn of(
        id: String,
        line: &Line,
        started_at: Timestamp,
        ended_at: Timestamp,
        ended_by: EndedBy,
    ) -> Self {
        Self {
            version: RECORD_VERSION,
            id,
            line: line.number.to_string(),
            ani: None,
            ani_source: None,
            ani_withheld: false,
            ani_verstat: None,
            ani_attestation: None,
            ani_checked_by: None,
            ani_check_fault: None,
            trunk: None,
            first_dialled: None,
            started_at,
            answered_at: None,
            ended_at,
            customer: None,
            name: None,
            identified_by: None,
            identifier: None,
            identifier_attempts: 0,
            secret_attempts: 0,
            factors: Vec::new(),
            language: None,
            lines: Vec::new(),
            closed: false,
            contained: false,
            locked: None,
            consent: None,
            opted_out: false,
            back_end_failure: None,
            verdict: Verdict::Unidentified,
            hand_over: None,
            ended_by,
            reason: None,
            recording: None,
            media: MediaFigures::default(),
        }
    }

    /// With the calling number, and what is known of it.
    #[must_use]
    pub fn from_number(self, ani: Option<&Ani>) -> Self {
        let check = ani.and_then(|ani| ani.trust.check());
        Self {
            ani: ani.map(|ani| ani.number.as_str().to_owned()),
            ani_source: ani.map(|ani| ani.source),
            ani_verstat: check.map(|check| check.outcome),
            ani_attestation: check.and_then(|check| check.attestation),
            ani_checked_by: check.map(|check| check.by),
            ..self
        }
    }

    /// With what the conversation came to.
    #[must_use]
    pub fn with_conversation(self, flow: &Flow) -> Self {
        let (standing, summary) = (flow.standing(), flow.summary());
        let customer = standing.customer();
        Self {
            customer: customer.map(|customer| customer.id.clone()),
            name: customer.and_then(|customer| customer.name.clone()),
            identified_by: summary.method,
            identifier: summary.identifier.as_deref().map(str::to_owned),
            identifier_attempts: summary.identifier_attempts,
            secret_attempts: summary.secret_attempts,
            factors: summary.factors.iter().map(ToString::to_string).collect(),
            language: Some(flow.language().to_string()),
            lines: summary.lines.iter().map(ToString::to_string).collect(),
            closed: summary.closed,
            contained: summary.contained,
            locked: summary.locked,
            consent: summary.consent,
            opted_out: summary.opted_out,
            back_end_failure: summary.back_end_failure.map(|failure| failure.as_str().to_owned()),
            verdict: standing.verdict(),
            ..self
        }
    }
}

/// A hand-over: where the call went and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// Name of the configured target.
    pub target: String,
    /// The opaque token that the target was given; `/api/v1/handovers/{token}` answers to it.
    pub token: String,
    /// What came of it.
    pub outcome: HandOverOutcome,
    /// The SIP status that decided it, where one did.
    pub status: Option<u16>,
}

/// What came of a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOverOutcome {
    /// REFER is on its way, or its progress is being followed.
    Pending,
    /// A final sipfrag said 2xx.
    Completed,
    /// The peer took the REFER and ended the call before it reported how it went.
    Unconfirmed,
    /// The REFER itself was refused.
    Refused,
    /// The REFER was taken, and the final sipfrag said 3xx-6xx.
    Failed,
    /// Nothing was heard in time.
    TimedOut,
    /// The caller hung up first.
    Abandoned,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller, by BYE or CANCEL.
    Caller,
    /// We did, by BYE or by refusing the call.
    Portero,
    /// The network: no ACK, no answer, no media.
    Network,
}

/// What went over the wire, seen from here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaFigures {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received and used.
    pub packets_received: u64,
    /// RTP packets missing from the received sequence (RFC 3550 §6.4.1).
    pub packets_lost: u64,
    /// Interarrival jitter of what was received, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Share of our packets that the peer reported lost, 0-1, from its last RTCP report.
    pub remote_loss: Option<f64>,
    /// The peer's jitter of our packets, in milliseconds, from the same.
    #[serde(default)]
    pub remote_jitter_ms: Option<f64>,
    /// The way to the peer and back, in milliseconds (RFC 3550 §6.4.1).
    #[serde(default)]
    pub round_trip_ms: Option<f64>,
    /// How the call sounded to the peer: a mean opinion score, 1 to 4.5, estimated by the E-model (ITU-T G.107).
    #[serde(default)]
    pub remote_opinion: Option<f64>,
    /// Whether it was encrypted (SRTP), as it was agreed last; absent where the call was not answered.
    #[serde(default)]
    pub encrypted: Option<bool>,
}
