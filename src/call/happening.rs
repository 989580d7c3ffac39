//! What happens to a call that others want to be told of: each thing once, in the order in which it came about.

use jiff::Timestamp;

use super::record::{CallRecord, HandOverOutcome};
use super::view::CallView;
use crate::flow::Verdict;
pub use crate::flow::{Aim, Lock};

/// Something that has happened to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// What it is.
    pub what: Milestone,
    /// When.
    pub at: Timestamp,
    /// The call as it was then.
    pub call: CallView,
}

/// What a call can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Milestone {
    /// Its INVITE has arrived, and it is taken on.
    Started,
    /// The back end has told who the caller is, or claims to be.
    Identified,
    /// The back end has said yes to all that it had to.
    Verified,
    /// There were too many failed proofs for another to count.
    Locked(Lock),
    /// What the line asks for will not come.
    Failed(Aim),
    /// The target has taken it, or has hung up on us as if it had.
    HandedOver,
    /// It is over, and its record is kept.
    Ended,
}

/// What kind of milestone: a call passes one of each at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MilestoneKind {
    /// [`Milestone::Started`]
    Started,
    /// [`Milestone::Identified`]
    Identified,
    /// [`Milestone::Verified`]
    Verified,
    /// [`Milestone::Locked`]
    Locked,
    /// [`Milestone::Failed`]
    Failed,
    /// [`Milestone::HandedOver`]
    HandedOver,
    /// [`Milestone::Ended`]
    Ended,
}

impl MilestoneKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Identified,
        Self::Verified,
        Self::Locked,
        Self::Failed,
        Self::HandedOver,
        Self::Ended,
    ];

    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Identified => "identified",
            Self::Verified => "verified",
            Self::Locked => "locked",
            Self::Failed => "failed",
            Self::HandedOver => "handed_over",
            Self::Ended => "ended",
        }
    }
}

impl Milestone {
    /// What kind it is of.
    pub fn kind(self) -> MilestoneKind {
        match self {
            Self::Started => MilestoneKind::Started,
            Self::Identified => MilestoneKind::Identified,
            Self::Verified => MilestoneKind::Verified,
            Self::Locked(_) => MilestoneKind::Locked,
            Self::Failed(_) => MilestoneKind::Failed,
            Self::HandedOver => MilestoneKind::HandedOver,
            Self::Ended => MilestoneKind::Ended,
        }
    }
}

impl Happening {
    /// The end of a call, of which whoever keeps its record tells.
    pub fn end(record: CallRecord) -> Self {
        Self { what: Milestone::Ended, at: record.ended_at, call: CallView::of_record(record) }
    }
}

/// How far a call has come, as far as milestones go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub verdict: Verdict,
    pub locked: Option<Lock>,
    pub missed: Option<Aim>,
    pub outcome: Option<HandOverOutcome>,
}

impl Progress {
    /// What it has passed. Its end is not among them: the call does not live to see that its record is kept.
    fn milestones(self) -> impl Iterator<Item = Milestone> {
        let taken = matches!(self.outcome, Some(HandOverOutcome::Completed | HandOverOutcome::Unconfirmed));
        let passed = [
            Some(Milestone::Started),
            self.verdict.is_at_least(Verdict::Identified).then_some(Milestone::Identified),
            self.verdict.is_at_least(Verdict::Verified).then_some(Milestone::Verified),
            self.locked.map(Milestone::Locked),
            self.missed.map(Milestone::Failed),
            taken.then_some(Milestone::HandedOver),
        ];
        passed.into_iter().flatten()
    }
}

/// The milestones of a call that have been told.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<MilestoneKind>);

impl Told {
    /// What is to be told now.
    pub fn news(&mut self, progress: Progress) -> Vec<Milestone> {
        let new: Vec<Milestone> =
            progress.milestones().filter(|passed| !self.0.contains(&passed.kind())).collect();
        self.0.extend(new.iter().map(|passed| passed.kind()));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::Milestone::{Failed, HandedOver, Identified, Locked, Started, Verified};
    use super::*;

    const NOTHING: Progress =
        Progress { verdict: Verdict::Unidentified, locked: None, missed: None, outcome: None };

    #[test]
    fn each_milestone_is_told_once_and_in_order() {
        let identified = Progress { verdict: Verdict::Identified, ..NOTHING };
        let locked = Progress { locked: Some(Lock::Customer), ..identified };
        let missed = Progress { missed: Some(Aim::Verification), ..locked };
        let pending = Progress { outcome: Some(HandOverOutcome::Pending), ..missed };
        let taken = Progress { outcome: Some(HandOverOutcome::Completed), ..missed };
        let mut told = Told::default();
        let steps: [(Progress, &[Milestone]); 8] = [
            (NOTHING, &[Started]),
            (NOTHING, &[]),
            (identified, &[Identified]),
            (locked, &[Locked(Lock::Customer)]),
            (missed, &[Failed(Aim::Verification)]),
            (pending, &[]),
            (taken, &[HandedOver]),
            (Progress { outcome: Some(HandOverOutcome::Unconfirmed), ..taken }, &[]),
        ];
        for (progress, expected) in steps {
            assert_eq!(told.news(progress), expected, "{progress:?}");
        }
    }

    #[test]
    fn what_happens_at_once_is_told_one_after_another() {
        let verified = Progress { verdict: Verdict::Verified, ..NOTHING };
        assert_eq!(Told::default().news(verified), [Started, Identified, Verified]);
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = MilestoneKind::ALL.map(MilestoneKind::as_str).into();
        assert_eq!(words.len(), MilestoneKind::ALL.len());
    }
}
