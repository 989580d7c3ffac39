//! Recording calls: where it begins, and what must not be in it.
//!
//! A line that gives notice is recorded from its acceptance on, and not before; of who does not accept that of a later
//! line, nothing more is recorded.
//!
//! What a caller keys is cut out wherever anything tells of a key; and for as long as a secret is being asked for, from
//! the first word of its question until its answer is settled, nothing of the caller is recorded at all.

use super::super::one::{Call, CallId, Party};
use super::{Action, Switchboard};
use crate::flow::{Flow, Step};
use crate::media;

impl Switchboard {
    /// Begins to record, where the line wants it and the caller has accepted what there is to accept.
    pub(super) fn begin_recording(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.sound.record || call.recording.is_some() || !call.may_be_recorded() {
            return;
        }
        let name = call.recording.insert(name(call)).clone();
        self.actions.push_back(Action::Tape(call.session(), name));
    }

    /// Has the recording of a call leave the caller out for as long as a secret is being asked for, and from when on they
    /// have not consented.
    pub(super) fn conceal(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.recording.is_some()) else { return };
        let concealed = call.flow().map(Flow::step) == Some(Step::Verifying) || call.consent() == Some(false);
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

impl Call {
    fn consent(&self) -> Option<bool> {
        self.flow()?.summary().consent
    }

    fn may_be_recorded(&self) -> bool {
        match &self.party {
            Party::Line(line) => line.notice.is_none() || self.consent() == Some(true),
            Party::Agents(_) => false,
        }
    }
}

/// By day (UTC) and call.
fn name(call: &Call) -> String {
    format!("{}/{}.wav", call.started_at.strftime("%Y-%m-%d"), call.id)
}
