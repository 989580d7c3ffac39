//! One media thread: its sessions, its sockets, its clock.
//!
//! It wakes once in each slot of a millisecond, takes what commands there are, sends what is due, and reads what
//! has come; it waits for nothing but the next slot. So the cost of waking is shared by all that a slot holds, a
//! packet that comes is read within a millisecond, and a command that nobody wakes the thread for is late by no
//! more. Without sessions it sleeps until there is a command.
//!
//! Everything in a slot is bounded, so that no socket and no queue can keep the others waiting. When the thread comes
//! too late for a slot, its packets leave late; what is a whole packet time late is never sent, and counted.
#![expect(clippy::disallowed_methods, reason = "shell: the clock of the media plane is read here")]

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use metrics::{Counter, Histogram, counter, histogram};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use tokio::sync::mpsc;

use super::clock::{SlotClock, prepare_thread};
use super::sockets::{Received, Sockets, place_and_port};
use super::told::Told;
use super::wheel::Wheel;
use super::{Lateness, MediaConfig};
use crate::media::{
    Command, DATAGRAM_LEN_MAX, Event, Origin, Outgoing, Parameters, Port, Punctuality, Refused, Room,
    Session, SessionId,
};

/// Sockets asked about at a time.
const READY_MAX: usize = 512;
/// Sockets read, one datagram each, before the clock is looked at again. Those that are left when the next slot
/// has begun are told of again in it; a flood on one call waits for the others.
const READS_MAX: usize = 64;
/// Commands taken in a slot.
const COMMANDS_MAX: usize = 64;
/// How many of them may open sockets, which takes the kernel longer than anything else here.
const OPENINGS_MAX: usize = 8;
/// RTP that is longer was not asked for; its end is cut off.
const RECEIVED_LEN_MAX: usize = 2048;
const WITHOUT_WAITING: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// See the module.
pub(super) struct MediaThread {
    number: usize,
    config: MediaConfig,
    epoll: OwnedFd,
    commands: Receiver<(SessionId, Command)>,
    clock: SlotClock,
    wheel: Wheel,
    /// Sessions by place; a place is reused.
    sessions: Vec<Option<Running>>,
    vacant: Vec<usize>,
    places: HashMap<SessionId, usize>,
    told: Told,
    tally: Tally,
    punctuality: Punctuality,
    lateness: Lateness,
    room: Room,
}

/// A session with its sockets.
struct Running {
    id: SessionId,
    session: Session,
    sockets: Sockets,
    /// What the sockets were last asked to keep out.
    kept_out: KeptOut,
    /// The slot that it began in, to be given back.
    began: u64,
    /// The slot that it was last entered for; other entries are out of date.
    entered: u64,
}

/// What need not come from the kernel to the session.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct KeptOut {
    /// Whatever comes from elsewhere.
    all_but: Option<SocketAddr>,
    /// Most of the audio of this payload type.
    audio: Option<u8>,
}

/// Whether there may be commands again.
#[derive(PartialEq, Eq)]
enum Commanded {
    Running,
    /// Whoever gave commands is gone.
    Over,
}

impl MediaThread {
    pub(super) fn new(
        number: usize,
        config: &MediaConfig,
        commands: Receiver<(SessionId, Command)>,
        events: mpsc::Sender<(SessionId, Event)>,
        lateness: Lateness,
    ) -> io::Result<Self> {
        Ok(Self {
            number,
            config: config.clone(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            commands,
            clock: SlotClock::start(),
            wheel: Wheel::new(),
            sessions: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            told: Told::new(events),
            tally: Tally::new(),
            punctuality: Punctuality::new(Instant::now()),
            lateness,
            room: [0; DATAGRAM_LEN_MAX],
        })
    }

    /// Works until nobody can give it commands any more.
    pub(super) fn run(mut self) {
        prepare_thread(self.config.pinned.then_some(self.number));
        let mut ready = Vec::with_capacity(READY_MAX);
        let mut due = Vec::new();
        loop {
            if self.is_idle() && self.wait_for_command() == Commanded::Over {
                return;
            }
            let now = self.clock.wait_for(self.wheel.next());
            if self.take_commands(now) == Commanded::Over {
                break;
            }
            self.serve(now, &mut due);
            self.read_ready(&mut ready);
            self.told.flush();
            self.show(now);
        }
        for id in self.places.keys().copied().collect::<Vec<_>>() {
            self.close(id);
        }
    }

    /// Shows what was counted.
    fn show(&mut self, now: Instant) {
        self.punctuality.missed(self.tally.missed);
        self.tally.show();
        if let Some(share) = self.punctuality.share(now) {
            self.lateness.set(share);
        }
    }

    fn is_idle(&self) -> bool {
        self.places.is_empty() && !self.told.is_waiting()
    }

    fn wait_for_command(&mut self) -> Commanded {
        self.lateness.set(0.0);
        let Ok((id, command)) = self.commands.recv() else { return Commanded::Over };
        let now = Instant::now();
        self.punctuality = Punctuality::new(now);
        self.wheel.skip_to(self.clock.slot_from(now));
        self.take(id, command, now);
        Commanded::Running
    }

    fn take_commands(&mut self, now: Instant) -> Commanded {
        let mut openings = 0;
        for _ in 0..COMMANDS_MAX {
            match self.commands.try_recv() {
                Ok((id, command)) => {
                    openings += usize::from(matches!(command, Command::Open { .. }));
                    self.take(id, command, now);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Commanded::Over,
            }
            if openings == OPENINGS_MAX {
                break;
            }
        }
        Commanded::Running
    }

    fn take(&mut self, id: SessionId, command: Command, now: Instant) {
        match command {
            Command::Open { local, origin, parameters } => self.open(id, local, origin, parameters),
            Command::Close => self.close(id),
            command => {
                let Some(&place) = self.places.get(&id) else { return };
                if let Some(running) = &mut self.sessions[place] {
                    running.session.command(command, now);
                    running.keep_out(self.config.kernel_filter);
                    self.settle(place);
                }
            }
        }
    }

    /// Serves every slot that has begun; what falls due meanwhile waits for the next round.
    fn serve(&mut self, now: Instant, due: &mut Vec<usize>) {
        let last = self.clock.slot(now).max(self.wheel.next());
        while self.wheel.next() <= last {
            let slot = self.wheel.take(due);
            let sent: usize = due.iter().map(|place| self.send_due(*place, slot, now)).sum();
            if sent > 0 {
                let late = Instant::now().saturating_duration_since(self.clock.instant(slot));
                self.tally.lateness.record(late);
                self.punctuality.sent(sent as u64, late);
            }
        }
    }

    /// Sends what is due of a session; tells how many datagrams.
    fn send_due(&mut self, place: usize, slot: u64, now: Instant) -> usize {
        let Some(running) = self.sessions.get_mut(place).and_then(Option::as_mut) else { return 0 };
        if running.entered != slot {
            return 0;
        }
        let mut sent = 0;
        let missed_before = running.session.slots_missed();
        while let Some(outgoing) = running.session.tick(now, &mut self.room) {
            deliver(&running.sockets, &outgoing, &mut self.tally);
            sent += 1;
        }
        self.tally.missed += running.session.slots_missed() - missed_before;
        // The slot is over, so the entry is; what is due in the past comes in the next.
        running.entered = u64::MAX;
        self.settle(place);
        sent
    }

    /// Passes on what a session has to tell, and enters it for when it wants to be asked next.
    fn settle(&mut self, place: usize) {
        let Some(running) = self.sessions.get_mut(place).and_then(Option::as_mut) else { return };
        while let Some(event) = running.session.poll_event() {
            self.told.tell(running.id, event);
        }
        let due = self.clock.slot_from(running.session.next_due());
        if due < running.entered {
            running.entered = self.wheel.enter(due, place);
        }
    }

    fn open(&mut self, id: SessionId, local: SocketAddr, origin: Origin, parameters: Parameters) {
        let place = self.vacant.pop().unwrap_or(self.sessions.len());
        let opened = if self.places.contains_key(&id) {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            Sockets::open(local, place, &self.epoll)
        };
        if place == self.sessions.len() {
            self.sessions.push(None);
        }
        let sockets = match opened {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::warn!(%local, %error, "no port for a media session");
                self.vacant.push(place);
                return self.told.tell(id, Event::OpenFailed(error.kind()));
            }
        };
        let began = self.wheel.begin();
        let session = Session::new(origin, parameters, self.clock.instant(began))
            .with_silence_limit(self.config.silence_limit);
        let kept_out = KeptOut::default();
        self.sessions[place] = Some(Running { id, session, sockets, kept_out, began, entered: u64::MAX });
        self.places.insert(id, place);
        self.told.tell(id, Event::Opened);
        self.settle(place);
    }

    /// Says goodbye and gives the ports back; dropping a socket takes it from the poller.
    fn close(&mut self, id: SessionId) {
        let Some(place) = self.places.remove(&id) else { return };
        let Some(mut running) = self.sessions[place].take() else { return };
        self.vacant.push(place);
        self.wheel.end(running.began);
        if let Some(outgoing) = running.session.farewell(Instant::now(), &mut self.room) {
            deliver(&running.sockets, &outgoing, &mut self.tally);
        }
        while let Some(event) = running.session.poll_event() {
            self.told.tell(id, event);
        }
        let figures = running.session.figures();
        counter!("portero_rtp_packets_lost_total").increment(figures.packets_lost);
        drop(running);
        self.told.tell(id, Event::Closed(figures));
    }

    /// Reads one datagram from each socket that has some, until none has or the next slot begins.
    fn read_ready(&mut self, ready: &mut Vec<epoll::Event>) {
        let mut buffer = [0; RECEIVED_LEN_MAX];
        let until = self.clock.instant(self.wheel.next());
        loop {
            ready.clear();
            if let Err(error) = epoll::wait(&self.epoll, spare_capacity(ready), Some(&WITHOUT_WAITING)) {
                return tracing::error!(%error, "the poller of a media thread failed");
            }
            for some in ready.chunks(READS_MAX) {
                let now = Instant::now();
                for event in some {
                    self.read(event.data, &mut buffer, now);
                }
                if Instant::now() >= until {
                    return;
                }
            }
            if ready.len() < READY_MAX {
                return;
            }
        }
    }

    /// Reads a datagram. An error is of one datagram (an ICMP refusal of an earlier one of ours, mostly) and ends
    /// nothing.
    fn read(&mut self, socket: epoll::EventData, buffer: &mut [u8], now: Instant) {
        let (place, port) = place_and_port(socket);
        let Some(running) = self.sessions.get_mut(place).and_then(Option::as_mut) else { return };
        match running.sockets.receive(port, buffer) {
            Ok(received) => {
                self.tally.unseen += running.received(port, received, buffer, now);
                if let Some(reason) = running.session.take_refused() {
                    self.tally.refuse(reason);
                }
                running.keep_out(self.config.kernel_filter);
            }
            Err(error) => tracing::debug!(%error, "a datagram could not be received"),
        }
        self.settle(place);
    }
}

impl Running {
    fn received(&mut self, port: Port, received: Received, buffer: &[u8], now: Instant) -> u64 {
        let Received { length, source, unseen } = received;
        let datagram = &buffer[..length];
        if unseen > 0 {
            self.session.receive_unseen(unseen);
        }
        match port {
            Port::Rtp => self.session.receive(source, datagram, now),
            Port::Rtcp => self.session.receive_rtcp(source, datagram, now),
        }
        u64::from(unseen)
    }

    /// Has the kernel keep out what the session has no use for. Where it does not, the session sees more and costs
    /// more, and that is all; so it is not asked again for the same.
    fn keep_out(&mut self, thin_out: bool) {
        let kept_out = KeptOut {
            all_but: self.session.only_source(),
            audio: self.session.dispensable().filter(|_| thin_out),
        };
        if kept_out == self.kept_out {
            return;
        }
        self.kept_out = kept_out;
        let asked = self.sockets.join(kept_out.all_but).and_then(|()| self.sockets.thin_out(kept_out.audio));
        if let Err(error) = asked {
            tracing::debug!(%error, "the kernel keeps nothing out");
        }
    }
}

/// Sends a datagram; one that cannot be sent is lost, like one on the wire.
fn deliver(sockets: &Sockets, outgoing: &Outgoing<'_>, tally: &mut Tally) {
    if let Err(error) = sockets.send(outgoing) {
        tally.failures += 1;
        tracing::debug!(%error, "a datagram could not be sent");
    }
}

/// What is counted in a slot, so that the program's counters are touched once a slot and not with each packet.
struct Tally {
    missed: u64,
    failures: u64,
    unseen: u64,
    refused: [u64; Refused::ALL.len()],
    lateness: Histogram,
    counters: [Counter; 3],
    refusals: [Counter; Refused::ALL.len()],
}

impl Tally {
    fn new() -> Self {
        Self {
            missed: 0,
            failures: 0,
            unseen: 0,
            refused: [0; _],
            lateness: histogram!("portero_rtp_lateness_seconds"),
            counters: [
                counter!("portero_rtp_slots_missed_total"),
                counter!("portero_rtp_send_failures_total"),
                counter!("portero_rtp_packets_filtered_total"),
            ],
            refusals: Refused::ALL
                .map(|reason| counter!("portero_srtp_packets_refused_total", "reason" => reason.as_str())),
        }
    }

    fn refuse(&mut self, reason: Refused) {
        self.refused[reason as usize] += 1;
    }

    fn show(&mut self) {
        let counts = [&mut self.missed, &mut self.failures, &mut self.unseen].into_iter();
        let all = counts.zip(&self.counters).chain(self.refused.iter_mut().zip(&self.refusals));
        for (count, counter) in all {
            if *count > 0 {
                counter.increment(std::mem::take(count));
            }
        }
    }
}
