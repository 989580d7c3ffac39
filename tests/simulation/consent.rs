//! Calls to a line that is recorded, and says so first: what is recorded, and from when on.

use std::sync::Arc;

use portero::call::{Address, Directory, Plan};
use portero::flow::{After, Announcement, EntryRules, Notice, PromptId, Prompts, Question, Verdict};
use portero::secret::Digit;

use super::business;
use super::habits::Habits;
use super::link::{Link, Weather};
use super::tale::Tale;
use super::world::World;

fn plan() -> Arc<Plan> {
    let mut line = business::line();
    // Whichever recording: it is not listened to here.
    let ask = Announcement::prompt(PromptId::new("greeting"));
    let question = Question::new(EntryRules::of(1..=1), Prompts::same(ask));
    line.notice = Some(Notice {
        question: Question { opted_out: After::Next, ..question },
        accept: Digit::from_char('1').expect("a key"),
    });
    let mut lines = Directory::default();
    lines.add(Arc::new(line), [Address::Number("1000".to_owned())]);
    Arc::new(Plan { lines, ..business::make_plan() })
}

/// The call of somebody who keys this, and when.
fn call(keys: Vec<(u64, &'static str)>) -> Tale {
    let mut world = World::of(1, Link::new(Weather::CLEAR), plan());
    world.place_call(Habits { keys, ..Habits::verified() });
    world.run();
    let (mut tales, _, _) = world.finish();
    assert_eq!(tales.len(), 1);
    tales.remove(0)
}

#[test]
fn a_call_is_recorded_from_the_acceptance_on() {
    let tale = call(vec![(300, "1"), (2500, "4711")]);
    assert_eq!((tale.record.consent, tale.record.verdict), (Some(true), Verdict::Verified));
    assert_eq!(tale.taped_after.as_deref(), Some("1"));
    assert!(tale.record.recording.is_some());
}

#[test]
fn whoever_declines_is_not_recorded_and_served_all_the_same() {
    let tale = call(vec![(300, "*"), (2500, "4711")]);
    assert_eq!((tale.record.consent, tale.record.verdict), (Some(false), Verdict::Verified));
    assert_eq!((tale.taped_after, tale.record.recording), (None, None));
}

#[test]
fn whoever_says_nothing_is_not_recorded() {
    let tale = call(Vec::new());
    assert_eq!(tale.record.consent, Some(false));
    assert_eq!((tale.taped_after, tale.record.recording), (None, None));
}
