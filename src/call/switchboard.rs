//! All calls: the one place where SIP, media, the conversation and the back end meet.
//!
//! Pure: SIP messages, media events, back-end answers and the time come in; messages, media commands, back-end
//! requests, views and records come out. Children are drained and translated; none sees another.

mod answering;
mod checking;
mod conversing;
mod ending;
mod recording;
mod speaking;
mod tapping;

use tapping::FarEnds;
pub use tapping::{Copied, Tap};

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::agents::Expected;
use super::emergency::Emergencies;
use super::happening::Happening;
use super::keypad;
use super::one::{Call, CallId};
use super::plan::{Network, Plan};
use super::ports::PortPool;
use super::record::{CallRecord, EndedBy};
use super::speaking::Utterance;
use super::strain::Strain;
use super::trace::{Trace, Traces};
use super::trunk::{Admission, Arrivals, Loads};
use super::turnstile::Turnstile;
use super::uplink::{TrunkNews, TrunkView, Uplinks};
use super::view::CallView;
use crate::flow::{self, LineName, PhoneNumber};
use crate::media;
use crate::sip::{
    self, DialogId, Direction, Domain, Endpoint, Hop, Located, Rejection, Search, SearchId, Transmit,
};
use crate::stir::{Fault, Presented};
use crate::timer::Timers;

/// What the shell is to do.
#[derive(Debug)]
pub enum Action {
    /// Send a SIP message.
    Transmit(Transmit),
    /// Find a peer, and tell with [`Switchboard::located`].
    Locate(SearchId, Box<Search>),
    /// Tell a media session.
    Media(media::SessionId, media::Command),
    /// Have what is said to and by the caller of this session recorded under this name.
    Tape(media::SessionId, String),
    /// Ask the back end of the plan that the call follows.
    Ask(CallId, Arc<Plan>, flow::Request, Origin),
    /// Fetch this for a call, and tell with [`Switchboard::spoken`], be it that it cannot be had.
    Speak(CallId, Utterance),
    /// Have a calling number checked by the passports that came with it, and tell with [`Switchboard::checked`], be it that
    /// it cannot be done.
    Check(CallId, Box<Presented>),
    /// A call looks different now.
    Show(Box<CallView>),
    /// Something has happened to a call. Its end is told by whoever keeps its record.
    Tell(Box<Happening>),
    /// A call is over; this is all that is kept of it, besides its trace and its recording.
    Record(Box<CallRecord>),
    /// The messages of a call that is over and quiet.
    Trace(Box<Trace>),
    /// Copy a message to whoever collects them.
    Copy(Box<Copied>),
}

/// By what a caller came who has something asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The line that asks for it.
    pub line: LineName,
    /// The calling number, where it was usable.
    pub ani: Option<PhoneNumber>,
    /// The name of the trunk; `None` where the peer is on none.
    pub trunk: Option<Arc<str>>,
}

/// The timers of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Timer {
    /// The check of the calling number has been waited for long enough.
    Check,
    /// The line has rung for long enough.
    Ring,
    /// The conversation wants to be told the time.
    Flow,
    /// What is to be said has been waited for long enough.
    Speech,
    /// The hand-over has been silent for too long.
    HandOver,
    /// The agents hang up.
    Agents,
    /// The media session owes its figures.
    Figures,
}

/// A reading of the wall clock, by which instants are dated.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    /// When it was read.
    pub at: Instant,
    /// What it said.
    pub utc: Timestamp,
}

impl WallClock {
    fn date(&self, now: Instant) -> Timestamp {
        let passed = now.saturating_duration_since(self.at);
        self.utc.checked_add(passed).unwrap_or(self.utc)
    }
}

/// All calls of one endpoint.
#[derive(Debug)]
pub struct Switchboard {
    endpoint: Endpoint,
    network: Network,
    plan: Arc<Plan>,
    clock: WallClock,
    rng: StdRng,
    calls: HashMap<CallId, Call>,
    by_dialog: HashMap<DialogId, CallId>,
    ports: PortPool,
    expected: Expected,
    loads: Loads,
    arrivals: Arrivals,
    emergencies: Emergencies,
    turnstile: Turnstile,
    strain: Strain,
    uplinks: Uplinks,
    timers: Timers<(CallId, Timer)>,
    actions: VecDeque<Action>,
    draining: bool,
    tap: Tap,
    traces: Traces,
    far_ends: FarEnds,
}

impl Switchboard {
    /// A switchboard without calls. Everything random comes from `rng`.
    pub fn new(
        sip: sip::Config,
        network: Network,
        plan: Arc<Plan>,
        clock: WallClock,
        mut rng: StdRng,
    ) -> Self {
        let mut endpoint = Endpoint::new(sip, StdRng::from_rng(&mut rng));
        endpoint.set_caps(plan.caps());
        Self {
            endpoint,
            ports: PortPool::new(&network.media_ports),
            network,
            plan,
            clock,
            rng,
            calls: HashMap::new(),
            by_dialog: HashMap::new(),
            expected: Expected::default(),
            loads: Loads::default(),
            arrivals: Arrivals::default(),
            emergencies: Emergencies::default(),
            turnstile: Turnstile::default(),
            strain: Strain::default(),
            uplinks: Uplinks::default(),
            timers: Timers::default(),
            actions: VecDeque::new(),
            draining: false,
            tap: Tap::default(),
            traces: Traces::default(),
            far_ends: FarEnds::default(),
        }
    }

    /// Takes a SIP message in.
    pub fn message(&mut self, hop: Hop, payload: &[u8], now: Instant) {
        let source = hop.peer.ip();
        let messages_max = self.plan.messages_per_second_of(source);
        if messages_max.is_some_and(|max| !self.turnstile.admits(source, max, now)) {
            return self.endpoint.drop_unread(Rejection::Flood);
        }
        match self.plan.trunks.admission(&hop) {
            Admission::Free => self.endpoint.receive(hop, payload, now),
            Admission::Stranger(reception) => {
                self.endpoint.receive_from_stranger(hop, payload, reception, now);
            }
            Admission::Login(logins, otherwise) => {
                self.endpoint.receive_to_prove(hop, payload, &logins, otherwise, now);
            }
        }
        // Its call may only now begin, and what is said to it comes after it.
        self.hear(now);
        if let Some(seen) = self.look(Direction::In, hop, payload) {
            self.pass(seen, now);
        }
        self.drain(now);
    }

    /// Takes note that what was sent by `hop` cannot be delivered.
    pub fn unreachable(&mut self, hop: &Hop, domain: Option<&Domain>, now: Instant) {
        self.endpoint.unreachable(hop, domain, now);
        self.drain(now);
    }

    /// Takes in where a peer is. Comes it late, it changes nothing.
    pub fn located(&mut self, id: SearchId, located: Located, now: Instant) {
        self.endpoint.located(id, located, now);
        self.drain(now);
    }

    /// Takes news of a media session.
    pub fn media(&mut self, session: media::SessionId, event: &media::Event, now: Instant) {
        let id = CallId(session.0);
        match event {
            media::Event::Opened => self.opened(id, now),
            media::Event::OpenFailed(_) => self.open_failed(id, now),
            media::Event::Digit(digit) => self.key(id, *digit, keypad::Source::Rtp, now),
            media::Event::Tone(digit) => self.key(id, *digit, keypad::Source::Tone, now),
            media::Event::PlayEnded(play) => self.tell(id, flow::Event::PlayEnded(flow::PlayId(play.0)), now),
            media::Event::Silent => self.hang_up(id, EndedBy::Network, Some("no media from the caller"), now),
            media::Event::Closed(figures) => self.closed(id, figures),
        }
        self.drain(now);
    }

    /// Takes the back end's answer to a request of a call. Comes it late, it changes nothing.
    pub fn answered(&mut self, call: CallId, request: flow::RequestId, answer: flow::Answer, now: Instant) {
        self.tell(call, flow::Event::Answered(request, answer), now);
        self.drain(now);
    }

    /// Runs every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.uplinks.handle_timeout(&mut self.endpoint, now);
        self.traces.handle_timeout(now);
        while let Some((id, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Check => self.settle_check(id, Err(Fault::TimedOut), now),
                Timer::Ring => self.rung(id, now),
                Timer::Flow => self.flow_timeout(id, now),
                Timer::Speech => self.say_pending(id),
                Timer::HandOver => self.hand_over_timeout(id, now),
                Timer::Agents => self.hang_up(id, EndedBy::Portero, None, now),
                Timer::Figures => self.closed(id, &media::Figures::default()),
            }
        }
        self.drain(now);
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let traces = self.traces.poll_timeout();
        [self.endpoint.poll_timeout(), self.timers.next(), self.uplinks.poll_timeout(), traces]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing for the shell to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes a new reading of the wall clock, so that dates do not drift from it.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// Calls that come from now on follow this plan; those that are up keep theirs. Trunks that it changes are
    /// registered and asked anew.
    pub fn set_plan(&mut self, plan: Arc<Plan>, now: Instant) {
        self.endpoint.set_caps(plan.caps());
        self.plan = plan;
        if !self.draining {
            self.connect_trunks(now);
        }
    }

    /// Registers with the trunks that want it, and begins to ask their servers whether they are there.
    pub fn connect_trunks(&mut self, now: Instant) {
        let trunks = &self.plan.trunks;
        self.uplinks.follow(trunks, &mut self.endpoint, &mut self.rng, now);
        self.drain(now);
    }

    /// Takes every registration back.
    pub fn disconnect_trunks(&mut self, now: Instant) {
        self.uplinks.leave(&mut self.endpoint, now);
        self.drain(now);
    }

    /// How every trunk is doing.
    pub fn trunks(&self, now: Instant) -> Vec<TrunkView> {
        let trunks = self.plan.trunks.list.iter();
        trunks.map(|trunk| self.uplinks.view(trunk, self.loads.calls(trunk), now)).collect()
    }

    /// What has changed of the trunks since it was last asked.
    pub fn trunk_news(&mut self) -> Vec<TrunkNews> {
        self.uplinks.news()
    }

    /// From now on new calls get 503.
    pub fn drain_calls(&mut self) {
        self.draining = true;
        self.endpoint.set_draining(true);
    }

    /// Whether new calls get 503.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Takes in which share of the last second's packets left late, 0 to 1, at the thread that fared worst. To be told
    /// once a second.
    pub fn set_lateness(&mut self, late: f64) {
        self.strain.note(late, f64::from(self.plan.intake.late_percent) / 100.0);
    }

    /// Whether new calls get 503 because those that are up sound badly.
    pub fn is_strained(&self) -> bool {
        self.strain.is_strained()
    }

    /// Ends every call.
    pub fn hang_up_all(&mut self, now: Instant) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for id in calls {
            self.hang_up(id, EndedBy::Portero, Some("shut down"), now);
        }
        self.drain(now);
    }

    /// How many calls there are, those included whose figures are awaited.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How many dialogs the endpoint holds.
    pub fn dialogs(&self) -> usize {
        self.endpoint.dialogs()
    }

    /// How many media ports are reserved.
    pub fn ports_in_use(&self) -> usize {
        self.ports.in_use()
    }

    /// What the SIP side has counted.
    pub fn sip_counters(&self) -> &sip::Counters {
        self.endpoint.counters()
    }

    /// Whether nothing at all is left: no call, dialog, transaction, port or timer. Traces of calls that are over may
    /// wait for late messages still.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.by_dialog.is_empty()
            && self.endpoint.is_idle()
            && self.ports.in_use() == 0
            && self.loads.is_idle()
            && self.uplinks.is_idle()
            && self.timers.is_empty()
    }

    /// Empties the endpoint, and shows the calls that changed meanwhile.
    fn drain(&mut self, now: Instant) {
        self.hear(now);
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let Some(seen) = self.look(Direction::Out, transmit.hop, &transmit.payload) {
                self.pass(seen, now);
            }
            self.actions.push_back(Action::Transmit(transmit));
        }
        self.give_traces();
        while let Some((id, search)) = self.endpoint.poll_search() {
            self.actions.push_back(Action::Locate(id, Box::new(search)));
        }
    }

    /// Takes in what the endpoint tells.
    fn hear(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.sip_event(event, now);
        }
    }

    fn sip_event(&mut self, event: sip::Event, now: Instant) {
        if let sip::Event::Replied(errand, reply) = event {
            return self.uplinks.replied(errand, &reply, &mut self.endpoint, now);
        }
        let (sip::Event::Invited(dialog, _)
        | sip::Event::Confirmed(dialog, _)
        | sip::Event::Reinvited(dialog, _)
        | sip::Event::Digit(dialog, _)
        | sip::Event::Referral(dialog, _)
        | sip::Event::Ringing(dialog)
        | sip::Event::Answered(dialog, _)
        | sip::Event::Referred(dialog, _)
        | sip::Event::Explained(dialog, _)
        | sip::Event::Ended(dialog, _)) = &event
        else {
            return;
        };
        let dialog = *dialog;
        if let sip::Event::Invited(_, invitation) = event {
            return self.invited(dialog, &invitation, now);
        }
        let Some(id) = self.by_dialog.get(&dialog).copied() else { return };
        match event {
            sip::Event::Confirmed(_, answer) => self.confirmed(id, answer.as_deref(), now),
            sip::Event::Reinvited(_, offer) => self.reinvited(id, offer.as_deref(), now),
            sip::Event::Digit(_, digit) => {
                self.key_told(id);
                self.key(id, digit, keypad::Source::Info, now);
            }
            sip::Event::Referral(_, event) => self.referral_event(id, event, now),
            sip::Event::Explained(_, reason) => self.explained(id, reason),
            sip::Event::Ended(_, cause) => self.ended(id, cause, now),
            // We place no calls, and refuse to be referred. The rest has been told already.
            sip::Event::Invited(..)
            | sip::Event::Replied(..)
            | sip::Event::Ringing(_)
            | sip::Event::Answered(..)
            | sip::Event::Referred(..) => {}
        }
    }

    /// Shows a call whose look has changed, and tells what has happened to it.
    fn show(&mut self, id: CallId, now: Instant) {
        let at = self.clock.date(now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        for what in call.passed() {
            let happening = call.view().map(|call| Happening { what, at, call });
            self.actions.extend(happening.map(|happening| Action::Tell(Box::new(happening))));
        }
        let look = call.look();
        if call.shown == Some(look) {
            return;
        }
        call.shown = Some(look);
        self.actions.extend(call.view().map(|view| Action::Show(Box::new(view))));
    }
}
