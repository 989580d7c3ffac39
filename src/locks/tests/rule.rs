//! Whatever is tried, in whatever order, across restarts: no window holds more failed proofs than its limit, and nothing
//! is refused that the limit lets pass. The book is the real one, and the time a variable.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::super::book::{Book, ChargeId};
use super::super::rule::Moment;
use super::super::{Key, Limit, Limits, Place};
use crate::flow::Lock;

/// Small, so that they are reached.
const LIMITS: Limits = Limits {
    customer: Some(Limit { tries: 2, within: Duration::from_millis(500) }),
    ani: Some(Limit { tries: 3, within: Duration::from_millis(200) }),
    trunk: None,
    line: Some(Limit { tries: 6, within: Duration::from_millis(300) }),
};

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody tries; whether it comes to be given back, and after how many steps.
    Try { customer: u8, number: Option<u8>, trunk: Option<u8>, line: u8, given_back: Option<usize> },
    /// Time passes, in milliseconds.
    Wait(i64),
    /// The process is killed, and another begins.
    Restart,
    /// What counts no longer is forgotten.
    Forget,
}

/// A proof that was charged.
#[derive(Debug)]
struct Charge {
    id: ChargeId,
    at: i64,
    keys: Vec<Key>,
    /// In which step it is to be given back.
    due: Option<usize>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let of_one = (
        0..3_u8,
        prop::option::of(0..3_u8),
        prop::option::of(0..2_u8),
        0..2_u8,
        prop::option::of(1..4_usize),
    );
    let step = prop_oneof![
        8 => of_one.prop_map(|(customer, number, trunk, line, given_back)| {
            Step::Try { customer, number, trunk, line, given_back }
        }),
        3 => (1..300_i64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..60)
}

/// The book, and beside it what should be in it.
struct Played {
    place: Place,
    book: Book,
    now: i64,
    charged: Vec<Charge>,
}

impl Played {
    async fn new(folder: &Path) -> Self {
        let place = Place::Folder(folder.to_owned());
        let book = Book::open(&place, Moment(0)).await.expect("a book");
        Self { place, book, now: 1_000_000, charged: Vec::new() }
    }

    async fn step(&mut self, nth: usize, step: Step) -> Result<(), TestCaseError> {
        let now = Moment(self.now);
        match step {
            Step::Try { customer, number, trunk, line, given_back } => {
                let mut keys = vec![Key::new(Lock::Customer, customer.to_string())];
                keys.extend(number.map(|number| Key::new(Lock::Ani, number.to_string())));
                keys.extend(trunk.map(|trunk| Key::new(Lock::Trunk, trunk.to_string())));
                keys.push(Key::new(Lock::Line, line.to_string()));
                let expected = keys.iter().find(|key| self.is_locked(key)).map(|key| key.lock);
                let id = ChargeId(i64::try_from(nth).expect("few steps"));
                let mut turn = self.book.turn(now).await.expect("a turn");
                let charged = turn.charge(id, &keys, &LIMITS).await.expect("it can be read");
                turn.close().await.expect("it can be written");
                prop_assert_eq!(charged.err(), expected);
                if charged.is_ok() {
                    let due = given_back.map(|steps| nth + steps);
                    self.charged.push(Charge { id, at: self.now, keys, due });
                }
            }
            Step::Wait(milliseconds) => self.now += milliseconds,
            Step::Restart => self.book = Book::open(&self.place, now).await.expect("a book"),
            Step::Forget => {
                let mut turn = self.book.turn(now).await.expect("a turn");
                turn.forget_old(&LIMITS).await.expect("it can be written");
                turn.close().await.expect("it can be written");
            }
        }
        self.give_back(nth).await;
        Ok(())
    }

    /// Gives back what is due.
    async fn give_back(&mut self, nth: usize) {
        let due = |charge: &mut Charge| charge.due.is_some_and(|due| due <= nth);
        let charges: Vec<Charge> = self.charged.extract_if(.., due).collect();
        let mut turn = self.book.turn(Moment(self.now)).await.expect("a turn");
        for charge in charges {
            turn.give_back(charge.id).await.expect("it can be written");
        }
        turn.close().await.expect("it can be written");
    }

    fn is_locked(&self, key: &Key) -> bool {
        let Some(limit) = LIMITS.of(key.lock) else { return false };
        self.within(key, self.now, limit) >= limit.tries as usize
    }

    /// How many charges a key has in the window that ends at `end`.
    fn within(&self, key: &Key, end: i64, limit: Limit) -> usize {
        let window = end - limit.within.as_millis() as i64 + 1..=end;
        self.charged.iter().filter(|charge| charge.keys.contains(key) && window.contains(&charge.at)).count()
    }

    /// No window of any key holds more than its limit.
    fn check(&self) -> Result<(), TestCaseError> {
        for end in &self.charged {
            for key in &end.keys {
                let Some(limit) = LIMITS.of(key.lock) else { continue };
                prop_assert!(
                    self.within(key, end.at, limit) <= limit.tries as usize,
                    "{key:?} at {}",
                    end.at
                );
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_window_holds_more_failed_proofs_than_its_limit(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        runtime.block_on(async {
            let mut played = Played::new(folder.path()).await;
            for (nth, step) in steps.into_iter().enumerate() {
                played.step(nth, step).await?;
                played.check()?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
