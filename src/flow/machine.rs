//! One caller's way through a line: greet, identify, verify, serve, hand over.
//!
//! Rules that are not plain from the states:
//! - Keys pressed before a question is asked are kept and feed it, where the announcement lets them; they are dropped
//!   when an entry fails, since they were keyed by someone who believed it right.
//! - A terminator that trails an entry which ended by its length belongs to that entry.
//! - The calling number is looked up while the greeting plays.
//! - What has been asked once, on whatever line, is not asked again on the next: neither who it is nor for a secret.
//! - Where there is a notice, nothing is asked of the back end until it has been answered.

mod aim;
mod asking;
mod discretion;
mod filling;
mod state;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rand::rngs::StdRng;

use super::{
    Action, ActionName, Ani, Announcement, Answer, Customer, Discretion, Event, Failure, HandOverEnd,
    LanguageName, Line, Matches, Method, Next, Play, PlayId, Query, Request, RequestId, Sound, Standing,
    Step, Summary, TargetName, Then, Verification, Vouching,
};
use crate::secret::{Digit, Waiting};
pub use aim::Aim;
use state::{Asking, Awaited, Fetch, Held, Number, Onward, Phase, Playing, State, Subject, Who, is_failure};

/// How many lines one caller is taken on to; lines that send callers in a circle are left then.
const LINES_MAX: usize = 8;

/// What a conversation begins with.
#[derive(Debug)]
pub struct Start {
    /// The line that was dialled.
    pub line: Arc<Line>,
    /// The calling number, where it was usable.
    pub ani: Option<Ani>,
    /// Whether the line takes calls now.
    pub opening: Opening,
    /// Draws the places of a secret that are asked for.
    pub rng: StdRng,
}

/// Whether a line takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It does.
    Open,
    /// It is outside of its hours.
    Closed,
    /// Its emergency switch is on.
    Emergency,
    /// It does, and this caller is asked nothing.
    ToAgent,
}

impl Opening {
    /// Whether `line` takes calls at `moment`, `emergency` being its switch.
    pub fn of(line: &Line, emergency: bool, moment: Timestamp) -> Self {
        match &line.hours {
            _ if emergency => Self::Emergency,
            Some((hours, _)) if !hours.are_open(moment) => Self::Closed,
            _ => Self::Open,
        }
    }
}

/// One caller on one line after another.
#[derive(Debug)]
pub struct Flow {
    line: Arc<Line>,
    language: LanguageName,
    ani: Option<Ani>,
    rng: StdRng,
    state: State,
    who: Who,
    /// What the line asked for on which the caller said who they are: it holds on the lines after it.
    kept_discretion: Option<Discretion>,
    number: Number,
    /// How far the factors of a line have come; `None` until the first is asked for.
    verification: Option<Verification>,
    /// Whether anybody has asked who it is.
    asked_who: bool,
    /// Customers to whom an identifier led that is not one's alone.
    candidates: Candidates,
    /// The one-time code that was sent last.
    code: Option<SentCode>,
    /// Where it can be sent, and the places of a secret that are asked for: those of the factor that is asked for.
    offers: Offers,
    rounds: u32,
    /// Where the caller was on hanging up.
    left_at: Option<Step>,
    playing: Option<Playing>,
    awaited: Option<Awaited>,
    /// Keys that no question has taken yet, oldest first.
    type_ahead: Waiting,
    /// The terminator of an entry that ended by its length, which may still trail it.
    trailing: Option<Digit>,
    summary: Summary,
    actions: VecDeque<Action>,
    plays: u32,
    requests: u32,
}

/// Customers among whom another identifier picks.
#[derive(Debug, Default)]
struct Candidates {
    /// Those who have the calling number. Others may call from it, too.
    by_number: Vec<Customer>,
    /// Those who have the identifier that was keyed before. It has to be one of them.
    by_identifier: Vec<Customer>,
}

/// A one-time code on its way.
#[derive(Debug)]
struct SentCode {
    contact: Option<String>,
    expires: Instant,
    /// How many more may be sent.
    resends: u32,
}

#[derive(Debug, Default)]
struct Offers {
    contacts: Vec<String>,
    positions: Vec<u8>,
}

impl Flow {
    /// A caller who has just been answered.
    pub fn new(start: Start, now: Instant) -> Self {
        let Start { line, ani, opening, rng } = start;
        let mut flow = Self {
            language: line.languages.first.clone(),
            line: Arc::clone(&line),
            ani,
            rng,
            state: State::Greeting,
            who: Who::Is(Standing::Unidentified),
            kept_discretion: None,
            number: Number::Unknown,
            verification: None,
            asked_who: false,
            candidates: Candidates::default(),
            code: None,
            offers: Offers::default(),
            rounds: 0,
            left_at: None,
            playing: None,
            awaited: None,
            type_ahead: Waiting::default(),
            trailing: None,
            summary: Summary::default(),
            actions: VecDeque::new(),
            plays: 0,
            requests: 0,
        };
        let instead = match opening {
            Opening::Open => None,
            Opening::Closed => line.hours.as_ref().map(|(_, closed)| closed),
            Opening::Emergency => Some(&line.emergency),
            Opening::ToAgent => Some(&line.next.unidentified),
        };
        match instead {
            Some(next) => {
                flow.summary.closed = opening != Opening::ToAgent;
                flow.next(next, now);
            }
            None => flow.open(now),
        }
        flow
    }

    /// Goes on at `line`, which was asked for.
    pub fn enter(&mut self, line: Arc<Line>, now: Instant) {
        self.summary.lines.push(line.number.clone());
        self.keep_discretion();
        self.line = line;
        self.rounds = 0;
        self.open(now);
    }

    /// Takes an event. Late ones (a playing or a request that is no longer awaited) change nothing.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::PlayEnded(play) if self.playing.is_some_and(|playing| playing.id == play) => {
                self.playing = None;
                self.heard(now);
            }
            Event::PlayEnded(_) => {}
            Event::Digit(digit) => self.digit(digit, now),
            Event::Answered(request, answer) => self.answered(request, answer, now),
            Event::HandedOver(end) => self.handed_over(end, now),
            Event::HungUp => {
                self.left_at.get_or_insert(self.step());
                self.end();
            }
        }
    }

    /// Lets time pass: an entry or a back-end request may have run out of it.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.waits_until().is_some_and(|deadline| deadline <= now) {
            return self.waited(now);
        }
        if self.hold_at().is_some_and(|at| at <= now) {
            self.hold();
        }
        self.entry_timeout(now);
    }

    /// When `handle_timeout` next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let entry = match &self.state {
            State::Asking(_, Asking { phase: Phase::Keying(entry) | Phase::Confirming(_, entry), .. }) => {
                entry.deadline()
            }
            _ => None,
        };
        [entry, self.waits_until(), self.hold_at()].into_iter().flatten().min()
    }

    /// Until when the back end is waited for; `None` while it is not.
    pub fn waits_until(&self) -> Option<Instant> {
        self.awaited.as_ref().map(|awaited| awaited.deadline)
    }

    /// When the caller is to hear that it takes a while: not while there is something else to hear or to key.
    fn hold_at(&self) -> Option<Instant> {
        let waits =
            self.playing.is_none() && (matches!(self.state, State::Greeting) || self.state.is_awaiting());
        self.awaited.as_ref().filter(|_| waits)?.hold_at
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Where the caller is.
    pub fn step(&self) -> Step {
        match &self.state {
            State::Greeting | State::Asking(Subject::Language | Subject::Notice, _) => Step::Greeting,
            State::Asking(subject, _) | State::Saying(Onward::Ask(subject, _)) => match subject {
                Subject::Factor(_) | Subject::Contact(_) => Step::Verifying,
                Subject::Menu(_) => Step::Serving,
                Subject::Language | Subject::Notice | Subject::Choice | Subject::Identifier(_) => {
                    Step::Identifying
                }
            },
            State::Fetching(Fetch::Code(..)) => Step::Verifying,
            State::Fetching(Fetch::Record) | State::Saying(Onward::Menu(_)) => Step::Serving,
            State::Saying(_) | State::HandingOver(_) => Step::HandingOver,
            State::Ended => Step::Ended,
        }
    }

    /// What is known of the caller so far.
    pub fn standing(&self) -> Standing {
        match &self.number {
            Number::Known(customer) if self.who.is_open() => Standing::Identified(customer.clone()),
            _ => self.who.standing(),
        }
    }

    /// The line that the caller is on.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The language that the caller hears.
    pub fn language(&self) -> &LanguageName {
        &self.language
    }

    /// What the record says about the conversation so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Begins with the line: asks for the language where that is to be chosen, gives notice, and greets.
    fn open(&mut self, now: Instant) {
        if !self.owes_notice() {
            self.look_number_up(now);
        }
        let chosen = !self.summary.lines.is_empty();
        if self.line.languages.menu.is_some() && !chosen {
            self.ask(Subject::Language, now);
        } else {
            self.introduce(now);
        }
    }

    /// Whether the line has a notice, and none has been answered.
    fn owes_notice(&self) -> bool {
        self.line.notice.is_some() && self.summary.consent.is_none()
    }

    /// Says what comes before anybody is asked who they are.
    fn introduce(&mut self, now: Instant) {
        if self.owes_notice() { self.ask(Subject::Notice, now) } else { self.greet(now) }
    }

    /// Goes on from a notice that has been answered.
    fn noticed(&mut self, now: Instant) {
        self.look_number_up(now);
        self.greet(now);
    }

    fn look_number_up(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let Some(by_number) = &line.by_number else { return };
        let Some(ani) = self.ani.clone().filter(|ani| by_number.takes(ani.trust.level())) else { return };
        if self.asked_who || !self.who.is_open() || !matches!(self.number, Number::Unknown) {
            return;
        }
        self.number = Number::Pending;
        self.request(by_number.action.clone(), Query::Number(ani), now);
    }

    fn greet(&mut self, now: Instant) {
        self.state = State::Greeting;
        let line = Arc::clone(&self.line);
        let greeting = &line.greeting;
        if !greeting.key_ahead {
            self.type_ahead.clear();
        }
        // A key that was pressed before is as good as one that is pressed meanwhile: whoever keys ahead knows the way.
        let is_cut_short = greeting.barge_in && !self.type_ahead.is_empty();
        if is_cut_short || !self.announce(greeting) {
            self.greeted(now);
        }
    }

    /// Goes on from the greeting once it is over and the calling number's look-up has its answer.
    fn greeted(&mut self, now: Instant) {
        if self.playing.is_some() {
            return;
        }
        match std::mem::replace(&mut self.number, Number::Unknown) {
            Number::Pending => self.number = Number::Pending,
            Number::Known(customer) => self.identified(customer, Method::Ani, now),
            Number::Unknown => self.identify(now),
            Number::Failed => self.apologise(now),
        }
    }

    /// Asks who it is, where nobody knows and nobody has asked.
    fn identify(&mut self, now: Instant) {
        if !self.who.is_open() || std::mem::replace(&mut self.asked_who, true) {
            return self.verify(now);
        }
        let first =
            if self.line.identification.choice.is_some() { Subject::Choice } else { Subject::Identifier(0) };
        self.ask_or(first, Self::serve, now);
    }

    /// Somebody is identified, if only by their own word.
    fn identified(&mut self, customer: Customer, method: Method, now: Instant) {
        self.asked_who = true;
        self.summary.method = Some(method);
        self.who = Who::Is(Standing::Identified(customer));
        self.speak_their_language();
        self.verify(now);
    }

    /// Goes on in the language that the customer's record names, where the line speaks it.
    fn speak_their_language(&mut self) {
        let line = Arc::clone(&self.line);
        let Some(attribute) = &line.languages.attribute else { return };
        let theirs = self.audible_customer().and_then(|customer| customer.attribute(attribute));
        let mut languages = line.languages.all.iter();
        if let Some((language, _)) = languages.find(|(language, _)| Some(language.as_str()) == theirs) {
            self.language = language.clone();
        }
    }

    /// Asks for the line's factors, unless some line's have been asked for.
    fn verify(&mut self, now: Instant) {
        let asked = self.verification.is_some() || self.line.factors.is_empty();
        if asked || !self.who.is_unproven() {
            return self.serve(now);
        }
        self.verification = Some(Verification::begin(&self.line.factors, self.vouching()));
        self.next_factor(now);
    }

    /// What the number that identified the caller does for them, be it that another line had them identified.
    fn vouching(&self) -> Vouching {
        match &self.ani {
            Some(_) if self.summary.method != Some(Method::Ani) => Vouching::Nothing,
            Some(_) if self.is_below_the_bar() => Vouching::Raises,
            Some(ani) => Vouching::Spares(ani.trust.level()),
            None => Vouching::Nothing,
        }
    }

    /// Whether the calling number is trusted less than the line wants.
    fn is_below_the_bar(&self) -> bool {
        let trust = self.ani.as_ref().map(|ani| ani.trust.level());
        trust.zip(self.line.by_number.as_ref()).is_some_and(|(trust, by_number)| trust < by_number.trust)
    }

    fn next_factor(&mut self, now: Instant) {
        let Some(verification) = &self.verification else { return };
        if let Some(nth) = verification.next() {
            return self.ask_factor(nth, now);
        }
        if let Who::Is(standing) = &mut self.who {
            *standing = verification.conclude(std::mem::replace(standing, Standing::Unidentified));
        }
        if self.discretion().is_some() {
            self.speak_their_language();
        }
        self.serve(now);
    }

    /// The back end said yes to this factor.
    fn passed(&mut self, nth: usize, now: Instant) {
        if let Some(verification) = &mut self.verification {
            verification.pass(nth);
        }
        self.summary.factors.extend(self.line.factors.get(nth).map(|factor| Arc::clone(&factor.name)));
        self.next_factor(now);
    }

    /// This factor came to nothing.
    fn failed(&mut self, nth: usize, now: Instant) {
        if let Some(verification) = &mut self.verification {
            verification.fail(nth);
        }
        self.next_factor(now);
    }

    /// Lets callers help themselves, where the line does and they are who it needs.
    fn serve(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let verdict = self.audible_verdict();
        let Some(service) = line.service.as_ref().filter(|service| verdict.is_at_least(service.needs)) else {
            return self.conclude(now);
        };
        self.summary.contained = true;
        match (&service.record, self.audible_customer()) {
            (Some(action), Some(customer)) => {
                let query = Query::Record(customer.clone());
                self.state = State::Fetching(Fetch::Record);
                self.request(action.clone(), query, now);
            }
            _ => self.menu(0, now),
        }
    }

    fn menu(&mut self, nth: usize, now: Instant) {
        self.rounds += 1;
        let rounds = self.line.service.as_ref().map_or(0, |service| service.rounds);
        if self.rounds > rounds {
            return self.conclude(now);
        }
        self.ask_or(Subject::Menu(nth), Self::conclude, now);
    }

    /// Says what the verdict has said, and goes where it has go.
    fn conclude(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        self.next(line.next.of(self.audible_verdict()), now);
    }

    fn next(&mut self, next: &Next, now: Instant) {
        self.say(&next.say, Onward::Then(next.then.clone()), now);
    }

    /// Says sorry for the back end, and goes on with what is known.
    fn apologise(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let next = line.next.of(self.audible_verdict());
        let mut sorry = next.say.clone();
        sorry.pieces.splice(..0, line.apology.pieces.iter().cloned());
        self.say(&sorry, Onward::Then(next.then.clone()), now);
    }

    /// Says something, and then goes on.
    fn say(&mut self, announcement: &Announcement, onward: Onward, now: Instant) {
        self.state = State::Saying(onward);
        if !self.announce(announcement) {
            self.said(now);
        }
    }

    fn said(&mut self, now: Instant) {
        let State::Saying(onward) = std::mem::replace(&mut self.state, State::Greeting) else { return };
        match onward {
            Onward::Then(then) => self.go(then, now),
            Onward::Verdict => self.conclude(now),
            Onward::Menu(nth) => self.menu(nth, now),
            Onward::Ask(subject, asking) => self.ask_again(subject, asking, now),
            Onward::HangUp => self.hang_up(),
        }
    }

    fn go(&mut self, then: Then, now: Instant) {
        match then {
            Then::HandOver(targets) => {
                self.summary.contained = false;
                self.hand_over(targets.into(), now);
            }
            Then::Line(line) if self.summary.lines.len() < LINES_MAX => {
                self.state = State::Greeting;
                self.actions.push_back(Action::Enter(line));
            }
            Then::Line(_) | Then::HangUp => self.hang_up(),
        }
    }

    fn hand_over(&mut self, targets: VecDeque<TargetName>, now: Instant) {
        let Some(target) = targets.front().cloned() else { return self.not_taken(now) };
        self.state = State::HandingOver(targets);
        self.actions.push_back(Action::HandOver(self.who.standing(), target));
    }

    fn handed_over(&mut self, end: HandOverEnd, now: Instant) {
        let State::HandingOver(targets) = &mut self.state else { return };
        match end {
            HandOverEnd::Taken => self.hang_up(),
            HandOverEnd::Refused => {
                targets.pop_front();
                let left = std::mem::take(targets);
                self.hand_over(left, now);
            }
            HandOverEnd::Unclear => self.not_taken(now),
        }
    }

    fn not_taken(&mut self, now: Instant) {
        let sorry = Announcement { barge_in: false, ..self.line.hand_over_failed.clone() };
        self.say(&sorry, Onward::HangUp, now);
    }

    fn hang_up(&mut self) {
        self.actions.push_back(Action::HangUp);
        self.end();
    }

    fn end(&mut self) {
        self.who = Who::Is(self.standing());
        self.number = Number::Unknown;
        self.state = State::Ended;
        self.type_ahead.clear();
        self.awaited = None;
        self.playing = None;
    }

    /// What plays is over.
    fn heard(&mut self, now: Instant) {
        match &self.state {
            State::Greeting => self.greeted(now),
            State::Saying(_) => self.said(now),
            State::Asking(..) => self.asked(now),
            State::Fetching(_) | State::HandingOver(_) | State::Ended => {}
        }
    }

    fn digit(&mut self, digit: Digit, now: Instant) {
        if self.trailing.take() == Some(digit) || matches!(self.state, State::HandingOver(_) | State::Ended) {
            return;
        }
        if let Some(playing) = self.playing {
            if !playing.barge_in {
                return if playing.key_ahead {
                    self.keep(digit);
                };
            }
            self.stop_playing();
            if matches!(self.state, State::Greeting | State::Saying(_)) {
                self.keep(digit);
                return self.heard(now);
            }
        }
        match self.state {
            State::Asking(_, Asking { phase: Phase::Keying(_) | Phase::Confirming(..), .. }) => {
                self.key(digit, now);
            }
            _ => self.keep(digit),
        }
    }

    /// Keeps a key for the next question.
    fn keep(&mut self, digit: Digit) {
        self.type_ahead.push(digit);
    }

    fn answered(&mut self, request: RequestId, answer: Answer, now: Instant) {
        let Some(awaited) = self.awaited.as_mut().filter(|awaited| awaited.request == Some(request)) else {
            return;
        };
        match &mut awaited.answer {
            Held::Yes(held) if now < awaited.deadline => *held = held.take().or(Some(answer)),
            Held::Yes(_) | Held::No => self.settle(answer, now),
        }
    }

    /// The back end has been waited for long enough.
    fn waited(&mut self, now: Instant) {
        let held = match self.awaited.as_mut().map(|awaited| &mut awaited.answer) {
            Some(Held::Yes(held)) => held.take(),
            _ => None,
        };
        self.settle(held.unwrap_or(Answer::Failed(Failure::TimedOut)), now);
    }

    /// Acts upon what the back end said.
    fn settle(&mut self, answer: Answer, now: Instant) {
        self.awaited = None;
        if self.playing.is_some_and(|playing| playing.is_hold) {
            self.stop_playing();
        }
        if let Answer::Failed(failure) = &answer {
            self.summary.back_end_failure = Some(*failure);
        }
        if matches!(self.number, Number::Pending) {
            return self.number_answered(answer, now);
        }
        match std::mem::replace(&mut self.state, State::Greeting) {
            State::Asking(subject, asking) if matches!(asking.phase, Phase::Awaiting) => {
                self.entry_answered(subject, asking, answer, now);
            }
            State::Fetching(Fetch::Code(nth, asking)) => self.code_answered(nth, asking, &answer, now),
            State::Fetching(Fetch::Record) => self.record_answered(answer, now),
            state => self.state = state,
        }
    }

    fn number_answered(&mut self, answer: Answer, now: Instant) {
        self.number = match answer {
            Answer::LookUp(Matches::One(customer)) => {
                self.summary.method = Some(Method::Ani);
                Number::Known(customer)
            }
            Answer::LookUp(Matches::Several(customers)) => {
                if !self.is_below_the_bar() {
                    self.candidates.by_number = customers;
                }
                Number::Unknown
            }
            Answer::LookUp(Matches::None) => Number::Unknown,
            _ => Number::Failed,
        };
        if matches!(self.state, State::Greeting) {
            self.greeted(now);
        }
    }

    fn record_answered(&mut self, answer: Answer, now: Instant) {
        if is_failure(&answer) {
            return self.apologise(now);
        }
        if let (Answer::Record(attributes), Who::Is(standing)) = (answer, &mut self.who)
            && let Some(customer) = standing.customer_mut()
        {
            customer.attributes.extend(attributes);
        }
        self.menu(0, now);
    }

    /// Plays something in place of whatever plays; `false` where there is nothing to hear.
    fn announce(&mut self, announcement: &Announcement) -> bool {
        let sounds = self.fill(&announcement.pieces);
        self.play(sounds, announcement.barge_in, announcement.key_ahead, false)
    }

    fn play(&mut self, sounds: Vec<Sound>, barge_in: bool, key_ahead: bool, looped: bool) -> bool {
        if sounds.is_empty() {
            return false;
        }
        self.plays += 1;
        let id = PlayId(self.plays);
        self.playing = Some(Playing { id, barge_in, key_ahead, is_hold: looped });
        self.actions.push_back(Action::Play(Play { id, language: self.language.clone(), sounds, looped }));
        true
    }

    fn stop_playing(&mut self) {
        self.playing = None;
        self.actions.push_back(Action::StopPlaying);
    }

    /// Says that it takes a while, until it is over.
    fn hold(&mut self) {
        let line = Arc::clone(&self.line);
        if let Some(awaited) = &mut self.awaited {
            awaited.hold_at = None;
        }
        let Some((_, announcement)) = &line.patience.hold else { return };
        let sounds = self.fill(&announcement.pieces);
        self.play(sounds, false, true, true);
    }

    fn request(&mut self, action: ActionName, query: Query, now: Instant) {
        self.requests += 1;
        let id = RequestId(self.requests);
        let is_of_entry = matches!(query, Query::Identifier(_) | Query::Secret { .. } | Query::Code { .. });
        let held = if is_of_entry && self.discretion().is_some() { Held::Yes(None) } else { Held::No };
        self.wait_for(Some(id), held, now);
        self.actions.push_back(Action::Ask(Request { id, action, query }));
    }

    fn wait_for(&mut self, request: Option<RequestId>, answer: Held, now: Instant) {
        let patience = &self.line.patience;
        let hold_at = patience.hold.as_ref().map(|(after, _)| now + *after);
        let wait = match (&answer, self.discretion()) {
            (Held::Yes(_), Some(discretion)) => discretion.answers_after,
            _ => patience.deadline,
        };
        self.awaited = Some(Awaited { request, deadline: now + wait, answer, hold_at });
    }
}

#[cfg(test)]
mod tests;
