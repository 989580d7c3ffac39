//! Whoever is to hear a voice waits for it: in silence, up to the deadline, and never for what comes too late.

use std::sync::Arc;
use std::time::Duration;

use portero::audio::{Codec, Prompt};
use portero::call::Speech;
use portero::flow::{Announcement, Piece, PromptId, TextPart};

use super::business;
use super::hall::{Hall, Heard, plan_of};

const MS: Duration = Duration::from_millis(1);
const DEADLINE_MS: u64 = 1500;

/// What the voice says, and what stands in for it: recordings that this greeting is otherwise not made of.
const SPOKEN: &str = "apology";
const FALL_BACK: &str = "hand-over-failed";
/// What follows the greeting.
const NEXT: &str = "ask-identifier";

struct Told {
    hall: Hall,
    prompts: portero::audio::Library,
}

impl Told {
    /// A call whose greeting is a text, which is up.
    fn call(texts: bool) -> Self {
        let mut line = business::line();
        let text = vec![TextPart::Plain("Hello".into())];
        line.greeting = Announcement::of(vec![Piece::Text(text, Some(PromptId::new(FALL_BACK)))]);
        let mut plan = plan_of(line);
        plan.speech = Speech { texts, recordings: false, deadline: Duration::from_millis(DEADLINE_MS) };
        let prompts = plan.prompts.clone();
        let mut hall = Hall::new(plan, |_| false);
        hall.place_call();
        // It rings for as long.
        hall.pass(210 * MS);
        assert_eq!(hall.wanted.len(), usize::from(texts), "the voice is asked as the call is answered");
        Self { hall, prompts }
    }

    fn after(mut self, ms: u64) -> Self {
        self.hall.pass(Duration::from_millis(ms));
        self
    }

    fn says(mut self, id: &str) -> Self {
        let prompt = self.prompt(id);
        self.hall.say(Some(prompt));
        self
    }

    fn prompt(&self, id: &str) -> Arc<Prompt> {
        self.prompts.prompt("en", &PromptId::new(id)).expect("it is loaded")
    }

    /// When this is heard, in milliseconds from the beginning of the sound.
    fn heard_at(&self, id: &str) -> Option<u64> {
        let heard: &Heard = self.hall.heard.values().next().expect("there is sound");
        heard.place_of(self.prompt(id).octets(Codec::Pcmu)).map(|place| place as u64 / 8)
    }

    /// When each of the three is heard, counted from when the fall-back is where there is no voice.
    fn heard(&self) -> [Option<u64>; 3] {
        let at_once = Told::call(false).after(6000).heard_at(FALL_BACK).expect("it is heard");
        [SPOKEN, FALL_BACK, NEXT].map(|id| self.heard_at(id).map(|at| at - at_once))
    }
}

/// Whether this is heard then, or in the packet after.
fn is_at(heard: Option<u64>, expected: u64) -> bool {
    heard.is_some_and(|heard| (expected - 20..=expected + 20).contains(&heard))
}

#[test]
fn what_comes_in_time_is_heard_as_soon_as_it_is_there() {
    let [spoken, fall_back, _] = Told::call(true).after(700).says(SPOKEN).after(9000).heard();
    assert!(is_at(spoken, 700) && fall_back.is_none(), "{spoken:?}, {fall_back:?}");
}

#[test]
fn what_does_not_come_by_the_deadline_is_said_by_its_fall_back() {
    let [spoken, fall_back, _] = Told::call(true).after(9000).heard();
    assert!(spoken.is_none() && is_at(fall_back, DEADLINE_MS), "{fall_back:?}");
}

#[test]
fn what_comes_late_changes_nothing() {
    let never = Told::call(true).after(9000).heard();
    let late = Told::call(true).after(DEADLINE_MS + 100).says(SPOKEN).after(9000 - DEADLINE_MS - 100).heard();
    assert_eq!(late, never);
}

#[test]
fn what_cannot_be_said_is_not_waited_for() {
    let mut told = Told::call(true).after(300);
    told.hall.say(None);
    let [_, fall_back, _] = told.after(9000).heard();
    assert!(is_at(fall_back, 300), "{fall_back:?}");
}

#[test]
fn a_key_ends_the_wait_and_what_comes_then_is_not_heard_over_the_question() {
    let mut told = Told::call(true).after(400);
    told.hall.press(0, 'A');
    let [spoken, fall_back, next] = told.after(400).says(SPOKEN).after(8000).heard();
    assert_eq!((spoken, fall_back), (None, None));
    assert!(is_at(next, 400), "{next:?}");
}

#[test]
fn a_call_that_ends_meanwhile_leaves_nothing() {
    let mut told = Told::call(true).after(400);
    told.hall.hang_up(0);
    let told = told.says(SPOKEN).after(40_000);
    assert_eq!((told.hall.records.len(), told.hall.switchboard.is_idle()), (1, true));
}
