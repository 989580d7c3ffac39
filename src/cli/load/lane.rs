//! A thread for the sound of many calls, on a processor of its own: a socket a call, and a wheel of 20 slots of 1 ms.
//!
//! It is woken by the clock alone. In its slot a call sends what is due, and every fifth time reads what has come: the
//! call into the system costs more than the packets. When a packet came is told by the kernel's stamp on it, so that to
//! read it later makes no difference, and our own delays are in none of the figures but the one that is about them.
#![expect(clippy::disallowed_methods, reason = "shell: the clock and the threads of the callers' sound")]

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, recvmmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::stream::{Heard, Stream, Timings};
use crate::cli::call::script::Script;
use crate::cli::call::voice::Origin;
use crate::net::media::clock::{SlotClock, prepare_thread};
use crate::sdp::Negotiated;

/// Slots of a millisecond that make a packet time.
const SLOTS: usize = 20;
/// How often the thread tells what it has timed.
const TELL_EVERY_SLOTS: u64 = 1000;
/// Packet times from one reading of a call to the next, but for one whose script waits for what it hears.
const READ_EVERY: u64 = 5;
/// Packets read for one call at once. More can only have gathered while we were late, and are read the next time.
const READS_MAX: usize = 16;
/// Room for a packet of 60 ms; what is longer is no sound that was agreed on.
const PACKET_LEN_MAX: usize = 512;
/// Commands that may wait. Whoever gives one more waits, which the thread never does.
const COMMANDS_MAX: usize = 1024;

/// What a thread is told. Calls are known by their number in the run.
pub enum Command {
    /// A call has sound from now on.
    Begin(Box<Begin>),
    /// Something else was agreed on for a call.
    Change(usize, Box<Negotiated>),
    /// A call is over.
    End(usize),
}

/// The beginning of a call's sound.
pub struct Begin {
    /// Which call.
    pub call: usize,
    /// One of [`open`]'s.
    pub socket: UdpSocket,
    /// Where its numbers begin.
    pub origin: Origin,
    /// What was agreed.
    pub agreed: Negotiated,
    /// What it keys.
    pub script: Script,
}

/// What a thread tells.
#[derive(Debug)]
pub enum Told {
    /// A call's sound is over, and its socket closed.
    Ended(usize, Heard),
    /// What was timed in about a second.
    Timed(Box<Timings>),
}

/// A thread, seen from outside. Dropping it ends the thread, when it has told all that it has to tell.
pub struct Lane {
    commands: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    /// Starts thread `number`. It never waits for `told` to have room, and loses nothing: at the most one message a call
    /// and one a second gather.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(number: usize, told: mpsc::Sender<Told>) -> io::Result<Self> {
        let (commands, waiting) = sync_channel(COMMANDS_MAX);
        let work = move || {
            prepare_thread(Some(number));
            Wheel::new(told).run(&waiting);
        };
        let thread = std::thread::Builder::new().name(format!("load-{number}")).spawn(work)?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Gives a command. A thread that is gone had panicked, and says so itself.
    pub fn tell(&self, command: Command) {
        if let Some(commands) = &self.commands {
            drop(commands.send(command));
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A socket whose packets the kernel stamps.
///
/// # Errors
/// Those of the system: a port that is taken, an address that is not ours.
pub fn open(local: std::net::SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(socket)
}

/// The instants of slots, and of the kernel's stamps.
struct Clock {
    slots: SlotClock,
    /// When slot 0 began, as stamps count.
    epoch_stamped: Duration,
}

impl Clock {
    fn start() -> Self {
        let stamped = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { slots: SlotClock::start(), epoch_stamped: stamped }
    }

    fn instant(&self, slot: u64) -> Instant {
        self.slots.instant(slot)
    }

    /// When a packet came that bears this stamp.
    fn stamped(&self, stamp: Duration) -> Instant {
        self.instant(0) + stamp.saturating_sub(self.epoch_stamped)
    }
}

/// The calls by the slot in which they send.
struct Wheel {
    slots: [Vec<Phone>; SLOTS],
    slot_of: HashMap<usize, usize>,
    timings: Box<Timings>,
    told: mpsc::Sender<Told>,
    /// What found no room in `told`.
    waiting: VecDeque<Told>,
}

/// One call.
struct Phone {
    call: usize,
    socket: UdpSocket,
    stream: Stream,
}

impl Wheel {
    fn new(told: mpsc::Sender<Told>) -> Self {
        Self {
            slots: [const { Vec::new() }; SLOTS],
            slot_of: HashMap::new(),
            timings: Box::default(),
            told,
            waiting: VecDeque::new(),
        }
    }

    /// Runs until nobody gives commands any more.
    fn run(&mut self, commands: &Receiver<Command>) {
        let clock = Clock::start();
        let mut ear = Listening::new();
        for slot in 0.. {
            clock.slots.wait_for(slot);
            loop {
                match commands.try_recv() {
                    Ok(command) => self.take(command, slot, &clock, &mut ear),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return self.tell_timings(),
                }
            }
            self.serve(slot, &clock, &mut ear);
            if slot % TELL_EVERY_SLOTS == TELL_EVERY_SLOTS - 1 {
                self.tell_timings();
            }
            self.flush();
        }
    }

    fn serve(&mut self, slot: u64, clock: &Clock, ear: &mut Listening) {
        let phones = &mut self.slots[(slot % SLOTS as u64) as usize];
        if phones.is_empty() {
            return;
        }
        let now = Instant::now().max(clock.instant(slot));
        let round = slot / SLOTS as u64;
        for phone in phones {
            if (round + phone.call as u64).is_multiple_of(READ_EVERY) || phone.stream.listens() {
                ear.listen(phone, clock, now, &mut self.timings);
            }
            phone.stream.follow_script(now);
            while let Some(packet) = phone.stream.poll_transmit(now) {
                match phone.socket.send(&packet) {
                    Ok(_) => self.timings.sent += 1,
                    // One that the peer's machine refused, by ICMP, was one before; this one was not sent for it.
                    Err(_) => self.timings.unsent += 1,
                }
            }
        }
        self.timings.own_lateness.record(clock.instant(slot).elapsed());
    }

    fn take(&mut self, command: Command, slot: u64, clock: &Clock, ear: &mut Listening) {
        match command {
            Command::Begin(begin) => self.begin(*begin, slot, clock),
            Command::Change(call, agreed) => {
                if let Some(phone) = self.find(call) {
                    phone.stream.change(&agreed);
                    // To an address without a route nothing can be sent, and what it was before is left as it was.
                    if !agreed.remote.ip().is_unspecified() {
                        drop(phone.socket.connect(agreed.remote));
                    }
                }
            }
            Command::End(call) => self.end(call, clock, ear),
        }
    }

    /// Enters a call into the emptiest slot, the soonest of several.
    fn begin(&mut self, begin: Begin, slot: u64, clock: &Clock) {
        let in_slot = |slot: &u64| self.slots[(slot % SLOTS as u64) as usize].len();
        let first = (slot..slot + SLOTS as u64).min_by_key(in_slot).unwrap_or(slot);
        let stream = Stream::new(begin.origin, &begin.agreed, begin.script, clock.instant(first));
        let place = (first % SLOTS as u64) as usize;
        self.slot_of.insert(begin.call, place);
        self.slots[place].push(Phone { call: begin.call, socket: begin.socket, stream });
    }

    /// Takes down the last of what a call heard, and closes its socket.
    fn end(&mut self, call: usize, clock: &Clock, ear: &mut Listening) {
        let Some(slot) = self.slot_of.remove(&call) else { return };
        let phones = &mut self.slots[slot];
        let Some(at) = phones.iter().position(|phone| phone.call == call) else { return };
        let mut phone = phones.swap_remove(at);
        let now = Instant::now();
        ear.listen(&mut phone, clock, now, &mut self.timings);
        let heard = phone.stream.heard(now);
        drop(phone);
        self.tell(Told::Ended(call, heard));
    }

    fn find(&mut self, call: usize) -> Option<&mut Phone> {
        let slot = *self.slot_of.get(&call)?;
        self.slots[slot].iter_mut().find(|phone| phone.call == call)
    }

    fn tell_timings(&mut self) {
        let timings = std::mem::take(&mut self.timings);
        self.tell(Told::Timed(timings));
    }

    fn tell(&mut self, told: Told) {
        self.waiting.push_back(told);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(told) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(told)) = self.told.try_send(told) {
                self.waiting.push_front(told);
                return;
            }
        }
    }
}

/// Room to read packets and their stamps into.
struct Listening {
    packets: Box<[[u8; PACKET_LEN_MAX]; READS_MAX]>,
    headers: MultiHeaders<()>,
    /// How long each of those that were read is, and its stamp.
    came: Vec<(usize, Option<Duration>)>,
}

impl Listening {
    fn new() -> Self {
        Self {
            packets: Box::new([[0; PACKET_LEN_MAX]; READS_MAX]),
            headers: MultiHeaders::preallocate(READS_MAX, Some(nix::cmsg_space!(TimeSpec))),
            came: Vec::with_capacity(READS_MAX),
        }
    }

    /// Reads what has come for a call.
    fn listen(&mut self, phone: &mut Phone, clock: &Clock, now: Instant, timings: &mut Timings) {
        self.read(&phone.socket);
        for (packet, (length, stamp)) in self.packets.iter().zip(&self.came) {
            let at = stamp.map_or(now, |stamp| clock.stamped(stamp));
            phone.stream.receive(&packet[..*length], at, timings);
        }
    }

    /// Reads as many packets as there are and as there is room for. An error is of one packet, an ICMP refusal of one of
    /// ours mostly, and those behind it are read the next time.
    fn read(&mut self, socket: &UdpSocket) {
        self.came.clear();
        let mut rooms = self.packets.each_mut().map(|packet| [IoSliceMut::new(packet)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let read = recvmmsg(socket.as_raw_fd(), &mut self.headers, rooms.iter_mut(), flags, None);
        self.came.extend(read.into_iter().flatten().map(|message| (message.bytes, stamp(&message))));
    }
}

/// When the kernel says that a packet came.
fn stamp(message: &RecvMsg<'_, '_, ()>) -> Option<Duration> {
    message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Packet;
    use crate::sdp;

    fn begin(call: usize, socket: UdpSocket, peer: &UdpSocket) -> Command {
        let remote = peer.local_addr().expect("it is bound");
        socket.connect(remote).expect("loopback has a route");
        let agreed = Negotiated {
            codec: sdp::Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            own: None,
            packet_time: Duration::from_millis(20),
            remote,
            remote_rtcp: remote,
            sends: true,
            receives: true,
            keys: None,
        };
        let origin = Origin { ssrc: call as u32, sequence: 0, timestamp: 0 };
        Command::Begin(Box::new(Begin { call, socket, origin, agreed, script: Script::default() }))
    }

    fn loopback() -> UdpSocket {
        open(([127, 0, 0, 1], 0).into()).expect("a port")
    }

    #[test]
    fn calls_send_every_packet_time_and_what_they_hear_is_counted() {
        let (told, mut heard) = mpsc::channel(16);
        let lane = Lane::start(0, told).expect("a thread");
        let (caller, peer) = (loopback(), loopback());
        let address = caller.local_addr().expect("it is bound");
        peer.connect(address).expect("loopback has a route");
        peer.set_nonblocking(false).expect("it can be told");
        peer.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be told");
        lane.tell(begin(3, caller, &peer));
        let mut room = [0; 512];
        for number in 0..10 {
            let length = peer.recv(&mut room).expect("a packet comes");
            let header = Packet::read(&room[..length]).expect("RTP").header;
            assert_eq!((header.sequence, header.timestamp), (number, u32::from(number) * 160));
            peer.send(&room[..length]).expect("it goes back");
        }
        lane.tell(Command::End(3));
        let ended = std::iter::from_fn(|| heard.blocking_recv()).find_map(|told| match told {
            Told::Ended(call, heard) => Some((call, heard)),
            Told::Timed(_) => None,
        });
        let (call, heard) = ended.expect("the thread tells the end");
        assert_eq!((call, heard.lost), (3, 0));
        // The last may still be on its way back.
        assert!((9..=10).contains(&heard.received), "{heard:?}");
    }

    #[test]
    fn calls_are_spread_over_the_slots_and_leave_them() {
        let (told, mut ended) = mpsc::channel(64);
        let mut wheel = Wheel::new(told);
        let (clock, mut ear) = (Clock::start(), Listening::new());
        let peer = loopback();
        for call in 0..40 {
            wheel.take(begin(call, loopback(), &peer), 7, &clock, &mut ear);
        }
        assert!(wheel.slots.iter().all(|phones| phones.len() == 2));
        wheel.take(Command::End(5), 8, &clock, &mut ear);
        wheel.take(Command::End(99), 8, &clock, &mut ear);
        assert_eq!(wheel.slots.iter().map(Vec::len).sum::<usize>(), 39);
        assert!(matches!(ended.try_recv(), Ok(Told::Ended(5, _))));
        assert!(ended.try_recv().is_err(), "who is unknown does not end");
        wheel.take(begin(40, loopback(), &peer), 9, &clock, &mut ear);
        assert!(wheel.slots.iter().all(|phones| phones.len() == 2), "the gap is filled");
    }
}
