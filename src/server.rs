//! Composition: builds the parts, runs the one loop that feeds the switchboard, ends in order.
//!
//! The loop awaits its inputs and nothing else: what goes out (datagrams, media commands, back-end requests,
//! views, records) is handed over without waiting.
#![expect(clippy::disallowed_methods, reason = "shell: reads the clocks, seeds the generator, starts tasks")]

mod checking;
pub mod descriptors;
mod erasing;
mod measure;
mod notify;
mod proving;
mod reload;
mod speaking;
mod start;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, sleep_until};
use tracing::{debug, error, info, warn};

pub use checking::{Checker, CheckingError};
pub use start::{Addresses, FirstUser, StartError};

use crate::call::{self, CallId, Plan, Switchboard, WallClock};
use crate::config::Configuration;
use crate::hooks::Post;
use crate::locks::Locks;
use crate::net::dns::{Found, Locator};
use crate::net::hep;
use crate::net::media::MediaPlane;
use crate::net::sip::{Arrival, Inlet, Outlet};
use crate::records::audit::{Actor, Deed};
use crate::speech::Voice;
use crate::stir::{Fault, Presented};
use crate::{flow, media, mishap, records, web};
use checking::{Checked, Shown};
use reload::{InEffect, Parts, Reply, Reread};
use speaking::Spoken;

/// `EX_SOFTWARE` of sysexits.h: a part that every call needs broke off, or the loop itself.
pub const EXIT_LOST: u8 = 70;

/// How often dates are set by the wall clock anew, and totals are shown.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);

/// How long calls and their records may take to end once the server is told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// How long the last SIP answers may take where no call is up any more.
const FAREWELL_WITHIN: Duration = Duration::from_millis(300);

/// Messages, and events of the media threads, taken in before what they ask for is done and timers have their turn.
const AT_ONCE_MAX: usize = 32;

/// Back-end answers that may wait for the loop; each belongs to a request under way.
const ANSWERS_MAX: usize = 1024;

/// Runs `configuration` until told to stop; `ready` is called once everything listens.
///
/// SIGTERM drains: new calls get 503 and those that are up go on, for as long as the configuration lets them;
/// a second signal ends the wait. SIGINT ends every call at once.
///
/// SIGHUP reads `file`, where the configuration came from, again; so does `POST /api/v1/reload`.
///
/// # Errors
/// Why it did not start; or which part of it broke off, after every call was ended: a server that is half there is worse
/// than one that is started again.
pub async fn run(
    configuration: Configuration,
    file: Option<PathBuf>,
    ready: impl FnOnce(&Addresses, Option<&FirstUser>),
) -> Result<(), RunError> {
    let mut stop = StopSignal::new().map_err(StartError::Signals)?;
    let (mut server, mut inputs, addresses, first) = start::start(configuration, file).await?;
    ready(&addresses, first.as_ref());
    drop(first);
    notify::tell("READY=1");
    let signal = server.serve(&mut inputs, &mut stop).await;
    notify::tell("STOPPING=1");
    server.close_the_door();
    if signal == Stop::Drain {
        server.drain(&mut inputs, &mut stop).await;
    }
    let lost = server.lost;
    server.finish(&mut inputs).await;
    lost.map_or(Ok(()), |part| Err(RunError::Lost(part)))
}

/// Why the server ended without having been told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Something that every call needs is no more.
    #[error("{0} broke off, and the server with it: see above")]
    Lost(&'static str),
}

impl RunError {
    /// The exit code for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            Self::Lost(_) => EXIT_LOST,
        }
    }
}

/// An answer of the back end, on its way to the call that asked.
struct Answered {
    call: CallId,
    request: flow::RequestId,
    answer: flow::Answer,
}

/// What the loop listens to.
struct Inputs {
    media: mpsc::Receiver<(media::SessionId, media::Event)>,
    answers: mpsc::Receiver<Answered>,
    spoken: mpsc::Receiver<Spoken>,
    findings: mpsc::Receiver<Checked>,
    reloads: mpsc::Receiver<web::ReloadRequest>,
    traces: mpsc::Receiver<web::TraceRequest>,
    switches: mpsc::Receiver<web::SwitchRequest>,
    erasures: mpsc::Receiver<web::EraseRequest>,
    hang_up: Signal,
    reread: mpsc::Receiver<(Reread, Reply)>,
    /// The way in for what has been read again beside the loop.
    rereader: mpsc::Sender<(Reread, Reply)>,
    housekeeping: Interval,
    sip: Inlet,
    found: Found,
}

impl Inputs {
    fn new(
        media: mpsc::Receiver<(media::SessionId, media::Event)>,
        (answers, spoken, findings): (
            mpsc::Receiver<Answered>,
            mpsc::Receiver<Spoken>,
            mpsc::Receiver<Checked>,
        ),
        reloads: mpsc::Receiver<web::ReloadRequest>,
        (traces, switches, erasures): (
            mpsc::Receiver<web::TraceRequest>,
            mpsc::Receiver<web::SwitchRequest>,
            mpsc::Receiver<web::EraseRequest>,
        ),
        (sip, found): (Inlet, Found),
    ) -> Result<Self, StartError> {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING_INTERVAL);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hang_up = signal(SignalKind::hangup()).map_err(StartError::Signals)?;
        let (rereader, reread) = mpsc::channel(1);
        Ok(Self {
            media,
            answers,
            spoken,
            findings,
            reloads,
            traces,
            switches,
            erasures,
            hang_up,
            reread,
            rereader,
            housekeeping,
            sip,
            found,
        })
    }
}

/// The parts, and the switchboard that they serve.
struct Server {
    switchboard: Switchboard,
    sip: Outlet,
    locator: Locator,
    media: MediaPlane,
    /// Commands that a media thread had no room for yet; a few for each call that is up, at the most.
    held: VecDeque<(media::SessionId, media::Command)>,
    in_effect: InEffect,
    answers: mpsc::Sender<Answered>,
    voice: Voice,
    spoken: mpsc::Sender<Spoken>,
    /// Checks calling numbers, where that is configured.
    checker: Option<Checker>,
    shown: Shown,
    findings: mpsc::Sender<Checked>,
    live: Arc<web::Live>,
    records: records::Writer,
    audit: records::Audit,
    _purger: records::purge::Purger,
    recorder: records::Recorder,
    locks: Locks,
    webhooks: Post,
    /// Sends copies of SIP messages, where somebody collects them.
    exporter: Option<hep::Exporter>,
    readiness: watch::Sender<web::Readiness>,
    /// The task that serves pages and API.
    pages: JoinHandle<std::io::Result<()>>,
    /// What they go by.
    page_settings: watch::Sender<Arc<web::Settings>>,
    /// The part that has broken off, once one has.
    lost: Option<&'static str>,
    trunk_gauges: measure::TrunkGauges,
}

impl Server {
    /// Serves until told to stop.
    async fn serve(&mut self, inputs: &mut Inputs, stop: &mut StopSignal) -> Stop {
        self.readiness.send_replace(web::Readiness::Ready);
        self.note("configuration", "read at the start");
        self.switchboard.connect_trunks(Instant::now());
        self.act();
        loop {
            tokio::select! {
                signal = stop.received() => return signal,
                () = self.turn(inputs) => {}
            }
            self.act();
            if let Some(part) = self.lost {
                error!("{part} broke off: every call is ended, and the server with them");
                return Stop::Now;
            }
        }
    }

    /// From now on new calls, and those who ask by OPTIONS whether to send some, get 503.
    fn close_the_door(&mut self) {
        self.readiness.send_replace(web::Readiness::Draining);
        self.switchboard.drain_calls();
        self.switchboard.disconnect_trunks(Instant::now());
        self.act();
    }

    /// Lets the calls that are up come to their end, until the time or somebody's patience is over.
    async fn drain(&mut self, inputs: &mut Inputs, stop: &mut StopSignal) {
        let deadline = tokio::time::Instant::now() + self.in_effect.configuration().limits.drain;
        while self.switchboard.calls() > 0 && self.lost.is_none() {
            let calls = self.switchboard.calls();
            tokio::select! {
                _ = stop.received() => return info!("told to stop at once: {calls} calls are ended"),
                () = sleep_until(deadline) => return info!("drained for long enough: {calls} calls are ended"),
                () = self.turn(inputs) => {}
            }
            self.act();
        }
    }

    /// Ends every call, waits for their records, and closes the books.
    async fn finish(mut self, inputs: &mut Inputs) {
        let within = if self.switchboard.calls() > 0 { STOP_WITHIN } else { FAREWELL_WITHIN };
        self.switchboard.hang_up_all(Instant::now());
        self.act();
        let emptied = async {
            while !self.switchboard.is_idle() {
                self.turn(inputs).await;
                self.act();
            }
        };
        if tokio::time::timeout(within, emptied).await.is_err() {
            debug!("{} dialogs were still ending", self.switchboard.dialogs());
        }
        self.switchboard.close_traces();
        self.act();
        if tokio::time::timeout(STOP_WITHIN, self.recorder.finish()).await.is_err() {
            warn!("recordings are still being written: the next start makes them whole");
        }
        if self.locks.finish().await.is_err() {
            warn!("proofs that were right may stay charged: lock-outs cannot be written");
        }
        self.records.drain().await;
        // The records' writer has told of the last ends.
        self.webhooks.finish().await;
    }

    /// Waits for one input and takes it in.
    async fn turn(&mut self, inputs: &mut Inputs) {
        let deadline = self.switchboard.poll_timeout();
        tokio::select! {
            arrival = inputs.sip.receive() => take_in(&mut self.switchboard, arrival),
            Some((session, event)) = inputs.media.recv() => {
                self.switchboard.media(session, &event, Instant::now());
            }
            Some(Answered { call, request, answer }) = inputs.answers.recv() => {
                self.switchboard.answered(call, request, answer, Instant::now());
            }
            Some(Spoken { call, place, prompt }) = inputs.spoken.recv() => {
                self.switchboard.spoken(call, place, prompt, Instant::now());
            }
            Some(Checked { call, finding }) = inputs.findings.recv() => {
                self.switchboard.checked(call, finding, Instant::now());
            }
            Some((id, located)) = inputs.found.recv() => {
                self.switchboard.located(id, located, Instant::now());
            }
            _ = inputs.housekeeping.tick() => {
                self.switchboard.set_clock(wall_clock());
                self.feel_strain();
                self.lost = self.broken_part();
                measure::totals(&self.switchboard, &self.sip, self.exporter.as_ref());
                self.show_trunks();
            }
            Some(asked) = inputs.traces.recv() => self.show_trace(asked),
            Some(asked) = inputs.switches.recv() => self.switch(asked),
            Some(asked) = inputs.erasures.recv() => self.erase(asked),
            Some(reply) = inputs.reloads.recv() => self.reread(&inputs.rereader, Some(reply)),
            Some(()) = inputs.hang_up.recv() => self.reread(&inputs.rereader, None),
            Some((reread, reply)) = inputs.reread.recv() => self.reload(reread, reply),
            () = wait_until(deadline) => self.switchboard.handle_timeout(Instant::now()),
        }
        self.take_what_has_come(inputs);
    }

    /// Takes in what is there already, so that a busy time costs fewer rounds of the loop.
    fn take_what_has_come(&mut self, inputs: &mut Inputs) {
        for _ in 0..AT_ONCE_MAX {
            let Some(arrival) = inputs.sip.receive().now_or_never() else { break };
            take_in(&mut self.switchboard, arrival);
        }
        for _ in 0..AT_ONCE_MAX {
            let Ok((session, event)) = inputs.media.try_recv() else { break };
            self.switchboard.media(session, &event, Instant::now());
        }
    }

    /// A part that every call needs and that is no more: its thread or its task has panicked. What serves one call, one
    /// request or one connection may break off by itself.
    fn broken_part(&self) -> Option<&'static str> {
        let parts = [
            ("a media thread", self.media.is_whole()),
            ("the way in by SIP", self.sip.is_whole()),
            ("the records' writer", self.records.is_whole()),
            ("the recorder", self.recorder.is_whole()),
            ("the pages", !self.pages.is_finished()),
        ];
        parts.into_iter().find(|(_, is_whole)| !is_whole).map(|(part, _)| part)
    }

    /// Has the switchboard know how punctual the media threads are, and says so where it refuses calls for it.
    fn feel_strain(&mut self) {
        let lateness = self.media.lateness();
        let was_strained = self.switchboard.is_strained();
        self.switchboard.set_lateness(lateness);
        measure::lateness(lateness);
        let is_strained = self.switchboard.is_strained();
        if is_strained && !was_strained {
            warn!("new calls are refused: of a second's packets {:.0} % left late", lateness * 100.0);
        } else if was_strained && !is_strained {
            info!("new calls are taken again: packets leave on time");
        }
    }

    /// Shows how the trunks are doing.
    fn show_trunks(&mut self) {
        let trunks = self.switchboard.trunks(Instant::now());
        self.trunk_gauges.show(&trunks);
        self.live.set_trunks(trunks);
    }

    /// Has the configuration read again beside the loop.
    fn reread(&self, rereader: &mpsc::Sender<(Reread, Reply)>, reply: Reply) {
        let file = match self.in_effect.file() {
            Ok(file) => file,
            Err(why) => return reload::tell(reply, Err(why)),
        };
        let (rereader, former) = (rereader.clone(), self.in_effect.newest_back_end().clone());
        tokio::task::spawn_blocking(move || {
            // Without a loop to hear it, the server is ending.
            let _ = rereader.blocking_send((reload::prepare(&file, &former), reply));
        });
    }

    /// Puts what has been read again into effect for the calls to come.
    fn reload(&mut self, reread: Reread, reply: Reply) {
        let outcome = reread.map(|prepared| {
            let (plan, parts, reloaded) = self.in_effect.replace(*prepared);
            let Parts { tls, voice, pages, webhooks, checker } = parts;
            self.webhooks.set(webhooks);
            self.checker = checker;
            voice.keep_swept();
            self.voice = voice;
            self.locks.set_limits(self.in_effect.configuration().locks.limits);
            self.switchboard.set_plan(plan, Instant::now());
            self.sip.set_tls(tls);
            self.page_settings.send_modify(|settings| *settings = Arc::new(pages.after(settings)));
            reloaded
        });
        if reply.is_none() {
            let how = if outcome.is_ok() { "read again" } else { "refused for its faults" };
            self.note("configuration", how);
        }
        reload::tell(reply, outcome);
    }

    /// Puts into the audit log, beside the loop, what was changed by a signal or a start. What goes wrong is logged there.
    fn note(&self, what: &'static str, how: &'static str) {
        let audit = self.audit.clone();
        tokio::spawn(async move { audit.append(Actor::System, Deed::Changed, what, how).await });
    }

    /// Does what the switchboard wants.
    fn act(&mut self) {
        self.release_held();
        self.switchboard.trunk_news().iter().for_each(measure::trunk_news);
        while let Some(action) = self.switchboard.poll_action() {
            match action {
                call::Action::Transmit(transmit) => {
                    let (hop, domain) = (transmit.hop, transmit.domain.clone());
                    if self.sip.send(transmit).is_err() {
                        self.switchboard.unreachable(&hop, domain.as_ref(), Instant::now());
                    }
                }
                call::Action::Locate(id, search) => self.locator.locate(id, *search),
                call::Action::Media(session, command) => self.command(session, command),
                call::Action::Ask(call, plan, request, origin) => self.ask(call, &plan, request, &origin),
                call::Action::Speak(call, utterance) => {
                    let spoken = self.spoken.clone();
                    tokio::spawn(speaking::say(self.voice.clone(), call, utterance, spoken));
                }
                call::Action::Check(call, presented) => self.check(call, *presented),
                call::Action::Show(view) => self.live.update(*view),
                call::Action::Tell(happening) => self.webhooks.tell(*happening),
                call::Action::Trace(trace) => self.records.submit_trace(*trace),
                call::Action::Copy(copied) => self.export(&copied),
                call::Action::Tape(session, name) => {
                    self.command(session, media::Command::Record(self.recorder.begin(name)));
                }
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

    fn export(&mut self, copied: &call::Copied) {
        let since_epoch =
            Duration::try_from(copied.at.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
        if let Some(exporter) = &mut self.exporter {
            exporter.send(&copied.seen, since_epoch);
        }
    }

    /// Shows what there is of a call that is up.
    fn show_trace(&self, asked: web::TraceRequest) {
        let trace = self.switchboard.trace(&asked.call).cloned();
        // Whoever asked may have gone.
        let _ = asked.reply.send(trace);
    }

    /// Shows the emergency switches, once the one that is to be turned has been.
    fn switch(&mut self, asked: web::SwitchRequest) {
        let turned =
            asked.turn.map_or(Ok(()), |(line, on)| self.switchboard.turn_emergency(line.as_deref(), on));
        // Whoever asked may have gone.
        let _ = asked.reply.send(turned.map(|()| self.switchboard.emergencies().clone()));
    }

    /// Has a calling number checked beside the loop.
    fn check(&mut self, call: CallId, presented: Presented) {
        let Some(checker) = self.checker.clone() else {
            // The configuration that wanted it has gone meanwhile, and with it whom to trust.
            return self.switchboard.checked(call, Err(Fault::Unreachable), Instant::now());
        };
        let (shown, findings) = (Arc::clone(&self.shown), self.findings.clone());
        tokio::spawn(checking::check(checker, shown, call, presented, findings));
    }

    /// Has a person erased beside the loop.
    fn erase(&self, web::EraseRequest { person, reply }: web::EraseRequest) {
        let erasing = erasing::erase(person, self.voice.clone(), self.locks.clone(), self.records.eraser());
        tokio::spawn(async move {
            // Whoever asked may have gone.
            let _ = reply.send(erasing.await);
        });
    }

    /// Asks the back end beside the loop, if lock-outs let it be asked. A call that is gone by the time of the answer
    /// ignores it.
    fn ask(&self, call: CallId, plan: &Arc<Plan>, request: flow::Request, origin: &call::Origin) {
        if let Some(secret) = request.query.secret() {
            mishap::at("loop", secret.expose());
        }
        let Some(back_end) = self.in_effect.back_end(plan).cloned() else { return };
        let (answers, locks) = (self.answers.clone(), self.locks.clone());
        let keys = proving::keys(&request.query, origin);
        tokio::spawn(async move {
            let asked = back_end.ask(&request.action, &request.query);
            let answer = match keys {
                Some(keys) => locks.prove(&request.action, keys, asked).await,
                None => asked.await,
            };
            // Without a loop to hear it, nobody waits for the answer.
            drop(answers.send(Answered { call, request: request.id, answer }).await);
        });
    }
}

/// Takes in what has come by SIP.
fn take_in(switchboard: &mut Switchboard, arrival: Arrival<'_>) {
    match arrival {
        Arrival::Message(hop, payload) => switchboard.message(hop, &payload, Instant::now()),
        Arrival::Unreachable(hop, domain) => switchboard.unreachable(&hop, domain.as_ref(), Instant::now()),
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

/// How the server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// SIGINT: at once.
    Now,
    /// SIGTERM: once the calls that are up have ended.
    Drain,
}

/// The signals that stop the server.
struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn received(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Now,
            _ = self.terminate.recv() => Stop::Drain,
        }
    }
}
