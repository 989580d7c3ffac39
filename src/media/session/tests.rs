//! A session on a virtual clock: every datagram that leaves is caught, read and looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rtcp_types::prelude::*;

use super::*;
use crate::audio::{Codec, Prompt};
use crate::media::{Piece, PlayId};
use crate::rtp::KeyPress;
use crate::rtp::rtcp::ReportBlock;
use crate::secret::Digit;

mod attacks;
mod captures;
mod encrypted;
mod keys;
mod leaving;
mod opus;
mod playing;
mod recording;

const MS: Duration = Duration::from_millis(1);

const SSRC: u32 = 0x1234_5678;
const PEER_SSRC: u32 = 0xBEEF;

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    Instant::now()
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn peer() -> SocketAddr {
    address(1, 4000)
}

fn origin() -> Origin {
    Origin { ssrc: SSRC, sequence: 65_530, timestamp: u32::MAX - 300, cname: "a@b".to_owned(), seed: 1 }
}

fn parameters() -> Parameters {
    Parameters {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        own: None,
        packet_time: 20 * MS,
        remote: peer(),
        remote_rtcp: address(1, 4001),
        sends: true,
        receives: true,
        tones: false,
        keys: None,
    }
}

fn prompt(samples: i32, seed: i32) -> Arc<Prompt> {
    let samples: Vec<i16> = (0..samples).map(|n| ((n * 331 + seed * 7919) % 32_000) as i16).collect();
    Arc::new(Prompt::from_samples(&samples))
}

/// A datagram that left.
#[derive(Debug, Clone)]
struct Sent {
    at: Duration,
    port: Port,
    to: SocketAddr,
    datagram: Vec<u8>,
}

impl Sent {
    fn packet(&self) -> Packet<'_> {
        Packet::read(&self.datagram).expect("we send well-formed RTP")
    }
}

/// A session, its clock and its peer.
struct Stage {
    session: Session,
    zero: Instant,
    now: Instant,
    audio: Vec<Sent>,
    reports: Vec<Sent>,
    events: Vec<Event>,
    peer_sequence: u16,
}

impl Stage {
    fn new(parameters: Parameters) -> Self {
        let zero = start();
        Self {
            session: Session::new(origin(), parameters, zero),
            zero,
            now: zero,
            audio: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            peer_sequence: 0,
        }
    }

    /// Lets time pass, asking the session whenever it wants to be asked.
    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.session.next_due() < until {
            self.now = self.now.max(self.session.next_due());
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        let mut room = [0; DATAGRAM_LEN_MAX];
        while let Some(outgoing) = self.session.tick(self.now, &mut room) {
            let sent = Sent {
                at: self.now - self.zero,
                port: outgoing.port,
                to: outgoing.destination,
                datagram: outgoing.datagram.to_vec(),
            };
            if is_rtcp(&sent.datagram) { self.reports.push(sent) } else { self.audio.push(sent) }
        }
        self.collect();
    }

    fn collect(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    fn command(&mut self, command: Command) {
        self.session.command(command, self.now);
        self.collect();
    }

    fn play(&mut self, id: u32, prompts: &[&Arc<Prompt>]) {
        let pieces = prompts.iter().map(|prompt| Piece::Prompt(Arc::clone(prompt))).collect();
        self.command(Command::Play { id: PlayId(id), pieces, repeat: false });
    }

    fn receive(&mut self, from: SocketAddr, header: Header, payload: &[u8]) {
        let mut datagram = header.octets().to_vec();
        datagram.extend(payload);
        self.session.receive(from, &datagram, self.now);
        self.collect();
    }

    fn hear_audio(&mut self, from: SocketAddr, packets: u16) {
        for _ in 0..packets {
            let header = self.peer_header(0);
            self.receive(from, header, &[0xFF; 160]);
            self.run(20 * MS);
        }
    }

    fn hear_key(&mut self, from: SocketAddr, key: char) {
        let timestamp = self.peer_header(101).timestamp;
        for packet in KeyPress::new(Digit::from_char(key).expect("a key"), 60 * MS) {
            let header = Header { timestamp, marker: packet.marker, ..self.peer_header(101) };
            self.receive(from, header, &packet.event.octets());
            self.run(20 * MS);
        }
    }

    /// The peer's next header, its timestamp on the wall clock.
    fn peer_header(&mut self, payload_type: u8) -> Header {
        self.peer_sequence += 1;
        let timestamp = (self.now - self.zero).as_millis() as u32 * 8;
        Header { payload_type, marker: false, sequence: self.peer_sequence, timestamp, ssrc: PEER_SSRC }
    }

    fn digits(&self) -> String {
        self.events
            .iter()
            .filter_map(|event| if let Event::Digit(digit) = event { Some(digit.expose()) } else { None })
            .collect()
    }

    fn payloads(&self) -> Vec<u8> {
        self.audio.iter().flat_map(|sent| sent.packet().payload.to_vec()).collect()
    }

    /// What must hold of every stream: one SSRC, one sequence, timestamps on the wall grid, and the marker exactly
    /// at the beginning and where the timestamp leaps.
    fn check_continuity(&self) {
        let headers: Vec<(Duration, Header, usize)> = self
            .audio
            .iter()
            .map(|sent| (sent.at, sent.packet().header, sent.packet().payload.len()))
            .collect();
        let mut expected: Option<u32> = None;
        for (index, (at, header, samples)) in headers.iter().enumerate() {
            assert_eq!(header.ssrc, SSRC);
            assert_eq!(header.sequence, origin().sequence.wrapping_add(index as u16));
            assert_eq!(
                header.timestamp,
                origin().timestamp.wrapping_add(at.as_millis() as u32 * 8),
                "packet {index}"
            );
            assert_eq!(header.marker, expected != Some(header.timestamp), "packet {index}");
            expected = Some(header.timestamp.wrapping_add(*samples as u32));
        }
    }
}

#[test]
fn prompts_leave_sample_for_sample_on_the_grid_of_every_packet_time() {
    for packet_time in [10, 20, 30, 40, 60] {
        let mut stage = Stage::new(Parameters { packet_time: packet_time * MS, ..parameters() });
        let (first, second) = (prompt(4321, 1), prompt(777, 2));
        stage.run(100 * MS);
        let silent = stage.audio.len();
        stage.play(1, &[&first, &second]);
        stage.run(Duration::from_secs(1));
        stage.check_continuity();
        assert_eq!(stage.events, [Event::PlayEnded(PlayId(1))]);
        let payloads = stage.payloads();
        let samples = packet_time as usize * 8;
        let (before, from) = payloads.split_at(silent * samples);
        let mut expected = [first.octets(Codec::Pcmu), second.octets(Codec::Pcmu)].concat();
        let sound = expected.len();
        expected.resize(from.len(), Codec::Pcmu.silence());
        assert!(before.iter().all(|&octet| octet == Codec::Pcmu.silence()));
        assert!(from.len() > sound && from == expected, "{packet_time} ms");
        assert!(stage.audio.windows(2).all(|pair| pair[1].at == pair[0].at + packet_time * MS));
    }
}

#[test]
fn the_end_of_a_playing_is_told_when_its_last_packet_leaves() {
    let mut stage = Stage::new(parameters());
    stage.play(1, &[&prompt(161, 1)]);
    stage.run(20 * MS);
    assert_eq!(stage.events, []);
    stage.run(20 * MS);
    assert_eq!(stage.events, [Event::PlayEnded(PlayId(1))]);
    stage.play(2, &[]);
    assert_eq!(stage.events.last(), Some(&Event::PlayEnded(PlayId(2))));
}

#[test]
fn stopping_is_heard_in_the_next_packet_and_ends_nothing() {
    let mut stage = Stage::new(parameters());
    let long = prompt(8000, 1);
    stage.play(1, &[&long]);
    stage.run(60 * MS);
    stage.command(Command::Stop);
    stage.run(100 * MS);
    let mut expected = long.octets(Codec::Pcmu)[..480].to_vec();
    expected.resize(8 * 160, Codec::Pcmu.silence());
    assert_eq!(stage.payloads(), expected);
    assert_eq!(stage.events, []);
    let next = prompt(160, 2);
    stage.play(2, &[&next]);
    stage.play(3, &[&next]);
    stage.run(20 * MS);
    assert_eq!(stage.events, [Event::PlayEnded(PlayId(3))], "the replaced one is not told");
    stage.check_continuity();
}

#[test]
fn a_hold_pauses_the_prompt_while_the_clock_goes_on() {
    for held_by in [
        Parameters { sends: false, ..parameters() },
        Parameters { remote: SocketAddr::from(([0, 0, 0, 0], 4000)), ..parameters() },
        Parameters { remote: address(1, 0), ..parameters() },
    ] {
        let mut stage = Stage::new(parameters());
        let sound = prompt(1600, 1);
        stage.play(1, &[&sound]);
        stage.run(100 * MS);
        stage.command(Command::Change(held_by));
        stage.run(Duration::from_millis(7013));
        assert_eq!(stage.audio.len(), 5, "nothing leaves");
        stage.command(Command::Change(parameters()));
        stage.run(107 * MS);
        stage.check_continuity();
        assert_eq!(stage.audio[5].at, 7120 * MS, "the next slot of the grid");
        assert_eq!(stage.payloads(), sound.octets(Codec::Pcmu));
        assert_eq!(stage.events, [Event::PlayEnded(PlayId(1))]);
        assert_eq!(stage.session.slots_missed(), 0);
    }
}

#[test]
fn reports_go_on_during_a_hold() {
    let mut stage = Stage::new(Parameters { sends: false, receives: false, ..parameters() });
    stage.run(Duration::from_mins(1));
    assert!(stage.audio.is_empty() && (8..=24).contains(&stage.reports.len()), "{}", stage.reports.len());
    assert_eq!(stage.reports[0].datagram[1], 201, "RR, because nothing was sent");
}

#[test]
fn codec_and_packet_time_change_between_packets_and_keep_their_place() {
    let mut stage = Stage::new(parameters());
    let sound = prompt(1600, 1);
    stage.play(1, &[&sound]);
    stage.run(100 * MS);
    let new = Parameters {
        codec: Codec::Pcma,
        payload_type: 8,
        packet_time: 40 * MS,
        remote: address(9, 9),
        ..parameters()
    };
    stage.command(Command::Change(new));
    stage.run(100 * MS);
    stage.check_continuity();
    let types: Vec<(u8, u8)> = stage
        .audio
        .iter()
        .map(|sent| (sent.packet().header.payload_type, if sent.to == peer() { 1 } else { 9 }))
        .collect();
    assert_eq!(types, [(0, 1), (0, 1), (0, 1), (0, 1), (0, 1), (8, 9), (8, 9), (8, 9)]);
    let mut expected = sound.octets(Codec::Pcmu)[..800].to_vec();
    expected.extend(&sound.octets(Codec::Pcma)[800..]);
    expected.resize(expected.len() + 160, Codec::Pcma.silence());
    assert_eq!(stage.payloads(), expected);

    let wide = Parameters { codec: Codec::G722, payload_type: 9, packet_time: 20 * MS, ..parameters() };
    let mut stage = Stage::new(wide);
    stage.play(1, &[&sound, &sound]);
    stage.run(200 * MS);
    stage.command(Command::Change(parameters()));
    stage.run(200 * MS);
    stage.check_continuity();
    assert_eq!(stage.payloads(), [sound.octets(Codec::G722), sound.octets(Codec::Pcmu)].concat());
}

#[test]
fn a_stall_makes_no_burst_and_swallows_no_sound() {
    let mut stage = Stage::new(parameters());
    let sound = prompt(1600, 1);
    stage.play(1, &[&sound]);
    stage.run(60 * MS);
    stage.now += 155 * MS;
    stage.drain();
    assert_eq!(stage.audio.len(), 4, "one packet, not eight");
    assert_eq!(stage.session.slots_missed(), 7);
    let stalled = stage.audio.last().expect("it left").packet().header;
    assert!(stalled.marker);
    assert_eq!(stalled.timestamp, origin().timestamp.wrapping_add(200 * 8), "the slot of 200 ms");
    stage.run(200 * MS);
    assert_eq!(stage.audio[4].at, 220 * MS, "back on the grid");
    assert_eq!(stage.payloads()[..1600], *sound.octets(Codec::Pcmu));
}

#[test]
fn keys_are_told_once_with_audio_around_them() {
    let mut stage = Stage::new(parameters());
    stage.hear_audio(peer(), 3);
    for key in "4711#".chars() {
        stage.hear_key(peer(), key);
        stage.hear_audio(peer(), 2);
    }
    assert_eq!(stage.digits(), "4711#");
}

#[test]
fn keys_count_from_the_believed_source_only() {
    let mut stage = Stage::new(parameters());
    stage.hear_key(peer(), '1');
    stage.hear_key(address(7, 4000), '2');
    stage.hear_key(address(1, 4002), '3');
    assert_eq!(stage.digits(), "1");

    let mut behind_nat = Stage::new(parameters());
    behind_nat.hear_key(address(7, 4000), '5');
    assert_eq!(behind_nat.digits(), "5", "a key alone shows enough to be believed");
    behind_nat.hear_key(address(8, 4000), '6');
    assert_eq!(behind_nat.digits(), "5");
}

#[test]
fn keys_do_not_count_under_another_type_or_while_inactive() {
    for parameters in [
        Parameters { telephone_event: None, ..parameters() },
        Parameters { telephone_event: Some(96), ..parameters() },
        Parameters { receives: false, ..parameters() },
    ] {
        let mut stage = Stage::new(parameters);
        stage.hear_key(peer(), '1');
        assert_eq!(stage.digits(), "");
    }
}

/// Our offer named 101, the answer 96: the peer is to send 101, and many send what they have named themselves.
#[test]
fn keys_count_under_the_type_that_we_have_named_and_under_the_peers_own() {
    let own = Some(PayloadTypes { codec: 0, telephone_event: Some(101) });
    let mut stage = Stage::new(Parameters { telephone_event: Some(96), own, ..parameters() });
    stage.hear_key(peer(), '1');
    assert_eq!(stage.digits(), "1");
    for (theirs, keys) in [(101, "7"), (111, "")] {
        // By the peer's own number, unless that is one of ours, which then means what we have said.
        let own = Some(PayloadTypes { codec: 101, telephone_event: Some(110) });
        let own = own.filter(|_| keys.is_empty());
        let mut stage =
            Stage::new(Parameters { payload_type: theirs, telephone_event: Some(101), own, ..parameters() });
        stage.hear_key(peer(), '7');
        assert_eq!(stage.digits(), keys, "{theirs}");
    }
}

#[test]
fn a_stranger_never_moves_the_stream() {
    let stranger = address(66, 6666);
    let destinations = |stage: &Stage| -> Vec<SocketAddr> {
        let mut all: Vec<_> = stage.audio.iter().map(|sent| sent.to).collect();
        all.dedup();
        all
    };
    let mut before = Stage::new(parameters());
    before.hear_audio(stranger, 3);
    before.hear_audio(peer(), 1);
    before.hear_audio(stranger, 100);
    assert_eq!(destinations(&before), [peer()]);
    assert_eq!(before.session.figures().packets_received, 1);

    let mut late = Stage::new(parameters());
    late.run(Duration::from_secs(4));
    late.hear_audio(stranger, 100);
    assert_eq!(destinations(&late), [peer()]);

    let mut thief = Stage::new(parameters());
    thief.hear_audio(stranger, 10);
    thief.hear_audio(peer(), 10);
    thief.hear_audio(stranger, 100);
    assert_eq!(destinations(&thief), [peer(), stranger, peer()], "the address in the SDP wins it back");

    let mut re_invited = Stage::new(parameters());
    re_invited.hear_audio(address(7, 7000), 10);
    re_invited.command(Command::Change(Parameters { packet_time: 30 * MS, ..parameters() }));
    re_invited.hear_audio(stranger, 10);
    re_invited.command(Command::Change(Parameters { remote: address(2, 4000), ..parameters() }));
    re_invited.hear_audio(address(8, 8000), 10);
    assert_eq!(destinations(&re_invited), [peer(), address(7, 7000), address(2, 4000), address(8, 8000)]);
}

#[test]
fn reports_say_what_was_sent_and_heard() {
    let mut stage = Stage::new(parameters());
    for missing in [false, false, true, false] {
        stage.hear_audio(peer(), 5);
        stage.peer_sequence += u16::from(missing);
    }
    stage.run(Duration::from_mins(1));
    assert!((8..=24).contains(&stage.reports.len()));
    for sent in &stage.reports {
        assert_eq!((sent.port, sent.to), (Port::Rtcp, address(1, 4001)));
        let packets = rtcp_types::Compound::parse(&sent.datagram).expect("we send well-formed RTCP");
        let types: Vec<u8> = packets.map(|packet| packet.expect("well-formed").type_()).collect();
        assert_eq!(types, [200, 202], "SR and SDES");
        let heard = rtcp::read(&sent.datagram, PEER_SSRC).expect("readable");
        let block = heard.about_us.expect("a block about the peer");
        assert_eq!((block.cumulative_lost, block.extended_highest), (1, 21));
        let (ssrc, ntp) = heard.sender_report.expect("we sent");
        assert_eq!((ssrc, ntp >> 32), (SSRC, (sent.at + Duration::from_secs(1)).as_secs()));
        let timestamp = u32::from_be_bytes(sent.datagram[16..20].try_into().expect("four octets"));
        let expected = origin().timestamp.wrapping_add((sent.at.as_micros() * 8 / 1000) as u32);
        assert!(timestamp.wrapping_sub(expected).cast_signed().abs() <= 1, "the same moment on both clocks");
    }
    let mut room = [0; DATAGRAM_LEN_MAX];
    let farewell = stage.session.farewell(stage.now, &mut room).expect("there is somebody to say it to");
    assert!(rtcp::read(farewell.datagram, 0).expect("readable").bye);
}

#[test]
fn reports_follow_the_stream() {
    let last = |stage: &mut Stage| {
        stage.run(Duration::from_secs(8));
        stage.reports.last().map(|sent| (sent.port, sent.to))
    };
    let mut muxed = Stage::new(Parameters { remote_rtcp: peer(), ..parameters() });
    assert_eq!(last(&mut muxed), Some((Port::Rtp, peer())));

    let mut moved = Stage::new(parameters());
    moved.hear_audio(address(7, 7000), 10);
    assert_eq!(last(&mut moved), Some((Port::Rtcp, address(7, 7001))), "a guess");
    let report = report_about_us(0, PEER_SSRC);
    moved.session.receive_rtcp(address(66, 1), &report, moved.now);
    moved.session.receive_rtcp(address(7, 7777), &report, moved.now);
    assert_eq!(last(&mut moved), Some((Port::Rtcp, address(7, 7777))), "where it came from");

    let mut nowhere =
        Stage::new(Parameters { remote: address(1, 0), remote_rtcp: address(1, 0), ..parameters() });
    assert_eq!(last(&mut nowhere), None);
    assert_eq!(nowhere.session.farewell(nowhere.now, &mut [0; DATAGRAM_LEN_MAX]), None);
}

fn report_about_us(lost: i32, ssrc: u32) -> Vec<u8> {
    let block = ReportBlock {
        ssrc: SSRC,
        fraction_lost: 0,
        cumulative_lost: lost,
        extended_highest: 0,
        jitter: 0,
        last_sender_report: 0,
        delay_since_sender_report: 0,
    };
    let mut buffer = [0; rtcp::REPORT_LEN_MAX];
    let report = Report { ssrc, sender: None, reception: Some(block), cname: "peer", bye: false };
    let length = report.write(&mut buffer).expect("it fits");
    buffer[..length].to_vec()
}

#[test]
fn figures_tell_both_directions() {
    let mut stage = Stage::new(parameters());
    stage.hear_audio(peer(), 50);
    stage.peer_sequence += 10;
    stage.hear_audio(peer(), 50);
    let report = report_about_us(25, PEER_SSRC);
    stage.session.receive_rtcp(address(66, 4001), &report_about_us(99, PEER_SSRC), stage.now);
    stage.session.receive_rtcp(address(1, 4001), &report, stage.now);
    let figures = stage.session.figures();
    assert_eq!((figures.packets_sent, figures.packets_received, figures.packets_lost), (100, 100, 10));
    assert!(figures.jitter_ms < 0.001 && figures.remote_loss == Some(0.25), "{figures:?}");

    stage.now += 8 * MS;
    stage.hear_audio(peer(), 1);
    stage.session.receive(peer(), &report_about_us(-3, PEER_SSRC), stage.now);
    let figures = stage.session.figures();
    assert_eq!(figures.remote_loss, Some(0.0), "RTCP on the RTP port is understood; copies are no loss");

    assert_eq!(
        (figures.remote_jitter_ms, figures.round_trip_ms, figures.remote_opinion),
        (Some(0.0), None, None)
    );

    let other = Header { payload_type: 0, marker: true, sequence: 9, timestamp: 0, ssrc: PEER_SSRC + 1 };
    stage.receive(peer(), other, &[0; 160]);
    assert_eq!(stage.session.figures().packets_lost, 10, "a new source forgets no loss of the old one");
}

#[test]
fn the_way_and_back_is_known_from_reports_and_so_is_how_it_sounds() {
    let mut stage = Stage::new(parameters());
    stage.hear_audio(peer(), 10);
    while stage.reports.is_empty() {
        stage.run(20 * MS);
    }
    let sent = &stage.reports[0];
    let (_, ntp) = rtcp::read(&sent.datagram, 0).expect("readable").sender_report.expect("we sent");
    // The peer gets it after 30 ms, holds it for a second, and its own takes 30 ms again.
    stage.now = stage.zero + sent.at + 1060 * MS;
    let block = ReportBlock {
        ssrc: SSRC,
        fraction_lost: 0,
        cumulative_lost: 0,
        extended_highest: 0,
        jitter: 16,
        last_sender_report: (ntp >> 16) as u32,
        delay_since_sender_report: 65_536,
    };
    let mut buffer = [0; rtcp::REPORT_LEN_MAX];
    let report = Report { ssrc: PEER_SSRC, sender: None, reception: Some(block), cname: "peer", bye: false };
    let length = report.write(&mut buffer).expect("it fits");
    stage.session.receive_rtcp(address(1, 4001), &buffer[..length], stage.now);
    let figures = stage.session.figures();
    let round_trip = figures.round_trip_ms.expect("it answers ours");
    assert!((round_trip - 60.0).abs() < 0.1, "{round_trip}");
    assert_eq!(figures.remote_jitter_ms, Some(2.0));
    let opinion = figures.remote_opinion.expect("all is known");
    assert!((4.3..4.45).contains(&opinion), "{opinion}");
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_strangers_change_nothing(
        datagrams in prop::collection::vec((0_u8..3, any::<bool>(), prop::collection::vec(any::<u8>(), 0..64)), 0..40),
    ) {
        let mut stage = Stage::new(parameters());
        stage.hear_audio(peer(), 1);
        for (who, rtcp, datagram) in datagrams {
            let from = address(who + 1, 4000);
            if rtcp {
                stage.session.receive_rtcp(from, &datagram, stage.now);
            } else {
                stage.session.receive(from, &datagram, stage.now);
            }
            stage.run(20 * MS);
        }
        prop_assert!(stage.audio.iter().all(|sent| sent.to == peer()));
        stage.check_continuity();
    }

    #[test]
    fn any_commands_leave_one_unbroken_stream(
        steps in prop::collection::vec((0_u8..6, 1_u32..500, 1_i32..2000), 1..40),
    ) {
        let mut stage = Stage::new(parameters());
        for (index, (what, wait, samples)) in steps.into_iter().enumerate() {
            match what {
                0 => stage.play(index as u32, &[&prompt(samples, 1)]),
                1 => stage.command(Command::Stop),
                2 => stage.command(Command::Change(Parameters { sends: false, ..parameters() })),
                3 => stage.command(Command::Change(Parameters { packet_time: 30 * MS, ..parameters() })),
                4 => stage.command(Command::Change(Parameters { codec: Codec::Pcma, ..parameters() })),
                _ => stage.command(Command::Change(parameters())),
            }
            stage.run(wait * MS);
        }
        stage.check_continuity();
        prop_assert_eq!(stage.session.slots_missed(), 0);
    }
}
