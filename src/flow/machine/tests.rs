//! Conversations on the plain line, and the state x event table. What lines can do besides is in `features`, what must
//! hold for every line and every caller in `properties`.

mod discretion;
mod drawing;
mod features;
mod notice;
mod properties;
mod trust;

use std::fmt::Write as _;

use rand::SeedableRng;

use super::*;
use crate::flow::tests::{at, factor, line, line_with};
use crate::flow::{AniSource, Factor, Lock, Need, PhoneNumber, Trust};
use crate::say::Kind;

/// A caller on a line, who keeps a diary of what the flow did.
struct Caller {
    flow: Flow,
    now: Instant,
    playing: Option<PlayId>,
    asked: Option<Request>,
    diary: Vec<String>,
    /// The lines that can be gone on to.
    lines: Vec<Arc<Line>>,
}

/// A line with two factors, the second one of this need.
fn two(need: Need) -> Arc<Line> {
    line_with(|line| line.factors.push(Factor { need, ..factor("birth") }))
}

fn maria() -> Customer {
    Customer::new("10000001", Some("Maria"))
}

fn one() -> Answer {
    Answer::LookUp(Matches::One(maria()))
}

fn none() -> Answer {
    Answer::LookUp(Matches::None)
}

impl Caller {
    fn on(line: Arc<Line>, ani: &str) -> Self {
        Self::at(line, ani, Opening::Open, Trust::Claimed)
    }

    fn at(line: Arc<Line>, ani: &str, opening: Opening, trust: Trust) -> Self {
        let now = at(0);
        let number = PhoneNumber::parse(ani);
        let ani = number.map(|number| Ani { number, source: AniSource::From, trust });
        let start = Start { line, ani, opening, rng: StdRng::seed_from_u64(7) };
        let flow = Flow::new(start, now);
        let mut caller = Self { flow, now, playing: None, asked: None, diary: vec![], lines: vec![] };
        caller.note();
        caller
    }

    fn knowing(mut self, line: Arc<Line>) -> Self {
        self.lines.push(line);
        self
    }

    fn with_number() -> Self {
        Self::on(Arc::new(line()), "+12025550101")
    }

    fn without_number() -> Self {
        Self::on(Arc::new(line()), "anonymous")
    }

    fn note(&mut self) {
        while let Some(action) = self.flow.poll_action() {
            let entry = match action {
                Action::Play(play) => {
                    self.playing = Some(play.id).filter(|_| !play.looped);
                    let how = if play.looped { "loop" } else { "play" };
                    format!("{how} {}", play.sounds.iter().map(sound).collect::<Vec<_>>().join("+"))
                }
                Action::Enter(name) => {
                    self.diary.push(format!("enter {name}"));
                    let line = self.lines.iter().find(|line| line.number == name).expect("a line");
                    self.flow.enter(Arc::clone(line), self.now);
                    continue;
                }
                Action::StopPlaying => {
                    self.playing = None;
                    "stop".into()
                }
                Action::Ask(request) => {
                    let asked = format!("ask {}", request.action);
                    self.asked = Some(request);
                    asked
                }
                Action::HandOver(standing, target) => {
                    format!("hand over {} to {target}", standing.verdict().as_str())
                }
                Action::HangUp => "hang up".into(),
            };
            self.diary.push(entry);
        }
    }

    fn tell(&mut self, event: Event) {
        self.flow.handle(event, self.now);
        self.note();
    }

    /// Hears the prompt to its end.
    fn hear(mut self) -> Self {
        let play = self.playing.take().expect("something plays");
        self.tell(Event::PlayEnded(play));
        self
    }

    /// Presses keys, a tenth of a second apart.
    fn keys(mut self, keys: &str) -> Self {
        for key in keys.chars() {
            self.now += std::time::Duration::from_millis(100);
            self.tell(Event::Digit(Digit::from_char(key).expect("a key")));
        }
        self
    }

    /// The back end answers what it was asked last.
    fn answer(mut self, answer: Answer) -> Self {
        let request = self.asked.take().expect("something was asked");
        self.tell(Event::Answered(request.id, answer));
        self
    }

    /// Does nothing until the flow loses patience.
    fn wait(mut self) -> Self {
        self.now = self.flow.poll_timeout().expect("a deadline");
        self.flow.handle_timeout(self.now);
        self.note();
        self
    }

    fn handed_over(mut self, taken: bool) -> Self {
        self.tell(Event::HandedOver(if taken { HandOverEnd::Taken } else { HandOverEnd::Refused }));
        self
    }

    /// What happened since the last look.
    fn diary(&mut self) -> String {
        std::mem::take(&mut self.diary).join(", ")
    }

    #[track_caller]
    fn expect(mut self, diary: &str) -> Self {
        assert_eq!(self.diary(), diary);
        self
    }
}

/// A sound in a word.
fn sound(sound: &Sound) -> String {
    match sound {
        Sound::Prompt(prompt) => prompt.to_string(),
        Sound::PromptIn(language, prompt) => format!("{language}:{prompt}"),
        Sound::Value(Kind::Money(Some(currency)), value) => format!("<{} {currency}>", value.expose()),
        Sound::Value(kind, value) => format!("<{kind:?} {}>", value.expose()),
        Sound::Text(text, _) => format!("\"{text}\""),
        Sound::Recorded(url, _) => format!("<{url}>"),
        Sound::Silence(time) => format!("{}ms", time.as_millis()),
    }
}

#[test]
fn a_known_number_and_the_right_pin_verify() {
    let caller = Caller::with_number()
        .expect("ask number, play greeting")
        .answer(one())
        .expect("")
        .hear()
        .expect("play pin-ask")
        .hear()
        .keys("4711")
        .expect("ask pin")
        .answer(Answer::Check(true))
        .expect("play bye-verified")
        .keys("#")
        .expect("")
        .hear()
        .expect("hand over verified to verified-desk")
        .handed_over(true)
        .expect("hang up");
    assert_eq!(caller.flow.standing().customer(), Some(&maria()));
    assert_eq!(caller.flow.summary().method, Some(Method::Ani));
    assert_eq!((caller.flow.summary().identifier_attempts, caller.flow.summary().secret_attempts), (0, 1));
}

#[test]
fn an_unmatched_or_ambiguous_number_leads_to_the_question() {
    for answer in [none(), Answer::LookUp(Matches::Several(vec![maria(), maria()]))] {
        Caller::with_number().answer(answer).hear().expect("ask number, play greeting, play id-ask");
    }
}

#[test]
fn a_number_is_not_looked_up_where_the_line_does_not_want_it() {
    Caller::on(line_with(|line| line.by_number = None), "+12025550101").expect("play greeting");
    Caller::without_number().expect("play greeting").hear().expect("play id-ask");
}

#[test]
fn each_failure_has_its_own_prompt_and_the_last_is_repeated() {
    let caller = Caller::without_number()
        .hear()
        .keys("00000000")
        .answer(none())
        .expect("play greeting, play id-ask, stop, ask id, play id-no-match-1")
        .keys("00000000")
        .answer(none())
        .expect("stop, ask id, play id-no-match-2")
        .keys("00000000")
        .answer(none())
        .expect("stop, ask id, play id-no-match-2")
        .keys("00000000")
        .answer(none())
        .expect("stop, ask id, play bye-unidentified");
    assert_eq!(caller.flow.summary().identifier_attempts, 4);
}

#[test]
fn silence_and_short_entries_count_as_failures() {
    let caller = Caller::without_number()
        .hear()
        .hear()
        .wait()
        .expect("play greeting, play id-ask, play id-no-input")
        .keys("12#")
        .expect("stop, play id-ask")
        .hear()
        .keys("1")
        .wait()
        .expect("play id-ask")
        .hear()
        .wait()
        .expect("play bye-unidentified");
    assert_eq!(caller.flow.summary().identifier_attempts, 4);
}

#[test]
fn a_used_up_secret_leaves_the_caller_identified() {
    let mut caller = Caller::with_number().answer(one()).hear();
    for _ in 0..4 {
        caller = caller.keys("0000").answer(Answer::Check(false));
    }
    assert!(caller.diary().ends_with("play bye-identified"));
    assert_eq!(caller.flow.standing(), Standing::Identified(maria()));
}

#[test]
fn opting_out_keeps_what_is_known() {
    Caller::without_number()
        .hear()
        .keys("*")
        .expect("play greeting, play id-ask, stop, play bye-unidentified");
    Caller::with_number()
        .answer(one())
        .hear()
        .hear()
        .keys("*")
        .expect("ask number, play greeting, play pin-ask, play bye-identified");
    let early = Caller::without_number().keys("*").expect("play greeting, stop, play bye-unidentified");
    assert!(early.flow.summary().opted_out);
}

#[test]
fn a_line_without_verification_hands_over_identified() {
    Caller::on(line_with(|line| line.factors.clear()), "+12025550101")
        .answer(one())
        .hear()
        .expect("ask number, play greeting, play bye-identified")
        .hear()
        .expect("hand over identified to identified-desk");
}

#[test]
fn a_failing_back_end_is_no_wrong_entry() {
    let failed = || Answer::Failed(Failure::Status);
    Caller::with_number()
        .answer(failed())
        .hear()
        .expect("ask number, play greeting, play apology+bye-unidentified");
    Caller::without_number()
        .keys("10000001")
        .answer(failed())
        .expect("play greeting, stop, ask id, play apology+bye-unidentified");
    let caller = Caller::with_number().answer(one()).hear().keys("4711").answer(failed());
    assert_eq!(caller.flow.standing(), Standing::Identified(maria()));
    assert_eq!(caller.flow.summary().back_end_failure, Some(Failure::Status));
}

#[test]
fn a_locked_caller_hears_what_one_hears_whose_secret_is_wrong() {
    let told = |answer: fn() -> Answer| {
        let mut caller = Caller::with_number().answer(one()).hear();
        for _ in 0..4 {
            caller = caller.hear().keys("4711").answer(answer());
        }
        let mut caller = caller.hear();
        (caller.diary(), caller.flow.summary().locked, caller.flow.standing())
    };
    let (wrong, unlocked, _) = told(|| Answer::Check(false));
    let (locked, lock, standing) = told(|| Answer::Locked(Lock::Ani));
    assert_eq!(locked, wrong);
    assert!(locked.ends_with("play bye-identified, hand over identified to identified-desk"), "{locked}");
    assert_eq!((unlocked, lock), (None, Some(Lock::Ani)));
    assert_eq!(standing, Standing::Identified(maria()));
}

#[test]
fn a_back_end_that_hangs_is_given_up_at_its_deadline_and_its_late_answer_ignored() {
    let mut caller = Caller::without_number().keys("10000001");
    let late = caller.asked.clone().expect("asked").id;
    caller = caller.wait();
    assert!(caller.diary().ends_with("play apology+bye-unidentified"));
    assert_eq!(caller.flow.summary().back_end_failure, Some(Failure::TimedOut));
    caller.tell(Event::Answered(late, one()));
    assert_eq!(caller.diary(), "");
    assert_eq!(caller.flow.standing(), Standing::Unidentified);
}

#[test]
fn keys_stop_the_prompt_and_count() {
    Caller::without_number()
        .hear()
        .expect("play greeting, play id-ask")
        .keys("1")
        .expect("stop")
        .keys("0000001")
        .expect("ask id");
}

#[test]
fn keys_pressed_ahead_feed_the_next_questions() {
    Caller::without_number()
        .keys("10000001#4711#")
        .expect("play greeting, stop, ask id")
        .answer(one())
        .expect("ask pin")
        .answer(Answer::Check(true))
        .expect("play bye-verified");
}

#[test]
fn keys_pressed_ahead_that_are_no_entry_do_not_silence_the_question() {
    Caller::without_number().keys("A").expect("play greeting, stop, play id-ask");
    Caller::on(line_with(|line| line.greeting.barge_in = true), "+12025550101")
        .keys("12*")
        .answer(none())
        .expect("ask number, play greeting, stop, play id-ask");
}

#[test]
fn keys_pressed_ahead_of_a_failure_are_dropped() {
    Caller::without_number()
        .keys("99999999#4711#")
        .answer(none())
        .expect("play greeting, stop, ask id, play id-no-match-1")
        .keys("10000001")
        .answer(one())
        .expect("stop, ask id, play pin-ask");
}

#[test]
fn keys_pressed_ahead_are_bounded() {
    let caller = Caller::with_number().keys(&"1".repeat(500));
    assert_eq!(caller.flow.type_ahead.len(), Waiting::MAX);
}

#[test]
fn a_key_cuts_the_last_prompt_short_and_hands_over() {
    Caller::without_number()
        .keys("*")
        .expect("play greeting, stop, play bye-unidentified")
        .keys("1")
        .expect("stop, hand over unidentified to unidentified-desk");
}

#[test]
fn a_failed_hand_over_is_told_to_the_caller() {
    Caller::without_number()
        .keys("*")
        .hear()
        .handed_over(false)
        .expect("play greeting, stop, play bye-unidentified, hand over unidentified to unidentified-desk, play failed")
        .hear()
        .expect("hang up");
}

/// Every state a caller can be in, by the way that leads there.
fn states() -> Vec<(&'static str, Caller)> {
    let verifying = || Caller::with_number().answer(one()).hear();
    let rich = || Caller::on(drawing::rich(), "anonymous");
    let choosing = || rich().keys("1");
    let to_confirm = || choosing().hear().keys("1").keys("12345678");
    let contact = || to_confirm().keys("1").answer(drawing::reachable());
    let sending = || contact().keys("1");
    let serving = || sending().answer(Answer::Sent(true)).hear().keys("1234").answer(Answer::Check(true));
    let menu = || serving().answer(Answer::Record(crate::flow::Attributes::new()));
    let noticing = || Caller::on(notice::line(), "anonymous");
    let stranger =
        || Caller::on(discretion::line(), "anonymous").hear().keys("12345678").answer(none()).wait();
    vec![
        ("language, prompt", rich()),
        ("language, silent", rich().hear()),
        ("choosing, prompt", choosing().hear()),
        ("choosing, silent", choosing().hear().hear()),
        ("to be confirmed, prompt", to_confirm()),
        ("to be confirmed, silent", to_confirm().hear()),
        ("contact, prompt", contact()),
        ("contact, silent", contact().hear()),
        ("sending the code", sending()),
        ("told of the code", sending().answer(Answer::Sent(true))),
        ("fetching the record", serving()),
        ("menu, prompt", menu()),
        ("menu, silent", menu().hear()),
        ("menu, said", menu().keys("1")),
        ("notice, prompt", noticing()),
        ("notice, silent", noticing().hear()),
        ("greeting", Caller::without_number()),
        ("greeting, number pending", Caller::with_number()),
        ("greeting, number known", Caller::with_number().answer(one())),
        ("greeting, number failed", Caller::with_number().answer(Answer::Failed(Failure::Status))),
        ("greeted, number pending", Caller::with_number().hear()),
        ("identifying, prompt", Caller::without_number().hear()),
        ("identifying, silent", Caller::without_number().hear().hear()),
        ("identifying, keyed", Caller::without_number().hear().keys("12")),
        ("identifying, awaiting", Caller::without_number().hear().keys("12345678")),
        ("verifying, prompt", verifying()),
        ("verifying, silent", verifying().hear()),
        ("verifying, keyed", verifying().keys("12")),
        ("verifying, awaiting", verifying().keys("1234")),
        ("verifying, prompt", stranger()),
        ("verifying, silent", stranger().hear()),
        ("verifying, awaiting", stranger().keys("1234")),
        ("parting", Caller::without_number().keys("*")),
        ("handing over", Caller::without_number().keys("*").hear()),
        ("failing", Caller::without_number().keys("*").hear().handed_over(false)),
        ("ended", Caller::without_number().keys("*").hear().handed_over(true)),
    ]
}

fn describe(flow: &Flow) -> String {
    let inner = match &flow.state {
        State::Greeting => {
            let number = match flow.number {
                Number::Unknown => "",
                Number::Pending => ", number pending",
                Number::Known(_) => ", number known",
                Number::Failed => ", number failed",
            };
            format!("{}{number}", if flow.playing.is_some() { "greeting" } else { "greeted" })
        }
        State::Asking(subject, asking) => asked_about(*subject, asking, flow.playing.is_some()),
        State::Fetching(Fetch::Code(..)) => "sending the code".into(),
        State::Fetching(Fetch::Record) => "fetching the record".into(),
        State::Saying(Onward::HangUp) => "failing".into(),
        State::Saying(Onward::Ask(..)) => "told of the code".into(),
        State::Saying(Onward::Menu(_) | Onward::Verdict) => "menu, said".into(),
        State::Saying(_) => "parting".into(),
        State::HandingOver(_) => "handing over".into(),
        State::Ended => "ended".into(),
    };
    format!("{inner} [{}]", flow.standing().verdict().as_str())
}

fn asked_about(subject: Subject, asking: &Asking, plays: bool) -> String {
    let about = match (subject, &asking.phase) {
        (_, Phase::Confirming(..)) => "to be confirmed",
        (Subject::Language, _) => "language",
        (Subject::Choice, _) => "choosing",
        (Subject::Identifier(_), _) => "identifying",
        (Subject::Factor(_), _) => "verifying",
        (Subject::Notice, _) => "notice",
        (Subject::Contact(_), _) => "contact",
        (Subject::Menu(_), _) => "menu",
    };
    let how = match &asking.phase {
        Phase::Awaiting => "awaiting",
        _ if plays => "prompt",
        Phase::Keying(entry) if !entry.is_empty() => "keyed",
        Phase::Keying(_) | Phase::Confirming(..) => "silent",
    };
    format!("{about}, {how}")
}

/// Every event, made for the state that the caller is in.
fn events(caller: &Caller) -> Vec<(&'static str, Option<Event>)> {
    let digit = |key| Some(Event::Digit(Digit::from_char(key).unwrap()));
    let answered = |answer| Some(Event::Answered(RequestId(caller.flow.requests), answer));
    vec![
        ("prompt ended", Some(Event::PlayEnded(PlayId(caller.flow.plays)))),
        ("late prompt ended", Some(Event::PlayEnded(PlayId(0)))),
        ("digit 1", digit('1')),
        ("digit #", digit('#')),
        ("digit *", digit('*')),
        ("one match", answered(one())),
        ("no match", answered(none())),
        ("secret right", answered(Answer::Check(true))),
        ("secret wrong", answered(Answer::Check(false))),
        ("locked", answered(Answer::Locked(Lock::Customer))),
        ("code sent", answered(Answer::Sent(true))),
        ("code not sent", answered(Answer::Sent(false))),
        ("record", answered(Answer::Record(crate::flow::Attributes::new()))),
        ("back end failed", answered(Answer::Failed(Failure::Status))),
        ("late answer", Some(Event::Answered(RequestId(0), one()))),
        ("target took it", Some(Event::HandedOver(HandOverEnd::Taken))),
        ("target did not", Some(Event::HandedOver(HandOverEnd::Refused))),
        ("target unclear", Some(Event::HandedOver(HandOverEnd::Unclear))),
        ("hung up", Some(Event::HungUp)),
        ("time passes", None),
    ]
}

/// Every state with every event: the states before and after, with the verdicts as they stand, and what was done.
fn transitions() -> Vec<(String, &'static str, String, String)> {
    let mut transitions = Vec::new();
    for index in 0..states().len() {
        let (name, caller) = states().swap_remove(index);
        let before = describe(&caller.flow);
        assert!(before.starts_with(name), "{name}: {before}");
        for (event_name, event) in events(&caller) {
            let (_, mut caller) = states().swap_remove(index);
            caller.diary.clear();
            match event {
                Some(event) => caller.tell(event),
                None if caller.flow.poll_timeout().is_some() => caller = caller.wait(),
                None => {}
            }
            let diary = caller.diary();
            transitions.push((before.clone(), event_name, describe(&caller.flow), diary));
        }
    }
    transitions
}

#[test]
fn the_state_event_table_is_as_recorded() {
    let mut table = String::new();
    let mut last = String::new();
    for (before, event, after, diary) in transitions() {
        if before != last {
            writeln!(table, "\n{before}").unwrap();
        }
        writeln!(table, "  {event:<18} -> {after:<42} {diary}").unwrap();
        last = before;
    }
    insta::assert_snapshot!(table);
}
