//! A small world: a switchboard, a caller's endpoint, a link between them, scripted media and a back end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portero::audio::{Library, Source};
use portero::call::{
    Action, CallId, CallRecord, HandOverTimes, Intake, Network, Plan, Strangers, Switchboard, Target,
    TargetUri, Trunk, Trunks, WallClock,
};
use portero::flow::{
    self, ActionName, AniSource, Answer, ByVerdict, Customer, HandOverPlan, Line, Matches, PromptId, Query,
};
use portero::secret::Digit;
use portero::sip::{self, DialogId, Endpoint, Hop, Whereabouts};
use portero::{media, sdp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a link does to datagrams.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Probabilities that a datagram is lost, or arrives twice.
    loss: f64,
    duplication: f64,
    /// The longest delay; each datagram has its own, so they overtake one another.
    delay_ms_max: u64,
    /// Lets the caller's first datagram through, and nothing after it.
    dead_after_invite: bool,
    /// Loses the caller's first ACK.
    loses_first_ack: bool,
}

impl Link {
    pub const PERFECT: Self = Self {
        loss: 0.0,
        duplication: 0.0,
        delay_ms_max: 1,
        dead_after_invite: false,
        loses_first_ack: false,
    };
    pub const HOSTILE: Self = Self {
        loss: 0.2,
        duplication: 0.2,
        delay_ms_max: 300,
        dead_after_invite: false,
        loses_first_ack: false,
    };
    pub const LOSES_FIRST_ACK: Self = Self { loses_first_ack: true, ..Self::PERFECT };
    pub const DEAD_AFTER_INVITE: Self = Self { dead_after_invite: true, ..Self::PERFECT };
}

/// How a caller behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Keys the right identifier and secret, follows the referral.
    Verifies,
    /// As `Verifies`, but answers the REFER with 603.
    RefusesReferral,
    /// As `Verifies`, but never notifies.
    TakesReferralSilently,
    /// As `Verifies`, but takes the REFER and hangs up.
    HangsUpOnReferral,
    /// Hangs up as soon as the call is answered.
    HangsUpAtOnce,
    /// Keys the secret as soon as the call is answered.
    KeysAtOnce,
    /// Keys, hangs up, follows, refuses or cancels as the dice fall.
    Random,
}

/// What is known of a call once the world has come to rest.
#[derive(Debug)]
pub struct Tale {
    pub record: CallRecord,
    records: usize,
    confirmed: bool,
}

impl Tale {
    /// What must hold of any call.
    pub fn check(&self, seed: u64) {
        assert_eq!(self.records, 1, "seed {seed}: one record a call");
        let verified = self.record.verdict == flow::Verdict::Verified;
        assert!(!verified || self.confirmed, "seed {seed}: verified without the back end's yes");
        assert!(self.record.identifier_attempts <= 4 && self.record.secret_attempts <= 4, "seed {seed}");
        assert!(self.record.ended_at >= self.record.started_at, "seed {seed}");
    }
}

/// What is to happen at some instant.
#[derive(Debug)]
enum Due {
    ToSwitchboard(Vec<u8>),
    ToCaller(Vec<u8>),
    Media(media::SessionId, media::Event),
    PlayEnds(media::SessionId, media::PlayId),
    Answer(CallId, flow::RequestId, Answer),
    Key(SipCall, char),
    HangUp(SipCall),
    Cancel(SipCall),
    Notify(SipCall, u16, bool),
}

/// A call as its caller knows it.
type SipCall = DialogId;

#[derive(Debug)]
struct Scheduled(Instant, u64, Due);

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

pub struct World {
    seed: u64,
    now: Instant,
    rng: StdRng,
    link: Link,
    switchboard: Switchboard,
    caller: Endpoint,
    behaviours: HashMap<DialogId, Caller>,
    /// Where the caller of a dialog keys: the media port that the switchboard answered with.
    ports: HashMap<DialogId, u16>,
    sessions: HashMap<u16, media::SessionId>,
    playing: HashMap<media::SessionId, media::PlayId>,
    agenda: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    records: HashMap<String, Vec<CallRecord>>,
    confirmed: HashMap<String, bool>,
    sent_by_caller: usize,
    acked: bool,
}

pub fn switchboard_address() -> SocketAddr {
    "127.0.0.1:5060".parse().expect("an address")
}

pub fn caller_address() -> SocketAddr {
    "127.0.0.1:6060".parse().expect("an address")
}

fn line() -> Line {
    let question = |digits, name: &str| flow::Question {
        action: ActionName::new(name),
        digits_min: digits,
        digits_max: digits,
        terminator: Some(Digit::HASH),
        retries: 3,
        first_digit_timeout: Duration::from_secs(5),
        inter_digit_timeout: Duration::from_secs(3),
        total_timeout: Duration::from_secs(30),
        prompts: flow::Prompts {
            ask: PromptId::new("ask-identifier"),
            no_match: vec![],
            no_input: vec![],
            too_short: vec![],
        },
    };
    let plan = || HandOverPlan { prompt: PromptId::new("goodbye"), target: flow::TargetName::new("agents") };
    Line {
        number: "1000".into(),
        name: "Test".into(),
        ring_for: Duration::from_millis(200),
        greeting: PromptId::new("greeting"),
        by_number: Some(ActionName::new("number")),
        identifier: question(8, "identifier"),
        verification: Some(question(4, "secret")),
        back_end_deadline: Duration::from_secs(3),
        apology: PromptId::new("apology"),
        hand_over: ByVerdict { verified: plan(), identified: plan(), unidentified: plan() },
        hand_over_failed: PromptId::new("hand-over-failed"),
    }
}

/// The plan, made once: its recordings take a while to decode.
fn plan() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    Arc::clone(PLAN.get_or_init(|| Arc::new(make_plan())))
}

pub fn make_plan() -> Plan {
    let wanted = ["greeting", "ask-identifier", "goodbye", "apology", "hand-over-failed"];
    let prompts = Library::load(&Source::Embedded, "en", wanted).expect("the recordings are there");
    let target = Target {
        uri: TargetUri::new("sip:agents@{{ own_address }}".into()),
        sends_customer: true,
        sends_name: true,
    };
    Plan {
        lines: [("1000".into(), Arc::new(line()))].into(),
        targets: [(flow::TargetName::new("agents"), target)].into(),
        hand_over: HandOverTimes {
            timeout: Duration::from_secs(10),
            progress_timeout: Duration::from_mins(1),
        },
        agents: None,
        prompts,
        trunks: Trunks { list: vec![Arc::new(trunk())], strangers: Strangers::Refuse },
        calls_max: 100,
        intake: Intake::default(),
    }
}

fn trunk() -> Trunk {
    Trunk {
        name: "carrier".into(),
        addresses: vec![caller_address().ip().into()],
        calls_max: Some(100),
        calls_per_second: None,
        identity: vec![AniSource::PAssertedIdentity, AniSource::From],
        verstat: false,
        country: None,
    }
}

pub fn endpoint_config(local: SocketAddr, accept_referrals: bool) -> sip::Config {
    sip::Config {
        whereabouts: Whereabouts::udp(local),
        user_agent: "sim".into(),
        accept_referrals,
        retry_after: Duration::from_secs(5),
    }
}

impl World {
    pub fn new(seed: u64, link: Link) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let network = Network { media_external: None, media_ports: 20_000..=20_099 };
        let clock = WallClock { at: now, utc: Timestamp::UNIX_EPOCH };
        let config = endpoint_config(switchboard_address(), false);
        Self {
            seed,
            now,
            switchboard: Switchboard::new(config, network, plan(), clock, StdRng::from_rng(&mut rng)),
            caller: Endpoint::new(endpoint_config(caller_address(), true), StdRng::from_rng(&mut rng)),
            rng,
            link,
            behaviours: HashMap::new(),
            ports: HashMap::new(),
            sessions: HashMap::new(),
            playing: HashMap::new(),
            agenda: BinaryHeap::new(),
            scheduled: 0,
            records: HashMap::new(),
            confirmed: HashMap::new(),
            sent_by_caller: 0,
            acked: false,
        }
    }

    /// Dials line 1000.
    pub fn place_call(&mut self, caller: Caller) {
        let sdp =
            sdp::offer("127.0.0.1:30000".parse().expect("an address"), sdp::Session { id: 1, version: 1 });
        let known = caller != Caller::Random || self.rng.random();
        let from = if known { "+12025550101" } else { "anonymous" };
        let call = sip::Call {
            to_uri: "sip:1000@127.0.0.1:5060".into(),
            from_user: from.into(),
            from_display: None,
            hop: Hop::udp(caller_address(), switchboard_address()),
            spares: Vec::new(),
            sdp,
            headers: vec![],
        };
        let dialog = self.caller.invite(&call, self.now).expect("room for a call");
        self.behaviours.insert(dialog, caller);
        if caller == Caller::Random && self.rng.random_bool(0.15) {
            let after = self.rng.random_range(0..1500);
            self.after(after, Due::Cancel(dialog));
        }
        self.settle();
    }

    /// Runs until nothing more is going to happen by itself.
    pub fn run(&mut self) {
        let limit = self.now + Duration::from_hours(1);
        while let Some(next) = self.next() {
            assert!(next < limit, "seed {}: the world does not come to rest", self.seed);
            self.now = self.now.max(next);
            self.step();
        }
    }

    /// The tales of all calls; fails where anything is left over.
    pub fn finish(self) -> Vec<Tale> {
        let seed = self.seed;
        assert!(self.switchboard.is_idle(), "seed {seed}: something is left: {:?}", self.switchboard);
        assert_eq!(self.caller.dialogs(), 0, "seed {seed}: the caller has dialogs left");
        let confirmed = self.confirmed;
        let tale = |(id, mut records): (String, Vec<CallRecord>)| Tale {
            records: records.len(),
            confirmed: confirmed.get(&id).copied().unwrap_or(false),
            record: records.remove(0),
        };
        self.records.into_iter().map(tale).collect()
    }

    fn next(&self) -> Option<Instant> {
        let scheduled = self.agenda.peek().map(|Reverse(scheduled)| scheduled.0);
        [scheduled, self.switchboard.poll_timeout(), self.caller.poll_timeout()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        while self.agenda.peek().is_some_and(|Reverse(scheduled)| scheduled.0 <= self.now) {
            let Some(Reverse(Scheduled(_, _, due))) = self.agenda.pop() else { break };
            self.happen(due);
            self.settle();
        }
        self.switchboard.handle_timeout(self.now);
        self.caller.handle_timeout(self.now);
        self.settle();
    }

    fn after(&mut self, milliseconds: u64, due: Due) {
        self.scheduled += 1;
        let at = self.now + Duration::from_millis(milliseconds);
        self.agenda.push(Reverse(Scheduled(at, self.scheduled, due)));
    }

    fn happen(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::ToSwitchboard(payload) => {
                self.switchboard.message(Hop::udp(switchboard_address(), caller_address()), &payload, now);
            }
            Due::ToCaller(payload) => {
                self.caller.receive(Hop::udp(caller_address(), switchboard_address()), &payload, now);
            }
            Due::Media(session, event) => self.switchboard.media(session, &event, now),
            Due::PlayEnds(session, play) => {
                if self.playing.get(&session) == Some(&play) {
                    self.switchboard.media(session, &media::Event::PlayEnded(play), now);
                }
            }
            Due::Answer(call, request, answer) => {
                if answer == Answer::Check(true) {
                    self.confirmed.insert(call.to_string(), true);
                }
                self.switchboard.answered(call, request, answer, now);
            }
            Due::Key(dialog, key) => {
                if let Some(session) = self.ports.get(&dialog).and_then(|port| self.sessions.get(port)) {
                    let digit = Digit::from_char(key).expect("a key");
                    self.switchboard.media(*session, &media::Event::Digit(digit), now);
                }
            }
            Due::HangUp(dialog) => self.caller.bye(dialog, now),
            Due::Cancel(dialog) => self.caller.cancel(dialog, now),
            Due::Notify(dialog, status, last) => self.caller.notify(dialog, status, last, now),
        }
    }

    /// Carries everything that the two sides want done until neither wants more.
    fn settle(&mut self) {
        loop {
            let before = self.scheduled;
            while let Some(action) = self.switchboard.poll_action() {
                self.act(action);
            }
            while let Some(transmit) = self.caller.poll_transmit() {
                self.sent_by_caller += 1;
                let dead = self.link.dead_after_invite && self.sent_by_caller > 1;
                let first_ack =
                    transmit.payload.starts_with(b"ACK ") && !std::mem::replace(&mut self.acked, true);
                let lost = dead || (first_ack && self.link.loses_first_ack);
                if !lost {
                    self.send(Due::ToSwitchboard, &transmit.payload);
                }
            }
            let mut heard = false;
            while let Some(event) = self.caller.poll_event() {
                heard = true;
                self.hear(event);
            }
            if self.scheduled == before && !heard {
                return;
            }
        }
    }

    fn send(&mut self, due: impl Fn(Vec<u8>) -> Due, payload: &[u8]) {
        let copies = 1 + u32::from(self.rng.random_bool(self.link.duplication));
        for _ in 0..copies {
            if !self.rng.random_bool(self.link.loss) {
                let delay = self.rng.random_range(0..=self.link.delay_ms_max);
                self.after(delay, due(payload.to_vec()));
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Transmit(transmit) => {
                if !self.link.dead_after_invite {
                    self.send(Due::ToCaller, &transmit.payload);
                }
            }
            Action::Media(session, command) => self.media(session, &command),
            Action::Ask(call, _, request) => self.back_end(call, &request),
            Action::Locate(..) => panic!("no peer here has a name"),
            Action::Show(_) => {}
            Action::Record(record) => self.records.entry(record.id.clone()).or_default().push(*record),
        }
    }

    fn media(&mut self, session: media::SessionId, command: &media::Command) {
        match command {
            media::Command::Open { local, .. } => {
                let failed = self.rng.random_bool(0.05);
                let taken = media::Event::OpenFailed(std::io::ErrorKind::AddrInUse);
                if !failed {
                    self.sessions.insert(local.port(), session);
                }
                self.after(0, Due::Media(session, if failed { taken } else { media::Event::Opened }));
            }
            media::Command::Play(play, _) => {
                self.playing.insert(session, *play);
                self.after(500, Due::PlayEnds(session, *play));
            }
            media::Command::Stop => {
                self.playing.remove(&session);
            }
            media::Command::Close => {
                self.playing.remove(&session);
                self.sessions.retain(|_, open| *open != session);
                self.after(1, Due::Media(session, media::Event::Closed(media::Figures::default())));
            }
            media::Command::Change(_) => {}
        }
    }

    /// Knows one customer, by number, identifier and secret. Now and then it is slow, and fails.
    fn back_end(&mut self, call: CallId, request: &flow::Request) {
        let customer = Customer { id: "10000001".into(), name: Some("Zoë".into()) };
        let matches =
            |known| Answer::LookUp(if known { Matches::One(customer.clone()) } else { Matches::None });
        let answer = match &request.query {
            Query::Number(ani) => matches(ani.number.as_str() == "+12025550101"),
            Query::Identifier(identifier) => matches(identifier.expose() == "10000001"),
            Query::Secret { secret, .. } => Answer::Check(secret.expose() == "4711"),
        };
        let hostile = self.link.loss > 0.0;
        let fails = hostile && self.rng.random_bool(0.05);
        let answer = if fails { Answer::Failed(flow::Failure::Status) } else { answer };
        let delay = if hostile && self.rng.random_bool(0.05) { 5000 } else { 50 };
        self.after(delay, Due::Answer(call, request.id, answer));
    }

    fn hear(&mut self, event: sip::Event) {
        match event {
            sip::Event::Answered(dialog, sdp) => {
                if let Ok(answer) = sdp::read_answer(&sdp) {
                    self.ports.insert(dialog, answer.remote.port());
                }
                self.converse(dialog);
            }
            sip::Event::Referred(dialog, _) => self.referred(dialog),
            _ => {}
        }
    }

    /// What the caller will do now that the call is up.
    fn converse(&mut self, dialog: DialogId) {
        match self.behaviours.get(&dialog) {
            Some(Caller::HangsUpAtOnce) => self.after(0, Due::HangUp(dialog)),
            Some(Caller::Random) => {
                let tries = self.rng.random_range(0..4);
                let mut at = 0;
                for _ in 0..tries {
                    let keys = ["10000001", "4711", "4711#", "*", "99999999", "0000", "12", "#"];
                    let keys = keys[self.rng.random_range(0..keys.len())];
                    at += self.rng.random_range(0..4000);
                    at = self.key(dialog, keys, at);
                }
                if self.rng.random_bool(0.3) {
                    let after = self.rng.random_range(0..30_000);
                    self.after(after, Due::HangUp(dialog));
                }
            }
            Some(Caller::KeysAtOnce) => {
                self.key(dialog, "4711#", 0);
            }
            _ => {
                self.key(dialog, "4711#", 2000);
            }
        }
    }

    fn key(&mut self, dialog: DialogId, keys: &str, mut at: u64) -> u64 {
        for key in keys.chars() {
            self.after(at, Due::Key(dialog, key));
            at += 160;
        }
        at
    }

    fn referred(&mut self, dialog: DialogId) {
        let now = self.now;
        let behaviour = match self.behaviours.get(&dialog) {
            Some(Caller::Random) => match self.rng.random_range(0..6) {
                0 => Caller::RefusesReferral,
                1 => Caller::TakesReferralSilently,
                2 => Caller::HangsUpOnReferral,
                _ => Caller::Verifies,
            },
            Some(behaviour) => *behaviour,
            None => return,
        };
        if behaviour == Caller::RefusesReferral {
            return self.caller.answer_refer(dialog, 603, now);
        }
        self.caller.answer_refer(dialog, 202, now);
        match behaviour {
            Caller::TakesReferralSilently => {}
            Caller::HangsUpOnReferral => self.after(20, Due::HangUp(dialog)),
            _ => {
                let status =
                    if self.rng.random_bool(0.8) || behaviour == Caller::Verifies { 200 } else { 486 };
                self.after(10, Due::Notify(dialog, 100, false));
                self.after(400, Due::Notify(dialog, status, true));
            }
        }
    }
}
