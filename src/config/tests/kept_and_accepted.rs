//! What lines say of what callers cannot find out, and of what they are asked to accept.

use std::time::Duration;

use super::conversation::{read_line, wrong_with};
use crate::flow::{After, Discretion, Then};
use crate::secret::Digit;

#[test]
fn a_notice_has_a_key_to_accept_and_one_way_on_for_those_who_do_not() {
    assert_eq!(read_line("identifier.digits = 8").notice, None);
    let usual = read_line("identifier.digits = 8\nnotice = {}").notice.expect("a notice");
    assert_eq!((usual.accept.expose(), usual.question.opt_out), ('1', Some(Digit::STAR)));
    assert_eq!((usual.question.opted_out, usual.question.exhausted), (After::Next, After::Next));
    let own = r#"notice = { ask = "terms", accept = "5", opt_out = "none", declined = { hang_up = true }, retries = 0 }"#;
    let own = read_line(&format!("identifier.digits = 8\n{own}")).notice.expect("a notice");
    let ends = After::Then(Then::HangUp);
    assert_eq!((own.accept.expose(), own.question.opt_out, own.question.retries.total), ('5', None, 0));
    assert_eq!((&own.question.opted_out, &own.question.exhausted), (&ends, &ends));
}

#[test]
fn a_notice_that_cannot_be_answered_is_told_of() {
    let table = [
        (r#"notice.accept = "*""#, "`*` cannot be accepted with"),
        (r#"notice.accept = "yes""#, "`yes` is no key"),
        ("notice.exhausted = { hang_up = true }", "this line's `notice` has no setting `exhausted`"),
        (r#"notice.opt_out = "1""#, "the key 1 is `opt_out`, so that no entry can begin with it"),
    ];
    for (said, message) in table {
        assert_eq!(wrong_with(&format!("identifier.digits = 8\n{said}")), [message], "{said}");
    }
}

#[test]
fn unknown_identifiers_are_concealed_where_a_line_says_so_and_at_its_time() {
    let after = |said: &str| {
        let line = read_line(&format!("identifier.digits = 8\nidentify_by_number = false\n{said}"));
        line.discretion.map(|Discretion { answers_after }| answers_after)
    };
    let table = [
        ("", None),
        ("conceal_unknown = false", None),
        ("conceal_unknown = true", Some(2000)),
        ("conceal_unknown = {}", Some(2000)),
        ("conceal_unknown = { answers_after = \"1500ms\" }", Some(1500)),
    ];
    for (said, ms) in table {
        assert_eq!(after(said), ms.map(Duration::from_millis), "{said}");
    }
}

#[test]
fn what_a_line_would_give_away_is_warned_of() {
    let discreet = "identify_by_number = false\nconceal_unknown = true\nidentifier.digits = 8\nverification.digits = 4\n";
    assert_eq!(wrong_with(discreet), [""; 0]);
    let number = "whoever shows another's number hears whether it is a customer's: a customer is not asked who is calling";
    assert_eq!(wrong_with(&discreet.replace("identify_by_number = false\n", "")), [number]);
    let table = [
        (
            r#"hand_over.identified.say = "hello""#,
            "nobody comes here: without proof callers go the way of `unidentified`, known or not",
        ),
        (
            r#"greeting = { text = "Hello {{ name }}", otherwise = "hello" }"#,
            "`{{ name }}` is told to nobody before the proof on this line",
        ),
        (
            r#"hand_over.unidentified.say = ["{{ record.balance | number }}"]"#,
            "`{{ record.balance }}` is told to nobody before the proof on this line",
        ),
        (
            r#"service.menus.main = { ask = "menu", keys = { 1 = { next = true } } }"#,
            "without proof nobody counts as identified here",
        ),
    ];
    for (said, message) in table {
        // Said so early, a name is somebody's on no line, which is told besides.
        let told = wrong_with(&format!("{discreet}{said}"));
        assert!(told.iter().any(|told| told == message), "{said}: {told:?}");
    }
    let trusted = discreet.replace("= false", "= { trust = \"partial\" }");
    assert_eq!(wrong_with(&trusted), [""; 0], "a number that its network has checked is believed");
    let code = discreet.replace("verification.digits = 4\n", "")
        + "factors = [{ name = \"code\", kind = \"code\", contacts = \"phones\", choose.ask = \"which\" }]";
    let choice = "there is no choice here, which would tell of contacts: codes go to the first one";
    assert_eq!(wrong_with(&code), [choice]);
}
