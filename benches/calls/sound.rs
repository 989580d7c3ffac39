//! The callers' sound: one thread that sends for every call what a softphone sends, and takes down what it hears.
//!
//! When a packet came is told by the kernel (`SO_TIMESTAMPNS`), which on loopback is when it was sent. So this
//! thread need not be woken by packets: it looks into a call's socket when it has something to send for that call,
//! takes no processor from whom it measures, and its own delays are in none of the figures.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use portero::rtp::packet::HEADER_LEN;
use portero::rtp::{Header, KeyPress, Packet};
use portero::secret::Digit;

/// Nanoseconds since 1970: the clock of the kernel's stamps.
pub type Nanos = u64;

/// A packet's time, and the parts that it is divided into.
const PACKET_TIME_SLOTS: usize = 20;
const SLOT: Duration = Duration::from_millis(1);
/// Samples, and octets, in a packet.
const SAMPLES: usize = 160;
/// Silence in µ-law.
const SILENCE: u8 = 0xFF;
/// How long a key is held.
const KEY: Duration = Duration::from_millis(100);

/// A packet that was heard.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub at: Nanos,
    pub sequence: u16,
    pub timestamp: u32,
    /// Whether there is more in it than silence.
    pub speech: bool,
}

/// What a call heard, and when it pressed its key.
#[derive(Debug, Default)]
pub struct Trace {
    pub arrivals: Vec<Arrival>,
    pub pressed: Option<Nanos>,
}

/// What the thread is told.
enum Command {
    /// Talk and listen: the next call.
    Connect(UdpSocket, SocketAddr),
    /// Press a key in this call.
    Press(usize),
    /// Stop talking in this call.
    Mute(usize),
}

/// The thread.
pub struct Phones {
    commands: SyncSender<Command>,
    thread: JoinHandle<Vec<Trace>>,
}

impl Phones {
    /// Starts it, with no calls.
    pub fn start() -> Self {
        let (commands, told) = sync_channel(1024);
        Self { commands, thread: std::thread::spawn(move || talk(&told)) }
    }

    /// Talks from `socket`, which is one of [`open`]'s, to `remote`. Calls are numbered in this order, from 0.
    pub fn connect(&self, socket: UdpSocket, remote: SocketAddr) -> Result<()> {
        self.tell(Command::Connect(socket, remote))
    }

    /// Presses a key.
    pub fn press(&self, call: usize) -> Result<()> {
        self.tell(Command::Press(call))
    }

    /// Stops talking in a call that is over.
    pub fn mute(&self, call: usize) -> Result<()> {
        self.tell(Command::Mute(call))
    }

    /// Ends the thread and tells what every call has heard.
    pub fn finish(self) -> Result<Vec<Trace>> {
        drop(self.commands);
        self.thread.join().ok().context("the callers' sound came through")
    }

    fn tell(&self, command: Command) -> Result<()> {
        self.commands.send(command).context("the callers' sound is running")
    }
}

/// The time.
pub fn now() -> Nanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as Nanos)
}

/// A socket whose packets the kernel stamps.
pub fn open(address: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}

/// Runs `work` for each slot of a millisecond, with its number and how late it is, until it says `false`.
pub fn on_grid(mut work: impl FnMut(usize, Duration) -> bool) {
    let began = Instant::now();
    let mut slot = 0;
    while work(slot, (began + SLOT * slot as u32).elapsed()) {
        slot += 1;
        std::thread::sleep((began + SLOT * slot as u32).saturating_duration_since(Instant::now()));
    }
}

/// Whether a call's turn to send is in this slot: all calls' turns are spread over the packet time.
pub fn is_turn(call: usize, slot: usize) -> bool {
    call % PACKET_TIME_SLOTS == slot % PACKET_TIME_SLOTS
}

fn talk(told: &Receiver<Command>) -> Vec<Trace> {
    let mut phones: Vec<Phone> = Vec::new();
    on_grid(|slot, _| {
        loop {
            match told.try_recv() {
                Ok(Command::Connect(socket, remote)) => {
                    phones.push(Phone::new(socket, remote, phones.len() as u32));
                }
                Ok(Command::Press(call)) => phones[call].press(),
                Ok(Command::Mute(call)) => phones[call].talks = false,
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return false,
            }
        }
        for (_, phone) in phones.iter_mut().enumerate().filter(|(call, _)| is_turn(*call, slot)) {
            phone.listen();
            phone.send();
        }
        true
    });
    phones.iter_mut().for_each(Phone::listen);
    phones.into_iter().map(|phone| phone.trace).collect()
}

/// One call's sound.
struct Phone {
    socket: UdpSocket,
    remote: SocketAddr,
    next: Header,
    /// The key that is down, and the timestamp that it went down at.
    key: Option<(KeyPress, u32)>,
    talks: bool,
    trace: Trace,
}

impl Phone {
    fn new(socket: UdpSocket, remote: SocketAddr, call: u32) -> Self {
        let next =
            Header { payload_type: 0, marker: true, sequence: 0, timestamp: 0, ssrc: 1_000_000 + call };
        Self { socket, remote, next, key: None, talks: true, trace: Trace::default() }
    }

    fn press(&mut self) {
        self.key = Digit::from_char('1').map(|digit| (KeyPress::new(digit, KEY), self.next.timestamp));
    }

    fn send(&mut self) {
        if !self.talks {
            return;
        }
        let mut datagram = [0x55; HEADER_LEN + SAMPLES];
        let mut header = self.next;
        let mut length = datagram.len();
        if let Some((packet, down_at)) = self.key.as_mut().and_then(|(key, at)| Some((key.next()?, *at))) {
            header = Header { payload_type: 101, marker: packet.marker, timestamp: down_at, ..header };
            let payload = packet.event.octets();
            length = HEADER_LEN + payload.len();
            datagram[HEADER_LEN..length].copy_from_slice(&payload);
            self.trace.pressed.get_or_insert_with(now);
        }
        datagram[..HEADER_LEN].copy_from_slice(&header.octets());
        // What the kernel does not take is lost; the server's count of lost packets shows it.
        drop(self.socket.send_to(&datagram[..length], self.remote));
        self.next.marker = false;
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(SAMPLES as u32);
    }

    /// Takes down all that has come.
    fn listen(&mut self) {
        let mut datagram = [0; 2048];
        let mut control = nix::cmsg_space!(TimeSpec);
        while let Some((length, at)) = receive(&self.socket, &mut datagram, &mut control) {
            let Some(packet) = Packet::read(&datagram[..length]) else { continue };
            self.trace.arrivals.push(Arrival {
                at,
                sequence: packet.header.sequence,
                timestamp: packet.header.timestamp,
                speech: packet.payload.iter().any(|octet| *octet != SILENCE),
            });
        }
    }
}

/// The next datagram: its length, and when it came.
fn receive(socket: &UdpSocket, datagram: &mut [u8], control: &mut [u8]) -> Option<(usize, Nanos)> {
    let mut room = [IoSliceMut::new(datagram)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut room, Some(control), MsgFlags::MSG_DONTWAIT).ok()?;
    let stamp = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at).as_nanos() as Nanos),
        _ => None,
    });
    Some((message.bytes, stamp.unwrap_or_else(now)))
}
