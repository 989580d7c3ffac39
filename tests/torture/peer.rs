//! A peer that sends a message as it stands, and hears what it gets.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::Answer;

/// How long a program on a busy machine may take over one datagram.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// One socket, talking to one server.
pub struct Peer {
    socket: UdpSocket,
    server: SocketAddr,
    /// Call-IDs of what is over: their late retransmissions mean nothing.
    over: HashSet<String>,
    probes: u32,
}

impl Peer {
    /// A peer at `local`.
    pub fn new(local: SocketAddr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).expect("the peer's address is free");
        socket.set_read_timeout(Some(ANSWER_WITHIN)).expect("a time-out can be set");
        Self { socket, server, over: HashSet::new(), probes: 0 }
    }

    /// The port that it has.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket").port()
    }

    /// Sends `message` and an OPTIONS behind it; gives what `message` got. The answer to a call may take longer than
    /// that to the OPTIONS, so it is waited for where there is one to be expected; one that comes where none is
    /// belongs to whatever is sent next, and is one too many there.
    ///
    /// # Panics
    /// Where the OPTIONS gets no 200, or `message` more than one final response.
    pub fn answer_to(&mut self, message: &[u8], expected: Answer) -> Answer {
        self.send(message);
        let mut got = self.probe();
        let expects = expected != Answer::Silence;
        while got.last().map_or(expects, |response| status(response) < 200) {
            let response = self.receive();
            if self.is_news(&response) {
                got.push(response);
            }
        }
        let finals: Vec<&String> = got.iter().filter(|response| status(response) >= 200).collect();
        assert!(finals.len() <= 1, "one message, several answers: {finals:#?}");
        let answer = finals.first().map_or(Answer::Silence, |response| self.conclude(response));
        self.over.extend(got.iter().filter_map(|response| call_id(response)));
        answer
    }

    /// What a final response comes to; a call that was answered is ended.
    fn conclude(&mut self, response: &str) -> Answer {
        let cseq = header(response, &["cseq"]).expect("a response has a CSeq");
        let (number, method) = cseq.split_once(' ').expect("a number and a method");
        if status(response) != 200 || method.trim() != "INVITE" {
            return Answer::Status(status(response));
        }
        let next = number.trim().parse::<u32>().expect("a number") + 1;
        let field = |names| header(response, names).expect("a response has what its request had");
        let bye = format!(
            "BYE sip:portero@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {1};branch=z9hG4bKbye{next};rport\r\nFrom: {2}\r\n\
             To: {3}\r\nCall-ID: {4}\r\nCSeq: {next} BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.server,
            self.socket.local_addr().expect("a bound socket"),
            field(&["from", "f"]),
            field(&["to", "t"]),
            field(&["call-id", "i"]),
        );
        self.send(bye.as_bytes());
        let expected = format!("{next} BYE");
        loop {
            let response = self.receive();
            if header(&response, &["cseq"]).as_deref() == Some(expected.as_str()) {
                assert_eq!(status(&response), 200, "the BYE of an answered call: {response}");
                return Answer::Call;
            }
        }
    }

    /// Makes sure that nothing was answered that was to be passed over in silence.
    pub fn hears_nothing_more(&mut self) {
        assert_eq!(self.probe(), Vec::<String>::new());
    }

    /// Sends an OPTIONS; gives all that came before its 200.
    fn probe(&mut self) -> Vec<String> {
        self.probes += 1;
        let name = format!("probe-{}-{}", self.port(), self.probes);
        let options = format!(
            "OPTIONS sip:user@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {1};branch=z9hG4bK{name};rport\r\n\
             From: <sip:probe@{1}>;tag=1\r\nTo: <sip:user@{0}>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.server,
            self.socket.local_addr().expect("a bound socket"),
        );
        self.send(options.as_bytes());
        let mut before = Vec::new();
        loop {
            let response = self.receive();
            if call_id(&response).as_deref() == Some(name.as_str()) {
                assert_eq!(status(&response), 200, "the OPTIONS that follows: {response}");
                return before;
            }
            if self.is_news(&response) {
                before.push(response);
            }
        }
    }

    /// Whether it is a response to something that is not over.
    fn is_news(&self, message: &str) -> bool {
        message.starts_with("SIP/2.0 ") && call_id(message).is_none_or(|id| !self.over.contains(&id))
    }

    fn send(&self, payload: &[u8]) {
        let sent = self.socket.send_to(payload, self.server).expect("a datagram can be sent");
        assert_eq!(sent, payload.len());
    }

    fn receive(&self) -> String {
        let mut room = vec![0; 65_535];
        let received = self.socket.recv(&mut room);
        let length = received.unwrap_or_else(|error| panic!("no answer in {ANSWER_WITHIN:?}: {error}"));
        // What a response copies from its request may be folded (RFC 3261 §7.3.1).
        String::from_utf8_lossy(&room[..length]).replace("\r\n ", " ")
    }
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

fn call_id(message: &str) -> Option<String> {
    header(message, &["call-id", "i"])
}

/// The value of the first header field that has one of these names.
fn header(message: &str, names: &[&str]) -> Option<String> {
    message.split("\r\n\r\n").next()?.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim_end();
        names.iter().any(|known| name.eq_ignore_ascii_case(known)).then(|| value.trim().to_owned())
    })
}
