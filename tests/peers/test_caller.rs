//! `portero call` against `portero demo`: the two ends of the product, over the wire.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::server::{Server, portero};
use crate::support::sound;

/// Places a call with `--json` and gives back the exit code and the JSON object.
fn call(server: &Server, line: &str, arguments: &[&str]) -> (i32, Value) {
    let uri = format!("sip:{line}@{}", server.loopback.sip());
    let output = portero(&[&["call", &uri, "--json"], arguments].concat());
    let said = String::from_utf8(output.stdout).expect("text");
    let code = output.status.code().expect("an exit code");
    let object = serde_json::from_str(&said).unwrap_or_else(|error| {
        panic!("{error}: {said}\n{}\n{}", String::from_utf8_lossy(&output.stderr), server.log())
    });
    (code, object)
}

/// When the `nth` event of this name happened, in seconds.
fn time_of(outcome: &Value, event: &str, nth: usize) -> f64 {
    let events = outcome["events"].as_array().expect("a list of events");
    let found = events.iter().filter(|candidate| candidate["event"] == event).nth(nth);
    found.and_then(|event| event["at"].as_f64()).unwrap_or_else(|| panic!("no {event} {nth} in {outcome:#}"))
}

#[test]
fn a_caller_waits_for_the_prompt_keys_and_is_handed_over() {
    let server = Server::demo();
    let file = server.folder.path().join("heard.wav");
    let record = file.to_str().expect("a path in UTF-8");
    let arguments =
        ["--from", "+12025550101", "--keys", "prompt,4711#", "--expect", "verified", "--record", record];
    let (code, outcome) = call(&server, "1000", &arguments);
    assert_eq!(code, 0, "{outcome:#}");
    assert_eq!(
        json!([
            outcome["verdict"],
            outcome["customer"],
            outcome["name"],
            outcome["status"],
            outcome["handed_over"]
        ]),
        json!(["verified", "10000001", "Zoë O'Connor", 200, true])
    );
    let kept = server.wait_for_record("1000");
    assert_eq!((&kept["verdict"], &kept["hand_over"]["outcome"]), (&json!("verified"), &json!("completed")));
    assert_eq!(kept["media"]["encrypted"], false, "{kept:#}");
    expect_heard(&file, &["greeting", "ask-secret", "hand-over-verified", "agent-verified"]);
    assert!(!outcome.to_string().contains("4711"));
}

fn expect_heard(file: &Path, prompts: &[&str]) {
    let recording = sound::read(file);
    for id in prompts {
        let correlation = sound::correlation(&recording, &sound::prompt(id));
        assert!(correlation > 0.9, "{id}: {correlation}");
    }
}

#[test]
fn keys_stop_a_prompt() {
    let server = Server::demo();
    // The question follows the greeting without a gap: half a second into them is before the end of either.
    let (code, outcome) = call(&server, "1000", &["--from", "+12025550101", "--keys", "speech,500ms,4711"]);
    assert_eq!(code, 0, "{outcome:#}");
    let over = time_of(&outcome, "prompt_ended", 0) - time_of(&outcome, "prompt_began", 0);
    assert!(over < 1.0, "the greeting was heard for {over} s");
}

#[test]
fn keys_given_by_prompt_reach_a_second_attempt() {
    let server = Server::demo();
    let arguments =
        ["--from", "anonymous", "--keys", "prompt,10000002,prompt,0000,prompt,2580", "--no-follow"];
    let (code, outcome) = call(&server, "1001", &arguments);
    assert_eq!((code, &outcome["customer"]), (0, &json!("10000002")), "{outcome:#}");
    let record = server.wait_for_record("1001");
    assert_eq!((&record["identifier_attempts"], &record["secret_attempts"]), (&json!(1), &json!(2)));
    assert_eq!((&record["ani"], &record["ani_withheld"]), (&json!(null), &json!(true)));
}

#[test]
fn an_expectation_that_fails_is_told() {
    let server = Server::demo();
    let (code, outcome) =
        call(&server, "1002", &["--from", "+12025550102", "--expect", "verified", "--no-follow"]);
    assert_eq!((code, &outcome["verdict"]), (1, &json!("identified")), "{outcome:#}");
}

#[test]
fn a_refusal_of_the_refer_is_not_a_hand_over() {
    let server = Server::demo();
    let (code, outcome) = call(&server, "1002", &["--from", "+12025550102", "--refuse-refer", "405"]);
    assert_eq!(
        (code, &outcome["handed_over"], &outcome["status"]),
        (1, &json!(false), &json!(405)),
        "{outcome:#}"
    );
    let record = server.wait_for_record("1002");
    assert_eq!(
        (&record["hand_over"]["outcome"], &record["hand_over"]["status"]),
        (&json!("refused"), &json!(405))
    );
}

#[test]
fn a_call_that_fails_is_told() {
    let server = Server::demo();
    let (code, outcome) = call(&server, "9999", &[]);
    assert_eq!((code, &outcome["status"]), (2, &json!(404)), "{outcome:#}");
}

/// The demo, whose first line has this command for a voice to greet with.
fn greets_by(script: &str) -> Server {
    let speech =
        format!("\n[speech]\ncommand = [\"sh\", \"-c\", \"{script}\"]\ndeadline = \"2s\"\n\n[limits]\n");
    Server::serve(&[
        ("\n[limits]\n", &speech),
        ("greeting = \"greeting\"", "greeting = { text = \"Hello\", otherwise = \"greeting\" }"),
    ])
}

#[test]
fn a_caller_is_greeted_by_the_voice_or_by_its_fall_back() {
    let spoken = concat!("cat > /dev/null; cat ", env!("CARGO_MANIFEST_DIR"), "/prompts/en/emergency.wav");
    let table = [
        (spoken, "emergency", "portero_speech_requests_total{result=\"spoken\"} 1"),
        ("sleep 600", "greeting", "portero_speech_requests_total{result=\"timed_out\"} 1"),
    ];
    for (script, heard, counted) in table {
        let server = greets_by(script);
        let file = server.folder.path().join("heard.wav");
        let record = file.to_str().expect("a path in UTF-8");
        let arguments =
            ["--from", "+12025550101", "--keys", "prompt,4711#", "--no-follow", "--record", record];
        let (code, outcome) = call(&server, "1000", &arguments);
        assert_eq!(code, 0, "{outcome:#}");
        expect_heard(&file, &[heard, "ask-secret"]);
        let metrics = http::get(server.loopback.web(), "/metrics");
        assert!(metrics.body.contains(counted), "{}", metrics.body);
    }
}
