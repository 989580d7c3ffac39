//! What is on disk survives the process, wherever it is cut off.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::spool::{Spool, Spooled, names, remove};
use super::event;

async fn read(data: &Path) -> Vec<String> {
    let mut spool = Spool::open(data, "crm").await.expect("a spool");
    let spooled = spool.read(0, 1000).await.expect("it can be read");
    assert_eq!(spool.len(), spooled.len() as u64);
    spool.close().await;
    spooled.into_iter().map(|spooled| spooled.event.id).collect()
}

fn ids(events: impl IntoIterator<Item = usize>) -> Vec<String> {
    events.into_iter().map(|number| event(1, number).id).collect()
}

#[tokio::test]
async fn what_was_appended_and_not_forgotten_is_read_in_order_by_the_next_process() {
    let data = TempDir::new().expect("a folder");
    let mut spool = Spool::open(data.path(), "crm").await.expect("a spool");
    let events: Vec<_> = (0..100).map(|number| event(1, number)).collect();
    spool.append(&events).await.expect("room");
    let first = spool.read(0, 3).await.expect("it can be read");
    assert_eq!(first.iter().map(|it| &it.event).collect::<Vec<_>>(), events[..3].iter().collect::<Vec<_>>());
    let next = spool.read(first[2].place, 1).await.expect("it can be read");
    assert_eq!(next[0].event, events[3]);
    let places: Vec<i64> = first.iter().map(|Spooled { place, .. }| *place).collect();
    spool.forget(&places).await.expect("to be forgotten");
    drop(spool);
    assert_eq!(read(data.path()).await, ids(3..100));
}

#[tokio::test]
async fn places_are_never_used_twice_and_room_is_given_back() {
    let data = TempDir::new().expect("a folder");
    let mut spool = Spool::open(data.path(), "crm").await.expect("a spool");
    let events: Vec<_> = (0..2000).map(|number| event(1, number)).collect();
    spool.append(&events).await.expect("room");
    let all = spool.read(0, 5000).await.expect("it can be read");
    spool.forget(&all.iter().map(|it| it.place).collect::<Vec<_>>()).await.expect("to be forgotten");
    assert!(spool.is_empty());
    spool.append(&events[..1]).await.expect("room");
    let again = spool.read(0, 1).await.expect("it can be read");
    assert!(again[0].place > all[1999].place);
    spool.close().await;
    let size = fs::metadata(data.path().join("webhooks/crm.db")).expect("a file").len();
    assert!(size < 40_000, "{size} bytes for one event");
}

/// `kill -9`, or a power cut, at any byte of the journal: what was told to be on disk before is there, in order, and what
/// comes later goes behind it.
#[tokio::test]
async fn a_journal_that_is_torn_anywhere_loses_nothing_that_was_on_disk_before() {
    let data = TempDir::new().expect("a folder");
    let mut spool = Spool::open(data.path(), "crm").await.expect("a spool");
    let wal = data.path().join("webhooks/crm.db-wal");
    // How long the journal was when so many events were on disk.
    let mut lengths = Vec::new();
    for number in 0..6 {
        spool.append(&[event(1, number)]).await.expect("room");
        lengths.push(fs::metadata(&wal).expect("a journal").len());
    }
    let whole = fs::read(&wal).expect("a journal");
    let database = fs::read(data.path().join("webhooks/crm.db")).expect("a database");
    let torn = TempDir::new().expect("a folder");
    fs::create_dir(torn.path().join("webhooks")).expect("a folder");
    let around = lengths.iter().flat_map(|length| [length - 1, *length, length + 1]);
    let offsets = (lengths[0]..whole.len() as u64).step_by(191).chain(around).filter(|it| *it >= lengths[0]);
    for offset in offsets {
        let end = usize::try_from(offset).expect("small").min(whole.len());
        fs::write(torn.path().join("webhooks/crm.db"), &database).expect("room");
        fs::write(torn.path().join("webhooks/crm.db-wal"), &whole[..end]).expect("room");
        let kept = lengths.iter().filter(|length| **length <= offset).count();
        assert_eq!(read(torn.path()).await, ids(0..kept), "cut off at {offset}");
        remove(torn.path(), "crm").expect("to be removed");
    }
    drop(spool);
}

#[tokio::test]
async fn spools_are_known_by_name_and_can_be_removed() {
    let data = TempDir::new().expect("a folder");
    assert!(names(data.path()).is_empty());
    Spool::open(data.path(), "crm").await.expect("a spool").close().await;
    assert_eq!(names(data.path()), ["crm"]);
    remove(data.path(), "crm").expect("to be removed");
    remove(data.path(), "crm").expect("to be removed already");
    assert!(names(data.path()).is_empty());
}
