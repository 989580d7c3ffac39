//! SIPp's calls: each way through a line, and what the record says of it afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::sipp::Call;
use crate::support::{http, sound};

/// From numbers that need no default: shared, failing, hanging, unknown to the back end, and none.
const SHARED: &str = "sip:+12025550104@caller.example";
const FAILING: &str = "sip:+12025550500@caller.example";
const HANGING: &str = "sip:+12025550999@caller.example";
const UNKNOWN: &str = "sip:+12025559999@caller.example";
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// What a record is expected to say.
struct Expected {
    verdict: &'static str,
    customer: Option<&'static str>,
    identified_by: Option<&'static str>,
    identifier_attempts: u32,
    secret_attempts: u32,
    hand_over: Option<&'static str>,
    ended_by: &'static str,
}

/// A caller who was recognised by number, verified at once and handed over.
const VERIFIED_BY_ANI: Expected = Expected {
    verdict: "verified",
    customer: Some("10000001"),
    identified_by: Some("ani"),
    identifier_attempts: 0,
    secret_attempts: 1,
    hand_over: Some("completed"),
    ended_by: "portero",
};

/// A caller who keyed their identifier and their PIN and was handed over.
const VERIFIED_BY_IDENTIFIER: Expected =
    Expected { identified_by: Some("identifier"), identifier_attempts: 1, ..VERIFIED_BY_ANI };

/// A caller of whom nothing is known.
const UNIDENTIFIED: Expected = Expected {
    verdict: "unidentified",
    customer: None,
    identified_by: None,
    identifier_attempts: 0,
    secret_attempts: 0,
    hand_over: Some("completed"),
    ended_by: "portero",
};

/// Makes the call on a server of its own and compares the record.
fn expect(call: &Call, expected: &Expected) -> Value {
    let server = Server::demo();
    let messages = call.run(&server);
    let record = server.wait_for_record(call.line);
    compare(&record, expected);
    if expected.hand_over.is_some() {
        assert_eq!(messages.header("REFER", "X-Portero-Verdict"), expected.verdict);
        let token = messages.header("REFER", "X-Portero-Token");
        assert_eq!(record["hand_over"]["token"], token);
        let refer_to = messages.header("REFER", "Refer-To");
        let target = format!("<sip:agents@{};portero-token={token}", server.loopback.sip());
        let verdict = format!("X-Portero-Verdict={}", expected.verdict);
        assert!(refer_to.starts_with(&target) && refer_to.contains(&verdict), "{refer_to}");
        let shown = server.api(&format!("/api/v1/handovers/{token}"));
        assert_eq!((&shown["verdict"], &shown["customer"]), (&record["verdict"], &record["customer"]));
    }
    record
}

fn compare(record: &Value, expected: &Expected) {
    let said = json!({
        "verdict": record["verdict"],
        "customer": record["customer"],
        "identified_by": record["identified_by"],
        "identifier_attempts": record["identifier_attempts"],
        "secret_attempts": record["secret_attempts"],
        "hand_over": record["hand_over"]["outcome"],
        "ended_by": record["ended_by"],
    });
    let expected = json!({
        "verdict": expected.verdict,
        "customer": expected.customer,
        "identified_by": expected.identified_by,
        "identifier_attempts": expected.identifier_attempts,
        "secret_attempts": expected.secret_attempts,
        "hand_over": expected.hand_over,
        "ended_by": expected.ended_by,
    });
    assert_eq!(said, expected, "{record:#}");
}

/// From the answer to the end of the call, in seconds.
fn seconds_up(record: &Value) -> f64 {
    let instant = |field: &str| -> jiff::Timestamp {
        record[field].as_str().and_then(|text| text.parse().ok()).expect("an instant")
    };
    (instant("ended_at") - instant("answered_at")).total(jiff::Unit::Second).expect("a span of time")
}

/// How long the demo's prompts take, in seconds.
fn seconds_of(prompts: &[&str]) -> f64 {
    prompts.iter().map(|id| sound::prompt(id).len() as f64 / 8000.0).sum()
}

#[test]
fn verified_by_ani_and_pin() {
    expect(&Call { keys: "300ms 4711", ..Call::default() }, &VERIFIED_BY_ANI);
}

#[test]
fn verified_by_identifier_and_pin() {
    let call = Call { line: "1001", keys: "300ms 10000001 500ms 4711", ..Call::default() };
    expect(&call, &VERIFIED_BY_IDENTIFIER);
}

#[test]
fn identified_only_where_the_line_does_not_verify() {
    let expected = Expected { verdict: "identified", secret_attempts: 0, ..VERIFIED_BY_ANI };
    expect(&Call { line: "1002", ..Call::default() }, &expected);
}

#[test]
fn wrong_pin_then_right() {
    let expected = Expected { secret_attempts: 2, ..VERIFIED_BY_ANI };
    expect(&Call { keys: "300ms 9999 1500ms 4711", ..Call::default() }, &expected);
}

#[test]
fn a_terminator_after_a_full_entry_is_not_an_entry_of_its_own() {
    let expected = Expected { secret_attempts: 2, ..VERIFIED_BY_ANI };
    expect(&Call { keys: "300ms 9999# 1500ms 4711#", ..Call::default() }, &expected);
}

#[test]
fn pin_used_up() {
    let call = Call { keys: "300ms 9999 800ms 9998 800ms 9997 800ms 9996", ..Call::default() };
    expect(&call, &Expected { verdict: "identified", secret_attempts: 4, ..VERIFIED_BY_ANI });
}

#[test]
fn identifier_wrong_then_right() {
    let call = Call { line: "1001", keys: "300ms 77777777 800ms 10000001 800ms 4711", ..Call::default() };
    expect(&call, &Expected { identifier_attempts: 2, ..VERIFIED_BY_IDENTIFIER });
}

#[test]
fn identifier_used_up() {
    let keys = "300ms 77777777 500ms 77777778 500ms 77777779 500ms 77777770";
    let call = Call { line: "1001", keys, ..Call::default() };
    expect(&call, &Expected { identifier_attempts: 4, ..UNIDENTIFIED });
}

#[test]
fn an_identifier_that_is_too_short_counts_as_an_entry() {
    let call = Call { line: "1001", keys: "300ms 1234# 800ms 10000001 800ms 4711", ..Call::default() };
    expect(&call, &Expected { identifier_attempts: 2, ..VERIFIED_BY_IDENTIFIER });
}

#[test]
fn star_clears_an_entry() {
    let call = Call { line: "1001", keys: "300ms 777*10000001 800ms 4711", ..Call::default() };
    expect(&call, &VERIFIED_BY_IDENTIFIER);
}

#[test]
fn opt_out_of_identification() {
    let record = expect(&Call { line: "1001", keys: "300ms *", ..Call::default() }, &UNIDENTIFIED);
    assert_eq!(record["opted_out"], true);
}

#[test]
fn opt_out_of_verification() {
    let expected = Expected { verdict: "identified", secret_attempts: 0, ..VERIFIED_BY_ANI };
    let record = expect(&Call { keys: "300ms *", ..Call::default() }, &expected);
    assert_eq!(record["opted_out"], true);
}

#[test]
fn no_input_at_all() {
    let call = Call { line: "1003", from: UNKNOWN, ..Call::default() };
    expect(&call, &Expected { identifier_attempts: 2, ..UNIDENTIFIED });
}

#[test]
fn anonymous_callers_are_asked() {
    let call = Call { from: ANONYMOUS, keys: "300ms 10000001 500ms 4711", ..Call::default() };
    let record = expect(&call, &VERIFIED_BY_IDENTIFIER);
    assert_eq!(record["ani"], Value::Null);
}

#[test]
fn a_number_that_several_share_identifies_none_of_them() {
    let call = Call { from: SHARED, keys: "300ms 10000005 500ms 8642", ..Call::default() };
    expect(&call, &Expected { customer: Some("10000005"), ..VERIFIED_BY_IDENTIFIER });
}

#[test]
fn digits_stop_the_prompt_and_count() {
    // The greeting is over, and the question plays.
    let record = expect(&Call { keys: "2600ms 4711", ..Call::default() }, &VERIFIED_BY_ANI);
    let heard_out = seconds_of(&["greeting", "ask-secret", "hand-over-verified"]);
    assert!(seconds_up(&record) < heard_out - 0.5, "{} s of {heard_out} s", seconds_up(&record));
}

#[test]
fn digits_keyed_ahead_feed_the_next_question() {
    // Both entries are keyed without waiting for a question.
    let call = Call { line: "1001", keys: "100ms 100000014711", ..Call::default() };
    let record = expect(&call, &VERIFIED_BY_IDENTIFIER);
    let asked = seconds_of(&["greeting", "ask-identifier", "ask-secret", "hand-over-verified"]);
    assert!(seconds_up(&record) < asked - 2.0, "{} s of {asked} s", seconds_up(&record));
}

#[test]
fn back_end_fails_on_the_number() {
    let record = expect(&Call { from: FAILING, ..Call::default() }, &UNIDENTIFIED);
    assert_eq!(record["back_end_failure"], "status");
}

#[test]
fn back_end_fails_on_the_identifier() {
    let call = Call { line: "1001", keys: "300ms 10000500", ..Call::default() };
    let record = expect(&call, &Expected { identifier_attempts: 1, ..UNIDENTIFIED });
    assert_eq!(record["back_end_failure"], "status");
}

#[test]
fn back_end_hangs() {
    let record = expect(&Call { from: HANGING, ..Call::default() }, &UNIDENTIFIED);
    assert_eq!(record["back_end_failure"], "timed_out");
}

#[test]
fn refer_refused() {
    let values = &[("refusal", "603 Decline")];
    let call = Call { scenario: "refuses_refer", keys: "300ms 4711", values, ..Call::default() };
    let record = expect(&call, &Expected { hand_over: Some("refused"), ..VERIFIED_BY_ANI });
    assert_eq!(record["hand_over"]["status"], 603);
}

#[test]
fn refer_accepted_and_the_target_busy() {
    let call = Call { keys: "300ms 4711", values: &[("sipfrag", "486 Busy Here")], ..Call::default() };
    let record = expect(&call, &Expected { hand_over: Some("failed"), ..VERIFIED_BY_ANI });
    assert_eq!(record["hand_over"]["status"], 486);
}

#[test]
fn refer_accepted_and_nothing_heard_for_ten_seconds() {
    let call = Call { scenario: "ignores_refer", keys: "300ms 4711", ..Call::default() };
    let record = expect(&call, &Expected { hand_over: Some("timed_out"), ..VERIFIED_BY_ANI });
    assert!(seconds_up(&record) > 10.0 + seconds_of(&["hand-over-verified", "hand-over-failed"]));
}

#[test]
fn hang_up_during_the_greeting() {
    let pause = Duration::from_millis(1500);
    hang_up_in(
        "greeting",
        &Call { scenario: "hangs_up", line: "1001", pause, ..Call::default() },
        &UNIDENTIFIED,
    );
}

#[test]
fn hang_up_while_identifying() {
    let call = Call {
        scenario: "hangs_up",
        line: "1001",
        keys: "300ms 77",
        pause: Duration::from_millis(2500),
        ..Call::default()
    };
    hang_up_in("identifying", &call, &UNIDENTIFIED);
}

#[test]
fn hang_up_while_verifying() {
    let call = Call {
        scenario: "hangs_up",
        keys: "300ms 47",
        pause: Duration::from_millis(2500),
        ..Call::default()
    };
    let expected = Expected { verdict: "identified", secret_attempts: 0, ..VERIFIED_BY_ANI };
    hang_up_in("verifying", &call, &expected);
}

/// Hangs up while the caller is seen to be in `stage`; then there is no hand-over.
fn hang_up_in(stage: &str, call: &Call, expected: &Expected) {
    let server = Server::demo();
    let running = call.start(&server);
    server.wait_for_stage(call.line, stage);
    running.finish(&server);
    let record = server.wait_for_record(call.line);
    compare(&record, &Expected { hand_over: None, ended_by: "caller", ..*expected });
}

#[test]
fn hang_up_while_handed_over() {
    let call = Call { scenario: "hangs_up_while_handed_over", keys: "300ms 4711", ..Call::default() };
    expect(&call, &Expected { hand_over: Some("unconfirmed"), ended_by: "caller", ..VERIFIED_BY_ANI });
}

#[test]
fn unknown_line() {
    let server = Server::demo();
    Call { scenario: "is_told_404", line: "9999", ..Call::default() }.run(&server);
    expect_no_call_left(&server);
}

#[test]
fn no_common_codec() {
    let server = Server::demo();
    Call { scenario: "is_told_488", ..Call::default() }.run(&server);
    expect_no_call_left(&server);
}

/// A call that was turned away is not up.
fn expect_no_call_left(server: &Server) {
    let calls = server.calls();
    assert!(calls.iter().all(|call| call["stage"] == "ended"), "{calls:#?}");
    assert_eq!(http::get(server.loopback.web(), "/health").status, 200);
}

#[test]
fn cancel_before_the_answer() {
    let server = Server::serve(&[("ring_for = \"0s\"", "ring_for = \"20s\"")]);
    Call { scenario: "cancels", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    let expected = Expected {
        verdict: "unidentified",
        customer: None,
        identified_by: None,
        secret_attempts: 0,
        hand_over: None,
        ended_by: "caller",
        ..VERIFIED_BY_ANI
    };
    compare(&record, &expected);
    assert_eq!(record["answered_at"], Value::Null);
}

#[test]
fn the_200_and_its_ack_lost_once() {
    let server = Server::demo();
    let call = Call { scenario: "loses_the_200", keys: "300ms 4711", ..Call::default() };
    let messages = call.run(&server);
    compare(&server.wait_for_record("1000"), &VERIFIED_BY_ANI);
    let answers = messages.received("SIP/2.0 200").filter(|message| message.contains("INVITE\r\n")).count();
    assert!((2..=4).contains(&answers), "{answers} times 200 in 1.8 s");
}
