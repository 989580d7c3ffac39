//! What is known of a call once the world has come to rest, and what must hold of it.

use std::collections::BTreeSet;

use portero::call::{CallRecord, EndedBy, HandOverOutcome, Happening, Milestone, MilestoneKind};
use portero::flow::{Aim, Verdict};

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
    /// What others were told of it.
    pub happenings: Vec<Happening>,
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
        self.check_happenings(run);
        let mut keyed = self.keyed.chars();
        let once = self.asked.chars().all(|asked| keyed.any(|key| key == asked));
        assert!(once, "{run}: of {:?} became {:?}", self.keyed, self.asked);
    }

    /// What others were told is each of it once, begins and ends with the call, and is what its record says.
    fn check_happenings(&self, run: &str) {
        let kinds: Vec<MilestoneKind> = self.happenings.iter().map(|told| told.what.kind()).collect();
        let told = |kind| kinds.contains(&kind);
        let distinct: BTreeSet<_> = kinds.iter().collect();
        assert_eq!(distinct.len(), kinds.len(), "{run}: once each: {kinds:?}");
        assert_eq!(kinds.first(), Some(&MilestoneKind::Started), "{run}");
        assert_eq!(kinds.last(), Some(&MilestoneKind::Ended), "{run}");
        let verdict = self.record.verdict;
        assert_eq!(told(MilestoneKind::Identified), verdict.is_at_least(Verdict::Identified), "{run}");
        assert_eq!(told(MilestoneKind::Verified), verdict == Verdict::Verified, "{run}");
        let handed_over = self.record.hand_over.as_ref().map(|hand_over| hand_over.outcome);
        let taken = [Some(HandOverOutcome::Completed), Some(HandOverOutcome::Unconfirmed)];
        assert_eq!(told(MilestoneKind::HandedOver), taken.contains(&handed_over), "{run}");
        let aim = match verdict {
            Verdict::Unidentified => Some(Aim::Identification),
            Verdict::Identified => Some(Aim::Verification),
            Verdict::Verified => None,
        };
        let failed = self.happenings.iter().find_map(|told| match told.what {
            Milestone::Failed(aim) => Some(aim),
            _ => None,
        });
        // Who was handed over had been asked everything; who left before may not have been.
        assert!(failed == aim || (failed.is_none() && handed_over.is_none()), "{run}: {failed:?} of {aim:?}");
    }

    pub fn outcome(&self) -> Outcome {
        let hand_over = self.record.hand_over.as_ref().map(|hand_over| hand_over.outcome);
        (self.record.verdict, hand_over, self.record.ended_by, self.asked.clone())
    }
}
