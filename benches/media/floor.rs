//! The floor: one thread, one socket a call, and nothing but what the kernel asks for a packet. Each millisecond it
//! sends for the calls of that slot, asks once which sockets have something, and reads one packet from each.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Result;
use portero::rtp::Header;
use portero::rtp::packet::HEADER_LEN;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::thread::ClockId;
use socket2::{SockFilter, SockRef};

use crate::{ENGINE_PORT, Kind, Setup, peer_port, processors};

const SLOTS: usize = 20;
const SLOT_NANOS: i64 = 1_000_000;
const SAMPLES: u32 = 160;
const PACKET_LEN: usize = HEADER_LEN + SAMPLES as usize;
const READY_MAX: usize = 512;
/// What the peer sends keys as.
pub const KEYS: u8 = 101;

struct Lane {
    socket: UdpSocket,
    remote: SocketAddr,
    datagram: [u8; PACKET_LEN],
}

/// The calls, and the poller of their sockets.
pub struct Floor {
    lanes: Vec<Lane>,
    epoll: OwnedFd,
    joined: bool,
}

impl Floor {
    pub fn open(setup: &Setup) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lanes = Vec::new();
        let joined = setup.kind == Kind::JoinedFloor;
        for call in 0..setup.calls {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, ENGINE_PORT + 2 * call))?;
            socket.set_nonblocking(true)?;
            let remote = (Ipv4Addr::LOCALHOST, peer_port(call)).into();
            if joined {
                socket.connect(remote)?;
            }
            if setup.filter {
                SockRef::from(&socket).attach_filter(&filter())?;
            }
            epoll::add(&epoll, &socket, epoll::EventData::new_u64(call.into()), epoll::EventFlags::IN)?;
            lanes.push(Lane { socket, remote, datagram: [0x55; PACKET_LEN] });
        }
        Ok(Self { lanes, epoll, joined })
    }

    /// Works for ever.
    pub fn run(&mut self) -> Result<()> {
        processors::pin(0)?;
        let begin = rustix::time::clock_gettime(ClockId::Monotonic);
        let begin = begin.tv_sec * 1_000_000_000 + begin.tv_nsec;
        let mut ready = Vec::with_capacity(READY_MAX);
        for slot in 0_u64.. {
            wait_until(begin + slot.cast_signed() * SLOT_NANOS);
            let phase = (slot % SLOTS as u64) as usize;
            let tick = (slot / SLOTS as u64) as u32;
            for call in (phase..self.lanes.len()).step_by(SLOTS) {
                self.send(call, tick);
            }
            self.read(&mut ready)?;
        }
        Ok(())
    }

    fn send(&mut self, call: usize, tick: u32) {
        let lane = &mut self.lanes[call];
        let header = Header {
            payload_type: 0,
            marker: false,
            sequence: tick as u16,
            timestamp: tick.wrapping_mul(SAMPLES),
            ssrc: call as u32,
        };
        lane.datagram[..HEADER_LEN].copy_from_slice(&header.octets());
        let sent = if self.joined {
            lane.socket.send(&lane.datagram)
        } else {
            lane.socket.send_to(&lane.datagram, lane.remote)
        };
        // A packet that the kernel does not take is missed by the peer, and counted there.
        drop(sent);
    }

    fn read(&mut self, ready: &mut Vec<epoll::Event>) -> Result<()> {
        let mut room = [0; 2048];
        loop {
            ready.clear();
            epoll::wait(&self.epoll, spare_capacity(ready), Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            for event in &*ready {
                drop(self.lanes[event.data.u64() as usize].socket.recv(&mut room));
            }
            if ready.len() < READY_MAX {
                return Ok(());
            }
        }
    }
}

/// Drops all audio but a packet in 32, and passes everything else: what the plane has the kernel do, in other words.
fn filter() -> [SockFilter; 9] {
    let step = SockFilter::new;
    [
        step(0x30, 0, 0, 8 + 1),
        step(0x54, 0, 0, 0x7F),
        step(0x15, 5, 0, KEYS.into()),
        step(0x35, 0, 1, 72),
        step(0x25, 0, 3, 76),
        step(0x28, 0, 0, 8 + 2),
        step(0x45, 0, 1, 0x1F),
        step(0x06, 0, 0, 0),
        step(0x06, 0, 0, 0xFFFF),
    ]
}

/// Waits for an instant of the monotonic clock.
pub fn wait_until(nanos: i64) {
    let at = Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 };
    while rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &at).is_err() {}
}

/// A packet time, over and over.
pub const PACKET_TIME: Duration = Duration::from_millis(20);
