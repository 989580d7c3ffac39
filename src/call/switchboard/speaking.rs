//! What is said once it has been fetched, or its time is over.

use std::sync::Arc;
use std::time::Instant;

use super::super::one::CallId;
use super::super::sounding;
use super::super::speaking::{Fetched, Pending};
use super::{Action, Switchboard, Timer};
use crate::audio::Prompt;
use crate::flow::{Play, PlayId};
use crate::media;

impl Switchboard {
    /// Takes in what was to be fetched for a call, or that it could not be. Comes it late, it changes nothing.
    pub fn spoken(
        &mut self,
        id: CallId,
        (play, place): (PlayId, usize),
        fetched: Option<Arc<Prompt>>,
        now: Instant,
    ) {
        let pending = self.calls.get_mut(&id).and_then(|call| call.pending.as_mut());
        let Some(pending) = pending else { return };
        pending.take(play, place, fetched);
        if pending.is_complete() {
            self.say_pending(id);
        }
        self.drain(now);
    }

    /// Plays, once what has to be fetched for it has come. Until then there is silence, and keys count.
    pub(super) fn play(&mut self, id: CallId, play: Play, now: Instant) {
        self.forget_pending(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let speech = call.plan.speech;
        let wanted = speech.wanted(&play);
        if wanted.is_empty() {
            let command = sounding::command(&call.plan.prompts, &play, &Fetched::new());
            return self.actions.push_back(Action::Media(call.session(), command));
        }
        self.actions.push_back(Action::Media(call.session(), media::Command::Stop));
        call.pending = Some(Pending::new(play, &wanted));
        self.actions.extend(wanted.into_iter().map(|utterance| Action::Speak(id, utterance)));
        self.timers.set((id, Timer::Speech), now + speech.deadline);
    }

    /// Plays what waits, with what has come for it.
    pub(super) fn say_pending(&mut self, id: CallId) {
        self.timers.clear((id, Timer::Speech));
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((play, fetched)) = call.pending.take().map(Pending::into_parts) else { return };
        let command = sounding::command(&call.plan.prompts, &play, &fetched);
        self.actions.push_back(Action::Media(call.session(), command));
    }

    /// What waits will not be said.
    pub(super) fn forget_pending(&mut self, id: CallId) {
        self.timers.clear((id, Timer::Speech));
        if let Some(call) = self.calls.get_mut(&id) {
            call.pending = None;
        }
    }
}
