//! What callers are is in no log, and in no file once they are erased.

use std::path::Path;
use std::time::Duration;

use crate::support::server::{Server, portero};
use crate::support::sipp::Call;
use crate::support::{http, wait_for};

/// The demo's customer, as records and messages write her.
const NUMBER: &str = "12025550101";
const ID: &str = "10000001";
const NAME: &str = "Zoë O'Connor";

/// A call in which she is identified and verified.
fn call(server: &Server) -> String {
    Call { keys: "1000ms 4711", ..Call::default() }.run(server);
    let record = server.wait_for_record("1000");
    assert_eq!((&record["customer"], &record["verdict"]), (&ID.into(), &"verified".into()));
    record["id"].as_str().expect("an identifier").to_owned()
}

#[test]
fn the_log_has_pseudonyms_and_no_number_name_or_customer_at_any_level() {
    let server = Server::serve(&[]);
    let id = call(&server);
    let data = server.data();
    let data = data.to_str().expect("a path in UTF-8");
    let log = server.log();
    assert!(log.contains("TRACE"), "the log is the fullest there is");
    for text in [NUMBER, ID, NAME, "O'Connor"] {
        let line = log.lines().find(|line| line.contains(text));
        assert_eq!(line, None, "{text}");
    }
    let ended = log.lines().find(|line| line.contains("call ended") && line.contains(&id));
    let ended = ended.expect("a line for the call");
    for (what, sort) in [(format!("+{NUMBER}"), "ani"), (ID.to_owned(), "customer")] {
        let printed = portero(&["privacy", "pseudonym", &what, "--data", data]);
        let printed = String::from_utf8_lossy(&printed.stdout);
        let shown = printed.split_whitespace().next().expect("a pseudonym").to_owned();
        assert!(shown.starts_with(&format!("{sort}:1-")) && ended.contains(&shown), "{shown} in {ended}");
    }
}

#[test]
fn who_is_erased_is_in_no_file_of_a_server_that_runs() {
    let server = Server::serve(&[("record = false", "record = true")]);
    let id = call(&server);
    let data = server.data();
    let path = data.to_str().expect("a path in UTF-8");
    wait_for("trace of the call", Duration::from_secs(20), || {
        portero(&["trace", &id, "--data", path]).status.success().then_some(())
    });
    assert!(
        is_anywhere(&data, NUMBER) && is_anywhere(&data, ID) && is_anywhere(&data, NAME),
        "she is there first"
    );
    let ladder = format!("/api/v1/calls/{id}/ladder");
    assert_eq!(http::get(server.loopback.web(), &ladder).status, 200);

    let api = format!("http://{}", server.loopback.web());
    let erase = ["privacy", "erase", ID, "--data", path, "--api", &api];
    let told = portero(&erase);
    assert!(String::from_utf8_lossy(&told.stdout).contains("calls: 1, with messages: 1, with recordings: 1"));
    assert!(is_anywhere(&data, NAME), "without --yes, nothing happens");
    let told = portero(&[&erase[..], &["--yes"]].concat());
    let (told, failed) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert_eq!(told, "Erased calls: 1, with messages: 1, with recordings: 1.\n", "{failed}");

    for text in [NUMBER, ID, NAME, "O'Connor"] {
        assert!(!is_anywhere(&data, text), "{text}");
    }
    assert_eq!(http::get(server.loopback.web(), &ladder).status, 404);
    assert!(!http::get(server.loopback.web(), "/").body.contains("O&#"), "she is on the page no more");
    let checked = portero(&["audit", "verify", "--data", path]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let audited = portero(&["audit", "--json", "--data", path]);
    let audited = String::from_utf8_lossy(&audited.stdout);
    assert!(
        audited.contains("\"erased\"") && audited.contains("customer:1-") && !audited.contains(ID),
        "{audited}"
    );
}

/// Whether a file below the folder has this in it.
fn is_anywhere(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_anywhere(&path, text);
        }
        // The database's log may go while it is looked for.
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
