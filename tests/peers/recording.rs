//! What is left of a call in its recording: everything that was said, and no key.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::time::Duration;

use portero::audio::{Codec, Law, Library, Source, Wideband};
use portero::say::PromptId;
use serde_json::Value;

use crate::support::capture::{COLUMNS, Capture, ROWS};
use crate::support::server::{Server, portero, start_call};
use crate::support::sipp::Call;
use crate::support::{http, wait_for};

/// How long after a call its recording may take to be whole.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// The demo's first line, recorded.
const RECORDED: (&str, &str) = ("record = false", "record = true");
/// The samples that are looked for as one: 100 ms.
const PIECE: usize = 800;

/// Both sides of a call.
pub struct Recording {
    pub caller: Vec<i16>,
    pub portero: Vec<i16>,
}

impl Recording {
    /// Of the only call to the line 1000, which has been verified.
    fn of(server: &Server) -> Self {
        let record = server.wait_for_record("1000");
        assert_eq!(record["verdict"], "verified", "{record:#}");
        Self::read(server, &record)
    }

    fn read(server: &Server, record: &Value) -> Self {
        let name = record["recording"].as_str().expect("the call was recorded");
        let file = server.data().join("recordings").join(name);
        wait_for("recording", WHOLE_WITHIN, || file.exists().then_some(()));
        let id = record["id"].as_str().expect("an identifier");
        let given = http::get_bytes(server.loopback.web(), &format!("/api/v1/calls/{id}/recording"));
        assert!(given == (200, fs::read(&file).expect("the file can be read")), "the API gives the file");
        Self::open(&file)
    }

    pub fn open(file: &Path) -> Self {
        let mut reader = hound::WavReader::open(file).expect("a WAV file");
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8000));
        let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
        let (caller, portero) = samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
        Self { caller, portero }
    }

    /// Where this prompt begins in it, which is on our side, sample for sample.
    fn expect_prompt(&self, id: &str) -> usize {
        let prompt = prompt(id);
        let share = share_of(&self.portero, &prompt);
        // A busy machine may send late, and pass over a packet: what is there is exact.
        assert!(share > 0.7, "{share} of {id} is there");
        let first = prompt.chunks_exact(PIECE).find_map(|piece| place_of(&self.portero, piece));
        first.expect("a piece of it is there")
    }

    /// No key is in it, though the caller's audio had some.
    fn expect_no_key(&self, sent: &Capture) {
        assert!(!key_tones(sent.sound()).is_empty(), "the test's ear hears what was sent");
        assert_eq!(key_tones(&self.caller), [0_usize; 0], "at these samples");
        assert_eq!(key_tones(&self.portero), [0_usize; 0], "at these samples of ours");
    }
}

/// A prompt of the demo as µ-law has it.
fn prompt(id: &str) -> Vec<i16> {
    let library = Library::load(&Source::Embedded, "en", [id], Wideband::Unused).expect("it is there");
    let prompt = library.prompt("en", &PromptId::new(id)).expect("it is there");
    prompt.octets(Codec::Pcmu).iter().map(|octet| Law::Mu.decode(*octet)).collect()
}

/// How many pieces of `sound` are in `side`, sample for sample.
fn share_of(side: &[i16], sound: &[i16]) -> f64 {
    let loud = |piece: &&[i16]| piece.iter().any(|sample| sample.abs() > 500);
    let pieces: Vec<&[i16]> = sound.chunks_exact(PIECE).filter(loud).collect();
    let found = pieces.iter().filter(|piece| place_of(side, piece).is_some()).count();
    found as f64 / pieces.len() as f64
}

fn place_of(side: &[i16], piece: &[i16]) -> Option<usize> {
    side.windows(piece.len()).position(|window| window == piece)
}

/// Where anything sounds like a key: 12 ms with two tones of the keypad in them and hardly anything else.
pub fn key_tones(samples: &[i16]) -> Vec<usize> {
    const WINDOW: usize = 96;
    let power = |window: &[i16], hertz: &f64| {
        let coefficient = 2.0 * (TAU * hertz / 8000.0).cos();
        let (mut last, mut before) = (0.0, 0.0);
        for &sample in window {
            (last, before) = (f64::from(sample) + coefficient * last - before, last);
        }
        (last * last + before * before - coefficient * last * before) * 2.0 / WINDOW as f64
    };
    let is_key = |window: &[i16]| {
        let energy: f64 = window.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        let [row, column] =
            [ROWS, COLUMNS].map(|group| group.iter().map(|hertz| power(window, hertz)).fold(0.0, f64::max));
        energy > 1e4 && row + column > 0.85 * energy && row.min(column) > 0.2 * energy
    };
    let windows = samples.windows(WINDOW).enumerate().step_by(16);
    windows.filter(|(_, window)| is_key(window)).map(|(at, _)| at).collect()
}

/// Calls the line 1000 and says and keys this.
fn call(server: &Server, keys: &'static str) -> Capture {
    Call { keys, ..Call::default() }.run(server);
    Capture::of(keys)
}

#[test]
fn keys_by_events_of_a_gateway_that_leaks_are_not_recorded() {
    let server = Server::serve(&[RECORDED]);
    // Keyed ahead, while the greeting plays; and what is said before is there. To the tones nobody listens: as far as
    // the line knows, keys come as events, and nothing secret has been asked for yet.
    let sent = call(&server, "~900ms tones:159 ~400ms leaks:4711 ~2000ms");
    let recording = Recording::of(&server);
    recording.expect_no_key(&sent);
    recording.expect_prompt("hand-over-verified");
    let said = share_of(&recording.caller, &sent.sound()[..7200]);
    assert!(said > 0.5, "{said} of what was said before is there");
}

#[test]
fn tones_at_the_beginning_of_the_question_are_not_recorded() {
    let server = Server::serve(&[RECORDED, ("tones = \"needed\"", "tones = \"always\"")]);
    // The greeting takes two seconds.
    let sent = call(&server, "~2400ms tones:4711 ~3000ms");
    let recording = Recording::of(&server);
    recording.expect_no_key(&sent);
    recording.expect_prompt("greeting");
    let said = share_of(&recording.caller, &sent.sound()[..12_000]);
    assert!(said > 0.5, "{said} of what was said before is there");
    // While the question is asked nothing of the caller is there: it is where our side begins to ask.
    let asked = place_of(&recording.portero, &prompt("ask-secret")[..PIECE]).expect("it was asked");
    let silent = recording.caller[asked..].iter().take_while(|sample| **sample == 0).count();
    assert!(silent > 4000, "the caller is silent for {silent} samples from the question on");
}

#[test]
fn tones_beside_info_keyed_ahead_are_not_recorded() {
    const RIGHT: &str = "3186409577248";
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp/keys_by_info.xml");
    let scenario = fs::read_to_string(scenario).expect("the scenario can be read");
    // The pause comes before a key, because the REFER comes right after the last one.
    let scenario =
        scenario.replace("<pause/>", "").replace("<label id=\"key\"/>", "<label id=\"key\"/><pause/>");
    let play = "<nop><action><exec play_pcap_audio=\"keys.pcap\"/></action></nop>\n\n  <nop>";
    let edits =
        [("[lines.verification]\ndigits = 4", "[lines.verification]\ndigits = \"4-13\""), ("4711", RIGHT)];
    let server = Server::serve(&[&[RECORDED], &edits[..]].concat());
    let keys = "~300ms tones:3186409577248 ~2000ms";
    Call {
        script: Some(scenario.replacen("<nop>", play, 1)),
        keys,
        keys_by_info: RIGHT,
        pause: Duration::from_millis(90),
        ..Call::default()
    }
    .run(&server);
    Recording::of(&server).expect_no_key(&Capture::of(keys));
}

#[test]
fn what_the_caller_heard_is_what_is_recorded() {
    let server = Server::serve(&[RECORDED]);
    let heard = server.folder.path().join("heard.wav");
    let to = format!("sip:1000@{}", server.loopback.sip());
    let file = heard.to_str().expect("a path in UTF-8");
    let called = portero(&[
        "call",
        &to,
        "--from",
        "+12025550101",
        "--keys",
        "prompt,4711#",
        "--no-follow",
        "--record",
        file,
    ]);
    assert_eq!(called.status.code(), Some(0), "{}", String::from_utf8_lossy(&called.stderr));
    let recording = Recording::of(&server);
    let greeting = recording.expect_prompt("greeting");
    let verified = recording.expect_prompt("hand-over-verified");
    assert!(greeting < verified);
    let mut heard = hound::WavReader::open(heard).expect("a WAV file");
    let heard: Vec<i16> = heard.samples().map(|sample| sample.expect("a sample")).collect();
    let share = share_of(&recording.portero, &heard);
    assert!(share > 0.7, "{share} of what was heard is there");
    assert!(server.metric("portero_recordings_total{result=\"whole\"}") == 1);
}

#[test]
fn what_a_killed_server_has_recorded_is_there_after_the_next_start() {
    let mut server = Server::serve(&[RECORDED]);
    let to = format!("sip:1000@{}", server.loopback.sip());
    let _caller = start_call(&[&to, "--from", "+12025550101", "--no-follow"]);
    let recordings = |ending: &str| -> Vec<std::path::PathBuf> {
        let days = fs::read_dir(server.data().join("recordings")).into_iter().flatten().flatten();
        let files = days.flat_map(|day| fs::read_dir(day.path()).into_iter().flatten().flatten());
        let paths = files.map(|file| file.path());
        paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    };
    let part = wait_for("beginning of a recording", WHOLE_WITHIN, || {
        let part = recordings("part").pop()?;
        (fs::metadata(&part).ok()?.len() > 100_000).then_some(part)
    });
    server.kill();
    let Server { loopback, folder, .. } = server;
    let _server = Server::serve_at(loopback, folder, &[RECORDED]);
    let whole = part.with_extension("wav");
    wait_for("the same made whole", WHOLE_WITHIN, || whole.exists().then_some(()));
    Recording::open(&whole).expect_prompt("greeting");
}
