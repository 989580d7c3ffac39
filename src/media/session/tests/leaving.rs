//! Callers of whom nothing is heard any more, and goodbyes (RFC 3550 §6.3.7, §6.6).

use super::*;

#[test]
fn silence_is_told_once_until_something_is_heard() {
    let silences = |stage: &Stage| stage.events.iter().filter(|event| **event == Event::Silent).count();
    let mut stage = Stage::new(parameters());
    stage.session = stage.session.with_silence_limit(Duration::from_secs(10));
    stage.run(Duration::from_secs(9));
    stage.session.receive_rtcp(address(1, 4001), &report_about_us(0, PEER_SSRC), stage.now);
    stage.run(Duration::from_secs(9));
    stage.hear_audio(address(66, 6666), 100);
    assert_eq!(silences(&stage), 1, "RTCP counts, strangers do not");
    stage.run(Duration::from_secs(100));
    assert_eq!(silences(&stage), 1);
    stage.hear_audio(peer(), 1);
    stage.run(Duration::from_secs(11));
    assert_eq!(silences(&stage), 2);
    stage.hear_audio(peer(), 1);
    stage.command(Command::Change(Parameters { receives: false, ..parameters() }));
    stage.run(Duration::from_secs(100));
    assert_eq!(silences(&stage), 2, "not while inactive");
    stage.command(Command::Change(parameters()));
    stage.run(Duration::from_secs(9));
    assert_eq!(silences(&stage), 2, "counted from the resumption");
    stage.run(Duration::from_secs(2));
    assert_eq!(silences(&stage), 3);
}

#[test]
fn by_default_a_minute_of_silence_is_told() {
    let mut stage = Stage::new(parameters());
    stage.run(60 * 1000 * MS);
    assert_eq!(stage.events, []);
    stage.run(MS);
    assert_eq!(stage.events, [Event::Silent]);
}

/// A phone that has us on hold may be silent, however it says that it holds, for an hour.
#[test]
fn no_hold_is_silence() {
    let holds = [
        ("sendonly", Parameters { sends: false, ..parameters() }),
        ("inactive", Parameters { sends: false, receives: false, ..parameters() }),
        ("no address", Parameters { remote: SocketAddr::from(([0, 0, 0, 0], 4000)), ..parameters() }),
        ("no port", Parameters { remote: address(1, 0), ..parameters() }),
    ];
    for (name, hold) in holds {
        let mut stage = Stage::new(parameters());
        stage.hear_audio(peer(), 10);
        stage.command(Command::Change(hold.clone()));
        stage.run(Duration::from_mins(59));
        // A stray packet, a report, and the next renegotiation change nothing about that.
        stage.hear_audio(peer(), 1);
        stage.session.receive_rtcp(address(1, 4001), &report_about_us(0, PEER_SSRC), stage.now);
        stage.command(Command::Change(Parameters { packet_time: 40 * MS, ..hold.clone() }));
        stage.run(Duration::from_mins(59));
        assert_eq!(stage.events, [], "{name}");
        stage.command(Command::Change(parameters()));
        stage.run(60 * 1000 * MS);
        assert_eq!(stage.events, [], "{name}: counted from the resumption");
        stage.run(MS);
        assert_eq!(stage.events, [Event::Silent], "{name}");

        let mut held_from_the_start = Stage::new(hold);
        held_from_the_start.run(Duration::from_hours(1));
        assert_eq!(held_from_the_start.events, [], "{name}");
        held_from_the_start.run(MS);
        assert_eq!(held_from_the_start.events, [Event::Silent], "{name}: nobody holds for so long");
    }
}

/// The peer's BYE.
fn goodbye() -> Vec<u8> {
    let report = Report { ssrc: PEER_SSRC, sender: None, reception: None, cname: "peer", bye: true };
    let mut buffer = vec![0; rtcp::REPORT_LEN_MAX];
    let length = report.write(&mut buffer).expect("it fits");
    buffer.truncate(length);
    buffer
}

/// The sources that our last report is about.
fn reported(stage: &mut Stage) -> Vec<u32> {
    stage.reports.clear();
    stage.run(Duration::from_secs(8));
    let report = &stage.reports.last().expect("one in 7.5 s").datagram;
    let about_peer = rtcp::read(report, PEER_SSRC).expect("readable").about_us;
    about_peer.map(|block| block.ssrc).into_iter().collect()
}

#[test]
fn a_peer_that_has_said_goodbye_is_reported_on_no_more_until_it_is_heard() {
    let mut stage = Stage::new(parameters());
    stage.hear_audio(peer(), 50);
    stage.peer_sequence += 3;
    stage.hear_audio(peer(), 1);
    let before = stage.session.figures();
    assert_eq!(reported(&mut stage), [PEER_SSRC]);
    stage.session.receive_rtcp(address(66, 4001), &goodbye(), stage.now);
    assert_eq!(reported(&mut stage), [PEER_SSRC], "a stranger's goodbye is not the peer's");
    stage.session.receive_rtcp(address(1, 4001), &goodbye(), stage.now);
    assert!(reported(&mut stage).is_empty());
    let after = stage.session.figures();
    assert_eq!(
        (after.packets_received, after.packets_lost, after.jitter_ms),
        (before.packets_received, before.packets_lost, before.jitter_ms),
        "the record knows how it was"
    );
    stage.hear_audio(peer(), 1);
    assert_eq!(reported(&mut stage), [PEER_SSRC], "it has thought better of it");
}

/// A goodbye is no sign of life: a caller whose BYE was lost and whose phone has ended its session is gone.
#[test]
fn a_goodbye_does_not_put_off_the_end() {
    let mut stage = Stage::new(parameters());
    stage.hear_audio(peer(), 1);
    stage.run(Duration::from_secs(50));
    stage.session.receive_rtcp(address(1, 4001), &goodbye(), stage.now);
    stage.run(Duration::from_secs(11));
    assert_eq!(stage.events, [Event::Silent]);
}

#[test]
fn who_was_never_heard_says_no_goodbye() {
    let held = Parameters { sends: false, ..parameters() };
    let said = |stage: &mut Stage| {
        let mut room = [0; DATAGRAM_LEN_MAX];
        let outgoing = stage.session.farewell(stage.now, &mut room);
        outgoing.map(|outgoing| rtcp::read(outgoing.datagram, 0).expect("readable").bye)
    };
    let mut stage = Stage::new(held);
    stage.run(Duration::from_secs(1));
    assert_eq!(said(&mut stage), None, "no packet, and no report yet");
    stage.run(Duration::from_secs(5));
    assert_eq!(said(&mut stage), Some(true), "reports were sent");
    let mut stage = Stage::new(parameters());
    stage.run(MS);
    assert_eq!(said(&mut stage), Some(true), "a packet was sent");
}

/// RFC 3550 §6.2 and §6.3: half an interval to the first report, then from half to one and a half of 5 s, at random,
/// whatever else happens; a sender's report while we send, a receiver's where we have sent nothing since the last.
#[test]
fn reports_keep_their_pace_through_holds_and_changes() {
    let mut stage = Stage::new(parameters());
    for _ in 0..20 {
        stage.hear_audio(peer(), 50);
        stage.run(Duration::from_secs(9));
        stage.command(Command::Change(Parameters { sends: false, ..parameters() }));
        stage.run(Duration::from_secs(20));
        stage.command(Command::Change(Parameters { packet_time: 60 * MS, ..parameters() }));
    }
    let at: Vec<Duration> = stage.reports.iter().map(|report| report.at).collect();
    assert!((1250 * MS..=3750 * MS).contains(&at[0]), "{:?}", at[0]);
    let apart: Vec<Duration> = at.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(apart.iter().all(|apart| (2500 * MS..=7500 * MS).contains(apart)), "{apart:?}");
    let mean = apart.iter().sum::<Duration>() / apart.len() as u32;
    assert!(apart.len() > 100 && (4700 * MS..5300 * MS).contains(&mean), "{mean:?}");
    for (index, report) in stage.reports.iter().enumerate() {
        let since = index.checked_sub(1).map_or(Duration::ZERO, |before| at[before]);
        let has_sent = stage.audio.iter().any(|sent| (since..report.at).contains(&sent.at));
        assert_eq!(report.datagram[1], if has_sent { 200 } else { 201 }, "report {index}");
    }
    let kinds: Vec<bool> = stage.reports.iter().map(|report| report.datagram[1] == 200).collect();
    assert!(kinds.contains(&true) && kinds.contains(&false), "both kinds were sent");
}
