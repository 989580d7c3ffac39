//! Keys that are heard in the caller's audio, and what becomes of that when the caller sends events.

use std::f64::consts::TAU;

use super::*;

/// A `5` that is held for 60 ms and not for the rest of so many samples.
pub(super) fn five_samples(rate: f64, count: u32) -> Vec<i16> {
    let tone = |at: u32| {
        let time = f64::from(at) / rate;
        let on = time < 0.06;
        f64::from(u8::from(on)) * 8000.0 * ((TAU * 770.0 * time).sin() + (TAU * 1336.0 * time).sin())
    };
    (0..count).map(|at| tone(at) as i16).collect()
}

/// The octets of a `5` that is held for 60 ms, with as much silence after it.
fn five(codec: Codec) -> Vec<u8> {
    Prompt::new(&five_samples(8000.0, 960), Some(&five_samples(16_000.0, 1920))).octets(codec).to_vec()
}

impl Stage {
    fn hear_sound(&mut self, payload_type: u8, octets: &[u8]) {
        for payload in octets.chunks(160) {
            let header = self.peer_header(payload_type);
            self.receive(peer(), header, payload);
            self.run(20 * MS);
        }
    }

    pub(super) fn tones(&self) -> String {
        let tone = |event: &Event| if let Event::Tone(digit) = event { Some(digit.expose()) } else { None };
        self.events.iter().filter_map(tone).collect()
    }
}

fn listening() -> Parameters {
    Parameters { tones: true, ..parameters() }
}

#[test]
fn keys_are_heard_in_every_codec_and_across_a_change() {
    let mut stage = Stage::new(listening());
    for (codec, payload_type) in [(Codec::Pcmu, 0), (Codec::Pcma, 8), (Codec::G722, 9)] {
        stage.command(Command::Change(Parameters { codec, payload_type, ..listening() }));
        stage.hear_sound(payload_type, &five(codec));
        stage.hear_sound(payload_type, &five(codec));
    }
    assert_eq!((stage.tones().as_str(), stage.digits().as_str()), ("555555", ""));
}

#[test]
fn nobody_listens_where_it_was_not_asked_for() {
    let mut stage = Stage::new(parameters());
    stage.hear_sound(0, &five(Codec::Pcmu));
    assert_eq!(stage.tones(), "");
    stage.command(Command::Change(listening()));
    stage.hear_sound(0, &five(Codec::Pcmu));
    assert_eq!(stage.tones(), "5");
    stage.command(Command::Change(parameters()));
    stage.hear_sound(0, &five(Codec::Pcmu));
    assert_eq!(stage.tones(), "5");
}

#[test]
fn rule_6_once_an_event_has_come_nobody_listens_any_more() {
    let mut stage = Stage::new(listening());
    stage.hear_sound(0, &five(Codec::Pcmu));
    assert_eq!(stage.session.dispensable(), None, "all of the audio is wanted");
    stage.hear_key(peer(), '7');
    assert_eq!(stage.session.dispensable(), Some(0));
    stage.hear_sound(0, &five(Codec::Pcmu));
    stage.command(Command::Change(Parameters { codec: Codec::Pcma, payload_type: 8, ..listening() }));
    stage.hear_sound(8, &five(Codec::Pcma));
    assert_eq!((stage.tones().as_str(), stage.digits().as_str()), ("5", "7"));
}

#[test]
fn strangers_are_not_listened_to() {
    let mut stage = Stage::new(listening());
    stage.hear_audio(peer(), 2);
    for payload in five(Codec::Pcmu).chunks(160) {
        let header = stage.peer_header(0);
        stage.receive(address(66, 6666), header, payload);
    }
    assert_eq!(stage.tones(), "");
}

/// Many gateways let the first of a tone through before they have noticed it and send the event instead. Both are told,
/// close enough to each other to be known as one press.
#[test]
fn rule_6_a_tone_that_leaks_out_before_its_event_is_told_within_200_ms_of_it() {
    let octets = five(Codec::Pcmu);
    for leaked in [3, 5, 8] {
        let mut stage = Stage::new(listening());
        let tone: Vec<u8> = octets[..480].iter().copied().cycle().take(leaked * 160).collect();
        let mut tone_told = None;
        for packet in tone.chunks(160) {
            stage.hear_sound(0, packet);
            tone_told = tone_told.or((!stage.tones().is_empty()).then_some(stage.now));
        }
        let event_came = stage.now;
        stage.hear_key(peer(), '5');
        stage.hear_sound(0, &octets);
        assert_eq!((stage.tones().as_str(), stage.digits().as_str()), ("5", "5"), "{leaked} packets");
        let apart = event_came - tone_told.expect("the tone was told");
        assert!(apart < 200 * MS, "{leaked} packets: {apart:?}");
    }
}

/// Comfort noise (RFC 3389) is not offered and not asked for, and there are gateways that send it all the same: it has
/// a place in the sequence, and is neither sound, nor a key, nor a loss.
#[test]
fn comfort_noise_is_no_sound_no_key_and_no_loss() {
    for tones in [false, true] {
        let mut stage = Stage::new(Parameters { tones, ..parameters() });
        stage.hear_audio(peer(), 5);
        for payload in [&[40][..], &[40, 0x7F, 0x80, 0x81], &[5, 0x0A, 0x00, 0xA0], &[]] {
            let header = stage.peer_header(13);
            stage.receive(peer(), header, payload);
            stage.run(200 * MS);
            // RFC 3551 §4.1: speech that comes after a pause is marked.
            let header = Header { marker: true, ..stage.peer_header(0) };
            stage.receive(peer(), header, &[0xFF; 160]);
            stage.run(20 * MS);
        }
        stage.hear_audio(peer(), 5);
        let figures = stage.session.figures();
        assert_eq!((figures.packets_received, figures.packets_lost, figures.jitter_ms), (14, 0, 0.0));
        assert_eq!(stage.events, [], "no key, no tone");
    }
}

/// Between two halves of a key there may be anything but audio.
#[test]
fn a_key_goes_on_over_comfort_noise() {
    let mut stage = Stage::new(parameters());
    let timestamp = stage.peer_header(101).timestamp;
    for packet in KeyPress::new(Digit::from_char('8').expect("a key"), 100 * MS) {
        let header = Header { timestamp, marker: packet.marker, ..stage.peer_header(101) };
        stage.receive(peer(), header, &packet.event.octets());
        let noise = stage.peer_header(13);
        stage.receive(peer(), noise, &[40]);
        stage.run(20 * MS);
    }
    assert_eq!(stage.digits(), "8");
}
