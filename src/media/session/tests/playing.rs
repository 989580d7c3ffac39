//! What is played, sample for sample: whatever happens between two packets, those that leave hold the recording.
//!
//! The model is a single line: a playing is one long row of octets for each codec, and every packet holds the next
//! so many of them in the codec of its moment.

use super::*;
use crate::audio::G722Decoder;

const PACKET_TIMES_MS: [u32; 5] = [10, 20, 30, 40, 60];
const CODECS: [(Codec, u8); 3] = [(Codec::Pcmu, 0), (Codec::Pcma, 8), (Codec::G722, 9)];

/// What is said and what comes between, 1321 + 184 + 777 samples: no packet time divides them.
fn sentence() -> Vec<Piece> {
    vec![Piece::Prompt(prompt(1321, 1)), Piece::Silence(23 * MS), Piece::Prompt(prompt(777, 2))]
}

/// The whole of it, in one codec.
fn row(pieces: &[Piece], codec: Codec) -> Vec<u8> {
    let octets = |piece: &Piece| match piece {
        Piece::Prompt(prompt) => prompt.octets(codec).to_vec(),
        Piece::Silence(span) => vec![codec.silence(); span.as_millis() as usize * 8],
    };
    pieces.iter().flat_map(octets).collect()
}

fn with((codec, payload_type): (Codec, u8), packet_time_ms: u32) -> Parameters {
    Parameters { codec, payload_type, packet_time: packet_time_ms * MS, ..parameters() }
}

impl Stage {
    fn play_pieces(&mut self, id: u32, pieces: &[Piece], repeat: bool) {
        self.command(Command::Play { id: PlayId(id), pieces: pieces.to_vec(), repeat });
    }

    /// Checks that the packets from `first` on hold these rows, one for each codec, from their beginnings to their
    /// ends, and after that silence.
    fn check_rows(&self, first: usize, rows: &dyn Fn(Codec) -> Vec<u8>, what: &str) {
        let rows = CODECS.map(|(codec, payload_type)| (payload_type, codec, rows(codec)));
        let mut at = 0;
        for (number, sent) in self.audio.iter().enumerate().skip(first) {
            let packet = sent.packet();
            let (_, codec, row) = rows
                .iter()
                .find(|(payload_type, ..)| *payload_type == packet.header.payload_type)
                .expect("a payload type that was agreed on");
            let mut expected = row[at.min(row.len())..].to_vec();
            expected.resize(packet.payload.len().max(expected.len()), codec.silence());
            assert!(packet.payload == &expected[..packet.payload.len()], "{what}: packet {number}");
            at += packet.payload.len();
        }
        assert!(rows.iter().all(|(_, _, row)| at > row.len()), "{what}: all of it was played");
    }
}

#[test]
fn pieces_leave_sample_for_sample_in_every_codec_at_every_packet_time() {
    let sentence = sentence();
    for codec in CODECS {
        for packet_time in PACKET_TIMES_MS {
            let mut stage = Stage::new(with(codec, packet_time));
            stage.run(137 * MS);
            let first = stage.audio.len();
            stage.play_pieces(1, &sentence, false);
            stage.run(500 * MS);
            stage.check_continuity();
            stage.check_rows(first, &|codec| row(&sentence, codec), &format!("{codec:?}, {packet_time} ms"));
            assert_eq!(stage.events, [Event::PlayEnded(PlayId(1))]);
        }
    }
}

#[test]
fn what_is_received_decodes_to_the_recording() {
    let sound = prompt(4000, 3);
    for codec in CODECS {
        let mut stage = Stage::new(with(codec, 20));
        stage.play(1, &[&sound]);
        stage.run(500 * MS);
        let samples = decoded(codec.0, &stage.payloads());
        assert_eq!(samples, decoded(codec.0, sound.octets(codec.0)), "{codec:?}");
    }
}

/// Holds as peers ask for them: by a direction, by no address (RFC 2543 had it so), by no port.
fn holds(parameters: &Parameters) -> [Parameters; 4] {
    [
        Parameters { sends: false, ..parameters.clone() },
        Parameters { sends: false, receives: false, ..parameters.clone() },
        Parameters { remote: SocketAddr::from(([0, 0, 0, 0], 4000)), ..parameters.clone() },
        Parameters { remote: address(1, 0), ..parameters.clone() },
    ]
}

#[test]
fn nothing_is_lost_or_said_twice_over_a_hold_and_a_change_of_codec_and_packet_time() {
    let sentence = sentence();
    let rows = CODECS.map(|(codec, _)| (codec, row(&sentence, codec)));
    let row_of = |codec: Codec| rows.iter().find(|(known, _)| *known == codec).expect("known").1.clone();
    for (before, after) in CODECS.iter().flat_map(|before| CODECS.map(|after| (*before, after))) {
        for (packet_time, packet_time_after) in
            PACKET_TIMES_MS.iter().flat_map(|before| PACKET_TIMES_MS.map(|after| (*before, after)))
        {
            let (old, new) = (with(before, packet_time), with(after, packet_time_after));
            let what = format!("{before:?} {packet_time} ms to {after:?} {packet_time_after} ms");
            for hold in holds(&old).into_iter().map(Some).chain([None]) {
                let mut stage = Stage::new(old.clone());
                stage.play_pieces(1, &sentence, false);
                stage.run(97 * MS);
                if let Some(hold) = hold {
                    stage.command(Command::Change(hold));
                    let until_then = stage.audio.len();
                    stage.run(311 * MS);
                    assert_eq!(stage.audio.len(), until_then, "{what}: nothing leaves during a hold");
                }
                stage.command(Command::Change(new.clone()));
                stage.run(400 * MS);
                stage.check_continuity();
                stage.check_rows(0, &row_of, &what);
                assert_eq!(stage.events, [Event::PlayEnded(PlayId(1))], "{what}");
                assert_eq!(stage.session.slots_missed(), 0, "{what}");
            }
        }
    }
}

/// A caller who waits hears the hold prompt over and over; the answer cuts in with the next packet.
#[test]
fn what_repeats_gives_way_at_a_packet_boundary() {
    let hold = [Piece::Prompt(prompt(1234, 5)), Piece::Silence(250 * MS)];
    let next = [Piece::Prompt(prompt(1111, 6))];
    for (codec, packet_time) in CODECS.iter().flat_map(|codec| PACKET_TIMES_MS.map(|ms| (*codec, ms))) {
        for waited in [0, 1, 19, 333, 999] {
            let mut stage = Stage::new(with(codec, packet_time));
            stage.play_pieces(1, &hold, true);
            stage.run(waited * MS);
            let packets = stage.audio.len();
            stage.play_pieces(2, &next, false);
            stage.run(500 * MS);
            stage.check_continuity();
            let whole_packets = packets * packet_time as usize * 8;
            let expected = |codec: Codec| {
                let round = row(&hold, codec);
                let mut heard: Vec<u8> = round.into_iter().cycle().take(whole_packets).collect();
                let rest = if codec == Codec::G722 && packets > 0 { 160 } else { 0 };
                heard.resize(heard.len() + rest, codec.silence());
                heard.extend(row(&next, codec));
                heard
            };
            stage.check_rows(0, &expected, &format!("{codec:?}, {packet_time} ms, after {waited} ms"));
            assert_eq!(stage.events, [Event::PlayEnded(PlayId(2))], "the end of the hold prompt is not told");
        }
    }
}

/// A recording of ours, at both rates.
fn spoken(id: &str) -> Arc<Prompt> {
    let path = format!("{}/prompts/en/{id}.wav", env!("CARGO_MANIFEST_DIR"));
    let samples = hound::WavReader::open(path).expect("a recording").into_samples::<i16>();
    let wide: Vec<i16> = samples.map(|sample| sample.expect("a sample")).collect();
    let narrow: Vec<i16> = wide.chunks_exact(2).map(|pair| i16::midpoint(pair[0], pair[1])).collect();
    Arc::new(Prompt::new(&narrow, Some(&wide)))
}

fn decoded(codec: Codec, octets: &[u8]) -> Vec<i32> {
    let mut wide = G722Decoder::default();
    let sample = |octet: &u8| match codec {
        Codec::Pcmu => Law::Mu.decode(*octet),
        Codec::Pcma => Law::A.decode(*octet),
        Codec::G722 => wide.decode_narrow(*octet),
        Codec::Opus => unreachable!("no octet of it is a sample"),
    };
    octets.iter().map(sample).map(i32::from).collect()
}

/// How far a receiver of both is from the second recording at most, in the 100 ms from its beginning on.
fn surprise(before: &[u8], second: &[u8]) -> i32 {
    let heard = decoded(Codec::G722, &[before, &second[..800]].concat());
    let pairs = heard[before.len()..].iter().zip(decoded(Codec::G722, &second[..800]));
    pairs.map(|(heard, meant)| (heard - meant).abs()).max().expect("800 samples")
}

/// G.722 predicts from what came before, and recordings are encoded each for itself: where one follows another the
/// receiver's decoder is surprised. That must not be heard, wherever the first one is cut off.
#[test]
fn a_g722_decoder_takes_the_step_from_one_recording_to_the_next() {
    let (first, second) = (spoken("greeting"), spoken("ask-secret"));
    let whole = surprise(first.octets(Codec::G722), second.octets(Codec::G722));
    assert!(whole < 300, "{whole} from end to beginning");
    let mut abrupt = 0;
    let packets_in_first = first.len() as u32 / 160;
    for packets in (2..packets_in_first).step_by(4) {
        let mut stage = Stage::new(with((Codec::G722, 9), 20));
        stage.play(1, &[&first]);
        stage.run(20 * packets * MS);
        stage.play(2, &[&second]);
        stage.run(300 * MS);
        let sent = stage.payloads();
        let cut = packets as usize * 160;
        let rest = &sent[cut..cut + 160];
        assert!(rest.iter().all(|octet| *octet == Codec::G722.silence()), "a packet of rest");
        let cut_off = surprise(&sent[..cut + 160], &sent[cut + 160..]);
        assert!(cut_off < 300, "{cut_off} after {packets} packets");
        abrupt = abrupt.max(surprise(&sent[..cut], &sent[cut + 160..]));
    }
    assert!(abrupt > 3000, "{abrupt}: without a rest it would be heard");
}

/// RTP has no slot but those of the grid, so a packet time is the longest that a prompt waits.
#[test]
fn a_prompt_begins_within_a_packet_time_whenever_it_is_asked_for() {
    for packet_time in PACKET_TIMES_MS {
        for asked in 0..=2 * packet_time {
            let mut stage = Stage::new(with(CODECS[0], packet_time));
            stage.run(asked * MS);
            stage.play(1, &[&prompt(160, 1)]);
            stage.run(100 * MS);
            let speaks = |sent: &&Sent| sent.packet().payload.iter().any(|octet| *octet != 0xFF);
            let began = stage.audio.iter().find(speaks).expect("a prompt").at;
            assert!(began < (asked + packet_time) * MS, "{packet_time} ms: {asked} ms to {began:?}");
        }
    }
}

/// From the first packet of a key to silence: the key is told at once, and however long a turn of signalling takes
/// that fits into 10 ms, there are no 30 ms.
#[test]
fn a_key_silences_a_prompt_within_30_ms() {
    let long = prompt(8000, 1);
    for pressed in 100..=120 {
        for turn in [0, 1, 5, 9] {
            let mut stage = Stage::new(parameters());
            stage.play(1, &[&long]);
            stage.run(pressed * MS);
            let header = Header { marker: true, ..stage.peer_header(101) };
            let press =
                KeyPress::new(Digit::from_char('5').expect("a key"), 60 * MS).next().expect("a packet");
            stage.receive(peer(), header, &press.event.octets());
            assert_eq!(stage.digits(), "5", "told with its first packet");
            stage.run(turn * MS);
            stage.command(Command::Stop);
            stage.run(100 * MS);
            let is_silent = |sent: &&Sent| sent.packet().payload.iter().all(|octet| *octet == 0xFF);
            let silent = stage.audio.iter().find(is_silent).expect("silence").at;
            let after = silent.saturating_sub(pressed * MS);
            assert!(after < 30 * MS, "pressed at {pressed} ms, a turn of {turn} ms: {after:?}");
        }
    }
}
