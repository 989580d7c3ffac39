//! What was done is in the log, once and in order; and whatever is done to the log itself shows.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::Executor;
use tempfile::TempDir;

use super::chain::{Broken, Verification};
use super::*;

async fn opened() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = Store::open(folder.path()).await.expect("a fresh folder opens");
    (folder, store)
}

/// A log of so many rows.
async fn log_of(rows: u64) -> (TempDir, Store) {
    let (folder, store) = opened().await;
    let audit = Audit::start(folder.path());
    for row in 1..=rows {
        let actor = Actor::User("ana".to_owned());
        let written = audit.append(actor, Deed::Read, format!("call {row}"), "").await;
        assert_eq!(written.expect("there is room"), row);
    }
    (folder, store)
}

/// Does to the database what somebody would who does not come by Portero.
async fn tamper(folder: &Path, sql: &str) {
    let mut connection = store::connect_to_write(folder, PATIENCE).await.expect("a connection");
    for trigger in ["audit_is_not_changed", "audit_is_not_deleted", "audit_is_added_to_at_its_end"] {
        let drop = format!("DROP TRIGGER IF EXISTS {trigger}");
        connection.execute(sqlx::AssertSqlSafe(drop)).await.expect("dropped");
    }
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.expect("done");
}

async fn verified(store: &Store) -> Verification {
    store.verify_audit(None).await.expect("it can be read")
}

#[tokio::test]
async fn what_was_done_comes_back_newest_first_and_by_filter() {
    let (folder, store) = opened().await;
    let audit = Audit::start(folder.path());
    let actors = [
        Actor::User("ana".to_owned()),
        Actor::Token("reports".to_owned()),
        Actor::CommandLine("root".to_owned()),
        Actor::at("::ffff:192.0.2.7".parse().expect("an address")),
        Actor::System,
    ];
    for (actor, deed) in actors.iter().zip(Deed::ALL) {
        audit.append(actor.clone(), deed, "a\r\nb", "why").await.expect("written");
    }
    let all = store.audited(&AuditFilter::default(), 9).await.expect("read");
    let back: Vec<&Actor> = all.iter().rev().map(|row| &row.actor).collect();
    assert_eq!(back, actors.iter().collect::<Vec<_>>());
    assert_eq!(all[4].subject, "a\u{fffd}\u{fffd}b");
    assert_eq!((all[4].row, all[4].deed, all[4].detail.as_str()), (1, Deed::Changed, "why"));

    let numbers = async |filter: AuditFilter| {
        let rows = store.audited(&filter, 9).await.expect("read");
        rows.iter().map(|row| row.row).collect::<Vec<_>>()
    };
    let by = |actor: &str| AuditFilter { actor: Some(actor.to_owned()), ..AuditFilter::default() };
    assert_eq!(numbers(by("192.0.2.7")).await, [4]);
    assert_eq!(numbers(by("'192.0.2.7")).await, [0; 0]);
    assert_eq!(numbers(AuditFilter { deed: Some(Deed::Read), ..AuditFilter::default() }).await, [2]);
    assert_eq!(numbers(AuditFilter { until: Some(all[2].at), ..AuditFilter::default() }).await, [2, 1]);
    assert_eq!(numbers(AuditFilter { since: Some(all[1].at), ..AuditFilter::default() }).await, [5, 4]);
    let subject = Some("%".to_owned());
    assert_eq!(numbers(AuditFilter { subject, ..AuditFilter::default() }).await, [0; 0]);
}

#[test]
fn deeds_have_one_word_each() {
    for deed in Deed::ALL {
        assert_eq!(row::word(&deed), deed.as_str());
        assert_eq!(Deed::parse(deed.as_str()), Some(deed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_once_get_a_row_each_and_none_is_lost() {
    let (folder, store) = opened().await;
    // Four of them stand for four processes: they share nothing but the file.
    let writers = (0..4).map(|writer| {
        let audit = Audit::start(folder.path());
        tokio::spawn(async move {
            let appends = (0..25).map(|deed| {
                let subject = format!("{writer}/{deed}");
                audit.append(Actor::System, Deed::Changed, subject, "")
            });
            futures_util::future::join_all(appends).await
        })
    });
    let mut rows = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        rows.extend(writer.await.expect("no panic").into_iter().map(|row| row.expect("written")));
    }
    rows.sort_unstable();
    assert_eq!(rows, (1..=100).collect::<Vec<_>>());
    let found = verified(&store).await;
    assert_eq!((found.rows, found.heads, found.broken), (100, 1, None));
}

#[tokio::test]
async fn the_database_refuses_what_portero_never_does() {
    let (folder, _store) = log_of(3).await;
    let mut connection = store::connect_to_write(folder.path(), PATIENCE).await.expect("a connection");
    let refused = [
        "UPDATE audit SET actor = 'nobody' WHERE row = 2",
        "DELETE FROM audit WHERE row = 3",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT row, at, actor_kind, 'nobody', deed, subject, detail, hash FROM audit WHERE row = 3",
        "INSERT INTO audit SELECT 9, at, actor_kind, actor, deed, subject, detail, hash FROM audit WHERE row = 3",
    ];
    for sql in refused {
        let error = connection.execute(sql).await.expect_err(sql);
        assert!(error.to_string().contains("the audit log is only added to"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn the_first_broken_row_is_named() {
    let moved = "UPDATE audit SET row = -1 WHERE row = 2; UPDATE audit SET row = 2 WHERE row = 4; \
        UPDATE audit SET row = 4 WHERE row = -1";
    let put_in = "UPDATE audit SET row = 9 WHERE row = 5; UPDATE audit SET row = 5 WHERE row = 4; \
        UPDATE audit SET row = 6 WHERE row = 9; \
        INSERT INTO audit SELECT 4, at, actor_kind, actor, deed, 'call 9', detail, hash FROM audit WHERE row = 3";
    let shifted = "UPDATE audit SET subject = 'call 3x', detail = '' WHERE row = 3; \
        UPDATE audit SET subject = 'call 3', detail = 'x' WHERE row = 3";
    let table = [
        ("UPDATE audit SET actor = 'nobody' WHERE row = 2", Broken::Changed { row: 2 }),
        ("UPDATE audit SET deed = 'looked' WHERE row = 2", Broken::Changed { row: 2 }),
        ("UPDATE audit SET at = x'00' WHERE row = 4", Broken::Changed { row: 4 }),
        ("UPDATE audit SET hash = zeroblob(32) WHERE row = 5", Broken::Changed { row: 5 }),
        ("DELETE FROM audit WHERE row = 3", Broken::Missing { row: 3 }),
        ("DELETE FROM audit WHERE row = 1", Broken::Missing { row: 1 }),
        (moved, Broken::Changed { row: 2 }),
        (put_in, Broken::Changed { row: 4 }),
        (shifted, Broken::Changed { row: 3 }),
        ("SELECT 1", Broken::Unguarded),
    ];
    for (sql, broken) in table {
        let (folder, store) = log_of(5).await;
        assert_eq!(verified(&store).await.broken, None);
        tamper(folder.path(), sql).await;
        assert_eq!(verified(&store).await.broken, Some(broken), "{sql}");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_off_is_told_by_the_end_that_was_noted() {
    for (sql, row) in [("DELETE FROM audit WHERE row > 3", 3), ("DELETE FROM audit", 0)] {
        let (folder, store) = log_of(5).await;
        let end = verified(&store).await.end.expect("an end");
        tamper(folder.path(), sql).await;
        let found = verified(&store).await;
        assert!(
            matches!(found.broken, Some(Broken::Cut { row: last, noted: 5, .. }) if last == row),
            "{found:?}"
        );

        // Whoever cuts off the notes as well is told by one that was kept elsewhere.
        fs::write(folder.path().join("audit.heads"), "").expect("room");
        let found = store.verify_audit(Some((5, end))).await.expect("read");
        assert!(matches!(found.broken, Some(Broken::Cut { noted: 5, .. })), "{found:?}");
    }
}

#[tokio::test]
async fn a_chain_that_was_made_anew_is_another_one() {
    let (folder, store) = log_of(5).await;
    let (other, _) = log_of(5).await;
    tamper(folder.path(), "DELETE FROM audit").await;
    let theirs = other.path().join("portero.db");
    let copy = format!("ATTACH '{}' AS other; INSERT INTO audit SELECT * FROM other.audit", theirs.display());
    tamper(folder.path(), &copy).await;
    let found = verified(&store).await;
    assert!(matches!(found.broken, Some(Broken::Another { row: 5, .. })), "{found:?}");
    fs::remove_file(folder.path().join("audit.heads")).expect("there");
    assert_eq!(verified(&store).await.broken, Some(Broken::NoHeads));
    fs::write(folder.path().join("audit.heads"), "once upon a time\n").expect("room");
    assert_eq!(verified(&store).await.broken, Some(Broken::Unreadable { line: 1 }));
}

#[test]
fn each_day_keeps_its_last_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let head = |at: &str, row| {
        let hash = Hash::ORIGIN.followed_by(row, [""; 6]);
        Head { at: at.parse().expect("an instant"), row, hash }
    };
    let noted = [
        head("2026-11-23T10:00:00Z", 1),
        head("2026-11-23T23:59:59.999999999Z", 2),
        head("2026-11-24T00:00:00Z", 3),
        head("2026-11-24T12:00:00Z", 7),
    ];
    for head in &noted {
        heads::note(folder.path(), head).expect("room");
    }
    // Another process is slower to say so.
    heads::note(folder.path(), &head("2026-11-24T11:00:00Z", 6)).expect("room");
    let (read, unreadable) = heads::read(folder.path()).expect("read").expect("a file");
    assert_eq!((read.as_slice(), unreadable), (&[noted[1].clone(), noted[3].clone()][..], None));

    let path = folder.path().join("audit.heads");
    let whole = fs::read(&path).expect("a file");
    fs::write(&path, [&whole[..], b"2026-11-25T"].concat()).expect("room");
    heads::note(folder.path(), &head("2026-11-25T00:00:00Z", 8)).expect("room");
    let (read, unreadable) = heads::read(folder.path()).expect("read").expect("a file");
    assert_eq!((read.len(), unreadable), (3, None), "a torn line is written over");
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = Audit::start(folder.path());
    let refused = audit.append(Actor::System, Deed::Read, "call", "").await;
    let Err(RecordsError::Unaudited { why }) = refused else { panic!("{refused:?}") };
    assert!(why.contains("unable to open") || why.contains("no such table"), "{why}");
}

/// Plays two parts: the test starts itself again as the process that is killed.
#[test]
fn a_killed_process_has_kept_every_row_that_it_told() {
    const FOLDER: &str = "PORTERO_TEST_AUDIT_FOLDER";
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Some(folder) = std::env::var_os(FOLDER) {
        return runtime.block_on(append_until_killed(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let name = "records::audit::tests::a_killed_process_has_kept_every_row_that_it_told";
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts again");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let rows = lines.filter_map(|line| line.strip_prefix("told ").and_then(|row| row.parse::<u64>().ok()));
    let last = rows.take(50).last();
    child.kill().expect("SIGKILL");
    child.wait().expect("gone");
    assert_eq!(last, Some(50));
    runtime.block_on(async {
        let store = Store::open_read_only(folder.path()).await.expect("opened");
        let found = verified(&store).await;
        assert!(found.rows >= 50 && found.broken.is_none(), "{found:?}");
        let audit = Audit::start(folder.path());
        let next = audit.append(Actor::System, Deed::Read, "call", "").await.expect("written");
        assert_eq!(next, found.rows + 1);
    });
}

async fn append_until_killed(folder: &Path) {
    let _store = Store::open(folder).await.expect("opened");
    let audit = Audit::start(folder);
    loop {
        let row = audit.append(Actor::System, Deed::Read, "call", "").await.expect("written");
        println!("told {row}");
    }
}
