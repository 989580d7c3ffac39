//! Opus: packets of sizes of their own, on a clock of 48 000 Hz. In a build that does not speak it all of them are
//! silent, and the rest holds all the same.

use super::keys::five_samples;
use super::*;
use crate::audio::OPUS_SPOKEN;

fn opus() -> Parameters {
    Parameters { codec: Codec::Opus, payload_type: 111, telephone_event: Some(110), ..parameters() }
}

fn sound() -> Arc<Prompt> {
    let (narrow, wide) = (five_samples(8000.0, 960), five_samples(16_000.0, 1920));
    Arc::new(Prompt::new(&narrow, Some(&wide)).with_opus(&wide))
}

fn packets(prompt: &Prompt) -> Vec<Vec<u8>> {
    let packet = |position| {
        let mut room = [0; 480];
        let piece = prompt.put(Codec::Opus, position, 160, &mut room);
        room[..piece.octets].to_vec()
    };
    (0..prompt.end(Codec::Opus)).step_by(160).map(packet).collect()
}

#[test]
fn packets_leave_on_a_clock_of_48_khz() {
    let mut stage = Stage::new(opus());
    let sound = sound();
    stage.play(1, &[&sound, &sound]);
    stage.run(400 * MS);
    assert_eq!(stage.events, [Event::PlayEnded(PlayId(1))]);
    let silence = vec![0xB8, 0xFF, 0xFE];
    let mut expected = [packets(&sound), packets(&sound)].concat();
    expected.resize(20, silence);
    assert_eq!(stage.audio.iter().map(|sent| sent.packet().payload.to_vec()).collect::<Vec<_>>(), expected);
    let stamps: Vec<u32> = stage.audio.iter().map(|sent| sent.packet().header.timestamp).collect();
    let on_the_grid = (0..20).map(|number| origin().timestamp.wrapping_add(number * 960)).collect::<Vec<_>>();
    assert_eq!(stamps, on_the_grid);
    let marked = stage.audio.iter().filter(|sent| sent.packet().header.marker).count();
    assert_eq!(marked, 1, "there is no gap");
}

#[test]
fn a_change_of_codec_goes_on_where_the_timestamp_was() {
    let mut stage = Stage::new(parameters());
    let sound = sound();
    stage.play(1, &[&sound]);
    stage.run(60 * MS);
    stage.command(Command::Change(opus()));
    stage.run(40 * MS);
    stage.command(Command::Change(parameters()));
    stage.run(40 * MS);
    let sent: Vec<(u8, u32)> = stage
        .audio
        .iter()
        .map(|sent| sent.packet().header)
        .map(|header| (header.payload_type, header.timestamp.wrapping_sub(origin().timestamp)))
        .collect();
    assert_eq!(sent, [(0, 0), (0, 160), (0, 320), (111, 480), (111, 1440), (0, 2400), (0, 2560)]);
    assert_eq!(stage.audio[3].packet().payload, packets(&sound)[3], "the prompt keeps its place");
    assert_eq!(stage.audio[5].packet().payload, sound.octets(Codec::Pcmu)[800..].to_vec());
}

#[test]
fn keys_of_48_khz_count_once() {
    let mut stage = Stage::new(opus());
    for (key, timestamp) in [('4', 0), ('4', 20_000), ('7', 40_000)] {
        for packet in KeyPress::new(Digit::from_char(key).expect("a key"), 100 * MS).with_clock(48) {
            let header = Header { timestamp, marker: packet.marker, ..stage.peer_header(110) };
            stage.receive(peer(), header, &packet.event.octets());
            stage.run(20 * MS);
        }
    }
    assert_eq!(stage.digits(), "447");
    // A gateway that stamps each packet of a press anew: 20 ms are 960 ticks, which at 8 kHz would be two presses.
    let mut stage = Stage::new(opus());
    for (step, packet) in (0_u32..).zip(KeyPress::new(Digit::STAR, 100 * MS).with_clock(48)) {
        let header = Header { timestamp: 9000 + step * 960, ..stage.peer_header(110) };
        stage.receive(peer(), header, &packet.event.octets());
        stage.run(20 * MS);
    }
    assert_eq!(stage.digits(), "*");
}

#[test]
fn keys_in_the_sound_are_heard_where_the_build_speaks_it() {
    let mut stage = Stage::new(Parameters { tones: true, ..opus() });
    for packet in [packets(&sound()), packets(&sound())].concat() {
        let header = stage.peer_header(111);
        let header = Header { timestamp: header.timestamp * 6, ..header };
        stage.receive(peer(), header, &packet);
        stage.run(20 * MS);
    }
    assert_eq!(stage.tones(), if OPUS_SPOKEN { "55" } else { "" });
    let jitter = stage.session.figures().jitter_ms;
    assert!(jitter < 0.1, "they came on time by their own clock: {jitter} ms");
}

#[test]
fn a_report_of_jitter_is_read_by_the_clock_of_the_codec() {
    let mut stage = Stage::new(opus());
    stage.run(100 * MS);
    let block = ReportBlock {
        ssrc: SSRC,
        fraction_lost: 0,
        cumulative_lost: 0,
        extended_highest: 0,
        jitter: 480,
        last_sender_report: 0,
        delay_since_sender_report: 0,
    };
    let report = Report { ssrc: PEER_SSRC, sender: None, reception: Some(block), cname: "x", bye: false };
    let mut room = [0; DATAGRAM_LEN_MAX];
    let length = report.write(&mut room).expect("there is room");
    stage.session.receive_rtcp(address(1, 4001), &room[..length], stage.now);
    assert_eq!(stage.session.figures().remote_jitter_ms, Some(10.0));
}
