//! What comes in beyond what may, by the switchboard's own count: messages of strangers, and calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portero::call::{Action, Intake, Network, Plan, Strangers, Switchboard, Trunks, WallClock};
use portero::sip::{self, Hop, Whereabouts};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::business;

const OURS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
/// Where the business's trunk calls from.
const TRUNK: &str = "127.0.0.1:6060";

/// A switchboard that whoever is on no trunk may call, with this intake.
struct Front {
    switchboard: Switchboard,
    now: Instant,
}

impl Front {
    fn new(intake: Intake) -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
        let now = Instant::now();
        let trunks = Trunks { strangers: Strangers::Admit, ..business::make_plan().trunks };
        let plan = Plan { intake, trunks, ..business::make_plan() };
        let network = Network { media_external: None, media_ports: 20_000..=20_099 };
        let clock = WallClock { at: now, utc: Timestamp::UNIX_EPOCH };
        let config = sip::Config {
            whereabouts: Whereabouts::udp(OURS),
            realm: "portero".into(),
            user_agent: "sim".into(),
            accept_referrals: false,
            retry_after: Duration::from_secs(5),
        };
        let switchboard = Switchboard::new(config, network, Arc::new(plan), clock, StdRng::seed_from_u64(1));
        Self { switchboard, now }
    }

    /// Sends a request of its own transaction; tells the last answer's status line, and whether it says when to try again.
    fn send(&mut self, method: &str, source: &str, number: usize) -> Option<(String, bool)> {
        let peer: SocketAddr = source.parse().expect("an address");
        let text = format!(
            "{method} sip:1000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bK{number};rport\r\n\
             From: <sip:{number}@{peer}>;tag={number}\r\nTo: <sip:1000@127.0.0.1>\r\nCall-ID: {number}@{peer}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:{number}@{peer}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        self.switchboard.message(Hop::udp(OURS, peer), text.as_bytes(), self.now);
        let mut answer = None;
        while let Some(action) = self.switchboard.poll_action() {
            if let Action::Transmit(transmit) = action {
                let text = String::from_utf8(transmit.payload).expect("text");
                let line = text.lines().next().unwrap_or_default().to_owned();
                answer = Some((line, text.contains("Retry-After: 5\r\n")));
            }
        }
        answer
    }

    fn rejected(&self, reason: &str) -> u64 {
        let counters = self.switchboard.sip_counters();
        counters.rejected().find(|(known, _)| known.as_str() == reason).map_or(0, |(_, count)| count)
    }
}

#[test]
fn a_flood_is_dropped_unread_and_others_are_answered_meanwhile() {
    let mut front = Front::new(Intake { messages_per_second: 100, ..Intake::default() });
    let mut answered = 0;
    for number in 0..20_000 {
        front.now += Duration::from_micros(50);
        let method = ["INVITE", "REGISTER", "OPTIONS"][number % 3];
        answered += usize::from(front.send(method, "198.51.100.66:5060", number).is_some());
        if number % 1000 == 0 {
            let (line, _) = front.send("OPTIONS", "198.51.100.1:5060", number).expect("an answer");
            assert_eq!(line, "SIP/2.0 200 OK");
        }
    }
    // A quarter of a second's share at once, and then one every 10 ms.
    assert_eq!(front.rejected("flood"), 20_000 - 25 - 99);
    assert!((60..=124).contains(&answered), "{answered}");
}

#[test]
fn a_trunk_is_not_counted_at_the_turnstile() {
    let mut front = Front::new(Intake { messages_per_second: 10, ..Intake::default() });
    for number in 0..1000 {
        assert!(front.send("OPTIONS", TRUNK, number).is_some(), "{number}");
    }
    assert_eq!(front.rejected("flood"), 0);
}

#[test]
fn a_second_brings_no_more_calls_than_it_may() {
    let mut front = Front::new(Intake { calls_per_second: Some(5), ..Intake::default() });
    let busy = Some(("SIP/2.0 503 Service Unavailable".to_owned(), true));
    let rings = "SIP/2.0 180 Ringing";
    for number in 0..5 {
        let source = format!("198.51.100.{number}:5060");
        assert_eq!(front.send("INVITE", &source, number).expect("an answer").0, rings);
    }
    assert_eq!(front.send("INVITE", "198.51.100.9:5060", 6), busy);
    assert_eq!(front.rejected("calls_per_second"), 1);
    front.now += Duration::from_millis(999);
    assert_eq!(front.send("INVITE", "198.51.100.9:5060", 7), busy);
    front.now += Duration::from_millis(1);
    assert_eq!(front.send("INVITE", "198.51.100.9:5060", 8).expect("an answer").0, rings);
}

#[test]
fn while_sound_leaves_late_no_call_is_taken() {
    let mut front = Front::new(Intake { late_percent: 20, ..Intake::default() });
    let busy = Some(("SIP/2.0 503 Service Unavailable".to_owned(), true));
    let rings = "SIP/2.0 180 Ringing";
    // Of each second: how late it was, and whether a call was taken after it.
    let seconds = [
        (0.2, true),
        (0.21, true),
        (0.21, false),
        (0.0, false),
        (0.11, false),
        (0.1, false),
        (0.1, false),
        (0.1, true),
    ];
    for (number, (late, taken)) in seconds.into_iter().enumerate() {
        front.now += Duration::from_secs(1);
        front.switchboard.set_lateness(late);
        let answer = front.send("INVITE", "198.51.100.9:5060", number);
        if taken {
            assert_eq!(answer.expect("an answer").0, rings, "second {number}");
        } else {
            assert_eq!(answer, busy, "second {number}");
        }
    }
    assert_eq!(front.rejected("late"), 5);
    let asked = front.send("OPTIONS", "198.51.100.9:5060", 99).expect("an answer");
    assert_eq!(asked.0, "SIP/2.0 200 OK", "we are there, and soon have room again");
}

#[test]
fn beyond_three_quarters_of_the_transactions_no_stranger_gets_one() {
    let mut front = Front::new(Intake { transactions: 1000, messages_per_second: 2000, ..Intake::default() });
    for number in 0..750 {
        front.now += Duration::from_millis(1);
        let answer = front.send("OPTIONS", "198.51.100.1:5060", number);
        assert_eq!(answer.map(|(line, _)| line), Some("SIP/2.0 200 OK".into()), "{number}");
    }
    let (line, retries) = front.send("OPTIONS", "198.51.100.1:5060", 750).expect("an answer");
    assert_eq!((line.as_str(), retries), ("SIP/2.0 503 Service Unavailable", true));
    assert_eq!(front.rejected("overload"), 1);
    front.now += Duration::from_secs(33);
    front.switchboard.handle_timeout(front.now);
    assert!(front.send("OPTIONS", "198.51.100.1:5060", 751).is_some_and(|(line, _)| line.contains("200")));
}
