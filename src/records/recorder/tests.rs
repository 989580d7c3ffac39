//! From a session's packets to files, by the thread itself.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::audio::{Codec, Law, Prompt};
use crate::media::{Command, DATAGRAM_LEN_MAX, Origin, Parameters, Piece, PlayId, Session};

const NAME: &str = "2026-11-24/0123456789abcdef.wav";

/// A session that plays for a second at the most, and is recorded.
fn session(codec: Codec, tape: Tape, now: Instant) -> Session {
    let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
    let parameters = Parameters {
        codec,
        payload_type: 0,
        telephone_event: Some(101),
        own: None,
        packet_time: Duration::from_millis(20),
        remote: peer,
        remote_rtcp: peer,
        sends: true,
        receives: true,
        tones: false,
        keys: None,
    };
    let origin = Origin { ssrc: 1, sequence: 1, timestamp: 7, cname: "a@b".to_owned(), seed: 1 };
    let mut session = Session::new(origin, parameters, now);
    session.command(Command::Record(tape), now);
    session
}

/// Lets this much time of a session pass.
fn run(session: &mut Session, from: Instant, packets: u32) {
    let mut room = [0; DATAGRAM_LEN_MAX];
    for packet in 0..packets {
        while session.tick(from + packet * Duration::from_millis(20), &mut room).is_some() {}
    }
}

fn prompt() -> (Vec<i16>, Prompt) {
    let samples: Vec<i16> =
        (0..8000).map(|at| Law::Mu.decode(Law::Mu.encode((at * 7 % 20_000) as i16))).collect();
    let prompt = Prompt::from_samples(&samples);
    (samples, prompt)
}

fn read(data: &Path) -> (hound::WavSpec, Vec<i16>) {
    let mut reader = hound::WavReader::open(data.join("recordings").join(NAME)).expect("a recording");
    (reader.spec(), reader.samples().skip(1).step_by(2).map(|sample| sample.expect("a sample")).collect())
}

#[tokio::test]
async fn a_call_is_a_file_when_it_is_over() {
    let data = tempfile::tempdir().expect("a folder");
    let hour = Duration::from_hours(1);
    let recorder = Recorder::start(data.path().to_owned(), hour).expect("a thread");
    let now = Instant::now();
    let mut session = session(Codec::Pcmu, recorder.begin(NAME.to_owned()), now);
    let (samples, prompt) = prompt();
    session.command(
        Command::Play { id: PlayId(1), pieces: vec![Piece::Prompt(prompt.into())], repeat: false },
        now,
    );
    run(&mut session, now, 50);
    drop(session);
    recorder.finish().await;
    let (format, ours) = read(data.path());
    assert_eq!((format.channels, format.sample_rate, format.bits_per_sample), (2, 8000, 16));
    assert_eq!(ours[..8000], samples);
}

#[tokio::test]
async fn the_end_of_the_program_is_the_end_of_every_recording() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(data.path().to_owned(), Duration::from_hours(1)).expect("a thread");
    let now = Instant::now();
    let mut session = session(Codec::G722, recorder.begin(NAME.to_owned()), now);
    run(&mut session, now, 50);
    recorder.finish().await;
    let (format, ours) = read(data.path());
    assert_eq!((format.sample_rate, ours.len() / 16_000), (16_000, 1));
    run(&mut session, now, 60);
}

#[tokio::test]
async fn a_recording_that_is_long_enough_ends_and_the_call_goes_on() {
    let data = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(data.path().to_owned(), Duration::from_secs(1)).expect("a thread");
    let now = Instant::now();
    let mut session = session(Codec::Pcma, recorder.begin(NAME.to_owned()), now);
    run(&mut session, now, 120);
    let file = data.path().join("recordings").join(NAME);
    while !file.exists() {
        thread::yield_now();
    }
    run(&mut session, now, 200);
    assert_eq!(session.figures().packets_sent, 200);
    recorder.finish().await;
    assert_eq!(read(data.path()).1.len(), 8000);
}

#[test]
fn a_disk_that_is_full_ends_the_recording_and_keeps_what_there_is() {
    let data = tempfile::tempdir().expect("a folder");
    let path = data.path().join("1.part");
    // What was written while there was room, which the device itself does not keep.
    let mut written = Part::create(data.path(), NAME, 8000).expect("a file");
    written.write(&[[1, 2]; 4000]).expect("room");
    written.finish().expect("room");
    std::fs::copy(data.path().join("recordings").join(NAME), &path).expect("room");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let part = Part::begin(full, path.clone(), 8000).expect("nothing is written yet");
    let mut sink = Sink { part: Some(part), pairs_left: 1_000_000 };
    let blocks = (0..1000).find(|_| {
        sink.write(&[[5, 6]; 40]);
        sink.part.is_none()
    });
    assert!(blocks.is_some(), "the device is full");
    sink.write(&[[5, 6]; 40]);
    assert!(!path.exists() && path.with_extension("wav").exists());
    sink.close();
}

#[tokio::test]
async fn where_there_is_no_room_for_a_file_the_call_goes_on() {
    let data = tempfile::tempdir().expect("a folder");
    std::fs::write(data.path().join("recordings"), "no folder").expect("room");
    let recorder = Recorder::start(data.path().to_owned(), Duration::from_hours(1)).expect("a thread");
    let now = Instant::now();
    let mut session = session(Codec::Pcma, recorder.begin(NAME.to_owned()), now);
    run(&mut session, now, 500);
    assert_eq!(session.figures().packets_sent, 500);
    recorder.finish().await;
    assert!(data.path().join("recordings").is_file());
}
