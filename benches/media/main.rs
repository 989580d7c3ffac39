//! The media plane against the floor: what the same packets cost a bare program that does nothing but send and
//! read them, measured in the same run, on the same processors, with the same peer.
//!
//! `cargo bench --bench media -- --calls 1000,3000,5000 --seconds 10 --rounds 1`. Each measurement has two processes
//! besides this one, so that neither program pays for the other's threads: the *engine*, which is the plane or the
//! floor, on the last processor, and the *peer*, which is all callers, on the one before. docs/benchmarks.md tells
//! what the figures mean. Afterwards 500 prompts are loaded, and timed.
#![expect(clippy::disallowed_methods, reason = "shell: a benchmark measures time")]

mod engine;
mod floor;
mod pacing;
mod peer;
mod processors;
mod prompts;
#[path = "../program/recording.rs"]
mod recording;

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use portero::srtp::{MasterKey, Suite};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The peer's sockets, which all calls share.
const PEER_SOCKETS: u16 = 64;
/// The first of the peer's ports, and of the engine's.
const PEER_PORT: u16 = 11_000;
const ENGINE_PORT: u16 = 12_000;
/// Time for what is under way to come to rest before anything is counted.
const REST: Duration = Duration::from_secs(1);

/// Whose packets are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sockets and nothing else.
    Floor,
    /// The same, with each socket connected to its peer, as the plane does where it can.
    JoinedFloor,
    Portero,
    /// The same, with packets encrypted both ways by AES-GCM.
    Sealed,
    /// As `Portero`, listening for keys in the callers' audio, who send none as events.
    Listening,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Floor, Self::JoinedFloor, Self::Portero, Self::Sealed, Self::Listening];

    fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::JoinedFloor => "joined-floor",
            Self::Portero => "portero",
            Self::Sealed => "sealed",
            Self::Listening => "listening",
        }
    }

    fn is_portero(self) -> bool {
        matches!(self, Self::Portero | Self::Sealed | Self::Listening)
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setup {
    kind: Kind,
    calls: u16,
    seconds: u64,
    /// Whether the kernel keeps audio back.
    filter: bool,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    setup: Setup,
    /// For a packet out and one in.
    cpu_micros: f64,
    memory_kib: f64,
    pacing: pacing::Summary,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("engine") => return engine::run(&Setup::read(&arguments[1..])?),
        Some("peer") => return peer::run(&Setup::read(&arguments[1..])?),
        _ => {}
    }
    let option = |name: &str, usual: &str| -> String {
        let value = arguments.iter().skip_while(|argument| *argument != name).nth(1);
        value.map_or(usual, String::as_str).to_owned()
    };
    let calls = option("--calls", "1000,3000,5000");
    let calls = calls.split(',').map(str::parse).collect::<Result<Vec<u16>, _>>().context("--calls")?;
    let seconds = option("--seconds", "10").parse().context("--seconds")?;
    let rounds: usize = option("--rounds", "1").parse().context("--rounds")?;
    println!("{:>12} {:>6} {:>7}  {}", "", "calls", "filter", Outcome::HEADING);
    for calls in calls {
        for filter in [false, true] {
            // Whoever listens for keys wants all of the audio.
            let kinds = if filter { &Kind::ALL[..4] } else { &Kind::ALL[..] };
            let mut costs: Vec<Vec<f64>> = Vec::new();
            for _ in 0..rounds {
                let mut round = Vec::new();
                for kind in kinds {
                    let outcome = measure(Setup { kind: *kind, calls, seconds, filter })?;
                    println!("{outcome}");
                    round.push(outcome.cpu_micros);
                }
                costs.push(round);
            }
            let medians: Vec<f64> =
                (0..kinds.len()).map(|kind| median(costs.iter().map(|round| round[kind]))).collect();
            println!("{:>27}  {:.2} times the floor", "", medians[2] / medians[0]);
            println!("{:>27}  {:.2} times as much with encryption", "", medians[3] / medians[2]);
            if let Some(listening) = medians.get(4) {
                println!("{:>27}  {:+.2} µs for listening", "", listening - medians[2]);
            }
        }
    }
    prompts::load()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Setup {
    fn read(words: &[String]) -> Result<Self> {
        let [kind, calls, seconds, filter] = words else { bail!("four words make a set-up") };
        Ok(Self {
            kind: Kind::ALL.into_iter().find(|known| known.name() == kind).context("a kind of engine")?,
            calls: calls.parse()?,
            seconds: seconds.parse()?,
            filter: filter.parse()?,
        })
    }

    fn words(&self) -> [String; 4] {
        [
            self.kind.name().to_owned(),
            self.calls.to_string(),
            self.seconds.to_string(),
            self.filter.to_string(),
        ]
    }
}

/// The one key of all calls, both ways: each has sources of its own.
fn key() -> MasterKey {
    MasterKey::draw(Suite::AeadAes128Gcm, &mut StdRng::seed_from_u64(1))
}

/// The peer's port that a call talks with.
fn peer_port(call: u16) -> u16 {
    PEER_PORT + (call / 20) % PEER_SOCKETS
}

/// A program of this benchmark's, with what it hears and says.
struct Role {
    process: Child,
    hears: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Role {
    fn start(role: &str, setup: &Setup) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(role)
            .args(setup.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let hears = process.stdin.take().context("it is piped")?;
        let says = BufReader::new(process.stdout.take().context("it is piped")?);
        Ok(Self { process, hears, says })
    }

    fn say(&mut self, word: &str) -> Result<()> {
        Ok(writeln!(self.hears, "{word}")?)
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.says.read_line(&mut line)? > 0, "a part of the benchmark ended before its time");
        Ok(line.trim().to_owned())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // A process that is gone already is as good as ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn measure(setup: Setup) -> Result<Outcome> {
    let mut peer = Role::start("peer", &setup)?;
    peer.hear().context("the peer's sockets")?;
    let mut engine = Role::start("engine", &setup)?;
    engine.hear().context("the engine is there")?;
    let process = engine.process.id();
    let idle_kib = processors::memory_kib(process)?;
    engine.say("go")?;
    engine.hear().context("the calls are up")?;
    peer.say("go")?;
    std::thread::sleep(REST);
    // The plane is one thread of its process; the floor is a process of one thread.
    let thread = setup.kind.is_portero().then_some("media-0");
    let before = processors::used_nanos(process, thread)?;
    std::thread::sleep(Duration::from_secs(setup.seconds));
    let used = processors::used_nanos(process, thread)? - before;
    let held_kib = processors::memory_kib(process)?.saturating_sub(idle_kib);
    // The engine is gone before the peer sums up, so that nothing is under way any more.
    drop(engine);
    peer.say("end")?;
    let ticks = f64::from(setup.calls) * setup.seconds as f64 * 50.0;
    Ok(Outcome {
        setup,
        cpu_micros: used as f64 / 1e3 / ticks,
        memory_kib: held_kib as f64 / f64::from(setup.calls),
        pacing: pacing::Summary::read(&peer.hear()?)?,
    })
}

impl Outcome {
    const HEADING: &str = "µs/tick   p50    p99  p99.9    max ms      lost  skipped  KiB/call";
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setup, cpu_micros, memory_kib, pacing } = self;
        let filter = if setup.filter { "on" } else { "off" };
        let name = setup.kind.name();
        write!(
            formatter,
            "{name:>12} {:>6} {filter:>7}  {cpu_micros:>7.2} {pacing}  {memory_kib:>8.1}",
            setup.calls
        )
    }
}
