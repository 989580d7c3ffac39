//! Sessions whose packets are encrypted: what leaves, what is believed, and where the stream goes.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::srtp::{Keys, MasterKey, Opener, Sealer, Suite};

fn key(suite: Suite, seed: u64) -> MasterKey {
    MasterKey::draw(suite, &mut StdRng::seed_from_u64(seed))
}

/// The session's keys, ours and the peer's, drawn from these seeds.
fn encrypted(suite: Suite, ours: u64, theirs: u64) -> Parameters {
    let keys = Keys { ours: key(suite, ours), theirs: key(suite, theirs), their_mki: None };
    Parameters { keys: Some(Box::new(keys)), ..parameters() }
}

/// A stage, and what its peer seals with.
struct Secret {
    stage: Stage,
    sealer: Sealer,
}

impl Secret {
    fn new(suite: Suite) -> Self {
        Self { stage: Stage::new(encrypted(suite, 1, 2)), sealer: Sealer::new(&key(suite, 2)) }
    }

    fn sealed(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let header = self.stage.peer_header(payload_type);
        self.seal(header, payload)
    }

    fn seal(&mut self, header: Header, payload: &[u8]) -> Vec<u8> {
        let mut room = [&header.octets()[..], payload].concat();
        let length = room.len();
        room.resize(length + srtp::TRAILER_LEN_MAX, 0);
        let length = self.sealer.seal_rtp(&mut room, length).expect("there is room");
        room.truncate(length);
        room
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Refused> {
        self.stage.session.receive(from, datagram, self.stage.now);
        self.stage.collect();
        self.stage.session.take_refused()
    }

    fn hear_audio(&mut self, from: SocketAddr, packets: u16) {
        for _ in 0..packets {
            let datagram = self.sealed(0, &[0xFF; 160]);
            assert_eq!(self.receive(from, &datagram), None);
            self.stage.run(20 * MS);
        }
    }

    fn destination(&self) -> SocketAddr {
        self.stage.session.latch.destination()
    }
}

/// What left, opened.
fn opened(sent: &[Sent], opener: &mut Opener) -> Vec<Sent> {
    let open = |sent: &Sent| {
        let mut datagram = sent.datagram.clone();
        let packet =
            if is_rtcp(&datagram) { opener.open_rtcp(&mut datagram) } else { opener.open_rtp(&mut datagram) };
        Sent { datagram: packet.expect("sealed with the agreed key").packet.to_vec(), ..sent.clone() }
    };
    sent.iter().map(open).collect()
}

#[test]
fn what_leaves_is_what_would_leave_but_sealed() {
    for suite in Suite::ALL {
        let prompt = prompt(3000, 1);
        let mut plain = Stage::new(parameters());
        let mut secret = Stage::new(encrypted(suite, 1, 2));
        for stage in [&mut plain, &mut secret] {
            stage.play(1, &[&prompt]);
            stage.run(12_000 * MS);
        }
        let mut opener = Opener::new(&key(suite, 1), None);
        for (plain, secret) in [(&plain.audio, &secret.audio), (&plain.reports, &secret.reports)] {
            assert!(plain.len() >= 2);
            let read = |sent: &Sent| (sent.at, sent.port, sent.to, sent.datagram.clone());
            let read_again = opened(secret, &mut opener);
            assert_eq!(
                read_again.iter().map(read).collect::<Vec<_>>(),
                plain.iter().map(read).collect::<Vec<_>>()
            );
            let differ =
                |(one, other): (&Sent, &Sent)| one.datagram[12..] != other.datagram[12..one.datagram.len()];
            assert!(plain.iter().zip(secret).all(differ), "{suite:?}");
        }
    }
}

#[test]
fn the_goodbye_is_sealed() {
    let mut secret = Secret::new(Suite::AeadAes128Gcm);
    // RFC 3550 §6.3.7: who has never reported says no goodbye.
    secret.stage.run(12_000 * MS);
    let mut room = [0; DATAGRAM_LEN_MAX];
    let goodbye = secret.stage.session.farewell(secret.stage.now, &mut room).expect("a goodbye");
    let mut datagram = goodbye.datagram.to_vec();
    let mut opener = Opener::new(&key(Suite::AeadAes128Gcm, 1), None);
    let packet = opener.open_rtcp(&mut datagram).expect("sealed with the agreed key").packet;
    assert!(rtcp::read(packet, 0).expect("RTCP").bye);
}

#[test]
fn keys_and_audio_and_reports_come_through() {
    for suite in Suite::ALL {
        let mut secret = Secret::new(suite);
        secret.hear_audio(peer(), 5);
        let timestamp = secret.stage.peer_header(101).timestamp;
        for packet in KeyPress::new(Digit::from_char('7').expect("a key"), 60 * MS) {
            let header = Header { timestamp, marker: packet.marker, ..secret.stage.peer_header(101) };
            let datagram = secret.seal(header, &packet.event.octets());
            assert_eq!(secret.receive(peer(), &datagram), None);
            secret.stage.run(20 * MS);
        }
        assert_eq!(secret.stage.digits(), "7", "{suite:?}");
        secret.stage.run(8000 * MS);
        let block = ReportBlock {
            ssrc: SSRC,
            fraction_lost: 0,
            cumulative_lost: 3,
            extended_highest: 0,
            jitter: 16,
            last_sender_report: 0,
            delay_since_sender_report: 0,
        };
        let mut room = vec![0; DATAGRAM_LEN_MAX];
        let report =
            Report { ssrc: PEER_SSRC, sender: None, reception: Some(block), cname: "x@y", bye: false };
        let length = report.write(&mut room).expect("there is room");
        let plain = room[..length].to_vec();
        secret.stage.session.receive_rtcp(address(1, 4001), &plain, secret.stage.now);
        assert_eq!(secret.stage.session.take_refused(), Some(Refused::Malformed));
        assert_eq!(secret.stage.session.figures().remote_jitter_ms, None, "nobody with the key has said so");
        let length = secret.sealer.seal_rtcp(&mut room, length).expect("there is room");
        secret.stage.session.receive_rtcp(address(1, 4001), &room[..length], secret.stage.now);
        assert_eq!(secret.stage.session.figures().remote_jitter_ms, Some(2.0), "{suite:?}");
    }
}

#[test]
fn whoever_has_not_the_key_is_not_heard() {
    let mut secret = Secret::new(Suite::AesCm128HmacSha1Tag80);
    // In the clear, from the right address, before anything else has come.
    let header = secret.stage.peer_header(101);
    secret.stage.receive(peer(), header, &[1, 10, 0, 160]);
    assert_eq!(secret.stage.session.take_refused(), Some(Refused::Malformed), "too short for a tag");
    // Sealed with another key, from elsewhere.
    let mut other = Sealer::new(&key(Suite::AesCm128HmacSha1Tag80, 3));
    std::mem::swap(&mut secret.sealer, &mut other);
    for _ in 0..50 {
        let datagram = secret.sealed(0, &[0xFF; 160]);
        assert_eq!(secret.receive(address(66, 4000), &datagram), Some(Refused::Unauthentic));
    }
    assert_eq!(secret.destination(), peer());
    std::mem::swap(&mut secret.sealer, &mut other);
    secret.hear_audio(peer(), 3);
    // What was heard already, again and from elsewhere.
    let datagram = secret.sealed(0, &[0xFF; 160]);
    assert_eq!(secret.receive(peer(), &datagram), None);
    assert_eq!(secret.receive(address(66, 4000), &datagram), Some(Refused::Replayed));
    assert_eq!(
        secret.receive(peer(), &[0x80; 3000]),
        Some(Refused::Malformed),
        "longer than any that we open"
    );
    assert_eq!(secret.destination(), peer());
    assert_eq!(secret.stage.digits(), "");
    assert_eq!(secret.stage.session.figures().packets_received, 4, "those that are authentic, once each");
}

#[test]
fn silence_is_told_whatever_comes_that_is_not_authentic() {
    let mut secret = Secret::new(Suite::AeadAes128Gcm);
    for _ in 0..61 {
        let header = secret.stage.peer_header(0);
        secret.stage.receive(peer(), header, &[0xFF; 160]);
        secret.stage.run(1000 * MS);
    }
    assert!(secret.stage.events.contains(&Event::Silent));
}

#[test]
fn whoever_has_the_key_moves_the_stream() {
    let mut secret = Secret::new(Suite::AeadAes256Gcm);
    secret.hear_audio(peer(), 50);
    assert_eq!(secret.destination(), peer());
    // Long after the answer, and with a single packet.
    secret.stage.run(10_000 * MS);
    let late = secret.sealed(0, &[0xFF; 160]);
    secret.hear_audio(address(9, 7000), 1);
    assert_eq!(secret.destination(), address(9, 7000));
    // One that was under way meanwhile does not move it back.
    assert_eq!(secret.receive(peer(), &late), None);
    assert_eq!(secret.destination(), address(9, 7000));
    secret.stage.audio.clear();
    secret.stage.run(40 * MS);
    assert!(secret.stage.audio.iter().all(|sent| sent.to == address(9, 7000)));
    secret.hear_audio(peer(), 1);
    assert_eq!(secret.destination(), peer());
}

#[test]
fn the_kernel_keeps_nothing_out() {
    let mut secret = Secret::new(Suite::AeadAes128Gcm);
    secret.hear_audio(peer(), 200);
    assert_eq!((secret.stage.session.only_source(), secret.stage.session.dispensable()), (None, None));
    secret.stage.command(Command::Change(parameters()));
    let header = secret.stage.peer_header(0);
    secret.stage.receive(peer(), header, &[0xFF; 160]);
    assert_eq!(
        (secret.stage.session.only_source(), secret.stage.session.dispensable()),
        (Some(peer()), Some(0))
    );
}

#[test]
fn a_new_offer_keeps_keys_or_changes_them() {
    let suite = Suite::AesCm128HmacSha1Tag32;
    let mut secret = Secret::new(suite);
    secret.hear_audio(peer(), 10);
    let old = secret.sealed(0, &[0xFF; 160]);
    assert_eq!(secret.receive(peer(), &old), None);
    // The same keys: what came before has come.
    secret.stage.command(Command::Change(Parameters { packet_time: 30 * MS, ..encrypted(suite, 1, 2) }));
    assert_eq!(secret.receive(peer(), &old), Some(Refused::Replayed));
    secret.hear_audio(peer(), 2);
    // The peer's is another one; ours is as before, and goes on.
    secret.stage.command(Command::Change(encrypted(suite, 1, 5)));
    assert_eq!(secret.receive(peer(), &old), Some(Refused::Unauthentic));
    secret.sealer.change_key(&key(suite, 5));
    secret.hear_audio(peer(), 2);
    let mut opener = Opener::new(&key(suite, 1), None);
    assert_eq!(opened(&secret.stage.audio, &mut opener).len(), secret.stage.audio.len());
    // And now ours.
    secret.stage.audio.clear();
    secret.stage.command(Command::Change(encrypted(suite, 6, 5)));
    secret.hear_audio(peer(), 2);
    opener.change_key(&key(suite, 6), None);
    assert!(!opened(&secret.stage.audio, &mut opener).is_empty());
}

/// Encryption may be given up and taken up again under the same key, which must then not count from the start: the same
/// place twice would tell what is in both packets.
#[test]
fn a_key_that_is_taken_up_again_goes_on_counting() {
    let suite = Suite::AeadAes128Gcm;
    let (mut plain, mut secret) = (Stage::new(parameters()), Stage::new(encrypted(suite, 1, 2)));
    // The second span is of more packets than can be told from as many steps back, and over a wrap.
    let spans = [12_000 * MS, 1_400_000 * MS, 12_000 * MS];
    for (number, span) in spans.into_iter().enumerate() {
        if number > 0 {
            let taken_up = encrypted(suite, 1, 2);
            secret.command(Command::Change(if number == 1 { parameters() } else { taken_up }));
        }
        plain.run(span);
        secret.run(span);
    }
    let mut sealer = Sealer::new(&key(suite, 1));
    let mut compared = 0;
    for (plain, secret) in plain.audio.iter().zip(&secret.audio) {
        if (spans[0]..spans[0] + spans[1]).contains(&plain.at) {
            assert_eq!(secret.datagram, plain.datagram);
            sealer.pass_over(plain.packet().header.sequence);
            continue;
        }
        let mut room = plain.datagram.clone();
        room.resize(secret.datagram.len(), 0);
        assert!(sealer.seal_rtp(&mut room, plain.datagram.len()).is_some());
        assert_eq!(secret.datagram, room, "{:?}", plain.at);
        compared += 1;
    }
    assert_eq!(compared, 1200);
    let reports = secret.reports.iter().filter(|sent| sent.datagram.len() > plain.reports[0].datagram.len());
    let counts: Vec<_> = reports.map(|sent| sent.datagram[sent.datagram.len() - 4..].to_vec()).collect();
    assert!(counts.len() >= 4 && counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
}
