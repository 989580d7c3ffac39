//! What a caller keys as a secret is nowhere afterwards.

use std::time::Duration;

use crate::support::collector::Collector;
use crate::support::server::{Server, portero};
use crate::support::sipp::Call;
use crate::support::{http, wait_for};

/// PINs that are nowhere by chance: one that is wrong and one that is right.
const WRONG: &str = "905172638461";
const RIGHT: &str = "318640957724";
/// What the INVITE of `keys_by_info` brings besides: an answer to a challenge, a signed token, a key of encryption.
const CREDENTIAL: &str = "c0ffee5ecretc0ffee5ecretc0ffee55";

/// The demo, with room for such PINs, and with copies of its messages for a collector.
fn serve(collector: &Collector) -> Server {
    let hep = format!("[hep]\nto = \"{}\"\n\n[prompts]", collector.address());
    Server::serve(&[
        ("[lines.verification]\ndigits = 4", "[lines.verification]\ndigits = \"4-12\""),
        ("4711", RIGHT),
        ("[prompts]", &hep),
    ])
}

#[test]
fn a_pin_keyed_by_telephone_event_is_nowhere() {
    let collector = Collector::start();
    let server = serve(&collector);
    let call = Call { keys: "300ms 905172638461 1000ms 318640957724", ..Call::default() };
    call.run(&server);
    expect_nowhere(&server, &collector, "verified", 2);
}

#[test]
fn a_pin_keyed_by_info_is_nowhere() {
    let collector = Collector::start();
    let server = serve(&collector);
    // The wrong PIN, and then no further try.
    let keys_by_info = "905172638461*";
    let pause = Duration::from_millis(60);
    Call { scenario: "keys_by_info", keys_by_info, pause, ..Call::default() }.run(&server);
    expect_nowhere(&server, &collector, "identified", 1);
}

/// The call that was just made came to this verdict after so many entries, and no artefact holds either PIN.
fn expect_nowhere(server: &Server, collector: &Collector, verdict: &str, secret_attempts: u32) {
    let record = server.wait_for_record("1000");
    assert_eq!((&record["verdict"], &record["secret_attempts"]), (&verdict.into(), &secret_attempts.into()));
    let id = record["id"].as_str().expect("an identifier");
    let token = record["hand_over"]["token"].as_str().expect("a token");
    let ladder = format!("/api/v1/calls/{id}/ladder");
    let pages = ["/".to_owned(), "/metrics".to_owned(), "/api/v1/calls".to_owned()]
        .into_iter()
        .chain([format!("/api/v1/calls/{id}"), format!("/api/v1/handovers/{token}")])
        .chain([format!("{ladder}?format=svg"), format!("{ladder}?format=json"), ladder]);
    for path in pages {
        let answer = http::get(server.loopback.web(), &path);
        assert_eq!(answer.status, 200, "{path}");
        expect_clean(&path, answer.body.as_bytes());
    }
    let data = server.data();
    let printed = portero(&["records", "--json", "--data", data.to_str().expect("a path in UTF-8")]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains(id), "the record is printed");
    expect_clean("portero records", &printed.stdout);
    let printed = wait_for("trace of the call", Duration::from_secs(20), || {
        let printed = portero(&["trace", id, "--data", data.to_str().expect("a path in UTF-8")]);
        printed.status.success().then_some(printed)
    });
    expect_clean("portero trace", &printed.stdout);
    // One key a message: so it is not only the whole PIN that must not be there.
    assert!(!String::from_utf8_lossy(&printed.stdout).contains("Signal"), "a key by INFO is in the trace");
    let packets = collector.packets();
    assert!(packets.iter().any(|packet| packet.message().starts_with("INVITE ")), "copies were sent");
    for packet in &packets {
        let message = packet.message();
        expect_clean("a copy for the collector", message.as_bytes());
        assert!(!message.contains("Signal"), "a key by INFO is in {message}");
    }
    assert!(server.log().contains("TRACE"), "the log is the fullest there is");
    // The configuration says what the demo's customers' PINs are; SIPp's own log and capture are the caller's.
    let ours = |path: &std::path::Path| {
        !path.ends_with("portero.toml") && !path.to_string_lossy().contains("/sipp/")
    };
    let files = server.folder.files();
    assert!(files.iter().any(|(path, _)| path.ends_with("portero.db")), "the database is among the files");
    for (path, content) in files.iter().filter(|(path, _)| ours(path)) {
        expect_clean(&path.display().to_string(), content);
    }
}

fn expect_clean(place: &str, content: &[u8]) {
    for secret in [WRONG, RIGHT, CREDENTIAL] {
        let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{place} holds {secret}");
    }
}
