//! The reference caller: one call of a SIP user agent, written from RFC 3261 and sharing no code with ours.
//!
//! It writes and reads its messages as text, keeps its own transactions (§17), and says to its user only what a
//! conversation needs to know. Our peer's messages are taken to be well-formed: it fails where they are not.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::habits::{Habits, OnReferral, Refresher, Renegotiation};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1.
const TIMEOUT: Duration = Duration::from_secs(32);
/// How long an INVITE that has had a provisional response is waited for.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the phone's user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The call is up; this is the port that the switchboard's description names.
    Answered(u16),
    /// The peer asks to be followed; it has been answered already.
    Referred,
}

/// How far the call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Calling,
    Up,
    Over,
}

/// A request that waits for its final response.
#[derive(Debug)]
struct Asked {
    method: &'static str,
    cseq: u32,
    branch: String,
    text: String,
    interval: Duration,
    again: Option<Instant>,
    until: Instant,
}

/// A 2xx to a re-INVITE of the peer's, which waits for its ACK.
#[derive(Debug)]
struct Unacknowledged {
    text: String,
    interval: Duration,
    again: Instant,
    until: Instant,
}

/// How often things happened that a run has to have had, to be worth running.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Re-INVITEs and UPDATEs of the switchboard that met ours, and were refused.
    pub glares: u32,
    /// Ours that were refused for the same reason.
    pub refused: u32,
    /// Requests of the peer that refreshed the session.
    pub refreshes: u32,
    /// BYEs that found ours under way.
    pub crossed_byes: u32,
}

#[derive(Debug)]
pub struct Phone {
    pub habits: Habits,
    pub tally: Tally,
    address: SocketAddr,
    name: String,
    stage: Stage,
    cseq: u32,
    branches: u32,
    invite_branch: String,
    remote_tag: Option<String>,
    cancelled: bool,
    provisional: bool,
    asked: Vec<Asked>,
    acks: HashMap<u32, String>,
    answered: HashMap<(String, String), String>,
    unacknowledged: Option<Unacknowledged>,
    acknowledged_ringing: HashSet<String>,
    keys: VecDeque<char>,
    /// The `CSeq` of the REFER, once it has been taken.
    referral: Option<u32>,
    out: VecDeque<String>,
    news: VecDeque<News>,
}

/// The value of a header field, by its full name.
pub fn header<'t>(message: &'t str, name: &str) -> Option<&'t str> {
    let head = message.split("\r\n\r\n").next()?;
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn parameter<'t>(value: &'t str, name: &str) -> Option<&'t str> {
    value.split(';').skip(1).find_map(|piece| {
        let (found, value) = piece.split_once('=')?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn cseq(message: &str) -> (u32, &str) {
    let value = header(message, "CSeq").expect("a CSeq");
    let (number, method) = value.split_once(' ').expect("number and method");
    (number.parse().expect("a number"), method)
}

fn media_port(description: &str) -> Option<u16> {
    description.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok())
}

impl Phone {
    /// What it calls its call.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A phone that calls at once.
    pub fn call(name: String, address: SocketAddr, habits: Habits, now: Instant) -> Self {
        let mut phone = Self {
            habits,
            tally: Tally::default(),
            address,
            name,
            stage: Stage::Calling,
            cseq: 0,
            branches: 0,
            invite_branch: String::new(),
            remote_tag: None,
            cancelled: false,
            provisional: false,
            asked: Vec::new(),
            acks: HashMap::new(),
            answered: HashMap::new(),
            unacknowledged: None,
            acknowledged_ringing: HashSet::new(),
            keys: VecDeque::new(),
            referral: None,
            out: VecDeque::new(),
            news: VecDeque::new(),
        };
        let offer = if phone.habits.offerless { String::new() } else { phone.description("sendrecv") };
        let more = phone.capabilities();
        phone.ask("INVITE", &more, &offer, now);
        phone.invite_branch.clone_from(&phone.asked[0].branch);
        phone
    }

    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over && self.asked.is_empty() && self.unacknowledged.is_none()
    }

    pub fn poll_transmit(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let asked = self.asked.iter().flat_map(|asked| [asked.again, Some(asked.until)]).flatten();
        let waiting = self.unacknowledged.iter().flat_map(|waiting| [waiting.again, waiting.until]);
        asked.chain(waiting).min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let (late, kept) = std::mem::take(&mut self.asked).into_iter().partition(|asked| asked.until <= now);
        self.asked = kept;
        for asked in &mut self.asked {
            if asked.again.is_some_and(|again| again <= now) {
                self.out.push_back(asked.text.clone());
                // §17.1.1.2: an INVITE's interval doubles without a limit.
                let doubled = asked.interval * 2;
                asked.interval = if asked.method == "INVITE" { doubled } else { doubled.min(T2) };
                asked.again = Some(now + asked.interval);
            }
        }
        for asked in late {
            self.failed(&asked);
        }
        if self.unacknowledged.as_ref().is_some_and(|waiting| waiting.until <= now) {
            self.unacknowledged = None;
            self.hang_up(now);
        }
        if let Some(waiting) = self.unacknowledged.as_mut().filter(|waiting| waiting.again <= now) {
            self.out.push_back(waiting.text.clone());
            waiting.interval = (waiting.interval * 2).min(T2);
            waiting.again = now + waiting.interval;
        }
    }

    /// A request found nobody: the call is over, however it stood.
    fn failed(&mut self, asked: &Asked) {
        match asked.method {
            // What was not notified, acknowledged or refreshed does not end a call by itself here.
            "NOTIFY" | "PRACK" | "CANCEL" | "INFO" => {}
            "INVITE" if self.stage == Stage::Up => {}
            _ => self.stage = Stage::Over,
        }
    }

    /// Gives everything up without a word.
    pub fn vanish(&mut self) {
        self.stage = Stage::Over;
        self.asked.clear();
        self.unacknowledged = None;
        self.out.clear();
    }

    // What the user does.

    pub fn hang_up(&mut self, now: Instant) {
        match self.stage {
            Stage::Calling => self.cancel(now),
            Stage::Up => {
                self.stage = Stage::Over;
                self.ask("BYE", "", "", now);
            }
            Stage::Over => {}
        }
    }

    pub fn cancel(&mut self, now: Instant) {
        if self.stage == Stage::Calling && !std::mem::replace(&mut self.cancelled, true) {
            // §9.1: not before a provisional response.
            if self.provisional || self.habits.hasty {
                self.send_cancel(now);
            }
        }
    }

    fn send_cancel(&mut self, now: Instant) {
        let branch = self.invite_branch.clone();
        let text = self.request("CANCEL", 1, &branch, "", "");
        self.track("CANCEL", 1, branch, text, now);
    }

    pub fn key_by_info(&mut self, key: char, now: Instant) {
        self.keys.push_back(key);
        if self.keys.len() == 1 {
            self.send_key(now);
        }
    }

    fn send_key(&mut self, now: Instant) {
        if let Some(key) = self.keys.front().copied().filter(|_| self.stage == Stage::Up) {
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            self.ask("INFO", "Content-Type: application/dtmf-relay\r\n", &body, now);
        }
    }

    pub fn renegotiate(&mut self, how: Renegotiation, now: Instant) {
        // §14.1: no new INVITE while one is in progress, in either direction.
        if self.stage != Stage::Up || self.is_negotiating() {
            return;
        }
        let more = self.capabilities();
        match how {
            Renegotiation::Hold => self.ask("INVITE", &more, &self.description("sendonly"), now),
            Renegotiation::Resume => self.ask("INVITE", &more, &self.description("sendrecv"), now),
            Renegotiation::Offerless => self.ask("INVITE", &more, "", now),
            Renegotiation::Refresh => self.ask("UPDATE", &more, "", now),
            Renegotiation::Update => self.ask("UPDATE", &more, &self.description("sendrecv"), now),
        }
    }

    fn is_negotiating(&self) -> bool {
        let asks = |asked: &Asked| matches!(asked.method, "INVITE" | "UPDATE");
        self.unacknowledged.is_some() || self.asked.iter().any(asks)
    }

    pub fn notify(&mut self, status: u16, last: bool, now: Instant) {
        let Some(refer) = self.referral else { return };
        let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
        let more = format!(
            "Event: refer;id={refer}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
        );
        self.ask("NOTIFY", &more, &format!("SIP/2.0 {status} So\r\n"), now);
    }

    // What the peer says.

    pub fn receive(&mut self, message: &str, now: Instant) {
        assert_eq!(header(message, "Call-ID"), Some(self.name.as_str()), "another's message:\n{message}");
        let length = header(message, "Content-Length").expect("a Content-Length");
        assert_eq!(length.parse(), Ok(body(message).len()), "{message}");
        match message.strip_prefix("SIP/2.0 ") {
            Some(rest) => {
                let status = rest.split(' ').next().and_then(|word| word.parse().ok()).expect("a status");
                self.on_response(message, status, now);
            }
            None => self.on_request(message, now),
        }
    }

    fn on_response(&mut self, message: &str, status: u16, now: Instant) {
        let (number, method) = cseq(message);
        let branch = header(message, "Via").and_then(|via| parameter(via, "branch")).expect("a branch");
        let found = self.asked.iter().position(|asked| asked.method == method && asked.branch == branch);
        if method == "INVITE" {
            return self.on_invite_response(message, status, number, found, now);
        }
        let Some(at) = found.filter(|_| status >= 200) else { return };
        self.asked.remove(at);
        match (method, status) {
            ("INFO", _) => {
                self.keys.pop_front();
                self.send_key(now);
            }
            ("UPDATE", 491 | 500) => self.tally.refused += 1,
            (_, 481) if method != "CANCEL" && method != "NOTIFY" => self.stage = Stage::Over,
            _ => {}
        }
    }

    fn on_invite_response(
        &mut self,
        message: &str,
        status: u16,
        number: u32,
        found: Option<usize>,
        now: Instant,
    ) {
        let initial = number == 1;
        match status {
            ..200 => {
                let Some(at) = found else { return };
                (self.asked[at].again, self.asked[at].until) = (None, now + PATIENCE);
                let first = initial && !std::mem::replace(&mut self.provisional, true);
                if first && self.cancelled && !self.habits.hasty {
                    self.send_cancel(now);
                }
                self.acknowledge_ringing(message, now);
            }
            200..300 => {
                self.acknowledge(message, number);
                if found.map(|at| self.asked.remove(at)).is_none() {
                    return;
                }
                if initial {
                    self.stage = Stage::Up;
                    match media_port(body(message)).filter(|_| !self.cancelled) {
                        Some(port) => self.news.push_back(News::Answered(port)),
                        None => self.hang_up(now),
                    }
                }
            }
            _ => {
                let branch =
                    header(message, "Via").and_then(|via| parameter(via, "branch")).expect("a branch");
                let tag = header(message, "To").and_then(|to| parameter(to, "tag")).map(ToOwned::to_owned);
                let tag = std::mem::replace(&mut self.remote_tag, tag);
                let ack = self.request("ACK", number, branch, "", "");
                self.remote_tag = tag;
                self.out.push_back(ack);
                if found.map(|at| self.asked.remove(at)).is_none() {
                    return;
                }
                match status {
                    _ if initial => self.stage = Stage::Over,
                    491 | 500 => self.tally.refused += 1,
                    481 => self.stage = Stage::Over,
                    _ => {}
                }
            }
        }
    }

    /// The ACK to a 2xx, which answers the offer that it had, and is the same for the same 2xx.
    fn acknowledge(&mut self, message: &str, number: u32) {
        let to = header(message, "To").expect("a To");
        self.remote_tag = parameter(to, "tag").map(ToOwned::to_owned);
        if !self.acks.contains_key(&number) {
            let offered = self.asked.iter().any(|asked| asked.cseq == number && body(&asked.text).is_empty());
            let answer = if offered { self.description("sendrecv") } else { String::new() };
            let branch = self.next_branch();
            let ack = self.request("ACK", number, &branch, "", &answer);
            self.acks.insert(number, ack);
        }
        self.out.push_back(self.acks[&number].clone());
    }

    /// PRACK, for ringing that asks for it (RFC 3262 §4).
    fn acknowledge_ringing(&mut self, message: &str, now: Instant) {
        let Some(rseq) = header(message, "RSeq").map(ToOwned::to_owned) else { return };
        let to = header(message, "To").expect("a To");
        self.remote_tag = parameter(to, "tag").map(ToOwned::to_owned);
        if self.acknowledged_ringing.insert(rseq.clone()) {
            self.ask("PRACK", &format!("RAck: {rseq} 1 INVITE\r\n"), "", now);
        }
    }

    fn on_request(&mut self, message: &str, now: Instant) {
        let (number, method) = cseq(message);
        let branch = header(message, "Via").and_then(|via| parameter(via, "branch")).expect("a branch");
        if method == "ACK" {
            self.unacknowledged = None;
            return;
        }
        let key = (branch.to_owned(), method.to_owned());
        if let Some(answer) = self.answered.get(&key) {
            self.out.push_back(answer.clone());
            return;
        }
        let (status, more, description) = self.serve(message, method, number);
        let answer = respond(message, status, &more, &description);
        if method == "INVITE" && status == 200 {
            let (again, until) = (now + T1, now + TIMEOUT);
            self.unacknowledged = Some(Unacknowledged { text: answer.clone(), interval: T1, again, until });
        }
        self.answered.insert(key, answer.clone());
        self.out.push_back(answer);
    }

    /// Status, header fields and body of the answer to a new request.
    fn serve(&mut self, message: &str, method: &str, number: u32) -> (u16, String, String) {
        let nothing = |status| (status, String::new(), String::new());
        match method {
            "BYE" => {
                self.tally.crossed_byes += u32::from(self.asked.iter().any(|asked| asked.method == "BYE"));
                self.stage = Stage::Over;
                nothing(200)
            }
            _ if self.stage == Stage::Over => nothing(481),
            "REFER" => {
                if let OnReferral::Refuses(status) = self.habits.referral {
                    return nothing(status);
                }
                self.referral = Some(number);
                self.news.push_back(News::Referred);
                (202, format!("Contact: {}\r\n", self.contact()), String::new())
            }
            "INVITE" | "UPDATE" if self.is_negotiating() => {
                self.tally.glares += 1;
                // RFC 3261 §14.2: before our ACK has come it is too early, and for ours under way it is a glare.
                if self.unacknowledged.is_some() {
                    (500, "Retry-After: 3\r\n".into(), String::new())
                } else {
                    nothing(491)
                }
            }
            "INVITE" | "UPDATE" => {
                self.tally.refreshes += 1;
                let expires = header(message, "Session-Expires").unwrap_or("90;refresher=uac");
                let more = format!(
                    "Contact: {}\r\nSession-Expires: {expires}\r\nRequire: timer\r\n",
                    self.contact()
                );
                let description =
                    if method == "INVITE" { self.description("sendrecv") } else { String::new() };
                (200, more, description)
            }
            _ => nothing(200),
        }
    }

    // How messages are written.

    fn capabilities(&self) -> String {
        let updates = if self.habits.updates { ", UPDATE" } else { "" };
        let mut more = format!("Allow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY, INFO, PRACK{updates}\r\n");
        if self.habits.prack && self.stage == Stage::Calling {
            more.push_str("Require: 100rel\r\n");
        }
        if let Some(refresher) = self.habits.refresher {
            let who = if refresher == Refresher::Caller { "uac" } else { "uas" };
            more.push_str("Supported: timer\r\nSession-Expires: 90;refresher=");
            more.push_str(who);
            more.push_str("\r\n");
        }
        more
    }

    fn description(&self, direction: &str) -> String {
        let ip = self.address.ip();
        format!(
            "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
            version = self.cseq + 1
        )
    }

    fn transport(&self) -> &'static str {
        if self.habits.stream { "TCP" } else { "UDP" }
    }

    fn contact(&self) -> String {
        let transport = if self.habits.stream { ";transport=tcp" } else { "" };
        format!("<sip:phone@{}{transport}>", self.address)
    }

    fn next_branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bK-{}-{}", self.name, self.branches)
    }

    /// Sends a new request and waits for what comes of it.
    fn ask(&mut self, method: &'static str, more: &str, body: &str, now: Instant) {
        self.cseq += 1;
        let (number, branch) = (self.cseq, self.next_branch());
        let text = self.request(method, number, &branch, more, body);
        self.track(method, number, branch, text, now);
    }

    fn track(&mut self, method: &'static str, cseq: u32, branch: String, text: String, now: Instant) {
        self.out.push_back(text.clone());
        let again = (!self.habits.stream).then_some(now + T1);
        self.asked.push(Asked { method, cseq, branch, text, interval: T1, again, until: now + TIMEOUT });
    }

    fn request(&self, method: &str, cseq: u32, branch: &str, more: &str, body: &str) -> String {
        let Self { address, name, .. } = self;
        let user = if self.habits.known { "+12025550101" } else { "anonymous" };
        // §9.1: a CANCEL's To is its INVITE's.
        let tag = self.remote_tag.as_ref().filter(|_| method != "CANCEL");
        let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let is_signed = self.habits.signed.is_some() && method == "INVITE";
        let signed = if is_signed { "Identity: a.b.c;info=<https://signer.example/>\r\n" } else { "" };
        let carries_sdp = !body.is_empty() && !more.contains("Content-Type");
        let kind = if carries_sdp { "Content-Type: application/sdp\r\n" } else { "" };
        let contact =
            if method == "BYE" { String::new() } else { format!("Contact: {}\r\n", self.contact()) };
        format!(
            "{method} sip:1000@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch={branch};rport\r\n\
             From: <sip:{user}@127.0.0.1>;tag={name}\r\nTo: <sip:1000@127.0.0.1>{tag}\r\nCall-ID: {name}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{contact}{signed}{more}{kind}Content-Length: {length}\r\n\r\n{body}",
            transport = self.transport(),
            length = body.len()
        )
    }
}

/// A response to a request, with what it copies of it (§8.2.6.2).
fn respond(request: &str, status: u16, more: &str, body: &str) -> String {
    let line = |name| format!("{name}: {}\r\n", header(request, name).expect("it is mandatory"));
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(line).concat();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("SIP/2.0 {status} So\r\n{copied}{more}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.glares += other.glares;
        self.refused += other.refused;
        self.refreshes += other.refreshes;
        self.crossed_byes += other.crossed_byes;
    }
}
