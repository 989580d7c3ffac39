//! What a file of scenarios can say, and what is wrong with one.

use std::time::Duration;

use super::*;
use crate::config::Overrides;
use crate::flow::{Answer, Failure, HandOverEnd, Matches, TargetName};

fn parse(text: &str) -> Result<Vec<Scenario>, Faults> {
    Scenario::parse("t.toml", text, &Configuration::demo(&Overrides::default()))
}

fn one(settings: &str) -> Scenario {
    let text = format!("[[scenarios]]\nname = \"t\"\nline = \"1000\"\n{settings}\n");
    parse(&text).unwrap_or_else(|faults| panic!("{faults}")).remove(0)
}

#[test]
fn what_is_said_for_all_goes_for_each_unless_it_says_otherwise() {
    let text = "line = \"1001\"\nani = \"+12025550101\"\n[answers]\ncheck_pin = \"no\"\ncustomer_by_number = \"none\"\n
[[scenarios]]\nname = \"A\"\n[[scenarios]]\nname = \"B\"\nline = \"1002\"\nani = \"anonymous\"\nanswers.check_pin = \"yes\"\n";
    let scenarios = parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    let [first, second] = &scenarios[..] else { panic!("there are two") };
    assert_eq!((first.line.number.as_str(), second.line.number.as_str()), ("1001", "1002"));
    assert_eq!((first.ani.is_some(), second.ani.is_some(), first.asks_back_end), (true, false, false));
    assert_eq!((first.row, second.row), (7, 9));
    let check = |scenario: &Scenario| scenario.answers[&ActionName::new("check_pin")].list[0].answer.clone();
    assert_eq!((check(first), check(second)), (Some(Answer::Check(false)), Some(Answer::Check(true))));
    assert_eq!(second.answers.len(), 2);
}

#[test]
fn an_answer_is_a_word_a_section_or_a_list() {
    let scenario = one(
        "answers.customer_by_identifier = [\"none\", { customer = \"1\", name = \"Zoë\", record = { a = \"x\", b = [\"y\", \
         \"z\"] }, after = \"2s\" }, { customers = [\"1\", \"2\"] }, \"hangs\", \"garbage\"]\nanswers.check_pin = { answer = \
         \"yes\" }",
    );
    let replies = &scenario.answers[&ActionName::new("customer_by_identifier")];
    assert!(!replies.repeats && scenario.answers[&ActionName::new("check_pin")].repeats);
    let [none, found, several, hangs, garbage] = &replies.list[..] else { panic!("there are five") };
    assert_eq!(none.answer, Some(Answer::LookUp(Matches::None)));
    let Some(Answer::LookUp(Matches::One(customer))) = &found.answer else { panic!("{found:?}") };
    assert_eq!((customer.name.as_deref(), customer.attribute("b")), (Some("Zoë"), Some("y")));
    assert_eq!(found.after, Duration::from_secs(2));
    assert!(matches!(&several.answer, Some(Answer::LookUp(Matches::Several(several))) if several.len() == 2));
    assert_eq!((&hangs.answer, &garbage.answer), (&None, &Some(Answer::Failed(Failure::Garbage))));
}

#[test]
fn every_hand_over_is_taken_unless_it_is_said_otherwise() {
    let agents = TargetName::new("agents");
    assert_eq!(one("").taken.by(&agents), HandOverEnd::Taken);
    assert_eq!(one("taken = \"unclear\"").taken.by(&agents), HandOverEnd::Unclear);
    assert_eq!(one("taken = { agents = \"refused\" }").taken.by(&agents), HandOverEnd::Refused);
}

#[test]
fn a_moment_is_local_where_it_names_no_zone() {
    for (at, expected) in
        [("2026-12-24T10:00", "2026-12-24T10:00:00Z"), ("2026-12-24T10:00+01:00", "2026-12-24T09:00:00Z")]
    {
        let scenario = one(&format!("at = \"{at}\""));
        assert_eq!(scenario.at.map(|at| at.to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn one_fault_of_a_scenario_is_told_once() {
    let table = [
        ("ani = \"nobody\"", "`nobody` is no telephone number"),
        ("trust = \"much\"", "there is no trust `much`"),
        ("trunk = \"carrier\"", "there is no trunk `carrier`"),
        ("at = \"noon\"", "`noon` is no moment"),
        ("language = \"fr\"", "there is no language `fr`"),
        ("back_end = \"mine\"", "there is no back end `mine`"),
        ("taken = \"maybe\"", "a hand-over cannot end in `maybe`"),
        ("taken = { nobody = \"yes\" }", "there is no target `nobody`"),
        ("answers.check = \"yes\"", "there is no action `check`"),
        ("answers.check_pin = \"maybe\"", "no back end answers `maybe`"),
        ("answers.check_pin = 5", "`check_pin` cannot be a whole number"),
        ("answers.check_pin = { after = \"1s\" }", "this does not say what is answered"),
        ("answers.check_pin = { answer = \"yes\", customer = \"1\" }", "this does not say what is answered"),
        ("answers.check_pin = { record = { a = 5 } }", "`a` cannot be a whole number"),
        ("steps = [{}]", "in this step nothing happens"),
        ("steps = [{ keys = \"\" }]", "nobody can key this"),
        ("steps = [{ keys = \"1\", early = \"2\" }]", "in one step a caller does one thing"),
        ("steps = [{ says = \" \" }]", "everything has this in it"),
        ("steps = [{ asks = \"check\" }]", "there is no action `check`"),
        ("steps = [{ wait = \"2h\" }]", "`2h` is out of range"),
        ("steps = [{ places = \"12a\" }]", "nobody can key this"),
        ("expect.verdict = \"verifed\"", "`verdict` is never `verifed`"),
        ("expect.target = \"nobody\"", "there is no target `nobody`"),
        ("expect.attempts = 3", "this scenario's `expect` has no setting `attempts`"),
    ];
    for (settings, message) in table {
        let text = format!("[[scenarios]]\nname = \"t\"\nline = \"1000\"\n{settings}\n");
        let faults = parse(&text).expect_err(settings);
        let messages: Vec<_> = faults.iter().map(|fault| fault.message().to_owned()).collect();
        assert_eq!(messages, [message], "{settings}");
    }
}

#[test]
fn a_file_without_scenarios_or_with_two_of_a_name_is_refused() {
    let messages = |text: &str| -> Vec<String> {
        let faults = parse(text).expect_err(text);
        faults.iter().map(|fault| fault.message().to_owned()).collect()
    };
    assert_eq!(messages(""), ["the file does not say `scenarios`"]);
    let twice = "line = \"1000\"\n[[scenarios]]\nname = \"A\"\n[[scenarios]]\nname = \"A\"\n";
    assert_eq!(messages(twice), ["another scenario has this name"]);
    assert_eq!(messages("[[scenarios]]\nname = \"A\"\n"), ["this scenario does not say `line`"]);
    assert_eq!(messages("[[scenarios]]\nline = \"1000\"\n"), ["this scenario does not say `name`"]);
}
