//! What of a call somebody may see. The one place that leaves fields out, for the API and the event stream alike.

use std::sync::Arc;

use super::door::Visitor;
use crate::access::{Scope, Scopes};
use crate::call::{CallView, HandOverView};

/// What somebody may see of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight(Scopes);

impl Sight {
    /// What this visitor may see.
    pub fn of(visitor: &Visitor) -> Self {
        Self(visitor.scopes)
    }

    /// Whether calls of before the last hour are theirs to see, and whole records.
    pub fn records(self) -> bool {
        self.0.has(Scope::RecordsRead)
    }

    /// Whether the SIP messages are.
    pub fn traces(self) -> bool {
        self.0.has(Scope::TracesRead)
    }

    /// Whether what was said is theirs to hear.
    pub fn recordings(self) -> bool {
        self.0.has(Scope::RecordingsRead)
    }

    /// The call as they may see it: without its record, and without the token that a hand-over is asked for by, unless
    /// these are theirs.
    pub fn call(self, view: &Arc<CallView>) -> Arc<CallView> {
        let tokens = self.0.has(Scope::HandOversRead);
        if (self.records() || view.record.is_none()) && (tokens || view.hand_over.is_none()) {
            return Arc::clone(view);
        }
        let record = view.record.clone().filter(|_| self.records());
        let hand_over = view.hand_over.clone().map(|hand_over| HandOverView {
            token: if tokens { hand_over.token } else { String::new() },
            ..hand_over
        });
        Arc::new(CallView { hand_over, record, ..CallView::clone(view) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::sample;

    #[test]
    fn only_who_may_sees_records_and_tokens() {
        let view = Arc::new(CallView::of_record(sample::record(1)));
        let table = [
            ("calls:read", false, false),
            ("calls:read handovers:read", false, true),
            ("calls:read records:read", true, false),
            ("agent", false, true),
            ("supervisor", true, true),
            ("editor", false, false),
            ("admin", true, true),
        ];
        for (scopes, record, token) in table {
            let seen = Sight(Scopes::parse(scopes).expect("scopes")).call(&view);
            let shown = seen.hand_over.as_ref().is_some_and(|hand_over| !hand_over.token.is_empty());
            assert_eq!((seen.record.is_some(), shown), (record, token), "{scopes}");
            assert_eq!((&seen.id, &seen.name), (&view.id, &view.name), "the rest is there");
        }
    }
}
