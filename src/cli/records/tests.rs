//! What `portero records` prints, and what it says where it cannot.

use std::path::Path;

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::records::sample;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(words: &[&str]) -> Result<Arguments, clap::Error> {
    Command::try_parse_from([&["records"], words].concat()).map(|command| command.arguments)
}

fn printed(folder: &Path, words: &[&str]) -> String {
    let mut arguments = arguments(words).expect("valid arguments");
    arguments.data = folder.to_owned();
    let mut output = Vec::new();
    print(&arguments, &mut output).expect("printed");
    String::from_utf8(output).expect("text")
}

fn folder_with(records: impl IntoIterator<Item = CallRecord>) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(folder.path()).await.expect("opened");
        sample::keep(&store, records).await;
    });
    folder
}

#[test]
fn a_table_is_for_people() {
    let mut hostile = sample::record(1);
    hostile.name = Some("\u{1b}[2J\u{202e}evil".to_owned());
    let folder = folder_with([hostile, sample::bare(2)]);
    let expected = "\
STARTED (UTC)        LENGTH  LINE  CALLER        STATUS                      HAND-OVER          ENDED BY  CALL              CUSTOMER  NAME
2026-11-23 10:00:03  0:41    1000  –             Not identified or verified  –                  caller    0000000000000002  –         –
2026-11-23 10:00:01  0:41    1001  +12025550101  Identified and verified     agents: completed  portero   0000000000000001  10000001  \u{fffd}[2J\u{fffd}evil
";
    assert_eq!(printed(folder.path(), &[]), expected);
    assert_eq!(printed(folder.path(), &["--line", "1002"]), "No calls.\n");
}

#[test]
fn a_table_says_where_it_is_cut() {
    let folder = folder_with((0..101).map(sample::record));
    let table = printed(folder.path(), &[]);
    assert_eq!(table.lines().count(), 102);
    assert!(table.ends_with("--limit.\n"));
    assert_eq!(printed(folder.path(), &["--limit", "101"]).lines().count(), 102);
    assert_eq!(printed(folder.path(), &["--csv"]).lines().count(), 102, "a header and all");
}

#[test]
fn csv_and_json_are_complete() {
    let folder = folder_with([sample::record(1), sample::bare(2)]);
    let csv = printed(folder.path(), &["--csv"]);
    let mut lines = csv.split("\r\n");
    let columns = lines.next().expect("a header").split(',').count();
    let bare = lines.next().expect("a row");
    assert_eq!(
        bare,
        "0000000000000002,1,1000,,2026-11-23T10:00:03Z,,2026-11-23T10:00:44.25Z,,,,0,0,true,,unidentified,,,,,caller,,0,0,0,0,,,,,true,,,,,,,,,,,false,false,,,,,"
    );
    let full = lines.next().expect("a row");
    assert!(full.contains(",+12025550101,") && full.contains(",agents,token-1,completed,200,portero,"));
    assert!([bare, full].iter().all(|row| row.split(',').count() == columns));
    assert_eq!((lines.next(), lines.next()), (Some(""), None));

    let json: Vec<CallRecord> = serde_json::from_str(&printed(folder.path(), &["--json"])).expect("an array");
    assert_eq!(json, [sample::bare(2), sample::record(1)]);
    assert_eq!(printed(folder.path(), &["--json", "--limit", "0"]), "[]\n");
}

#[test]
fn filters_reach_the_database() {
    let folder = folder_with((0..6).map(sample::record));
    let count = |words: &[&str]| printed(folder.path(), &[&["--csv"], words].concat()).lines().count() - 1;
    assert_eq!(count(&["--since", "2026-11-23"]), 6);
    assert_eq!(count(&["--until", "2026-11-23"]), 0);
    assert_eq!(count(&["--since", "2026-11-23T10:00:03Z", "--until", "2026-11-23T10:00:06Z"]), 2);
    assert_eq!(count(&["--line", "1000", "--verdict", "verified", "--limit", "2"]), 2);
    assert_eq!(count(&["--verdict", "identified"]), 0);
}

#[test]
fn times_are_read_or_refused() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
    let table = [
        ("2026-11-23", Some("2026-11-23T00:00:00Z")),
        ("2026-11-23T10:00Z", Some("2026-11-23T10:00:00Z")),
        ("2026-11-23T10:00:30+02:00", Some("2026-11-23T08:00:30Z")),
        ("1h", Some("2026-11-23T11:00:00Z")),
        ("90m", Some("2026-11-23T10:30:00Z")),
        ("7d", Some("2026-11-16T12:00:00Z")),
        ("-1h", None),
        ("2026-11-31", None),
        ("2026-11-23T10:00", None),
        ("yesterday", None),
        ("", None),
        ("99999999999d", None),
    ];
    for (text, expected) in table {
        let expected = expected.map(|expected| expected.parse().expect("an instant"));
        assert_eq!(when_from(text, now).ok(), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    assert!(arguments(&["--csv", "--json"]).is_err());
    assert!(
        arguments(&["--verdict", "Verified"])
            .is_err_and(|error| error.to_string().contains("one of verified"))
    );
    let mut backwards =
        arguments(&["--since", "2026-11-23", "--until", "2026-11-22"]).expect("each is valid");
    let error = print(&backwards, &mut Vec::new()).expect_err("backwards").to_string();
    assert!(error.contains("is not before"), "{error}");

    backwards.until = None;
    backwards.data = "/nonexistent/folder".into();
    let error = print(&backwards, &mut Vec::new()).expect_err("no database").to_string();
    assert!(error.contains("/nonexistent/folder/portero.db does not exist"), "{error}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = folder_with([sample::record(1)]);
    for format in [&[][..], &["--csv"], &["--json"]] {
        let mut arguments = arguments(format).expect("valid arguments");
        arguments.data = folder.path().to_owned();
        assert!(print(&arguments, &mut Closed).is_err_and(|error| is_broken_pipe(&error)), "{format:?}");
    }
}
