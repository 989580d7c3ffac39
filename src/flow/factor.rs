//! Factors of verification, and how far a caller has come with them.

use std::sync::Arc;
use std::time::Duration;

use super::standing::Proof;
use super::{ActionName, Announcement, Question, Standing, TrustLevel};
use crate::secret::Digit;

/// One thing that shows a caller to be the customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// What records call it.
    pub name: Arc<str>,
    /// How it is asked for.
    pub question: Question,
    /// What is keyed.
    pub kind: FactorKind,
    /// The action that checks it.
    pub action: ActionName,
    /// Whether the verdict depends on it.
    pub need: Need,
}

/// Whether a verdict depends on a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It does.
    Required,
    /// It does not: it is asked for, and the record says whether it was right.
    Optional,
    /// It does, unless the caller was identified by a number with at least this trust; it is not asked for then.
    RequiredBelow(TrustLevel),
}

/// What the calling number does for whoever is to show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouching {
    /// Nothing: it is not what has identified them.
    Nothing,
    /// It spares the factors that are required below a trust that it has.
    Spares(TrustLevel),
    /// It has less trust than the line wants of it: every factor is required.
    Raises,
}

/// What is keyed for a factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorKind {
    /// All of a secret: a PIN, the last four digits of something.
    Whole,
    /// A date, in the order of the caller's language, as eight digits; checked as `1980-12-31`.
    Date,
    /// `count` places of a secret that is `length` long, other ones each call, the same throughout one.
    Partial {
        /// How many digits the secret has.
        length: u8,
        /// How many of them are asked for, less than that.
        count: u8,
    },
    /// A one-time code that the back end sends.
    Code(Box<CodePlan>),
}

/// How a one-time code reaches the customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePlan {
    /// The action that has it sent.
    pub send: ActionName,
    /// The customer's attribute that holds where it can be sent; `None` leaves that to the back end.
    pub contacts: Option<Arc<str>>,
    /// Asks which, where there are several; its entry is one digit.
    pub choose: Question,
    /// Said of each after that question.
    pub offer: Announcement,
    /// Said when it is on its way, before the code is asked for.
    pub sent: Announcement,
    /// Said in place of "wrong" when the code has expired.
    pub expired: Announcement,
    /// How long it is good for.
    pub valid_for: Duration,
    /// The key that has another one sent, where it comes first.
    pub resend_key: Option<Digit>,
    /// How many further ones may be sent.
    pub resends: u32,
}

/// How far a caller has come with a line's factors. The only way to a [`Standing::Verified`].
#[derive(Debug)]
pub struct Verification {
    factors: Vec<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open { required: bool },
    Waived,
    Passed,
    Failed { required: bool },
}

impl Factor {
    /// How its one-time code is sent, if it is one.
    pub fn code(&self) -> Option<&CodePlan> {
        match &self.kind {
            FactorKind::Code(plan) => Some(plan),
            FactorKind::Whole | FactorKind::Date | FactorKind::Partial { .. } => None,
        }
    }
}

impl Verification {
    /// None is passed yet; those that the calling number spares are not asked for.
    pub fn begin(factors: &[Factor], vouching: Vouching) -> Self {
        let progress = |factor: &Factor| match (factor.need, vouching) {
            (Need::RequiredBelow(level), Vouching::Spares(trust)) if trust >= level => Progress::Waived,
            (Need::Optional, Vouching::Nothing | Vouching::Spares(_)) => Progress::Open { required: false },
            _ => Progress::Open { required: true },
        };
        Self { factors: factors.iter().map(progress).collect() }
    }

    /// The factor to ask for next; `None` when it is decided.
    pub fn next(&self) -> Option<usize> {
        if self.factors.contains(&Progress::Failed { required: true }) {
            return None;
        }
        self.factors.iter().position(|progress| matches!(progress, Progress::Open { .. }))
    }

    /// The back end said yes to this factor.
    pub fn pass(&mut self, nth: usize) {
        if let Some(progress) = self.factors.get_mut(nth) {
            *progress = Progress::Passed;
        }
    }

    /// This factor came to nothing.
    pub fn fail(&mut self, nth: usize) {
        if let Some(progress) = self.factors.get_mut(nth)
            && let Progress::Open { required } = *progress
        {
            *progress = Progress::Failed { required };
        }
    }

    /// The factors that were passed.
    pub fn passed(&self) -> impl Iterator<Item = usize> {
        self.factors
            .iter()
            .enumerate()
            .filter(|(_, progress)| **progress == Progress::Passed)
            .map(|(nth, _)| nth)
    }

    /// What `standing` becomes: verified, where nothing required is missing and something was shown at all, so that
    /// trust in a number alone never verifies.
    pub fn conclude(&self, standing: Standing) -> Standing {
        let missing = |progress: &Progress| {
            matches!(progress, Progress::Open { required: true } | Progress::Failed { required: true })
        };
        match standing {
            Standing::Identified(customer)
                if self.factors.contains(&Progress::Passed) && !self.factors.iter().any(missing) =>
            {
                Standing::Verified(customer, Proof::new())
            }
            standing => standing,
        }
    }
}
