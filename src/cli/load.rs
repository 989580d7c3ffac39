//! `portero load`: many calls at a time to one SIP server, each with sound both ways, and how well they fared.
//!
//! It is made for planning capacity: calls are placed by the clock, packets are timed by the kernel, and its own
//! lateness is told beside the server's. It calls only whom the user names, by UDP, and every run has an end.

mod chart;
mod histogram;
mod lane;
mod ledger;
mod plan;
mod process;
mod signalling;
mod stream;

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use self::ledger::Ledger;
use self::plan::{Numbers, Plan};
use self::signalling::{Load, Means};
use super::call::address::Address;
use super::call::script::Script;
use crate::net::dns::Dns;
use crate::progress;

/// Places many calls, each with sound both ways, and tells how they fared.
///
/// A REFER is accepted and reported as done, without calling its target. Ctrl-C hangs up on all calls and prints.
///
/// Exit code: 0 when all calls were answered and had sound, 1 when not.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to call, by UDP: `sip:line@host[:port]`
    #[arg(value_name = "ADDRESS")]
    to: String,
    /// Calls in all
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
    /// Calls to place a second
    #[arg(long, value_name = "CALLS", default_value = "10", value_parser = plan::parse_rate)]
    rate: f64,
    /// How long a call stays that nobody ends: `500ms`, `30s`, `2m`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = plan::parse_hold)]
    hold: Duration,
    /// The number to call from, or `anonymous`; `#` counts up: `+1202555####`
    #[arg(long, value_name = "NUMBER", default_value = "anonymous", value_parser = Numbers::parse)]
    from: Numbers,
    /// What every call does, step by step, as in `portero call`: such as `prompt,4711#`
    #[arg(long, value_name = "STEPS", default_value = "", hide_default_value = true)]
    keys: Script,
    /// Addresses of this machine to call from; several share the calls, and have more ports
    #[arg(long, value_name = "IP", value_delimiter = ',', value_parser = plan::parse_bind)]
    bind: Vec<IpAddr>,
    /// Ports for sound, of each address: one for each call at a time, the even ones
    #[arg(long, value_name = "FROM-TO", default_value = "30000-65535", value_parser = plan::parse_ports)]
    ports: RangeInclusive<u16>,
    /// Threads for sound, each on a processor of its own
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    /// The server's process on this machine, to tell its processor time
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Print one JSON object at the end instead of text
    #[arg(long)]
    json: bool,
    /// Draw latency over time into this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The name server to ask where the address leads, in place of the system's; may be said several times
    #[arg(long, value_name = "IP:PORT")]
    name_server: Vec<SocketAddr>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let Self { calls, rate, hold, from, ports, .. } = self;
        Plan { calls: *calls as usize, rate: *rate, hold: *hold, from: from.clone(), ports: ports.clone() }
    }

    fn means(&self) -> anyhow::Result<Means> {
        Ok(Means {
            to: Address::parse(&self.to)?,
            script: self.keys.clone(),
            bind: self.bind.clone(),
            threads: self.threads.into(),
            pid: self.pid,
            dns: Dns::new(&self.name_server),
        })
    }
}

/// Places the calls and tells how they fared.
///
/// # Errors
/// Where the run has no end or not enough to run with, or what it has drawn cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let plan = arguments.plan();
    process::raise_descriptors(plan.at_once())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ledger = runtime.block_on(place(arguments, plan))?;
    if let Some(file) = &arguments.svg {
        fs::write(file, chart::draw(&ledger)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let text = if arguments.json { format!("{}\n", ledger.to_json()) } else { ledger.text() };
    // A reader that has gone away is no fault of the calls.
    drop(io::stdout().lock().write_all(text.as_bytes()));
    let good = ledger.failed() == 0 && ledger.answered > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn place(arguments: &Arguments, plan: Plan) -> anyhow::Result<Ledger> {
    let calls = plan.calls;
    let load = Load::prepare(plan, arguments.means()?, arguments.to.clone()).await?;
    let shows = io::stderr().is_terminal();
    let ledger = load.run(|ledger| {
        if shows {
            progress::show(&told(ledger, calls));
        }
    });
    let ledger = ledger.await?;
    if shows {
        progress::show("");
    }
    Ok(ledger)
}

/// How far it is: calls that are placed, in a bar.
fn told(ledger: &Ledger, calls: usize) -> String {
    let bar = progress::bar(ledger.placed, calls);
    let (placed, up, failed) = (ledger.placed, ledger.up, ledger.failed());
    format!("{bar} {placed} of {calls} calls placed, {up} up, {failed} failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        crate::cli::arguments(line)
    }

    #[test]
    fn command_lines_are_read_or_refused() {
        let table = [
            ("sip:1000@127.0.0.1", true),
            (
                "sip:1000@h --calls 4000 --rate 100 --hold 2m --from +1202555#### --keys prompt,1# --pid 7",
                true,
            ),
            ("sip:1000@h --bind 127.0.0.1,127.0.0.2 --bind 127.0.0.3 --ports 40000-50000 --threads 2", true),
            ("sip:1000@h --json --svg chart.svg --name-server 127.0.0.1:53", true),
            ("sip:1000@h --calls 0", false),
            ("sip:1000@h --calls 1000001", false),
            ("sip:1000@h --rate 0", false),
            ("sip:1000@h --hold 2h", false),
            ("sip:1000@h --keys x", false),
            ("sip:1000@h --threads 0", false),
            ("sip:1000@h --bind 0.0.0.0", false),
            ("", false),
        ];
        for (line, good) in table {
            assert_eq!(parse(line).is_ok(), good, "{line:?}");
        }
        let arguments = parse("sip:1000@h --bind ::1,127.0.0.2 --calls 7").expect("a good command line");
        assert_eq!((arguments.bind.len(), arguments.plan().calls), (2, 7));
    }

    #[test]
    fn keys_do_not_show_in_debug() {
        let arguments = parse("sip:1000@127.0.0.1 --keys prompt,4711#").expect("a good command line");
        assert!(!format!("{arguments:?}").contains("4711"));
    }

    #[test]
    fn progress_is_told_in_a_line() {
        let mut ledger = Ledger::new("sip:1000@host".to_owned());
        (ledger.placed, ledger.up) = (50, 12);
        let line = told(&ledger, 100);
        assert!(line.ends_with(" 50 of 100 calls placed, 12 up, 0 failed"), "{line}");
        assert_eq!(line.matches('█').count(), line.matches('░').count());
    }
}
