//! A small world: a switchboard, its callers, the links between them, scripted media and the business's back end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portero::call::{Action, CallId, CallRecord, Happening, Network, Plan, Switchboard, Tap, WallClock};
use portero::flow::{self, Answer};
use portero::media;
use portero::secret::Digit;
use portero::sip::{self, ConnectionId, Hop, Listener, Transmit, Transport, Whereabouts};
use portero::stir::{Fault, Finding, Presented};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::business;
use super::ear::{self, Ear};
use super::habits::{Habits, Keyed, OnReferral, Renegotiation};
use super::link::{Link, Way};
use super::phone::{News, Phone, Tally};
use super::tale::Tale;

/// Names a phone of this world.
pub type Caller = usize;

/// After so long without a word from a caller, the media session says that it is silent.
const SILENCE_MS: u64 = 60_000;

/// A back end of one's own: what it answers, and after how many milliseconds.
pub type BackEnd = fn(&flow::Query, &mut StdRng) -> (Answer, u64);

/// What is to happen at some instant.
#[derive(Debug)]
enum Due {
    ToSwitchboard(Caller, Option<ConnectionId>, Vec<u8>),
    ToCaller(Caller, Option<ConnectionId>, Vec<u8>),
    Media(media::SessionId, media::Event),
    PlayEnds(media::SessionId, media::PlayId),
    Answer(CallId, flow::RequestId, Answer),
    Checked(CallId, Finding),
    Key(Caller, char),
    HangUp(Caller),
    Cancel(Caller),
    Renegotiate(Caller, Renegotiation),
    Notify(Caller, u16, bool),
    Vanish(Caller),
    Disconnect(Caller, bool),
    Unreachable(Hop),
}

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

/// A caller and what the world knows of them.
#[derive(Debug)]
struct Seat {
    phone: Phone,
    /// The connection that is up, of those who call over a stream.
    connection: Option<ConnectionId>,
    /// Where the switchboard listens to this caller's keys.
    media_port: Option<u16>,
    keyed: String,
    gone: bool,
}

pub struct World {
    seed: u64,
    now: Instant,
    rng: StdRng,
    link: Link,
    switchboard: Switchboard,
    seats: Vec<Seat>,
    connections: u64,
    sessions: HashMap<u16, media::SessionId>,
    playing: HashMap<media::SessionId, media::PlayId>,
    agenda: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    records: HashMap<String, Vec<CallRecord>>,
    /// The messages of each trace of a call.
    traces: HashMap<String, Vec<usize>>,
    confirmed: HashMap<String, bool>,
    /// What the back end was asked in a call, one after another.
    asked: HashMap<String, String>,
    /// The sessions that are recorded, and those of them whose callers are left out at the moment.
    taped: HashSet<media::SessionId>,
    concealed: HashSet<media::SessionId>,
    /// What had been keyed in a call when its recording began.
    taped_after: HashMap<String, String>,
    /// The keys that a call's recording was told of, because its session could not know of them.
    told: HashMap<String, usize>,
    /// What others were told of each call.
    told_of: HashMap<String, Vec<Happening>>,
    /// The call of a media port, as the switchboard opened it.
    calls: HashMap<u16, String>,
    back_end: Option<BackEnd>,
    /// The sessions as they are, where somebody listens to them; elsewhere each playing takes half a second.
    ears: Option<HashMap<media::SessionId, Ear>>,
    /// What was heard in each call that is over.
    sounds: Vec<Vec<ear::Sound>>,
}

fn switchboard_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5060))
}

fn caller_address(caller: Caller) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 6060 + caller as u16))
}

fn whereabouts() -> Whereabouts {
    let address = switchboard_address();
    let listener = |transport| Listener { transport, address, own: address.ip() };
    Whereabouts {
        listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
        external: None,
        local_networks: vec![],
    }
}

fn hop(caller: Caller, connection: Option<ConnectionId>) -> Hop {
    let udp = Hop::udp(switchboard_address(), caller_address(caller));
    let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
    Hop { transport, connection, ..udp }
}

impl World {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::of(seed, link, business::plan())
    }

    /// A world in which calls can be listened to.
    pub fn listening(seed: u64, link: Link, plan: Arc<Plan>, back_end: BackEnd) -> Self {
        let world = Self::of(seed, link, plan);
        Self { back_end: Some(back_end), ears: Some(HashMap::new()), ..world }
    }

    /// A world whose business has this plan.
    pub fn of(seed: u64, link: Link, plan: Arc<Plan>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let network = Network { media_external: None, media_ports: 20_000..=20_099 };
        let clock = WallClock { at: now, utc: Timestamp::UNIX_EPOCH };
        let config = sip::Config {
            whereabouts: whereabouts(),
            realm: "portero".into(),
            user_agent: "sim".into(),
            accept_referrals: false,
            retry_after: Duration::from_secs(5),
        };
        let ours = StdRng::from_rng(&mut rng);
        let mut switchboard = Switchboard::new(config, network, plan, clock, ours);
        switchboard.set_tap(Tap { keeps: true, copies: true });
        Self {
            seed,
            now,
            switchboard,
            rng,
            link,
            seats: Vec::new(),
            connections: 0,
            sessions: HashMap::new(),
            playing: HashMap::new(),
            agenda: BinaryHeap::new(),
            scheduled: 0,
            records: HashMap::new(),
            traces: HashMap::new(),
            confirmed: HashMap::new(),
            asked: HashMap::new(),
            taped: HashSet::new(),
            concealed: HashSet::new(),
            taped_after: HashMap::new(),
            told: HashMap::new(),
            told_of: HashMap::new(),
            calls: HashMap::new(),
            back_end: None,
            ears: None,
            sounds: Vec::new(),
        }
    }

    /// Dials line 1000, as anybody may.
    pub fn place_random_call(&mut self) {
        let habits = Habits::random(&mut self.rng);
        self.place_call(habits);
    }

    /// Dials line 1000.
    pub fn place_call(&mut self, habits: Habits) {
        let caller = self.seats.len();
        let connection = habits.stream.then(|| self.connect());
        if let Some(after) = habits.cancels {
            self.after(after, Due::Cancel(caller));
        }
        if let Some(after) = habits.vanishes {
            self.after(after, Due::Vanish(caller));
        }
        if let Some((after, again)) = habits.disconnects {
            self.after(after, Due::Disconnect(caller, again));
        }
        let name = format!("call-{}-{caller}", self.seed);
        let phone = Phone::call(name, caller_address(caller), habits, self.now);
        let seat = Seat { phone, connection, media_port: None, keyed: String::new(), gone: false };
        self.seats.push(seat);
        self.settle();
    }

    fn connect(&mut self) -> ConnectionId {
        self.connections += 1;
        ConnectionId(self.connections)
    }

    /// Runs until nothing more is going to happen by itself; fails where the switchboard then has anything left.
    /// Callers who never heard that their call is over hang up after that.
    pub fn run(&mut self) {
        self.rest();
        let seed = self.seed;
        assert!(self.switchboard.is_idle(), "seed {seed}: something is left: {:?}", self.switchboard);
        assert!(self.sessions.is_empty(), "seed {seed}: a media session is left");
        for seat in &mut self.seats {
            seat.phone.hang_up(self.now);
        }
        self.settle();
        self.rest();
        assert!(
            self.switchboard.is_idle(),
            "seed {seed}: a late BYE leaves something: {:?}",
            self.switchboard
        );
    }

    fn rest(&mut self) {
        let limit = self.now + Duration::from_hours(1);
        while let Some(next) = self.next() {
            assert!(next < limit, "seed {}: the world does not come to rest", self.seed);
            self.now = self.now.max(next);
            self.step();
        }
    }

    /// The tales of all calls, and the link they went by.
    pub fn finish(self) -> (Vec<Tale>, Tally, Link) {
        let seed = self.seed;
        let of_records = self.told_of.keys().all(|call| self.records.contains_key(call));
        assert!(of_records, "seed {seed}: something happened to no call");
        let of_records = self.traces.keys().all(|call| self.records.contains_key(call));
        assert!(of_records, "seed {seed}: a trace of no record");
        let mut tally = Tally::default();
        for seat in &self.seats {
            assert!(seat.phone.is_over(), "seed {seed}: a caller is left: {:?}", seat.phone);
            tally += seat.phone.tally;
        }
        let mut tales: Vec<Tale> = Vec::new();
        for (id, mut records) in self.records {
            let seat = self
                .seats
                .iter()
                .find(|seat| seat.media_port.is_some_and(|port| self.calls.get(&port) == Some(&id)));
            tales.push(Tale {
                records: records.len(),
                traces: self.traces.get(&id).cloned().unwrap_or_default(),
                confirmed: self.confirmed.get(&id).copied().unwrap_or(false),
                asked: self.asked.get(&id).cloned().unwrap_or_default(),
                taped_after: self.taped_after.get(&id).cloned(),
                told: self.told.get(&id).copied().unwrap_or_default(),
                happenings: self.told_of.get(&id).cloned().unwrap_or_default(),
                keyed: seat.map(|seat| seat.keyed.clone()).unwrap_or_default(),
                record: records.remove(0),
            });
        }
        (tales, tally, self.link)
    }

    fn next(&self) -> Option<Instant> {
        let scheduled = self.agenda.peek().map(|Reverse(scheduled)| scheduled.0);
        let phones = self.seats.iter().filter_map(|seat| seat.phone.poll_timeout());
        let ears = self.ears.iter().flat_map(HashMap::values).map(Ear::next_due);
        phones.chain(scheduled).chain(self.switchboard.poll_timeout()).chain(ears).min()
    }

    /// What was heard in each call that is over.
    pub fn take_sounds(&mut self) -> Vec<Vec<ear::Sound>> {
        std::mem::take(&mut self.sounds)
    }

    fn step(&mut self) {
        while self.agenda.peek().is_some_and(|Reverse(scheduled)| scheduled.0 <= self.now) {
            let Some(Reverse(Scheduled(_, _, due))) = self.agenda.pop() else { break };
            self.happen(due);
            self.settle();
        }
        self.listen();
        self.switchboard.handle_timeout(self.now);
        for seat in &mut self.seats {
            seat.phone.handle_timeout(self.now);
        }
        self.settle();
    }

    fn listen(&mut self) {
        let mut told = Vec::new();
        for (session, ear) in self.ears.iter_mut().flatten() {
            ear.hear(self.now);
            told.extend(std::iter::from_fn(|| ear.poll_event()).map(|event| (*session, event)));
        }
        for (session, event) in told {
            self.switchboard.media(session, &event, self.now);
        }
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
            Due::ToSwitchboard(caller, connection, payload) => {
                self.switchboard.message(hop(caller, connection), &payload, now);
            }
            Due::ToCaller(caller, connection, payload) => {
                let seat = &mut self.seats[caller];
                if !seat.gone && seat.connection == connection {
                    seat.phone.receive(&String::from_utf8(payload).expect("our own text"), now);
                }
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
            Due::Checked(call, finding) => self.switchboard.checked(call, finding, now),
            Due::Key(caller, key) => self.press(caller, key),
            Due::HangUp(caller) => self.seats[caller].phone.hang_up(now),
            Due::Cancel(caller) => self.seats[caller].phone.cancel(now),
            Due::Renegotiate(caller, how) => self.seats[caller].phone.renegotiate(how, now),
            Due::Notify(caller, status, last) => self.seats[caller].phone.notify(status, last, now),
            Due::Vanish(caller) => self.vanish(caller),
            Due::Disconnect(caller, again) => self.disconnect(caller, again),
            Due::Unreachable(hop) => self.switchboard.unreachable(&hop, None, now),
        }
    }

    fn press(&mut self, caller: Caller, key: char) {
        let seat = &mut self.seats[caller];
        if seat.gone {
            return;
        }
        seat.keyed.push(key);
        if seat.phone.habits.keyed != Keyed::Info
            && let Some(session) = seat.media_port.and_then(|port| self.sessions.get(&port))
        {
            let digit = Digit::from_char(key).expect("a key");
            match self.ears.as_mut().and_then(|ears| ears.get_mut(session)) {
                Some(ear) => ear.press(digit, self.now),
                None => self.switchboard.media(*session, &media::Event::Digit(digit), self.now),
            }
        }
        if seat.phone.habits.keyed != Keyed::Rtp {
            seat.phone.key_by_info(key, self.now);
        }
    }

    fn vanish(&mut self, caller: Caller) {
        let seat = &mut self.seats[caller];
        seat.gone = true;
        seat.phone.vanish();
        let session = seat.media_port.and_then(|port| self.sessions.get(&port)).copied();
        if let Some(session) = session {
            self.after(SILENCE_MS, Due::Media(session, media::Event::Silent));
        }
    }

    /// The connection of a caller breaks, at both ends at once.
    fn disconnect(&mut self, caller: Caller, again: bool) {
        let Some(lost) = self.seats[caller].connection else { return };
        if again {
            let connection = self.connect();
            self.seats[caller].connection = Some(connection);
        } else {
            self.vanish(caller);
        }
        self.after(0, Due::Unreachable(hop(caller, Some(lost))));
    }

    /// Carries everything that the two sides want done until neither wants more.
    fn settle(&mut self) {
        loop {
            let before = self.scheduled;
            while let Some(action) = self.switchboard.poll_action() {
                self.act(action);
            }
            for caller in 0..self.seats.len() {
                while let Some(message) = self.seats[caller].phone.poll_transmit() {
                    self.send(Way::ToSwitchboard, caller, self.seats[caller].connection, message.as_bytes());
                }
                while let Some(news) = self.seats[caller].phone.poll_news() {
                    self.hear(caller, news);
                }
            }
            if self.scheduled == before {
                return;
            }
        }
    }

    fn send(&mut self, way: Way, caller: Caller, connection: Option<ConnectionId>, payload: &[u8]) {
        let delays = match connection {
            Some(_) => vec![self.link.stream()],
            None => self.link.datagram(way, payload, &mut self.rng),
        };
        for delay in delays {
            let payload = payload.to_vec();
            self.after(
                delay,
                match way {
                    Way::ToSwitchboard => Due::ToSwitchboard(caller, connection, payload),
                    Way::ToCaller => Due::ToCaller(caller, connection, payload),
                },
            );
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Transmit(transmit) => self.transmit(&transmit),
            Action::Media(session, command) => self.media(session, &command),
            Action::Ask(call, _, request, _) => self.back_end(call, &request),
            Action::Tape(session, _) => {
                assert!(self.taped.insert(session), "a call has one recording");
                let seat = self.seats.iter().find(|seat| {
                    seat.media_port.is_some_and(|port| self.sessions.get(&port) == Some(&session))
                });
                let keyed = seat.map(|seat| seat.keyed.clone()).unwrap_or_default();
                self.taped_after.insert(CallId(session.0).to_string(), keyed);
            }
            Action::Check(call, presented) => self.check(call, &presented),
            Action::Speak(..) => panic!("nothing here is said by a voice"),
            Action::Locate(..) => panic!("no peer here has a name"),
            Action::Show(_) | Action::Copy(_) => {}
            Action::Trace(trace) => {
                self.traces.entry(trace.call.clone()).or_default().push(trace.messages().count());
            }
            Action::Tell(happening) => self.tell(*happening),
            Action::Record(record) => {
                self.tell(Happening::end(*record.clone()));
                self.records.entry(record.id.clone()).or_default().push(*record);
            }
        }
    }

    fn tell(&mut self, happening: Happening) {
        let told = self.told_of.entry(happening.call.id.clone()).or_default();
        assert!(told.last().is_none_or(|last| last.at <= happening.at), "seed {}: in order", self.seed);
        told.push(happening);
    }

    /// Sends as the shell does: where the connection that is named is no more, by the one that has taken its place.
    fn transmit(&mut self, transmit: &Transmit) {
        let caller = usize::from(transmit.hop.peer.port() - caller_address(0).port());
        let seat = &self.seats[caller];
        let connection = match transmit.hop.transport {
            Transport::Udp => None,
            _ if seat.gone => return self.after(0, Due::Unreachable(transmit.hop)),
            _ => seat.connection,
        };
        self.send(Way::ToCaller, caller, connection, &transmit.payload);
    }

    fn media(&mut self, session: media::SessionId, command: &media::Command) {
        if let Some(ear) = self.ears.as_mut().and_then(|ears| ears.get_mut(&session)) {
            ear.command(command.clone(), self.now);
        }
        match command {
            media::Command::Open { local, origin, parameters } => {
                if let Some(ears) = &mut self.ears {
                    ears.insert(session, Ear::open(origin.clone(), parameters.clone(), self.now));
                }
                let failed = self.link.is_hostile() && self.rng.random_bool(0.05);
                let taken = media::Event::OpenFailed(std::io::ErrorKind::AddrInUse);
                if !failed {
                    self.sessions.insert(local.port(), session);
                    self.calls.insert(local.port(), CallId(session.0).to_string());
                }
                self.after(0, Due::Media(session, if failed { taken } else { media::Event::Opened }));
            }
            media::Command::Play { id, repeat, .. } => {
                self.playing.insert(session, *id);
                if !repeat && self.ears.is_none() {
                    self.after(500, Due::PlayEnds(session, *id));
                }
            }
            media::Command::Stop => {
                self.playing.remove(&session);
            }
            media::Command::Close => {
                self.playing.remove(&session);
                let ear = self.ears.as_mut().and_then(|ears| ears.remove(&session));
                self.sounds.extend(ear.map(Ear::sounds));
                self.sessions.retain(|_, open| *open != session);
                // A media thread may have died: then the figures never come.
                if !(self.link.is_hostile() && self.rng.random_bool(0.02)) {
                    self.after(1, Due::Media(session, media::Event::Closed(media::Figures::default())));
                }
            }
            media::Command::Conceal(concealed) => {
                assert!(self.taped.contains(&session), "there is something to conceal from");
                let changed = match concealed {
                    true => self.concealed.insert(session),
                    false => self.concealed.remove(&session),
                };
                assert!(changed, "told once");
            }
            media::Command::KeyTold => {
                *self.told.entry(CallId(session.0).to_string()).or_default() += 1;
            }
            media::Command::Change(_) | media::Command::Record(_) => {}
        }
    }

    /// Checks the number of a caller, as fast and with the outcome that they have in mind.
    fn check(&mut self, call: CallId, presented: &Presented) {
        let of_call = |seat: &&Seat| seat.phone.name() == presented.sip_call_id;
        let seat = self.seats.iter().find(of_call).expect("one of our callers");
        let (after, is_good) = seat.phone.habits.signed.expect("they have said so");
        let finding = if is_good { Ok(Some(flow::Attestation::A)) } else { Err(Fault::Signature) };
        self.after(after, Due::Checked(call, finding));
    }

    /// The business's back end, which now and then is slow, too slow, or fails.
    fn back_end(&mut self, call: CallId, request: &flow::Request) {
        self.asked.entry(call.to_string()).or_default().push_str(business::keyed(&request.query));
        // Whoever is asked for a secret is not recorded.
        let is_secret = matches!(request.query, flow::Query::Secret { .. });
        let session = media::SessionId(call.0);
        let is_recorded = self.taped.contains(&session) && !self.concealed.contains(&session);
        assert!(!is_recorded || !is_secret, "seed {}: {call} is recorded", self.seed);
        let hostile = self.link.is_hostile();
        let fails = hostile && self.rng.random_bool(0.05);
        let answer =
            if fails { Answer::Failed(flow::Failure::Status) } else { business::answer(&request.query) };
        let delay = match self.rng.random_range(0..20) {
            0 if hostile => 5000,
            1 | 2 if hostile => 2500,
            _ => 50,
        };
        let own = self.back_end.map(|back_end| back_end(&request.query, &mut self.rng));
        let (answer, delay) = own.unwrap_or((answer, delay));
        self.after(delay, Due::Answer(call, request.id, answer));
    }

    fn hear(&mut self, caller: Caller, news: News) {
        match news {
            News::Answered(port) => {
                self.seats[caller].media_port = Some(port);
                self.converse(caller);
            }
            News::Referred => self.referred(caller),
        }
    }

    /// What the caller will do now that the call is up.
    fn converse(&mut self, caller: Caller) {
        let habits = self.seats[caller].phone.habits.clone();
        for (at, keys) in habits.keys {
            for (key, at) in keys.chars().zip((at..).step_by(160)) {
                self.after(at, Due::Key(caller, key));
            }
        }
        for (at, how) in habits.renegotiations {
            self.after(at, Due::Renegotiate(caller, how));
        }
        if let Some(at) = habits.hangs_up {
            self.after(at, Due::HangUp(caller));
        }
    }

    fn referred(&mut self, caller: Caller) {
        let (mut notify, mut hang_up) = (Vec::new(), None);
        match self.seats[caller].phone.habits.referral {
            OnReferral::Follows(status) => notify = vec![(10, 100, false), (400, status, true)],
            OnReferral::Rings => notify = vec![(10, 180, false)],
            OnReferral::HangsUp => hang_up = Some(20),
            OnReferral::ReportsAfterBye => (notify, hang_up) = (vec![(5000, 200, true)], Some(2000)),
            OnReferral::CrossesOurBye => (notify, hang_up) = (vec![(400, 200, true)], Some(460)),
            OnReferral::StaysSilent | OnReferral::Refuses(_) => {}
        }
        for (at, status, last) in notify {
            self.after(at, Due::Notify(caller, status, last));
        }
        if let Some(at) = hang_up {
            self.after(at, Due::HangUp(caller));
        }
    }
}
