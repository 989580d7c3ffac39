//! A person is found wherever they are kept, and afterwards nowhere.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::records::sample::is_anywhere;
use crate::records::spool::Spool;
use crate::records::{Kept, Writer, sample};

const ID: &str = "customer-4f2a";
const NUMBER: &str = "+4930901820";
const NAME: &str = "Quirin Zwölfer";

fn theirs(number: u64) -> CallRecord {
    CallRecord {
        customer: Some(ID.to_owned()),
        ani: Some(NUMBER.to_owned()),
        name: Some(NAME.to_owned()),
        first_dialled: Some("+4930901821".to_owned()),
        recording: Some(format!("2026-11-23/{number:016x}.wav")),
        ..sample::record(number)
    }
}

/// Calls of somebody else, and of the one that it is about: in the database and in the spool, with traces and recordings.
async fn folder() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).await.expect("opened");
    let writer = Writer::start(&store, Kept::EVERYTHING, |_| ()).expect("started");
    for number in 1..=3 {
        let record = if number == 2 { sample::record(2) } else { theirs(number) };
        writer.submit(record).expect("room");
        writer.submit_trace(sample::trace(number));
    }
    writer.drain().await;
    Spool::new(folder.path()).append(&[Arc::new(theirs(4))]).expect("room");
    let rejected = format!("{{\"id\":\"5\",\"name\":\"{NAME}\nanother\n");
    fs::write(folder.path().join("spool.rejected.jsonl"), rejected).expect("room");
    let recordings = folder.path().join("recordings/2026-11-23");
    fs::create_dir_all(&recordings).expect("a folder");
    for file in ["0000000000000001.wav", "0000000000000002.wav", "0000000000000003.part"] {
        fs::write(recordings.join(file), "RIFF").expect("room");
    }
    (folder, store)
}

async fn erase(store: &Store, person: Person) -> Result<Erased, RecordsError> {
    let writer = Writer::start(store, Kept::EVERYTHING, |_| ()).expect("started");
    let erased = writer.eraser().erase(person).await;
    writer.drain().await;
    erased
}

#[tokio::test]
async fn all_that_is_kept_of_a_person_is_found() {
    let (folder, store) = folder().await;
    for person in [Person::Customer(ID.to_owned()), Person::Ani(NUMBER.to_owned())] {
        let held = store.held(&person).await.expect("read");
        assert_eq!(held.records, [theirs(1), theirs(3), theirs(4)], "the last is in the spool");
        let traces: Vec<&str> = held.traces.iter().map(|trace| trace.call.as_str()).collect();
        assert_eq!(traces, [theirs(1).id, theirs(3).id]);
        let file = folder.path().join("recordings/2026-11-23/0000000000000001.wav");
        assert_eq!(held.recordings, [(theirs(1).id, file)]);
    }
    let nobody = store.held(&Person::Customer("' OR '1'='1".to_owned())).await.expect("read");
    assert!(nobody.records.is_empty() && nobody.traces.is_empty());
}

#[tokio::test]
async fn who_is_erased_is_in_no_file_and_their_calls_still_count() {
    for person in [Person::Customer(ID.to_owned()), Person::Ani(NUMBER.to_owned())] {
        let (folder, store) = folder().await;
        for text in [ID, NUMBER, NAME, "+4930901821", "0000000000000003.part"] {
            assert!(is_anywhere(folder.path(), text), "{text} is there first");
        }
        let erased = erase(&store, person.clone()).await.expect("erased");
        let calls = [1, 3, 4].map(|number| theirs(number).id);
        assert_eq!(erased, Erased { calls: calls.to_vec(), traces: 2, recordings: 2 });
        for text in [ID, NUMBER, NAME, "+4930901821", "0000000000000001.wav", "0000000000000003.part"] {
            assert!(!is_anywhere(folder.path(), text), "{text}");
        }
        assert_eq!(
            fs::read_to_string(folder.path().join("spool.rejected.jsonl")).expect("kept"),
            "another\n"
        );
        let left = store.recent(9).await.expect("read");
        assert_eq!(left.len(), 4);
        assert_eq!(left[2], sample::record(2), "somebody else is untouched");
        assert!(store.trace(&sample::record(2).id).await.expect("read").is_some());
        let one = store.by_id(&calls[0]).await.expect("read").expect("it still counts");
        assert_eq!((one.verdict, one.started_at), (theirs(1).verdict, theirs(1).started_at));
        assert_eq!((one.ani, one.customer, one.name, one.recording), (None, None, None, None));
        assert_eq!(one.hand_over.expect("a hand-over").token, "");
        assert!(store.held(&person).await.expect("read").records.is_empty());
        assert_eq!(erase(&store, person).await.expect("again"), Erased::default());
    }
}

#[tokio::test]
async fn a_recording_whose_name_leads_elsewhere_is_neither_handed_out_nor_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).await.expect("opened");
    fs::create_dir(folder.path().join("recordings")).expect("a folder");
    let precious = folder.path().join("precious.wav");
    fs::write(&precious, "RIFF").expect("room");
    let absolute = precious.to_str().expect("a path in UTF-8").to_owned();
    let names = ["../precious.wav".to_owned(), absolute, "2026-11-23/../../precious.wav".to_owned()];
    let records = names
        .into_iter()
        .zip(1..)
        .map(|(name, number)| CallRecord { recording: Some(name), ..theirs(number) });
    sample::keep(&store, records).await;
    let person = Person::Customer(ID.to_owned());
    assert_eq!(store.held(&person).await.expect("read").recordings, []);
    let erased = erase(&store, person).await.expect("erased");
    assert_eq!((erased.calls.len(), erased.recordings), (3, 0));
    assert!(precious.exists());
}

#[tokio::test]
async fn a_trace_that_comes_after_the_erasure_is_not_kept() {
    let (folder, store) = folder().await;
    let writer = Writer::start(&store, Kept::EVERYTHING, |_| ()).expect("started");
    writer.eraser().erase(Person::Customer(ID.to_owned())).await.expect("erased");
    writer.submit_trace(sample::trace(1));
    writer.submit_trace(sample::trace(2));
    writer.drain().await;
    assert!(store.trace(&theirs(1).id).await.expect("read").is_none());
    assert!(store.trace(&sample::record(2).id).await.expect("read").is_some());
    drop(folder);
}

#[tokio::test]
async fn what_the_database_does_not_take_is_told_and_erased_later() {
    let (folder, store) = folder().await;
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON calls BEGIN SELECT RAISE(ABORT, 'full'); END";
    let patience = std::time::Duration::from_secs(5);
    let mut connection =
        crate::records::store::connect_to_write(folder.path(), patience).await.expect("a connection");
    sqlx::query(trigger).execute(&mut connection).await.expect("made");
    let told = erase(&store, Person::Customer(ID.to_owned())).await;
    assert!(matches!(told, Err(RecordsError::NotErased { .. })), "{told:?}");
    sqlx::query("DROP TRIGGER full").execute(&mut connection).await.expect("dropped");
    connection.close().await.expect("closed");
    let erased = erase(&store, Person::Customer(ID.to_owned())).await.expect("erased");
    assert_eq!(erased.calls.len(), 3);
}
