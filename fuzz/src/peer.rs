//! An endpoint with one live dialog, and the peer that fuzzed messages come from.
//!
//! Whatever was sent, two things hold at the end: every message of ours frames as exactly one message, and once the
//! dialogs are hung up and their timers have run, nothing is left.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portero::sip::{Config, DialogId, Endpoint, Event, Hop, Transmit, Whereabouts};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::some_instant;

pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// What an answer may add to what it answers: our own header fields and a description.
const ANSWER_ADDS_MAX: usize = 1500;

/// Messages that one message may bring at once: 100 and a final response, or an ACK and a BYE.
const ANSWERS_MAX: usize = 3;

/// Wake-ups after which timers can be said to arm one another for ever.
const WAKES_MAX: usize = 2000;

pub struct Peer {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub dialog: DialogId,
    /// Our tag in the live dialog.
    pub tag: String,
}

impl Peer {
    /// An endpoint that has answered one call.
    pub fn in_call() -> Self {
        let config = Config {
            whereabouts: Whereabouts::udp(local()),
            realm: "portero".to_owned(),
            user_agent: "Portero".to_owned(),
            accept_referrals: false,
            retry_after: Duration::from_secs(5),
        };
        let mut peer = Self {
            endpoint: Endpoint::new(config, StdRng::seed_from_u64(1)),
            now: some_instant(),
            dialog: DialogId(0),
            tag: String::new(),
        };
        let invite = request("INVITE", "", 1, "Content-Type: application/sdp\r\n", SDP.as_bytes());
        peer.endpoint.receive(hop(), &invite, peer.now);
        let Some(Event::Invited(dialog, _)) = peer.endpoint.poll_event() else { panic!("no call") };
        peer.dialog = dialog;
        peer.endpoint.accept(dialog, SDP, peer.now);
        let answer = peer.sent().pop().expect("the 200");
        let text = String::from_utf8(answer.payload).expect("our own text");
        let to = text.lines().find(|line| line.starts_with("To:")).expect("To");
        to.split("tag=").nth(1).expect("a tag").clone_into(&mut peer.tag);
        let ack = request("ACK", &peer.tag, 1, "", b"");
        peer.endpoint.receive(hop(), &ack, peer.now);
        peer.events();
        peer
    }

    pub fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    /// Has a message come from the known peer, and answers as a switchboard would.
    pub fn receive(&mut self, payload: &[u8]) -> Vec<Event> {
        self.endpoint.receive(hop(), payload, self.now);
        let events = self.events();
        let mut sent = self.sent();
        for event in &events {
            match event {
                Event::Invited(dialog, invitation) if invitation.dialled.len() % 2 == 0 => {
                    self.endpoint.ring(*dialog, self.now);
                    self.endpoint.accept(*dialog, SDP, self.now);
                }
                Event::Invited(dialog, _) => self.endpoint.reject(*dialog, 404, self.now),
                Event::Reinvited(dialog, Some(_)) => self.endpoint.reject(*dialog, 488, self.now),
                Event::Reinvited(dialog, None) => self.endpoint.accept(*dialog, SDP, self.now),
                _ => {}
            }
        }
        assert!(sent.len() <= ANSWERS_MAX, "{} answers to one message", sent.len());
        sent.extend(self.sent());
        check(&sent, payload.len());
        events
    }

    /// Lets every timer run that is due within `time`.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakes = 0;
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.endpoint.handle_timeout(due);
            wakes += 1;
            assert!(wakes < WAKES_MAX, "timers arm one another for ever");
            for transmit in self.sent() {
                check_frame(&transmit.payload);
            }
            self.events();
        }
        self.now = end;
    }

    /// Hangs up whatever is up and looks at what is left.
    pub fn end(mut self) {
        self.pass(Duration::from_secs(1));
        for dialog in 0..=1000 {
            self.endpoint.bye(DialogId(dialog), self.now);
        }
        // 64*T1 for a missing ACK, as much for the BYE that follows it, and for NOTIFYs that come late.
        self.pass(Duration::from_secs(4 * 32 + 10));
        self.sent();
        self.events();
        assert!(self.endpoint.is_idle(), "something is left: {:?}", self.endpoint);
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 5060))
}

/// The way between us and the peer.
pub fn hop() -> Hop {
    Hop::udp(local(), SocketAddr::from(([192, 0, 2, 1], 5060)))
}

/// A request of the peer's, inside the dialog where there is a tag.
pub fn request(method: &str, to_tag: &str, cseq: u32, more: &str, body: &[u8]) -> Vec<u8> {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    let mut message = format!(
        "{method} sip:1000@192.0.2.10:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}{cseq};rport\r\n\
         From: <sip:+12025550101@192.0.2.1>;tag=peer\r\nTo: <sip:1000@192.0.2.10>{to_tag}\r\n\
         Call-ID: call@192.0.2.1\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:+12025550101@192.0.2.1:5060>\r\n{more}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    message
}

fn check(sent: &[Transmit], asked: usize) {
    for transmit in sent {
        check_frame(&transmit.payload);
        let most = asked + ANSWER_ADDS_MAX;
        assert!(transmit.payload.len() <= most, "{} bytes to {asked}", transmit.payload.len());
    }
}

/// A message of ours has one head and one body, whose length it tells once and rightly: nothing that a peer has us
/// repeat may end the head early or add a field.
pub fn check_frame(payload: &[u8]) {
    let end = payload.windows(4).position(|window| window == b"\r\n\r\n").expect("an end of the head");
    let head = String::from_utf8_lossy(&payload[..end]);
    let lengths: Vec<&str> = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-length") || name.trim() == "l")
        .map(|(_, value)| value.trim())
        .collect();
    let body = (payload.len() - end - 4).to_string();
    assert_eq!(lengths, [body.as_str()], "{head}");
}
