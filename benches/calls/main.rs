//! The whole product under load, on loopback: the program itself as the server, and this one as its callers.
//!
//! `cargo bench --bench calls -- --calls 300 --seconds 20 --set-ups 500`. Says for each target whether it was met,
//! and what a bare sender makes of the same machine right afterwards; it never fails for a slow machine.
//! docs/benchmarks.md tells what the figures mean.
#![expect(clippy::disallowed_methods, reason = "shell: a benchmark measures time")]

mod figures;
mod floor;
mod pace;
#[path = "../program/recording.rs"]
mod recording;
mod server;
#[path = "../program/serving.rs"]
mod serving;
mod signalling;
mod sound;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portero::sdp;
use portero::sip::{DialogId, Event};

use figures::{Sound, Times};
use floor::{Floor, Spent};
use server::Server;
use signalling::Signalling;
use sound::{Nanos, Phones};

/// Quick calls that are under way at a time.
const AT_A_TIME: usize = 10;
/// Time between two calls that are to stay, and between two of their keys.
const PACE: Duration = Duration::from_millis(10);
/// Time for what is under way to come to rest.
const REST: Duration = Duration::from_secs(1);
/// The longest that all calls together may take to be answered, or to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// The first of the ports that callers hear at.
const PORT_BASE: u16 = 10_000;

const FIRST_PROMPT_MS: f64 = 20.0;
const BARGE_IN_MS: f64 = 30.0;
const IN_TIME_PERCENT: f64 = 99.9;

/// How much to measure.
struct Extent {
    calls: usize,
    seconds: u64,
    set_ups: usize,
    /// Set-ups a second, and for how many seconds; 0: none.
    rate: u64,
    rate_seconds: u64,
}

fn main() -> Result<()> {
    let extent = Extent {
        calls: argument("--calls", 300)? as usize,
        seconds: argument("--seconds", 20)?,
        set_ups: argument("--set-ups", 500)? as usize,
        rate: argument("--rate", 2000)?,
        rate_seconds: argument("--rate-seconds", 5)?,
    };
    // Addresses of this run's own, so that two runs on one machine do not meet.
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let (ours, theirs) = (Ipv4Addr::new(127, 78, high, low), Ipv4Addr::new(127, 77, high, low));
    println!("{} calls for {} s; load average {}", extent.calls, extent.seconds, load_average()?);

    let greeting = Duration::from_secs(extent.seconds) + PACE * 2 * extent.calls as u32 + 5 * REST;
    let server = Server::start(theirs, ours, extent.calls, greeting)?;
    let mut signalling = Signalling::open(ours, server.sip())?;
    set_ups(&server, &mut signalling, ours, extent.set_ups)?;
    if extent.rate > 0 {
        pace::measure(&server, &mut signalling, ours, extent.rate, extent.rate_seconds)?;
    }
    if extent.calls == 0 {
        return Ok(());
    }
    let idle_kib = server.resident_kib()?;
    let held = hold(&server, &mut signalling, ours, &extent)?;
    let held_kib = held.resident_kib.saturating_sub(idle_kib);
    drop((server, signalling));
    let (floor, spent) = floor(ours, theirs, &extent)?;
    report(&extent, &held, held_kib, &floor, spent);
    println!("load average afterwards {}", load_average()?);
    Ok(())
}

fn argument(name: &str, usual: u64) -> Result<u64> {
    let value = std::env::args().skip_while(|argument| argument != name).nth(1);
    value.map_or(Ok(usual), |value| value.parse().with_context(|| format!("{name} {value}")))
}

fn load_average() -> Result<String> {
    let all = std::fs::read_to_string("/proc/loadavg")?;
    Ok(all.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// Calls that are hung up as soon as they are answered.
fn set_ups(server: &Server, signalling: &mut Signalling, ip: Ipv4Addr, total: usize) -> Result<()> {
    // Nothing reads what is played to it.
    let ear = UdpSocket::bind((ip, PORT_BASE))?;
    let (cpu, began, deadline) = (server.cpu()?, Instant::now(), Instant::now() + PATIENCE);
    let mut called: HashMap<DialogId, Instant> = HashMap::new();
    let (mut placed, mut ended, mut answers) = (0, 0, Vec::new());
    while ended < total {
        while placed < total && placed - ended < AT_A_TIME {
            called.insert(signalling.call(ear.local_addr()?)?, Instant::now());
            placed += 1;
        }
        let (_, events) = signalling.wait(deadline)?.context("every quick call ends")?;
        for event in events {
            match event {
                Event::Answered(dialog, _) => {
                    answers.extend(called.get(&dialog).map(|at| at.elapsed().as_secs_f64() * 1e3));
                    signalling.hang_up(dialog)?;
                }
                Event::Ended(..) => ended += 1,
                _ => {}
            }
        }
    }
    let spent = began.elapsed();
    // Their records are written a moment later, and count as well.
    std::thread::sleep(REST);
    let cpu = server.cpu()?.saturating_sub(cpu);
    println!(
        "set-up        {:.0} calls/s, {AT_A_TIME} at a time, answered after {}; {:.2} ms of CPU each, with hang-up and record",
        total as f64 / spent.as_secs_f64(),
        answers.into_iter().collect::<Times>(),
        cpu.as_secs_f64() * 1e3 / total as f64,
    );
    Ok(())
}

/// What came of the calls that stayed.
struct Held {
    first_prompts: Times,
    barge_ins: Times,
    sound: Sound,
    cpu: Duration,
    resident_kib: u64,
    /// Packets of the callers that the server missed.
    missed: u64,
}

/// Calls that all stay, hear a prompt, press a key in the end and hang up.
fn hold(server: &Server, signalling: &mut Signalling, ip: Ipv4Addr, extent: &Extent) -> Result<Held> {
    let phones = Phones::start();
    let (dialogs, acknowledged) = answer_all(signalling, &phones, ip, extent.calls)?;
    pass(signalling, REST)?;
    let (begin, cpu) = (sound::now(), server.cpu()?);
    pass(signalling, Duration::from_secs(extent.seconds))?;
    let (end, cpu, resident_kib) = (sound::now(), server.cpu()?.saturating_sub(cpu), server.resident_kib()?);
    for call in 0..dialogs.len() {
        phones.press(call)?;
        pass(signalling, PACE)?;
    }
    pass(signalling, REST)?;
    for (call, dialog) in dialogs.into_iter().enumerate() {
        phones.mute(call)?;
        signalling.hang_up(dialog)?;
        pass(signalling, PACE / 2)?;
    }
    pass(signalling, REST)?;
    let missed = server.counter("portero_rtp_packets_lost_total")?;
    let traces = phones.finish()?;
    Ok(Held {
        first_prompts: figures::first_prompts(&traces, &acknowledged),
        barge_ins: figures::barge_ins(&traces),
        sound: figures::judge(&traces, begin, end),
        cpu,
        resident_kib,
        missed,
    })
}

/// Places the calls and connects them in the order of their answers; tells their dialogs and when each ACK was sent.
fn answer_all(
    signalling: &mut Signalling,
    phones: &Phones,
    ip: Ipv4Addr,
    calls: usize,
) -> Result<(Vec<DialogId>, Vec<Nanos>)> {
    let deadline = Instant::now() + PATIENCE;
    let (mut waiting, mut dialogs, mut acknowledged) = (HashMap::new(), Vec::new(), Vec::new());
    let mut next = Instant::now();
    let mut placed = 0;
    while dialogs.len() < calls {
        if placed < calls && Instant::now() >= next {
            let socket = sound::open(port(ip, placed))?;
            waiting.insert(signalling.call(socket.local_addr()?)?, socket);
            placed += 1;
            next += PACE;
        }
        anyhow::ensure!(Instant::now() < deadline, "{} of {calls} calls were answered", dialogs.len());
        let Some((at, events)) = signalling.wait(if placed < calls { next } else { deadline })? else {
            continue;
        };
        for event in events {
            match event {
                Event::Answered(dialog, answer) => {
                    let socket = waiting.remove(&dialog).context("a call is answered once")?;
                    phones.connect(socket, sdp::read_answer(&answer)?.remote)?;
                    dialogs.push(dialog);
                    acknowledged.push(at);
                }
                Event::Ended(_, cause) => bail!("a call ended before its time: {cause:?}"),
                _ => {}
            }
        }
    }
    Ok((dialogs, acknowledged))
}

/// Lets time pass. What comes of SIP meanwhile is answered.
fn pass(signalling: &mut Signalling, time: Duration) -> Result<()> {
    let deadline = Instant::now() + time;
    while signalling.wait(deadline)?.is_some() {}
    Ok(())
}

fn port(ip: Ipv4Addr, call: usize) -> SocketAddr {
    (ip, PORT_BASE + 2 * call as u16).into()
}

/// The same callers, to whom a bare thread sends.
fn floor(ours: Ipv4Addr, theirs: Ipv4Addr, extent: &Extent) -> Result<(Sound, Spent)> {
    let callers: Vec<SocketAddr> = (0..extent.calls).map(|call| port(ours, call)).collect();
    let sockets = callers.iter().map(|address| sound::open(*address)).collect::<Result<Vec<_>>>()?;
    let (floor, remotes) = Floor::start(theirs, &callers)?;
    let phones = Phones::start();
    for (socket, remote) in sockets.into_iter().zip(remotes) {
        phones.connect(socket, remote)?;
    }
    std::thread::sleep(REST);
    let begin = sound::now();
    std::thread::sleep(Duration::from_secs(extent.seconds));
    let end = sound::now();
    std::thread::sleep(REST / 10);
    let spent = floor.finish()?;
    Ok((figures::judge(&phones.finish()?, begin, end), spent))
}

fn report(extent: &Extent, held: &Held, held_kib: u64, floor: &Sound, spent: Spent) {
    let all = |times: &Times, limit: f64| times.len() == extent.calls && times.max() <= limit;
    let sound = &held.sound;
    let whole = sound.lost + sound.skipped == 0 && sound.silent == 0;
    let timed = sound.deviations.in_time() >= IN_TIME_PERCENT;
    let calls = extent.calls as f64;
    let packets = calls * extent.seconds as f64 * 50.0;
    let each = held.cpu.as_secs_f64() * 1e6 / packets;
    let each_floor = spent.cpu.as_secs_f64() * 1e6 / spent.packets as f64;
    println!(
        "first prompt  {} after the ACK; target {FIRST_PROMPT_MS} ms: {}",
        held.first_prompts,
        verdict(all(&held.first_prompts, FIRST_PROMPT_MS)),
    );
    println!(
        "barge-in      {} to the first packet of silence; target {BARGE_IN_MS} ms: {}",
        held.barge_ins,
        verdict(all(&held.barge_ins, BARGE_IN_MS)),
    );
    println!("packets       {}; target none lost: {}", count(sound), verdict(whole));
    println!("  upstream    {} lost of what the callers sent", held.missed);
    println!("  floor       {}", count(floor));
    println!("timing        {}; target {IN_TIME_PERCENT} %: {}", timing(sound), verdict(timed));
    println!("  floor       {}", timing(floor));
    println!(
        "CPU           {:.4} % of a core per call, {each:.2} µs per packet out and in",
        held.cpu.as_secs_f64() * 100.0 / extent.seconds as f64 / calls,
    );
    println!("  floor       {each_floor:.2} µs; the server takes {:.2} times that", each / each_floor);
    println!("memory        {:.1} KiB per call", held_kib as f64 / calls);
}

fn count(sound: &Sound) -> String {
    let Sound { expected, received, lost, skipped, silent, .. } = sound;
    format!(
        "{expected} expected, {received} received, {lost} lost, {skipped} never sent, {silent} calls silent"
    )
}

fn timing(sound: &Sound) -> String {
    let deviations = &sound.deviations;
    let [most, nearly, max] = [0.99, 0.999, 1.0].map(|share| deviations.quantile(share));
    let in_time = deviations.in_time();
    format!("{in_time:.3} % within 5 ms; p99 {most:.2}  p99.9 {nearly:.2}  max {max:.2} ms")
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}
