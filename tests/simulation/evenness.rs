//! Callers who try whether an identifier is somebody's, and listen for it: the whole call with SIP and sound, on a clock
//! that is exact to more than any ear is.
//!
//! The same callers, with the same habits, call once with a customer's identifier and once with nobody's. The back end
//! takes longer over customers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portero::audio::{Library, Source, Wideband};
use portero::call::{Address, Directory, Plan};
use portero::flow::{Announcement, Answer, Discretion, PromptId, Query, Retries};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::business;
use super::ear::Sound;
use super::habits::{Habits, OnReferral};
use super::link::{Link, Weather};
use super::rank;
use super::world::World;

const CALLERS: u64 = 200;
const SOMEBODYS: &str = "10000001";
const NOBODYS: &str = "20000002";
/// What the line asks with, in order: who it is, and the secret.
const ASKED: [(&str, &str); 2] =
    [("ask-identifier", "identifier-no-match-1"), ("ask-secret", "secret-no-match-1")];

fn plan(discretion: Option<Discretion>) -> Arc<Plan> {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let asked = ASKED.iter().flat_map(|(ask, no_match)| [*ask, *no_match]);
        let wanted = asked.chain(["greeting", "goodbye", "apology", "hand-over-failed"]);
        Library::load(&Source::Embedded, "en", wanted, Wideband::Unused).expect("the recordings are there")
    });
    let mut line = business::line();
    line.by_number = None;
    line.discretion = discretion;
    let questions = [&mut line.identification.questions[0].question, &mut line.factors[0].question];
    for (question, (ask, no_match)) in questions.into_iter().zip(ASKED) {
        let say = |prompt| Announcement::prompt(PromptId::new(prompt));
        (question.prompts.ask, question.prompts.no_match) = (say(ask), vec![say(no_match)]);
        question.retries = Retries::of(1);
    }
    let mut lines = Directory::default();
    lines.add(Arc::new(line), [Address::Number("1000".to_owned())]);
    Arc::new(Plan { lines, prompts: library.clone(), ..business::make_plan() })
}

/// A back end that has much to do for customers, and none for others. The secret is not right.
fn back_end(query: &Query, rng: &mut StdRng) -> (Answer, u64) {
    match query {
        Query::Secret { .. } => (Answer::Check(false), rng.random_range(100..1500)),
        query => {
            let is_hit = matches!(query, Query::Identifier(identifier) if identifier.expose() == SOMEBODYS);
            (
                business::answer(query),
                if is_hit { rng.random_range(300..1900) } else { rng.random_range(20..150) },
            )
        }
    }
}

/// What a caller hears after they have keyed `identifier`, which they do as they have a habit of.
fn heard(caller: u64, identifier: &'static str, plan: &Arc<Plan>) -> Vec<Sound> {
    let mut habit = StdRng::seed_from_u64(caller);
    let mut at = |from| habit.random_range(from..from + 800);
    let keys = vec![(at(1_500), identifier), (at(10_000), "0000"), (at(18_000), "0000")];
    let habits = Habits { known: false, keys, referral: OnReferral::Follows(200), ..Habits::verified() };
    let mut world = World::listening(caller, Link::new(Weather::CLEAR), Arc::clone(plan), back_end);
    world.place_call(habits);
    world.run();
    let mut sounds = world.take_sounds();
    assert_eq!(sounds.len(), 1, "one call was heard");
    sounds.remove(0).into_iter().filter(|sound| sound.keyed.is_some()).collect()
}

fn all_heard(identifier: &'static str, plan: &Arc<Plan>) -> Vec<Vec<Sound>> {
    (0..CALLERS).map(|caller| heard(caller, identifier, plan)).collect()
}

/// The intervals of a call, in seconds: for each sound, how long after the last key and after the sound before it it
/// began, and how long it was.
fn intervals(sounds: &[Sound]) -> Vec<f64> {
    let seconds = |time: Duration| time.as_secs_f64();
    let mut before = sounds.first().map(|sound| sound.from);
    let of_sound = |sound: &Sound| {
        let after_sound = before.replace(sound.to).map(|before| seconds(sound.from - before));
        let after_key = sound.keyed.map(|keyed| seconds(sound.from - keyed));
        [after_key, after_sound, Some(seconds(sound.to - sound.from))]
    };
    sounds.iter().flat_map(of_sound).flatten().collect()
}

/// How likely it is that the two sorts of calls are one sort, for each interval in the order of hearing.
fn p_values(one: &[Vec<Sound>], other: &[Vec<Sound>]) -> Vec<f64> {
    let [one, other]: [Vec<Vec<f64>>; 2] =
        [one, other].map(|calls| calls.iter().map(|sounds| intervals(sounds)).collect());
    let count = one.iter().chain(&other).map(Vec::len).min().unwrap_or_default();
    let nth = |calls: &[Vec<f64>], nth: usize| calls.iter().map(|call| call[nth]).collect::<Vec<f64>>();
    (0..count).map(|interval| rank::p_value(&nth(&one, interval), &nth(&other, interval))).collect()
}

fn digests(calls: &[Vec<Sound>]) -> Vec<Vec<u64>> {
    calls.iter().map(|sounds| sounds.iter().map(|sound| sound.digest).collect()).collect()
}

#[test]
fn callers_cannot_hear_whether_an_identifier_is_somebodys() {
    let plan = plan(Some(Discretion { answers_after: Duration::from_secs(2) }));
    let [somebody, nobody] = [SOMEBODYS, NOBODYS].map(|identifier| all_heard(identifier, &plan));
    let sounds = digests(&somebody);
    assert_eq!(sounds, digests(&nobody), "they hear the same, sample for sample");
    assert_eq!(sounds[0].len(), 3, "the question for the secret, that it was wrong, and a word at parting");
    let p_values = p_values(&somebody, &nobody);
    assert_eq!(p_values.len(), 9);
    assert!(p_values.iter().all(|p| *p > 0.05), "{p_values:?}");
}

#[test]
fn without_the_setting_they_hear_it_in_words_and_in_time() {
    let plan = plan(None);
    let [somebody, nobody] = [SOMEBODYS, NOBODYS].map(|identifier| all_heard(identifier, &plan));
    assert_ne!(digests(&somebody)[0][0], digests(&nobody)[0][0]);
    let p = p_values(&somebody, &nobody)[0];
    assert!(p < 1e-9, "the first word comes later to those whom the back end knows: {p}");
}
