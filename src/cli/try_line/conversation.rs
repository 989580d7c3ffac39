//! One conversation with a line, on a clock that moves only when there is nothing else to wait for.
//!
//! The engine is [`Flow`], as in a call; here it is driven without SIP, sound and waiting. What is said is heard as soon
//! as it is wanted, and takes no time. Time passes where a caller keys nothing, or a back end lets them wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::back_end::BackEnd;
use crate::call::{CallRecord, Directory, EndedBy, HandOver, HandOverOutcome};
use crate::config::Scenario;
use crate::crm;
use crate::flow::{
    Action, Answer, Event, Flow, HandOverEnd, LanguageName, Line, LineName, Opening, Play, Query, Request,
    RequestId, Sound, Start, Step, TargetName,
};
use crate::say::Kind;
use crate::secret::Digit;

/// What a record calls a conversation that was no call.
const ID: &str = "0000000000000000";

/// Something that happened, as those see it who watch.
#[derive(Debug, Clone)]
pub enum Happened {
    /// The caller has come to here.
    Came(Step),
    /// Something is said.
    Said(Said),
    /// The back end is asked for this.
    Asked(String),
    /// It answered this action so.
    Answered(String, &'static str),
    /// The caller is taken on to this line.
    Entered(LineName),
    /// The call was handed to this target, and that is what came of it.
    HandedOver(TargetName, HandOverEnd),
}

/// Something that is said.
#[derive(Debug, Clone)]
pub struct Said {
    pub language: LanguageName,
    pub sounds: Vec<Sound>,
    /// Again and again, while the back end is waited for.
    pub looped: bool,
}

/// How things are after a moment has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// Something may have happened.
    Different,
    /// The line waits for the caller.
    Waiting,
    /// The conversation is over.
    Over,
}

/// Why a conversation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// An answer that is none to what was asked.
    #[error("`{0}` was asked for {1}, and what the scenario answers is no answer to that")]
    Unfit(String, &'static str),
    /// There is no answer.
    #[error("`{0}` was asked for, and the scenario has no answer, or no more")]
    Unanswered(String),
}

/// A question to the back end whose answer is on its way.
#[derive(Debug)]
struct Pending {
    request: RequestId,
    action: String,
    answer: Option<Answer>,
    at: Instant,
    /// When the flow stops waiting for it.
    until: Instant,
}

/// A caller and a line.
#[derive(Debug)]
pub struct Conversation<'c> {
    scenario: &'c Scenario,
    lines: &'c Directory,
    back_end: BackEnd<'c>,
    flow: Flow,
    begun: Instant,
    began_at: Timestamp,
    now: Instant,
    playing: Option<Play>,
    pending: Vec<Pending>,
    happened: Vec<Happened>,
    targets: Vec<TargetName>,
    hand_over: Option<HandOver>,
    ended_by: Option<EndedBy>,
    trouble: Option<Trouble>,
}

impl<'c> Conversation<'c> {
    /// The caller has been answered. `now` is any instant, `date` is the time where the scenario names none.
    pub fn begin(
        scenario: &'c Scenario,
        lines: &'c Directory,
        back_end: BackEnd<'c>,
        seed: u64,
        (now, date): (Instant, Timestamp),
    ) -> Self {
        let opening = match (scenario.at, scenario.emergency) {
            (Some(at), emergency) => Opening::of(&scenario.line, emergency, at),
            (None, true) => Opening::Emergency,
            (None, false) => Opening::Open,
        };
        let line = spoken_in(&scenario.line, scenario.language.as_ref());
        let rng = StdRng::seed_from_u64(seed);
        let flow = Flow::new(Start { line, ani: scenario.ani.clone(), opening, rng }, now);
        let mut conversation = Self {
            scenario,
            lines,
            back_end,
            flow,
            begun: now,
            began_at: scenario.at.unwrap_or(date),
            now,
            playing: None,
            pending: Vec::new(),
            happened: Vec::new(),
            targets: Vec::new(),
            hand_over: None,
            ended_by: None,
            trouble: None,
        };
        conversation.follow();
        conversation
    }

    /// All that has happened, in order.
    pub fn happened(&self) -> &[Happened] {
        &self.happened
    }

    /// Where the caller is.
    pub fn step(&self) -> Step {
        self.flow.step()
    }

    /// What plays.
    pub fn playing(&self) -> Option<&Play> {
        self.playing.as_ref()
    }

    /// Why it cannot go on, if it cannot.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.ended_by.is_some() || self.trouble.is_some()
    }

    /// Lets one thing happen that needs no caller: what plays is heard to its end, or the back end is waited for.
    pub fn go_on(&mut self) -> Now {
        if self.is_over() {
            return Now::Over;
        }
        if self.deliver() {
            return Now::Different;
        }
        match &self.playing {
            Some(play) if !play.looped => {
                let heard = Event::PlayEnded(play.id);
                self.playing = None;
                self.tell(heard);
            }
            _ if self.flow.waits_until().is_none() => return Now::Waiting,
            _ => self.pass_to_next(),
        }
        Now::Different
    }

    /// Presses keys, one right after the other.
    pub fn press(&mut self, keys: &[Digit]) {
        for key in keys {
            self.tell(Event::Digit(*key));
        }
    }

    /// Lets time pass until something comes of it; `false` where nothing is waited for.
    pub fn let_pass(&mut self) -> bool {
        let waits = self.next().is_some();
        self.pass_to_next();
        waits
    }

    /// Lets so much time pass; what is said meanwhile is heard.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.go_on_until(until) {}
        self.now = self.now.max(until);
    }

    fn go_on_until(&mut self, until: Instant) -> bool {
        let plays = self.playing.as_ref().is_some_and(|play| !play.looped);
        if plays || self.is_due() {
            return self.go_on() == Now::Different;
        }
        let is_near = self.next().is_some_and(|next| next <= until) && self.ended_by.is_none();
        if is_near {
            self.pass_to_next();
        }
        is_near
    }

    /// The caller hangs up, unless it is over anyway.
    pub fn hang_up(&mut self) {
        if self.ended_by.is_none() {
            self.tell(Event::HungUp);
            self.ended_by = Some(EndedBy::Caller);
        }
    }

    /// Which digits of a secret were asked for last, each from 1.
    pub fn places_asked(&self) -> Vec<usize> {
        let said = self.happened.iter().rev().filter_map(|happened| match happened {
            Happened::Said(said) => Some(said.sounds.iter().filter_map(place).collect::<Vec<_>>()),
            _ => None,
        });
        said.into_iter().find(|places| !places.is_empty()).unwrap_or_default()
    }

    /// The targets that were tried, in order.
    pub fn targets(&self) -> &[TargetName] {
        &self.targets
    }

    /// The record, as it would be written of a call.
    pub fn record(&self) -> CallRecord {
        let scenario = self.scenario;
        let took = self.now.duration_since(self.begun);
        let ended_at = self.began_at.checked_add(took).unwrap_or(self.began_at);
        let ended_by = self.ended_by.unwrap_or(EndedBy::Caller);
        let record = CallRecord::of(ID.into(), &scenario.line, self.began_at, ended_at, ended_by)
            .from_number(scenario.ani.as_ref())
            .with_conversation(&self.flow);
        CallRecord {
            trunk: scenario.trunk.as_ref().map(|trunk| trunk.name.to_string()),
            answered_at: Some(self.began_at),
            hand_over: self.hand_over.clone(),
            ..record
        }
    }

    fn tell(&mut self, event: Event) {
        self.flow.handle(event, self.now);
        self.follow();
    }

    fn next(&self) -> Option<Instant> {
        let answer = self.pending.iter().filter(|pending| pending.answer.is_some()).map(|pending| pending.at);
        answer.chain(self.flow.poll_timeout()).min()
    }

    fn pass_to_next(&mut self) {
        let Some(next) = self.next() else { return self.pending.clear() };
        self.now = self.now.max(next);
        if self.deliver() {
            return;
        }
        self.flow.handle_timeout(self.now);
        self.pending.retain(|pending| pending.until > self.now);
        self.follow();
    }

    fn is_due(&self) -> bool {
        self.pending.iter().any(|pending| pending.answer.is_some() && pending.at <= self.now)
    }

    /// Tells the flow an answer that is there by now; `false` where there is none.
    fn deliver(&mut self) -> bool {
        let due = |pending: &Pending| pending.answer.is_some() && pending.at <= self.now;
        let Some(nth) = self.pending.iter().position(due) else { return false };
        let Pending { request, action, answer, .. } = self.pending.remove(nth);
        if let Some(answer) = answer {
            self.happened.push(Happened::Answered(action, crm::result_word(&answer)));
            self.tell(Event::Answered(request, answer));
        }
        true
    }

    /// Does what the flow wants.
    fn follow(&mut self) {
        self.note_step();
        while let Some(action) = self.flow.poll_action() {
            match action {
                Action::Play(play) => self.play(play),
                Action::StopPlaying => self.playing = None,
                Action::Ask(request) => self.ask(&request),
                Action::Enter(name) => self.enter(&name),
                Action::HandOver(_, target) => self.hand_over(target),
                Action::HangUp => self.ended_by = Some(EndedBy::Portero),
            }
        }
        self.note_step();
    }

    fn note_step(&mut self) {
        let step = self.flow.step();
        let came = self.happened.iter().rev().find_map(|happened| match happened {
            Happened::Came(step) => Some(*step),
            _ => None,
        });
        if came != Some(step) {
            self.happened.push(Happened::Came(step));
        }
    }

    fn play(&mut self, play: Play) {
        let said = Said { language: play.language.clone(), sounds: play.sounds.clone(), looped: play.looped };
        self.happened.push(Happened::Said(said));
        self.playing = Some(play);
    }

    fn ask(&mut self, request: &Request) {
        let action = request.action.to_string();
        self.happened.push(Happened::Asked(action.clone()));
        let until = self.flow.waits_until().unwrap_or(self.now);
        // A back end that answers amiss has failed, as in a call; a scenario that does is wrong.
        let is_scripted = self.back_end.is_scripted(&request.action);
        match self.back_end.ask(request) {
            None => self.trouble = Some(Trouble::Unanswered(action)),
            Some(reply)
                if is_scripted
                    && !reply.answer.as_ref().is_none_or(|answer| fits(&request.query, answer)) =>
            {
                self.trouble = Some(Trouble::Unfit(action, asked_for(&request.query)));
            }
            Some(reply) => {
                let at = self.now + reply.after;
                let request = request.id;
                self.pending.push(Pending { request, action, answer: reply.answer, at, until });
            }
        }
    }

    fn enter(&mut self, name: &LineName) {
        self.happened.push(Happened::Entered(name.clone()));
        match self.lines.by_name(name) {
            Some(line) => self.flow.enter(Arc::clone(line), self.now),
            // As in a call: the configuration has been checked for it.
            None => self.ended_by = Some(EndedBy::Portero),
        }
    }

    fn hand_over(&mut self, target: TargetName) {
        let end = self.scenario.taken.by(&target);
        let (outcome, status) = match end {
            HandOverEnd::Taken => (HandOverOutcome::Completed, Some(200)),
            HandOverEnd::Refused => (HandOverOutcome::Refused, Some(603)),
            HandOverEnd::Unclear => (HandOverOutcome::TimedOut, None),
        };
        self.hand_over = Some(HandOver { target: target.to_string(), token: String::new(), outcome, status });
        self.happened.push(Happened::HandedOver(target.clone(), end));
        self.targets.push(target);
        self.flow.handle(Event::HandedOver(end), self.now);
    }
}

/// The line, beginning in another language; who has one chosen for them is not asked for it.
fn spoken_in(line: &Arc<Line>, language: Option<&LanguageName>) -> Arc<Line> {
    let Some(language) = language else { return Arc::clone(line) };
    let mut line = Line::clone(line);
    line.languages.first = language.clone();
    line.languages.menu = None;
    Arc::new(line)
}

/// A place of a secret, where that is what is said.
fn place(sound: &Sound) -> Option<usize> {
    match sound {
        Sound::Value(Kind::Ordinal, value) => value.expose().parse().ok(),
        _ => None,
    }
}

/// Whether `answer` is one to `query`.
fn fits(query: &Query, answer: &Answer) -> bool {
    matches!(
        (query, answer),
        (_, Answer::Failed(_))
            | (Query::Number(_) | Query::Identifier(_), Answer::LookUp(_))
            | (Query::Secret { .. }, Answer::Check(_) | Answer::Locked(_))
            | (Query::Code { .. }, Answer::Sent(_))
            | (Query::Record(_), Answer::Record(_))
    )
}

fn asked_for(query: &Query) -> &'static str {
    match query {
        Query::Number(_) => "who has a calling number",
        Query::Identifier(_) => "who has an identifier",
        Query::Secret { .. } => "whether a secret is right",
        Query::Code { .. } => "a one-time code to be sent",
        Query::Record(_) => "what is to be told to a customer",
    }
}
