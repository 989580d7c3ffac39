//! Questions: asked, answered by keys, taken to the back end, asked again, given up.

use std::sync::Arc;
use std::time::Instant;

use rand::seq::index;

use super::super::entry::{Entry, Outcome};
use super::super::{
    After, Announcement, Answer, CodePlan, Customer, Factor, FactorKind, Matches, Method, Query, Question,
    Turn,
};
use super::state::{Asking, Fault, Fetch, Onward, Phase, State, Subject, is_failure};
use super::{Flow, Offers, SentCode};
use crate::secret::{Digit, Secret};

/// The most contacts that a caller can choose among: there is a key for each.
const CONTACTS_MAX: usize = 9;
/// How often one question is explained; whoever asks for it again has failed to answer.
const HELPS_MAX: u32 = 3;

/// The key that confirms what was read back; any other takes it back.
const CONFIRMS: char = '1';

impl Flow {
    pub(super) fn ask(&mut self, subject: Subject, now: Instant) {
        self.ask_or(subject, Self::conclude, now);
    }

    /// Begins to ask; where the line has no such question, does this instead.
    pub(super) fn ask_or(&mut self, subject: Subject, otherwise: fn(&mut Self, Instant), now: Instant) {
        let line = Arc::clone(&self.line);
        match subject.question(&line) {
            Some(question) => self.begin(subject, Asking::new(question), question, now),
            None => otherwise(self, now),
        }
    }

    /// Goes on asking after something else was said.
    pub(super) fn ask_again(&mut self, subject: Subject, mut asking: Asking, now: Instant) {
        let line = Arc::clone(&self.line);
        if let Some(question) = subject.question(&line) {
            asking.phase = Phase::Keying(Entry::new(&question.entry));
            self.begin(subject, asking, question, now);
        }
    }

    /// Asks: at once with what was keyed ahead, or else with the question's prompt.
    fn begin(&mut self, subject: Subject, asking: Asking, question: &Question, now: Instant) {
        // Nobody accepts what they have not heard the beginning of.
        if !question.prompts.ask.key_ahead || subject == Subject::Notice {
            self.type_ahead.clear();
        }
        self.state = State::Asking(subject, asking);
        self.feed(now);
        let untouched = match &self.state {
            State::Asking(asked, Asking { phase: Phase::Keying(entry), .. }) => {
                *asked == subject && entry.is_empty()
            }
            _ => false,
        };
        if untouched && self.playing.is_none() {
            self.prompt(&question.prompts.ask, now);
        }
    }

    /// Says a prompt of the question that is being asked; the time for its answer begins with the prompt's end.
    fn prompt(&mut self, announcement: &Announcement, now: Instant) {
        let mut sounds = self.fill(&announcement.pieces);
        if let State::Asking(Subject::Contact(nth), _) = self.state {
            sounds.extend(self.offered(nth));
        }
        if !self.play(sounds, announcement.barge_in, announcement.key_ahead, false) {
            self.asked(now);
        }
    }

    /// The prompt is over.
    pub(super) fn asked(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        if let State::Asking(
            subject,
            Asking { phase: Phase::Keying(entry) | Phase::Confirming(_, entry), .. },
        ) = &mut self.state
            && let Some(question) = subject.question(&line)
        {
            entry.prompt_ended(&question.entry, now);
        }
        self.feed(now);
    }

    /// Gives keys that were pressed ahead to the question, for as long as it takes keys.
    fn feed(&mut self, now: Instant) {
        while self.playing.is_none()
            && matches!(
                self.state,
                State::Asking(_, Asking { phase: Phase::Keying(_) | Phase::Confirming(..), .. })
            )
        {
            let Some(digit) = self.type_ahead.pop() else { return };
            if self.trailing.take() != Some(digit) {
                self.key(digit, now);
            }
        }
    }

    /// Takes a key for the question being asked.
    pub(super) fn key(&mut self, digit: Digit, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, asking) = &mut self.state else { return };
        let Some(question) = subject.question(&line) else { return };
        match &mut asking.phase {
            Phase::Keying(entry) if entry.is_empty() && question.opt_out == Some(digit) => self.opt_out(now),
            Phase::Keying(entry) if entry.is_empty() && question.helps_on(digit) => self.help(now),
            Phase::Keying(entry) if entry.is_empty() && subject.resends_on(&line.factors, digit) => {
                self.resend(now);
            }
            Phase::Keying(entry) => {
                if let Some(outcome) = entry.key(digit, &question.entry, now) {
                    self.entered(outcome, now);
                }
            }
            Phase::Confirming(keyed, _) => {
                let keyed = std::mem::take(keyed);
                if digit.expose() == CONFIRMS {
                    self.submit(keyed, now);
                } else {
                    self.fail(Fault::TakenBack, now);
                }
            }
            Phase::Awaiting => {}
        }
    }

    pub(super) fn entry_timeout(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, asking) = &mut self.state else { return };
        let Some(question) = subject.question(&line) else { return };
        let outcome = match &mut asking.phase {
            Phase::Keying(entry) | Phase::Confirming(_, entry) => entry.handle_timeout(&question.entry, now),
            Phase::Awaiting => None,
        };
        if let Some(outcome) = outcome {
            self.entered(outcome, now);
        }
    }

    /// An entry has ended.
    fn entered(&mut self, outcome: Outcome, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, _) = self.state else { return };
        match subject {
            Subject::Identifier(_) => self.summary.identifier_attempts += 1,
            Subject::Factor(_) => self.summary.secret_attempts += 1,
            _ => {}
        }
        match outcome {
            Outcome::Complete { digits, full } => {
                let terminator = subject.question(&line).and_then(|question| question.entry.terminator);
                self.trailing = terminator.filter(|_| full);
                self.take(subject, digits, now);
            }
            Outcome::TooShort => self.fail(Fault::TooShort, now),
            Outcome::NoInput => self.fail(Fault::NoInput, now),
        }
    }

    /// Does what an entry says, or has it confirmed first.
    fn take(&mut self, subject: Subject, digits: Secret, now: Instant) {
        let line = Arc::clone(&self.line);
        let key = Digit::from_char(digits.expose().chars().next().unwrap_or_default());
        match subject {
            Subject::Language => match chosen(line.languages.menu.as_ref().map(|(_, keys)| keys), key) {
                Some(language) => {
                    self.language = language.clone();
                    self.introduce(now);
                }
                None => self.fail(Fault::NoMatch, now),
            },
            Subject::Notice if key.is_some() && key == line.notice.as_ref().map(|notice| notice.accept) => {
                self.summary.consent = Some(true);
                self.noticed(now);
            }
            Subject::Notice => self.fail(Fault::NoMatch, now),
            Subject::Choice => match chosen(line.identification.choice.as_ref().map(|(_, keys)| keys), key) {
                Some(nth) => self.ask(Subject::Identifier(*nth), now),
                None => self.fail(Fault::NoMatch, now),
            },
            Subject::Menu(nth) => {
                let menu = line.service.as_ref().and_then(|service| service.menus.get(nth));
                match chosen(menu.map(|menu| &menu.choices), key) {
                    Some(choice) => self.say(&choice.say, choice.then.clone().into(), now),
                    None => self.fail(Fault::NoMatch, now),
                }
            }
            Subject::Contact(nth) => match self.contact(key) {
                Some(contact) => self.begin_code(nth, Some(contact), now),
                None => self.fail(Fault::NoMatch, now),
            },
            Subject::Identifier(nth) => match line.identification.questions.get(nth) {
                Some(identifier) if identifier.check.accepts(digits.expose()) => self.confirm(digits, now),
                _ => self.fail(Fault::NoMatch, now),
            },
            Subject::Factor(_) if self.code.as_ref().is_some_and(|code| code.is_over(now)) => {
                self.fail(Fault::Expired, now);
            }
            Subject::Factor(_) => self.submit(digits, now),
        }
    }

    /// Has an identifier confirmed, where its question wants that.
    fn confirm(&mut self, digits: Secret, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, asking) = &mut self.state else { return };
        let Some(question) = subject.question(&line) else { return };
        let Some(announcement) = &question.confirm else { return self.submit(digits, now) };
        asking.phase = Phase::Confirming(digits, Entry::new(&question.entry));
        if !announcement.key_ahead {
            self.type_ahead.clear();
        }
        self.feed(now);
        let unconfirmed = matches!(self.state, State::Asking(_, Asking { phase: Phase::Confirming(..), .. }));
        if unconfirmed && self.playing.is_none() {
            self.prompt(announcement, now);
        }
    }

    /// Takes an entry to the back end.
    fn submit(&mut self, digits: Secret, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, asking) = &mut self.state else { return };
        asking.phase = Phase::Awaiting;
        match *subject {
            Subject::Identifier(nth) => {
                let Some(identifier) = line.identification.questions.get(nth) else { return };
                self.request(identifier.action.clone(), Query::Identifier(digits), now);
            }
            Subject::Factor(nth) => {
                let Some(factor) = line.factors.get(nth) else { return };
                let Some(secret) = self.in_form(factor, digits) else {
                    return self.fail(Fault::NoMatch, now);
                };
                let positions = self.offers.positions.clone();
                match self.who.customer().cloned() {
                    Some(customer) => {
                        let query = Query::Secret { customer, secret, positions };
                        self.request(factor.action.clone(), query, now);
                    }
                    None => self.pretend_to_ask(Answer::Check(false), now),
                }
            }
            Subject::Language
            | Subject::Notice
            | Subject::Choice
            | Subject::Contact(_)
            | Subject::Menu(_) => {}
        }
    }

    /// What was keyed, as the back end takes it; `None` where it cannot be right.
    fn in_form(&self, factor: &Factor, digits: Secret) -> Option<Secret> {
        if !matches!(factor.kind, FactorKind::Date) {
            return Some(digits);
        }
        let order = self.line.languages.date_order(&self.language);
        order.date(digits.expose()).map(|date| Secret::new(date.to_string()))
    }

    pub(super) fn entry_answered(&mut self, subject: Subject, asking: Asking, answer: Answer, now: Instant) {
        self.state = State::Asking(subject, asking);
        match (subject, answer) {
            (Subject::Identifier(nth), Answer::LookUp(matches)) => self.looked_up(nth, matches, now),
            (Subject::Factor(nth), Answer::Check(true)) => self.passed(nth, now),
            (Subject::Factor(_), Answer::Check(false)) => self.fail(Fault::NoMatch, now),
            (Subject::Factor(_), Answer::Locked(lock)) => {
                self.summary.locked.get_or_insert(lock);
                self.fail(Fault::NoMatch, now);
            }
            (subject, answer) if self.keeps_to_itself(subject, &answer) => self.keep_failure(subject, now),
            _ => self.apologise(now),
        }
    }

    /// The back end has told whose identifier was keyed.
    fn looked_up(&mut self, nth: usize, matches: Matches, now: Instant) {
        let customers = match matches {
            Matches::None => Vec::new(),
            Matches::One(customer) => vec![customer],
            Matches::Several(customers) => customers,
        };
        let picked = self.candidates.pick(customers);
        match picked.len() {
            0 | 2.. if self.discretion().is_some() => self.strange(now),
            0 => self.fail(Fault::NoMatch, now),
            1 => {
                let name = self
                    .line
                    .identification
                    .questions
                    .get(nth)
                    .map(|identifier| Arc::clone(&identifier.name));
                self.summary.identifier = name;
                for customer in picked {
                    self.identified(customer, Method::Identifier, now);
                }
            }
            _ => self.ask_for_another(nth, picked, now),
        }
    }

    /// Asks for another identifier, to pick among `customers`; once only, and where the line has one.
    fn ask_for_another(&mut self, nth: usize, customers: Vec<Customer>, now: Instant) {
        let questions = self.line.identification.questions.len();
        if questions < 2 || !self.candidates.by_identifier.is_empty() {
            return self.fail(Fault::NoMatch, now);
        }
        self.candidates.by_identifier = customers;
        self.ask(Subject::Identifier((nth + 1) % questions), now);
    }

    /// An entry failed: asks again, or gives up when there have been enough.
    pub(super) fn fail(&mut self, fault: Fault, now: Instant) {
        self.type_ahead.clear();
        let line = Arc::clone(&self.line);
        let State::Asking(subject, asking) = &mut self.state else { return };
        let subject = *subject;
        let Some(question) = subject.question(&line) else { return };
        let nth = asking.count(fault);
        if asking.is_exhausted(question) {
            return self.give_up(subject, &question.exhausted, now);
        }
        asking.phase = Phase::Keying(Entry::new(&question.entry));
        let said = match fault {
            Fault::NoMatch => nth_or_last(&question.prompts.no_match, nth),
            Fault::NoInput => nth_or_last(&question.prompts.no_input, nth),
            Fault::TooShort => nth_or_last(&question.prompts.too_short, nth),
            Fault::Expired => subject.code(&line.factors).map(|plan| &plan.expired),
            Fault::TakenBack => None,
        };
        self.prompt(said.unwrap_or(&question.prompts.ask), now);
    }

    /// Goes on without an answer.
    fn give_up(&mut self, subject: Subject, after: &After, now: Instant) {
        if subject == Subject::Notice {
            self.summary.consent = Some(false);
        }
        match (after, subject) {
            (_, Subject::Language) => self.introduce(now),
            (After::Next, Subject::Notice) => self.noticed(now),
            (After::Verdict, _) | (After::Next, Subject::Choice | Subject::Menu(_)) => self.conclude(now),
            (After::Then(then), _) => self.go(then.clone(), now),
            (After::Next, Subject::Identifier(nth)) => {
                self.ask_or(Subject::Identifier(nth + 1), Self::serve, now);
            }
            (After::Next, Subject::Factor(nth) | Subject::Contact(nth)) => self.failed(nth, now),
        }
    }

    fn opt_out(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, _) = self.state else { return };
        self.summary.opted_out |= !matches!(subject, Subject::Language | Subject::Notice | Subject::Menu(_));
        if let Some(question) = subject.question(&line) {
            self.give_up(subject, &question.opted_out, now);
        }
    }

    /// Explains the question, and asks it again.
    fn help(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let State::Asking(subject, asking) = &mut self.state else { return };
        let Some(question) = subject.question(&line) else { return };
        asking.helps += 1;
        if asking.helps > HELPS_MAX {
            return self.fail(Fault::NoMatch, now);
        }
        let Some((_, help)) = &question.help else { return };
        let pieces = help.pieces.iter().chain(&question.prompts.ask.pieces).cloned().collect();
        self.prompt(&Announcement { pieces, ..help.clone() }, now);
    }

    /// Begins to ask for a factor.
    pub(super) fn ask_factor(&mut self, nth: usize, now: Instant) {
        let line = Arc::clone(&self.line);
        let Some(factor) = line.factors.get(nth) else { return };
        (self.code, self.offers) = (None, Offers::default());
        match &factor.kind {
            FactorKind::Whole | FactorKind::Date => self.ask(Subject::Factor(nth), now),
            FactorKind::Partial { length, count } => {
                let (length, count) = (usize::from(*length), usize::from(*count));
                let drawn = index::sample(&mut self.rng, length, count.min(length));
                self.offers.positions = drawn.into_iter().map(|place| place as u8 + 1).collect();
                self.offers.positions.sort_unstable();
                self.ask(Subject::Factor(nth), now);
            }
            FactorKind::Code(plan) => self.ask_where(nth, plan, now),
        }
    }

    /// Finds out where a one-time code is to go.
    fn ask_where(&mut self, nth: usize, plan: &CodePlan, now: Instant) {
        let Some(attribute) = &plan.contacts else { return self.begin_code(nth, None, now) };
        let contacts = self.who.customer().and_then(|customer| customer.attributes.get(attribute));
        let mut contacts = contacts.cloned().unwrap_or_default();
        contacts.truncate(CONTACTS_MAX);
        if self.discretion().is_some() {
            return self.begin_code(nth, contacts.into_iter().next(), now);
        }
        match contacts.len() {
            0 => self.failed(nth, now),
            1 => self.begin_code(nth, contacts.pop(), now),
            _ => {
                self.offers.contacts = contacts;
                self.ask(Subject::Contact(nth), now);
            }
        }
    }

    /// The contact that a key stands for.
    fn contact(&self, key: Option<Digit>) -> Option<String> {
        let nth = key?.expose().to_digit(10)?.checked_sub(1)?;
        self.offers.contacts.get(nth as usize).cloned()
    }

    /// Has the first one-time code sent.
    fn begin_code(&mut self, nth: usize, contact: Option<String>, now: Instant) {
        let line = Arc::clone(&self.line);
        let Some((factor, plan)) = line.factors.get(nth).and_then(|factor| Some((factor, factor.code()?)))
        else {
            return;
        };
        self.code = Some(SentCode { contact, expires: now, resends: plan.resends });
        self.send_code(nth, plan, Asking::new(&factor.question), now);
    }

    fn send_code(&mut self, nth: usize, plan: &CodePlan, asking: Asking, now: Instant) {
        let contact = self.code.as_ref().and_then(|code| code.contact.clone());
        self.state = State::Fetching(Fetch::Code(nth, asking));
        let reachable = plan.contacts.is_none() || contact.is_some();
        match self.who.customer().filter(|_| reachable).cloned() {
            Some(customer) => {
                self.request(plan.send.clone(), Query::Code { customer, contact }, now);
            }
            None => self.pretend_to_ask(Answer::Sent(true), now),
        }
    }

    /// Has another one-time code sent, where there may be another.
    fn resend(&mut self, now: Instant) {
        let line = Arc::clone(&self.line);
        let left = self.code.as_mut().and_then(|code| code.resends.checked_sub(1));
        let Some(left) = left else { return self.fail(Fault::NoMatch, now) };
        if let Some(code) = &mut self.code {
            code.resends = left;
        }
        let State::Asking(Subject::Factor(nth), asking) = std::mem::replace(&mut self.state, State::Greeting)
        else {
            return;
        };
        if let Some(plan) = line.factors.get(nth).and_then(Factor::code) {
            self.send_code(nth, plan, asking, now);
        }
    }

    pub(super) fn code_answered(&mut self, nth: usize, asking: Asking, answer: &Answer, now: Instant) {
        let line = Arc::clone(&self.line);
        let is_discreet = self.discretion().is_some();
        if is_failure(answer) && !is_discreet {
            return self.apologise(now);
        }
        let is_said = is_discreet || *answer == Answer::Sent(true);
        let Some(plan) = line.factors.get(nth).and_then(Factor::code).filter(|_| is_said) else {
            return self.failed(nth, now);
        };
        if let Some(code) = &mut self.code {
            code.expires = now + plan.valid_for;
        }
        self.say(&plan.sent, Onward::Ask(Subject::Factor(nth), asking), now);
    }
}

impl super::Candidates {
    /// Those of `customers` who can be meant.
    fn pick(&self, customers: Vec<Customer>) -> Vec<Customer> {
        let among = |few: &[Customer]| -> Vec<Customer> {
            customers.iter().filter(|one| few.iter().any(|other| other.id == one.id)).cloned().collect()
        };
        if !self.by_identifier.is_empty() {
            return among(&self.by_identifier);
        }
        // The number is a hint: it settles who is meant, and keeps nobody out.
        let hinted = among(&self.by_number);
        if customers.len() > 1 && hinted.len() == 1 { hinted } else { customers }
    }
}

impl Question {
    fn helps_on(&self, digit: Digit) -> bool {
        self.help.as_ref().is_some_and(|(key, _)| *key == digit)
    }
}

impl Subject {
    /// How the one-time code of this factor is sent, if it is one.
    fn code(self, factors: &[Factor]) -> Option<&CodePlan> {
        let Self::Factor(nth) = self else { return None };
        factors.get(nth)?.code()
    }

    fn resends_on(self, factors: &[Factor], digit: Digit) -> bool {
        self.code(factors).is_some_and(|plan| plan.resend_key == Some(digit))
    }
}

impl SentCode {
    fn is_over(&self, now: Instant) -> bool {
        self.expires <= now
    }
}

impl From<Turn> for Onward {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Menu(nth) => Self::Menu(nth),
            Turn::Verdict => Self::Verdict,
            Turn::Then(then) => Self::Then(then),
        }
    }
}

fn chosen<T>(keys: Option<&Vec<(Digit, T)>>, key: Option<Digit>) -> Option<&T> {
    keys?.iter().find(|(digit, _)| Some(*digit) == key).map(|(_, choice)| choice)
}

fn nth_or_last(announcements: &[Announcement], nth: usize) -> Option<&Announcement> {
    announcements.get(nth).or(announcements.last())
}
