//! The link between the callers and the switchboard: what it loses, doubles, delays and lets overtake.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    ToSwitchboard,
    ToCaller,
}

/// What a link does to datagrams. Streams feel its delay only.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Probabilities that a datagram is lost, or arrives twice.
    pub loss: f64,
    pub duplication: f64,
    /// Each datagram has a delay of its own between these, so they overtake one another.
    pub delay_ms: (u64, u64),
}

impl Weather {
    pub const CLEAR: Self = Self { loss: 0.0, duplication: 0.0, delay_ms: (1, 1) };
    pub const HOSTILE: Self = Self { loss: 0.2, duplication: 0.2, delay_ms: (0, 300) };
    /// Far enough away that what both sides begin at one time crosses.
    pub const FAR: Self = Self { delay_ms: (50, 50), ..Self::CLEAR };
}

/// One message of a call, whose retransmissions it is the same as: `> INVITE 1`, `< 200 INVITE 1`.
pub type Name = String;

/// What a link swallows: the first so many sendings of one message.
#[derive(Debug, Clone)]
pub struct Hole {
    pub name: Name,
    pub left: u32,
}

#[derive(Debug)]
pub struct Link {
    weather: Weather,
    hole: Option<Hole>,
    /// Every message sent so far, and how often.
    sent: BTreeMap<Name, u32>,
}

impl Link {
    pub fn new(weather: Weather) -> Self {
        Self { weather, hole: None, sent: BTreeMap::new() }
    }

    pub fn with_hole(weather: Weather, hole: Hole) -> Self {
        Self { hole: Some(hole), ..Self::new(weather) }
    }

    /// When the copies of a datagram arrive, in milliseconds from now; none where it is lost.
    pub fn datagram(&mut self, way: Way, payload: &[u8], rng: &mut StdRng) -> Vec<u64> {
        let name = name(way, payload);
        let swallowed = self.hole.as_mut().filter(|hole| hole.left > 0 && hole.name == name);
        let lost = swallowed.map(|hole| hole.left -= 1).is_some();
        *self.sent.entry(name).or_default() += 1;
        if lost {
            return Vec::new();
        }
        let copies = 1 + usize::from(rng.random_bool(self.weather.duplication));
        let (least, most) = self.weather.delay_ms;
        (0..copies)
            .filter_map(|_| {
                let arrives = !rng.random_bool(self.weather.loss);
                arrives.then(|| rng.random_range(least..=most))
            })
            .collect()
    }

    /// When a piece of a stream arrives: in order, and whole.
    pub fn stream(&self) -> u64 {
        self.weather.delay_ms.0
    }

    pub fn is_hostile(&self) -> bool {
        self.weather.loss > 0.0
    }

    /// The messages that have passed, or been lost.
    pub fn into_names(self) -> Vec<Name> {
        self.sent.into_keys().collect()
    }
}

/// Method or status, and the `CSeq`.
fn name(way: Way, payload: &[u8]) -> Name {
    let text = String::from_utf8_lossy(payload);
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let cseq = super::phone::header(&text, "CSeq").unwrap_or_default();
    let arrow = if way == Way::ToSwitchboard { '>' } else { '<' };
    match first {
        "SIP/2.0" => format!("{arrow} {} {cseq}", words.next().unwrap_or_default()),
        // An ACK has its INVITE's number.
        method => format!("{arrow} {method} {cseq}"),
    }
}
