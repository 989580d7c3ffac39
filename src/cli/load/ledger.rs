//! What became of the calls: counted while they are under way, told as text and as JSON in the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::histogram::Histogram;
use super::stream::{Heard, Timings};
use crate::rtp::quality::opinion;

/// Version of the JSON object.
const VERSION: u32 = 1;
/// One packet out and one in, for one call.
const CALL_TICK: Duration = Duration::from_millis(20);
/// A call that had sound for at least this long and heard none has failed. One that is shorter may have had no time to.
const SOUND_WITHIN: Duration = Duration::from_secs(1);
/// If we ourselves are later than this with one packet in a hundred, the figures are ours as much as the server's.
const OWN_LATENESS_MS_MAX: f64 = 5.0;

/// How a call ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The other side hung up.
    ByPeer,
    /// Its time was up, and we hung up.
    ByUs,
    /// The user interrupted before there was an answer.
    Abandoned,
}

/// A figure over time, for the chart: when, and the half and 99 % of it then, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// After the first call was placed.
    pub at: Duration,
    /// Half of it does not exceed this.
    pub half: f64,
    /// 99 % of it does not exceed this.
    pub most: f64,
}

/// The processor time of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// In all.
    pub whole: Duration,
    /// In the time in which no call began or ended.
    pub steady: Duration,
    /// How long calls were up in that time, all of them together.
    pub steady_calls: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Whom the calls went to, as it was said.
    pub target: String,
    /// How long it took.
    pub lasted: Duration,
    /// Calls whose INVITE went out, or should have.
    pub placed: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Calls that were handed over by REFER.
    pub handed_over: usize,
    /// Calls that are up.
    pub up: usize,
    /// The most that were up at a time.
    pub up_max: usize,
    /// When each answer came, and how long after its INVITE.
    pub set_ups: Vec<(Duration, Duration)>,
    /// How late INVITEs went out.
    pub placed_late: Histogram,
    /// How late packets came, by the second.
    pub pacing: Vec<Point>,
    /// The server's processor time, where it is known.
    pub spent: Option<Spent>,
    timings: Timings,
    endings: [usize; 3],
    failures: BTreeMap<String, usize>,
    heard: Vec<Heard>,
    /// The shortest time from a request to the answer to it: no round trip is longer.
    exchange: Option<Duration>,
}

impl Ledger {
    /// Of calls to `target`, as it was said, none of which is placed yet.
    pub fn new(target: String) -> Self {
        Self { target, ..Self::default() }
    }

    /// Counts an answer that came `at` this time, `took` after its INVITE.
    pub fn answer(&mut self, at: Duration, took: Duration) {
        self.answered += 1;
        self.up += 1;
        self.up_max = self.up_max.max(self.up);
        self.set_ups.push((at, took));
        self.exchange(took);
    }

    /// Takes note of how long a request waited for its answer.
    pub fn exchange(&mut self, took: Duration) {
        self.exchange = Some(self.exchange.map_or(took, |least| least.min(took)));
    }

    /// Counts a call that has failed.
    pub fn fail(&mut self, cause: impl Into<String>) {
        *self.failures.entry(cause.into()).or_default() += 1;
    }

    /// Counts a call that is over: how it ended, or why it failed; and what was heard, where it was answered.
    pub fn finish(&mut self, end: Result<Ending, String>, heard: Option<Heard>) {
        let silent = heard.is_some_and(|heard| heard.received == 0 && heard.lasted >= SOUND_WITHIN);
        match end {
            Ok(_) if silent => self.fail("no sound came"),
            Ok(ending) => self.endings[ending as usize] += 1,
            Err(cause) => self.fail(cause),
        }
        self.heard.extend(heard.filter(|heard| heard.received > 0));
    }

    /// Adds what was timed in the second before `at`.
    pub fn time(&mut self, at: Duration, timings: &Timings) {
        let point = timings.pacing.quantile(0.5).zip(timings.pacing.quantile(0.99));
        self.pacing.extend(point.map(|(half, most)| Point { at, half, most }));
        self.timings.merge(timings);
    }

    /// How many calls have failed.
    pub fn failed(&self) -> usize {
        self.failures.values().sum()
    }

    fn ended(&self, ending: Ending) -> usize {
        self.endings[ending as usize]
    }

    fn set_up(&self) -> Histogram {
        let mut times = Histogram::default();
        self.set_ups.iter().for_each(|(_, took)| times.record(*took));
        times
    }

    fn lost(&self) -> u64 {
        self.heard.iter().map(|heard| heard.lost).sum()
    }

    fn expected(&self) -> u64 {
        self.heard.iter().map(|heard| heard.received).sum::<u64>() + self.lost()
    }

    fn loss_percent(&self) -> f64 {
        if self.expected() == 0 { 0.0 } else { self.lost() as f64 * 100.0 / self.expected() as f64 }
    }

    /// The opinions of all calls, the worst first.
    fn opinions(&self) -> Vec<f64> {
        let round_trip = self.exchange.unwrap_or_default();
        let of = |heard: &Heard| opinion(heard.missing(), round_trip, heard.jitter, CALL_TICK);
        let mut opinions: Vec<f64> = self.heard.iter().map(of).collect();
        opinions.sort_by(f64::total_cmp);
        opinions
    }

    fn is_own_fault(&self) -> bool {
        self.timings.own_lateness.quantile(0.99).is_some_and(|late| late > OWN_LATENESS_MS_MAX)
    }

    /// Everything, for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let mut line = |name: &str, words: String| {
            let _ = writeln!(out, "{name:<11}{words}");
        };
        line("calls", self.calls_text());
        line("ended", self.ends_text());
        line("set-up", format!("{} (INVITE to 200)", spread(&self.set_up())));
        let hurt = self.heard.iter().filter(|heard| heard.lost > 0).count();
        line(
            "loss",
            format!(
                "{} of {} packets ({:.3} %), in {hurt} calls",
                self.lost(),
                self.expected(),
                self.loss_percent()
            ),
        );
        line("pacing", format!("{} (after the grid of 20 ms)", spread(&self.timings.pacing)));
        line("jitter", format!("{} (RFC 3550)", spread(&self.timings.jitter)));
        line("MOS", self.opinions_text());
        let failures = self.failures.iter().map(|(cause, count)| format!("{count} {cause}"));
        let failures = failures.collect::<Vec<_>>().join("; ");
        line("failures", if failures.is_empty() { "none".to_owned() } else { failures });
        line("ourselves", self.ourselves_text());
        if let Some(spent) = &self.spent {
            line("server", self.spent_text(spent));
        }
        if self.is_own_fault() {
            line("", "we were late ourselves: use more `--threads`, or a machine of our own".to_owned());
        }
        out
    }

    fn calls_text(&self) -> String {
        format!(
            "{} placed to {} in {:.1} s, {} answered, {} failed, up to {} at a time",
            self.placed,
            self.target,
            self.lasted.as_secs_f64(),
            self.answered,
            self.failed(),
            self.up_max,
        )
    }

    fn ends_text(&self) -> String {
        format!(
            "{} by the other side, {} by us, {} before an answer; {} handed over",
            self.ended(Ending::ByPeer),
            self.ended(Ending::ByUs),
            self.ended(Ending::Abandoned),
            self.handed_over,
        )
    }

    fn opinions_text(&self) -> String {
        let opinions = self.opinions();
        let Some(worst) = opinions.first() else { return "no call had sound".to_owned() };
        format!(
            "mean {:.2}  worst 1 % below {:.2}  worst {worst:.2} (G.107, by loss and delay)",
            mean(&opinions),
            opinions[opinions.len() / 100],
        )
    }

    fn ourselves_text(&self) -> String {
        let Timings { own_lateness, sent, unsent, .. } = &self.timings;
        format!(
            "sound sent late {}; INVITEs sent late {}; {sent} packets sent, {unsent} not taken",
            spread(own_lateness),
            spread(&self.placed_late)
        )
    }

    fn spent_text(&self, spent: &Spent) -> String {
        let mut text = format!("{:.2} s of CPU", spent.whole.as_secs_f64());
        if let Some(ms) = self.ms_per_call(spent) {
            let _ = write!(text, ", {ms:.2} ms for each call that was answered");
        }
        match us_per_call_tick(spent) {
            Some(us) => {
                let calls = spent.steady_calls.as_secs_f64();
                let _ = write!(text, "; {us:.2} µs for each packet out and in, over {calls:.0} s of calls");
                text.push_str(" while none began or ended");
            }
            None => text.push_str("; calls began or ended all the time, so that no packet's share is known"),
        }
        text
    }

    fn ms_per_call(&self, spent: &Spent) -> Option<f64> {
        (self.answered > 0).then(|| spent.whole.as_secs_f64() * 1e3 / self.answered as f64)
    }

    /// Everything, for programs.
    pub fn to_json(&self) -> Value {
        let opinions = self.opinions();
        json!({
            "version": VERSION,
            "target": self.target,
            "seconds": self.lasted.as_secs_f64(),
            "calls": {
                "placed": self.placed,
                "answered": self.answered,
                "failed": self.failed(),
                "abandoned": self.ended(Ending::Abandoned),
                "at_a_time": self.up_max,
                "handed_over": self.handed_over,
                "ended_by_peer": self.ended(Ending::ByPeer),
                "ended_by_us": self.ended(Ending::ByUs),
            },
            "failures": self.failures,
            "set_up_ms": to_json(&self.set_up()),
            "packets": {
                "sent": self.timings.sent,
                "not_taken": self.timings.unsent,
                "received": self.timings.received,
                "lost": self.lost(),
                "lost_percent": self.loss_percent(),
            },
            "pacing_ms": to_json(&self.timings.pacing),
            "jitter_ms": to_json(&self.timings.jitter),
            "mos": (!opinions.is_empty()).then(|| json!({
                "mean": mean(&opinions),
                "worst_percent": opinions[opinions.len() / 100],
                "worst": opinions[0],
            })),
            "ourselves": {
                "sound_late_ms": to_json(&self.timings.own_lateness),
                "invites_late_ms": to_json(&self.placed_late),
                "too_late": self.is_own_fault(),
            },
            "server": self.spent.map(|spent| json!({
                "cpu_seconds": spent.whole.as_secs_f64(),
                "cpu_ms_per_call": self.ms_per_call(&spent),
                "cpu_us_per_call_tick": us_per_call_tick(&spent),
            })),
        })
    }
}

fn us_per_call_tick(spent: &Spent) -> Option<f64> {
    let ticks = spent.steady_calls.as_secs_f64() / CALL_TICK.as_secs_f64();
    (ticks > 0.0).then(|| spent.steady.as_secs_f64() * 1e6 / ticks)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn spread(times: &Histogram) -> String {
    let [Some(half), Some(most), Some(nearly), Some(max)] = quantiles(times) else {
        return "never".to_owned();
    };
    format!("p50 {half:.2}  p99 {most:.2}  p99.9 {nearly:.2}  max {max:.2} ms")
}

fn quantiles(times: &Histogram) -> [Option<f64>; 4] {
    [times.quantile(0.5), times.quantile(0.99), times.quantile(0.999), times.max()]
}

fn to_json(times: &Histogram) -> Value {
    let [half, most, nearly, max] = quantiles(times);
    json!({ "p50": half, "p90": times.quantile(0.9), "p99": most, "p99_9": nearly, "max": max })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn heard(received: u64, lost: u64) -> Heard {
        Heard { received, lost, lasted: SECOND * 2, ..Heard::default() }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger { target: "sip:1000@host".to_owned(), placed: 5, ..Ledger::default() };
        for ms in [10, 20, 30] {
            ledger.answer(SECOND, Duration::from_millis(ms));
        }
        ledger.finish(Ok(Ending::ByUs), Some(heard(100, 0)));
        ledger.finish(Ok(Ending::ByPeer), Some(heard(90, 10)));
        ledger.finish(Ok(Ending::ByUs), Some(heard(0, 0)));
        ledger.finish(Err("refused with 503".to_owned()), None);
        ledger.finish(Ok(Ending::Abandoned), None);
        let mut timings = Timings { sent: 7, ..Timings::default() };
        timings.pacing.record(Duration::from_micros(1500));
        ledger.time(SECOND, &timings);
        ledger
    }

    #[test]
    fn calls_are_counted_once_each() {
        let ledger = ledger();
        let told = ledger.to_json();
        let calls = &told["calls"];
        let counts = ["answered", "failed", "abandoned", "ended_by_peer", "ended_by_us", "at_a_time"];
        assert_eq!(counts.map(|name| calls[name].as_u64()), [3, 2, 1, 1, 1, 3].map(Some));
        assert_eq!(told["failures"], json!({ "no sound came": 1, "refused with 503": 1 }));
        assert_eq!((&told["packets"]["lost"], &told["packets"]["lost_percent"]), (&json!(10), &json!(5.0)));
        assert_eq!((&told["set_up_ms"]["max"], &told["pacing_ms"]["max"]), (&json!(30.0), &json!(1.5)));
        assert_eq!(ledger.pacing, [Point { at: SECOND, half: 1.5, most: 1.5 }]);
        let worst = told["mos"]["worst"].as_f64().expect("a call had sound");
        assert!(worst < 3.5 && told["mos"]["mean"].as_f64() > Some(3.5), "{worst}");
        assert_eq!(told["server"], Value::Null);
    }

    #[test]
    fn the_servers_processor_time_is_shared_out() {
        let mut ledger = ledger();
        let spent = Spent { whole: SECOND * 3, steady: SECOND, steady_calls: SECOND * 2000 };
        ledger.spent = Some(spent);
        let told = ledger.to_json();
        assert_eq!(
            (&told["server"]["cpu_ms_per_call"], &told["server"]["cpu_us_per_call_tick"]),
            (&json!(1000.0), &json!(10.0))
        );
        assert!(ledger.text().contains("10.00 µs for each packet out and in, over 2000 s of calls"));
        ledger.spent = Some(Spent { steady_calls: Duration::ZERO, ..spent });
        assert_eq!(ledger.to_json()["server"]["cpu_us_per_call_tick"], Value::Null);
    }

    #[test]
    fn a_run_in_which_nothing_was_answered_is_told_too() {
        let mut ledger = Ledger { placed: 1, ..Ledger::default() };
        ledger.fail("refused with 404");
        let text = ledger.text();
        for words in ["set-up     never", "1 refused with 404", "no call had sound", "0 of 0 packets"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("late ourselves"));
        assert_eq!(ledger.to_json()["mos"], Value::Null);
    }

    #[test]
    fn our_own_lateness_is_confessed() {
        let (mut ledger, mut timings) = (ledger(), Timings::default());
        timings.own_lateness.record(Duration::from_millis(6));
        ledger.time(SECOND, &timings);
        assert!(ledger.text().contains("we were late ourselves"));
        assert_eq!(ledger.to_json()["ourselves"]["too_late"], json!(true));
    }
}
