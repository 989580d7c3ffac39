//! The lock-outs over a real database: how many proofs reach a back end that counts them.

mod rule;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use super::{Key, Limit, Limits, LockOut, Locks, NotCounted, Place};
use crate::flow::{ActionName, Answer, Failure, Lock};

const NO: Answer = Answer::Check(false);
const YES: Answer = Answer::Check(true);

/// Lock-outs in a folder of their own, and a back end that counts what it is asked.
struct House {
    locks: Locks,
    asked: Arc<AtomicU32>,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = start(folder.path()).await;
        Self { locks, asked: Arc::default(), folder }
    }

    /// Another process takes over, of which no more is known than what is on disk.
    async fn restart(&mut self) {
        self.locks = start(self.folder.path()).await;
    }

    /// Puts a proof of `customer` from `number` to the back end, which answers so.
    async fn prove(&self, customer: &str, number: &str, answer: Answer) -> Answer {
        let ask = async {
            self.asked.fetch_add(1, Ordering::Relaxed);
            answer
        };
        self.locks.prove(&check_pin(), keys(customer, number), ask).await
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// What is locked, as kind and key.
    async fn locked(&self) -> Vec<(Lock, String)> {
        let list = self.locks.list().await.expect("it can be read");
        list.into_iter().map(|LockOut { kind, key, .. }| (kind, key)).collect()
    }
}

async fn start(folder: &Path) -> Locks {
    Locks::start(Place::Folder(folder.to_owned()), Limits::USUAL).await.expect("the folder can be written")
}

fn check_pin() -> ActionName {
    ActionName::new("check_pin")
}

fn keys(customer: &str, number: &str) -> Vec<Key> {
    vec![Key::new(Lock::Customer, customer), Key::new(Lock::Ani, number), Key::new(Lock::Line, "1000")]
}

#[tokio::test]
async fn the_sixth_proof_of_a_day_is_not_put_to_the_back_end_right_or_wrong() {
    let house = House::new().await;
    for nth in 0..5 {
        assert_eq!(house.prove("1", &format!("+1202555010{nth}"), NO).await, NO);
    }
    for answer in [NO, YES] {
        assert_eq!(house.prove("1", "+12025550199", answer).await, Answer::Locked(Lock::Customer));
    }
    assert_eq!(house.asked(), 5);
    assert_eq!(house.locked().await, [(Lock::Customer, "1".to_owned())]);
    assert_eq!(house.prove("2", "+12025550199", YES).await, YES, "others are served");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a hundred callers call at the same time")]
async fn of_a_hundred_concurrent_wrong_proofs_exactly_five_are_put_to_the_back_end() {
    let house = Arc::new(House::new().await);
    let callers = (0..100).map(|nth| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.prove("1", &format!("+120255501{nth:02}"), NO).await })
    });
    let answers = futures_util::future::join_all(callers).await;
    let wrong = answers.iter().filter(|answer| *answer.as_ref().expect("no panic") == NO).count();
    assert_eq!((wrong, house.asked()), (5, 5));
}

#[tokio::test]
async fn one_secret_sprayed_over_accounts_from_one_number_stops_at_ten() {
    let house = House::new().await;
    for customer in 0..30 {
        house.prove(&customer.to_string(), "+12025550101", NO).await;
    }
    assert_eq!(house.asked(), 10);
    assert_eq!(house.locked().await, [(Lock::Ani, "+12025550101".to_owned())]);
}

#[tokio::test]
async fn what_is_right_is_given_back_and_so_is_what_a_failing_back_end_was_asked() {
    let house = House::new().await;
    for answer in [YES, Answer::Failed(Failure::TimedOut), Answer::Failed(Failure::Garbage)] {
        for _ in 0..10 {
            assert_eq!(house.prove("1", "+12025550101", answer.clone()).await, answer);
        }
    }
    assert_eq!((house.asked(), house.locked().await), (30, vec![]));
    // It may be the "no" of a service that the configuration does not know as such.
    for _ in 0..10 {
        house.prove("1", "+12025550101", Answer::Failed(Failure::Refused)).await;
    }
    assert_eq!(house.asked(), 35);
}

#[tokio::test]
async fn hanging_up_gives_nothing_back_and_neither_does_a_restart() {
    let mut house = House::new().await;
    let asked = Arc::clone(&house.asked);
    for _ in 0..3 {
        let ask = async {
            asked.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        };
        // Once the back end has been asked, nobody is interested any more.
        let action = check_pin();
        let proof = house.locks.prove(&action, keys("1", "+12025550101"), ask);
        assert!(tokio::time::timeout(Duration::from_millis(300), proof).await.is_err());
    }
    house.restart().await;
    for _ in 0..10 {
        house.prove("1", "+12025550101", NO).await;
    }
    assert_eq!(house.asked(), 5);
    house.restart().await;
    assert_eq!(house.prove("1", "+12025550101", YES).await, Answer::Locked(Lock::Customer));
}

#[tokio::test]
async fn a_locked_caller_waits_as_long_as_for_a_no() {
    let house = House::new().await;
    for _ in 0..5 {
        house.prove("1", "+12025550101", NO).await;
    }
    let pace = Duration::from_millis(120);
    for _ in 0..16 {
        house.locks.shared.paces.lock().expect("nobody panicked").note(&check_pin(), pace);
    }
    #[expect(clippy::disallowed_methods, reason = "it is measured how long it takes")]
    let began = Instant::now();
    assert_eq!(house.prove("1", "+12025550101", YES).await, Answer::Locked(Lock::Customer));
    assert!(began.elapsed() >= pace, "{:?}", began.elapsed());
}

#[tokio::test]
async fn while_somebody_else_locks_the_database_nothing_is_asked_and_nobody_waits_for_long() {
    let house = House::new().await;
    let file = SqliteConnectOptions::new().filename(house.folder.path().join("locks.db"));
    let mut other = file.connect().await.expect("it is SQLite");
    let held = other.begin_with("BEGIN EXCLUSIVE").await.expect("it is free");
    #[expect(clippy::disallowed_methods, reason = "it is measured how long it takes")]
    let began = Instant::now();
    for _ in 0..3 {
        let answer = house.prove("1", "+12025550101", YES).await;
        assert_eq!(answer, Answer::Failed(Failure::NotCounted));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((house.asked(), house.locks.list().await), (0, Err(NotCounted)));
    held.rollback().await.expect("it lets go");
    for _ in 0..5 {
        assert_eq!(house.prove("1", "+12025550101", NO).await, NO, "what was not counted is not charged");
    }
    assert_eq!(house.asked(), 5);
}

#[tokio::test]
async fn a_lock_out_is_listed_with_its_end_and_lifted() {
    let house = House::new().await;
    let key = || Key::new(Lock::Customer, "1");
    for _ in 0..5 {
        house.prove("1", "+12025550101", NO).await;
    }
    let list = house.locks.list().await.expect("it can be read");
    let [lock_out] = &list[..] else { panic!("{list:?}") };
    assert_eq!((lock_out.kind, lock_out.key.as_str(), lock_out.tries), (Lock::Customer, "1", 5));
    #[expect(clippy::disallowed_methods, reason = "it is asked how long it is from now")]
    let left = lock_out.until.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3600.0;
    assert!(left > 23.9 && left <= 24.0, "{left} hours");
    assert_eq!(house.locks.lift(key()).await, Ok(5));
    assert_eq!((house.locked().await, house.locks.lift(key()).await), (vec![], Ok(0)));
    assert_eq!(house.prove("1", "+12025550101", YES).await, YES);
}

#[tokio::test]
async fn limits_that_change_count_from_the_next_proof_on() {
    let house = House::new().await;
    for _ in 0..3 {
        house.prove("1", "+12025550101", NO).await;
    }
    let customer = Some(Limit { tries: 3, within: Duration::from_hours(1) });
    house.locks.set_limits(Limits { customer, ..Limits::USUAL });
    assert_eq!(house.prove("1", "+12025550101", YES).await, Answer::Locked(Lock::Customer));
    house.locks.set_limits(Limits { customer: None, ani: None, trunk: None, line: None });
    for _ in 0..20 {
        assert_eq!(house.prove("1", "+12025550101", NO).await, NO);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = Place::Folder(folder.path().join("missing"));
    assert!(Locks::start(nowhere, Limits::USUAL).await.is_err());
}
