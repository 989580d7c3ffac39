//! The engine's process: the floor, or the plane with calls that all play a prompt. It goes on until it is killed.

use std::io::{Write, stdin, stdout};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portero::audio::{Codec, Prompt};
use portero::media::{Command, Event, Origin, Parameters, Piece, PlayId, SessionId};
use portero::net::media::{MediaConfig, MediaPlane};
use portero::srtp::Keys;
use tokio::sync::mpsc;

use crate::floor::{Floor, KEYS, PACKET_TIME};
use crate::{ENGINE_PORT, Kind, Setup, key, peer_port, recording};

/// Room for events. What the calls key is counted by nobody.
const EVENTS_MAX: usize = 16_384;

pub fn run(setup: &Setup) -> Result<()> {
    if setup.kind.is_portero() { portero(setup) } else { floor(setup) }
}

/// In the only thread of its process: with a second one each system call would have to look after shared files.
fn floor(setup: &Setup) -> Result<()> {
    wait_for_go()?;
    let mut floor = Floor::open(setup)?;
    say("up")?;
    floor.run()
}

fn portero(setup: &Setup) -> Result<()> {
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let config = MediaConfig { threads: 1, kernel_filter: setup.filter, ..MediaConfig::default() };
    let plane = MediaPlane::start(&config, &sender)?;
    let seconds = setup.seconds as usize + 30;
    let prompt = Arc::new(Prompt::from_samples(&recording::tone(8000 * seconds)));
    let play = Command::Play { id: PlayId(1), pieces: vec![Piece::Prompt(prompt)], repeat: false };
    wait_for_go()?;
    for call in 0..setup.calls {
        command(&plane, call, &open(setup.kind, call));
        command(&plane, call, &play);
    }
    for _ in 0..setup.calls {
        let event = events.blocking_recv().context("the plane is running")?.1;
        ensure!(event == Event::Opened, "a session did not open");
    }
    std::thread::spawn(move || while events.blocking_recv().is_some() {});
    say("up")?;
    loop {
        std::thread::park();
    }
}

/// Gives a command; a queue that is full has room again in the next slot.
fn command(plane: &MediaPlane, call: u16, command: &Command) {
    while plane.send(SessionId(call.into()), command.clone()).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open(kind: Kind, call: u16) -> Command {
    let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, peer_port(call)));
    let origin =
        Origin { ssrc: call.into(), sequence: 0, timestamp: 0, cname: "bench".to_owned(), seed: call.into() };
    let parameters = Parameters {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(KEYS),
        own: None,
        packet_time: PACKET_TIME,
        remote,
        remote_rtcp: remote,
        sends: true,
        receives: true,
        tones: kind == Kind::Listening,
        keys: (kind == Kind::Sealed).then(|| Box::new(Keys { ours: key(), theirs: key(), their_mki: None })),
    };
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, ENGINE_PORT + 2 * call));
    Command::Open { local, origin, parameters }
}

/// Says that there are no calls yet, and waits to be told to begin.
fn wait_for_go() -> Result<()> {
    say("idle")?;
    let mut word = String::new();
    stdin().read_line(&mut word)?;
    Ok(())
}

fn say(word: &str) -> Result<()> {
    let mut out = stdout();
    writeln!(out, "{word}")?;
    Ok(out.flush()?)
}
