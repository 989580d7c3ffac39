//! Recording calls: where it begins, and what must not be in it.
//!
//! What a caller keys is cut out wherever anything tells of a key; and for as long as a secret is being asked for, from
//! the first word of its question until its answer is settled, nothing of the caller is recorded at all.

use super::super::one::{Call, CallId, Party};
use super::{Action, Switchboard};
use crate::flow::{Flow, Step};
use crate::media;

impl Switchboard {
    /// The conversation begins, and with it the recording, where the line wants one.
    pub(super) fn begin_recording(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.sound.record || !matches!(call.party, Party::Line(_)) {
            return;
        }
        let name = call.recording.insert(name(call)).clone();
        self.actions.push_back(Action::Tape(call.session(), name));
    }

    /// Has the recording of a call leave the caller out for as long as a secret is being asked for.
    pub(super) fn conceal(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.recording.is_some()) else { return };
        let concealed = call.flow().map(Flow::step) == Some(Step::Verifying);
        if std::mem::replace(&mut call.concealed, concealed) != concealed {
            let conceal = media::Command::Conceal(concealed);
            self.actions.push_back(Action::Media(call.session(), conceal));
        }
    }

    /// A key that the media session does not know of may be in its audio as well.
    pub(super) fn key_told(&mut self, id: CallId) {
        if let Some(call) = self.calls.get(&id).filter(|call| call.recording.is_some()) {
            self.actions.push_back(Action::Media(call.session(), media::Command::KeyTold));
        }
    }
}

/// By day (UTC) and call.
fn name(call: &Call) -> String {
    format!("{}/{}.wav", call.started_at.strftime("%Y-%m-%d"), call.id)
}
