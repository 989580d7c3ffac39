//! The ways a call ends, all of which lead to one record.

use std::time::{Duration, Instant};

use super::super::one::{CallId, Ending, Phase, Script};
use super::super::record::EndedBy;
use super::{Action, Switchboard, Timer};
use crate::{flow, media, sip};

/// How long a media session may take to hand in its figures.
const FIGURES_WITHIN: Duration = Duration::from_secs(2);

impl Switchboard {
    /// The peer says why it is about to end the call.
    pub(super) fn explained(&mut self, id: CallId, reason: sip::Reason) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.parting = Some(reason);
        }
    }

    /// The dialog is over.
    pub(super) fn ended(&mut self, id: CallId, cause: sip::EndCause, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (by, reason) = match cause {
            sip::EndCause::RemoteBye => (EndedBy::Caller, None),
            sip::EndCause::RemoteCancel => (EndedBy::Caller, Some("cancelled before the answer")),
            sip::EndCause::NoAck => (EndedBy::Network, Some("no ACK")),
            sip::EndCause::PeerGone => (EndedBy::Network, Some("the peer is gone")),
            sip::EndCause::LocalBye | sip::EndCause::LocalReject | sip::EndCause::Refused(_) => {
                (EndedBy::Portero, None)
            }
        };
        if let Some(hand_over) = &mut call.hand_over {
            hand_over.peer_hung_up();
        }
        let said = call.parting.map(|said| format!("the peer said {said}"));
        let reason: Vec<&str> = reason.into_iter().chain(said.as_deref()).collect();
        let reason = (!reason.is_empty()).then(|| reason.join("; "));
        self.close(id, by, reason.as_deref(), now);
    }

    /// Ends the call from our side.
    pub(super) fn hang_up(&mut self, id: CallId, by: EndedBy, reason: Option<&str>, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(call.phase, Phase::Closing(_)) {
            return;
        }
        let reason = reason.map(ToOwned::to_owned).or_else(|| call.failed_hand_over());
        self.endpoint.bye(call.dialog, now);
        self.close(id, by, reason.as_deref(), now);
    }

    /// Refuses a call that has not been answered.
    pub(super) fn refuse(&mut self, id: CallId, status: u16, reason: &str, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        self.endpoint.reject(call.dialog, status, now);
        self.close(id, EndedBy::Portero, Some(reason), now);
    }

    /// Ends everything of a call but its media session, whose figures are awaited.
    fn close(&mut self, id: CallId, by: EndedBy, reason: Option<&str>, now: Instant) {
        for timer in [Timer::Check, Timer::Ring, Timer::Flow, Timer::Speech, Timer::HandOver, Timer::Agents] {
            self.timers.clear((id, timer));
        }
        let at = self.clock.date(now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if matches!(call.phase, Phase::Closing(_)) {
            return;
        }
        call.pending = None;
        self.by_dialog.remove(&call.dialog);
        self.traces.end(id, now);
        let ending = Ending { at, by, reason: reason.map(ToOwned::to_owned), flow: None };
        let flow = match std::mem::replace(&mut call.phase, Phase::Closing(ending)) {
            Phase::Talking(Script::Line(mut flow)) => {
                flow.handle(flow::Event::HungUp, now);
                Some(flow)
            }
            _ => None,
        };
        if let Phase::Closing(ending) = &mut call.phase {
            ending.flow = flow;
        }
        let open = call.media_open.then(|| call.session());
        self.show(id, now);
        match open {
            Some(session) => {
                self.actions.push_back(Action::Media(session, media::Command::Close));
                self.timers.set((id, Timer::Figures), now + FIGURES_WITHIN);
            }
            None => self.closed(id, &media::Figures::default()),
        }
    }

    /// The media session has handed in its figures: the call is recorded and forgotten.
    pub(super) fn closed(&mut self, id: CallId, figures: &media::Figures) {
        if !self.calls.get(&id).is_some_and(|call| matches!(call.phase, Phase::Closing(_))) {
            return;
        }
        let Some(call) = self.calls.remove(&id) else { return };
        self.timers.clear((id, Timer::Figures));
        self.ports.release(call.port);
        if let Some(trunk) = &call.trunk {
            self.loads.end(trunk);
        }
        if let Some(record) = call.record(figures) {
            self.actions.push_back(Action::Record(Box::new(record)));
        }
    }
}
