//! The test caller as a pure machine: told what SIP and the ear say, it decides what to do next.
//!
//! It knows two calls, the one to the service line and the one that a REFER asks for (RFC 3515), and neither
//! sockets nor SDP: its shell carries out what `poll_action` gives.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::address::{Address, decode};
use super::ear::{Ear, Heard};
use super::script::{Script, Want};
use super::timeline::{Entry, Leg, Outcome, Timeline};
use crate::flow::Verdict;
use crate::secret::Digit;
use crate::sip::{EndCause, Referral};

/// How long hanging up may take before the other side is taken for gone: the first four retransmissions of a
/// BYE (RFC 3261 §17.1.2.2) go out in it.
const LEAVE_WITHIN: Duration = Duration::from_secs(4);

/// What to do about a REFER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefer {
    /// Call its target and report how that went.
    Follow,
    /// Accept it and report success without calling anyone, as a peer does that reports before it knows.
    Claim,
    /// Refuse it with this status.
    Refuse(u16),
}

/// What the caller is told.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// 180 came.
    Ringing(Leg),
    /// 200 came and its SDP is usable.
    Answered(Leg),
    /// 200 came with an SDP that is of no use.
    Unusable(Leg),
    /// REFER came on the service leg.
    Referred(&'a Referral),
    /// One packet's decoded samples arrived.
    Audio(Leg, &'a [i16]),
    /// The call is over, or could not be placed.
    Ended(Leg, EndCause),
}

/// What the caller wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Press this key on the service leg.
    Press(Digit),
    /// Answer the REFER.
    AnswerReferral(u16),
    /// Tell the referrer how it goes, by NOTIFY; the flag says that it is the last word.
    Report(u16, bool),
    /// Place the second call.
    CallTarget(Address),
    /// CANCEL or BYE.
    HangUp(Leg),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Calling,
    Up,
    Over,
}

/// The machine.
#[derive(Debug)]
pub struct Caller {
    on_refer: OnRefer,
    script: Script,
    ear: Ear,
    service: State,
    target: State,
    /// When the whole call must be over; then, when hanging up must be.
    deadline: Instant,
    leaving: bool,
    target_has_spoken: bool,
    actions: VecDeque<Action>,
    timeline: Timeline,
    outcome: Outcome,
}

impl Caller {
    /// A caller whose INVITE goes out at `start`.
    pub fn new(script: Script, on_refer: OnRefer, timeout: Duration, start: Instant) -> Self {
        Self {
            on_refer,
            script,
            ear: Ear::default(),
            service: State::Calling,
            target: State::Idle,
            deadline: start + timeout,
            leaving: false,
            target_has_spoken: false,
            actions: VecDeque::new(),
            timeline: Timeline::new(start),
            outcome: Outcome::default(),
        }
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        match event {
            Event::Ringing(Leg::Service) => self.timeline.push(Entry::Ringing, now),
            Event::Ringing(Leg::Target) => {
                self.timeline.push(Entry::TargetRinging, now);
                self.actions.push_back(Action::Report(180, false));
            }
            Event::Answered(leg) => self.answered(leg, now),
            Event::Unusable(leg) => {
                self.fail(leg, "the answer offers no media that we can take");
                self.actions.push_back(Action::HangUp(leg));
            }
            Event::Referred(referral) => self.referred(referral, now),
            Event::Audio(leg, samples) if leg == self.listens_to() => {
                let heard = self.ear.hear(samples, now);
                self.take_heard(heard, now);
            }
            Event::Audio(..) => {}
            Event::Ended(leg, cause) => self.ended(leg, cause, now),
        }
        self.follow_script(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let heard = self.ear.handle_timeout(now);
        self.take_heard(heard, now);
        self.follow_script(now);
        if now < self.deadline {
            return;
        }
        if self.leaving {
            (self.service, self.target) = (State::Over, State::Over);
        } else {
            self.timeline.push(Entry::TimedOut, now);
            if self.service == State::Calling {
                self.outcome.failure = Some("nobody answered in time");
            }
            self.leave(now);
        }
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        [Some(self.deadline), self.ear.poll_timeout(), self.script.poll_timeout()].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether both calls are over.
    pub fn is_over(&self) -> bool {
        self.service == State::Over && matches!(self.target, State::Idle | State::Over)
    }

    /// Hangs up whatever is up, as when the user interrupts.
    pub fn leave(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        self.deadline = now + LEAVE_WITHIN;
        self.script.abandon();
        for (leg, state) in [(Leg::Target, self.target), (Leg::Service, self.service)] {
            if matches!(state, State::Calling | State::Up) {
                self.actions.push_back(Action::HangUp(leg));
            }
        }
    }

    /// What happened so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What it came to so far.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The call that is listened to: the one that came last and is up.
    pub fn listens_to(&self) -> Leg {
        if self.target == State::Up { Leg::Target } else { Leg::Service }
    }

    fn answered(&mut self, leg: Leg, now: Instant) {
        match leg {
            Leg::Service => {
                self.service = State::Up;
                self.outcome.status = Some(200);
                self.timeline.push(Entry::Answered, now);
            }
            Leg::Target => {
                self.target = State::Up;
                self.ear = Ear::default();
                self.timeline.push(Entry::TargetAnswered, now);
                self.report(200, now);
            }
        }
    }

    fn referred(&mut self, referral: &Referral, now: Instant) {
        self.script.abandon();
        self.note_referral(referral);
        self.timeline.push(Entry::Referred(self.outcome.verdict), now);
        if let OnRefer::Refuse(status) = self.on_refer {
            self.refuse_referral(status, now);
            return;
        }
        let Ok(address) = Address::parse(&referral.refer_to) else {
            // RFC 3515 §2.4.2: a Refer-To that we cannot use is a bad request.
            self.refuse_referral(400, now);
            return;
        };
        self.outcome.target = Some(address.uri.clone());
        self.actions.push_back(Action::AnswerReferral(202));
        if self.on_refer == OnRefer::Claim {
            self.report(200, now);
            return;
        }
        self.actions.push_back(Action::Report(100, false));
        if self.target == State::Calling || self.target == State::Up {
            self.report(486, now);
            return;
        }
        self.target = State::Calling;
        self.target_has_spoken = false;
        self.actions.push_back(Action::CallTarget(address));
    }

    fn note_referral(&mut self, referral: &Referral) {
        let field = |name: &str| {
            let found = referral.headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim())
        };
        self.outcome.verdict = field("X-Portero-Verdict").and_then(Verdict::parse);
        self.outcome.customer = field("X-Portero-Customer").and_then(decode);
        self.outcome.name = field("X-Portero-Name").and_then(decode);
    }

    fn refuse_referral(&mut self, status: u16, now: Instant) {
        self.actions.push_back(Action::AnswerReferral(status));
        self.outcome.status = Some(status);
        self.timeline.push(Entry::ReferralRefused(status), now);
    }

    /// The last word on a referral.
    fn report(&mut self, status: u16, now: Instant) {
        self.actions.push_back(Action::Report(status, true));
        self.timeline.push(Entry::Reported(status), now);
        self.outcome.status = Some(status);
        self.outcome.handed_over = (200..300).contains(&status);
    }

    fn take_heard(&mut self, heard: Option<Heard>, now: Instant) {
        let Some(heard) = heard else { return };
        self.script.heard(heard);
        match heard {
            Heard::Began(at) => {
                self.timeline.push(Entry::PromptBegan, at);
                self.target_has_spoken |= self.target == State::Up;
            }
            Heard::Ended(at) => {
                self.timeline.push(Entry::PromptEnded, at);
                if self.target == State::Up && self.target_has_spoken {
                    self.leave(now);
                }
            }
        }
    }

    fn follow_script(&mut self, now: Instant) {
        if self.service != State::Up {
            return;
        }
        while let Some(want) = self.script.poll_want(now) {
            match want {
                Want::Press(digit) => self.actions.push_back(Action::Press(digit)),
                Want::Pressed(count) => self.timeline.push(Entry::KeysSent(count), now),
            }
        }
    }

    fn ended(&mut self, leg: Leg, cause: EndCause, now: Instant) {
        let entry = match cause {
            EndCause::Refused(status) => Entry::Refused(leg, status),
            EndCause::LocalBye | EndCause::LocalReject => Entry::Ended(leg, "by us"),
            EndCause::RemoteBye | EndCause::RemoteCancel => Entry::Ended(leg, "by the other side"),
            EndCause::NoAck | EndCause::PeerGone => Entry::Ended(leg, "because the other side is gone"),
        };
        self.timeline.push(entry, now);
        let state = match leg {
            Leg::Service => &mut self.service,
            Leg::Target => &mut self.target,
        };
        let was = std::mem::replace(state, State::Over);
        match leg {
            Leg::Service => self.service_ended(was, cause),
            Leg::Target => self.target_ended(was, cause, now),
        }
    }

    fn service_ended(&mut self, was: State, cause: EndCause) {
        self.script.abandon();
        if was != State::Calling {
            return;
        }
        match cause {
            EndCause::Refused(status) => {
                self.outcome.status = Some(status);
                self.fail(Leg::Service, "the call was refused");
            }
            _ => self.fail(Leg::Service, "the call was never answered"),
        }
    }

    fn target_ended(&mut self, was: State, cause: EndCause, now: Instant) {
        if was == State::Calling {
            let status = if let EndCause::Refused(status) = cause { status } else { 408 };
            self.report(status, now);
        } else {
            self.leave(now);
        }
    }

    fn fail(&mut self, leg: Leg, why: &'static str) {
        if leg == Leg::Service {
            self.outcome.failure.get_or_insert(why);
        }
    }
}

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;
