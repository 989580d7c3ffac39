//! One caller's way through a line: greet, identify, verify, hand over.
//!
//! Three rules that are not plain from the states:
//! - Keys pressed before a question is asked are kept and feed it; they are dropped when an entry fails,
//!   since they were keyed by someone who believed it right.
//! - A terminator that trails an entry which ended by its length belongs to that entry.
//! - The calling number is looked up while the greeting plays.

mod state;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::entry::{Entry, Outcome};
use super::{
    Action, ActionName, Ani, Answer, Customer, Event, Failure, Line, Matches, Method, PlayId, PromptId,
    Query, Question, Request, RequestId, Standing, Step, Summary,
};
use crate::secret::{Digit, Secret};
use state::{Asking, Fault, Number, Phase, State};

/// The most keys kept ahead of their question; further ones are dropped.
const TYPE_AHEAD_MAX: usize = 64;

/// One caller on one line.
#[derive(Debug)]
pub struct Flow {
    line: Arc<Line>,
    state: State,
    /// Keys that no question has taken yet, oldest first.
    type_ahead: VecDeque<Digit>,
    /// The terminator of an entry that ended by its length, which may still trail it.
    trailing: Option<Digit>,
    /// When the back-end request under way is given up.
    back_end_deadline: Option<Instant>,
    summary: Summary,
    actions: VecDeque<Action>,
    plays: u32,
    requests: u32,
}

impl Flow {
    /// A caller who has just been answered on `line`, with their number where it was usable.
    pub fn new(line: Arc<Line>, ani: Option<Ani>, now: Instant) -> Self {
        let greeting = line.greeting.clone();
        let mut flow = Self {
            line,
            state: State::Ended(Standing::Unidentified),
            type_ahead: VecDeque::new(),
            trailing: None,
            back_end_deadline: None,
            summary: Summary::default(),
            actions: VecDeque::new(),
            plays: 0,
            requests: 0,
        };
        let play = Some(flow.play(vec![greeting]));
        let number = match (flow.line.by_number.clone(), ani) {
            (Some(action), Some(ani)) => Number::Pending(flow.ask(action, Query::Number(ani), now)),
            _ => Number::Unknown,
        };
        flow.state = State::Greeting { play, number };
        flow
    }

    /// Takes an event. Late ones (a playing or a request that is no longer awaited) change nothing.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::PlayEnded(play) => self.play_ended(play, now),
            Event::Digit(digit) => self.digit(digit, now),
            Event::Answered(request, answer) => self.answered(request, answer, now),
            Event::HandedOver(taken) => self.handed_over(taken),
            Event::HungUp => self.end(),
        }
    }

    /// Lets time pass: an entry or a back-end request may have run out of it.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.back_end_deadline.is_some_and(|deadline| deadline <= now) {
            if let Some(request) = self.awaited() {
                self.answered(request, Answer::Failed(Failure::TimedOut), now);
            }
            return;
        }
        let line = Arc::clone(&self.line);
        let outcome = self.entry(&line).and_then(|(entry, question)| entry.handle_timeout(question, now));
        if let Some(outcome) = outcome {
            self.entered(outcome, now);
        }
    }

    /// When `handle_timeout` next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let entry = match self.state.asking() {
            Some(Asking { phase: Phase::Keying { entry, .. }, .. }) => entry.deadline(),
            _ => None,
        };
        [entry, self.back_end_deadline].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Where the caller is.
    pub fn step(&self) -> Step {
        match self.state {
            State::Greeting { .. } => Step::Greeting,
            State::Identifying(_) => Step::Identifying,
            State::Verifying(..) => Step::Verifying,
            State::Parting(..) | State::HandingOver(_) | State::Failing(..) => Step::HandingOver,
            State::Ended(_) => Step::Ended,
        }
    }

    /// What is known of the caller so far.
    pub fn standing(&self) -> Standing {
        match &self.state {
            State::Greeting { number: Number::Known(customer), .. } | State::Verifying(customer, _) => {
                Standing::Identified(customer.clone())
            }
            State::Greeting { .. } | State::Identifying(_) => Standing::Unidentified,
            State::Parting(standing, _)
            | State::HandingOver(standing)
            | State::Failing(standing, _)
            | State::Ended(standing) => standing.clone(),
        }
    }

    /// What the record says about the conversation so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn play_ended(&mut self, ended: PlayId, now: Instant) {
        let line = Arc::clone(&self.line);
        let question = self.state.question(&line);
        match &mut self.state {
            State::Greeting { play, .. } if *play == Some(ended) => {
                *play = None;
                self.greeted(now);
            }
            State::Identifying(asking) | State::Verifying(_, asking) => {
                if let (Phase::Keying { play, entry }, Some(question)) = (&mut asking.phase, question)
                    && *play == Some(ended)
                {
                    *play = None;
                    entry.prompt_ended(question, now);
                }
            }
            State::Parting(_, play) if *play == ended => self.hand_over(),
            State::Failing(_, play) if *play == ended => self.hang_up(),
            _ => {}
        }
    }

    fn digit(&mut self, digit: Digit, now: Instant) {
        if self.trailing.take() == Some(digit) {
            return;
        }
        match &mut self.state {
            State::Greeting { play, .. } => {
                let playing = play.take().is_some();
                self.keep(digit);
                if playing {
                    self.actions.push_back(Action::StopPlaying);
                    self.greeted(now);
                }
            }
            State::Identifying(asking) | State::Verifying(_, asking) => match &mut asking.phase {
                Phase::Awaiting(_) => self.keep(digit),
                Phase::Keying { play, .. } => {
                    if play.take().is_some() {
                        self.actions.push_back(Action::StopPlaying);
                    }
                    self.key(digit, now);
                }
            },
            State::Parting(..) => {
                self.actions.push_back(Action::StopPlaying);
                self.hand_over();
            }
            State::HandingOver(_) | State::Failing(..) | State::Ended(_) => {}
        }
    }

    /// Keeps a key for the next question.
    fn keep(&mut self, digit: Digit) {
        if self.type_ahead.len() < TYPE_AHEAD_MAX {
            self.type_ahead.push_back(digit);
        }
    }

    /// Takes a key for the question being asked.
    fn key(&mut self, digit: Digit, now: Instant) {
        let line = Arc::clone(&self.line);
        let outcome = self.entry(&line).and_then(|(entry, question)| entry.key(digit, question, now));
        if let Some(outcome) = outcome {
            self.entered(outcome, now);
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answer, now: Instant) {
        if self.awaited() != Some(request) {
            return;
        }
        self.back_end_deadline = None;
        if let Answer::Failed(failure) = &answer {
            self.summary.back_end_failure = Some(*failure);
        }
        match (std::mem::replace(&mut self.state, State::Ended(Standing::Unidentified)), answer) {
            (State::Greeting { play, .. }, answer) => self.number_answered(play, answer, now),
            (State::Identifying(_), Answer::LookUp(Matches::One(customer))) => {
                self.identified(customer, Method::Identifier, now);
            }
            (State::Identifying(asking), Answer::LookUp(_)) => {
                self.state = State::Identifying(asking);
                self.fail(Fault::NoMatch);
            }
            (State::Verifying(customer, _), Answer::Check(true)) => self.part(Standing::verify(customer)),
            (State::Verifying(customer, asking), Answer::Check(false)) => {
                self.state = State::Verifying(customer, asking);
                self.fail(Fault::NoMatch);
            }
            (State::Identifying(_), _) => self.apologise(Standing::Unidentified),
            (State::Verifying(customer, _), _) => self.apologise(Standing::Identified(customer)),
            (state, _) => self.state = state,
        }
    }

    fn number_answered(&mut self, play: Option<PlayId>, answer: Answer, now: Instant) {
        let number = match answer {
            Answer::LookUp(Matches::One(customer)) => {
                self.summary.method = Some(Method::Ani);
                Number::Known(customer)
            }
            Answer::LookUp(_) => Number::Unknown,
            _ => Number::Failed,
        };
        self.state = State::Greeting { play, number };
        self.greeted(now);
    }

    /// Goes on from the greeting once it is over and the calling number's look-up has its answer.
    fn greeted(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Ended(Standing::Unidentified)) {
            State::Greeting { play: None, number: Number::Known(customer) } => {
                self.identified(customer, Method::Ani, now);
            }
            State::Greeting { play: None, number: Number::Unknown } => {
                let line = Arc::clone(&self.line);
                self.begin(&line.identifier, State::Identifying, now);
            }
            State::Greeting { play: None, number: Number::Failed } => self.apologise(Standing::Unidentified),
            state => self.state = state,
        }
    }

    fn identified(&mut self, customer: Customer, method: Method, now: Instant) {
        self.summary.method = Some(method);
        let line = Arc::clone(&self.line);
        match &line.verification {
            Some(question) => self.begin(question, |asking| State::Verifying(customer, asking), now),
            None => self.part(Standing::Identified(customer)),
        }
    }

    /// The entry being keyed, and the question it answers.
    fn entry<'a>(&mut self, line: &'a Line) -> Option<(&mut Entry, &'a Question)> {
        let question = self.state.question(line)?;
        match &mut self.state.asking_mut()?.phase {
            Phase::Keying { entry, .. } => Some((entry, question)),
            Phase::Awaiting(_) => None,
        }
    }

    /// Begins to ask: at once with what was keyed ahead, or else with the question's prompt.
    fn begin(&mut self, question: &Question, state: impl FnOnce(Asking) -> State, now: Instant) {
        let phase = Phase::Keying { play: None, entry: Entry::new(question) };
        self.state = state(Asking { no_match: 0, no_input: 0, too_short: 0, phase });
        self.feed(now);
        let untouched = match self.state.asking() {
            Some(Asking { phase: Phase::Keying { play: None, entry }, .. }) => entry.is_empty(),
            _ => false,
        };
        if untouched {
            self.prompt(question.prompts.ask.clone(), question);
        }
    }

    /// Says a prompt of the question that is being asked, and waits for a new entry.
    fn prompt(&mut self, prompt: PromptId, question: &Question) {
        let play = self.play(vec![prompt]);
        if let Some(asking) = self.state.asking_mut() {
            asking.phase = Phase::Keying { play: Some(play), entry: Entry::new(question) };
        }
    }

    /// Gives keys that were pressed ahead to the question, for as long as it takes keys.
    fn feed(&mut self, now: Instant) {
        while matches!(self.state.asking(), Some(Asking { phase: Phase::Keying { .. }, .. })) {
            let Some(digit) = self.type_ahead.pop_front() else { return };
            if self.trailing.take() != Some(digit) {
                self.key(digit, now);
            }
        }
    }

    /// An entry has ended.
    fn entered(&mut self, outcome: Outcome, now: Instant) {
        if outcome == Outcome::OptedOut {
            self.summary.opted_out = true;
            return self.part(self.standing());
        }
        match self.state {
            State::Verifying(..) => self.summary.secret_attempts += 1,
            _ => self.summary.identifier_attempts += 1,
        }
        match outcome {
            Outcome::Complete { digits, full } => self.submit(digits, full, now),
            Outcome::TooShort => self.fail(Fault::TooShort),
            Outcome::NoInput | Outcome::OptedOut => self.fail(Fault::NoInput),
        }
    }

    /// Takes an entry to the back end.
    fn submit(&mut self, digits: Secret, full: bool, now: Instant) {
        let line = Arc::clone(&self.line);
        let Some(question) = self.state.question(&line) else { return };
        self.trailing = question.terminator.filter(|_| full);
        let query = match &self.state {
            State::Verifying(customer, _) => {
                Query::Secret { customer: customer.clone(), secret: digits, positions: Vec::new() }
            }
            _ => Query::Identifier(digits),
        };
        let request = self.ask(question.action.clone(), query, now);
        if let Some(asking) = self.state.asking_mut() {
            asking.phase = Phase::Awaiting(request);
        }
    }

    /// An entry failed: asks again, or gives up when there have been enough.
    fn fail(&mut self, fault: Fault) {
        self.type_ahead.clear();
        let line = Arc::clone(&self.line);
        let Some(question) = self.state.question(&line) else { return };
        let Some(asking) = self.state.asking_mut() else { return };
        let (count, prompts) = match fault {
            Fault::NoMatch => (&mut asking.no_match, &question.prompts.no_match),
            Fault::NoInput => (&mut asking.no_input, &question.prompts.no_input),
            Fault::TooShort => (&mut asking.too_short, &question.prompts.too_short),
        };
        let prompt = prompts.get(*count as usize).or(prompts.last()).unwrap_or(&question.prompts.ask);
        *count += 1;
        if asking.failures() > question.retries {
            return self.part(self.standing());
        }
        self.prompt(prompt.clone(), question);
    }

    /// Says the last words before the hand-over.
    fn part(&mut self, standing: Standing) {
        let prompt = self.line.hand_over.of(standing.verdict()).prompt.clone();
        let play = self.play(vec![prompt]);
        self.state = State::Parting(standing, play);
    }

    /// Says sorry for the back end, then hands over with what is known.
    fn apologise(&mut self, standing: Standing) {
        let prompt = self.line.hand_over.of(standing.verdict()).prompt.clone();
        let play = self.play(vec![self.line.apology.clone(), prompt]);
        self.state = State::Parting(standing, play);
    }

    fn hand_over(&mut self) {
        let standing = self.standing();
        let target = self.line.hand_over.of(standing.verdict()).target.clone();
        self.actions.push_back(Action::HandOver(standing.clone(), target));
        self.state = State::HandingOver(standing);
    }

    fn handed_over(&mut self, taken: bool) {
        let State::HandingOver(standing) = &self.state else { return };
        if taken {
            return self.hang_up();
        }
        let standing = standing.clone();
        let play = self.play(vec![self.line.hand_over_failed.clone()]);
        self.state = State::Failing(standing, play);
    }

    fn hang_up(&mut self) {
        self.actions.push_back(Action::HangUp);
        self.end();
    }

    fn end(&mut self) {
        self.state = State::Ended(self.standing());
        self.type_ahead.clear();
        self.back_end_deadline = None;
    }

    fn play(&mut self, prompts: Vec<PromptId>) -> PlayId {
        self.plays += 1;
        let play = PlayId(self.plays);
        self.actions.push_back(Action::Play(play, prompts));
        play
    }

    fn ask(&mut self, action: ActionName, query: Query, now: Instant) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.back_end_deadline = Some(now + self.line.back_end_deadline);
        self.actions.push_back(Action::Ask(Request { id, action, query }));
        id
    }

    /// The back-end request under way.
    fn awaited(&self) -> Option<RequestId> {
        match &self.state {
            State::Greeting { number: Number::Pending(request), .. } => Some(*request),
            state => match state.asking()?.phase {
                Phase::Awaiting(request) => Some(request),
                Phase::Keying { .. } => None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
