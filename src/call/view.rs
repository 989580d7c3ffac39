//! A call as those see it who watch: the live page and the API.

use jiff::Timestamp;
use serde::Serialize;

use super::record::{CallRecord, HandOverOutcome};
use crate::flow::{AniSource, Attestation, CheckOutcome, CheckedBy, Verdict};

/// One call, live or ended, in the shape that the API and the page show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallView {
    /// Our identifier of the call: 16 hexadecimal digits.
    pub id: String,
    /// Number of the service line.
    pub line: String,
    /// The calling number, where it was usable.
    pub ani: Option<String>,
    /// Which header told the calling number, where there is one.
    pub ani_source: Option<AniSource>,
    /// Whether the calling number was kept back.
    pub ani_withheld: bool,
    /// What a check of the calling number came to, where there was one.
    pub ani_verstat: Option<CheckOutcome>,
    /// How far the caller's own network answers for the calling number, where that is known.
    pub ani_attestation: Option<Attestation>,
    /// Whose check it was, where there was one.
    pub ani_checked_by: Option<CheckedBy>,
    /// Name of the trunk by which the call came; absent where its peer is on none.
    pub trunk: Option<String>,
    /// When the INVITE arrived.
    pub started_at: Timestamp,
    /// Where the caller is.
    pub stage: Stage,
    /// What is known so far; it only ever rises.
    pub verdict: Verdict,
    /// The verdict as people read it.
    pub title: &'static str,
    /// Identifier of the customer, once known.
    pub customer: Option<String>,
    /// Name of the customer, once known.
    pub name: Option<String>,
    /// The hand-over's target and token, once it has begun.
    pub hand_over: Option<HandOverView>,
    /// The whole record, once the call has ended.
    pub record: Option<Box<CallRecord>>,
}

/// A hand-over as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandOverView {
    /// Name of the configured target.
    pub target: String,
    /// The opaque token.
    pub token: String,
    /// When the REFER was sent.
    pub at: Timestamp,
    /// How far it has come.
    pub outcome: HandOverOutcome,
}

/// Where a caller is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not answered yet.
    Ringing,
    /// The greeting plays.
    Greeting,
    /// Being asked who they are.
    Identifying,
    /// Being asked for their secret.
    Verifying,
    /// Helping themselves.
    Serving,
    /// On the way to a target.
    HandingOver,
    /// Over.
    Ended,
}

impl CallView {
    /// The view of an ended call.
    pub fn of_record(record: CallRecord) -> Self {
        let hand_over = record.hand_over.as_ref().map(|hand_over| HandOverView {
            target: hand_over.target.clone(),
            token: hand_over.token.clone(),
            at: record.ended_at,
            outcome: hand_over.outcome,
        });
        Self {
            id: record.id.clone(),
            line: record.line.clone(),
            ani: record.ani.clone(),
            ani_source: record.ani_source,
            ani_withheld: record.ani_withheld,
            ani_verstat: record.ani_verstat,
            ani_attestation: record.ani_attestation,
            ani_checked_by: record.ani_checked_by,
            trunk: record.trunk.clone(),
            started_at: record.started_at,
            stage: Stage::Ended,
            verdict: record.verdict,
            title: record.verdict.title(),
            customer: record.customer.clone(),
            name: record.name.clone(),
            hand_over,
            record: Some(Box::new(record)),
        }
    }
}
