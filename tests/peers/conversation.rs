//! Lines with more than the plain way, as a peer sees them: what of a conversation has to be right on the wire.
//!
//! That the conversation itself goes as it should is shown without SIP, in `tests/acceptance`.

use serde_json::Value;

use crate::support::script::{OFFER, Script, Sees::Header};
use crate::support::server::{Server, portero};
use crate::support::sipp::{Call, Messages};
use crate::support::sound;

/// Where the demo's configuration has its lines' end.
const END_OF_LINES: &str = "# ---- Only for the demo";

/// Those of the demo's lines that do not say where their calls go.
const DEMO_LINES: [&str; 5] =
    ["number = \"1001\"", "number = \"1002\"", "number = \"1003\"", "number = \"1004\"", "number = \"1005\""];

/// Lines that ask and lead on in other ways, with prompts that there are recordings of.
const LINES: &str = r#"
[targets.reception]
uri = "sip:agents@{{ own_address }}"

[[lines]]
number = "2000"
identify_by_number = false
choose = { ask = "ask-identifier", keys = { 1 = "account", 2 = "tracking" } }
verification.digits = 4
hand_over.target = "agents"
[[lines.identifiers]]
name = "account"
digits = 10
action = "customer_by_identifier"
ask = "ask-identifier"
[[lines.identifiers]]
name = "tracking"
digits = 8
action = "customer_by_identifier"
ask = "ask-identifier"

[[lines]]
number = "2001"
hand_over.target = "agents"
identifier.digits = 8
[[lines.factors]]
name = "code"
kind = "code"
digits = 4
action = "check_pin"
sent = "greeting"
expired = "apology"
choose.offer = "greeting"
ask = "ask-secret"
[lines.factors.prompts]
no_match = ["secret-no-match-1"]
no_input = ["secret-no-input-1"]
too_short = ["secret-too-short-1"]

[[lines]]
number = "2002"
identifier.digits = 8
hand_over = { target = "agents", identified = { line = "2003" } }

[[lines]]
number = "2003"
hand_over.target = "agents"
[lines.service.menus.main]
ask = "ask-identifier"
keys.1.say = ["{{ record.nothing | number }}", "greeting"]
keys.2 = { target = "agents" }

[[lines]]
number = "2004"
identifier.digits = 8
hours = { zone = "UTC", week = {} }
closed = { say = "apology", hang_up = true }
hand_over.target = "agents"

[[lines]]
number = "2005"
identifier.digits = 8
emergency = { say = "apology", hang_up = true }
hand_over.target = "agents"

[[lines]]
number = "2006"
identifier.digits = 8
hand_over.targets = ["agents", "reception"]

"#;

fn server() -> Server {
    let lines = format!("{LINES}{END_OF_LINES}");
    // With two targets, each line has to say which is its own.
    let own = DEMO_LINES.map(|number| (number, format!("{number}\nhand_over.target = \"agents\"")));
    let mut edits = vec![(END_OF_LINES, lines.as_str())];
    edits.extend(own.iter().map(|(number, own)| (*number, own.as_str())));
    Server::serve(&edits)
}

/// Makes this call to this line. Comes back with what SIPp has seen, and the record.
fn call(server: &Server, line: &'static str, script: &Script, keys: &'static str) -> (Messages, Value) {
    let messages = Call { line, script: Some(script.text()), keys, ..Call::default() }.run(server);
    (messages, server.wait_for_record(line))
}

/// Keys by SIP INFO from this sequence number on, a quarter of a second apart.
fn by_info(script: Script, first: u32, keys: &str) -> Script {
    (first..).zip(keys.chars()).fold(script, |script, (cseq, key)| {
        let body = format!("Signal={key}\nDuration=100");
        script
            .request(cseq, "INFO", "Content-Type: application/dtmf-relay", &body)
            .response(200, &[])
            .pause(250)
    })
}

fn until_bye(script: Script) -> Script {
    script.wait_for("BYE", &[]).answer("200 OK", "", "")
}

/// Refuses to be handed over, which ends the call.
fn refuses(script: Script, sees: &[crate::support::script::Sees]) -> Script {
    until_bye(script.wait_for("REFER", sees).answer("603 Decline", "", ""))
}

#[test]
fn a_caller_chooses_an_identifier_and_keys_all_by_info() {
    let script = by_info(Script::new().invite("", OFFER).answered(&[]), 2, "2100000014711");
    let script = refuses(script, &[Header("X-Portero-Verdict", "verified")]);
    let (_, record) = call(&server(), "2000", &script, "");
    assert_eq!((&record["verdict"], &record["identifier"]), (&"verified".into(), &"tracking".into()));
}

#[test]
fn a_one_time_code_keyed_by_info_verifies() {
    let script = by_info(Script::new().invite("", OFFER).answered(&[]), 2, "4711");
    let script = refuses(script, &[Header("X-Portero-Verdict", "verified")]);
    let (_, record) = call(&server(), "2001", &script, "");
    assert_eq!(record["factors"], serde_json::json!(["code"]));
}

#[test]
fn a_caller_keys_through_the_menu_to_german_and_goes_on_in_it() {
    // Of this customer the back end knows no language. German, the PIN, and what comes after their balance.
    let script = by_info(Script::new().invite("", OFFER).answered(&[]), 2, "213570");
    let script = refuses(script, &[Header("X-Portero-Verdict", "verified")]);
    let server = Server::serve(&[]);
    let from = "sip:+12025550103@caller.example";
    Call { line: "1005", from, script: Some(script.text()), ..Call::default() }.run(&server);
    let record = server.wait_for_record("1005");
    assert_eq!((&record["language"], &record["verdict"]), (&"de".into(), &"verified".into()), "{record:#}");
}

#[test]
fn what_is_said_after_the_menu_is_german() {
    let server = Server::serve(&[]);
    let file = server.folder.path().join("heard.wav");
    let to = format!("sip:1005@{}", server.loopback.sip());
    let means = ["call", &to, "--from", "+12025550103", "--no-follow", "--expect", "verified", "--record"];
    let called = portero(
        &[&means[..], &[file.to_str().expect("UTF-8"), "--keys", "prompt,2,prompt,1357,prompt,0"]].concat(),
    );
    assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stdout));
    let heard = sound::read(&file);
    for id in ["greeting", "ask-secret", "menu-balance"] {
        let likeness =
            ["de", "en"].map(|language| sound::correlation(&heard, &sound::prompt_in(language, id)));
        assert!(likeness[0] > 0.9 && likeness[1] < 0.6, "{id}: {likeness:?}");
    }
}

#[test]
fn a_caller_who_hangs_up_on_a_self_service_line_is_contained_and_nobody_is_referred() {
    let script = Script::new().invite("", OFFER).answered(&[]).keys().pause(5000).bye(2);
    let (messages, record) = call(&server(), "2002", &script, "300ms 1");
    assert_eq!((&record["contained"], &record["ended_by"]), (&true.into(), &"caller".into()));
    assert_eq!(record["lines"], serde_json::json!(["2003"]));
    assert_eq!((&record["hand_over"], messages.received("REFER").count()), (&Value::Null, 0));
}

#[test]
fn a_caller_who_leaves_a_self_service_line_for_an_agent_is_not_contained() {
    let script = Script::new().invite("", OFFER).answered(&[]).keys();
    let script = refuses(script, &[Header("X-Portero-Verdict", "identified")]);
    let (_, record) = call(&server(), "2002", &script, "300ms 2");
    assert_eq!((&record["contained"], &record["hand_over"]["outcome"]), (&false.into(), &"refused".into()));
}

#[test]
fn a_closed_line_answers_says_so_and_hangs_up() {
    let script = until_bye(Script::new().invite("", OFFER).answered(&[]));
    let (messages, record) = call(&server(), "2004", &script, "");
    assert_eq!((&record["closed"], messages.received("REFER").count()), (&true.into(), 0));
    assert_eq!(record["ended_by"], "portero");
}

#[test]
fn the_emergency_switch_takes_effect_on_the_next_call() {
    let server = server();
    let under_way = Script::new().invite("", OFFER).answered(&[]).keys();
    let under_way = refuses(under_way.pause(3000), &[Header("X-Portero-Verdict", "identified")]);
    let under_way = Call { line: "2005", script: Some(under_way.text()), ..Call::default() }.start(&server);
    server.wait_for_stage("2005", "greeting");
    let api = format!("http://{}", server.loopback.web());
    let turned = portero(&["emergency", "on", "2005", "--api", &api]);
    assert!(turned.status.success(), "{}", String::from_utf8_lossy(&turned.stderr));
    under_way.finish(&server);
    assert_eq!(server.wait_for_record("2005")["closed"], false);
    let script = until_bye(Script::new().invite("", OFFER).answered(&[]));
    Call { line: "2005", script: Some(script.text()), ..Call::default() }.run(&server);
    let records = crate::support::wait_for("both records", std::time::Duration::from_secs(10), || {
        let closed: Vec<Value> = server.calls().iter().map(|call| call["record"]["closed"].clone()).collect();
        (closed.len() == 2 && !closed.contains(&Value::Null)).then_some(closed)
    });
    assert_eq!(records, [true, false], "the newest is first");
}

#[test]
fn the_next_target_is_asked_where_the_first_refuses_the_refer() {
    let notify =
        "Event: refer\nSubscription-State: terminated;reason=noresource\nContent-Type: message/sipfrag";
    let script = Script::new()
        .invite("", OFFER)
        .answered(&[])
        .wait_for("REFER", &[Header("X-Portero-Verdict", "identified")])
        .answer("603 Decline", "", "")
        .wait_for("REFER", &[Header("X-Portero-Verdict", "identified")])
        .answer("202 Accepted", "", "")
        .request(2, "NOTIFY", notify, "SIP/2.0 200 OK")
        .response(200, &[]);
    let (messages, record) = call(&server(), "2006", &until_bye(script), "");
    assert_eq!(messages.received("REFER").count(), 2);
    let hand_over = &record["hand_over"];
    assert_eq!((&hand_over["target"], &hand_over["outcome"]), (&"reception".into(), &"completed".into()));
}
