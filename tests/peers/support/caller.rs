//! A caller of few words, written by hand: how long does it take from the ACK to the first sound of the prompt?

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long an answer may take before it is asked for again (RFC 3261 §17.1.1.1: T1).
const RETRANSMIT_AFTER: Duration = Duration::from_millis(500);
/// How often.
const TRIES: u32 = 12;
/// How long the prompt is waited for: far past what any test allows.
const PROMPT_WITHIN: Duration = Duration::from_secs(10);
/// The fixed part of an RTP packet (RFC 3550 §5.1).
const RTP_HEADER_BYTES: usize = 12;

/// A telephone with a place for SIP and one for RTP.
pub struct Caller {
    sip: UdpSocket,
    rtp: UdpSocket,
    server: SocketAddr,
    calls: u32,
}

impl Caller {
    /// One at `ip`.
    pub fn new(ip: IpAddr, server: SocketAddr) -> Self {
        let sip = UdpSocket::bind((ip, 0)).expect("a free port");
        sip.set_read_timeout(Some(RETRANSMIT_AFTER)).expect("a time-out that is not zero");
        let rtp = UdpSocket::bind((ip, 0)).expect("a free port");
        rtp.set_read_timeout(Some(PROMPT_WITHIN)).expect("a time-out that is not zero");
        Self { sip, rtp, server, calls: 0 }
    }

    /// Makes a call, and hangs up once the prompt is heard: how long after its ACK that was.
    ///
    /// # Panics
    /// Where the call is not taken, or nothing is heard.
    pub fn call(&mut self) -> Duration {
        self.calls += 1;
        self.forget_what_was_heard();
        let rtp = self.rtp.local_addr().expect("it is bound");
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\n",
            rtp.ip(),
            rtp.port()
        );
        let answer = self.ask("INVITE", 1, "", &sdp);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).expect("To");
        let tag = to.split_once(";tag=").expect("the callee's tag").1.to_owned();
        let acknowledged = Instant::now();
        self.send(&self.request("ACK", 1, &tag, ""));
        let heard = self.hear_speech() - acknowledged;
        self.ask("BYE", 2, &tag, "");
        heard
    }

    /// When the first packet came in which somebody speaks.
    fn hear_speech(&self) -> Instant {
        let mut room = [0; 2048];
        loop {
            let (length, _) = self.rtp.recv_from(&mut room).expect("a prompt");
            let payload = &room[RTP_HEADER_BYTES.min(length)..length];
            // G.711 of silence is one value throughout.
            if payload.windows(2).any(|pair| pair[0] != pair[1]) {
                return Instant::now();
            }
        }
    }

    fn forget_what_was_heard(&self) {
        self.rtp.set_nonblocking(true).expect("a socket can be that");
        while self.rtp.recv_from(&mut [0; 2048]).is_ok() {}
        self.rtp.set_nonblocking(false).expect("a socket can be that");
    }

    /// Sends a request until there is a final answer to it.
    fn ask(&self, method: &str, cseq: u32, tag: &str, body: &str) -> String {
        let request = self.request(method, cseq, tag, body);
        let (own, mut room) = (format!("\r\nCSeq: {cseq} {method}\r\n"), vec![0; 65_536]);
        for _ in 0..TRIES {
            self.send(&request);
            while let Ok((length, _)) = self.sip.recv_from(&mut room) {
                let answer = String::from_utf8_lossy(&room[..length]).into_owned();
                let is_of_this_call = answer.contains(&own) && answer.contains(&self.call_id());
                if is_of_this_call && !answer.starts_with("SIP/2.0 1") {
                    return answer;
                }
            }
        }
        panic!("no answer to {method} after {TRIES} tries");
    }

    fn call_id(&self) -> String {
        format!("good-{}-{}", self.calls, self.sip.local_addr().expect("it is bound"))
    }

    fn request(&self, method: &str, cseq: u32, tag: &str, body: &str) -> String {
        let (own, server, call_id) =
            (self.sip.local_addr().expect("it is bound"), self.server, self.call_id());
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:1000@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};branch=z9hG4bK{call_id}{cseq}{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:+12025550101@{own}>;tag=good\r\nTo: <sip:1000@{server}>{tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:caller@{own}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn send(&self, text: &str) {
        self.sip.send_to(text.as_bytes(), self.server).expect("the loopback takes it");
    }
}
