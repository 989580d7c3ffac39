//! How long a large configuration takes to check and to start: 500 lines with four prompts each of their own.
//!
//! `cargo bench --bench start -- --lines 500 --seconds 3`. Recordings are WAV of 16 kHz and so many seconds. Each run is
//! timed as a whole process; `serve` until it says that it is ready. Told are seconds, and in brackets those of processor
//! time, which say more where the machine has other things to do. docs/benchmarks.md tells what the figures mean.
#![expect(clippy::disallowed_methods, reason = "shell: a benchmark measures time")]

#[path = "../program/recording.rs"]
mod recording;
#[path = "../program/serving.rs"]
mod serving;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// The prompts that each line has to itself.
const PROMPTS_A_LINE: usize = 4;

/// How often each thing is timed.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let (lines, seconds) = (option("--lines", 500)?, option("--seconds", 3)?);
    let folder = tempfile::tempdir()?;
    record(&folder.path().join("prompts"), lines, seconds)?;
    println!("{lines} lines, {} prompts of {seconds} s", lines * PROMPTS_A_LINE);
    for (name, codecs) in [("G.711", ""), ("G.711 and G.722", "codecs = [\"g722\", \"pcma\", \"pcmu\"]")] {
        let file = folder.path().join("portero.toml");
        fs::write(&file, configuration(folder.path(), lines, codecs)?)?;
        let times = |timed: fn(&Path) -> Result<Duration>| -> Result<String> {
            let round = |_| {
                let before = cpu()?;
                let spent = timed(&file)?;
                Ok(format!("{:.2} ({:.2})", spent.as_secs_f64(), cpu()?.saturating_sub(before).as_secs_f64()))
            };
            Ok((0..ROUNDS).map(round).collect::<Result<Vec<_>>>()?.join(", "))
        };
        println!("{name}: check {}; serve, to ready {}", times(check)?, times(serve)?);
    }
    Ok(())
}

/// The number behind this option.
fn option(name: &str, default: usize) -> Result<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(default),
        (Some(_), number) => {
            number.with_context(|| format!("{name} takes a number"))?.parse().context("a number")
        }
    }
}

/// The processor time of all runs so far.
fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(microseconds.unsigned_abs()))
}

fn check(file: &Path) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_portero")).arg("check").arg(file).output()?;
    let spent = began.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(spent)
}

fn serve(file: &Path) -> Result<Duration> {
    let began = Instant::now();
    let mut process = serving::serve(file, &file.with_extension("log"))?;
    let spent = began.elapsed();
    process.kill()?;
    process.wait()?;
    Ok(spent)
}

/// The shipped prompts, and four English ones for each line.
fn record(folder: &Path, lines: usize, seconds: usize) -> Result<()> {
    serving::copy_prompts(folder)?;
    let folder = folder.join("en");
    let own = |line| (0..PROMPTS_A_LINE).map(move |prompt| format!("own-{line}-{prompt}.wav"));
    (0..lines).flat_map(own).try_for_each(|name| recording::write(&folder.join(name), seconds * 16_000))
}

fn configuration(folder: &Path, lines: usize, codecs: &str) -> Result<String> {
    let folder = folder.display();
    let mut text = format!(
        r#"
[sip]
listen = "127.0.0.1:0"
[web]
listen = "127.0.0.1:0"
[records]
folder = "{folder}/data"
[prompts]
folder = "{folder}/prompts"
[back_end]
base_url = "http://127.0.0.1:9/"
[actions.customer_by_identifier]
path = "/c/{{{{ identifier }}}}"
[targets.agents]
uri = "sip:agents@pbx.example.com"
"#
    );
    for line in 0..lines {
        let own = |prompt: usize| format!("own-{line}-{prompt}");
        let (greeting, apology, ask, no_match) = (own(0), own(1), own(2), own(3));
        write!(
            text,
            r#"
[[lines]]
number = "{}"
identify_by_number = false
greeting = "{greeting}"
apology = "{apology}"
identifier.digits = 6
identifier.prompts.ask = "{ask}"
identifier.prompts.no_match = ["{no_match}"]
{codecs}
"#,
            10_000 + line
        )?;
    }
    Ok(text)
}
