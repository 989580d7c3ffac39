//! All calls: the one place where SIP, media, the conversation and the back end meet.
//!
//! Pure: datagrams, media events, back-end answers and the time come in; datagrams, media commands, back-end
//! requests, views and records come out. Children are drained and translated; none sees another.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::agents::Expected;
use super::hand_over::{FollowedHandOver, Progress, referral};
use super::one::{Call, CallId, Description, Ending, Party, Phase, Script};
use super::plan::{Network, Plan};
use super::ports::PortPool;
use super::record::{CallRecord, EndedBy};
use super::view::CallView;
use crate::flow::{self, Ani, Flow, PromptId, Standing, TargetName};
use crate::sip::{self, DialogId, Endpoint, Invitation, Transmit};
use crate::timer::Timers;
use crate::{audio, media, sdp};

/// How many media ports are tried before a call is refused, where others on this machine hold some of ours.
const PORT_TRIES: u32 = 8;

/// How long a media session may take to hand in its figures.
const FIGURES_WITHIN: Duration = Duration::from_secs(2);

/// What the shell is to do.
#[derive(Debug)]
pub enum Action {
    /// Send a SIP datagram.
    Transmit(Transmit),
    /// Tell a media session.
    Media(media::SessionId, media::Command),
    /// Ask the back end.
    Ask(CallId, flow::Request),
    /// A call looks different now.
    Show(Box<CallView>),
    /// A call is over; this is all that is kept of it.
    Record(Box<CallRecord>),
}

/// The timers of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Timer {
    /// The line has rung for long enough.
    Ring,
    /// The conversation wants to be told the time.
    Flow,
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
    timers: Timers<(CallId, Timer)>,
    actions: VecDeque<Action>,
    draining: bool,
}

impl Switchboard {
    /// A switchboard without calls. Everything random comes from `rng`.
    pub fn new(sip: sip::Config, network: Network, plan: Arc<Plan>, clock: WallClock, mut rng: StdRng) -> Self {
        Self {
            endpoint: Endpoint::new(sip, StdRng::from_rng(&mut rng)),
            ports: PortPool::new(&network.media_ports),
            network,
            plan,
            clock,
            rng,
            calls: HashMap::new(),
            by_dialog: HashMap::new(),
            expected: Expected::default(),
            timers: Timers::default(),
            actions: VecDeque::new(),
            draining: false,
        }
    }

    /// Takes a SIP datagram in.
    pub fn datagram(&mut self, source: SocketAddr, payload: &[u8], now: Instant) {
        self.endpoint.receive(source, payload, now);
        self.drain(now);
    }

    /// Takes news of a media session.
    pub fn media(&mut self, session: media::SessionId, event: media::Event, now: Instant) {
        let id = CallId(session.0);
        if let media::Event::Closed(figures) = &event {
            self.closed(id, figures);
        } else if self.calls.contains_key(&id) {
            match event {
                media::Event::Opened => self.opened(id, now),
                media::Event::OpenFailed(_) => self.open_failed(id, now),
                media::Event::Digit(digit) => self.tell(id, flow::Event::Digit(digit), now),
                media::Event::PlayEnded(play) => {
                    self.tell(id, flow::Event::PlayEnded(flow::PlayId(play.0)), now);
                }
                media::Event::Silent => self.hang_up(id, EndedBy::Network, Some("no media from the caller"), now),
                media::Event::Closed(_) => {}
            }
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
        while let Some((id, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Ring => self.accept(id, now),
                Timer::Flow => self.flow_timeout(id, now),
                Timer::HandOver => self.hand_over_timeout(id, now),
                Timer::Agents => self.hang_up(id, EndedBy::Portero, None, now),
                Timer::Figures => self.closed(id, &media::Figures::default()),
            }
        }
        self.drain(now);
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.endpoint.poll_timeout(), self.timers.next()].into_iter().flatten().min()
    }

    /// The next thing for the shell to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes a new reading of the wall clock, so that dates do not drift from it.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// From now on new calls get 503.
    pub fn drain_calls(&mut self) {
        self.draining = true;
        self.endpoint.set_draining(true);
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

    /// Whether nothing at all is left: no call, dialog, port or timer.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.by_dialog.is_empty()
            && self.endpoint.dialogs() == 0
            && self.ports.in_use() == 0
            && self.timers.is_empty()
    }

    /// Empties the endpoint, and shows the calls that changed meanwhile.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.sip_event(event, now);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.actions.push_back(Action::Transmit(transmit));
        }
    }

    fn sip_event(&mut self, event: sip::Event, now: Instant) {
        let (sip::Event::Invited(dialog, _)
        | sip::Event::Confirmed(dialog, _)
        | sip::Event::Reinvited(dialog, _)
        | sip::Event::Digit(dialog, _)
        | sip::Event::Referral(dialog, _)
        | sip::Event::Ringing(dialog)
        | sip::Event::Answered(dialog, _)
        | sip::Event::Referred(dialog, _)
        | sip::Event::Ended(dialog, _)) = &event;
        let dialog = *dialog;
        if let sip::Event::Invited(_, invitation) = event {
            return self.invited(dialog, &invitation, now);
        }
        let Some(id) = self.by_dialog.get(&dialog).copied() else { return };
        match event {
            sip::Event::Confirmed(_, answer) => self.confirmed(id, answer.as_deref(), now),
            sip::Event::Reinvited(_, offer) => self.reinvited(id, offer.as_deref(), now),
            sip::Event::Digit(_, digit) => self.tell(id, flow::Event::Digit(digit), now),
            sip::Event::Referral(_, event) => self.referral_event(id, event, now),
            sip::Event::Ended(_, cause) => self.ended(id, cause, now),
            // We place no calls, and refuse to be referred.
            sip::Event::Invited(..) | sip::Event::Ringing(_) | sip::Event::Answered(..) | sip::Event::Referred(..) => {}
        }
    }

    fn invited(&mut self, dialog: DialogId, invitation: &Invitation, now: Instant) {
        let Some(party) = self.party(invitation) else {
            return self.endpoint.reject(dialog, 404, now);
        };
        if self.draining || self.calls.len() >= self.plan.calls_max {
            return self.endpoint.reject(dialog, 503, now);
        }
        let offer = match invitation.offer.as_deref().map(sdp::Offer::parse).transpose() {
            Ok(offer) => offer,
            Err(error) => return self.endpoint.reject(dialog, sdp_status(&error), now),
        };
        let Some(port) = self.ports.reserve() else {
            return self.endpoint.reject(dialog, 503, now);
        };
        let id = self.new_id();
        let session = sdp::Session { id: self.rng.random_range(1..=u64::from(u32::MAX)), version: 1 };
        let local = SocketAddr::new(self.network.media_address, port);
        let call = Call {
            id,
            dialog,
            plan: Arc::clone(&self.plan),
            party,
            phase: Phase::Opening { answer: String::new(), offer, tries: 0 },
            port,
            media_open: false,
            description: Description { local, session, text: String::new() },
            ani: invitation.caller.as_deref().and_then(Ani::parse),
            started_at: self.clock.date(now),
            answered_at: None,
            hand_over: None,
            shown: None,
        };
        self.by_dialog.insert(dialog, id);
        self.calls.insert(id, call);
        self.open(id, now);
        self.show(id);
    }

    fn party(&self, invitation: &Invitation) -> Option<Party> {
        if let Some(line) = self.plan.lines.get(invitation.dialled.as_str()) {
            return Some(Party::Line(Arc::clone(line)));
        }
        let agents = self.plan.agents.as_ref()?;
        (agents.user == invitation.dialled).then(|| {
            let (token, verdict) = (invitation.token.as_deref(), invitation.verdict.as_deref());
            Party::Agents(self.expected.announcement(token, verdict))
        })
    }

    fn new_id(&mut self) -> CallId {
        loop {
            let id = CallId(self.rng.random());
            if !self.calls.contains_key(&id) {
                return id;
            }
        }
    }

    /// Negotiates a call's media and has its port bound; where the offer is ours, that waits for the ACK.
    fn open(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Opening { answer, offer, .. } = &mut call.phase else { return };
        let Some(offer) = offer else {
            *answer = sdp::offer(call.description.local, call.description.session);
            return self.opened(id, now);
        };
        match sdp::negotiate(offer, call.description.local, call.description.session) {
            Ok((text, negotiated)) => {
                call.description.text.clone_from(&text);
                *answer = text;
                self.open_media(id, &negotiated);
            }
            Err(_) => self.refuse(id, 488, "no common codec", now),
        }
    }

    fn open_media(&mut self, id: CallId, negotiated: &sdp::Negotiated) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.media_open = true;
        let origin = media::Origin {
            ssrc: self.rng.random(),
            sequence: self.rng.random(),
            timestamp: self.rng.random(),
            cname: format!("{:016x}", self.rng.random::<u64>()),
            seed: self.rng.random(),
        };
        let local = SocketAddr::new(self.network.media_bind, call.port);
        let open = media::Command::Open { local, origin, parameters: parameters(negotiated) };
        self.actions.push_back(Action::Media(call.session(), open));
    }

    /// The media port is ours: rings, answers, or begins to talk.
    fn opened(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &mut call.phase {
            Phase::Opening { answer, .. } => {
                let answer = std::mem::take(answer);
                let ring_for = match &call.party {
                    Party::Line(line) => line.ring_for,
                    Party::Agents(_) => Duration::ZERO,
                };
                call.phase = Phase::Ringing { answer };
                if ring_for.is_zero() {
                    return self.accept(id, now);
                }
                self.endpoint.ring(call.dialog, now);
                self.timers.set((id, Timer::Ring), now + ring_for);
            }
            Phase::OpeningLate => self.talk(id, now),
            _ => {}
        }
    }

    /// The media port is somebody else's: tries another.
    fn open_failed(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.media_open = false;
        let next = match &mut call.phase {
            Phase::Opening { tries, .. } => {
                *tries += 1;
                (*tries < PORT_TRIES).then(|| self.ports.reserve()).flatten()
            }
            Phase::OpeningLate => return self.hang_up(id, EndedBy::Portero, Some("no media port"), now),
            _ => return,
        };
        match next {
            Some(port) => {
                self.ports.release(call.port);
                call.port = port;
                call.description.local.set_port(port);
                self.open(id, now);
            }
            None => self.refuse(id, 503, "no media port", now),
        }
    }

    /// Answers the call.
    fn accept(&mut self, id: CallId, now: Instant) {
        self.timers.clear((id, Timer::Ring));
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Ringing { answer } = &mut call.phase else { return };
        let answer = std::mem::take(answer);
        let offered = call.description.text.is_empty();
        call.phase = if offered { Phase::Offered } else { Phase::Accepted };
        call.description.text.clone_from(&answer);
        call.answered_at = Some(self.clock.date(now));
        self.endpoint.accept(call.dialog, &answer, now);
    }

    /// The ACK has come: the conversation begins, or goes on with what the peer answered to our offer.
    fn confirmed(&mut self, id: CallId, answer: Option<&str>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let answer = answer.map(sdp::read_answer);
        match (&call.phase, answer) {
            (Phase::Accepted, _) => self.talk(id, now),
            (Phase::Offered, Some(Ok(negotiated))) => {
                call.phase = Phase::OpeningLate;
                self.open_media(id, &negotiated);
            }
            (Phase::Offered, _) => self.hang_up(id, EndedBy::Portero, Some("no usable answer to our offer"), now),
            (Phase::Talking(_), Some(Ok(negotiated))) => {
                let change = media::Command::Change(parameters(&negotiated));
                self.actions.push_back(Action::Media(call.session(), change));
            }
            _ => {}
        }
    }

    fn talk(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &call.party {
            Party::Line(line) => {
                let flow = Flow::new(Arc::clone(line), call.ani.clone(), now);
                call.phase = Phase::Talking(Script::Line(Box::new(flow)));
                self.follow(id, now);
            }
            Party::Agents(prompts) => {
                let play = play_command(&call.plan.prompts, flow::PlayId(0), prompts);
                self.actions.push_back(Action::Media(call.session(), play));
                let stay = call.plan.agents.as_ref().map_or(Duration::ZERO, |agents| agents.hang_up_after);
                self.timers.set((id, Timer::Agents), now + stay);
                call.phase = Phase::Talking(Script::Agents);
            }
        }
    }

    /// A re-INVITE: hold, resume, a new address or codec, or only a refresh.
    fn reinvited(&mut self, id: CallId, offer: Option<&str>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let description = &mut call.description;
        let renewed = sdp::Session { version: description.session.version + 1, ..description.session };
        let Some(offer) = offer else {
            description.session = renewed;
            description.text = sdp::offer(description.local, renewed);
            return self.endpoint.accept(call.dialog, &description.text, now);
        };
        let negotiate = |session| {
            let offer = sdp::Offer::parse(offer)?;
            Ok::<_, sdp::SdpError>(sdp::negotiate(&offer, description.local, session)?)
        };
        match negotiate(description.session) {
            Ok((text, negotiated)) => {
                // RFC 3264 §8: the version grows only where the description changes.
                if text != description.text {
                    description.session = renewed;
                    description.text = negotiate(renewed).map_or(text, |(text, _)| text);
                }
                self.endpoint.accept(call.dialog, &description.text, now);
                let change = media::Command::Change(parameters(&negotiated));
                self.actions.push_back(Action::Media(call.session(), change));
            }
            Err(error) => self.endpoint.reject(call.dialog, sdp_status(&error), now),
        }
    }

    /// Tells the conversation something, and does what it then wants.
    fn tell(&mut self, id: CallId, event: flow::Event, now: Instant) {
        let Some(flow) = self.flow_mut(id) else { return };
        flow.handle(event, now);
        self.follow(id, now);
    }

    fn flow_timeout(&mut self, id: CallId, now: Instant) {
        let Some(flow) = self.flow_mut(id) else { return };
        flow.handle_timeout(now);
        self.follow(id, now);
    }

    fn flow_mut(&mut self, id: CallId) -> Option<&mut Flow> {
        match &mut self.calls.get_mut(&id)?.phase {
            Phase::Talking(Script::Line(flow)) => Some(flow),
            _ => None,
        }
    }

    /// Does what the conversation wants.
    fn follow(&mut self, id: CallId, now: Instant) {
        while let Some(action) = self.flow_mut(id).and_then(Flow::poll_action) {
            let Some(call) = self.calls.get(&id) else { return };
            let session = call.session();
            match action {
                flow::Action::Play(play, prompts) => {
                    let command = play_command(&call.plan.prompts, play, &prompts);
                    self.actions.push_back(Action::Media(session, command));
                }
                flow::Action::StopPlaying => {
                    self.actions.push_back(Action::Media(session, media::Command::Stop));
                }
                flow::Action::Ask(request) => self.actions.push_back(Action::Ask(id, request)),
                flow::Action::HandOver(standing, target) => self.hand_over(id, &standing, target, now),
                flow::Action::HangUp => return self.hang_up(id, EndedBy::Portero, None, now),
            }
        }
        match self.flow_mut(id).and_then(|flow| flow.poll_timeout()) {
            Some(deadline) => self.timers.set((id, Timer::Flow), deadline),
            None => self.timers.clear((id, Timer::Flow)),
        }
        self.show(id);
    }

    fn hand_over(&mut self, id: CallId, standing: &Standing, target: TargetName, now: Instant) {
        let token = format!("{:032x}", self.rng.random::<u128>());
        let at = self.clock.date(now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(place) = call.plan.targets.get(&target) else { return };
        let referral = referral(place, self.network.sip, standing, &token);
        let hand_over = FollowedHandOver::new(target, token.clone(), at, call.plan.hand_over);
        self.timers.set((id, Timer::HandOver), hand_over.first_deadline(now));
        call.hand_over = Some(hand_over);
        self.expected.remember(token, standing);
        self.endpoint.refer(call.dialog, &referral, now);
    }

    fn referral_event(&mut self, id: CallId, event: sip::ReferralEvent, now: Instant) {
        let hand_over = self.calls.get_mut(&id).and_then(|call| call.hand_over.as_mut());
        let Some(progress) = hand_over.map(|hand_over| hand_over.handle(event, now)) else { return };
        self.progressed(id, progress, now);
    }

    fn hand_over_timeout(&mut self, id: CallId, now: Instant) {
        let hand_over = self.calls.get_mut(&id).and_then(|call| call.hand_over.as_mut());
        let Some(progress) = hand_over.map(FollowedHandOver::time_out) else { return };
        self.progressed(id, progress, now);
    }

    fn progressed(&mut self, id: CallId, progress: Progress, now: Instant) {
        match progress {
            Progress::Until(deadline) => self.timers.set((id, Timer::HandOver), deadline),
            Progress::Decided(taken) => {
                self.timers.clear((id, Timer::HandOver));
                self.tell(id, flow::Event::HandedOver(taken), now);
            }
            Progress::Unchanged => {}
        }
    }

    /// The dialog is over.
    fn ended(&mut self, id: CallId, cause: sip::EndCause, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (by, reason) = match cause {
            sip::EndCause::RemoteBye => (EndedBy::Caller, None),
            sip::EndCause::RemoteCancel => (EndedBy::Caller, Some("cancelled before the answer")),
            sip::EndCause::NoAck => (EndedBy::Network, Some("no ACK")),
            sip::EndCause::PeerGone => (EndedBy::Network, Some("the peer is gone")),
            sip::EndCause::LocalBye | sip::EndCause::LocalReject | sip::EndCause::Refused(_) => {
                (EndedBy::Portero, None)
            }
        };
        if let Some(hand_over) = &mut call.hand_over {
            hand_over.peer_hung_up();
        }
        self.by_dialog.remove(&call.dialog);
        self.close(id, by, reason, now);
    }

    /// Ends the call from our side.
    fn hang_up(&mut self, id: CallId, by: EndedBy, reason: Option<&str>, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        if matches!(call.phase, Phase::Closing(_)) {
            return;
        }
        let reason = reason.map(ToOwned::to_owned).or_else(|| call.failed_hand_over());
        self.endpoint.bye(call.dialog, now);
        self.by_dialog.remove(&call.dialog);
        self.close(id, by, reason.as_deref(), now);
    }

    /// Refuses a call that has not been answered.
    fn refuse(&mut self, id: CallId, status: u16, reason: &str, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        self.endpoint.reject(call.dialog, status, now);
        self.by_dialog.remove(&call.dialog);
        self.close(id, EndedBy::Portero, Some(reason), now);
    }

    /// Ends everything of a call but its media session, whose figures are awaited.
    fn close(&mut self, id: CallId, by: EndedBy, reason: Option<&str>, now: Instant) {
        for timer in [Timer::Ring, Timer::Flow, Timer::HandOver, Timer::Agents] {
            self.timers.clear((id, timer));
        }
        let at = self.clock.date(now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if matches!(call.phase, Phase::Closing(_)) {
            return;
        }
        let ending = Ending { at, by, reason: reason.map(ToOwned::to_owned), flow: None };
        let flow = match std::mem::replace(&mut call.phase, Phase::Closing(ending)) {
            Phase::Talking(Script::Line(mut flow)) => {
                flow.handle(flow::Event::HungUp, now);
                Some(flow)
            }
            _ => None,
        };
        if let Phase::Closing(ending) = &mut call.phase {
            ending.flow = flow;
        }
        let open = call.media_open.then(|| call.session());
        self.show(id);
        match open {
            Some(session) => {
                self.actions.push_back(Action::Media(session, media::Command::Close));
                self.timers.set((id, Timer::Figures), now + FIGURES_WITHIN);
            }
            None => self.closed(id, &media::Figures::default()),
        }
    }

    /// The media session has handed in its figures: the call is recorded and forgotten.
    fn closed(&mut self, id: CallId, figures: &media::Figures) {
        if !self.calls.get(&id).is_some_and(|call| matches!(call.phase, Phase::Closing(_))) {
            return;
        }
        let Some(call) = self.calls.remove(&id) else { return };
        self.timers.clear((id, Timer::Figures));
        self.ports.release(call.port);
        if let Some(record) = call.record(figures) {
            self.actions.push_back(Action::Record(Box::new(record)));
        }
    }

    /// Shows a call whose look has changed.
    fn show(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let look = call.look();
        if call.shown == Some(look) {
            return;
        }
        call.shown = Some(look);
        self.actions.extend(call.view().map(|view| Action::Show(Box::new(view))));
    }
}

fn sdp_status(error: &sdp::SdpError) -> u16 {
    match error {
        sdp::SdpError::Malformed(_) => 400,
        sdp::SdpError::Incompatible(_) => 488,
    }
}

fn play_command(library: &audio::Library, play: flow::PlayId, prompts: &[PromptId]) -> media::Command {
    let prompts = prompts.iter().filter_map(|prompt| library.prompt(prompt.as_str())).collect();
    media::Command::Play(media::PlayId(play.0), prompts)
}

fn parameters(negotiated: &sdp::Negotiated) -> media::Parameters {
    media::Parameters {
        codec: match negotiated.codec {
            sdp::Codec::Pcmu => audio::Codec::Pcmu,
            sdp::Codec::Pcma => audio::Codec::Pcma,
        },
        payload_type: negotiated.payload_type,
        telephone_event: negotiated.telephone_event,
        packet_time: negotiated.packet_time,
        remote: negotiated.remote,
        remote_rtcp: negotiated.remote_rtcp,
        sends: negotiated.sends,
        receives: negotiated.receives,
    }
}
