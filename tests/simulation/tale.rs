//! What is known of a call once the world has come to rest, and what must hold of it.

use portero::call::{CallRecord, EndedBy, HandOverOutcome};
use portero::flow::Verdict;

#[derive(Debug)]
pub struct Tale {
    pub record: CallRecord,
    pub records: usize,
    /// The messages of each of its traces.
    pub traces: Vec<usize>,
    /// Whether the back end said yes to the secret.
    pub confirmed: bool,
    /// What the back end was asked, one after another.
    pub asked: String,
    /// What had been keyed when its recording began; `None` where it never did.
    pub taped_after: Option<String>,
    /// How many keys its recording was told of.
    pub told: usize,
    /// What the caller keyed; empty where the call was not answered.
    pub keyed: String,
}

/// What a lost message may not change.
pub type Outcome = (Verdict, Option<HandOverOutcome>, EndedBy, String);

impl Tale {
    /// What must hold of any call.
    pub fn check(&self, run: &str) {
        assert_eq!(self.records, 1, "{run}: one record a call");
        assert_eq!(self.traces.len(), 1, "{run}: one trace a call");
        assert!(self.traces[0] > 1, "{run}: the trace has the INVITE and its answer");
        let verified = self.record.verdict == Verdict::Verified;
        assert!(!verified || self.confirmed, "{run}: verified without the back end's yes");
        assert!(self.record.identifier_attempts <= 4 && self.record.secret_attempts <= 4, "{run}");
        assert!(self.record.ended_at >= self.record.started_at, "{run}");
        assert!(self.record.recording.is_some() || self.asked.is_empty(), "{run}: the line is recorded");
        let mut keyed = self.keyed.chars();
        let once = self.asked.chars().all(|asked| keyed.any(|key| key == asked));
        assert!(once, "{run}: of {:?} became {:?}", self.keyed, self.asked);
    }

    pub fn outcome(&self) -> Outcome {
        let hand_over = self.record.hand_over.as_ref().map(|hand_over| hand_over.outcome);
        (self.record.verdict, hand_over, self.record.ended_by, self.asked.clone())
    }
}
