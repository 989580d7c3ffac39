//! What is over goes, and nothing else; and then no file holds it.

use jiff::SignedDuration;
use tempfile::TempDir;

use super::*;
use crate::call::CallRecord;
use crate::records::sample::{self, is_anywhere};

const DAY: Duration = Duration::from_hours(24);

/// The day of the purge.
fn now() -> Timestamp {
    sample::record(0).started_at
}

/// A call that ended so many days ago, with a number, a name and an identifier that nobody else has.
fn record(days_ago: u64) -> CallRecord {
    let ended_at = now() - DAY * days_ago as u32;
    CallRecord {
        id: format!("{days_ago:016x}"),
        started_at: ended_at - SignedDuration::from_secs(40),
        ended_at,
        ani: Some(format!("+4930{days_ago:07}")),
        first_dialled: Some(format!("+4940{days_ago:07}")),
        customer: Some(format!("customer<{days_ago}>")),
        name: Some(format!("Name<{days_ago}> {}", "long ".repeat(days_ago as usize % 7))),
        reason: Some(format!("Reason<{days_ago}>")),
        ..sample::record(days_ago)
    }
}

async fn folder_with(days: impl IntoIterator<Item = u64>) -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).await.expect("opened");
    sample::keep(&store, days.into_iter().map(record)).await;
    (folder, store)
}

#[tokio::test]
async fn records_and_fields_go_when_their_time_is_over() {
    let (_folder, store) = folder_with([1, 29, 30, 31, 90, 91, 366, 367, 4000]).await;
    let periods = Periods {
        record: Some(DAY * 366),
        fields: vec![(Field::Name, DAY * 30), (Field::Ani, DAY * 90), (Field::Reason, DAY * 5000)],
    };
    let purged = store.purge(&periods, now()).await.expect("purged");
    assert_eq!(purged, Purged { records: 2, stripped: 4 });
    let left = store.recent(99).await.expect("read");
    let expected = [1, 29, 30, 31, 90, 91, 366].map(|days| {
        let whole = record(days);
        let name = whole.name.clone().filter(|_| days <= 30);
        let ani = whole.ani.clone().filter(|_| days <= 90);
        CallRecord { ani, name, ..whole }
    });
    assert_eq!(left, expected);
    let again = store.purge(&periods, now()).await.expect("purged");
    assert_eq!(again, Purged::default(), "once is enough");
    let later = store.purge(&periods, now() + DAY).await.expect("purged");
    assert_eq!(later, Purged { records: 1, stripped: 2 });
}

#[tokio::test]
async fn what_is_kept_for_ever_stays() {
    let (_folder, store) = folder_with([4000]).await;
    let periods = Periods { record: None, fields: Vec::new() };
    assert_eq!(store.purge(&periods, now()).await.expect("purged"), Purged::default());
    assert_eq!(store.recent(9).await.expect("read"), [record(4000)]);
}

#[tokio::test]
async fn more_than_one_batch_is_purged_and_no_file_holds_it_afterwards() {
    const DAYS: u64 = 2 * ROWS_AT_ONCE as u64 + 50;
    let (folder, store) = folder_with(1..=DAYS).await;
    assert!(is_anywhere(folder.path(), "Name<250>") && is_anywhere(folder.path(), "+49300000449"));
    let periods = Periods {
        record: Some(DAY * 420),
        fields: Field::ALL.into_iter().map(|field| (field, DAY * 3)).collect(),
    };
    let purged = store.purge(&periods, now()).await.expect("purged");
    assert_eq!(purged, Purged { records: DAYS - 420, stripped: 420 - 3 });
    for days in 4..=DAYS {
        let CallRecord { ani, customer, name, first_dialled, reason, .. } = record(days);
        for text in [ani, customer, name, first_dialled, reason].into_iter().flatten() {
            assert!(!is_anywhere(folder.path(), text.trim_end()), "{text}");
        }
    }
    assert!(is_anywhere(folder.path(), "Name<3>"), "what is not over is there");
}

#[tokio::test]
async fn while_somebody_reads_what_was_deleted_may_stay_in_the_log_and_that_is_told() {
    let (folder, store) = folder_with([1, 400]).await;
    let mut reader = store::connect_to_write(folder.path(), PATIENCE).await.expect("a connection");
    let mut reading = reader.begin().await.expect("begun");
    sqlx::query("SELECT * FROM calls").fetch_all(&mut *reading).await.expect("read");
    let periods = Periods { record: Some(DAY * 366), fields: Vec::new() };
    let told = store.purge(&periods, now()).await;
    assert!(matches!(told, Err(RecordsError::StillInLog { .. })), "{told:?}");
    reading.rollback().await.expect("ended");
    store.empty_log().await.expect("nobody reads");
    assert!(!is_anywhere(folder.path(), "Name<400>"));
}

#[tokio::test]
async fn the_log_tells_that_something_was_purged_and_not_whose_it_was() {
    let (folder, store) = folder_with([1, 400]).await;
    let audit = Audit::start(folder.path());
    tell(Purged::default(), &audit).await;
    tell(Purged { records: 1, stripped: 2 }, &audit).await;
    let rows = store.audited(&crate::records::audit::AuditFilter::default(), 9).await.expect("read");
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].actor.clone(), rows[0].deed, rows[0].subject.as_str()),
        (Actor::System, Deed::Erased, "calls")
    );
    assert_eq!(rows[0].detail, "1 records, and fields of 2 others, whose time was over");
}
