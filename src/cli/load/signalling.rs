//! The loop that places the calls, answers what comes in them and ends them: one SIP endpoint for all, by UDP.
//!
//! Calls are placed by the clock and not by what becomes of those before (an open loop), so that a server that slows
//! down is not spared for it.
#![expect(clippy::disallowed_methods, reason = "shell: the load generator's loop reads the clock")]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::lane::{self, Begin, Command, Lane, Told};
use super::ledger::{Ending, Ledger, Spent};
use super::plan::Plan;
use super::process::processor_time;
use super::stream::Heard;
use crate::call::PortPool;
use crate::cli::call::address::Address;
use crate::cli::call::phone::{find, local_ip_towards, send_out, sleep_until, take_in};
use crate::cli::call::script::Script;
use crate::cli::call::voice::Origin;
use crate::net::dns::{Dns, Found, Locator};
use crate::net::sip::{self as sockets, Caps, Inlet, Listen, Outlet, Tls};
use crate::sdp::{self, Codecs, Negotiated, Offer, Session};
use crate::sip::{Call, Config, DialogId, EndCause, Endpoint, Event, Hop, Transport, Whereabouts};
use crate::timer::Timers;

/// How long a call may go without an answer.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// How long whoever referred us may take to hang up: RFC 3515 leaves it open, and the referrer does it as a rule.
const HUNG_UP_WITHIN: Duration = Duration::from_secs(4);
/// Time between two hang-ups after the user has interrupted.
const HANG_UP_PACE: Duration = Duration::from_millis(1);
/// Calls placed before answers are looked at, where we are late.
const PLACED_AT_ONCE: usize = 16;
/// How often what is shown and sampled is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Messages of the media threads that may wait.
const TOLD_MAX: usize = 4096;
/// How many ports that somebody else has are passed over for one call.
const PORT_TRIES: usize = 100;
/// Connections: there are none, but a request too large for a datagram is tried by TCP (RFC 3261 §18.1.1).
const CONNECTIONS_MAX: usize = 16;

/// What a run needs besides its plan.
pub struct Means {
    /// Whom to call.
    pub to: Address,
    /// What every call keys.
    pub script: Script,
    /// Addresses of this machine; none picks the one that the kernel would.
    pub bind: Vec<IpAddr>,
    /// Threads for sound.
    pub threads: usize,
    /// The server's process, where its processor time is asked for.
    pub pid: Option<u32>,
    /// Who answers for names.
    pub dns: Dns,
}

/// See the module.
pub struct Load {
    plan: Plan,
    to: Address,
    script: Script,
    inlet: Inlet,
    outlet: Outlet,
    endpoint: Endpoint,
    rng: StdRng,
    locator: Locator,
    found: Found,
    /// The ways to the server, and the ports, of each of our addresses.
    bases: Vec<Base>,
    lanes: Vec<Lane>,
    told: mpsc::Receiver<Told>,
    lines: HashMap<usize, Line>,
    by_dialog: HashMap<DialogId, usize>,
    deadlines: Timers<usize>,
    ledger: Ledger,
    start: Instant,
    stopping: bool,
    meter: Option<Meter>,
}

/// One of our addresses.
struct Base {
    hops: Vec<Hop>,
    ports: PortPool,
}

/// One call.
struct Line {
    dialog: DialogId,
    base: usize,
    local: SocketAddr,
    session: Session,
    invited: Instant,
    /// The socket for sound, until a lane has it.
    socket: Option<UdpSocket>,
    stage: Stage,
    referred: bool,
    /// Whether a lane has it.
    sounds: bool,
    heard: Option<Heard>,
    /// When we hung up.
    left: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Calling,
    Up,
    /// What is answered cannot be used, or nobody answered in time: why.
    GivenUp(String),
    Over(Result<Ending, String>),
}

/// The server's processor time.
struct Meter {
    pid: u32,
    began: Duration,
    /// When it was last looked at, what it was, and how many calls there were in each stage.
    last: (Instant, Duration, [usize; 4]),
    spent: Spent,
}

impl Load {
    /// Opens the sockets and starts the threads; `told_target` is whom the calls go to, as it was said.
    pub async fn prepare(plan: Plan, means: Means, told_target: String) -> anyhow::Result<Self> {
        let Means { to, script, bind, threads, pid, dns } = means;
        let destinations = find(&dns, &to).await.into_iter();
        let peers: Vec<SocketAddr> =
            destinations.filter(|it| it.transport == Transport::Udp).map(|it| it.address).collect();
        let first = *peers.first().with_context(|| format!("{} (by UDP)", to.unresolved()))?;
        let bind = if bind.is_empty() { vec![local_ip_towards(first)?] } else { bind };
        plan.check(bind.len())?;
        let (outlet, inlet) = open_sip(&bind).await?;
        let bases = bases(&outlet, &peers, &plan)?;
        let mut rng = StdRng::from_os_rng();
        let config = Config {
            whereabouts: Whereabouts {
                listeners: outlet.listeners().to_vec(),
                external: None,
                local_networks: Vec::new(),
            },
            user_agent: concat!("portero-load/", env!("CARGO_PKG_VERSION")).to_owned(),
            accept_referrals: true,
            retry_after: Duration::from_secs(1),
            realm: "portero".to_owned(),
        };
        let endpoint = Endpoint::new(config, StdRng::from_rng(&mut rng));
        let (locator, found) = Locator::new(dns);
        let (tell, told) = mpsc::channel(TOLD_MAX);
        let lanes = (0..threads).map(|number| Lane::start(number, tell.clone())).collect::<Result<_, _>>()?;
        let start = Instant::now();
        let meter = pid.map(|pid| Meter::start(pid, start)).transpose()?;
        Ok(Self {
            plan,
            to,
            script,
            inlet,
            outlet,
            endpoint,
            rng,
            locator,
            found,
            bases,
            lanes,
            told,
            lines: HashMap::new(),
            by_dialog: HashMap::new(),
            deadlines: Timers::default(),
            ledger: Ledger::new(told_target),
            start,
            stopping: false,
            meter,
        })
    }

    /// Runs all calls to their ends; `show` is called about every second. The first interruption hangs up on all of
    /// them, the second leaves them as they are.
    pub async fn run(mut self, mut show: impl FnMut(&Ledger)) -> io::Result<Ledger> {
        let mut interruptions = signal(SignalKind::interrupt())?;
        let mut sample_at = self.start + SAMPLE_EVERY;
        loop {
            let now = Instant::now();
            self.place_due(now);
            while let Some(call) = self.deadlines.pop_due(now) {
                self.hang_up(call, now);
            }
            self.settle(now);
            if now >= sample_at {
                sample_at += SAMPLE_EVERY;
                self.sample(now);
                show(&self.ledger);
            }
            if self.is_over() {
                break;
            }
            let due = self.poll_timeout(sample_at);
            tokio::select! {
                arrival = self.inlet.receive() => take_in(&mut self.endpoint, arrival),
                Some(told) = self.told.recv() => self.take_told(told, Instant::now()),
                Some((id, located)) = self.found.recv() => {
                    self.endpoint.located(id, located, Instant::now());
                }
                () = sleep_until(Some(due)) => {}
                _ = interruptions.recv() => {
                    if self.stopping {
                        break;
                    }
                    self.stop(Instant::now());
                }
            }
            let now = Instant::now();
            if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
                self.endpoint.handle_timeout(now);
            }
        }
        Ok(self.close(Instant::now()))
    }

    fn is_over(&self) -> bool {
        (self.stopping || self.ledger.placed == self.plan.calls) && self.lines.is_empty()
    }

    fn poll_timeout(&self, sample_at: Instant) -> Instant {
        let all_placed = self.stopping || self.ledger.placed == self.plan.calls;
        let place_at = (!all_placed).then(|| self.start + self.plan.due(self.ledger.placed));
        let others = [self.endpoint.poll_timeout(), self.deadlines.next(), place_at];
        others.into_iter().flatten().fold(sample_at, Instant::min)
    }

    fn place_due(&mut self, now: Instant) {
        for _ in 0..PLACED_AT_ONCE {
            let due = self.start + self.plan.due(self.ledger.placed);
            if self.stopping || self.ledger.placed == self.plan.calls || due > now {
                return;
            }
            self.ledger.placed_late.record(now.saturating_duration_since(due));
            let call = self.ledger.placed;
            self.ledger.placed += 1;
            if let Err(cause) = self.place(call) {
                self.ledger.fail(cause);
            }
        }
    }

    fn place(&mut self, call: usize) -> Result<(), &'static str> {
        let base = call % self.bases.len();
        let (socket, local) = self.bases[base].open_port().map_err(|_| "had no port for sound")?;
        let session = Session { id: self.rng.random::<u32>().into(), version: 1 };
        let hops = &self.bases[base].hops;
        let asked = Call {
            to_uri: self.to.uri.clone(),
            from_user: self.plan.from.nth(call),
            from_display: None,
            hop: hops[0],
            spares: hops[1..].to_vec(),
            sdp: sdp::offer(local, session, &Codecs::default()),
            headers: self.to.headers.clone(),
        };
        let invited = Instant::now();
        let Some(dialog) = self.endpoint.invite(&asked, invited) else {
            self.bases[base].ports.release(local.port());
            return Err("had no room, or a number that cannot stand in a SIP message");
        };
        let line = Line {
            dialog,
            base,
            local,
            session,
            invited,
            socket: Some(socket),
            stage: Stage::Calling,
            referred: false,
            sounds: false,
            heard: None,
            left: None,
        };
        self.lines.insert(call, line);
        self.by_dialog.insert(dialog, call);
        self.deadlines.set(call, invited + ANSWER_WITHIN);
        Ok(())
    }

    /// Places no more calls and hangs up on all, in the order in which they were placed.
    fn stop(&mut self, now: Instant) {
        self.stopping = true;
        let mut calls: Vec<usize> =
            self.lines.iter().filter(|(_, line)| line.left.is_none()).map(|(call, _)| *call).collect();
        calls.sort_unstable();
        for (turn, call) in calls.into_iter().enumerate() {
            self.deadlines.set(call, now + HANG_UP_PACE * turn as u32);
        }
    }

    fn hang_up(&mut self, call: usize, now: Instant) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        let dialog = line.dialog;
        match line.stage {
            Stage::Calling => {
                line.stage =
                    Stage::GivenUp(format!("were not answered within {} s", ANSWER_WITHIN.as_secs()));
                self.endpoint.cancel(dialog, now);
            }
            Stage::Up => {
                line.left = Some(now);
                self.silence(call);
                self.endpoint.bye(dialog, now);
            }
            Stage::GivenUp(_) | Stage::Over(_) => {}
        }
    }

    /// Ends a call's sound.
    fn silence(&self, call: usize) {
        if self.lines.get(&call).is_some_and(|line| line.sounds) {
            self.lane(call).tell(Command::End(call));
        }
    }

    fn lane(&self, call: usize) -> &Lane {
        &self.lanes[call % self.lanes.len()]
    }

    /// Takes what the endpoint tells until it has nothing more to tell, and sends.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.take_event(event, now);
        }
        send_out(&mut self.endpoint, &self.outlet, &self.locator, now);
    }

    fn take_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Invited(dialog, _) => self.endpoint.reject(dialog, 486, now),
            Event::Answered(dialog, answer) => self.answered(dialog, &answer, now),
            Event::Confirmed(dialog, Some(answer)) => {
                if let (Some(call), Ok(agreed)) = (self.call_of(dialog), sdp::read_answer(&answer)) {
                    self.change(call, agreed);
                }
            }
            Event::Reinvited(dialog, offer) => self.reinvited(dialog, offer.as_deref(), now),
            Event::Referred(dialog, _) => self.referred(dialog, now),
            Event::Ended(dialog, cause) => self.ended(dialog, cause, now),
            Event::Ringing(_)
            | Event::Confirmed(_, None)
            | Event::Digit(..)
            | Event::Referral(..)
            | Event::Explained(..)
            | Event::Replied(..) => {}
        }
    }

    fn call_of(&self, dialog: DialogId) -> Option<usize> {
        self.by_dialog.get(&dialog).copied()
    }

    fn answered(&mut self, dialog: DialogId, answer: &str, now: Instant) {
        let Some(call) = self.call_of(dialog) else { return };
        let origin =
            Origin { ssrc: self.rng.random(), sequence: self.rng.random(), timestamp: self.rng.random() };
        let Some(line) = self.lines.get_mut(&call) else { return };
        if line.stage != Stage::Calling {
            return;
        }
        let agreed = sdp::read_answer(answer).ok();
        let socket = line.socket.take();
        let connected = agreed.zip(socket).filter(|(agreed, socket)| socket.connect(agreed.remote).is_ok());
        let Some((agreed, socket)) = connected else {
            line.stage = Stage::GivenUp("were answered with SDP that is of no use".to_owned());
            return self.endpoint.bye(dialog, now);
        };
        line.stage = Stage::Up;
        line.sounds = true;
        self.ledger
            .answer(now.saturating_duration_since(self.start), now.saturating_duration_since(line.invited));
        // An interruption may have set an earlier end.
        if !self.stopping {
            self.deadlines.set(call, now + self.plan.hold);
        }
        let begin = Begin { call, socket, origin, agreed, script: self.script.clone() };
        self.lane(call).tell(Command::Begin(Box::new(begin)));
    }

    fn change(&mut self, call: usize, agreed: Negotiated) {
        if self.lines.get(&call).is_some_and(|line| line.sounds) {
            self.lane(call).tell(Command::Change(call, Box::new(agreed)));
        }
    }

    fn reinvited(&mut self, dialog: DialogId, offer: Option<&str>, now: Instant) {
        let Some(call) = self.call_of(dialog) else { return };
        let Some(line) = self.lines.get_mut(&call) else { return };
        line.session.version += 1;
        let (local, session) = (line.local, line.session);
        let Some(offer) = offer else {
            return self.endpoint.accept(dialog, &sdp::offer(local, session, &Codecs::default()), now);
        };
        let answer = Offer::parse(offer)
            .ok()
            .and_then(|offer| sdp::negotiate(&offer, local, session, &Codecs::default()).ok());
        match answer {
            Some((answer, agreed)) => {
                self.endpoint.accept(dialog, &answer, now);
                self.change(call, agreed);
            }
            None => self.endpoint.reject(dialog, 488, now),
        }
    }

    /// Says that the target was reached, without calling it, and leaves it to the other side to hang up.
    fn referred(&mut self, dialog: DialogId, now: Instant) {
        self.endpoint.answer_refer(dialog, 202, now);
        self.endpoint.notify(dialog, 200, true, now);
        let Some(call) = self.call_of(dialog) else { return };
        let Some(line) = self.lines.get_mut(&call) else { return };
        if !std::mem::replace(&mut line.referred, true) {
            self.ledger.handed_over += 1;
        }
        if line.left.is_none() && !self.stopping {
            self.deadlines.set(call, now + HUNG_UP_WITHIN);
        }
    }

    fn ended(&mut self, dialog: DialogId, cause: EndCause, now: Instant) {
        let Some(call) = self.by_dialog.remove(&dialog) else { return };
        self.deadlines.clear(call);
        let Some(line) = self.lines.get_mut(&call) else { return };
        if line.stage == Stage::Up {
            self.ledger.up -= 1;
        }
        if let (EndCause::LocalBye, Some(left)) = (cause, line.left) {
            self.ledger.exchange(now.saturating_duration_since(left));
        }
        let end = match (&line.stage, cause) {
            (Stage::Calling | Stage::GivenUp(_), EndCause::Refused(487)) if self.stopping => {
                Ok(Ending::Abandoned)
            }
            (Stage::GivenUp(_), _) if self.stopping => Ok(Ending::Abandoned),
            (Stage::GivenUp(cause), _) => Err(cause.clone()),
            (_, EndCause::Refused(408)) => Err("got no answer, or 408".to_owned()),
            (_, EndCause::Refused(status)) => Err(format!("were refused with {status}")),
            (_, EndCause::RemoteBye) => Ok(Ending::ByPeer),
            (_, EndCause::LocalBye) => Ok(Ending::ByUs),
            _ => Err("lost the other side".to_owned()),
        };
        let told_already = line.left.is_some();
        line.stage = Stage::Over(end);
        if !told_already {
            self.silence(call);
        }
        self.finish(call);
    }

    fn take_told(&mut self, told: Told, now: Instant) {
        match told {
            Told::Ended(call, heard) => {
                if let Some(line) = self.lines.get_mut(&call) {
                    line.sounds = false;
                    line.heard = Some(heard);
                }
                self.finish(call);
            }
            Told::Timed(timings) => {
                self.ledger.time(now.saturating_duration_since(self.start), &timings);
            }
        }
    }

    /// Lets go of a call of which nothing more is to come.
    fn finish(&mut self, call: usize) {
        let Some(line) = self.lines.get(&call) else { return };
        let Stage::Over(end) = &line.stage else { return };
        if line.sounds {
            return;
        }
        self.ledger.finish(end.clone(), line.heard);
        self.bases[line.base].ports.release(line.local.port());
        self.lines.remove(&call);
    }

    fn sample(&mut self, now: Instant) {
        if let Some(meter) = &mut self.meter {
            let counts = [self.ledger.placed, self.ledger.answered, self.ledger.up, self.lines.len()];
            meter.sample(now, self.ledger.up, counts);
        }
    }

    /// Ends the threads and takes what they still have to tell.
    fn close(mut self, now: Instant) -> Ledger {
        self.sample(now);
        self.lanes.clear();
        while let Ok(told) = self.told.try_recv() {
            self.take_told(told, now);
        }
        for (_, line) in self.lines {
            let end = match line.stage {
                Stage::Over(end) => end,
                _ => Ok(Ending::Abandoned),
            };
            self.ledger.finish(end, line.heard);
        }
        self.ledger.lasted = now.saturating_duration_since(self.start);
        self.ledger.spent = self.meter.map(|meter| meter.spent);
        self.ledger
    }
}

impl Base {
    /// A socket on a free even port. A port that somebody else has is not asked for again.
    fn open_port(&mut self) -> io::Result<(UdpSocket, SocketAddr)> {
        let ip = self.hops[0].local.ip();
        for _ in 0..PORT_TRIES {
            let port = self.ports.reserve().ok_or(io::ErrorKind::AddrInUse)?;
            let local = SocketAddr::new(ip, port);
            match lane::open(local) {
                Ok(socket) => return Ok((socket, local)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    self.ports.release(port);
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

impl Meter {
    fn start(pid: u32, now: Instant) -> anyhow::Result<Self> {
        let began = processor_time(pid)
            .with_context(|| format!("the processor time of process {pid} is not known"))?;
        Ok(Self { pid, began, last: (now, began, [0; 4]), spent: Spent::default() })
    }

    /// Where the process is gone, what it had spent before stays.
    fn sample(&mut self, now: Instant, up: usize, counts: [usize; 4]) {
        let Ok(cpu) = processor_time(self.pid) else { return };
        let (since, before, counts_before) = self.last;
        // None began or ended in between: a call that does is counted in another stage than before.
        if counts == counts_before && up > 0 {
            self.spent.steady += cpu.saturating_sub(before);
            self.spent.steady_calls += now.saturating_duration_since(since) * up as u32;
        }
        self.spent.whole = cpu.saturating_sub(self.began);
        self.last = (now, cpu, counts);
    }
}

async fn open_sip(bind: &[IpAddr]) -> anyhow::Result<(Outlet, Inlet)> {
    let listen: Vec<Listen> = bind
        .iter()
        .map(|ip| Listen { transport: Transport::Udp, address: SocketAddr::new(*ip, 0) })
        .collect();
    let caps = Caps { connections: CONNECTIONS_MAX, connections_per_source: CONNECTIONS_MAX };
    let opened = sockets::open(&listen, caps, Tls::client(None)?).await;
    opened
        .map_err(|fault| anyhow::anyhow!("cannot call from {}: {}", fault.listen.address.ip(), fault.source))
}

fn bases(outlet: &Outlet, peers: &[SocketAddr], plan: &Plan) -> anyhow::Result<Vec<Base>> {
    let base = |local: SocketAddr| {
        let of_family = peers.iter().filter(|peer| peer.is_ipv4() == local.is_ipv4());
        let hops: Vec<Hop> = of_family.map(|peer| Hop::udp(local, *peer)).collect();
        anyhow::ensure!(!hops.is_empty(), "from {} the server has no address to call", local.ip());
        Ok(Base { hops, ports: PortPool::new(&plan.ports) })
    };
    outlet.listeners().iter().map(|listener| base(listener.address)).collect()
}
