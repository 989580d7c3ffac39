//! Packets of strangers, who know the port and would like to hear the call, or to key in it (RTP bleed).
//!
//! A peer at the address in its SDP, and one behind a NAT that was heard in time, keep their stream whatever strangers
//! send: before it was settled, while it is, and after; and no stranger changes what is known of the peer.

use super::*;

/// What a stranger's packets pretend.
#[derive(Debug, Clone, Copy)]
enum Guise {
    /// A source of their own, whose identifier is lower or higher than the peer's.
    Own(u32),
    /// The peer's source, with the numbers that come next.
    Successor,
    /// The peer's source, somewhere else in its sequence.
    Restart,
    /// No sequence at all, from a port of its own each time.
    Scan,
}

const GUISES: [Guise; 5] =
    [Guise::Own(PEER_SSRC - 1), Guise::Own(PEER_SSRC + 1), Guise::Successor, Guise::Restart, Guise::Scan];

const STRANGER: u8 = 66;

struct Stranger {
    guise: Guise,
    sent: u16,
}

impl Stranger {
    /// Audio, and every third packet a key; `at_once` of them within a moment.
    fn inject(&mut self, stage: &mut Stage, at_once: u16) {
        for _ in 0..at_once {
            self.sent += 1;
            let next = stage.peer_sequence.wrapping_add(1);
            let (ssrc, sequence) = match self.guise {
                Guise::Own(ssrc) => (ssrc, self.sent),
                Guise::Successor => (PEER_SSRC, next),
                Guise::Restart => (PEER_SSRC, next.wrapping_add(20_000 + self.sent)),
                Guise::Scan => (u32::from(self.sent), self.sent.wrapping_mul(7919)),
            };
            let port = if matches!(self.guise, Guise::Scan) { 10_000 + self.sent } else { 4000 };
            let keys = self.sent.is_multiple_of(3);
            let payload_type = if keys { 101 } else { 0 };
            let timestamp = u32::from(self.sent) * 160;
            let header = Header { payload_type, marker: false, sequence, timestamp, ssrc };
            let from = address(STRANGER, port);
            if keys {
                stage.receive(from, header, &[9, 10, 0, 160]);
            } else {
                stage.receive(from, header, &[0x55; 160]);
            }
            stage.session.receive_rtcp(from, &report_about_us(1000, ssrc), stage.now);
        }
    }
}

/// What must be as if no stranger had sent anything.
fn known(stage: &Stage) -> (Vec<SocketAddr>, String, Figures) {
    let mut destinations: Vec<_> = stage.audio.iter().map(|sent| sent.to).collect();
    destinations.extend(stage.reports.iter().map(|sent| SocketAddr::new(sent.to.ip(), sent.to.port() & !1)));
    destinations.dedup();
    (destinations, stage.digits(), stage.session.figures())
}

/// A call of a peer who talks and keys, with so many packets of a stranger each time before one of the peer's; the first
/// is the peer's where the stranger comes `after`.
fn call(from: SocketAddr, stranger: Option<(Guise, u16)>, after: bool) -> Stage {
    let mut stage = Stage::new(parameters());
    let mut stranger = stranger.map(|(guise, at_once)| (Stranger { guise, sent: 0 }, at_once));
    let mut disturb = |stage: &mut Stage| {
        if let Some((stranger, at_once)) = &mut stranger {
            stranger.inject(stage, *at_once);
        }
    };
    if after {
        stage.hear_audio(from, 10);
    }
    for key in "4711".chars() {
        for _ in 0..10 {
            disturb(&mut stage);
            stage.hear_audio(from, 1);
        }
        disturb(&mut stage);
        stage.hear_key(from, key);
    }
    stage.run(Duration::from_secs(8));
    stage
}

#[test]
fn nobody_is_heard_or_followed_beside_the_address_in_the_sdp() {
    for after in [false, true] {
        let undisturbed = known(&call(peer(), None, after));
        assert_eq!((&undisturbed.0, undisturbed.1.as_str()), (&vec![peer()], "4711"));
        for guise in GUISES {
            // Three before the peer's first are one too few to be believed.
            for at_once in if after { [1, 3, 500] } else { [1, 2, 3] } {
                let disturbed = known(&call(peer(), Some((guise, at_once)), after));
                assert_eq!(disturbed, undisturbed, "{guise:?}, {at_once} at once, after: {after}");
            }
        }
    }
}

#[test]
fn nobody_is_heard_or_followed_beside_a_peer_behind_a_nat_that_was_heard() {
    let behind_nat = address(7, 7000);
    let undisturbed = known(&call(behind_nat, None, true));
    assert_eq!((&undisturbed.0, undisturbed.1.as_str()), (&vec![peer(), behind_nat], "4711"));
    for guise in GUISES {
        for at_once in [1, 3, 500] {
            let disturbed = known(&call(behind_nat, Some((guise, at_once)), true));
            assert_eq!(disturbed, undisturbed, "{guise:?}, {at_once} at once");
        }
    }
}

/// While a peer behind a NAT is showing itself, strangers that never show four in sequence do not keep it out, however
/// many they are, nor are they taken for it.
#[test]
fn a_peer_behind_a_nat_is_found_among_strangers() {
    let behind_nat = address(7, 7000);
    for (guise, at_once) in [(Guise::Scan, 1), (Guise::Scan, 3)] {
        let stage = call(behind_nat, Some((guise, at_once)), false);
        let (destinations, digits, _) = known(&stage);
        assert_eq!((&destinations[..], digits.as_str()), (&[peer(), behind_nat][..], "4711"), "{guise:?}");
    }
}

/// Whoever shows four in sequence before the peer has said anything is believed, because a peer behind a NAT looks just
/// so. That lasts until the first packet from the address in the SDP, and no longer.
#[test]
fn a_thief_who_was_quicker_loses_the_stream_at_the_peers_first_packet() {
    for guise in [Guise::Own(1), Guise::Own(u32::MAX)] {
        let mut stage = Stage::new(parameters());
        let mut thief = Stranger { guise, sent: 0 };
        thief.inject(&mut stage, 8);
        stage.hear_audio(peer(), 1);
        let won_back = stage.audio.len();
        for _ in 0..50 {
            thief.inject(&mut stage, 8);
            stage.hear_audio(peer(), 1);
        }
        assert!(stage.audio[won_back - 1..].iter().all(|sent| sent.to == peer()), "{guise:?}");
        assert_eq!(stage.session.only_source(), Some(peer()), "the kernel keeps everybody else out");
    }
}

/// A new offer with a new address opens the stream for that one, and a new offer with the same address for nobody.
#[test]
fn a_new_offer_opens_nothing_for_strangers() {
    let moved = address(2, 4000);
    for guise in GUISES {
        let mut stage = call(peer(), None, false);
        stage.command(Command::Change(Parameters { packet_time: 30 * MS, ..parameters() }));
        let mut stranger = Stranger { guise, sent: 0 };
        stranger.inject(&mut stage, 100);
        stage.hear_audio(peer(), 3);
        stage.command(Command::Change(Parameters { remote: moved, ..parameters() }));
        stranger.inject(&mut stage, 3);
        stage.hear_audio(moved, 3);
        stranger.inject(&mut stage, 100);
        stage.hear_audio(moved, 3);
        stage.reports.clear();
        let (destinations, digits, _) = known(&stage);
        assert_eq!((&destinations[..], digits.as_str()), (&[peer(), moved][..], "4711"), "{guise:?}");
    }
}
