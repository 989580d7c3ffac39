//! A peer that writes its messages by hand.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{SDP, endpoint, start};
use crate::sip::{DialogId, Endpoint, Event, Hop};

/// An endpoint and the one peer that talks to it.
pub struct Wire {
    pub endpoint: Endpoint,
    pub now: Instant,
    branch: u32,
}

/// What a hand-written request is made of; everything not said is ordinary.
#[derive(Clone)]
pub struct Sketch {
    pub method: &'static str,
    pub uri: String,
    pub cseq: u32,
    pub to_tag: Option<String>,
    pub branch: Option<String>,
    pub more: String,
    pub body: String,
}

impl Sketch {
    pub fn new(method: &'static str) -> Self {
        Self {
            method,
            uri: "sip:1000@192.0.2.10:5060".to_owned(),
            cseq: 1,
            to_tag: None,
            branch: None,
            more: String::new(),
            body: String::new(),
        }
    }

    pub fn invite() -> Self {
        Self::new("INVITE").with("Content-Type: application/sdp").body(SDP)
    }

    pub fn inside(method: &'static str, to_tag: &str, cseq: u32) -> Self {
        Self { to_tag: Some(to_tag.to_owned()), cseq, ..Self::new(method) }
    }

    pub fn with(mut self, line: &str) -> Self {
        self.more.push_str(line);
        self.more.push_str("\r\n");
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    pub fn text(&self, branch: &str) -> String {
        let Self { method, uri, cseq, more, body, .. } = self;
        let branch = self.branch.as_deref().unwrap_or(branch);
        let to_tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n\
             From: <sip:+12025550101@192.0.2.1>;tag=peer\r\nTo: <sip:1000@192.0.2.10>{to_tag}\r\n\
             Call-ID: call@192.0.2.1\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:+12025550101@192.0.2.1:5060>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

impl Wire {
    pub fn new() -> Self {
        Self { endpoint: endpoint(Self::local(), false, 1), now: start(), branch: 0 }
    }

    pub fn accepting_referrals() -> Self {
        Self { endpoint: endpoint(Self::local(), true, 1), ..Self::new() }
    }

    pub fn peer() -> Hop {
        Self::hop(SocketAddr::from(([192, 0, 2, 1], 5060)))
    }

    pub fn hop(peer: SocketAddr) -> Hop {
        Hop::udp(Self::local(), peer)
    }

    fn local() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 10], 5060))
    }

    /// Sends a request and gives what comes back at once.
    pub fn send(&mut self, sketch: &Sketch) -> Vec<String> {
        self.branch += 1;
        let text = sketch.text(&format!("z9hG4bK{}", self.branch));
        self.send_text(&text)
    }

    pub fn send_text(&mut self, text: &str) -> Vec<String> {
        self.endpoint.receive(Self::peer(), text.as_bytes(), self.now);
        self.sent()
    }

    pub fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|transmit| String::from_utf8_lossy(&transmit.payload).into_owned())
            .collect()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    /// Lets time pass, timer by timer; gives everything sent meanwhile, with the milliseconds since the start.
    pub fn pass(&mut self, time: Duration) -> Vec<(u128, String)> {
        let begin = self.now;
        let end = begin + time;
        let mut sent = Vec::new();
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.endpoint.handle_timeout(due);
            let at = (due - begin).as_millis();
            sent.extend(self.sent().into_iter().map(|text| (at, text)));
        }
        self.now = end;
        sent
    }

    /// Places the ordinary call and lets the endpoint answer it; gives the dialog and its tag.
    pub fn established(&mut self) -> (DialogId, String) {
        let (id, tag) = self.answered(&Sketch::invite());
        self.send(&Sketch::inside("ACK", &tag, 1));
        assert_eq!(self.events(), [Event::Confirmed(id, None)]);
        (id, tag)
    }

    /// The same without the ACK.
    pub fn answered(&mut self, invite: &Sketch) -> (DialogId, String) {
        self.send(invite);
        let id = match self.events().as_slice() {
            [Event::Invited(id, _)] => *id,
            other => panic!("not invited: {other:?}"),
        };
        self.endpoint.accept(id, SDP, self.now);
        let ok = self.sent().pop().expect("a 200");
        (id, tag_of(&ok))
    }
}

/// The status of a response.
pub fn status(text: &str) -> u16 {
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
}

/// The status of the only message there is.
pub fn only_status(sent: &[String]) -> u16 {
    assert_eq!(sent.len(), 1, "{sent:#?}");
    status(&sent[0])
}

/// The value of a header field.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The tag of To.
pub fn tag_of(text: &str) -> String {
    let to = header(text, "To").expect("a To");
    to.split("tag=").nth(1).expect("a tag").to_owned()
}

/// A response of the peer to a request of ours.
pub fn response_to(request: &str, status: u16, to_tag: Option<&str>, more: &str) -> String {
    let field = |name| header(request, name).unwrap_or_else(|| panic!("no {name} in {request}"));
    let to_tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    format!(
        "SIP/2.0 {status} Whatever\r\nVia: {}\r\nFrom: {}\r\nTo: {}{to_tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}\
         Content-Length: 0\r\n\r\n",
        field("Via"),
        field("From"),
        field("To"),
        field("Call-ID"),
        field("CSeq")
    )
}
