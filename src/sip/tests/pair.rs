//! Two endpoints on one link with weather, under a virtual clock. A run is its seed: nothing else is random.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{SDP, endpoint, start};
use crate::sip::{Call, DialogId, Endpoint, Event, Hop};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Caller,
    Callee,
}

/// What the link does to a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub loss: f64,
    pub duplication: f64,
    /// Every datagram takes 1 ms and up to this much more, so that they overtake each other.
    pub jitter_ms: u64,
}

pub const CLEAR: Weather = Weather { loss: 0.0, duplication: 0.0, jitter_ms: 0 };

/// What a user of the endpoint does when told something.
pub type User = Box<dyn FnMut(&mut Endpoint, &Event, Instant)>;

/// What the link swallows: the datagrams that match, this many of them.
pub struct Hole {
    pub matches: fn(&str) -> bool,
    pub left: usize,
}

pub struct Pair {
    pub caller: Endpoint,
    pub callee: Endpoint,
    pub caller_does: User,
    pub callee_does: User,
    pub holes: Vec<Hole>,
    pub heard: Vec<(Side, Event)>,
    pub now: Instant,
    started: Instant,
    weather: Weather,
    rng: StdRng,
    in_flight: BTreeMap<(Instant, u64), (Side, Vec<u8>)>,
    sent: u64,
}

fn address(side: Side) -> SocketAddr {
    match side {
        Side::Caller => SocketAddr::from(([192, 0, 2, 1], 5060)),
        Side::Callee => SocketAddr::from(([192, 0, 2, 2], 5060)),
    }
}

/// The way by which the other side hears this one.
fn hop_from(side: Side) -> Hop {
    match side {
        Side::Caller => Hop::udp(address(Side::Callee), address(Side::Caller)),
        Side::Callee => Hop::udp(address(Side::Caller), address(Side::Callee)),
    }
}

impl Pair {
    pub fn new(weather: Weather, seed: u64) -> Self {
        let now = start();
        Self {
            caller: endpoint(address(Side::Caller), true, seed.wrapping_mul(3) + 1),
            callee: endpoint(address(Side::Callee), false, seed.wrapping_mul(5) + 2),
            caller_does: Box::new(|_, _, _| {}),
            callee_does: Box::new(|_, _, _| {}),
            holes: Vec::new(),
            heard: Vec::new(),
            now,
            started: now,
            weather,
            rng: StdRng::seed_from_u64(seed),
            in_flight: BTreeMap::new(),
            sent: 0,
        }
    }

    pub fn call(&mut self) -> DialogId {
        self.call_to("sip:1000@192.0.2.2")
    }

    pub fn call_to(&mut self, to_uri: &str) -> DialogId {
        self.place(to_uri, Vec::new())
    }

    pub fn call_with(&mut self, headers: Vec<(String, String)>) -> DialogId {
        self.place("sip:1000@192.0.2.2", headers)
    }

    fn place(&mut self, to_uri: &str, headers: Vec<(String, String)>) -> DialogId {
        let call = Call {
            to_uri: to_uri.to_owned(),
            from_user: "+12025550101".to_owned(),
            from_display: Some("O'Hara \"x\" <b>".to_owned()),
            hop: Hop::udp(address(Side::Caller), address(Side::Callee)),
            spares: Vec::new(),
            sdp: SDP.to_owned(),
            headers,
        };
        self.caller.invite(&call, self.now).expect("there is room")
    }

    /// Runs for this long, or until nothing more can happen.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let next = [
                self.in_flight.keys().next().map(|(at, _)| *at),
                self.caller.poll_timeout(),
                self.callee.poll_timeout(),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            self.deliver();
            self.caller.handle_timeout(self.now);
            self.callee.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// Runs until nothing is left, and says that nothing is.
    pub fn settle(&mut self) {
        self.run(Duration::from_mins(10));
        assert!(self.caller.is_idle(), "caller: {:?}", self.caller);
        assert!(self.callee.is_idle(), "callee: {:?}", self.callee);
    }

    /// What one side was told, in order.
    pub fn told(&self, side: Side) -> Vec<Event> {
        self.heard.iter().filter(|(to, _)| *to == side).map(|(_, event)| event.clone()).collect()
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.started
    }

    fn exchange(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(event) = self.caller.poll_event() {
                (self.caller_does)(&mut self.caller, &event, self.now);
                self.heard.push((Side::Caller, event));
                quiet = false;
            }
            while let Some(event) = self.callee.poll_event() {
                (self.callee_does)(&mut self.callee, &event, self.now);
                self.heard.push((Side::Callee, event));
                quiet = false;
            }
            while let Some(transmit) = self.caller.poll_transmit() {
                self.launch(transmit.hop.peer, &transmit.payload);
            }
            while let Some(transmit) = self.callee.poll_transmit() {
                self.launch(transmit.hop.peer, &transmit.payload);
            }
            if quiet {
                return;
            }
        }
    }

    fn launch(&mut self, destination: SocketAddr, payload: &[u8]) {
        let to = if destination == address(Side::Caller) { Side::Caller } else { Side::Callee };
        let text = String::from_utf8_lossy(payload).into_owned();
        if let Some(hole) = self.holes.iter_mut().find(|hole| hole.left > 0 && (hole.matches)(&text)) {
            hole.left -= 1;
            return;
        }
        let copies = if self.rng.random_bool(self.weather.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.random_bool(self.weather.loss) {
                continue;
            }
            let delay = 1 + self.rng.random_range(0..=self.weather.jitter_ms);
            self.sent += 1;
            self.in_flight
                .insert((self.now + Duration::from_millis(delay), self.sent), (to, payload.to_vec()));
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, payload) = entry.remove();
            match to {
                Side::Caller => self.caller.receive(hop_from(Side::Callee), &payload, self.now),
                Side::Callee => self.callee.receive(hop_from(Side::Caller), &payload, self.now),
            }
        }
    }
}
