//! Many callers at a time against the switchboard, with their sound: every packet of every call, on a virtual clock.
//!
//! The link is perfect, so that no phone has anything to say again, and the callers are of one mind: whatever one call
//! hears otherwise than another of the same kind is our doing. Sound is that of real media sessions; only their sockets
//! are missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portero::audio::Prompt;
use portero::call::{
    Action, CallId, CallRecord, Intake, Network, Plan, Strangers, Switchboard, Trunks, Utterance, WallClock,
};
use portero::flow::{Answer, Line, Query, RequestId};
use portero::media::{self, DATAGRAM_LEN_MAX, SessionId};
use portero::rtp::Packet;
use portero::secret::Digit;
use portero::sip::{self, Hop, Whereabouts};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::business;
use super::habits::Habits;
use super::phone::{News, Phone};

/// The grain of time.
const TICK: Duration = Duration::from_millis(1);

/// What a call heard: its packets, which follow each other as they should, as one row of octets.
#[derive(Default)]
pub struct Heard {
    pub octets: Vec<u8>,
    last: Option<(Instant, u16, u32)>,
}

impl Heard {
    /// Takes a packet, which leaves 20 ms after the one before it and is numbered as the next.
    fn take(&mut self, datagram: &[u8], now: Instant) {
        let packet = Packet::read(datagram).expect("well-formed");
        let (sequence, timestamp) = (packet.header.sequence, packet.header.timestamp);
        if let Some((then, before, stamp)) = self.last.replace((now, sequence, timestamp)) {
            let step = (now - then, sequence.wrapping_sub(before), timestamp.wrapping_sub(stamp));
            assert_eq!(step, (Duration::from_millis(20), 1, 160), "the grid is kept");
        }
        self.octets.extend(packet.payload);
    }

    /// Where this row of octets begins in what was heard.
    pub fn place_of(&self, row: &[u8]) -> Option<usize> {
        self.octets.windows(row.len()).position(|window| window == row)
    }
}

enum Due {
    Answer(CallId, RequestId, Answer),
    Key(usize, char),
    Notify(usize),
}

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

/// The switchboard and all who call it.
pub struct Hall {
    pub now: Instant,
    began: Instant,
    pub switchboard: Switchboard,
    pub records: Vec<CallRecord>,
    /// What each call heard, by its session.
    pub heard: BTreeMap<SessionId, Heard>,
    /// The calls whose back end never answers.
    pub unanswered: Vec<SessionId>,
    /// What is to be said, by a voice that has not said it yet.
    pub wanted: VecDeque<(CallId, Utterance)>,
    is_slow: fn(usize) -> bool,
    asked: usize,
    phones: Vec<Phone>,
    /// The caller of each media port, once the port is known to them.
    callers: HashMap<u16, usize>,
    sessions: BTreeMap<SessionId, (u16, media::Session)>,
    agenda: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
}

fn ours() -> SocketAddr {
    ([127, 0, 0, 1], 5060).into()
}

fn of_caller(caller: usize) -> SocketAddr {
    ([127, 0, 0, 2], 6060 + caller as u16).into()
}

/// The business's plan, with room for so many calls of anybody's.
pub fn plan() -> Plan {
    plan_of(business::line())
}

/// The same, with this for its line.
pub fn plan_of(line: Line) -> Plan {
    let plan = business::plan_of(line);
    let trunks = Trunks { strangers: Strangers::Admit, list: Vec::new() };
    let intake = Intake { messages_per_second: 1_000_000, ..Intake::default() };
    Plan { calls_max: 2000, trunks, intake, sounds: HashMap::new(), ..plan }
}

impl Hall {
    /// A hall of this plan, whose back end never answers those whom `is_slow` says, counted from 0 as they ask.
    pub fn new(plan: Plan, is_slow: fn(usize) -> bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
        let now = Instant::now();
        let network = Network { media_external: None, media_ports: 20_000..=29_999 };
        let config = sip::Config {
            whereabouts: Whereabouts::udp(ours()),
            realm: "portero".into(),
            user_agent: "sim".into(),
            accept_referrals: false,
            retry_after: Duration::from_secs(5),
        };
        let clock = WallClock { at: now, utc: Timestamp::UNIX_EPOCH };
        let switchboard = Switchboard::new(config, network, Arc::new(plan), clock, StdRng::seed_from_u64(1));
        Self {
            now,
            began: now,
            switchboard,
            records: Vec::new(),
            heard: BTreeMap::new(),
            unanswered: Vec::new(),
            wanted: VecDeque::new(),
            is_slow,
            asked: 0,
            phones: Vec::new(),
            callers: HashMap::new(),
            sessions: BTreeMap::new(),
            agenda: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    /// Dials line 1000.
    pub fn place_call(&mut self) {
        let caller = self.phones.len();
        let name = format!("call-{caller}");
        self.phones.push(Phone::call(name, of_caller(caller), Habits::verified(), self.now));
        self.hear_phone(caller);
    }

    /// The voice says what it was asked for first, or tells that it cannot.
    pub fn say(&mut self, prompt: Option<Arc<Prompt>>) {
        let (call, utterance) = self.wanted.pop_front().expect("something is to be said");
        self.switchboard.spoken(call, (utterance.play, utterance.place), prompt, self.now);
        self.act();
    }

    /// A caller presses a key.
    pub fn press(&mut self, caller: usize, key: char) {
        self.happen(Due::Key(caller, key));
    }

    /// A caller hangs up.
    pub fn hang_up(&mut self, caller: usize) {
        self.phones[caller].hang_up(self.now);
        self.hear_phone(caller);
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        assert!(until < self.began + Duration::from_mins(2), "the calls come to no end");
        while self.now < until {
            self.now += TICK;
            self.send_due();
            while self.agenda.peek().is_some_and(|Reverse(due)| due.0 <= self.now) {
                let Some(Reverse(Scheduled(_, _, due))) = self.agenda.pop() else { break };
                self.happen(due);
            }
            if self.switchboard.poll_timeout().is_some_and(|due| due <= self.now) {
                self.switchboard.handle_timeout(self.now);
                self.act();
            }
        }
    }

    /// Sends what is due of every session.
    fn send_due(&mut self) {
        let mut room = [0; DATAGRAM_LEN_MAX];
        let mut told = Vec::new();
        for (id, (_, session)) in &mut self.sessions {
            while session.next_due() <= self.now {
                while let Some(outgoing) = session.tick(self.now, &mut room) {
                    if outgoing.port == media::Port::Rtp {
                        self.heard.entry(*id).or_default().take(outgoing.datagram, self.now);
                    }
                }
            }
            told.extend(std::iter::from_fn(|| session.poll_event()).map(|event| (*id, event)));
        }
        for (id, event) in told {
            self.switchboard.media(id, &event, self.now);
            self.act();
        }
    }

    fn after(&mut self, time: Duration, due: Due) {
        self.scheduled += 1;
        self.agenda.push(Reverse(Scheduled(self.now + time, self.scheduled, due)));
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Answer(call, request, answer) => self.switchboard.answered(call, request, answer, self.now),
            Due::Key(caller, key) => {
                let open =
                    self.sessions.iter().find(|(_, (port, _))| self.callers.get(port) == Some(&caller));
                let Some((id, _)) = open else { return };
                let digit = Digit::from_char(key).expect("a key");
                self.switchboard.media(*id, &media::Event::Digit(digit), self.now);
            }
            Due::Notify(caller) => {
                self.phones[caller].notify(200, true, self.now);
                self.hear_phone(caller);
            }
        }
        self.act();
    }

    /// Takes what a phone has to send and to say, until it has no more.
    fn hear_phone(&mut self, caller: usize) {
        while let Some(message) = self.phones[caller].poll_transmit() {
            self.switchboard.message(Hop::udp(ours(), of_caller(caller)), message.as_bytes(), self.now);
        }
        while let Some(news) = self.phones[caller].poll_news() {
            match news {
                News::Answered(port) => {
                    self.callers.insert(port, caller);
                    for (key, at) in "4711".chars().zip((7000..).step_by(160)) {
                        self.after(Duration::from_millis(at), Due::Key(caller, key));
                    }
                }
                News::Referred => self.after(Duration::from_millis(100), Due::Notify(caller)),
            }
        }
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.switchboard.poll_action() {
            match action {
                Action::Transmit(transmit) => {
                    let caller = usize::from(transmit.hop.peer.port() - of_caller(0).port());
                    let text = String::from_utf8(transmit.payload).expect("text");
                    self.phones[caller].receive(&text, self.now);
                    self.hear_phone(caller);
                }
                Action::Media(id, command) => self.command(id, command),
                Action::Ask(call, _, request, _) => self.ask(call, request.id, &request.query),
                Action::Speak(call, utterance) => self.wanted.push_back((call, utterance)),
                Action::Record(record) => self.records.push(*record),
                _ => {}
            }
        }
    }

    fn command(&mut self, id: SessionId, command: media::Command) {
        match command {
            media::Command::Open { local, origin, parameters } => {
                // As in a media thread, it begins with the next instant that is served.
                let session = media::Session::new(origin, parameters, self.now + TICK);
                self.sessions.insert(id, (local.port(), session));
                self.switchboard.media(id, &media::Event::Opened, self.now);
            }
            media::Command::Close => {
                let Some((port, session)) = self.sessions.remove(&id) else { return };
                self.callers.remove(&port);
                self.switchboard.media(id, &media::Event::Closed(session.figures()), self.now);
            }
            command => {
                if let Some((_, session)) = self.sessions.get_mut(&id) {
                    session.command(command, self.now);
                }
            }
        }
    }

    /// The back end, which answers some after 50 ms and others never.
    fn ask(&mut self, call: CallId, request: RequestId, query: &Query) {
        if let Query::Number(_) = query {
            self.asked += 1;
            if (self.is_slow)(self.asked - 1) {
                return self.unanswered.push(SessionId(call.0));
            }
        }
        self.after(Duration::from_millis(50), Due::Answer(call, request, business::answer(query)));
    }
}
