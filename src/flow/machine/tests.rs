//! Conversations, the state x event table, and what must hold for every caller.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::flow::tests::{at, line, line_with};
use crate::flow::{AniSource, PhoneNumber, TargetName, Trust, Verdict};

/// A caller on a line, who keeps a diary of what the flow did.
struct Caller {
    flow: Flow,
    now: Instant,
    playing: Option<PlayId>,
    asked: Option<Request>,
    diary: Vec<String>,
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
        let now = at(0);
        let number = PhoneNumber::parse(ani);
        let ani = number.map(|number| Ani { number, source: AniSource::From, trust: Trust::Claimed });
        let mut caller =
            Self { flow: Flow::new(line, ani, now), now, playing: None, asked: None, diary: vec![] };
        caller.note();
        caller
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
                Action::Play(play, prompts) => {
                    self.playing = Some(play);
                    let prompts: Vec<_> = prompts.iter().map(PromptId::as_str).collect();
                    format!("play {}", prompts.join("+"))
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
        self.tell(Event::HandedOver(taken));
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

#[test]
fn a_known_number_and_the_right_pin_verify() {
    let caller = Caller::with_number()
        .expect("play greeting, ask number")
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
        Caller::with_number().answer(answer).hear().expect("play greeting, ask number, play id-ask");
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
        .expect("play greeting, ask number, play pin-ask, play bye-identified");
    let early = Caller::without_number().keys("*").expect("play greeting, stop, play bye-unidentified");
    assert!(early.flow.summary().opted_out);
}

#[test]
fn a_line_without_verification_hands_over_identified() {
    Caller::on(line_with(|line| line.verification = None), "+12025550101")
        .answer(one())
        .hear()
        .expect("play greeting, ask number, play bye-identified")
        .hear()
        .expect("hand over identified to identified-desk");
}

#[test]
fn a_failing_back_end_is_no_wrong_entry() {
    let failed = || Answer::Failed(Failure::Status);
    Caller::with_number()
        .answer(failed())
        .hear()
        .expect("play greeting, ask number, play apology+bye-unidentified");
    Caller::without_number()
        .keys("10000001")
        .answer(failed())
        .expect("play greeting, stop, ask id, play apology+bye-unidentified");
    let caller = Caller::with_number().answer(one()).hear().keys("4711").answer(failed());
    assert_eq!(caller.flow.standing(), Standing::Identified(maria()));
    assert_eq!(caller.flow.summary().back_end_failure, Some(Failure::Status));
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
    Caller::on(line_with(|line| line.by_number = Some(ActionName::new("number"))), "+12025550101")
        .keys("12*")
        .answer(none())
        .expect("play greeting, ask number, stop, play id-ask");
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
    assert_eq!(caller.flow.type_ahead.len(), TYPE_AHEAD_MAX);
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
    vec![
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
        ("parting", Caller::without_number().keys("*")),
        ("handing over", Caller::without_number().keys("*").hear()),
        ("failing", Caller::without_number().keys("*").hear().handed_over(false)),
        ("ended", Caller::without_number().keys("*").hear().handed_over(true)),
    ]
}

fn describe(flow: &Flow) -> String {
    let inner = match &flow.state {
        State::Greeting { play, number } => {
            let number = match number {
                Number::Unknown => "",
                Number::Pending(_) => ", number pending",
                Number::Known(_) => ", number known",
                Number::Failed => ", number failed",
            };
            format!("{}{number}", if play.is_some() { "greeting" } else { "greeted" })
        }
        State::Identifying(asking) => format!("identifying, {}", phase(asking)),
        State::Verifying(_, asking) => format!("verifying, {}", phase(asking)),
        State::Parting(..) => "parting".into(),
        State::HandingOver(_) => "handing over".into(),
        State::Failing(..) => "failing".into(),
        State::Ended(_) => "ended".into(),
    };
    format!("{inner} [{}]", flow.standing().verdict().as_str())
}

fn phase(asking: &Asking) -> &'static str {
    match &asking.phase {
        Phase::Awaiting(_) => "awaiting",
        Phase::Keying { play: Some(_), .. } => "prompt",
        Phase::Keying { entry, .. } if entry.is_empty() => "silent",
        Phase::Keying { .. } => "keyed",
    }
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
        ("back end failed", answered(Answer::Failed(Failure::Status))),
        ("late answer", Some(Event::Answered(RequestId(0), one()))),
        ("target took it", Some(Event::HandedOver(true))),
        ("target did not", Some(Event::HandedOver(false))),
        ("hung up", Some(Event::HungUp)),
        ("time passes", None),
    ]
}

#[test]
fn the_state_event_table_is_as_recorded() {
    let mut table = String::new();
    for index in 0..states().len() {
        let (name, caller) = states().swap_remove(index);
        assert!(describe(&caller.flow).starts_with(name), "{name}: {}", describe(&caller.flow));
        writeln!(table, "\n{}", describe(&caller.flow)).unwrap();
        for (event_name, event) in events(&caller) {
            let (_, mut caller) = states().swap_remove(index);
            caller.diary.clear();
            match event {
                Some(event) => caller.tell(event),
                None if caller.flow.poll_timeout().is_some() => caller = caller.wait(),
                None => {}
            }
            let diary = caller.diary();
            writeln!(table, "  {event_name:<18} -> {:<42} {diary}", describe(&caller.flow)).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

/// What a random caller and a random back end do next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Key(char),
    Hear,
    Wait,
    One,
    None,
    Several,
    Check(bool),
    Fail,
    LateAnswer,
    HungUp,
    HandedOver(bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let a_move = prop_oneof![
        12 => prop::sample::select("0123456789*#A".chars().collect::<Vec<_>>()).prop_map(Move::Key),
        4 => Just(Move::Hear),
        3 => Just(Move::Wait),
        2 => Just(Move::One),
        2 => Just(Move::None),
        1 => Just(Move::Several),
        3 => any::<bool>().prop_map(Move::Check),
        1 => Just(Move::Fail),
        1 => Just(Move::LateAnswer),
        1 => Just(Move::HungUp),
        1 => any::<bool>().prop_map(Move::HandedOver),
    ];
    prop::collection::vec(a_move, 0..200)
}

fn lines() -> impl Strategy<Value = Arc<Line>> {
    (0..4_u32, 0..4_u32, 1..5_usize, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(id_retries, pin_retries, digits, more, ani, verify)| {
            line_with(|line| {
                line.identifier.retries = id_retries;
                line.identifier.digits_min = digits;
                line.identifier.digits_max = digits + more;
                line.by_number = line.by_number.take().filter(|_| ani);
                line.verification = line.verification.take().filter(|_| verify).map(|mut question| {
                    question.retries = pin_retries;
                    question
                });
            })
        },
    )
}

/// What the caller saw of a whole call.
#[derive(Default)]
struct Seen {
    secret_confirmed: bool,
    verdicts: Vec<Verdict>,
    hang_ups: u32,
}

fn apply(caller: &mut Caller, step: Move, seen: &mut Seen) {
    let answer = match step {
        Move::Key(key) => return caller.tell(Event::Digit(Digit::from_char(key).unwrap())),
        Move::Hear => match caller.playing.take() {
            Some(play) => return caller.tell(Event::PlayEnded(play)),
            None => return,
        },
        Move::Wait => {
            if let Some(deadline) = caller.flow.poll_timeout() {
                caller.now = deadline;
                caller.flow.handle_timeout(deadline);
                caller.note();
            }
            return;
        }
        Move::HungUp => return caller.tell(Event::HungUp),
        Move::HandedOver(taken) => return caller.tell(Event::HandedOver(taken)),
        Move::LateAnswer => return caller.tell(Event::Answered(RequestId(0), Answer::Check(true))),
        Move::One => one(),
        Move::None => none(),
        Move::Several => Answer::LookUp(Matches::Several(vec![maria(), maria()])),
        Move::Check(right) => Answer::Check(right),
        Move::Fail => Answer::Failed(Failure::Unreachable),
    };
    if let Some(request) = caller.asked.take() {
        let fits = matches!(request.query, Query::Secret { .. }) && caller.flow.awaited() == Some(request.id);
        seen.secret_confirmed |= fits && answer == Answer::Check(true);
        caller.tell(Event::Answered(request.id, answer));
    }
}

fn look(caller: &mut Caller, seen: &mut Seen) {
    for entry in std::mem::take(&mut caller.diary) {
        if let Some(rest) = entry.strip_prefix("hand over ") {
            let word = rest.split(' ').next().expect("a verdict");
            seen.verdicts.push(Verdict::parse(word).expect("a known verdict"));
        }
        seen.hang_ups += u32::from(entry == "hang up");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_must_hold_for_every_caller(line in lines(), ani in any::<bool>(), moves in moves()) {
        let mut caller = Caller::on(Arc::clone(&line), if ani { "+12025550101" } else { "" });
        let mut seen = Seen::default();
        for step in moves {
            apply(&mut caller, step, &mut seen);
            look(&mut caller, &mut seen);
            let verified = caller.flow.standing().verdict() == Verdict::Verified;
            prop_assert!(!verified || seen.secret_confirmed, "verified without the back end's yes");
        }
        // Whoever hears everything out and is answered comes to an end.
        for _ in 0..100 {
            let idle = [Move::Hear, Move::Fail, Move::Wait, Move::HandedOver(true)];
            for step in idle {
                apply(&mut caller, step, &mut seen);
                look(&mut caller, &mut seen);
            }
        }
        prop_assert_eq!(caller.flow.step(), Step::Ended);
        prop_assert!(caller.flow.poll_timeout().is_none());
        prop_assert!(seen.verdicts.len() <= 1 && seen.hang_ups <= 1);
        let summary = caller.flow.summary();
        prop_assert!(summary.identifier_attempts <= line.identifier.retries + 1);
        let secrets = line.verification.as_ref().map_or(0, |question| question.retries + 1);
        prop_assert!(summary.secret_attempts <= secrets);
        if let Some(verdict) = seen.verdicts.first() {
            prop_assert_eq!(*verdict, caller.flow.standing().verdict());
        }
    }
}

#[test]
fn targets_and_prompts_follow_the_verdict() {
    let line = line();
    for verdict in [Verdict::Verified, Verdict::Identified, Verdict::Unidentified] {
        let expected = TargetName::new(format!("{}-desk", verdict.as_str()));
        assert_eq!(line.hand_over.of(verdict).target, expected);
    }
    assert_eq!(line.hand_over.iter().count(), 3);
}
