//! `portero crm test` and `portero check` against a stand-in: what they print, what they do not, and their exit codes.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use tempfile::NamedTempFile;

use crate::page::{CREDENTIAL, Page};
use crate::stand_in;

const PIN: &str = "4711";

/// What the program prints and ends with, while Salesforce's stand-in serves.
async fn portero(
    credential: &'static str,
    arguments: &'static [&'static str],
    input: &'static str,
) -> Output {
    let (address, serve) = stand_in::serve(stand_in::salesforce).await;
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(Page::read("salesforce").moved(address).as_bytes()).expect("written");
    let run = tokio::task::spawn_blocking(move || {
        let arguments =
            arguments.iter().map(|argument| argument.replace("FILE", &file.path().to_string_lossy()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_portero"))
            .args(arguments)
            .env("SALESFORCE_KEY", CREDENTIAL)
            .env("SALESFORCE_SECRET", credential)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        // Whoever asks for nothing may be gone before it could be told.
        drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
        child.wait_with_output().expect("its output")
    });
    tokio::select! {
        output = run => output.expect("it ran"),
        served = serve => unreachable!("it serves for ever: {served:?}"),
    }
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_look_up_is_shown_without_what_lets_us_in() {
    let arguments = &["crm", "test", "customer_by_number", "--config", "FILE", "--set", "ani=+12025550101"];
    let output = portero(CREDENTIAL, arguments, "").await;
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for shown in [
        "> POST http://127.0.0.1:",
        "/services/data/v61.0/parameterizedSearch",
        "> content-type: application/json",
        "> authorization: Bearer (hidden)",
        "\"q\": \"2025550101\"",
        "< 200 OK",
        "\"Tier__c\":\"Tier 1\"",
        "= match\n= customer: 0035g000001\n= name: Zoë O'Connor\n= record.language: de\n= record.segment: gold\n",
    ] {
        assert!(printed.contains(shown), "{shown} is not in {printed}");
    }
    assert!(!printed.contains(CREDENTIAL) && !printed.contains("granted"), "{printed}");
}

#[tokio::test]
async fn a_secret_is_asked_for_and_not_shown() {
    let arguments = &["crm", "test", "check_pin", "--config", "FILE", "--set", "customer=0035g000001"];
    let output = portero(CREDENTIAL, arguments, "4711\n").await;
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("\"pin\": \"(hidden)\"") && printed.contains("= accepted"), "{printed}");
    assert!(!printed.contains(PIN), "{printed}");
    let output = portero(CREDENTIAL, arguments, "").await;
    assert_eq!(output.status.code(), Some(2), "there is no secret");
}

#[tokio::test]
async fn exit_codes_tell_whose_fault_it_was() {
    let by_number: &[&str] =
        &["crm", "test", "customer_by_number", "--config", "FILE", "--set", "ani=+12025550101"];
    let table: [(&'static str, &'static [&'static str], i32, &str); 6] = [
        ("wrong", by_number, 1, "= status"),
        (CREDENTIAL, &["crm", "test", "customer_by_number", "--config", "FILE"], 2, "set either `ani`"),
        (CREDENTIAL, &["crm", "test", "nobody", "--config", "FILE"], 2, "there is no action `nobody`"),
        (CREDENTIAL, &["crm", "test", "nobody", "--config", "FILE", "--set", "a"], 2, "no action"),
        ("", by_number, 78, "no environment variable `SALESFORCE_SECRET`"),
        (CREDENTIAL, &["check", "FILE"], 0, "no faults"),
    ];
    for (credential, arguments, code, expected) in table {
        let output = portero(credential, arguments, "").await;
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.contains(expected), "{printed}");
        assert!(!printed.contains("does not answer"), "{printed}");
    }
}

#[tokio::test]
async fn a_check_tells_of_a_back_end_that_does_not_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(Page::read("zendesk").moved(address).as_bytes()).expect("written");
    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portero"));
        command.arg("check").arg(file.path()).args(more).env("ZENDESK_TOKEN", CREDENTIAL);
        let output = command.output().expect("its output");
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        printed(&output)
    };
    let told = check(&[]);
    assert!(told.contains(&format!("the back end at http://{address}/ does not answer")), "{told}");
    assert!(!check(&["--no-environment"]).contains("does not answer"));
}
