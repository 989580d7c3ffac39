//! Calling numbers that are checked before their calls are answered.

use std::time::Instant;

use super::super::one::{CallId, Party, Phase};
use super::super::passports::{self, Checking};
use super::{Action, Switchboard, Timer};
use crate::sip::Invitation;
use crate::stir::{Fault, Finding};

impl Switchboard {
    /// Takes in what the check of a calling number came to. Comes it late, it changes nothing.
    pub fn checked(&mut self, id: CallId, finding: Finding, now: Instant) {
        self.settle_check(id, finding, now);
        self.drain(now);
    }

    /// Has the calling number checked, where that is wanted. For as long as that takes, the call rings.
    pub(super) fn check_number(&mut self, id: CallId, invitation: &Invitation, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (Party::Line(line), Some(ani)) = (&call.party, &call.ani) else { return };
        let trunk = call.trunk.as_deref();
        if !call.plan.passports.are_wanted(line, trunk) {
            return;
        }
        call.checking = Checking::Awaited;
        if invitation.identity.signed.fields.is_empty() {
            return self.settle_check(id, Err(Fault::Absent), now);
        }
        let presented = passports::presented(invitation, ani.number.clone(), line, &call.plan.lines, trunk);
        let deadline = now + call.plan.passports.deadline;
        self.actions.push_back(Action::Check(id, Box::new(presented)));
        self.timers.set((id, Timer::Check), deadline);
    }

    /// The check is over, or has been waited for long enough.
    pub(super) fn settle_check(&mut self, id: CallId, finding: Finding, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.checking != Checking::Awaited {
            return;
        }
        self.timers.clear((id, Timer::Check));
        call.checking = Checking::Over(finding.err());
        if let Some(ani) = &mut call.ani {
            ani.trust = passports::checked(ani.trust, finding);
        }
        if matches!(call.phase, Phase::Ringing { .. }) {
            self.rung(id, now);
        }
        self.show(id, now);
    }
}
