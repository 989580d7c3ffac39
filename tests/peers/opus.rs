//! Opus with other people's Opus, in builds that speak it: prompts heard, keys taken at 48 000 Hz.

use std::time::Duration;

use serde_json::Value;

use crate::support::baresip::Baresip;
use crate::support::linphone::Linphone;
use crate::support::server::{Server, portero};
use crate::support::sound;

/// How long any step of the call may take.
const STEP: Duration = Duration::from_secs(20);

/// A server whose first line takes Opus and nothing else.
fn server() -> Server {
    let edits = [
        ("hang_up_after = \"10s\"", "hang_up_after = \"4s\""),
        ("# codecs = [\"g722\", \"pcma\", \"pcmu\"]", "codecs = [\"opus\"]"),
    ];
    Server::serve(&edits)
}

fn expect_verified(server: &Server) -> Value {
    let record = server.wait_for_record("1000");
    assert_eq!(record["verdict"], "verified", "{record:#}");
    record
}

#[test]
fn baresip_hears_opus_and_keys_by_events() {
    let server = server();
    let mut phone = Baresip::start_opus(&server, "+12025550101");
    phone.command("dial", &format!("sip:1000@{}", server.loopback.sip()));
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    server.wait_for_stage("1000", "verifying");
    phone.key("4711");
    phone.wait_for_event("CALL_CLOSED", STEP);
    expect_verified(&server);
    let recordings = phone.recordings();
    let heard = sound::read(recordings.first().expect("a recording of the call"));
    let correlation = sound::correlation(&heard, &sound::prompt("greeting"));
    assert!(correlation > 0.9, "{correlation}");
}

#[test]
fn linphone_keys_by_events_beside_opus() {
    let server = server();
    let mut phone = Linphone::start(&server, "+12025550101");
    phone.command(&format!("call sip:1000@{}", server.loopback.sip()));
    server.wait_for_stage("1000", "verifying");
    phone.key("4711");
    expect_verified(&server);
}

#[test]
fn the_test_caller_speaks_opus_as_well() {
    let server = server();
    let file = server.folder.path().join("heard.wav");
    let uri = format!("sip:1000@{}", server.loopback.sip());
    let heard = file.to_str().expect("a path in UTF-8");
    let arguments = ["--from", "+12025550101", "--keys", "prompt,4711#", "--expect", "verified"];
    let output = portero(
        &[&["call", &uri, "--codec", "opus", "--no-follow", "--record", heard], &arguments[..]].concat(),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let record = expect_verified(&server);
    assert_eq!(record["media"]["packets_lost"], 0, "{record:#}");
    let correlation = sound::correlation(&sound::read(&file), &sound::prompt("greeting"));
    assert!(correlation > 0.9, "{correlation}");
}
