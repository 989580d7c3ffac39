//! The conversation as the specification has it: each file of scenarios in this folder, run by `portero try`, and what
//! `portero try` itself has to do.
//!
//! `the_first_call.toml` speaks with the demo's lines and asks the demo's back end; the others speak with the lines of
//! `lines.toml`, and are answered by themselves. What has to be seen on the wire is in `tests/peers`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_portero");
/// The lines that most files speak with.
const LINES: &str = "lines.toml";

/// The files of scenarios, and the configuration that each speaks with.
const FILES: [(&str, Option<&str>); 7] = [
    ("the_first_call.toml", None),
    ("who_is_calling.toml", Some(LINES)),
    ("whether_it_is_proven.toml", Some(LINES)),
    ("how_it_is_asked.toml", Some(LINES)),
    ("when_and_in_which_language.toml", Some(LINES)),
    ("what_follows.toml", Some(LINES)),
    ("what_is_kept_and_accepted.toml", Some(LINES)),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn portero(arguments: &[&str], typed: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("try").args(arguments).env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // A conversation that is over reads no more; then there is nobody to type for.
    let _ = child.stdin.take().expect("standard input is piped").write_all(typed.as_bytes());
    child.wait_with_output().expect("the program ends")
}

/// Runs a file of this folder, all of whose scenarios have to pass.
fn run(file: &str) {
    let (_, lines) = FILES.into_iter().find(|(name, _)| *name == file).expect("a file of this folder");
    let (path, lines) = (folder().join(file), lines.map(|lines| folder().join(lines)));
    let mut arguments = vec!["--steps", path.to_str().expect("a path of text")];
    if let Some(lines) = &lines {
        arguments.extend(["--config", lines.to_str().expect("a path of text")]);
    }
    let output = portero(&arguments, "");
    assert!(output.status.success(), "{}", said(&output));
    let written = fs::read_to_string(&path).expect("the file can be read").matches("[[scenarios]]").count();
    assert!(said(&output).ends_with(&format!("{written} scenarios, 0 failed\n")), "{}", said(&output));
}

/// Runs this file against the demo's lines. Comes back with what was said, how it ended and what JUnit was told.
fn try_out(scenarios: &str) -> (String, Option<i32>, String) {
    let folder = TempDir::new().expect("a folder");
    let [file, junit] = ["t.toml", "junit.xml"].map(|name| folder.path().join(name));
    fs::write(&file, scenarios).expect("the file can be written");
    let arguments = [Path::new("--steps"), &file, Path::new("--junit"), &junit];
    let output = portero(&arguments.map(|argument| argument.to_str().expect("text")), "");
    (said(&output), output.status.code(), fs::read_to_string(&junit).unwrap_or_default())
}

#[test]
fn the_first_call() {
    run("the_first_call.toml");
}

#[test]
fn who_is_calling() {
    run("who_is_calling.toml");
}

#[test]
fn whether_it_is_proven() {
    run("whether_it_is_proven.toml");
}

#[test]
fn how_it_is_asked() {
    run("how_it_is_asked.toml");
}

#[test]
fn when_and_in_which_language() {
    run("when_and_in_which_language.toml");
}

#[test]
fn what_follows() {
    run("what_follows.toml");
}

#[test]
fn what_is_kept_and_accepted() {
    run("what_is_kept_and_accepted.toml");
}

#[test]
fn no_file_of_scenarios_is_left_out() {
    let entries = fs::read_dir(folder()).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    let names = files.map(|path| path.file_name().expect("a file").to_string_lossy().into_owned());
    let found: BTreeSet<String> = names.filter(|name| name != LINES).collect();
    let run: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, run);
}

#[test]
fn the_example_of_the_manual_passes() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/try.md");
    let page = fs::read_to_string(page).expect("the page can be read");
    let (_, example) = page.split_once("```toml\n").expect("there is an example");
    let (example, _) = example.split_once("```").expect("it ends");
    let (said, status, _) = try_out(example);
    assert_eq!((status, said.lines().count()), (Some(0), 4), "{said}");
}

#[test]
fn a_scenario_that_fails_says_where_and_why_and_keeps_no_value() {
    let (said, status, junit) = try_out(
        "line = \"1001\"
[[scenarios]]
name = \"This & that\"
steps = [
    { says = \"greeting\", keys = \"10000001\" },
    { says = \"secret-no-match-1\", keys = \"4711\" },
]
[[scenarios]]
name = \"Somebody else\"
steps = [{ keys = \"10000001\" }, { keys = \"4711\" }]
expect.customer = \"10000002\"
",
    );
    assert_eq!(status, Some(1), "{said}");
    let expected = "t.toml:6, step 2: expected to hear `secret-no-match-1`\n  but heard \"Please enter your PIN. If you \
                    don't have it, press star.\" (ask-secret)\n  then the line waited\n";
    assert!(said.contains(expected), "{said}");
    let expected = "t.toml:11: expected `customer` to be \"10000002\", and it is \"10000001\"\n";
    assert!(said.contains(expected), "{said}");
    assert!(said.ends_with("2 scenarios, 2 failed\n"), "{said}");
    assert!(
        junit.contains("tests=\"2\" failures=\"2\"") && junit.contains("name=\"This &amp; that\""),
        "{junit}"
    );
    assert!(!junit.contains("4711") && !junit.contains("10000001"), "{junit}");
}

#[test]
fn a_file_with_faults_is_not_run() {
    let (said, status, junit) = try_out(
        "[[scenarios]]\nname = \"A\"\nline = \"1010\"\nsteps = [{ keys = \"12x\" }, { sais = \"greeting\" }]\n",
    );
    assert_eq!((status, junit.as_str()), (Some(78), ""), "{said}");
    for fault in ["there is no line `1010`", "nobody can key this", "this step has no setting `sais`"] {
        assert!(said.contains(fault), "{said}");
    }
    assert!(said.contains("t.toml:4:19]"), "each is pointed at: {said}");
}

#[test]
fn a_conversation_by_hand_is_told_as_it_goes() {
    let output = portero(&["1000", "--ani", "+12025550101"], "!0000\n\n4711\n");
    assert_eq!(output.status.code(), Some(0));
    let expected = "-- greeting
  back end: customer_by_number?
  \"Hello, and welcome to Portero.\"  (greeting)
  back end: customer_by_number: match
-- verifying
  \"Please enter your PIN. If you don't have it, press star.\"  (ask-secret)
>   back end: check_pin?
  back end: check_pin: rejected
  \"That PIN was not right. Please enter it again.\"  (secret-no-match-1)
>   \"I did not hear any keys. Please enter your PIN.\"  (secret-no-input-1)
>   back end: check_pin?
  back end: check_pin: accepted
-- handing over
  \"Thank you, that is confirmed. I'll put you through now.\"  (hand-over-verified)
  handed over to agents: taken
-- over

Identified and verified: customer 10000001, Zoë O'Connor
Handed over to: agents
";
    assert!(said(&output).ends_with(expected), "{}", said(&output));
}

#[test]
fn the_record_of_a_conversation_by_hand_is_json() {
    let arguments =
        ["1001", "--json", "--set", "check_pin=no", "--taken", "refused", "--at", "2026-11-24T10:00"];
    let output = portero(&arguments, "10000001\n1\n\nh\n");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON, and nothing else");
    assert_eq!((&record["verdict"], &record["ended_by"]), (&"identified".into(), &"caller".into()));
    assert_eq!(record["started_at"], "2026-11-24T10:00:00Z");
    let output = portero(&["nobody"], "");
    assert_eq!(output.status.code(), Some(2));
}
