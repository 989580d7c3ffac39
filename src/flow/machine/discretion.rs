//! Keeping to ourselves which identifiers there are.
//!
//! Until the proof, what a caller hears and when must be the same whether an identifier is somebody's, nobody's, or several
//! people's. So nobody's leads on as a [`Who::Stranger`]; what the back end says of an entry is acted upon at one time
//! after it; what could tell of the customer is not said, and a failure that could have to do with them is a "no"; and who
//! has proven nothing comes to where the unidentified do. Records and hand-overs tell how it really is.
//!
//! It is not about calling numbers: whose number identifies them is not asked who they are, which can be heard.

use std::time::Instant;

use super::super::{Answer, Customer, Discretion, Verdict};
use super::Flow;
use super::state::{Fault, Held, Subject, Who};

impl Flow {
    /// What the line asks for, or one before it did on which the caller said who they are.
    pub(super) fn discretion(&self) -> Option<Discretion> {
        self.line.discretion.or(self.kept_discretion)
    }

    /// Has what the line asks for hold on the next one, too.
    pub(super) fn keep_discretion(&mut self) {
        if !self.who.is_open() {
            self.kept_discretion = self.discretion();
        }
    }

    /// The verdict that decides over what callers hear and come to.
    pub(super) fn audible_verdict(&self) -> Verdict {
        match self.who.verdict() {
            Verdict::Identified if self.discretion().is_some() => Verdict::Unidentified,
            verdict => verdict,
        }
    }

    /// The customer, as far as anything of theirs may be heard.
    pub(super) fn audible_customer(&self) -> Option<&Customer> {
        self.who.customer().filter(|_| self.audible_verdict() != Verdict::Unidentified)
    }

    /// Leads on somebody whose identifier is not one customer's.
    pub(super) fn strange(&mut self, now: Instant) {
        self.who = Who::Stranger;
        self.verify(now);
    }

    /// Waits as if the back end were asked something that it answers so.
    pub(super) fn pretend_to_ask(&mut self, answer: Answer, now: Instant) {
        self.wait_for(None, Held::Yes(Some(answer)), now);
    }

    /// Whether callers must not hear of this failure.
    pub(super) fn keeps_to_itself(&self, subject: Subject, answer: &Answer) -> bool {
        let Answer::Failed(failure) = answer else { return false };
        // Before a secret is checked it is settled whose it would be, so that any failure tells that there is somebody.
        self.discretion().is_some() && (matches!(subject, Subject::Factor(_)) || failure.may_tell())
    }

    /// Goes on from such a failure as if the back end had said "no".
    pub(super) fn keep_failure(&mut self, subject: Subject, now: Instant) {
        match subject {
            Subject::Factor(_) => self.fail(Fault::NoMatch, now),
            _ => self.strange(now),
        }
    }
}
