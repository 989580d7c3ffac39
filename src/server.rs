//! Composition: builds the parts, runs the one loop that feeds the switchboard, ends in order.
//!
//! The loop awaits its inputs and nothing else: what goes out (datagrams, media commands, back-end requests,
//! views, records) is handed over without waiting.
#![expect(clippy::disallowed_methods, reason = "shell: reads the clocks, seeds the generator, starts tasks")]

mod measure;
mod start;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, sleep_until};
use tracing::{debug, info, warn};

pub use start::{Addresses, StartError};

use crate::call::{self, CallId, Switchboard, WallClock};
use crate::config::Configuration;
use crate::net::media::MediaPlane;
use crate::net::udp::{Datagram, SipSocket};
use crate::{crm, flow, media, records, web};

/// How often dates are set by the wall clock anew, and totals are shown.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);

/// How long calls and their records may take to end once the server is told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Back-end answers that may wait for the loop; each belongs to a request under way.
const ANSWERS_MAX: usize = 1024;

/// Runs `configuration` until SIGINT or SIGTERM; `ready` is called once everything listens.
pub async fn run(configuration: Configuration, ready: impl FnOnce(&Addresses)) -> Result<(), StartError> {
    let mut stop = StopSignal::new().map_err(StartError::Signals)?;
    let (mut server, inputs, addresses) = start::start(configuration).await?;
    ready(&addresses);
    let inputs = server.serve(inputs, &mut stop).await;
    info!("stopping: {} calls are up", server.switchboard.calls());
    server.finish(inputs).await;
    Ok(())
}

/// An answer of the back end, on its way to the call that asked.
struct Answered {
    call: CallId,
    request: flow::RequestId,
    answer: flow::Answer,
}

/// What the loop listens to besides the socket.
struct Inputs {
    media: mpsc::Receiver<(media::SessionId, media::Event)>,
    answers: mpsc::Receiver<Answered>,
}

/// The parts, and the switchboard that they serve.
struct Server {
    switchboard: Switchboard,
    socket: SipSocket,
    media: MediaPlane,
    /// Commands that a media thread had no room for yet; a few for each call that is up, at the most.
    held: VecDeque<(media::SessionId, media::Command)>,
    back_end: crm::Client,
    answers: mpsc::Sender<Answered>,
    live: Arc<web::Live>,
    records: records::Writer,
    readiness: watch::Sender<web::Readiness>,
}

impl Server {
    /// Serves until told to stop.
    async fn serve(&mut self, mut inputs: Inputs, stop: &mut StopSignal) -> Inputs {
        self.readiness.send_replace(web::Readiness::Ready);
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING_INTERVAL);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut room = Datagram::default();
        loop {
            tokio::select! {
                () = stop.received() => return inputs,
                _ = housekeeping.tick() => {
                    self.switchboard.set_clock(wall_clock());
                    measure::totals(&self.switchboard, &self.socket);
                }
                () = self.turn(&mut inputs, &mut room) => {}
            }
            self.act();
        }
    }

    /// Ends every call, waits for their records, and closes the books.
    async fn finish(mut self, mut inputs: Inputs) {
        self.readiness.send_replace(web::Readiness::Draining);
        self.switchboard.drain_calls();
        self.switchboard.hang_up_all(Instant::now());
        self.act();
        let mut room = Datagram::default();
        let emptied = async {
            while !self.switchboard.is_idle() {
                self.turn(&mut inputs, &mut room).await;
                self.act();
            }
        };
        if tokio::time::timeout(STOP_WITHIN, emptied).await.is_err() {
            debug!("{} dialogs were still ending", self.switchboard.dialogs());
        }
        self.records.drain().await;
    }

    /// Waits for one input and takes it in.
    async fn turn(&mut self, inputs: &mut Inputs, room: &mut Datagram) {
        let deadline = self.switchboard.poll_timeout();
        tokio::select! {
            received = self.socket.receive(room) => match received {
                Ok((source, payload)) => self.switchboard.datagram(source, payload, Instant::now()),
                Err(error) => warn!("the SIP socket: {error}"),
            },
            Some((session, event)) = inputs.media.recv() => {
                self.switchboard.media(session, &event, Instant::now());
            }
            Some(Answered { call, request, answer }) = inputs.answers.recv() => {
                self.switchboard.answered(call, request, answer, Instant::now());
            }
            () = wait_until(deadline) => self.switchboard.handle_timeout(Instant::now()),
        }
    }

    /// Does what the switchboard wants.
    fn act(&mut self) {
        self.release_held();
        while let Some(action) = self.switchboard.poll_action() {
            match action {
                call::Action::Transmit(transmit) => {
                    // What the kernel does not take now is counted, and sent again by SIP's own timers.
                    self.socket.send(&transmit);
                }
                call::Action::Media(session, command) => self.command(session, command),
                call::Action::Ask(call, request) => self.ask(call, request),
                call::Action::Show(view) => self.live.update(*view),
                call::Action::Record(record) => {
                    // A loss has been counted and logged where it happened.
                    if let Err(lost) = self.records.submit(*record) {
                        self.live.forget(&lost.id);
                    }
                }
            }
        }
    }

    /// Tells a media session. What its thread has no room for is held back, but for a call that is to begin:
    /// that one is refused.
    fn command(&mut self, session: media::SessionId, command: media::Command) {
        if self.held.is_empty() && self.media.send(session, command.clone()).is_ok() {
            return;
        }
        if matches!(command, media::Command::Open { .. }) {
            warn!("a media thread is overloaded; a call is refused");
            let failed = media::Event::OpenFailed(std::io::ErrorKind::ResourceBusy);
            self.switchboard.media(session, &failed, Instant::now());
        } else {
            self.held.push_back((session, command));
        }
    }

    /// Gives the media threads what was held back, in order.
    fn release_held(&mut self) {
        while let Some((session, command)) = self.held.pop_front() {
            if self.media.send(session, command.clone()).is_err() {
                return self.held.push_front((session, command));
            }
        }
    }

    /// Asks the back end beside the loop. A call that is gone by the time of the answer ignores it.
    fn ask(&self, call: CallId, request: flow::Request) {
        let (back_end, answers) = (self.back_end.clone(), self.answers.clone());
        tokio::spawn(async move {
            let answer = back_end.ask(&request.action, &request.query).await;
            // Without a loop to hear it, nobody waits for the answer.
            drop(answers.send(Answered { call, request: request.id, answer }).await);
        });
    }
}

/// Reads both clocks.
fn wall_clock() -> WallClock {
    WallClock { at: Instant::now(), utc: Timestamp::now() }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// SIGINT or SIGTERM.
struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The address that peers on the other side of `listen` see, where `listen` itself is a wildcard: the one
/// that this machine sends from.
fn own_address(listen: SocketAddr) -> SocketAddr {
    if !listen.ip().is_unspecified() {
        return listen;
    }
    let (any, far) = match listen {
        SocketAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        SocketAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    // Connecting a UDP socket sends nothing; it only asks the kernel which address it would send from.
    let routed = std::net::UdpSocket::bind(any).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    let loopback =
        if listen.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(routed.map_or(loopback, |address| address.ip()), listen.port())
}
