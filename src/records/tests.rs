//! Records are kept once, through a locked database, a crash and a kill, and found again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::sample::{bare, record, trace};
use super::spool::Spool;
use super::writer::Limits;
use super::{Filter, Kept, RecordsError, Retention, Store, Writer, store};
use crate::call::record::Verdict;
use crate::call::{CallRecord, MediaFigures};

/// Waits that end at once where the code under test would wait for seconds.
const QUICK: Limits = Limits {
    queue_records_max: 64,
    batch_records_max: 8,
    gather: Duration::ZERO,
    // Long enough for a write on a machine that is busy with other tests, short enough to wait for.
    patience: Duration::from_millis(250),
    retry: Duration::from_millis(5),
    queue_traces_max: 8,
};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

async fn open(folder: &TempDir) -> Store {
    Store::open(folder.path()).await.expect("a fresh folder opens")
}

/// A writer, and what it tells.
fn writer(store: &Store, limits: Limits) -> (Writer, mpsc::Receiver<Arc<CallRecord>>) {
    let (sender, told) = mpsc::channel(10_000);
    let tell = Arc::new(move |record| sender.try_send(record).expect("the test reads what is told"));
    (Writer::start_within(store, limits, Kept::NOTHING, tell).expect("a writer starts"), told)
}

async fn write(store: &Store, records: impl IntoIterator<Item = CallRecord>) {
    let patient = Limits { queue_records_max: 10_000, patience: Duration::from_secs(10), ..QUICK };
    let (writer, _told) = writer(store, patient);
    for record in records {
        writer.submit(record).expect("there is room");
    }
    writer.drain().await;
}

async fn lock(folder: &Path) -> SqliteConnection {
    // The writer may just be forgetting old traces, as it does when it begins.
    let patience = Duration::from_secs(10);
    let mut connection = store::connect_to_write(folder, patience).await.expect("a second connection");
    connection.execute("BEGIN IMMEDIATE").await.expect("the lock is free");
    connection
}

fn spool_lines(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("spool.jsonl")).map_or(0, |spool| spool.lines().count())
}

#[tokio::test]
async fn a_record_comes_back_as_it_was() {
    let folder = folder();
    let store = open(&folder).await;
    write(&store, [record(1), bare(2)]).await;
    assert_eq!(store.by_id(&record(1).id).await.expect("readable"), Some(record(1)));
    assert_eq!(store.by_token("token-1").await.expect("readable"), Some(record(1)));
    assert_eq!(store.by_id(&bare(2).id).await.expect("readable"), Some(bare(2)));
    assert_eq!(store.by_token("token-2").await.expect("readable"), None);
    assert_eq!(store.by_id("nobody").await.expect("readable"), None);
    assert_eq!(store.recent(10).await.expect("readable"), [bare(2), record(1)]);
}

#[tokio::test]
async fn a_transaction_of_many_statements_loses_and_doubles_none() {
    let folder = folder();
    let store = open(&folder).await;
    let gathered =
        Limits { queue_records_max: 256, batch_records_max: 256, gather: Duration::from_millis(2), ..QUICK };
    let (writer, mut told) = writer(&store, gathered);
    for number in (0..70).chain(60..70) {
        writer.submit(record(number)).expect("there is room");
    }
    writer.drain().await;
    assert_eq!(std::iter::from_fn(|| told.try_recv().ok()).count(), 80, "each is told");
    assert_eq!(store.recent(100).await.expect("it can be read").len(), 70, "each is there once");
}

#[tokio::test]
async fn filters_select() {
    let folder = folder();
    let store = open(&folder).await;
    // Calls 1.5 s apart, from 10:00:00 on; even ones to 1000, every third one bare.
    write(&store, (0..10).map(|number| if number % 3 == 0 { bare(number) } else { record(number) })).await;
    let at = |text: &str| Some(text.parse().expect("an instant"));
    let line = |line: &str| Some(line.to_owned());
    let table: [(Filter, u32, &[u64]); 8] = [
        (Filter::default(), 3, &[9, 8, 7]),
        (Filter::default(), 0, &[]),
        (Filter { since: at("2026-11-23T10:00:09Z"), ..Filter::default() }, 9, &[9, 8, 7, 6]),
        // Half a second is a fraction in the text: it must not sort before the whole second.
        (Filter { until: at("2026-11-23T10:00:01.5Z"), ..Filter::default() }, 9, &[0]),
        (Filter { until: at("2026-11-23T10:00:01.500000001Z"), ..Filter::default() }, 9, &[1, 0]),
        (Filter { line: line("1001"), ..Filter::default() }, 2, &[9, 7]),
        (Filter { line: line("1' OR '1'='1"), ..Filter::default() }, 9, &[]),
        (
            Filter {
                since: at("2026-11-23T10:00:03Z"),
                until: at("2026-11-23T10:00:12Z"),
                line: line("1000"),
                verdict: Some(Verdict::Verified),
            },
            9,
            &[4, 2],
        ),
    ];
    for (filter, limit, expected) in table {
        let ids: Vec<_> =
            store.select(&filter, limit).await.expect("readable").into_iter().map(|r| r.id).collect();
        let expected: Vec<_> = expected.iter().map(|number| record(*number).id).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_locked_database_sends_records_to_the_spool_and_gets_them_once_when_it_is_free() {
    let folder = folder();
    let store = open(&folder).await;
    let (writer, mut told) = writer(&store, QUICK);
    let lock = lock(folder.path()).await;
    for number in 0..20 {
        writer.submit(record(number)).expect("there is room");
    }
    for _ in 0..20 {
        told.recv().await.expect("told once in the spool");
    }
    assert_eq!(spool_lines(folder.path()), 20);
    assert_eq!(store.recent(100).await.expect("readable though locked"), []);
    lock.close().await.expect("unlocked");
    writer.drain().await;
    let records = store.recent(100).await.expect("readable");
    assert_eq!(records, (0..20).rev().map(record).collect::<Vec<_>>());
    assert_eq!(told.recv().await, None, "each was told once");
    assert!(
        !folder.path().join("spool.jsonl").exists() && !folder.path().join("spool.replaying.jsonl").exists()
    );
}

#[tokio::test]
async fn the_spool_is_replayed_by_itself_once_the_database_works() {
    let folder = folder();
    let store = open(&folder).await;
    Spool::new(folder.path()).append(&[Arc::new(record(1))]).expect("spooled");
    let lock = lock(folder.path()).await;
    let (writer, mut told) = writer(&store, Limits { patience: Duration::from_millis(300), ..QUICK });
    writer.submit(record(2)).expect("there is room");
    told.recv().await.expect("in the spool");
    assert_eq!(store.recent(9).await.expect("readable though locked"), []);
    lock.close().await.expect("unlocked");
    // A write that succeeds empties the spool before it is told.
    writer.submit(record(3)).expect("there is room");
    told.recv().await.expect("in the database");
    assert_eq!(store.recent(9).await.expect("readable"), [record(3), record(2), record(1)]);
    writer.drain().await;
}

#[tokio::test]
async fn a_full_queue_spills_into_the_spool_and_a_full_spool_queue_says_so() {
    let folder = folder();
    let store = open(&folder).await;
    let tight = Limits { queue_records_max: 1, batch_records_max: 1, ..QUICK };
    let (writer, mut told) = writer(&store, tight);
    // The runtime has one thread, this one: the task cannot empty its queue while this loop runs.
    let lost: Vec<_> =
        (0..2_000).filter_map(|number| writer.submit(record(number)).err()).map(|l| l.id).collect();
    writer.drain().await;
    let mut safe = Vec::new();
    while let Some(record) = told.recv().await {
        safe.push(record.id.clone());
    }
    assert!(safe.len() >= 2, "one for the queue, one for the thread");
    assert_eq!(safe.len() + lost.len(), 2_000);
    for id in safe {
        assert!(store.by_id(&id).await.expect("readable").is_some());
    }
    for id in lost {
        assert_eq!(store.by_id(&id).await.expect("readable"), None);
    }
}

#[tokio::test]
async fn a_replay_that_was_cut_short_writes_nothing_twice() {
    let folder = folder();
    let store = open(&folder).await;
    write(&store, [record(1)]).await;
    // As a crash between the database's commit and the removal of the file leaves it.
    let spool = Spool::new(folder.path());
    spool.append(&[Arc::new(record(1)), Arc::new(record(2))]).expect("spooled");
    spool.begin_replay().expect("renamed").expect("there is one");
    spool.append(&[Arc::new(record(3)), Arc::new(record(2))]).expect("spooled");
    write(&store, []).await;
    assert_eq!(store.recent(9).await.expect("readable"), [record(3), record(2), record(1)]);
    assert!(!*Spool::new(folder.path()).waiting().borrow());
}

#[tokio::test]
async fn a_torn_line_spoils_no_other() {
    let folder = folder();
    let store = open(&folder).await;
    let spool = Spool::new(folder.path());
    spool.append(&[Arc::new(record(1))]).expect("spooled");
    let mut file =
        std::fs::OpenOptions::new().append(true).open(folder.path().join("spool.jsonl")).expect("there");
    file.write_all(b"{\"version\":1,\"id\":\"00\xff").expect("torn");
    spool.append(&[Arc::new(record(2))]).expect("spooled");
    write(&store, []).await;
    assert_eq!(store.recent(9).await.expect("readable"), [record(2), record(1)]);
    let rejected = std::fs::read(folder.path().join("spool.rejected.jsonl")).expect("kept aside");
    assert_eq!(rejected, b"{\"version\":1,\"id\":\"00\xff\n");
}

#[tokio::test]
async fn what_is_not_on_disk_is_not_told() {
    let folder = folder();
    let store = open(&folder).await;
    let (writer, mut told) = writer(&store, QUICK);
    // Once a record is kept, the writer has looked for a spool, and will not take the folder for one of before.
    writer.submit(record(2)).expect("there is room");
    assert_eq!(told.recv().await.map(|told| told.id.clone()), Some(record(2).id));
    let lock = lock(folder.path()).await;
    std::fs::create_dir(folder.path().join("spool.jsonl")).expect("a folder where the spool would be");
    writer.submit(record(1)).expect("there is room");
    writer.drain().await;
    assert_eq!(told.recv().await, None);
    lock.close().await.expect("unlocked");
}

#[tokio::test]
async fn a_record_stays_in_hand_until_a_disk_takes_it() {
    let folder = folder();
    let store = open(&folder).await;
    let (writer, mut told) = writer(&store, QUICK);
    let lock = lock(folder.path()).await;
    let blocked = folder.path().join("spool.jsonl");
    std::fs::create_dir(&blocked).expect("a folder where the spool would be");
    writer.submit(record(1)).expect("there is room");
    std::fs::remove_dir(&blocked).expect("removed");
    told.recv().await.expect("told once the spool works");
    assert_eq!(spool_lines(folder.path()), 1);
    lock.close().await.expect("unlocked");
    writer.drain().await;
    assert_eq!(store.recent(9).await.expect("readable"), [record(1)]);
}

#[tokio::test]
async fn a_figure_that_is_no_number_costs_no_record() {
    let folder = folder();
    let store = open(&folder).await;
    let mut odd = record(1);
    odd.media.jitter_ms = f64::NAN;
    odd.media.remote_loss = Some(f64::INFINITY);
    odd.media.remote_opinion = Some(f64::NAN);
    odd.media.packets_sent = u64::MAX;
    write(&store, [odd]).await;
    let media = store.by_id(&record(1).id).await.expect("readable").expect("kept").media;
    assert_eq!(media.remote_opinion, None);
    assert_eq!((media.jitter_ms, media.remote_loss, media.packets_sent), (0.0, None, i64::MAX as u64));
}

#[tokio::test]
async fn a_folder_that_will_not_do_is_named_with_the_way_out() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), "text").expect("written");
    let error = Store::open(&path("file").join("data")).await.expect_err("a file is no folder").to_string();
    assert!(error.contains("file/data") && error.contains("name another data folder"), "{error}");

    std::fs::create_dir_all(path("taken/portero.db")).expect("made");
    let error = Store::open(&path("taken")).await.expect_err("a folder is no database").to_string();
    assert!(error.contains("taken/portero.db"), "{error}");

    std::fs::create_dir(path("text")).expect("made");
    std::fs::write(
        path("text/portero.db"),
        "this is no database, but it is long enough to have a header of one: ".repeat(20),
    )
    .expect("written");
    let error = Store::open(&path("text")).await.expect_err("text is no database");
    assert!(matches!(error, RecordsError::NotADatabase { .. }), "{error}");

    let error = Store::open_read_only(&path("absent")).await.expect_err("nothing there");
    assert!(matches!(error, RecordsError::Missing { .. }), "{error}");
    assert!(!path("absent").exists(), "reading makes nothing");
}

#[tokio::test]
async fn one_process_writes_and_others_read() {
    let folder = folder();
    let store = open(&folder).await;
    assert!(matches!(Store::open(folder.path()).await, Err(RecordsError::InUse { .. })));
    write(&store, [record(1)]).await;
    let reader = Store::open_read_only(folder.path()).await.expect("beside the writer");
    assert_eq!(reader.recent(9).await.expect("readable"), [record(1)]);
    assert!(matches!(Writer::start(&reader, Kept::NOTHING, |_| ()), Err(RecordsError::Unwritable { .. })));
    drop(store);
    let reader = Store::open_read_only(folder.path()).await.expect("after the writer");
    assert_eq!(reader.recent(9).await.expect("readable"), [record(1)]);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let folder = folder();
    drop(open(&folder).await);
    let mut connection = store::connect_to_write(folder.path(), Duration::ZERO).await.expect("connected");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'from the future', TRUE, x'00', 0)";
    connection.execute(newer).await.expect("written");
    connection.close().await.expect("closed");
    for opened in [Store::open(folder.path()).await, Store::open_read_only(folder.path()).await] {
        assert!(matches!(opened, Err(RecordsError::Newer { found: 9999, .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn an_older_database_is_brought_up_to_date_and_keeps_its_records() {
    let folder = folder();
    let store = open(&folder).await;
    write(&store, [record(1)]).await;
    drop(store);
    let patience = Duration::from_secs(10);
    let mut connection = store::connect_to_write(folder.path(), patience).await.expect("connected");
    let first_schema = "ALTER TABLE calls DROP COLUMN trunk; ALTER TABLE calls DROP COLUMN ani_source;
        ALTER TABLE calls DROP COLUMN first_dialled; ALTER TABLE calls DROP COLUMN ani_withheld;
        ALTER TABLE calls DROP COLUMN ani_verstat; ALTER TABLE calls DROP COLUMN ani_checked_by;
        ALTER TABLE calls DROP COLUMN ani_check_fault; ALTER TABLE calls DROP COLUMN ani_attestation;
        ALTER TABLE calls DROP COLUMN remote_jitter_ms; ALTER TABLE calls DROP COLUMN round_trip_ms;
        ALTER TABLE calls DROP COLUMN remote_opinion; ALTER TABLE calls DROP COLUMN recording;
        ALTER TABLE calls DROP COLUMN identifier; ALTER TABLE calls DROP COLUMN factors;
        ALTER TABLE calls DROP COLUMN language; ALTER TABLE calls DROP COLUMN lines;
        ALTER TABLE calls DROP COLUMN closed; ALTER TABLE calls DROP COLUMN contained;
        ALTER TABLE calls DROP COLUMN locked; ALTER TABLE calls DROP COLUMN consent;
        ALTER TABLE calls DROP COLUMN erased_at;
        ALTER TABLE calls DROP COLUMN encrypted;
        DROP TABLE traces; DROP TABLE audit; DROP TABLE users; DROP TABLE tokens;
        DELETE FROM _sqlx_migrations WHERE version > 1";
    connection.execute(first_schema).await.expect("written");
    connection.close().await.expect("closed");
    let unread = Store::open_read_only(folder.path()).await;
    assert!(matches!(unread, Err(RecordsError::Older { found: 1, .. })), "{unread:?}");
    let store = open(&folder).await;
    let old = CallRecord {
        trunk: None,
        ani_source: None,
        first_dialled: None,
        ani_verstat: None,
        ani_attestation: None,
        ani_checked_by: None,
        ani_check_fault: None,
        recording: None,
        identifier: None,
        factors: Vec::new(),
        language: None,
        lines: Vec::new(),
        closed: false,
        contained: false,
        locked: None,
        consent: None,
        media: MediaFigures {
            remote_jitter_ms: None,
            round_trip_ms: None,
            remote_opinion: None,
            encrypted: None,
            ..record(1).media
        },
        ..record(1)
    };
    assert_eq!(store.recent(9).await.expect("readable"), [old]);
    write(&store, [record(2)]).await;
    assert_eq!(store.by_id(&record(2).id).await.expect("readable"), Some(record(2)));
}

/// Plays two parts: the test starts itself again as the process that is killed.
#[test]
fn a_killed_process_has_kept_every_record_that_it_told() {
    const FOLDER: &str = "PORTERO_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_until_killed(Path::new(&folder));
    }
    let folder = folder();
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "records::tests::a_killed_process_has_kept_every_record_that_it_told",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test starts again");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let told: Vec<String> = output
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("told ").map(str::to_owned))
        .take(300)
        .collect();
    child.kill().expect("SIGKILL");
    child.wait().expect("gone");
    assert_eq!(told.len(), 300);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = open(&folder).await;
        write(&store, []).await;
        for id in told {
            assert!(store.by_id(&id).await.expect("readable").is_some(), "{id} was told and is gone");
        }
    });
}

fn write_until_killed(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(folder).await.expect("opened");
        // A queue that is too short on purpose: some go to the database, some to the spool.
        let tight = Limits { queue_records_max: 32, ..QUICK };
        let told = |record: Arc<CallRecord>| println!("told {}", record.id);
        let writer = Writer::start_within(&store, tight, Kept::NOTHING, Arc::new(told)).expect("started");
        for number in 0.. {
            if writer.submit(record(number)).is_err() {
                tokio::task::yield_now().await;
            }
        }
    });
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("Robert'); DROP TABLE calls;--\r\n\u{202e}\0".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a back end calls its customers, database and spool give it back unchanged.
    #[test]
    fn any_text_survives(name in any_text(), customer in any_text(), nanoseconds in 0..i128::from(i64::MAX)) {
        let folder = folder();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut direct = record(1);
        direct.name = Some(name);
        direct.customer = Some(customer);
        direct.started_at = jiff::Timestamp::from_nanosecond(nanoseconds).expect("in range");
        let spooled = CallRecord { id: "spooled".to_owned(), ..direct.clone() };
        runtime.block_on(async {
            let store = open(&folder).await;
            Spool::new(folder.path()).append(&[Arc::new(spooled.clone())]).expect("spooled");
            write(&store, [direct.clone()]).await;
            assert_eq!(store.by_id(&direct.id).await.expect("readable"), Some(direct));
            assert_eq!(store.by_id("spooled").await.expect("readable"), Some(spooled));
        });
    }
}

async fn traces(store: &Store, numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut kept = Vec::new();
    for number in numbers {
        let found = store.trace(&format!("{number:016x}")).await.expect("the database can be read");
        assert!(found.as_ref().is_none_or(|found| *found == trace(number)), "a trace reads back as it was");
        kept.extend(found.map(|_| number));
    }
    kept
}

/// Starts a writer, hands it these traces, and has it write them.
async fn write_traces(
    store: &Store,
    limits: Limits,
    retention: Retention,
    numbers: impl IntoIterator<Item = u64>,
) {
    let writer =
        Writer::start_within(store, limits, Kept { traces: retention, ..Kept::NOTHING }, Arc::new(|_| ()))
            .expect("a writer starts");
    numbers.into_iter().for_each(|number| writer.submit_trace(trace(number)));
    writer.drain().await;
}

const FOREVER: Retention = Retention::For(Duration::from_hours(100 * 365 * 24));

#[tokio::test]
async fn traces_are_kept_beside_the_records() {
    let folder = folder();
    let store = open(&folder).await;
    let roomy = Limits { queue_traces_max: 100, patience: Duration::from_secs(10), ..QUICK };
    write_traces(&store, roomy, FOREVER, 0..30).await;
    assert_eq!(traces(&store, 0..31).await, (0..30).collect::<Vec<_>>());
    assert_eq!(traces(&Store::open_read_only(folder.path()).await.expect("opened"), 0..3).await, [0, 1, 2]);
}

#[tokio::test]
async fn traces_whose_time_is_over_are_deleted_and_off_deletes_all() {
    let folder = folder();
    let store = open(&folder).await;
    let roomy = Limits { queue_traces_max: 1000, patience: Duration::from_secs(10), ..QUICK };
    write_traces(&store, roomy, FOREVER, 0..600).await;
    let mut connection = store::connect_to_write(folder.path(), roomy.patience).await.expect("connected");
    // Samples end 1.5 s after one another: so 300 of them are more than a day old a day after the 300th.
    let now = trace(300).ended_at().expect("messages") + jiff::SignedDuration::from_hours(24);
    let day = Duration::from_hours(24);
    assert!(super::trace::delete_older(&mut connection, day, now).await.expect("deleted"), "256 of 300");
    assert!(!super::trace::delete_older(&mut connection, day, now).await.expect("deleted"), "the rest");
    assert_eq!(traces(&store, [0, 299, 300, 599]).await, [300, 599]);
    while super::trace::delete_older(&mut connection, Duration::ZERO, now + day).await.expect("deleted") {}
    assert_eq!(traces(&store, 0..600).await, Vec::<u64>::new());
}

#[tokio::test]
async fn a_database_that_is_locked_costs_traces_and_no_record() {
    let folder = folder();
    let store = open(&folder).await;
    let blocker = lock(folder.path()).await;
    let limits = Limits { patience: Duration::from_millis(10), ..QUICK };
    let (writer, mut told) = writer(&store, limits);
    for number in 0..4 {
        writer.submit_trace(trace(number));
        writer.submit(record(number)).expect("there is room");
    }
    for _ in 0..4 {
        told.recv().await.expect("told");
    }
    writer.drain().await;
    blocker.close().await.expect("closed");
    assert_eq!(traces(&store, 0..4).await, Vec::<u64>::new());
    write(&store, []).await;
    assert_eq!(store.recent(9).await.expect("readable").len(), 4, "the spool had the records");
}

#[tokio::test]
async fn what_is_no_trace_is_an_error_and_not_a_trace() {
    let folder = folder();
    let store = open(&folder).await;
    let mut connection = store::connect_to_write(folder.path(), QUICK.patience).await.expect("connected");
    // Garbage, and a length that no memory has.
    for (call, messages) in [("0000000000000001", b"rubbish".as_slice()), ("0000000000000002", &[0xff; 40])] {
        let insert = sqlx::query("INSERT INTO traces VALUES (?, '2026-01-01T00:00:00Z', ?)");
        insert.bind(call).bind(messages).execute(&mut connection).await.expect("inserted");
        assert!(matches!(store.trace(call).await, Err(RecordsError::Database { .. })), "{call}");
    }
}
