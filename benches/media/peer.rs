//! The peer's process: all callers. Every 20 ms it sends each call a packet, audio mostly and now and then a key,
//! and takes down what comes. When a packet came is told by the kernel (`SO_TIMESTAMPNS`), which on loopback is when
//! it was sent; the peer's own delays are in none of the figures.

use std::io::{IoSliceMut, Read, Write, stdin, stdout};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::{TimeSpec, TimeValLike};
use portero::rtp::packet::HEADER_LEN;
use portero::rtp::{Header, Packet, TelephoneEvent};
use portero::srtp::{Sealer, TRAILER_LEN_MAX};
use rustix::thread::ClockId;
use socket2::SockRef;

use crate::floor::{KEYS, wait_until};
use crate::pacing::{Summary, Trace};
use crate::{ENGINE_PORT, Kind, PEER_PORT, PEER_SOCKETS, Setup, key, peer_port, processors};

const SLOTS: usize = 20;
const SLOT_NANOS: i64 = 1_000_000;
const SAMPLES: u32 = 160;
/// One packet in this many is a key: a press of one packet, every two seconds or so.
const KEY_EVERY: u32 = 100;
/// Sequences begin anywhere, so that not all calls' packets pass the filter, or press a key, in the same slots.
const SPREAD: u32 = 7919;

pub fn run(setup: &Setup) -> Result<()> {
    let sockets = (0..PEER_SOCKETS).map(open).collect::<Result<Vec<_>>>()?;
    let mut traces = vec![Trace::default(); setup.calls.into()];
    let mut out = stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    // The word to begin; its end, which is the word to end, is waited for beside.
    let mut word = [0; 3];
    stdin().read_exact(&mut word)?;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(stdin().read_exact(&mut word));
            ended.store(true, Ordering::Relaxed);
        });
        talk(&sockets, &mut traces, &mut Voices::new(setup), &ended)
    })?;
    writeln!(out, "{}", Summary::of(&traces).line())?;
    Ok(out.flush()?)
}

fn open(number: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, PEER_PORT + number))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    Ok(socket)
}

/// What the callers say.
struct Voices {
    with_keys: bool,
    /// What each seals its packets with; none where nobody does.
    sealers: Vec<Sealer>,
}

impl Voices {
    fn new(setup: &Setup) -> Self {
        let sealers = if setup.kind == Kind::Sealed { setup.calls } else { 0 };
        let sealers = (0..sealers).map(|_| Sealer::new(&key())).collect();
        Self { with_keys: setup.kind != Kind::Listening, sealers }
    }
}

fn talk(sockets: &[UdpSocket], traces: &mut [Trace], voices: &mut Voices, ended: &AtomicBool) -> Result<()> {
    processors::pin(1)?;
    let begin = rustix::time::clock_gettime(ClockId::Monotonic);
    let begin = begin.tv_sec * 1_000_000_000 + begin.tv_nsec;
    for slot in 0_u64.. {
        wait_until(begin + slot.cast_signed() * SLOT_NANOS);
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let phase = (slot % SLOTS as u64) as usize;
        let tick = (slot / SLOTS as u64) as u32;
        for call in (phase..traces.len()).step_by(SLOTS) {
            send(sockets, call as u16, tick, voices);
        }
        for socket in sockets.iter().skip(phase).step_by(SLOTS) {
            listen(socket, traces);
        }
    }
    for socket in sockets {
        listen(socket, traces);
    }
    Ok(())
}

fn send(sockets: &[UdpSocket], call: u16, tick: u32, voices: &mut Voices) {
    let number = tick.wrapping_add(u32::from(call) * SPREAD);
    let is_key = voices.with_keys && number.is_multiple_of(KEY_EVERY);
    let header = Header {
        payload_type: if is_key { KEYS } else { 0 },
        marker: is_key,
        sequence: number as u16,
        timestamp: number.wrapping_mul(SAMPLES),
        ssrc: 1_000_000 + u32::from(call),
    };
    let mut length = HEADER_LEN + SAMPLES as usize;
    let mut datagram = [0x55; HEADER_LEN + SAMPLES as usize + TRAILER_LEN_MAX];
    datagram[..HEADER_LEN].copy_from_slice(&header.octets());
    if is_key {
        let key = TelephoneEvent { code: 1, end: true, volume: 10, duration: 160 };
        datagram[HEADER_LEN..][..4].copy_from_slice(&key.octets());
    }
    if let Some(sealer) = voices.sealers.get_mut(usize::from(call)) {
        length = sealer.seal_rtp(&mut datagram, length).expect("there is room, and no key lasts a day");
    }
    let socket = &sockets[usize::from(peer_port(call) - PEER_PORT)];
    // What the kernel does not take is as good as lost on the way; the engine costs the less for it, in either kind.
    drop(socket.send_to(&datagram[..length], (Ipv4Addr::LOCALHOST, ENGINE_PORT + 2 * call)));
}

/// Takes down all that has come.
fn listen(socket: &UdpSocket, traces: &mut [Trace]) {
    let mut datagram = [0; 2048];
    let mut control = nix::cmsg_space!(TimeSpec);
    loop {
        let mut room = [IoSliceMut::new(&mut datagram)];
        let message =
            recvmsg::<()>(socket.as_raw_fd(), &mut room, Some(&mut control), MsgFlags::MSG_DONTWAIT);
        let Ok(message) = message else { return };
        let length = message.bytes;
        let at = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|control| match control {
                ControlMessageOwned::ScmTimestampns(at) => Some(at.num_nanoseconds()),
                _ => None,
            })
        });
        let packet = Packet::read(&datagram[..length]).filter(|packet| packet.header.payload_type == 0);
        if let (Some(Packet { header, .. }), Some(at)) = (packet, at)
            && let Some(trace) = traces.get_mut(header.ssrc as usize)
        {
            trace.packet(header.sequence, header.timestamp, at);
        }
    }
}
