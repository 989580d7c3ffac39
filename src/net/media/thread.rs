//! One media thread: its sessions, its sockets, its clock.
//!
//! Each round it waits for packets, commands or the next instant of its schedule, sends what is due first, and
//! then reads. Everything in a round is bounded, so that no socket and no queue can keep the others waiting.
#![expect(clippy::disallowed_methods, reason = "shell: the clock of the media plane is read here")]

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram, counter, histogram};
use mio::{Events, Poll, Token, Waker};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::schedule::Schedule;
use super::sockets::{Sockets, place_and_port};
use crate::media::{Command, Event, Origin, Outgoing, Parameters, Port, Session, SessionId};

/// The waker's name, which no place in the table reaches.
const WAKER: Token = Token(usize::MAX);
/// Readiness events taken in a round.
const READY_MAX: usize = 1024;
/// Datagrams read from one socket in a round; a flood on one call waits for the others.
const DATAGRAMS_MAX: usize = 16;
/// Commands taken in a round.
const COMMANDS_MAX: usize = 64;
/// Events kept while the queue to the rest of the program is full.
const BACKLOG_MAX: usize = 16_384;
/// How soon a full queue is tried again.
const BACKLOG_RETRY: Duration = Duration::from_millis(2);
/// RTP that is longer was not asked for; its end is cut off.
const DATAGRAM_LEN_MAX: usize = 2048;

/// See the module.
pub(super) struct MediaThread {
    poll: Poll,
    commands: Receiver<(SessionId, Command)>,
    stop: Arc<AtomicBool>,
    silence_limit: Duration,
    /// Sessions by place; a place is reused.
    sessions: Vec<Option<Running>>,
    vacant: Vec<usize>,
    places: HashMap<SessionId, usize>,
    schedule: Schedule,
    /// Sockets that had more to read than a round allows.
    unread: VecDeque<Token>,
    told: Told,
    lateness: Histogram,
    send_failures: Counter,
}

/// A session with its sockets.
struct Running {
    id: SessionId,
    session: Session,
    sockets: Sockets,
    /// Its slot in the schedule.
    slot: usize,
    /// The instant it was last entered for; other entries are out of date.
    due: Instant,
}

impl MediaThread {
    pub(super) fn new(
        commands: Receiver<(SessionId, Command)>,
        events: mpsc::Sender<(SessionId, Event)>,
        stop: Arc<AtomicBool>,
        silence_limit: Duration,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let thread = Self {
            poll,
            commands,
            stop,
            silence_limit,
            sessions: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            schedule: Schedule::new(Instant::now()),
            unread: VecDeque::new(),
            told: Told::new(events),
            lateness: histogram!("portero_rtp_lateness_seconds"),
            send_failures: counter!("portero_rtp_send_failures_total"),
        };
        Ok((thread, waker))
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(READY_MAX);
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        let mut more_commands = false;
        while !self.stop.load(Ordering::Acquire) {
            if let Err(error) = self.poll.poll(&mut ready, self.patience(more_commands))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the poller of a media thread failed");
            }
            self.send_due();
            more_commands = self.take_commands();
            for _ in 0..self.unread.len() {
                if let Some(token) = self.unread.pop_front() {
                    self.read(token, &mut buffer);
                }
            }
            for event in ready.iter().filter(|event| event.token() != WAKER) {
                self.read(event.token(), &mut buffer);
                // Hundreds of arrivals may take longer to read than a slot lasts.
                self.send_due();
            }
            self.told.flush();
        }
        for id in self.places.keys().copied().collect::<Vec<_>>() {
            self.close(id);
        }
    }

    /// How long the poller may wait.
    fn patience(&self, more_commands: bool) -> Option<Duration> {
        if more_commands || !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.schedule.next().map(|due| due.saturating_duration_since(Instant::now()));
        let retry = self.told.is_waiting().then_some(BACKLOG_RETRY);
        [due, retry].into_iter().flatten().min()
    }

    /// Sends everything that is due now; what falls due meanwhile waits for the next round.
    fn send_due(&mut self) {
        let now = Instant::now();
        while let Some((at, place)) = self.schedule.pop_due(now) {
            let Some(running) = self.sessions.get_mut(place).and_then(Option::as_mut) else { continue };
            if running.due != at {
                continue;
            }
            let missed_before = running.session.slots_missed();
            while let Some(outgoing) = running.session.tick(now) {
                if let Some(due) = outgoing.due {
                    self.lateness.record(Instant::now().saturating_duration_since(due));
                }
                deliver(&running.sockets, &outgoing, &self.send_failures);
            }
            let missed = running.session.slots_missed() - missed_before;
            if missed > 0 {
                counter!("portero_rtp_slots_missed_total").increment(missed);
            }
            self.settle(place);
        }
    }

    /// Passes on what a session has to tell, and enters it for when it wants to be asked next.
    fn settle(&mut self, place: usize) {
        let Some(running) = self.sessions.get_mut(place).and_then(Option::as_mut) else { return };
        while let Some(event) = running.session.poll_event() {
            self.told.tell(running.id, event);
        }
        let due = running.session.next_due();
        if due != running.due {
            running.due = due;
            self.schedule.enter(due, place);
        }
    }

    /// Takes what commands there are; tells whether there may be more than a round allows.
    fn take_commands(&mut self) -> bool {
        for _ in 0..COMMANDS_MAX {
            match self.commands.try_recv() {
                Ok((id, Command::Open { local, origin, parameters })) => {
                    self.open(id, local, origin, parameters);
                }
                Ok((id, Command::Close)) => self.close(id),
                Ok((id, command)) => self.pass_on(id, command),
                Err(_) => return false,
            }
        }
        true
    }

    fn pass_on(&mut self, id: SessionId, command: Command) {
        let Some(&place) = self.places.get(&id) else { return };
        if let Some(running) = &mut self.sessions[place] {
            running.session.command(command, Instant::now());
            self.settle(place);
        }
    }

    fn open(&mut self, id: SessionId, local: SocketAddr, origin: Origin, parameters: Parameters) {
        let place = self.vacant.pop().unwrap_or(self.sessions.len());
        let opened = if self.places.contains_key(&id) {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            Sockets::open(local, place, self.poll.registry())
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
        let beginning = self.schedule.begin(Instant::now());
        let session = Session::new(origin, parameters, beginning.at).with_silence_limit(self.silence_limit);
        let due = session.next_due();
        self.sessions[place] = Some(Running { id, session, sockets, slot: beginning.slot, due });
        self.places.insert(id, place);
        self.schedule.enter(due, place);
        self.told.tell(id, Event::Opened);
    }

    /// Says goodbye and gives the ports back; dropping a socket takes it from the poller.
    fn close(&mut self, id: SessionId) {
        let Some(place) = self.places.remove(&id) else { return };
        let Some(mut running) = self.sessions[place].take() else { return };
        self.vacant.push(place);
        self.schedule.end(running.slot);
        if let Some(outgoing) = running.session.farewell(Instant::now()) {
            deliver(&running.sockets, &outgoing, &self.send_failures);
        }
        while let Some(event) = running.session.poll_event() {
            self.told.tell(id, event);
        }
        let figures = running.session.figures();
        counter!("portero_rtp_packets_lost_total").increment(figures.packets_lost);
        drop(running);
        self.told.tell(id, Event::Closed(figures));
    }

    /// Reads what came to a socket, up to a round's share. An error is of one datagram (an ICMP refusal of an
    /// earlier one of ours, mostly) and ends nothing.
    fn read(&mut self, ready: Token, buffer: &mut [u8]) {
        let (place, port) = place_and_port(ready);
        let Some(running) = self.sessions.get_mut(place).and_then(Option::as_mut) else { return };
        let now = Instant::now();
        let mut drained = false;
        for _ in 0..DATAGRAMS_MAX {
            match running.sockets.receive(port, buffer) {
                Ok((length, source)) => {
                    let datagram = &buffer[..length];
                    match port {
                        Port::Rtp => running.session.receive(source, datagram, now),
                        Port::Rtcp => running.session.receive_rtcp(source, datagram, now),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drained = true;
                    break;
                }
                Err(error) => tracing::debug!(%error, "a datagram could not be received"),
            }
        }
        if !drained {
            self.unread.push_back(ready);
        }
        self.settle(place);
    }
}

/// Sends a datagram; one that cannot be sent is lost, like one on the wire.
fn deliver(sockets: &Sockets, outgoing: &Outgoing<'_>, failures: &Counter) {
    if let Err(error) = sockets.send(outgoing) {
        failures.increment(1);
        tracing::debug!(%error, "a datagram could not be sent");
    }
}

/// The way out for events. While the queue is full they wait here, in order.
struct Told {
    events: mpsc::Sender<(SessionId, Event)>,
    backlog: VecDeque<(SessionId, Event)>,
    digits: Counter,
}

impl Told {
    fn new(events: mpsc::Sender<(SessionId, Event)>) -> Self {
        Self { events, backlog: VecDeque::new(), digits: counter!("portero_digits_total", "source" => "rtp") }
    }

    fn is_waiting(&self) -> bool {
        !self.backlog.is_empty()
    }

    fn tell(&mut self, id: SessionId, event: Event) {
        if matches!(event, Event::Digit(_)) {
            self.digits.increment(1);
        }
        if self.backlog.len() == BACKLOG_MAX {
            counter!("portero_media_events_lost_total").increment(1);
            tracing::warn!(session = id.0, "an event of a media session is lost: nobody takes them");
            return;
        }
        self.backlog.push_back((id, event));
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }
}
