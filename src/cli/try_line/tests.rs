//! Conversations with the demo's lines, answered by scenarios.

use std::time::{Duration, Instant};

use super::*;
use crate::config::Scenario;

fn demo() -> Configuration {
    Configuration::demo(&Overrides::default())
}

/// A conversation as a scenario of the demo's lines, and what was shown of it.
fn by_hand_with(settings: &str, typed: &str) -> (CallRecord, String) {
    let configuration = demo();
    let text = format!("[[scenarios]]\nname = \"t\"\nback_end = \"scripted\"\n{settings}\n");
    let scenarios =
        Scenario::parse("t.toml", &text, &configuration).unwrap_or_else(|faults| panic!("{faults}"));
    let texts = texts(&configuration);
    let back_end = BackEnd::of(&scenarios[0], None);
    let clock = (Instant::now(), "2026-11-24T10:00:00Z".parse().expect("a time"));
    let conversation = Conversation::begin(&scenarios[0], &configuration.directory, back_end, 0, clock);
    let mut terminal = Terminal::new(conversation, &texts, typed.as_bytes(), Vec::new());
    terminal.talk().expect("a list takes all that is shown");
    (terminal.conversation.record(), String::from_utf8(terminal.output).expect("text"))
}

#[test]
fn time_passes_only_where_somebody_is_waited_for() {
    let (record, _) = by_hand_with("line = \"1001\"", "\n\n\n\n");
    assert_eq!(record.identifier_attempts, 4);
    let took = record.ended_at.duration_since(record.started_at);
    assert_eq!(took.unsigned_abs(), Duration::from_secs(4 * 5), "each wait for a first digit");
}

#[test]
fn a_slow_answer_lets_its_time_pass_and_one_that_never_comes_the_deadline() {
    let line = "line = \"1000\"\nani = \"+12025550101\"\n";
    let slow = "answers.customer_by_number = { customer = \"1\", after = \"2s\" }";
    let (record, _) = by_hand_with(&format!("{line}{slow}"), "h\n");
    let took = record.ended_at.duration_since(record.started_at);
    assert_eq!((took.unsigned_abs(), record.customer.as_deref()), (Duration::from_secs(2), Some("1")));
    let (record, shown) = by_hand_with(&format!("{line}answers.customer_by_number = \"hangs\""), "");
    let took = record.ended_at.duration_since(record.started_at);
    assert_eq!(
        (took.unsigned_abs(), record.back_end_failure.as_deref()),
        (Duration::from_secs(3), Some("timed_out"))
    );
    assert!(shown.contains("(apology hand-over-unidentified)"), "{shown}");
}

#[test]
fn what_cannot_be_keyed_changes_nothing() {
    let (record, shown) = by_hand_with("line = \"1001\"", "12x4\n?\n*\n");
    assert!(shown.contains("A telephone has the keys") && shown.contains(HELP), "{shown}");
    assert_eq!((record.opted_out, record.identifier_attempts), (true, 0));
}

#[test]
fn an_answer_that_is_none_to_the_question_ends_it() {
    let settings = "line = \"1001\"\nanswers.customer_by_identifier = \"yes\"";
    let (record, shown) = by_hand_with(settings, "10000001\n");
    assert_eq!(record.verdict, crate::call::record::Verdict::Unidentified);
    assert!(shown.ends_with("back end: customer_by_identifier?\n"), "{shown}");
}

#[test]
fn words_of_ones_own_recordings_are_told_and_values_only_where_they_may_be() {
    use crate::flow::{LanguageName, PromptId, Sound};
    use crate::say::{Currency, Kind};
    use crate::secret::Secret;
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("fr.toml"), "[all]\nbonjour = \"Bonjour.\"\nn = 5\n").expect("a file");
    let texts = Texts::load(Some(folder.path()), &["fr", "es"]);
    let said = conversation::Said {
        language: LanguageName::new("fr"),
        sounds: vec![
            Sound::Prompt(PromptId::new("bonjour")),
            Sound::Silence(Duration::from_secs(1)),
            Sound::PromptIn(LanguageName::new("en"), PromptId::new("goodbye")),
            Sound::Value(Kind::Money(Currency::parse("EUR")), Secret::new("12.50".to_owned())),
            Sound::Prompt(PromptId::new("au-revoir")),
        ],
        looped: false,
    };
    assert_eq!(texts.words(&said, Values::Told), "Bonjour. Goodbye. 12.50 EUR [au-revoir]");
    assert_eq!(texts.words(&said, Values::Withheld), "Bonjour. Goodbye. <amount> [au-revoir]");
    assert_eq!(texts::prompts(&said), ["bonjour", "goodbye", "au-revoir"]);
}

#[test]
fn the_options_of_the_command_line_are_a_scenario() {
    let said = ByHand {
        ani: Some("+12025550101".to_owned()),
        trust: Some("full".to_owned()),
        at: Some("2026-12-24T10:00".to_owned()),
        set: vec!["check_pin=no".to_owned(), "customer_by_number={ customer = \"1\" }".to_owned()],
        taken: Some("refused".to_owned()),
        ..ByHand::default()
    };
    let text = said.as_scenario("1000").expect("it can be said");
    let scenarios = Scenario::parse("t.toml", &text, &demo()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(scenarios[0].answers.len(), 2);
    assert!(scenarios[0].asks_back_end && scenarios[0].ani.is_some());
    assert!(answer("check_pin").is_err() && answer("check_pin={").is_err());
}
