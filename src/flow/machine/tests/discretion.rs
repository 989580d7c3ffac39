//! That nobody can tell a customer's identifier from nobody's: rule by rule, and for random lines and callers by two
//! calls that differ in nothing but that.

use std::time::Duration;

use proptest::prelude::*;

use super::properties::{code_plan, lines, somebody};
use super::*;
use crate::flow::tests::{factor, identifier, say, to};
use crate::flow::{Discretion, Factor, FactorKind, LineName, Piece, Service, Source, TextPart, Verdict};

const ANSWERS_AFTER: Duration = Duration::from_secs(2);

/// The plain line without numbers, and discreet.
pub(super) fn line() -> Arc<Line> {
    discreet(|_| {})
}

fn discreet(change: impl FnOnce(&mut Line)) -> Arc<Line> {
    line_with(|line| {
        line.by_number = None;
        line.discretion = Some(Discretion { answers_after: ANSWERS_AFTER });
        change(line);
    })
}

/// Has keyed an identifier, to which the back end said this.
fn keyed(line: Arc<Line>, answer: Answer) -> Caller {
    let mut caller = Caller::on(line, "").hear();
    caller.diary.clear();
    caller.keys("12345678").answer(answer)
}

fn reachable() -> Answer {
    Answer::LookUp(Matches::One(somebody()))
}

#[test]
fn nobodys_identifier_leads_to_the_question_for_a_secret_which_the_back_end_is_never_asked_about() {
    let mut caller = keyed(line(), none()).expect("stop, ask id").wait().expect("play pin-ask");
    for _ in 0..3 {
        caller = caller.keys("4711").wait();
    }
    caller = caller.expect("stop, play pin-no-match-1, stop, play pin-no-match-2, stop, play pin-no-match-2");
    caller = caller.keys("4711").wait().expect("stop, play bye-unidentified");
    caller = caller.hear().expect("hand over unidentified to unidentified-desk");
    assert_eq!((caller.flow.summary().secret_attempts, caller.flow.summary().method), (4, None));
}

#[test]
fn who_proves_nothing_goes_the_way_of_the_unidentified_and_the_truth_goes_with_them() {
    let mut caller = keyed(line(), one()).wait();
    for _ in 0..4 {
        caller = caller.keys("0000").answer(Answer::Check(false)).wait();
    }
    assert!(caller.diary().ends_with("play bye-unidentified"));
    caller.hear().expect("hand over identified to unidentified-desk");
}

#[test]
fn who_proves_to_be_a_customer_is_verified_as_ever() {
    let caller = keyed(line(), one()).wait().keys("4711").answer(Answer::Check(true));
    caller
        .expect("stop, ask id, play pin-ask, stop, ask pin")
        .wait()
        .expect("play bye-verified")
        .hear()
        .expect("hand over verified to verified-desk");
}

#[test]
fn an_answer_is_acted_upon_at_its_time_however_soon_it_is_there_and_not_after() {
    let caller = Caller::on(line(), "").hear().keys("12345678");
    let (entered, late) = (caller.now, caller.asked.clone().expect("asked").id);
    let caller = caller.answer(one()).wait();
    assert_eq!(caller.now, entered + ANSWERS_AFTER);
    // What is not there by then is not there: the caller is led on as nobody, and cannot hear it either.
    let mut caller = Caller::on(line(), "").hear().keys("12345678").wait();
    assert_eq!(caller.now, entered + ANSWERS_AFTER);
    caller.tell(Event::Answered(late, one()));
    assert_eq!(caller.flow.standing(), Standing::Unidentified);
    assert_eq!(caller.flow.summary().back_end_failure, Some(Failure::TimedOut));
    caller.expect("play greeting, play id-ask, stop, ask id, play pin-ask");
}

#[test]
fn a_failure_that_may_have_to_do_with_the_customer_is_not_heard() {
    let failed = |failure| Answer::Failed(failure);
    for failure in [Failure::Status, Failure::Garbage, Failure::TimedOut] {
        keyed(line(), failed(failure)).wait().expect("stop, ask id, play pin-ask");
    }
    for failure in [Failure::Unreachable, Failure::Overloaded, Failure::Open] {
        keyed(line(), failed(failure)).wait().expect("stop, ask id, play apology+bye-unidentified");
    }
    let caller = keyed(line(), one()).wait().keys("4711").answer(failed(Failure::Open)).wait();
    caller.expect("stop, ask id, play pin-ask, stop, ask pin, play pin-no-match-1");
}

#[test]
fn an_identifier_of_several_is_led_on_as_nobodys() {
    let several = Answer::LookUp(Matches::Several(vec![maria(), Customer::new("2", None)]));
    let two = discreet(|line| line.identification.questions.push(identifier("birth")));
    keyed(two, several).wait().expect("stop, ask id, play pin-ask");
}

#[test]
fn keys_pressed_ahead_feed_the_question_for_the_secret_whoever_it_is() {
    for answer in [one(), none()] {
        let mut caller = Caller::on(line(), "").hear().keys("12345678#4711").answer(answer).wait();
        let heard = caller.diary().replace(", ask pin", "");
        assert_eq!(heard, "play greeting, play id-ask, stop, ask id");
        assert!(matches!(caller.flow.step(), Step::Verifying));
    }
}

#[test]
fn a_code_is_said_to_be_on_its_way_whatever_became_of_it_and_goes_to_the_first_contact() {
    let code = || {
        discreet(|line| {
            line.factors = vec![Factor { kind: FactorKind::Code(Box::new(code_plan())), ..factor("code") }];
        })
    };
    let on_its_way = "play sent";
    let caller = keyed(code(), reachable()).wait().expect("stop, ask id, ask send");
    let Query::Code { contact, .. } = &caller.asked.as_ref().expect("asked").query else { panic!("no code") };
    assert_eq!(contact.as_deref(), Some("+12025550147"));
    caller.answer(Answer::Sent(false)).expect("").wait().expect(on_its_way);
    // Nobody, and a customer who cannot be reached.
    for answer in [none(), one()] {
        let caller = keyed(code(), answer).wait().expect("stop, ask id").wait().expect(on_its_way);
        caller.hear().expect("play code-ask").keys("##").expect("stop").wait().expect(on_its_way);
    }
}

#[test]
fn nothing_of_the_customers_is_heard_before_the_proof() {
    let line = discreet(|line| {
        line.languages.attribute = Some("language".into());
        let name = Piece::Text(vec![TextPart::Value(Source::Name)], None);
        line.factors[0].question.prompts.ask.pieces.push(name.clone());
        line.next.verified.say = Announcement::of(vec![name]);
    });
    let german = Customer { attributes: [("language".into(), vec!["de".to_owned()])].into(), ..maria() };
    let caller =
        keyed(line, Answer::LookUp(Matches::One(german))).wait().expect("stop, ask id, play pin-ask");
    assert_eq!(caller.flow.language().as_str(), "en");
    let caller = caller.keys("4711").answer(Answer::Check(true)).wait();
    assert_eq!(caller.flow.language().as_str(), "de");
    caller.expect("stop, ask pin, play \"Maria\"");
}

#[test]
fn what_one_line_keeps_to_itself_the_next_ones_do_too() {
    let menu = || {
        line_with(|line| {
            line.number = LineName::new("menus");
            line.service =
                Some(Service { needs: Verdict::Identified, record: None, menus: Vec::new(), rounds: 1 });
        })
    };
    for answer in [one(), none()] {
        let first = discreet(|line| {
            line.factors.clear();
            line.next.unidentified.then = Then::Line(LineName::new("menus"));
        });
        let mut caller =
            Caller::on(first, "").knowing(menu()).hear().keys("12345678").answer(answer).wait().hear();
        assert!(caller.diary().ends_with("play bye-unidentified, enter menus, play greeting"));
        caller = caller.hear().expect("play pin-ask").hear().keys("*");
        caller.expect("play bye-unidentified");
    }
}

/// Whose identifier it is that is keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Somebodys,
    Nobodys,
}

/// A call in time: prompts take a while, and so does the back end.
struct Call {
    caller: Caller,
    whose: Whose,
    /// How long the back end takes, and of how many kinds what it says is, one after another.
    back_end: std::iter::Cycle<std::vec::IntoIter<(u64, u8)>>,
    answers: Vec<(Instant, RequestId, Answer)>,
    ends: Option<(Instant, PlayId)>,
    /// When what was heard or done that a caller notices, and in which language.
    noticed: Vec<(Duration, String)>,
}

const PROMPT: Duration = Duration::from_millis(1500);

impl Call {
    fn begin(line: &Arc<Line>, onward: &Arc<Line>, whose: Whose, back_end: Vec<(u64, u8)>) -> Self {
        let caller = Caller::on(Arc::clone(line), "+12025550101").knowing(Arc::clone(onward));
        let back_end = back_end.into_iter().cycle();
        let mut call = Self { caller, whose, back_end, answers: Vec::new(), ends: None, noticed: Vec::new() };
        call.look();
        call
    }

    /// What a random back end says, of somebody or of nobody.
    fn answer(&self, query: &Query, kind: u8) -> Answer {
        let failed = [Failure::Status, Failure::Garbage, Failure::TimedOut][usize::from(kind % 3)];
        let any = [failed, Failure::Unreachable, Failure::Open][usize::from(kind % 3)];
        let known = self.whose == Whose::Somebodys;
        match (query, kind) {
            (Query::Identifier(_), 0) => Answer::Failed(failed),
            (Query::Identifier(_), _) if known => Answer::LookUp(Matches::One(somebody())),
            (Query::Identifier(_), 1) => {
                Answer::LookUp(Matches::Several(vec![maria(), somebody(), somebody()]))
            }
            // Numbers are no secret here: they say the same in both calls.
            (Query::Number(_) | Query::Identifier(_), _) => none(),
            (query, _) if !known => panic!("nobody's {query:?}"),
            (_, 0 | 1) => Answer::Failed(any),
            (Query::Code { .. }, kind) => Answer::Sent(kind % 2 == 0),
            (Query::Secret { .. }, _) => Answer::Check(false),
            (Query::Record(_), _) => Answer::Record(crate::flow::Attributes::new()),
        }
    }

    /// Takes in what the flow has done.
    fn look(&mut self) {
        if let Some(request) = self.caller.asked.take() {
            let (after, kind) = self.back_end.next().expect("a cycle");
            let after = if matches!(request.query, Query::Number(_)) { 700 } else { after };
            let answer = self.answer(&request.query, kind);
            self.answers.push((self.caller.now + Duration::from_millis(after), request.id, answer));
        }
        let playing = self.caller.playing;
        if self.ends.map(|(_, play)| play) != playing {
            self.ends = playing.map(|play| (self.caller.now + PROMPT, play));
        }
        let language = self.caller.flow.language().clone();
        for entry in std::mem::take(&mut self.caller.diary) {
            let entry = match entry.split_once(" to ") {
                Some((_, target)) if entry.starts_with("hand over") => format!("hand over to {target}"),
                _ if entry.starts_with("ask ") => continue,
                _ => format!("{entry} ({language})"),
            };
            self.noticed.push((self.caller.now - at(0), entry));
        }
    }

    /// Lets things happen until then.
    fn pass(&mut self, until: Instant) {
        loop {
            let answer = self.answers.iter().map(|(at, ..)| *at).min();
            let ends = self.ends.map(|(at, _)| at);
            let Some(next) = [answer, ends, self.caller.flow.poll_timeout()].into_iter().flatten().min()
            else {
                break;
            };
            if next > until {
                break;
            }
            self.caller.now = self.caller.now.max(next);
            if let Some(nth) = self.answers.iter().position(|(at, ..)| *at <= next) {
                let (_, request, answer) = self.answers.remove(nth);
                self.caller.tell(Event::Answered(request, answer));
            } else if let Some((_, play)) = self.ends.take_if(|(at, _)| *at <= next) {
                self.caller.playing = None;
                self.caller.tell(Event::PlayEnded(play));
            } else {
                self.caller.flow.handle_timeout(self.caller.now);
                self.caller.note();
            }
            self.look();
        }
        self.caller.now = until;
    }

    fn key(&mut self, key: char) {
        self.caller.tell(Event::Digit(Digit::from_char(key).expect("a key")));
        self.look();
    }
}

/// What is noticed of a call in which these keys are pressed, each so many milliseconds after the one before.
fn noticed(mut call: Call, keys: &[(u64, char)]) -> Vec<(Duration, String)> {
    let mut now = at(0);
    for (after, key) in keys {
        now += Duration::from_millis(*after);
        call.pass(now);
        call.key(*key);
    }
    call.pass(now + Duration::from_hours(1));
    assert_eq!(call.caller.flow.standing().customer().is_some(), call.caller.flow.summary().method.is_some());
    if call.whose == Whose::Nobodys {
        assert_eq!(call.caller.flow.standing(), Standing::Unidentified);
    }
    call.noticed
}

fn keys() -> impl Strategy<Value = Vec<(u64, char)>> {
    let key = prop::sample::select("01234567890123456789*#".chars().collect::<Vec<_>>());
    let after = prop_oneof![8 => 100..600_u64, 2 => 600..4000_u64, 1 => 4000..9000_u64];
    prop::collection::vec((after, key), 0..80)
}

fn back_end() -> impl Strategy<Value = Vec<(u64, u8)>> {
    prop::collection::vec((0..3000_u64, 0..12_u8), 1..8)
}

/// The line, made to show all that it may not: names in questions, a language by the record, another line after it.
fn tempting(line: &Line, onward: bool) -> Arc<Line> {
    let mut line = line.clone();
    line.discretion = Some(Discretion { answers_after: ANSWERS_AFTER });
    line.languages.attribute = Some("language".into());
    for factor in &mut line.factors {
        factor.question.prompts.ask.pieces.push(Piece::Text(vec![TextPart::Value(Source::Name)], None));
    }
    line.next.unidentified = to("bye-unidentified", "unidentified-desk");
    if onward {
        line.next.unidentified.then = Then::Line(LineName::new("onward"));
    }
    Arc::new(line)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn two_calls_that_differ_in_whose_identifier_it_is_sound_alike_at_every_moment(
        line in lines(),
        onward in lines(),
        goes_on in any::<bool>(),
        keys in keys(),
        somebodys in back_end(),
        nobodys in back_end(),
    ) {
        let mut onward = Line::clone(&onward);
        onward.number = LineName::new("onward");
        onward.next.identified = to("bye-identified", "identified-desk");
        if line.notice.is_some() {
            // Who declines it says who they are on the next line alone, and what that tells is its own affair.
            onward.discretion = Some(Discretion { answers_after: ANSWERS_AFTER });
        }
        let (line, onward) = (tempting(&line, goes_on), Arc::new(onward));
        let call = |whose, back_end| Call::begin(&line, &onward, whose, back_end);
        let one = noticed(call(Whose::Somebodys, somebodys), &keys);
        let other = noticed(call(Whose::Nobodys, nobodys), &keys);
        prop_assert_eq!(one, other);
    }
}

#[test]
fn without_discretion_two_such_calls_do_not_sound_alike() {
    let line = line_with(|line| line.greeting = say("hello"));
    let keys: Vec<(u64, char)> = "10000001".chars().map(|key| (500, key)).collect();
    let call = |whose| noticed(Call::begin(&line, &line, whose, vec![(300, 5)]), &keys);
    assert_ne!(call(Whose::Somebodys), call(Whose::Nobodys));
}
