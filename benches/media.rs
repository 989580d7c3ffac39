//! The media plane under load, on loopback: 300 calls that play prompts while audio comes in, for ten seconds.
//! Prints packets lost, how late they left and what a call costs; then how long 500 prompts take to load.
//! Numbers of calls and seconds can be given: `cargo bench --bench media -- 500 20`.
#![expect(clippy::disallowed_methods, reason = "shell: a benchmark measures time")]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use portero::audio::{Codec, Library, Prompt, Source};
use portero::media::{Command, Event, Figures, Origin, Parameters, PlayId, SessionId};
use portero::net::media::{MediaConfig, MediaPlane};
use portero::rtp::Header;
use tokio::sync::mpsc;

/// The first of the ports that the sessions bind.
const PORT_BASE: u16 = 20_000;
/// Packets that may leave later than this: one in a thousand.
const LATE: &str = "0.005";

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u16>().ok());
    let calls = numbers.next().unwrap_or(300);
    let seconds = numbers.next().unwrap_or(10);
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("portero_rtp_lateness_seconds".to_owned()),
            &[0.001, 0.002, 0.005, 0.01, 0.02],
        )?
        .install_recorder()?;
    carry(calls, Duration::from_secs(seconds.into()), &metrics)?;
    load()
}

/// Carries the calls and prints what came of it.
fn carry(calls: u16, span: Duration, metrics: &PrometheusHandle) -> Result<()> {
    let (sender, mut events) = mpsc::channel(4096);
    let plane = MediaPlane::start(&MediaConfig::default(), &sender)?;
    let peer = UdpSocket::bind("127.0.0.1:0")?;
    socket2::SockRef::from(&peer).set_recv_buffer_size(8 << 20)?;
    let prompt = Arc::new(Prompt::from_samples(&tone(8000 * span.as_secs() as usize)));
    for call in 0..calls {
        plane.send(SessionId(call.into()), open(call, peer.local_addr()?))?;
        plane.send(SessionId(call.into()), Command::Play(PlayId(1), vec![Arc::clone(&prompt)]))?;
    }
    for _ in 0..calls {
        match events.blocking_recv().context("the plane is running")?.1 {
            Event::OpenFailed(kind) => bail!("no port: {kind}"),
            event => anyhow::ensure!(event == Event::Opened, "{event:?} before the session was open"),
        }
    }
    let cpu_before = media_cpu();
    let began = Instant::now();
    let (received, heard) = exchange(&peer, calls, span)?;
    let spent = began.elapsed();
    let cpu = media_cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    for call in 0..calls {
        plane.send(SessionId(call.into()), Command::Close)?;
    }
    let mut totals = Figures::default();
    let mut ended = 0;
    while ended < calls {
        if let Event::Closed(figures) = events.blocking_recv().context("the plane is running")?.1 {
            ended += 1;
            totals.packets_sent += figures.packets_sent;
            totals.packets_received += figures.packets_received;
            totals.packets_lost += figures.packets_lost;
        }
    }
    println!("{calls} calls for {spent:.1?}");
    println!("  sent {} packets; the peer had read {heard} of them by then", totals.packets_sent);
    println!("  received {} of {received} packets, {} lost", totals.packets_received, totals.packets_lost);
    if let Some(cpu) = cpu {
        let per_call = cpu.as_secs_f64() * 100.0 / spent.as_secs_f64() / f64::from(calls);
        let per_tick = cpu.as_secs_f64() * 1e6 / totals.packets_sent as f64;
        println!(
            "  media threads: {per_call:.4} % of a core per call, {per_tick:.1} µs per packet out and in"
        );
    }
    lateness(&metrics.render());
    Ok(())
}

fn open(call: u16, remote: SocketAddr) -> Command {
    let origin =
        Origin { ssrc: call.into(), sequence: 0, timestamp: 0, cname: "bench".to_owned(), seed: call.into() };
    let parameters = Parameters {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        packet_time: Duration::from_millis(20),
        remote,
        remote_rtcp: remote,
        sends: true,
        receives: true,
    };
    Command::Open { local: SocketAddr::from(([127, 0, 0, 1], PORT_BASE + 2 * call)), origin, parameters }
}

/// Sends every call a packet each 20 ms and reads what comes back; tells how many packets went and came.
fn exchange(peer: &UdpSocket, calls: u16, span: Duration) -> Result<(u64, u64)> {
    let reader = peer.try_clone()?;
    reader.set_read_timeout(Some(Duration::from_millis(100)))?;
    let done = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut buffer = [0; 2048];
            let mut heard = 0;
            while !done.load(Ordering::Relaxed) {
                heard += u64::from(reader.recv(&mut buffer).is_ok());
            }
            heard
        }
    });
    let began = Instant::now();
    let mut sent = 0;
    for tick in 0..(span.as_millis() / 20) as u16 {
        for call in 0..calls {
            let header = Header {
                payload_type: 0,
                marker: tick == 0,
                sequence: tick,
                timestamp: u32::from(tick) * 160,
                ssrc: 1_000_000 + u32::from(call),
            };
            let mut datagram = [0xFF; 172];
            datagram[..12].copy_from_slice(&header.octets());
            let local = SocketAddr::from(([127, 0, 0, 1], PORT_BASE + 2 * call));
            sent += u64::from(peer.send_to(&datagram, local).is_ok());
        }
        let next = Duration::from_millis(20) * u32::from(tick + 1);
        std::thread::sleep(next.saturating_sub(began.elapsed()));
    }
    done.store(true, Ordering::Relaxed);
    let heard = reading.join().ok().context("the reader came through")?;
    Ok((sent, heard))
}

/// Processor time of the media threads so far, in the kernel's ticks of 10 ms.
fn media_cpu() -> Option<Duration> {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        if let Some((_, fields)) = stat.split_once("(media-").and_then(|(_, rest)| rest.split_once(") ")) {
            ticks +=
                fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
    }
    Some(Duration::from_millis(ticks * 10))
}

fn lateness(rendered: &str) {
    let bucket = |bound: &str| -> Option<f64> {
        let line = format!("portero_rtp_lateness_seconds_bucket{{le=\"{bound}\"}} ");
        rendered.lines().find_map(|candidate| candidate.strip_prefix(&line))?.parse().ok()
    };
    let Some(all) = bucket("+Inf") else { return };
    for bound in ["0.001", "0.002", LATE, "0.01", "0.02"] {
        if let Some(within) = bucket(bound) {
            println!("  left within {bound} s: {:.3} %", within * 100.0 / all);
        }
    }
    for line in rendered.lines().filter(|line| line.starts_with("portero_rtp_slots_missed_total")) {
        println!("  {line}");
    }
}

/// Loads 500 recordings of four seconds at 16 kHz.
fn load() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("portero-bench-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("en"))?;
    let names: Vec<String> = (0..500).map(|number| format!("prompt-{number}")).collect();
    let written = names.iter().try_for_each(|name| write(&folder.join(format!("en/{name}.wav"))));
    let began = Instant::now();
    let loaded = Library::load(&Source::Folder(folder.clone()), "en", names.iter().map(String::as_str));
    let spent = began.elapsed();
    std::fs::remove_dir_all(&folder)?;
    written?;
    println!("{} prompts of 4 s loaded in {spent:.1?}", loaded.map_or(0, |library| library.len()));
    Ok(())
}

fn write(path: &Path) -> Result<()> {
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, format)?;
    tone(64_000).into_iter().try_for_each(|sample| writer.write_sample(sample))?;
    Ok(writer.finalize()?)
}

fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|n| ((n as f64 * 0.17).sin() * 12_000.0) as i16).collect()
}
