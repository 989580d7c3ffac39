//! The floor: what the same packets cost, and how well they keep time, where nothing but sockets is at work.
//!
//! A thread that sends a packet and reads one for every call each 20 ms, a socket a call, and does nothing else.
//! What it cannot do on this machine at this hour, no server can. Like the server it passes over an instant that it
//! comes a whole packet time too late for.

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
const PACKET_TIME: Duration = Duration::from_millis(20);
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

/// The socket of one call, and how many packets it has sent.
struct Lane {
    socket: UdpSocket,
    remote: SocketAddr,
    sequence: u16,
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
            lanes.push(Lane { socket, remote: *remote, sequence: 0 });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || run(&mut lanes, &stop)
        });
        Ok((Self { stop, thread }, addresses))
    }

    /// Ends it.
    pub fn finish(self) -> Result<Spent> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the floor came through")?
    }
}

impl Lane {
    fn send(&mut self, timestamp: u32, ssrc: u32) {
        let mut datagram = [0x55; HEADER_LEN + SAMPLES];
        let header = Header { payload_type: 0, marker: false, sequence: self.sequence, timestamp, ssrc };
        datagram[..HEADER_LEN].copy_from_slice(&header.octets());
        self.sequence = self.sequence.wrapping_add(1);
        // A packet that the kernel does not take is missed by its caller, and counted there.
        drop(self.socket.send_to(&datagram, self.remote));
    }
}

fn run(lanes: &mut [Lane], stop: &AtomicBool) -> Result<Spent> {
    let mut packets = 0;
    let mut room = [0; 2048];
    on_grid(|slot, late| {
        let timestamp = (slot / 20 * SAMPLES) as u32;
        for (call, lane) in lanes.iter_mut().enumerate().filter(|(call, _)| is_turn(*call, slot)) {
            if late < PACKET_TIME {
                lane.send(timestamp, call as u32);
                packets += 1;
            }
            while lane.socket.recv_from(&mut room).is_ok() {}
        }
        !stop.load(Ordering::Relaxed)
    });
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = spent.split(' ').next().context("the time on a processor comes first")?.parse()?;
    Ok(Spent { cpu: Duration::from_nanos(nanos), packets })
}
