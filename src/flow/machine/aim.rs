//! What a conversation was to come to, and whether it still may.

use super::super::{Line, Standing, Step};
use super::Flow;

/// What a line asks callers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aim {
    /// To know who it is.
    Identification,
    /// To have it shown.
    Verification,
}

impl Aim {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identification => "identification",
            Self::Verification => "verification",
        }
    }
}

impl Flow {
    /// What the line aims at and has not come to, once it no longer will: the questions are over, or the caller hung up
    /// in the middle of them. Whoever hears no more than the greeting has not been asked anything.
    pub fn missed(&self) -> Option<Aim> {
        match self.left_at.unwrap_or(self.step()) {
            Step::Greeting => return None,
            Step::Identifying | Step::Verifying if self.left_at.is_none() => return None,
            _ if self.summary.closed => return None,
            Step::Identifying | Step::Verifying | Step::Serving | Step::HandingOver | Step::Ended => {}
        }
        match self.standing() {
            Standing::Unidentified => identifies(&self.line).then_some(Aim::Identification),
            Standing::Identified(_) => (!self.line.factors.is_empty()).then_some(Aim::Verification),
            Standing::Verified(..) => None,
        }
    }
}

fn identifies(line: &Line) -> bool {
    line.by_number.is_some() || !line.identification.questions.is_empty()
}
