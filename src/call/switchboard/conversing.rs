//! The conversation and the hand-over: what the flow wants, and what it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::emergency::Emergencies;
use super::super::hand_over::{FollowedHandOver, Progress, referral};
use super::super::keypad;
use super::super::numbers::Treatment;
use super::super::one::{CallId, Party, Phase, Script};
use super::super::plan::Here;
use super::super::record::EndedBy;
use super::super::sounding;
use super::{Action, Switchboard, Timer};
use crate::flow::{self, Flow, LineName, Opening, Standing, Start, TargetName};
use crate::secret::Digit;
use crate::{media, sip};

impl Switchboard {
    pub(super) fn talk(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &call.party {
            Party::Line(line) => {
                let emergency = self.emergencies.are_on(&line.number);
                let opening = match Opening::of(line, emergency, self.clock.date(now)) {
                    Opening::Open if call.treatment() == Treatment::ToAgent => Opening::ToAgent,
                    opening => opening,
                };
                let rng = StdRng::from_rng(&mut self.rng);
                let start = Start { line: Arc::clone(line), ani: call.ani.clone(), opening, rng };
                let mut flow = Flow::new(start, now);
                while let Some(digit) = call.early_keys.pop() {
                    flow.handle(flow::Event::Digit(digit), now);
                }
                call.phase = Phase::Talking(Script::Line(Box::new(flow)));
                self.follow(id, now);
            }
            Party::Agents(prompts) => {
                let play = sounding::prompts(&call.plan.prompts, &call.plan.language, prompts);
                self.actions.push_back(Action::Media(call.session(), play));
                let stay = call.plan.agents.as_ref().map_or(Duration::ZERO, |agents| agents.hang_up_after);
                self.timers.set((id, Timer::Agents), now + stay);
                call.phase = Phase::Talking(Script::Agents);
            }
        }
    }

    /// Tells the conversation something, and does what it then wants.
    pub(super) fn tell(&mut self, id: CallId, event: flow::Event, now: Instant) {
        let Some(flow) = self.flow_mut(id) else { return };
        flow.handle(event, now);
        self.follow(id, now);
    }

    /// Tells the conversation a key, unless it has been told this press already.
    pub(super) fn key(&mut self, id: CallId, digit: Digit, source: keypad::Source, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !call.keypad.press(digit, source, now) {
            return;
        }
        match call.phase {
            Phase::Talking(_) => self.tell(id, flow::Event::Digit(digit), now),
            // The ACK is still on its way, or lost; the caller hears nothing of that, and keys.
            Phase::Accepted => call.early_keys.push(digit),
            _ => {}
        }
    }

    pub(super) fn flow_timeout(&mut self, id: CallId, now: Instant) {
        let Some(flow) = self.flow_mut(id) else { return };
        flow.handle_timeout(now);
        self.follow(id, now);
    }

    fn flow_mut(&mut self, id: CallId) -> Option<&mut Flow> {
        match &mut self.calls.get_mut(&id)?.phase {
            Phase::Talking(Script::Line(flow)) => Some(flow),
            _ => None,
        }
    }

    /// Does what the conversation wants.
    fn follow(&mut self, id: CallId, now: Instant) {
        self.begin_recording(id);
        // Before anything is asked that must not be recorded.
        self.conceal(id);
        while let Some(action) = self.flow_mut(id).and_then(Flow::poll_action) {
            let Some(call) = self.calls.get(&id) else { return };
            let session = call.session();
            match action {
                flow::Action::Play(play) => self.play(id, play, now),
                flow::Action::Enter(name) => self.enter(id, &name, now),
                flow::Action::StopPlaying => {
                    self.forget_pending(id);
                    self.actions.push_back(Action::Media(session, media::Command::Stop));
                }
                flow::Action::Ask(request) => {
                    let Some(origin) = call.origin() else { return };
                    let plan = Arc::clone(&call.plan);
                    self.actions.push_back(Action::Ask(id, plan, request, origin));
                }
                flow::Action::HandOver(standing, target) => self.hand_over(id, &standing, target, now),
                flow::Action::HangUp => return self.hang_up(id, EndedBy::Portero, None, now),
            }
        }
        match self.flow_mut(id).and_then(|flow| flow.poll_timeout()) {
            Some(deadline) => self.timers.set((id, Timer::Flow), deadline),
            None => self.timers.clear((id, Timer::Flow)),
        }
        self.show(id, now);
    }

    /// The emergency switches as they are.
    pub fn emergencies(&self) -> &Emergencies {
        &self.emergencies
    }

    /// Takes the emergency switches as they were left.
    pub fn set_emergencies(&mut self, emergencies: Emergencies) {
        self.emergencies = emergencies;
    }

    /// Turns the emergency switch of a line, by its name, or that of all lines together, for the next call on.
    ///
    /// # Errors
    /// A line that there is not, with those that there are.
    pub fn turn_emergency(&mut self, line: Option<&str>, on: bool) -> Result<(), String> {
        if let Some(line) = line.filter(|line| on && self.plan.lines.by_name(&LineName::new(*line)).is_none())
        {
            let mut names: Vec<&str> = self.plan.lines.iter().map(|line| line.number.as_str()).collect();
            names.sort_unstable();
            return Err(format!("there is no line `{line}`; the lines are: {}", names.join(", ")));
        }
        self.emergencies.turn(line, on);
        Ok(())
    }

    /// Goes on at another line of the plan that the call began with.
    fn enter(&mut self, id: CallId, name: &LineName, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let line = call.plan.lines.by_name(name).cloned();
        let Phase::Talking(Script::Line(flow)) = &mut call.phase else { return };
        match line {
            Some(line) => flow.enter(line, now),
            // The configuration has been checked for it; a caller is not left in silence over that.
            None => self.hang_up(id, EndedBy::Portero, Some("no such line"), now),
        }
    }

    fn hand_over(&mut self, id: CallId, standing: &Standing, target: TargetName, now: Instant) {
        let token = format!("{:032x}", self.rng.random::<u128>());
        let at = self.clock.date(now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(place) = call.plan.targets.get(&target) else { return };
        let address = self.endpoint.whereabouts().seen_by(&call.hop);
        let here = Here { transport: call.hop.transport, address };
        let referral = referral(place, here, standing, call.check(), &token);
        let hand_over = FollowedHandOver::new(target, token.clone(), at, call.plan.hand_over);
        self.timers.set((id, Timer::HandOver), hand_over.first_deadline(now));
        call.hand_over = Some(hand_over);
        self.expected.remember(token, standing);
        self.endpoint.refer(call.dialog, &referral, now);
    }

    pub(super) fn referral_event(&mut self, id: CallId, event: sip::ReferralEvent, now: Instant) {
        let hand_over = self.calls.get_mut(&id).and_then(|call| call.hand_over.as_mut());
        let Some(progress) = hand_over.map(|hand_over| hand_over.handle(event, now)) else { return };
        self.progressed(id, progress, now);
    }

    pub(super) fn hand_over_timeout(&mut self, id: CallId, now: Instant) {
        let hand_over = self.calls.get_mut(&id).and_then(|call| call.hand_over.as_mut());
        let Some(progress) = hand_over.map(FollowedHandOver::time_out) else { return };
        self.progressed(id, progress, now);
    }

    fn progressed(&mut self, id: CallId, progress: Progress, now: Instant) {
        match progress {
            Progress::Until(deadline) => self.timers.set((id, Timer::HandOver), deadline),
            Progress::Decided(end) => {
                self.timers.clear((id, Timer::HandOver));
                self.tell(id, flow::Event::HandedOver(end), now);
            }
            Progress::Unchanged => {}
        }
    }
}
