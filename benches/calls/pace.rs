//! Set-ups at a fixed pace, whether or not the server keeps up: the answer times of a server that falls behind grow,
//! and are not hidden by callers who wait for it (an open loop). The server has one processor, the callers another.

use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portero::sip::{DialogId, EndCause, Event};

use crate::figures::Times;
use crate::server::Server;
use crate::signalling::Signalling;
use crate::{PORT_BASE, REST, verdict};

/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// SIP transactions of one set-up that the server keeps for 32 s after their end: the INVITE's and the BYE's.
const TRANSACTIONS: usize = 2;
/// What comes to the server in one set-up, in bytes, and what goes from it: INVITE, ACK, BYE; 200, 200.
const IN_BYTES: [usize; 3] = [650, 400, 400];
const OUT_BYTES: [usize; 2] = [800, 350];
/// Set-ups of the floor.
const FLOOR_SET_UPS: u32 = 20_000;

const ANSWER_P99_MS: f64 = 20.0;
const CPU_MS: f64 = 0.20;

/// What came of it.
struct Paced {
    answers: Times,
    failed: usize,
    /// Calls that were placed later than they should have been, by a millisecond or more.
    late: usize,
    /// From the first call to the last one's end.
    spent: Duration,
}

/// Measures `rate` set-ups a second for this long, and prints the figures.
pub fn measure(
    server: &Server,
    signalling: &mut Signalling,
    ip: Ipv4Addr,
    rate: u64,
    seconds: u64,
) -> Result<()> {
    let total = (rate * seconds) as usize;
    // Nothing reads what is played to it.
    let ear = UdpSocket::bind((ip, PORT_BASE))?;
    pin(server.id(), 0)?;
    pin(std::process::id(), 1)?;
    let (cpu, threads, resident) = (server.cpu()?, server.cpu_by_thread()?, server.resident_kib()?);
    let paced = place(signalling, &ear, rate, total)?;
    // The records are written a moment later, and count as well.
    std::thread::sleep(REST);
    let per_call = |cpu: Duration| cpu.as_secs_f64() * 1e3 / total as f64;
    let cpu = per_call(server.cpu()?.saturating_sub(cpu));
    let grown = server.resident_kib()?.saturating_sub(resident);
    println!(
        "paced         {rate} set-ups/s for {seconds} s, server on one core: {} failed of {total}, over after {:.1} s, {} placed late",
        paced.failed,
        paced.spent.as_secs_f64(),
        paced.late,
    );
    let held = paced.failed == 0 && paced.answers.quantile(0.99) <= ANSWER_P99_MS;
    println!("  answered    {}; target p99 {ANSWER_P99_MS} ms: {}", paced.answers, verdict(held));
    let floor = floor(ip)?.as_secs_f64() * 1e3;
    println!(
        "  CPU         {cpu:.3} ms for each; target {CPU_MS} ms: {}; bare sockets {floor:.3} ms, {:.1} times that",
        verdict(cpu <= CPU_MS),
        cpu / floor,
    );
    let before = |name: &str| threads.get(name).copied().unwrap_or_default();
    for (name, spent) in server.cpu_by_thread()? {
        println!("    {name:<16}{:.3} ms", per_call(spent.saturating_sub(before(&name))));
    }
    println!(
        "  memory      {:.1} KiB for each set-up, {TRANSACTIONS} idle transactions included",
        grown as f64 / total as f64
    );
    pin_anywhere(server.id())?;
    pin_anywhere(std::process::id())
}

fn place(signalling: &mut Signalling, ear: &UdpSocket, rate: u64, total: usize) -> Result<Paced> {
    let (pace, rtp) = (Duration::from_secs(1) / rate as u32, ear.local_addr()?);
    let began = Instant::now();
    let mut called: HashMap<DialogId, Instant> = HashMap::with_capacity(total);
    let (mut placed, mut ended, mut failed, mut late, mut answers) = (0, 0, 0, 0, Vec::new());
    let deadline = began + pace * total as u32 + PATIENCE;
    while ended < total && Instant::now() < deadline {
        let mut due = began + pace * placed as u32;
        while placed < total && due <= Instant::now() {
            late += usize::from(due.elapsed() >= Duration::from_millis(1));
            // The time that a caller waits counts from when the call was due.
            called.insert(signalling.call(rtp)?, due);
            placed += 1;
            due += pace;
        }
        let Some((_, events)) = signalling.wait(if placed < total { due } else { deadline })? else {
            continue;
        };
        for event in events {
            match event {
                Event::Answered(dialog, _) => {
                    answers.extend(called.get(&dialog).map(|at| at.elapsed().as_secs_f64() * 1e3));
                    signalling.hang_up(dialog)?;
                }
                Event::Ended(_, cause) => {
                    ended += 1;
                    failed += usize::from(cause != EndCause::LocalBye);
                }
                _ => {}
            }
        }
    }
    let spent = began.elapsed();
    Ok(Paced { answers: answers.into_iter().collect(), failed: failed + total - ended, late, spent })
}

/// What the datagrams of one set-up cost a thread that has only to receive and send them: CPU of the answering side.
fn floor(ip: Ipv4Addr) -> Result<Duration> {
    let (answering, calling) = (UdpSocket::bind((ip, 0))?, UdpSocket::bind((ip, 0))?);
    answering.connect(calling.local_addr()?)?;
    calling.connect(answering.local_addr()?)?;
    let answerer = std::thread::spawn(move || -> Result<Duration> {
        let mut room = [0; 2048];
        let before = cpu_of_this_thread()?;
        for _ in 0..FLOOR_SET_UPS {
            answering.recv(&mut room)?;
            answering.send(&room[..OUT_BYTES[0]])?;
            answering.recv(&mut room)?;
            answering.recv(&mut room)?;
            answering.send(&room[..OUT_BYTES[1]])?;
        }
        Ok(cpu_of_this_thread()?.saturating_sub(before) / FLOOR_SET_UPS)
    });
    let mut room = [0; 2048];
    for _ in 0..FLOOR_SET_UPS {
        calling.send(&room[..IN_BYTES[0]])?;
        calling.recv(&mut room)?;
        calling.send(&room[..IN_BYTES[1]])?;
        calling.send(&room[..IN_BYTES[2]])?;
        calling.recv(&mut room)?;
    }
    answerer.join().ok().context("the floor came through")?
}

fn cpu_of_this_thread() -> Result<Duration> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = spent.split(' ').next().context("the time on a processor comes first")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// Gives a process, with all its threads, one processor.
fn pin(process: u32, processor: usize) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    taskset(process, &(processor % cores.max(1)).to_string())
}

fn pin_anywhere(process: u32) -> Result<()> {
    taskset(process, "0-1023")
}

fn taskset(process: u32, processors: &str) -> Result<()> {
    let said = Command::new("taskset").args(["-acp", processors, &process.to_string()]).output()?;
    ensure!(said.status.success(), "taskset: {}", String::from_utf8_lossy(&said.stderr));
    Ok(())
}
