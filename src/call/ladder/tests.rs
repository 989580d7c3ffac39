//! Ladders as they are drawn, and that nothing in a message can make a picture do anything.

use insta::assert_snapshot;

use super::*;
use crate::call::CallId;
use crate::sip::{Hop, Seen};

const SDP: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// A trace that is written message by message.
struct Script {
    trace: Trace,
    at: Timestamp,
}

impl Script {
    fn new() -> Self {
        let at = "2026-11-24T10:00:00Z".parse().expect("an instant");
        Self { trace: Trace::new(CallId(0x00c0_ffee)), at }
    }

    fn then(mut self, ms: i64, direction: Direction, peer: &str, message: &str) -> Self {
        let hop = Hop {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            peer: peer.parse().expect("an address"),
            connection: None,
        };
        self.at += jiff::SignedDuration::from_millis(ms);
        self.trace.push(Seen::new(direction, hop, message.as_bytes()).expect("a message"), self.at);
        self
    }
}

const CALLER: &str = "192.0.2.9:5060";
const OTHER: &str = "[2001:db8::7]:5061";

fn call() -> Trace {
    use Direction::{In, Out};
    let invite = format!("INVITE sip:1000@192.0.2.1;user=phone SIP/2.0\r\nCSeq: 1 INVITE\r\n{SDP}");
    let answer = format!("SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n{}", SDP.replace("192.0.2.9", "192.0.2.1"));
    Script::new()
        .then(0, In, CALLER, &invite)
        .then(1, Out, CALLER, "SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n")
        .then(4, Out, CALLER, &answer)
        .then(500, Out, CALLER, &answer)
        .then(3, In, CALLER, "ACK sip:portero@192.0.2.1 SIP/2.0\r\nCSeq: 1 ACK\r\n\r\n")
        .then(900, In, CALLER, "INFO sip:portero@192.0.2.1 SIP/2.0\r\nCSeq: 2 INFO\r\nContent-Type: application/dtmf\r\n\r\n5")
        .then(1, Out, CALLER, "SIP/2.0 200 OK\r\nCSeq: 2 INFO\r\n\r\n")
        .then(2000, Out, CALLER, "REFER sip:c@192.0.2.9 SIP/2.0\r\nRefer-To: <sip:agents@192.0.2.1;portero-token=1>\r\n\r\n")
        .then(3, In, CALLER, "SIP/2.0 202 Accepted\r\nCSeq: 9 REFER\r\n\r\n")
        .then(60, In, CALLER, "NOTIFY sip:p@192.0.2.1 SIP/2.0\r\nContent-Type: message/sipfrag\r\n\r\nSIP/2.0 486 Busy Here\r\n")
        .then(1, Out, OTHER, "INVITE sip:queue@[2001:db8::7] SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n")
        .then(9, In, OTHER, "SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n")
        .then(61_000, Out, CALLER, "BYE sip:c@192.0.2.9 SIP/2.0\r\nCSeq: 10 BYE\r\n\r\n")
        .trace
}

#[test]
fn a_ladder_as_text() {
    assert_snapshot!(Ladder::new(&call()).text());
}

#[test]
fn a_ladder_as_svg() {
    assert_snapshot!(Ladder::new(&call()).svg());
}

#[test]
fn a_ladder_as_json() {
    let trace = call();
    let json = serde_json::to_value(Ladder::new(&trace)).expect("it can be written");
    assert_eq!(json["parties"][1]["name"], "Portero");
    let third = &json["messages"][3];
    assert_eq!((&third["retransmission"], &third["offset_ms"]), (&true.into(), &505.into()));
    assert_eq!(third["label"], "200 OK (INVITE)");
    assert_eq!(json["gap"], serde_json::Value::Null);
}

#[test]
fn a_gap_is_told_and_numbers_go_on_behind_it() {
    let mut script = Script::new();
    for number in 0..200 {
        script = script.then(
            1,
            Direction::In,
            CALLER,
            &format!("OPTIONS sip:a@b SIP/2.0\r\nCSeq: {number} OPTIONS\r\n\r\n"),
        );
    }
    let ladder = Ladder::new(&script.trace);
    assert_eq!(ladder.gap, Some(Gap { after: 64, messages: 72 }));
    let numbers: Vec<u64> = ladder.messages[62..66].iter().map(|arrow| arrow.number).collect();
    assert_eq!(numbers, [63, 64, 137, 138]);
    assert_eq!(ladder.text().matches("72 messages are not kept").count(), 1);
    assert_eq!(ladder.svg().matches("72 messages are not kept").count(), 1);
}

#[test]
fn whoever_comes_late_shares_a_column() {
    let mut script = Script::new();
    for port in 1..20 {
        script =
            script.then(1, Direction::In, &format!("192.0.2.9:{port}"), "OPTIONS sip:a@b SIP/2.0\r\n\r\n");
    }
    let ladder = Ladder::new(&script.trace);
    assert_eq!(ladder.parties.len(), PARTIES_MAX);
    assert_eq!(ladder.parties.last().map(|party| party.name.as_str()), Some("Others"));
    assert!(ladder.messages.iter().all(|arrow| arrow.from < PARTIES_MAX));
    assert!(!ladder.text().is_empty() && !ladder.svg().is_empty());
}

#[test]
fn an_empty_trace_is_drawn_all_the_same() {
    let trace = Trace::new(CallId(1));
    let ladder = Ladder::new(&trace);
    assert_eq!(ladder.text().lines().next(), Some("Call 0000000000000001"));
    assert!(ladder.svg().ends_with("</svg>\n"));
}

/// What a peer may write where something is drawn of it.
const HOSTILE: [&str; 5] = [
    "</text></svg><script>alert(1)</script>",
    "\"' onload=alert(1) x='",
    "]]><!--<![CDATA[",
    "&lt;script&gt;&#x3c;",
    "\u{1b}]0;x\u{7}\u{202e}\u{0}\u{fffe}",
];

#[test]
fn hostile_words_are_only_words() {
    for words in HOSTILE {
        let message = format!(
            "INVITE {words} SIP/2.0\r\nCSeq: 1 {words}\r\nContent-Type: application/sdp\r\n\r\nc=IN IP4 {words}\r\nm=audio {words} RTP/AVP {words}\r\na=rtpmap:0 {words}\r\n"
        );
        let status = format!("SIP/2.0 486 {words}\r\nCSeq: 1 {words}\r\n\r\n");
        let script =
            Script::new().then(0, Direction::In, CALLER, &message).then(1, Direction::Out, CALLER, &status);
        let ladder = Ladder::new(&script.trace);
        let tags = tags(&ladder.svg());
        let known = ["svg", "title", "style", "rect", "g", "path", "text"];
        assert!(tags.iter().all(|tag| known.contains(&tag.as_str())), "{words}: {tags:?}");
        assert!(!ladder.svg().contains("<!") && !ladder.svg().contains("&lt;script&gt;&#x3c;"), "{words}");
        for drawn in [ladder.text(), ladder.svg()] {
            assert!(drawn.chars().all(|letter| letter == '\n' || !letter.is_control()), "{drawn}");
        }
    }
}

/// The names of all elements, each of which is closed in its place.
fn tags(svg: &str) -> Vec<String> {
    let mut open = Vec::new();
    let mut names = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>') || tag == "style", "a stray > in {piece:?}");
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            if !tag.ends_with('/') {
                open.push(name.clone());
            }
            names.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
    names
}
