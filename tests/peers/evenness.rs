//! Whether a caller can hear that an identifier is somebody's: measured over real sockets, with a back end that takes longer
//! over customers. The simulation shows the same to the sample; here is all that it leaves out.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portero::secret::Digit;

use crate::rank;
use crate::sound::{WITH_KEYS, packet};
use crate::support::caller::{Call, Caller};
use crate::support::server::Server;
use crate::support::uneven_back_end::{self, SOMEBODY};

const NOBODY: &str = "20000002";
/// How many calls of each sort are measured, and how many of them are up at a time.
const CALLS: usize = 200;
const AT_A_TIME: usize = 50;
/// So long a silence parts two sounds. Sentences of one recording follow each other sooner, and answers come later.
const PAUSE: Duration = Duration::from_millis(600);
/// How long a packet may be waited for, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The demo, whose first line asks such a back end, once for the secret, and says this besides.
fn server(setting: &str) -> Server {
    let back_end = format!("base_url = \"http://{}\" # ", uneven_back_end::start());
    Server::serve_quietly(&[
        ("base_url = \"http://", &back_end),
        ("max_concurrent = 64", "max_concurrent = 1000"),
        ("calls = 1000\n", "calls = 1000\nlate_percent = 100\n"),
        (
            "identify_by_number = true\nnumber_action = \"customer_by_number\"\n",
            &format!("identify_by_number = false\n{setting}\n"),
        ),
        (
            "[lines.verification]\ndigits = 4\nretries = 3\n",
            "[lines.verification]\ndigits = 4\nretries = 0\n",
        ),
        ("unidentified = { prompt = \"hand-over-unidentified\"", "unidentified = { prompt = \"goodbye\""),
    ])
}

/// What a caller hears and does, with its times.
#[derive(Default)]
struct Listening {
    /// When each sound began and was last heard.
    sounds: Vec<(Instant, Instant)>,
    /// When each entry was keyed.
    keyed: Vec<Instant>,
    sequence: u16,
}

impl Listening {
    /// Keys all of it at once, each key in one packet.
    fn key(&mut self, caller: &Caller, call: &Call, keys: &str) {
        self.keyed.push(Instant::now());
        for key in keys.chars() {
            let event = Digit::from_char(key).expect("a key").to_event();
            for (kind, payload) in [(101, &[event, 0x8A, 3, 0x20][..]), (0, &[0xFF; 160])] {
                self.sequence += 1;
                let datagram = packet(kind, self.sequence, 0xCA11, payload);
                caller.rtp().send_to(&datagram, call.remote).expect("the loopback takes it");
            }
        }
    }

    /// Hears packets until this many sounds have begun, and the last of them has been heard for so long or is over.
    fn hear(
        &mut self,
        caller: &Caller,
        sounds: usize,
        heard: impl Fn(Duration, Duration) -> bool,
    ) -> Option<()> {
        loop {
            let (_, payload) = caller.hear(PATIENCE)?;
            let now = Instant::now();
            let is_loud = payload.windows(2).any(|pair| pair[0] != pair[1]);
            match self.sounds.last_mut() {
                Some((_, last)) if is_loud && now - *last <= PAUSE => *last = now,
                _ if is_loud => self.sounds.push((now, now)),
                _ => {}
            }
            if let Some((from, last)) = self.sounds.get(sounds - 1)
                && heard(now - *from, now - *last)
            {
                return Some(());
            }
        }
    }

    /// The seconds between whatever a caller can tell apart.
    fn intervals(&self) -> Option<Vec<f64>> {
        let [greeting, question, parting] = self.sounds[..] else { return None };
        let [identifier, secret] = self.keyed[..] else { return None };
        let pairs = [
            (identifier, greeting.1),
            (identifier, question.0),
            (greeting.1, question.0),
            (secret, question.1),
            (secret, parting.0),
            (question.1, parting.0),
            (parting.0, parting.1),
        ];
        Some(pairs.iter().map(|(from, to)| to.saturating_duration_since(*from).as_secs_f64()).collect())
    }
}

/// A call in which `identifier` is keyed, and a secret where it is asked for; `None` where a busy machine made something
/// else of it.
fn listen(server: &Server, identifier: &str) -> Option<Vec<f64>> {
    let mut caller = Caller::new(server.loopback.ip().into(), server.loopback.sip());
    let call = caller.begin(WITH_KEYS);
    let mut listening = Listening::default();
    let mut converse = || {
        listening.hear(&caller, 1, |_, _| true)?;
        listening.key(&caller, &call, identifier);
        listening.hear(&caller, 2, |lasted, _| lasted > Duration::from_millis(300))?;
        listening.key(&caller, &call, "1357");
        listening.hear(&caller, 3, |_, silent| silent > PAUSE)?;
        listening.intervals()
    };
    let intervals = converse();
    caller.end(&call);
    intervals
}

/// So many calls of both sorts, in turn: the intervals of each.
fn measure(server: &Server, calls: usize) -> [Vec<Vec<f64>>; 2] {
    let left = Mutex::new((0..2 * calls).map(|nth| if nth % 2 == 0 { SOMEBODY } else { NOBODY }));
    let heard = Mutex::new(BTreeMap::<&str, Vec<Vec<f64>>>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(2 * calls) {
            scope.spawn(|| {
                loop {
                    let Some(identifier) = left.lock().expect("no panic").next() else { return };
                    let intervals = listen(server, identifier);
                    heard.lock().expect("no panic").entry(identifier).or_default().extend(intervals);
                }
            });
        }
    });
    let mut heard = heard.into_inner().expect("no panic");
    [SOMEBODY, NOBODY].map(|sort| {
        let heard = heard.remove(sort).unwrap_or_default();
        assert!(heard.len() >= calls * 9 / 10, "{} of {calls} calls went as they should", heard.len());
        heard
    })
}

/// The p-value of each interval.
fn p_values([somebody, nobody]: &[Vec<Vec<f64>>; 2]) -> Vec<f64> {
    let nth = |calls: &[Vec<f64>], nth: usize| calls.iter().map(|call| call[nth]).collect::<Vec<f64>>();
    let of = |interval| rank::p_value(&nth(somebody, interval), &nth(nobody, interval));
    (0..somebody[0].len()).map(of).collect()
}

/// The smallest of several p-values, as if it were the only one (Bonferroni's).
fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(1.0, f64::min) * values.len() as f64
}

/// By chance one measurement in twenty finds a difference where there is none: it is then taken once more, anew.
#[test]
fn callers_cannot_hear_whether_an_identifier_is_somebodys() {
    let server = server("conceal_unknown = { answers_after = \"1s\" }");
    let measured = (0..2).map(|_| p_values(&measure(&server, CALLS)));
    let found: Vec<Vec<f64>> = measured.take_while(|values| smallest(values) <= 0.05).collect();
    assert!(found.len() < 2, "{found:?}");
}

/// How long after their identifier callers hear the next word; what is heard at once is the end of the greeting.
fn delay(server: &Server, identifier: &str) -> f64 {
    let mut caller = Caller::new(server.loopback.ip().into(), server.loopback.sip());
    let call = caller.begin(WITH_KEYS);
    let mut listening = Listening::default();
    listening.hear(&caller, 1, |_, _| true).expect("a greeting");
    listening.key(&caller, &call, identifier);
    let keyed = listening.keyed[0];
    let after = |instant: Instant| instant.saturating_duration_since(keyed);
    while after(listening.sounds.last().expect("a sound").1) <= Duration::from_millis(100) {
        listening.hear(&caller, 1, |_, _| true).expect("an answer");
    }
    caller.end(&call);
    after(listening.sounds.last().expect("a sound").1).as_secs_f64()
}

#[test]
fn without_the_setting_a_few_calls_are_enough_to_hear_it() {
    let server = server("");
    let [somebody, nobody] = [SOMEBODY, NOBODY].map(|identifier| -> Vec<f64> {
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..25).map(|_| scope.spawn(|| delay(&server, identifier))).collect();
            calls.into_iter().map(|call| call.join().expect("no panic")).collect()
        })
    });
    let p = rank::p_value(&somebody, &nobody);
    assert!(p < 1e-4, "{p}: {somebody:?} {nobody:?}");
}
