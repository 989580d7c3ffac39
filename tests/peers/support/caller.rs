//! A caller of few words, written by hand: it hears the packets themselves, and when they came.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
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
    /// What it calls itself, before its address in From.
    pub display_name: &'static str,
    /// What its Call-IDs begin with.
    pub call_ids: &'static str,
    /// Headers of its own making in every request, each with its line's end.
    pub headers: &'static str,
}

/// A call that is up.
pub struct Call {
    tag: String,
    cseq: u32,
    /// When its ACK was sent.
    pub acknowledged: Instant,
    /// Where the server hears.
    pub remote: SocketAddr,
}

impl Caller {
    /// One at `ip`.
    pub fn new(ip: IpAddr, server: SocketAddr) -> Self {
        let sip = UdpSocket::bind((ip, 0)).expect("a free port");
        sip.set_read_timeout(Some(RETRANSMIT_AFTER)).expect("a time-out that is not zero");
        let rtp = UdpSocket::bind((ip, 0)).expect("a free port");
        Self { sip, rtp, server, calls: 0, display_name: "", call_ids: "good", headers: "" }
    }

    /// Makes a call, and hangs up once the prompt is heard: how long after its ACK that was.
    ///
    /// # Panics
    /// Where the call is not taken, or nothing is heard.
    pub fn call(&mut self) -> Duration {
        let call = self.begin("RTP/AVP 0\r\n");
        let heard = self.hear_speech(&call) - call.acknowledged;
        self.end(&call);
        heard
    }

    /// Makes a call. `media` is the end of the m= line and what follows it.
    ///
    /// # Panics
    /// Where the call is not taken.
    pub fn begin(&mut self, media: &str) -> Call {
        // Of all callers: a port may be another's again before the server has forgotten what came from it.
        static CALLS: AtomicU32 = AtomicU32::new(1);
        self.calls = CALLS.fetch_add(1, Ordering::Relaxed);
        self.forget_what_was_heard();
        let answer = self.ask("INVITE", 1, "", &self.description(1, media));
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).expect("To");
        let tag = to.split_once(";tag=").expect("the callee's tag").1.to_owned();
        let port = answer.split_once("\r\nm=audio ").and_then(|(_, rest)| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok()).expect("a media port");
        let acknowledged = Instant::now();
        self.send(&self.request("ACK", 1, &tag, ""));
        Call { tag, cseq: 1, acknowledged, remote: SocketAddr::new(self.server.ip(), port) }
    }

    /// Offers something else in a call: `media` as in [`Caller::begin`].
    ///
    /// # Panics
    /// Where that is refused.
    pub fn change(&self, call: &mut Call, media: &str) {
        call.cseq += 1;
        let answer = self.ask("INVITE", call.cseq, &call.tag, &self.description(call.cseq, media));
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        self.send(&self.request("ACK", call.cseq, &call.tag, ""));
    }

    /// Hangs up.
    pub fn end(&self, call: &Call) {
        self.ask("BYE", call.cseq + 1, &call.tag, "");
    }

    /// Where it hears, and sends from.
    pub fn rtp(&self) -> &UdpSocket {
        &self.rtp
    }

    /// The next RTP packet that is heard within this time: its first octets, and what it carries.
    pub fn hear(&self, within: Duration) -> Option<([u8; RTP_HEADER_BYTES], Vec<u8>)> {
        self.rtp.set_read_timeout(Some(within)).expect("a time-out that is not zero");
        let mut room = [0; 2048];
        let (length, _) = self.rtp.recv_from(&mut room).ok()?;
        let (header, payload) = room[..length].split_first_chunk()?;
        Some((*header, payload.to_vec()))
    }

    fn description(&self, version: u32, media: &str) -> String {
        let rtp = self.rtp.local_addr().expect("it is bound");
        format!(
            "v=0\r\no=- 1 {version} IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} {media}",
            rtp.ip(),
            rtp.port()
        )
    }

    /// When the first packet came in which somebody speaks.
    fn hear_speech(&self, call: &Call) -> Instant {
        let (begun, mut room) = (Instant::now(), [0; 2048]);
        self.rtp.set_read_timeout(Some(RETRANSMIT_AFTER)).expect("a time-out that is not zero");
        loop {
            let Ok((length, _)) = self.rtp.recv_from(&mut room) else {
                assert!(begun.elapsed() < PROMPT_WITHIN, "no prompt is heard");
                // RFC 3261 §13.2.2.4: where the ACK was lost the 200 comes again, and gets its ACK again.
                if self.sip.recv_from(&mut room).is_ok() {
                    self.send(&self.request("ACK", call.cseq, &call.tag, ""));
                }
                continue;
            };
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
        format!("{}-{}-{}", self.call_ids, self.calls, self.sip.local_addr().expect("it is bound"))
    }

    fn request(&self, method: &str, cseq: u32, tag: &str, body: &str) -> String {
        let (own, server, call_id) =
            (self.sip.local_addr().expect("it is bound"), self.server, self.call_id());
        let Self { display_name, headers, .. } = self;
        let branch = format!("{}-{}{cseq}{method}", own.port(), self.calls);
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:1000@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: {display_name}<sip:+12025550101@{own}>;tag=good\r\nTo: <sip:1000@{server}>{tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:caller@{own}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn send(&self, text: &str) {
        self.sip.send_to(text.as_bytes(), self.server).expect("the loopback takes it");
    }
}
