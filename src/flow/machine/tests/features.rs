//! What a line can do besides the plain way, one test a rule.

use std::time::Duration;

use super::*;
use crate::flow::tests::{factor, identifier, question, say};
use crate::flow::{
    After, CheckDigit, Choice, CodePlan, DateOrder, Factor, FactorKind, Hours, LineName, Menu, Need, Piece,
    PromptId, Retries, Service, Source, TextPart, Turn, Verdict,
};
use crate::say::Currency;

fn with_attributes(attributes: &[(&str, &[&str])]) -> Customer {
    let attributes = attributes
        .iter()
        .map(|(name, values)| ((*name).into(), values.iter().map(ToString::to_string).collect()));
    Customer { attributes: attributes.collect(), ..maria() }
}

fn found(customer: &Customer) -> Answer {
    Answer::LookUp(Matches::One(customer.clone()))
}

fn digit(key: char) -> Digit {
    Digit::from_char(key).expect("a key")
}

fn caller_on(change: impl FnOnce(&mut Line)) -> Caller {
    Caller::on(line_with(change), "anonymous")
}

/// What the back end was asked last.
fn secret_of(caller: &Caller) -> (String, Vec<u8>) {
    match &caller.asked.as_ref().expect("something was asked").query {
        Query::Secret { secret, positions, .. } => (secret.expose().to_owned(), positions.clone()),
        other => panic!("no secret: {other:?}"),
    }
}

mod identification {
    use super::*;

    #[test]
    fn a_check_digit_that_is_wrong_is_no_match_and_never_reaches_the_back_end() {
        caller_on(|line| line.identification.questions[0].check = CheckDigit::Luhn)
            .hear()
            .keys("12345678")
            .expect("play greeting, play id-ask, stop, play id-no-match-1")
            .keys("12345674")
            .expect("stop, ask id");
    }

    #[test]
    fn questions_follow_each_other_where_one_comes_to_nothing() {
        let mut caller = caller_on(|line| {
            line.identification.questions.push(identifier("tracking"));
            line.identification.questions[0].question.retries =
                Retries { no_match: 0, no_input: 3, total: 3 };
        });
        caller = caller.hear().keys("00000000").answer(none());
        assert!(caller.diary().ends_with("stop, ask id, play tracking-ask"));
        caller = caller.keys("10000001").answer(one());
        assert_eq!(caller.flow.summary().identifier.as_deref(), Some("tracking"));
        caller.expect("stop, ask tracking, play pin-ask");
    }

    #[test]
    fn the_caller_chooses_the_question() {
        caller_on(|line| {
            line.identification.questions.push(identifier("tracking"));
            let keys = vec![(digit('1'), 0), (digit('2'), 1)];
            line.identification.choice = Some((question("which", 1), keys));
        })
        .hear()
        .expect("play greeting, play which-ask")
        .keys("7")
        .expect("stop, play which-no-match-1")
        .keys("2")
        .expect("stop, play tracking-ask");
    }

    #[test]
    fn an_entry_is_read_back_and_confirmed_or_taken_back() {
        let caller = caller_on(|line| {
            let back =
                vec![Piece::Prompt(PromptId::new("entered")), Piece::Value(Source::Entry, Kind::Digits)];
            line.identification.questions[0].question.confirm = Some(Announcement::of(back));
        })
        .hear()
        .keys("10000009")
        .expect("play greeting, play id-ask, stop, play entered+<Digits 10000009>")
        .keys("2")
        .expect("stop, play id-ask")
        .keys("10000001")
        .expect("stop, play entered+<Digits 10000001>")
        .hear()
        .keys("1")
        .expect("ask id");
        assert_eq!(caller.flow.summary().identifier_attempts, 2);
    }

    #[test]
    fn whoever_does_not_confirm_is_asked_again() {
        caller_on(|line| line.identification.questions[0].question.confirm = Some(say("right")))
            .keys("10000009")
            .expect("play greeting, stop, play right")
            .hear()
            .wait()
            .expect("play id-no-input");
    }

    #[test]
    fn several_who_have_an_identifier_are_told_apart_by_another() {
        let other = Customer::new("10000002", None);
        let several = || Answer::LookUp(Matches::Several(vec![maria(), other.clone()]));
        let line = || line_with(|line| line.identification.questions.push(identifier("birth")));
        let caller = Caller::on(line(), "").hear().keys("12345678").answer(several());
        let caller = caller.expect("play greeting, play id-ask, stop, ask id, play birth-ask");
        // One of those, out of several who have the second.
        let mixed = Answer::LookUp(Matches::Several(vec![other.clone(), Customer::new("10000003", None)]));
        let caller = caller.keys("31121980").answer(mixed).expect("stop, ask birth, play pin-ask");
        assert_eq!(caller.flow.standing().customer(), Some(&other));
        // Somebody else is nobody.
        let caller = Caller::on(line(), "").hear().keys("12345678").answer(several());
        let caller = caller.keys("31121980").answer(found(&Customer::new("10000003", None)));
        assert_eq!(caller.flow.standing(), Standing::Unidentified);
        // Still several, and nothing left to tell them apart by.
        let mut caller = Caller::on(line(), "").hear().keys("12345678").answer(several());
        caller = caller.keys("31121980").answer(several());
        assert!(caller.diary().ends_with("ask birth, play birth-no-match-1"));
    }

    #[test]
    fn several_who_have_an_identifier_and_no_other_question_are_no_match() {
        Caller::without_number()
            .hear()
            .keys("12345678")
            .answer(Answer::LookUp(Matches::Several(vec![maria(), Customer::new("2", None)])))
            .expect("play greeting, play id-ask, stop, ask id, play id-no-match-1");
    }

    #[test]
    fn a_number_that_several_share_helps_to_tell_them_apart_and_keeps_nobody_out() {
        let tom = Customer::new("10000005", None);
        let shared = || Answer::LookUp(Matches::Several(vec![maria(), Customer::new("10000002", None)]));
        let caller = Caller::with_number().answer(shared()).hear().keys("12345678");
        let caller = caller.answer(Answer::LookUp(Matches::Several(vec![tom.clone(), maria()])));
        assert_eq!(caller.flow.standing().customer(), Some(&maria()));
        let caller = Caller::with_number().answer(shared()).hear().keys("12345678").answer(found(&tom));
        assert_eq!(caller.flow.standing().customer(), Some(&tom));
    }

    #[test]
    fn a_line_without_questions_goes_on_unidentified() {
        caller_on(|line| line.identification.questions.clear())
            .hear()
            .expect("play greeting, play bye-unidentified");
    }
}

mod asking {
    use super::*;

    #[test]
    fn no_match_and_no_input_are_counted_apart_and_in_total() {
        let retries = |no_match, no_input, total| {
            caller_on(move |line| {
                line.identification.questions[0].question.retries = Retries { no_match, no_input, total };
            })
        };
        let wrong = |caller: Caller| caller.keys("00000000").answer(none());
        let silent = |caller: Caller| caller.hear().wait();
        let is_over = |mut caller: Caller| caller.diary().ends_with("bye-unidentified");
        assert!(is_over(wrong(wrong(retries(1, 9, 9).hear()))));
        assert!(!is_over(silent(silent(wrong(retries(1, 9, 9).hear())))));
        assert!(is_over(silent(silent(retries(9, 1, 9).hear()))));
        assert!(!is_over(wrong(wrong(silent(retries(9, 1, 9).hear())))));
        assert!(is_over(silent(wrong(silent(retries(9, 9, 2).hear())))));
    }

    #[test]
    fn the_help_key_explains_and_asks_again_so_often_and_no_more() {
        let mut caller = caller_on(|line| {
            line.identification.questions[0].question.help = Some((digit('0'), say("explained")));
        })
        .hear();
        for _ in 0..3 {
            caller = caller.keys("0");
        }
        let mut caller = caller.expect(
            "play greeting, play id-ask, stop, play explained+id-ask, stop, play explained+id-ask, stop, play \
             explained+id-ask",
        );
        assert_eq!(caller.flow.summary().identifier_attempts, 0);
        caller = caller.keys("0").expect("stop, play id-no-match-1");
        // Inside an entry it is a digit.
        caller.keys("10000000").expect("stop, ask id");
    }

    #[test]
    fn the_opt_out_key_is_the_lines_own_and_has_its_own_next_step() {
        let then = || After::Then(Then::HandOver(vec![TargetName::new("reception")]));
        caller_on(|line| {
            let question = &mut line.identification.questions[0].question;
            question.opt_out = Some(digit('9'));
            question.opted_out = then();
        })
        .hear()
        .keys("*")
        .expect("play greeting, play id-ask, stop")
        .keys("9")
        .expect("hand over unidentified to reception");
        caller_on(|line| {
            line.identification.questions.push(identifier("tracking"));
            line.identification.questions[0].question.opted_out = After::Next;
        })
        .hear()
        .keys("*")
        .expect("play greeting, play id-ask, stop, play tracking-ask");
    }

    #[test]
    fn a_question_that_is_used_up_has_its_own_next_step() {
        caller_on(|line| {
            let question = &mut line.identification.questions[0].question;
            question.retries = Retries { no_match: 0, no_input: 0, total: 0 };
            question.exhausted = After::Then(Then::HangUp);
        })
        .hear()
        .hear()
        .wait()
        .expect("play greeting, play id-ask, hang up");
    }

    #[test]
    fn an_announcement_that_is_not_to_be_cut_short_is_heard_out_and_its_keys_count_after_it() {
        let caller = caller_on(|line| line.greeting.barge_in = false).keys("1000").expect("play greeting");
        caller.hear().expect("").keys("0001").expect("ask id");
        let caller = caller_on(|line| line.identification.questions[0].question.prompts.ask.barge_in = false);
        caller.hear().keys("10000001").expect("play greeting, play id-ask").hear().expect("ask id");
    }

    #[test]
    fn keys_do_not_count_ahead_where_an_announcement_does_not_let_them() {
        caller_on(|line| {
            line.greeting.barge_in = false;
            line.greeting.key_ahead = false;
        })
        .keys("1000")
        .hear()
        .expect("play greeting, play id-ask");
        let caller =
            caller_on(|line| line.identification.questions[0].question.prompts.ask.key_ahead = false);
        caller.keys("1").expect("play greeting, stop, play id-ask").keys("10000001").expect("stop, ask id");
    }

    #[test]
    fn a_slow_back_end_is_bridged_by_a_hold_prompt_that_ends_with_the_answer() {
        let line =
            || line_with(|line| line.patience.hold = Some((Duration::from_secs(1), say("one-moment"))));
        Caller::on(line(), "")
            .hear()
            .keys("10000001")
            .expect("play greeting, play id-ask, stop, ask id")
            .wait()
            .expect("loop one-moment")
            .keys("47")
            .expect("")
            .answer(one())
            .expect("stop")
            .keys("11")
            .expect("ask pin")
            .answer(Answer::Check(true))
            .expect("play bye-verified");
        // The look-up of the number is heard of once the greeting is over, and given up at its deadline.
        let mut caller = Caller::on(line(), "+12025550101");
        assert_eq!(caller.flow.poll_timeout(), Some(at(3)));
        caller = caller.hear().wait().expect("ask number, play greeting, loop one-moment");
        caller.wait().expect("stop, play apology+bye-unidentified");
    }
}

mod verification {
    use super::*;

    #[test]
    fn every_required_factor_has_to_be_shown() {
        let caller = Caller::on(two(Need::Required), "+12025550101").answer(one()).hear();
        let caller = caller.keys("4711").answer(Answer::Check(true));
        assert_eq!(caller.flow.standing().verdict(), Verdict::Identified);
        let caller = caller.keys("3112").answer(Answer::Check(true));
        assert_eq!(caller.flow.standing().verdict(), Verdict::Verified);
        let shown: Vec<_> = caller.flow.summary().factors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["pin", "birth"]);
    }

    #[test]
    fn a_required_factor_that_fails_ends_the_asking() {
        let mut caller = Caller::on(two(Need::Required), "+12025550101").answer(one()).hear();
        for _ in 0..4 {
            caller = caller.keys("0000").answer(Answer::Check(false));
        }
        assert!(caller.diary().ends_with("play bye-identified"));
    }

    #[test]
    fn an_optional_factor_changes_nothing_but_the_record() {
        let table = [(true, Verdict::Verified, 2), (false, Verdict::Verified, 1)];
        for (right, verdict, shown) in table {
            let mut caller = Caller::on(two(Need::Optional), "+12025550101").answer(one()).hear();
            caller = caller.keys("4711").answer(Answer::Check(true));
            while caller.flow.step() == Step::Verifying {
                caller = caller.keys("3112").answer(Answer::Check(right));
            }
            assert_eq!(caller.flow.standing().verdict(), verdict);
            assert_eq!(caller.flow.summary().factors.len(), shown);
        }
    }

    fn born(line: &mut Line) {
        line.factors =
            vec![Factor { kind: FactorKind::Date, question: question("birth", 8), ..factor("birth") }];
    }

    #[test]
    fn a_date_is_keyed_in_the_order_of_the_language_and_checked_by_the_calendar() {
        let by_number =
            |change: fn(&mut Line)| Caller::on(line_with(change), "+12025550101").answer(one()).hear();
        let caller = by_number(born).keys("12311980");
        assert_eq!(secret_of(&caller).0, "1980-12-31");
        by_number(born)
            .keys("02301980")
            .expect("ask number, play greeting, play birth-ask, stop, play birth-no-match-1");
        let caller = by_number(|line| {
            born(line);
            line.languages.first = LanguageName::new("de");
        });
        assert_eq!(secret_of(&caller.keys("31121980")).0, "1980-12-31");
        assert_eq!(DateOrder::DayMonthYear, line().languages.date_order(&LanguageName::new("de")));
    }

    #[test]
    fn places_of_a_secret_are_drawn_once_a_call_and_told_to_the_back_end() {
        let line = line_with(|line| {
            let ask =
                vec![Piece::Prompt(PromptId::new("key")), Piece::Value(Source::Positions, Kind::Ordinal)];
            let mut places = factor("places");
            places.question = question("places", 2);
            places.question.prompts.ask = Announcement::of(ask);
            places.kind = FactorKind::Partial { length: 6, count: 2 };
            line.factors = vec![places];
        });
        let mut caller = Caller::on(line, "+12025550101").answer(one()).hear().keys("24");
        let (secret, positions) = secret_of(&caller);
        assert_eq!(secret, "24");
        assert!(matches!(positions[..], [first, second] if 1 <= first && first < second && second <= 6));
        let asked = format!("play key+<Ordinal {}>+<Ordinal {}>", positions[0], positions[1]);
        assert!(caller.diary().contains(&asked));
        caller = caller.answer(Answer::Check(false)).keys("42");
        assert_eq!(secret_of(&caller).1, positions, "other places on a second try would be a second chance");
    }

    fn code(contacts: Option<&str>) -> Arc<Line> {
        let plan = CodePlan {
            send: ActionName::new("send"),
            contacts: contacts.map(Into::into),
            choose: question("where", 1),
            offer: Announcement::of(vec![
                Piece::Value(Source::ContactEnding, Kind::Digits),
                Piece::Value(Source::Key, Kind::Digits),
            ]),
            sent: say("sent"),
            expired: say("expired"),
            valid_for: Duration::from_mins(5),
            resend_key: Some(Digit::STAR),
            resends: 1,
        };
        line_with(|line| {
            let mut factor = factor("code");
            factor.question.opt_out = None;
            factor.kind = FactorKind::Code(Box::new(plan));
            line.factors = vec![factor];
        })
    }

    fn contact_of(caller: &Caller) -> Option<String> {
        match &caller.asked.as_ref().expect("something was asked").query {
            Query::Code { contact, .. } => contact.clone(),
            other => panic!("no code: {other:?}"),
        }
    }

    #[test]
    fn a_one_time_code_is_sent_and_asked_for() {
        let caller = Caller::on(code(None), "+12025550101").answer(one()).hear();
        assert_eq!(contact_of(&caller), None);
        let caller = caller
            .expect("ask number, play greeting, ask send")
            .answer(Answer::Sent(true))
            .expect("play sent")
            .hear()
            .expect("play code-ask")
            .keys("1234")
            .expect("stop, ask code")
            .answer(Answer::Check(true))
            .expect("play bye-verified");
        assert_eq!(caller.flow.standing().verdict(), Verdict::Verified);
    }

    #[test]
    fn where_there_are_several_contacts_the_caller_chooses_by_how_they_end() {
        let known = with_attributes(&[("phones", &["+12025550147", "a.b@c.example9X"])]);
        let caller = Caller::on(code(Some("phones")), "+12025550101").answer(found(&known)).hear();
        let caller = caller
            .expect("ask number, play greeting, play where-ask+<Digits 47>+<Digits 1>+<Digits 9X>+<Digits 2>")
            .keys("3")
            .expect("stop, play where-no-match-1+<Digits 47>+<Digits 1>+<Digits 9X>+<Digits 2>")
            .keys("2");
        assert_eq!(contact_of(&caller).as_deref(), Some("a.b@c.example9X"));
        let one = with_attributes(&[("phones", &["+12025550147"])]);
        let caller = Caller::on(code(Some("phones")), "+12025550101").answer(found(&one)).hear();
        assert_eq!(contact_of(&caller).as_deref(), Some("+12025550147"));
        let mut caller = Caller::on(code(Some("phones")), "+12025550101").answer(found(&maria())).hear();
        assert!(caller.diary().ends_with("play bye-identified"), "there is nowhere to send it");
    }

    #[test]
    fn another_code_is_sent_so_often_and_wrong_entries_still_count() {
        let mut caller =
            Caller::on(code(None), "+12025550101").answer(one()).hear().answer(Answer::Sent(true)).hear();
        for _ in 0..3 {
            caller = caller.keys("0000").answer(Answer::Check(false));
        }
        caller.diary.clear();
        caller = caller
            .keys("*")
            .expect("stop, ask send")
            .answer(Answer::Sent(true))
            .hear()
            .expect("play sent, play code-ask");
        caller.keys("*").expect("stop, play bye-identified");
    }

    #[test]
    fn an_expired_code_is_not_checked() {
        let caller = Caller::on(code(None), "+12025550101")
            .answer(one())
            .hear()
            .answer(Answer::Sent(true))
            .hear()
            .hear();
        let mut caller =
            caller.keys("123").expect("ask number, play greeting, ask send, play sent, play code-ask");
        caller.now += Duration::from_mins(5);
        caller.keys("4").expect("play expired").keys("*").expect("stop, ask send");
    }

    #[test]
    fn a_code_that_cannot_be_sent_fails_the_factor() {
        let begin = || Caller::on(code(None), "+12025550101").answer(one()).hear();
        begin()
            .answer(Answer::Sent(false))
            .expect("ask number, play greeting, ask send, play bye-identified");
        begin()
            .answer(Answer::Failed(Failure::Unreachable))
            .expect("ask number, play greeting, ask send, play apology+bye-identified");
    }
}

mod onward {
    use super::*;

    fn self_service() -> Arc<Line> {
        let balance = vec![
            Piece::Prompt(PromptId::new("balance")),
            Piece::Value(Source::Attribute("balance".into()), Kind::Money(Currency::parse("EUR"))),
        ];
        let menu = Menu {
            name: "main".into(),
            question: question("menu", 1),
            choices: vec![
                (digit('1'), Choice { say: Announcement::of(balance), then: Turn::Menu(0) }),
                (digit('2'), Choice { say: say("bye"), then: Turn::Then(Then::HangUp) }),
                (digit('0'), Choice { say: Announcement::nothing(), then: Turn::Verdict }),
            ],
        };
        line_with(|line| {
            line.number = LineName::new("self-service");
            line.greeting = say("welcome");
            line.service = Some(Service {
                needs: Verdict::Verified,
                record: Some(ActionName::new("record")),
                menus: vec![menu],
                rounds: 3,
            });
        })
    }

    fn transferring() -> Caller {
        let line = line_with(|line| line.next.verified.then = Then::Line(LineName::new("self-service")));
        let caller = Caller::on(line, "+12025550101").knowing(self_service()).answer(one()).hear();
        caller.keys("4711").answer(Answer::Check(true)).hear()
    }

    fn record() -> Answer {
        Answer::Record([("balance".into(), vec!["-12.50".to_owned()])].into())
    }

    #[test]
    fn another_line_knows_who_it_is_and_asks_nothing_again() {
        let caller = transferring().expect(
            "ask number, play greeting, play pin-ask, stop, ask pin, play bye-verified, enter self-service, play welcome",
        );
        let mut caller = caller.hear().expect("ask record").answer(record()).expect("play menu-ask");
        caller = caller.keys("1").expect("stop, play balance+<-12.50 EUR>").hear().expect("play menu-ask");
        caller = caller.keys("2").expect("stop, play bye").hear().expect("hang up");
        assert_eq!(caller.flow.standing().verdict(), Verdict::Verified);
        assert!(caller.flow.summary().contained);
        assert_eq!(caller.flow.summary().lines, [LineName::new("self-service")]);
    }

    #[test]
    fn a_key_pressed_ahead_cuts_the_next_lines_greeting_short_where_that_may_be() {
        let table = [
            (true, "stop, enter self-service, ask record"),
            (false, "stop, enter self-service, play welcome"),
        ];
        for (barge_in, follows) in table {
            let mut line = Line::clone(&self_service());
            line.greeting.barge_in = barge_in;
            let first = line_with(|line| line.next.verified.then = Then::Line(LineName::new("self-service")));
            let caller = Caller::on(first, "+12025550101").knowing(Arc::new(line)).answer(one()).hear();
            let mut caller = caller.keys("4711").answer(Answer::Check(true));
            caller.diary();
            let mut caller = caller.keys("1").expect(follows);
            if !barge_in {
                caller = caller.hear().expect("ask record");
            }
            caller.answer(record()).expect("play balance+<-12.50 EUR>");
        }
    }

    #[test]
    fn whoever_leaves_self_service_for_an_agent_is_not_contained() {
        let caller = transferring().hear().answer(record()).keys("0");
        let caller = caller.hear();
        assert!(!caller.flow.summary().contained);
        assert_eq!(caller.flow.step(), Step::HandingOver);
        let mut caller = transferring().hear().answer(record());
        caller.tell(Event::HungUp);
        assert!(caller.flow.summary().contained, "whoever hangs up in self-service had what they wanted");
    }

    #[test]
    fn menus_do_not_go_round_for_ever() {
        let mut caller = transferring().hear().answer(record());
        for _ in 0..3 {
            caller = caller.keys("1").hear();
        }
        assert!(
            caller.diary().ends_with("play bye-verified"),
            "the verdict's next step follows three rounds"
        );
    }

    #[test]
    fn self_service_is_for_those_whom_it_is_for() {
        let mut caller = Caller::on(self_service(), "").hear().keys("*");
        assert!(caller.diary().ends_with("play bye-unidentified"));
    }

    #[test]
    fn a_record_that_does_not_come_is_apologised_for() {
        let mut caller = transferring().hear().answer(Answer::Failed(Failure::Status));
        assert!(caller.diary().ends_with("ask record, play apology+bye-verified"));
    }

    #[test]
    fn lines_that_lead_round_in_a_circle_are_left() {
        let round = || {
            line_with(|line| {
                line.identification.questions.clear();
                line.greeting = Announcement::nothing();
                line.next.unidentified =
                    Next { say: Announcement::nothing(), then: Then::Line(LineName::new("1000")) };
            })
        };
        let line = line_with(|line| {
            line.identification.questions.clear();
            line.next.unidentified =
                Next { say: Announcement::nothing(), then: Then::Line(LineName::new("1000")) };
        });
        let mut caller = Caller::on(line, "").knowing(round()).hear();
        assert_eq!(caller.diary(), format!("play greeting, {}hang up", "enter 1000, ".repeat(LINES_MAX)));
    }

    #[test]
    fn targets_are_tried_in_their_order() {
        let targets = || Then::HandOver(vec![TargetName::new("first"), TargetName::new("second")]);
        let begin = || caller_on(|line| line.next.unidentified.then = targets()).keys("*").hear();
        begin()
            .expect("play greeting, stop, play bye-unidentified, hand over unidentified to first")
            .handed_over(false)
            .expect("hand over unidentified to second")
            .handed_over(false)
            .expect("play failed")
            .keys("1")
            .expect("")
            .hear()
            .expect("hang up");
        let mut caller = begin();
        caller.diary.clear();
        caller.tell(Event::HandedOver(HandOverEnd::Unclear));
        caller.expect("play failed");
    }

    #[test]
    fn a_verdict_can_end_the_call() {
        caller_on(|line| line.next.unidentified.then = Then::HangUp)
            .keys("*")
            .hear()
            .expect("play greeting, stop, play bye-unidentified, hang up");
    }
}

mod opening {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn a_closed_line_says_so_and_goes_its_own_way() {
        let line = line_with(|line| {
            let hours =
                Hours { zone: TimeZone::UTC, week: std::array::from_fn(|_| Vec::new()), special: Vec::new() };
            line.hours = Some((hours, Next { say: say("closed"), then: Then::HangUp }));
        });
        let caller = Caller::at(line, "+12025550101", Opening::Closed, Trust::Claimed);
        let caller = caller.expect("play closed").hear().expect("hang up");
        assert!(caller.flow.summary().closed);
    }

    #[test]
    fn in_an_emergency_nobody_is_asked_anything() {
        Caller::at(line_with(|_| {}), "+12025550101", Opening::Emergency, Trust::Claimed)
            .expect("play emergency")
            .hear()
            .expect("hand over unidentified to emergency-desk");
    }

    #[test]
    fn the_language_is_chosen_before_the_greeting() {
        let line = || {
            line_with(|line| {
                let keys = vec![(digit('1'), LanguageName::new("en")), (digit('2'), LanguageName::new("de"))];
                line.languages.menu = Some((question("language", 1), keys));
            })
        };
        let caller = Caller::on(line(), "+12025550101").expect("ask number, play language-ask").answer(one());
        let caller = caller.expect("").keys("2").expect("stop, play greeting");
        assert_eq!(caller.flow.language().as_str(), "de");
        caller.hear().expect("play pin-ask");
        let mut caller = Caller::on(line(), "");
        for _ in 0..4 {
            caller = caller.hear().wait();
        }
        assert!(caller.diary().ends_with("play greeting"));
        assert_eq!(caller.flow.language().as_str(), "en");
    }

    #[test]
    fn the_language_follows_the_customers_record() {
        for (theirs, heard) in [("de", "de"), ("xx", "en")] {
            let line = line_with(|line| line.languages.attribute = Some("language".into()));
            let known = with_attributes(&[("language", &[theirs])]);
            let caller = Caller::on(line, "+12025550101").answer(found(&known)).hear();
            assert_eq!(caller.flow.language().as_str(), heard);
        }
    }

    #[test]
    fn what_is_said_is_filled_with_what_is_known() {
        let text = |parts| Piece::Text(parts, Some(PromptId::new("hello")));
        let line = line_with(|line| {
            line.factors.clear();
            line.next.identified.say = Announcement::of(vec![
                text(vec![TextPart::Plain("Hello ".into()), TextPart::Value(Source::Name)]),
                Piece::Recorded("greeting".into(), PromptId::new("plain")),
                Piece::Recorded("nothing".into(), PromptId::new("plain")),
                Piece::Silence(Duration::from_millis(300)),
                Piece::Value(Source::Attribute("nothing".into()), Kind::Number),
                Piece::PromptIn(LanguageName::new("de"), PromptId::new("danke")),
                text(vec![TextPart::Value(Source::Attribute("nothing".into()))]),
            ]);
        });
        let known = with_attributes(&[("greeting", &["https://x/1.wav"])]);
        let mut caller = Caller::on(line, "+12025550101").answer(found(&known)).hear();
        let said = "play \"Hello Maria\"+<https://x/1.wav>+plain+300ms+de:danke+hello";
        assert!(caller.diary().ends_with(said));
    }
}
