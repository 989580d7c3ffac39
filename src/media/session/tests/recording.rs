//! What a session passes of itself while it is recorded.

use std::sync::mpsc::Receiver;

use super::*;
use crate::audio::Law;
use crate::media::{Frame, Reel, tape};

/// Begins a recording.
fn record(stage: &mut Stage) -> Receiver<Frame> {
    let (tape, frames) = tape();
    stage.command(Command::Record(tape));
    frames
}

/// Both sides of what was recorded: the caller's and ours.
fn sides(frames: impl IntoIterator<Item = Frame>) -> (Vec<i16>, Vec<i16>) {
    let (mut reel, mut written) = (Reel::new(Codec::Pcmu), Vec::new());
    for frame in frames {
        reel.take(&frame, &mut |block| written.extend_from_slice(block));
    }
    reel.finish(&mut |block| written.extend_from_slice(block));
    written.into_iter().map(|[caller, portero]| (caller, portero)).unzip()
}

/// A loud packet of the caller's, every 20 ms.
fn speak(stage: &mut Stage, from: SocketAddr, packets: u32) {
    for _ in 0..packets {
        let header = stage.peer_header(0);
        stage.receive(from, header, &[Law::Mu.encode(9000); 160]);
        stage.run(20 * MS);
    }
}

fn loud_ms(side: &[i16]) -> usize {
    side.iter().filter(|sample| sample.abs() > 5000).count() / 8
}

#[test]
fn both_sides_are_passed_and_no_stranger() {
    let mut stage = Stage::new(parameters());
    speak(&mut stage, peer(), 5);
    let frames = record(&mut stage);
    let prompt = prompt(3200, 5);
    stage.play(1, &[&prompt]);
    speak(&mut stage, peer(), 10);
    speak(&mut stage, address(66, 6666), 10);
    stage.run(200 * MS);
    let (caller, portero) = sides(frames.try_iter());
    // The first packet was spoken before the recording began.
    assert_eq!(loud_ms(&caller), 180);
    let sent: Vec<i16> = prompt.octets(Codec::Pcmu).iter().map(|octet| Law::Mu.decode(*octet)).collect();
    assert_eq!(portero[..3200], sent);
}

#[test]
fn on_hold_there_is_silence_of_the_same_length() {
    let mut stage = Stage::new(parameters());
    let frames = record(&mut stage);
    let prompt = prompt(1600, 5);
    stage.play(1, &[&prompt]);
    stage.run(210 * MS);
    let before: usize = frames.try_iter().count();
    stage.command(Command::Change(Parameters { sends: false, ..parameters() }));
    stage.run(2000 * MS);
    assert_eq!(frames.try_iter().count(), 0);
    stage.command(Command::Change(parameters()));
    stage.play(2, &[&prompt]);
    stage.run(210 * MS);
    assert!(before > 9);
    let (_, portero) = sides(frames.try_iter());
    let began = portero.iter().position(|sample| *sample != 0).expect("it was played") / 8;
    assert!((2200..=2230).contains(&began), "at {began} ms");
}

#[test]
fn a_key_is_left_out_and_a_secret_as_a_whole() {
    for (name, loud) in [("event", 1600..1900), ("elsewhere", 1000..1150), ("secret", 1200..1400)] {
        let mut stage = Stage::new(parameters());
        let frames = record(&mut stage);
        let mut kept = Vec::new();
        speak(&mut stage, peer(), 50);
        kept.extend(frames.try_iter());
        match name {
            "event" => stage.hear_key(peer(), '4'),
            "elsewhere" => stage.command(Command::KeyTold),
            _ => stage.command(Command::Conceal(true)),
        }
        speak(&mut stage, peer(), 10);
        kept.extend(frames.try_iter());
        stage.command(Command::Conceal(false));
        speak(&mut stage, peer(), 50);
        kept.extend(frames.try_iter());
        let heard = loud_ms(&sides(kept).0);
        assert!(loud.contains(&heard), "{name}: {heard} ms");
    }
}

#[test]
fn all_of_the_audio_is_wanted() {
    let mut stage = Stage::new(parameters());
    stage.hear_audio(peer(), 3);
    assert_eq!(stage.session.dispensable(), Some(0));
    let frames = record(&mut stage);
    assert_eq!(stage.session.dispensable(), None);
    // The recorder may be gone; that is nothing to a call.
    drop(frames);
    speak(&mut stage, peer(), 300);
    assert_eq!(stage.session.figures().packets_received, 303);
}
