//! One call: a dialog, a media session and a script, and what the record will say of them.
//!
//! It holds state and draws it; the [`Switchboard`](super::Switchboard) moves it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::hand_over::FollowedHandOver;
use super::happening::{Milestone, Progress, Told};
use super::keypad::Keypad;
use super::numbers::Treatment;
use super::passports::Checking;
use super::plan::{Plan, Sound, Srtp};
use super::record::{CallRecord, EndedBy, HandOverOutcome, MediaFigures};
use super::speaking::Pending;
use super::switchboard::Origin;
use super::trunk::Trunk;
use super::view::{CallView, HandOverView, Stage};
use crate::flow::{Ani, Check, Flow, Line, PhoneNumber, PromptId, Standing, Step, Verdict};
use crate::media;
use crate::sdp;
use crate::secret::Waiting;
use crate::sip::{DialogId, Hop, Reason};
use crate::srtp::KeyRing;

/// Names a call for its whole life and in its record. Printed as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl CallId {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_ours = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u64::from_str_radix(text, 16).ok().filter(|_| is_ours).map(Self)
    }
}

/// A call, from its INVITE to its record.
#[derive(Debug)]
pub(super) struct Call {
    pub id: CallId,
    pub dialog: DialogId,
    /// By which it came; `None` where its peer is on none.
    pub trunk: Option<Arc<Trunk>>,
    pub plan: Arc<Plan>,
    pub party: Party,
    pub sound: Sound,
    pub phase: Phase,
    /// The reserved RTP port.
    pub port: u16,
    /// Whether a media session has been asked for, and so will hand in figures.
    pub media_open: bool,
    pub description: Description,
    /// Our keys for encrypted media; none where the line takes no such.
    pub keys: KeyRing,
    /// Whether media is encrypted as things stand.
    pub is_encrypted: bool,
    /// The way by which the INVITE came.
    pub hop: Hop,
    pub ani: Option<Ani>,
    /// How our check of it stands.
    pub checking: Checking,
    /// Whether the calling number was kept back.
    pub ani_withheld: bool,
    /// What the caller dialled, where the call was diverted to us.
    pub first_dialled: Option<PhoneNumber>,
    pub keypad: Keypad,
    /// Keys pressed between our 200 and its ACK.
    pub early_keys: Waiting,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub hand_over: Option<FollowedHandOver>,
    /// What waits to be said until it has been fetched.
    pub pending: Option<Pending>,
    /// The name of the recording, once there is one.
    pub recording: Option<String>,
    /// Whether the recording has been told that the caller is being asked for a secret.
    pub concealed: bool,
    /// What the peer said of why it ends the call, where that is out of the ordinary.
    pub parting: Option<Reason>,
    /// The look of the call when it was last shown.
    pub shown: Option<Look>,
    /// What others have been told of it.
    pub told: Told,
}

/// Whom the caller reached.
#[derive(Debug)]
pub(super) enum Party {
    /// A service line.
    Line(Arc<Line>),
    /// The demo's agents, who say this. Such calls are no customers' calls: no record, no view.
    Agents(Vec<PromptId>),
}

impl Party {
    /// The line, where it is one.
    pub fn line(&self) -> Option<&Line> {
        match self {
            Self::Line(line) => Some(line),
            Self::Agents(_) => None,
        }
    }
}

/// How far a call has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// The media port is being bound. `offer` is the peer's; `None` while ours awaits their answer.
    Opening { answer: Sdp, offer: Option<sdp::Offer>, tries: u32 },
    /// The line rings before it answers, be it that the calling number is still being checked.
    Ringing { answer: Sdp },
    /// 200 has been sent; the ACK is awaited.
    Accepted,
    /// 200 has been sent with our offer; the ACK with the answer is awaited.
    Offered,
    /// The ACK brought the answer to our offer; the media port is being bound.
    OpeningLate,
    /// The conversation.
    Talking(Script),
    /// Nothing is left to do but to hear the media session's figures.
    Closing(Ending),
}

/// Who speaks with the caller.
#[derive(Debug)]
pub(super) enum Script {
    /// A service line's conversation.
    Line(Box<Flow>),
    /// The agents' announcement.
    Agents,
}

/// Our session description and its revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    pub local: SocketAddr,
    pub session: sdp::Session,
    /// What we said last.
    pub text: Sdp,
}

/// A session description of ours as text. There may be keys in it, so that its `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Sdp(pub String);

impl fmt::Debug for Sdp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sdp({} octets)", self.0.len())
    }
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub at: Timestamp,
    pub by: EndedBy,
    pub reason: Option<String>,
    /// The conversation as it was, where there was one.
    pub flow: Option<Box<Flow>>,
}

/// What of a call is shown: it is shown again when this changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub stage: Stage,
    pub verdict: Verdict,
    pub outcome: Option<HandOverOutcome>,
    pub check: Option<Check>,
}

impl Call {
    /// The conversation, while it goes on and after.
    pub fn flow(&self) -> Option<&Flow> {
        match &self.phase {
            Phase::Talking(Script::Line(flow)) => Some(flow),
            Phase::Closing(ending) => ending.flow.as_deref(),
            _ => None,
        }
    }

    /// By what the caller came, while there is a conversation.
    pub fn origin(&self) -> Option<Origin> {
        Some(Origin {
            line: self.flow()?.line().number.clone(),
            ani: self.ani.as_ref().map(|ani| ani.number.clone()),
            trunk: self.trunk.as_ref().map(|trunk| Arc::clone(&trunk.name)),
        })
    }

    /// What the calling number has done with a call to a line.
    pub fn treatment(&self) -> Treatment {
        match self.party {
            Party::Line(_) => self.plan.numbers.treat(self.ani.as_ref(), self.first_dialled.is_some()),
            Party::Agents(_) => Treatment::Usual,
        }
    }

    pub fn session(&self) -> media::SessionId {
        media::SessionId(self.id.0)
    }

    /// Keeps what is to be said once the call is answered.
    pub fn prepare(&mut self, text: Sdp) {
        if let Phase::Opening { answer, .. } = &mut self.phase {
            *answer = text;
        }
    }

    /// On what terms the caller's offers are answered.
    pub fn terms(&self) -> sdp::Terms<'_> {
        let protection = match self.sound.srtp {
            Srtp::Off => sdp::Protection::Off,
            Srtp::Allow => sdp::Protection::Allowed(&self.keys),
            Srtp::Require => sdp::Protection::Required(&self.keys),
        };
        sdp::Terms { codecs: &self.sound.codecs, protection }
    }

    /// On what terms we offer: what is encrypted stays so.
    pub fn offered_terms(&self) -> sdp::Terms<'_> {
        match self.terms() {
            sdp::Terms { codecs, protection: sdp::Protection::Allowed(keys) } if self.is_encrypted => {
                sdp::Terms { codecs, protection: sdp::Protection::Required(keys) }
            }
            terms => terms,
        }
    }

    /// Reads the answer to our offer.
    pub fn read_answer(&self, text: &str) -> Result<sdp::Negotiated, sdp::SdpError> {
        match self.offered_terms().protection {
            sdp::Protection::Required(keys) => sdp::read_encrypted_answer(text, keys),
            sdp::Protection::Off | sdp::Protection::Allowed(_) => sdp::read_answer(text),
        }
    }

    /// Why the hand-over came to nothing, where it did.
    pub fn failed_hand_over(&self) -> Option<String> {
        let hand_over = self.hand_over.as_ref()?.record();
        let status = hand_over.status.map(|status| format!(" ({status})")).unwrap_or_default();
        match hand_over.outcome {
            HandOverOutcome::Refused => Some(format!("hand-over refused{status}")),
            HandOverOutcome::Failed => Some(format!("hand-over failed{status}")),
            HandOverOutcome::TimedOut => Some("hand-over timed out".to_owned()),
            _ => None,
        }
    }

    /// What a check of the calling number came to, where there was one.
    pub fn check(&self) -> Option<Check> {
        self.ani.as_ref()?.trust.check()
    }

    fn standing(&self) -> Standing {
        self.flow().map_or(Standing::Unidentified, Flow::standing)
    }

    pub fn look(&self) -> Look {
        let stage = match (&self.phase, self.flow().map(Flow::step)) {
            (Phase::Closing(_), _) | (_, Some(Step::Ended)) => Stage::Ended,
            (_, Some(Step::Greeting)) => Stage::Greeting,
            (_, Some(Step::Identifying)) => Stage::Identifying,
            (_, Some(Step::Verifying)) => Stage::Verifying,
            (_, Some(Step::Serving)) => Stage::Serving,
            (_, Some(Step::HandingOver)) => Stage::HandingOver,
            (_, None) => Stage::Ringing,
        };
        let outcome = self.hand_over.as_ref().map(FollowedHandOver::outcome);
        Look { stage, verdict: self.standing().verdict(), outcome, check: self.check() }
    }

    /// The milestones that it has passed since this was last asked; none for the agents' own.
    pub fn passed(&mut self) -> Vec<Milestone> {
        if self.party.line().is_none() {
            return Vec::new();
        }
        let flow = self.flow();
        let progress = Progress {
            verdict: self.standing().verdict(),
            locked: flow.and_then(|flow| flow.summary().locked),
            missed: flow.and_then(Flow::missed),
            outcome: self.hand_over.as_ref().map(FollowedHandOver::outcome),
        };
        self.told.news(progress)
    }

    /// The call as those see it who watch; `None` for the agents' own.
    pub fn view(&self) -> Option<CallView> {
        let Party::Line(line) = &self.party else { return None };
        let look = self.look();
        let standing = self.standing();
        let customer = standing.customer();
        Some(CallView {
            id: self.id.to_string(),
            line: line.number.to_string(),
            ani: self.ani.as_ref().map(|ani| ani.number.as_str().to_owned()),
            ani_source: self.ani.as_ref().map(|ani| ani.source),
            ani_withheld: self.ani_withheld,
            ani_verstat: look.check.map(|check| check.outcome),
            ani_attestation: look.check.and_then(|check| check.attestation),
            ani_checked_by: look.check.map(|check| check.by),
            trunk: self.trunk.as_ref().map(|trunk| trunk.name.to_string()),
            started_at: self.started_at,
            stage: look.stage,
            verdict: look.verdict,
            title: look.verdict.title(),
            customer: customer.map(|customer| customer.id.clone()),
            name: customer.and_then(|customer| customer.name.clone()),
            hand_over: self.hand_over.as_ref().map(|hand_over| {
                let record = hand_over.record();
                HandOverView {
                    target: record.target,
                    token: record.token,
                    at: hand_over.at(),
                    outcome: record.outcome,
                }
            }),
            record: None,
        })
    }

    /// The record of a call that is closing; `None` for the agents' own, and before its end.
    pub fn record(&self, figures: &media::Figures) -> Option<CallRecord> {
        let (Party::Line(line), Phase::Closing(ending)) = (&self.party, &self.phase) else { return None };
        let record = CallRecord::of(self.id.to_string(), line, self.started_at, ending.at, ending.by)
            .from_number(self.ani.as_ref());
        let record = match self.flow() {
            Some(flow) => record.with_conversation(flow),
            None => record,
        };
        Some(CallRecord {
            ani_withheld: self.ani_withheld,
            ani_check_fault: self.checking.fault(),
            trunk: self.trunk.as_ref().map(|trunk| trunk.name.to_string()),
            first_dialled: self.first_dialled.as_ref().map(|number| number.as_str().to_owned()),
            answered_at: self.answered_at,
            hand_over: self.hand_over.as_ref().map(FollowedHandOver::record),
            reason: ending.reason.clone(),
            recording: self.recording.clone(),
            media: MediaFigures {
                encrypted: self.answered_at.map(|_| self.is_encrypted),
                ..media_figures(figures)
            },
            ..record
        })
    }
}

fn media_figures(figures: &media::Figures) -> MediaFigures {
    MediaFigures {
        packets_sent: figures.packets_sent,
        packets_received: figures.packets_received,
        packets_lost: figures.packets_lost,
        jitter_ms: figures.jitter_ms,
        remote_loss: figures.remote_loss,
        remote_jitter_ms: figures.remote_jitter_ms,
        round_trip_ms: figures.round_trip_ms,
        remote_opinion: figures.remote_opinion,
        encrypted: None,
    }
}
