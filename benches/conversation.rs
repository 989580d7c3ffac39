//! What a conversation itself costs: processor time of the flow for one call, without SIP, sound and back end. The
//! caller keys an identifier wrongly once, then rightly, then a secret, and is handed over; the demo's line 1000.
//!
//! `cargo bench --bench conversation`. docs/benchmarks.md tells what the figures mean.
#![expect(clippy::disallowed_methods, reason = "shell: a benchmark measures time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portero::config::{Configuration, Overrides};
use portero::flow::{
    Action, Answer, Customer, Event, Flow, HandOverEnd, Line, Matches, Opening, PlayId, Query, RequestId,
    Start, Step, Verdict,
};
use portero::secret::Digit;
use rand::SeedableRng;
use rand::rngs::StdRng;

const ROUNDS: usize = 5;
const CALLS: u32 = 20_000;

fn main() -> Result<()> {
    let demo = Configuration::demo(&Overrides::default());
    let line = demo.lines.first().context("the demo has a line")?;
    println!("round  us/call  events/call");
    for round in 1..=ROUNDS {
        let begun = Instant::now();
        let mut events = 0;
        for _ in 0..CALLS {
            events += call(line, begun)?;
        }
        let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS);
        println!("{round:>5}  {each:>7.1}  {:>11}", events / CALLS);
    }
    Ok(())
}

/// One call; tells how many events it took.
fn call(line: &Arc<Line>, now: Instant) -> Result<u32> {
    let start =
        Start { line: Arc::clone(line), ani: None, opening: Opening::Open, rng: StdRng::seed_from_u64(7) };
    let mut caller = Caller { flow: Flow::new(start, now), now, playing: None, asked: None, events: 0 };
    caller.note();
    caller.hear();
    caller.keys("99999999#");
    caller.answer(Answer::LookUp(Matches::None));
    caller.keys("10000001#");
    caller.answer(Answer::LookUp(Matches::One(Customer::new("10000001", Some("Zoë O'Connor")))));
    caller.hear();
    caller.keys("4711");
    caller.answer(Answer::Check(true));
    caller.hear();
    caller.tell(Event::HandedOver(HandOverEnd::Taken));
    ensure!(caller.flow.step() == Step::Ended, "the call comes to its end");
    ensure!(caller.flow.standing().verdict() == Verdict::Verified, "the caller is verified");
    Ok(caller.events)
}

struct Caller {
    flow: Flow,
    now: Instant,
    playing: Option<PlayId>,
    asked: Option<(RequestId, Query)>,
    events: u32,
}

impl Caller {
    fn tell(&mut self, event: Event) {
        self.events += 1;
        self.now += Duration::from_millis(100);
        self.flow.handle(event, self.now);
        self.note();
    }

    fn note(&mut self) {
        while let Some(action) = self.flow.poll_action() {
            match action {
                Action::Play(play) => self.playing = Some(play.id),
                Action::Ask(request) => self.asked = Some((request.id, request.query)),
                Action::StopPlaying | Action::Enter(_) | Action::HandOver(..) | Action::HangUp => {}
            }
        }
        std::hint::black_box(self.flow.poll_timeout());
    }

    fn hear(&mut self) {
        if let Some(play) = self.playing.take() {
            self.tell(Event::PlayEnded(play));
        }
    }

    fn keys(&mut self, keys: &str) {
        keys.chars().filter_map(Digit::from_char).for_each(|digit| self.tell(Event::Digit(digit)));
    }

    fn answer(&mut self, answer: Answer) {
        if let Some((request, _)) = self.asked.take() {
            self.tell(Event::Answered(request, answer));
        }
    }
}
