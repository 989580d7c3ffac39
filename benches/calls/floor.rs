//! The floor: what the same packets cost, and how well they keep time, where nothing but sockets is at work.
//!
//! A thread that sends a packet and reads one for every call each 20 ms, a socket a call, and does nothing else.
//! What it cannot do on this machine at this hour, no server can.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use portero::rtp::Header;
use portero::rtp::packet::HEADER_LEN;

use crate::sound::{is_turn, on_grid};

const SAMPLES: usize = 160;
const PORT_BASE: u16 = 10_000;

/// The running thread.
pub struct Floor {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Spent>>,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub cpu: Duration,
    pub packets: u64,
}

impl Floor {
    /// Sends to these from `ip`; tells from which addresses.
    pub fn start(ip: Ipv4Addr, callers: &[SocketAddr]) -> Result<(Self, Vec<SocketAddr>)> {
        let addresses: Vec<SocketAddr> =
            (0..callers.len()).map(|call| (ip, PORT_BASE + 2 * call as u16).into()).collect();
        let mut lanes = Vec::new();
        for (local, remote) in addresses.iter().zip(callers) {
            let socket = UdpSocket::bind(local)?;
            socket.set_nonblocking(true)?;
            lanes.push((socket, *remote));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || run(&lanes, &stop)
        });
        Ok((Self { stop, thread }, addresses))
    }

    /// Ends it.
    pub fn finish(self) -> Result<Spent> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the floor came through")?
    }
}

fn run(lanes: &[(UdpSocket, SocketAddr)], stop: &AtomicBool) -> Result<Spent> {
    let mut packets = 0;
    let mut room = [0; 2048];
    on_grid(|slot| {
        let round = (slot / 20) as u32;
        for (call, (socket, remote)) in lanes.iter().enumerate().filter(|(call, _)| is_turn(*call, slot)) {
            let mut datagram = [0x55; HEADER_LEN + SAMPLES];
            let header = Header {
                payload_type: 0,
                marker: round == 0,
                sequence: round as u16,
                timestamp: round * SAMPLES as u32,
                ssrc: call as u32,
            };
            datagram[..HEADER_LEN].copy_from_slice(&header.octets());
            packets += u64::from(socket.send_to(&datagram, remote).is_ok());
            while socket.recv_from(&mut room).is_ok() {}
        }
        !stop.load(Ordering::Relaxed)
    });
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = spent.split(' ').next().context("the time on a processor comes first")?.parse()?;
    Ok(Spent { cpu: Duration::from_nanos(nanos), packets })
}
