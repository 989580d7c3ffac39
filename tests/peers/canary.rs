//! What a caller keys as a secret is nowhere afterwards.

use std::time::Duration;

use crate::support::http;
use crate::support::server::{Server, portero};
use crate::support::sipp::Call;

/// PINs that are nowhere by chance: one that is wrong and one that is right.
const WRONG: &str = "905172638461";
const RIGHT: &str = "318640957724";
/// The demo, with room for such PINs.
const EDITS: [(&str, &str); 2] =
    [("[lines.verification]\ndigits = 4", "[lines.verification]\ndigits = \"4-12\""), ("4711", RIGHT)];

#[test]
fn a_pin_keyed_by_telephone_event_is_nowhere() {
    let server = Server::serve(&EDITS);
    let call = Call { keys: "300ms 905172638461 1000ms 318640957724", ..Call::default() };
    call.run(&server);
    expect_nowhere(&server, "verified", 2);
}

#[test]
fn a_pin_keyed_by_info_is_nowhere() {
    let server = Server::serve(&EDITS);
    // The wrong PIN, and then no further try.
    let keys_by_info = "905172638461*";
    let pause = Duration::from_millis(60);
    Call { scenario: "keys_by_info", keys_by_info, pause, ..Call::default() }.run(&server);
    expect_nowhere(&server, "identified", 1);
}

/// The call that was just made came to this verdict after so many entries, and no artefact holds either PIN.
fn expect_nowhere(server: &Server, verdict: &str, secret_attempts: u32) {
    let record = server.wait_for_record("1000");
    assert_eq!((&record["verdict"], &record["secret_attempts"]), (&verdict.into(), &secret_attempts.into()));
    let id = record["id"].as_str().expect("an identifier");
    let token = record["hand_over"]["token"].as_str().expect("a token");
    let pages = ["/".to_owned(), "/metrics".to_owned(), "/api/v1/calls".to_owned()]
        .into_iter()
        .chain([format!("/api/v1/calls/{id}"), format!("/api/v1/handovers/{token}")]);
    for path in pages {
        let answer = http::get(server.loopback.web(), &path);
        assert_eq!(answer.status, 200, "{path}");
        expect_clean(&path, answer.body.as_bytes());
    }
    let data = server.data();
    let printed = portero(&["records", "--json", "--data", data.to_str().expect("a path in UTF-8")]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains(id), "the record is printed");
    expect_clean("portero records", &printed.stdout);
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
    for pin in [WRONG, RIGHT] {
        let found = content.windows(pin.len()).any(|window| window == pin.as_bytes());
        assert!(!found, "{place} holds a PIN");
    }
}
