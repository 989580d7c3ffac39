//! Whose packets are believed, and where ours go (RFC 4961, and RFC 7362 §4 on latching).
//!
//! A caller behind a NAT sends from another address than its SDP says. Sending to wherever packets come from is
//! how calls are stolen, so: packets from the very address in the SDP always win; another source must show a few
//! packets in sequence, of one SSRC and a negotiated type, within seconds of the answer; and once a source is
//! believed no third one is, until the SDP names another address. Where packets are encrypted, whoever has the key is
//! the caller, wherever the newest packet comes from.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::rtp::Header;

/// Packets in sequence that a source must show, which is fewer than the shortest key press has.
const PACKETS: u8 = 4;
/// How long after the answer another source than the SDP's may show itself.
const WINDOW: Duration = Duration::from_secs(3);
/// Sources watched at a time.
const CANDIDATES_MAX: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Latch {
    /// The address in the SDP.
    named: SocketAddr,
    closes: Instant,
    believed: Option<SocketAddr>,
    candidates: Vec<Candidate>,
}

/// A source that may come to be believed.
#[derive(Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    next: u16,
    packets: u8,
}

impl Latch {
    /// Begins when the SDP names this address.
    pub(super) fn new(named: SocketAddr, now: Instant) -> Self {
        Self { named, closes: now + WINDOW, believed: None, candidates: Vec::new() }
    }

    /// A new offer and answer name this address. Where that is the same as before, whoever is believed stays so; where
    /// nobody is, there is time once more to show oneself.
    pub(super) fn renegotiated(&mut self, named: SocketAddr, now: Instant) {
        if named != self.named || self.believed.is_none() {
            *self = Self::new(named, now);
        }
    }

    /// Where our packets go.
    pub(super) fn destination(&self) -> SocketAddr {
        self.believed.unwrap_or(self.named)
    }

    /// Whether a source other than the address in the SDP is believed.
    pub(super) fn has_moved(&self) -> bool {
        self.destination() != self.named
    }

    /// Whether somebody is believed.
    pub(super) fn is_settled(&self) -> bool {
        self.believed.is_some()
    }

    /// The address in the SDP once packets have come from it. From then on nobody else will ever be believed.
    pub(super) fn only_source(&self) -> Option<SocketAddr> {
        self.believed.filter(|source| *source == self.named)
    }

    /// Whether a packet is to be believed. `negotiated` tells that its payload type is one that was agreed on.
    pub(super) fn accepts(
        &mut self,
        source: SocketAddr,
        header: &Header,
        negotiated: bool,
        now: Instant,
    ) -> bool {
        if source == self.named {
            self.believe(source);
            return true;
        }
        if let Some(believed) = self.believed {
            return source == believed;
        }
        let shown = now <= self.closes && negotiated && self.has_shown_enough(source, header);
        if shown {
            self.believe(source);
        }
        shown
    }

    /// Takes a packet that has proven to be authentic. One that is late says nothing of where its sender is by now.
    pub(super) fn accept_authentic(&mut self, source: SocketAddr, newest: bool) {
        if newest {
            self.believe(source);
        }
    }

    fn believe(&mut self, source: SocketAddr) {
        self.believed = Some(source);
        self.candidates = Vec::new();
    }

    /// Counts a packet towards its source's credit.
    fn has_shown_enough(&mut self, source: SocketAddr, header: &Header) -> bool {
        let fresh =
            Candidate { source, ssrc: header.ssrc, next: header.sequence.wrapping_add(1), packets: 1 };
        let Some(known) = self.candidates.iter_mut().find(|candidate| candidate.source == source) else {
            if self.candidates.len() == CANDIDATES_MAX {
                self.forget_the_weakest();
            }
            self.candidates.push(fresh);
            return false;
        };
        let in_sequence = known.ssrc == header.ssrc && known.next == header.sequence;
        *known = Candidate { packets: if in_sequence { known.packets + 1 } else { 1 }, ..fresh };
        known.packets >= PACKETS
    }

    /// Whoever has shown the least makes room, the oldest of several: a flood from everywhere does not keep out a source
    /// that has shown two packets.
    fn forget_the_weakest(&mut self) {
        let weakest = self.candidates.iter().enumerate().min_by_key(|(_, candidate)| candidate.packets);
        if let Some((place, _)) = weakest {
            self.candidates.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    /// Who sends, its SSRC, its sequence number, after how many ms, and whether the type is a negotiated one.
    type Sent = (u8, u32, u16, u64, bool);

    /// Where our packets go after these.
    fn destination(sent: impl IntoIterator<Item = Sent>) -> u8 {
        let zero = start();
        let mut latch = Latch::new(address(1, 4000), zero);
        for (who, ssrc, sequence, at, negotiated) in sent {
            let header = Header { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc };
            let accepted =
                latch.accepts(address(who, 4000), &header, negotiated, zero + Duration::from_millis(at));
            assert_eq!(accepted, latch.destination() == address(who, 4000) && latch.believed.is_some());
        }
        match latch.destination().ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => panic!("there is no such address here"),
        }
    }

    fn run(who: u8, first: u16, packets: u16, at: u64) -> Vec<Sent> {
        (0..packets)
            .map(|n| (who, u32::from(who), first.wrapping_add(n), at + 20 * u64::from(n), true))
            .collect()
    }

    #[test]
    fn only_the_named_address_or_a_proven_one_moves_the_stream() {
        let gap = [run(2, 1, 3, 0), run(2, 5, 3, 60)].concat();
        let ssrcs: Vec<Sent> = (0..8).map(|n| (2, u32::from(n), n, 0, true)).collect();
        let wrong_type: Vec<Sent> = (0..8).map(|n| (2, 2, n, 0, false)).collect();
        let interleaved: Vec<Sent> = run(2, 1, 4, 0)
            .into_iter()
            .zip([3, 4, 5, 6])
            .flat_map(|(legitimate, stray)| [(stray, 9, 77, 0, true), legitimate])
            .collect();
        // A source behind a NAT, and three strangers, each another, before each of its packets.
        let flooded: Vec<Sent> = run(2, 1, 4, 0)
            .into_iter()
            .enumerate()
            .flat_map(|(n, legitimate)| {
                let strays = (0..3).map(move |k| (10 + 3 * n as u8 + k, 9, 77, 0, true));
                strays.chain([legitimate])
            })
            .collect();
        let spoofed = vec![
            (2, 7, 1, 0, true),
            (3, 7, 2, 0, true),
            (2, 7, 3, 0, true),
            (3, 7, 4, 0, true),
            (2, 7, 5, 0, true),
        ];
        let table: [(&str, Vec<Sent>, u8); 15] = [
            ("nothing", vec![], 1),
            ("the named address", run(1, 1, 1, 0), 1),
            ("another, too few", run(2, 1, 3, 0), 1),
            ("another, enough", run(2, 1, 4, 0), 2),
            ("another, over the wrap", run(2, 65_534, 4, 0), 2),
            ("another, with a gap", gap, 1),
            ("another, of many sources", ssrcs, 1),
            ("another, of no negotiated type", wrong_type, 1),
            ("another, too late", run(2, 1, 9, 3001), 1),
            ("a third after a proven one", [run(2, 1, 4, 0), run(3, 1, 50, 100)].concat(), 2),
            ("a third after the named one", [run(1, 1, 1, 0), run(3, 1, 50, 100)].concat(), 1),
            ("the named one after a thief", [run(3, 1, 50, 0), run(1, 1, 1, 1000)].concat(), 1),
            ("strays between", interleaved, 2),
            ("a flood of strangers", flooded, 2),
            ("two sources that make one sequence", spoofed, 1),
        ];
        for (name, sent, expected) in table {
            assert_eq!(destination(sent), expected, "{name}");
        }
    }

    /// A phone that is silent until a key is pressed, behind a proxy: its offer is all that is heard of it at first.
    #[test]
    fn a_new_offer_gives_time_once_more_while_nobody_is_believed() {
        let zero = start();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut latch = Latch::new(address(1, 4000), zero);
        let show = |latch: &mut Latch, who: u8, first: u16, ms: u64| {
            (first..first + 4).any(|sequence| {
                let header =
                    Header { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc: who.into() };
                latch.accepts(address(who, 4000), &header, true, at(ms))
            })
        };
        assert!(!show(&mut latch, 2, 1, 9000));
        latch.renegotiated(address(1, 4000), at(10_000));
        assert!(show(&mut latch, 2, 10, 12_000));
        latch.renegotiated(address(1, 4000), at(20_000));
        assert!(!show(&mut latch, 3, 1, 21_000), "somebody is believed, and stays so");
        assert_eq!(latch.destination(), address(2, 4000));
        latch.renegotiated(address(4, 4000), at(30_000));
        assert_eq!(latch.destination(), address(4, 4000), "the peer is somewhere else now");
    }

    #[test]
    fn an_authentic_packet_moves_the_stream_unless_it_is_late() {
        let zero = start();
        let mut latch = Latch::new(address(1, 4000), zero);
        let table = [(1, true, 1), (2, false, 1), (2, true, 2), (1, false, 2), (3, true, 3), (1, true, 1)];
        for (who, newest, expected) in table {
            latch.accept_authentic(address(who, 4000), newest);
            assert_eq!(latch.destination(), address(expected, 4000), "{who} {newest}");
        }
    }

    #[test]
    fn another_port_is_another_source() {
        let zero = start();
        let mut latch = Latch::new(address(1, 4000), zero);
        let header = Header { payload_type: 0, marker: false, sequence: 1, timestamp: 0, ssrc: 1 };
        assert!(!latch.accepts(address(1, 4002), &header, true, zero));
        assert!(latch.accepts(address(1, 4000), &header, true, zero));
        assert!(!latch.has_moved());
    }
}
