//! A notice, and a key to accept it.

use super::*;
use crate::flow::tests::question;
use crate::flow::{After, Notice};

/// A line with a notice, which looks numbers up.
pub(super) fn line() -> Arc<Line> {
    giving_notice(After::Next)
}

fn giving_notice(declined: After) -> Arc<Line> {
    line_with(|line| {
        let mut question = question("notice", 1);
        (question.opted_out, question.exhausted) = (declined.clone(), declined);
        line.notice = Some(Notice { question, accept: Digit::from_char('1').expect("a key") });
    })
}

fn caller() -> Caller {
    Caller::on(line(), "+12025550101")
}

#[test]
fn nothing_is_asked_or_greeted_before_a_notice_is_accepted() {
    let caller = caller().expect("play notice-ask").hear().keys("1").expect("ask number, play greeting");
    assert_eq!(caller.flow.summary().consent, Some(true));
}

#[test]
fn whoever_does_not_accept_goes_on_or_goes_where_the_line_says() {
    let caller = caller().keys("*").expect("play notice-ask, stop, ask number, play greeting");
    let summary = caller.flow.summary();
    assert_eq!((summary.consent, summary.opted_out), (Some(false), false));
    let caller = Caller::on(giving_notice(After::Then(Then::HangUp)), "").keys("*");
    let caller = caller.expect("play notice-ask, stop, hang up");
    assert_eq!(caller.flow.summary().consent, Some(false));
    Caller::on(giving_notice(After::Verdict), "")
        .keys("*")
        .expect("play notice-ask, stop, play bye-unidentified");
}

#[test]
fn another_key_and_silence_are_no_consent() {
    let mut caller = caller().keys("2").expect("play notice-ask, stop, play notice-no-match-1");
    assert_eq!(caller.flow.summary().consent, None);
    for _ in 0..3 {
        caller = caller.hear().wait();
    }
    let caller = caller.expect("play notice-no-input, play notice-no-input, ask number, play greeting");
    assert_eq!(caller.flow.summary().consent, Some(false));
}

#[test]
fn keys_pressed_before_a_notice_accept_nothing() {
    let line = line_with(|line| {
        let german = (Digit::from_char('2').expect("a key"), LanguageName::new("de"));
        let mut menu = question("language", 1);
        menu.prompts.ask.barge_in = false;
        line.languages.menu = Some((menu, vec![german]));
        line.notice.clone_from(&self::line().notice);
    });
    let caller = Caller::on(line, "").keys("21").expect("play language-ask").hear().expect("play notice-ask");
    assert_eq!((caller.flow.language().as_str(), caller.flow.summary().consent), ("de", None));
    caller.keys("1").expect("stop, play greeting");
}

#[test]
fn a_notice_that_has_been_answered_is_not_given_again() {
    let onward = line_with(|line| {
        line.notice.clone_from(&self::line().notice);
        line.identification.questions.clear();
        line.next.unidentified.then = Then::Line(line.number.clone());
    });
    let caller = Caller::on(Arc::clone(&onward), "").knowing(onward).keys("1");
    caller
        .hear()
        .hear()
        .expect("play notice-ask, stop, play greeting, play bye-unidentified, enter 1000, play greeting");
}

#[test]
fn nobody_consents_by_hanging_up() {
    let mut caller = caller();
    caller.tell(Event::HungUp);
    assert_eq!(caller.flow.summary().consent, None);
}
