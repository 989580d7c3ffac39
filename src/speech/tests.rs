//! Voices of all kinds: real programs and a real HTTP server, slow, failing, huge and talking garbage.
#![expect(clippy::disallowed_methods, reason = "the server under the tests is a task; times are measured")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::cache::Key;
use super::*;
use crate::audio::{Prompt, Wideband};
use crate::authority::Authority;
use crate::crm::{Body, HeaderName, HeaderValue, Place, Template};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en/goodbye.wav");

fn config(means: Vec<Means>) -> Config {
    Config {
        means,
        voices: BTreeMap::from([("en".to_owned(), "alba".to_owned())]),
        deadline: Duration::from_secs(20),
        max_concurrent: 8,
        cache: None,
        recordings_from: Vec::new(),
    }
}

fn shell(script: &str) -> Means {
    Means::Command(["sh", "-c", script, "voice", "{{ voice }}"].map(str::to_owned).into())
}

fn kept(folder: &Path) -> Kept {
    Kept { folder: folder.to_owned(), bytes_max: 10_000_000, age_max: Duration::from_hours(1) }
}

fn text(text: &str) -> Wanted {
    Wanted::Text { language: "en".to_owned(), text: text.to_owned() }
}

async fn said(config: Config, wanted: Wanted) -> Result<Arc<Prompt>, Failure> {
    Voice::new(config, Wideband::Unused).expect("a voice").say(wanted).await
}

fn expected() -> Prompt {
    Prompt::read(&fs::read(RECORDING).expect("the recording"), Wideband::Unused).expect("it can be played")
}

#[tokio::test]
async fn a_command_is_given_the_text_and_its_voice_and_says_what_it_writes() {
    let folder = TempDir::new().expect("a folder");
    let told = folder.path().join("told");
    let script = format!("(echo \"$1\"; cat) > {}; cat {RECORDING}", told.display());
    let prompt = said(config(vec![shell(&script)]), text("Hello Zoë")).await.expect("it is said");
    assert_eq!(*prompt, expected());
    assert_eq!(fs::read_to_string(told).expect("it was told"), "alba\nHello Zoë");
}

/// What there is before long.
async fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("it comes before long")
}

#[tokio::test]
async fn what_is_wrong_with_a_command_is_told_apart() {
    let table = [
        ("cat > /dev/null; exit 3", Failure::Failed),
        ("echo this is no recording", Failure::Garbage),
        ("true", Failure::Garbage),
        ("cat /dev/zero", Failure::TooLarge),
    ];
    for (script, failure) in table {
        assert_eq!(said(config(vec![shell(script)]), text("Hello")).await, Err(failure), "{script}");
    }
    let missing = Means::Command(vec!["/nowhere/voice".to_owned()]);
    assert_eq!(said(config(vec![missing.clone()]), text("Hello")).await, Err(Failure::Failed));
    let standing_in = vec![missing, shell(&format!("cat {RECORDING}"))];
    assert!(said(config(standing_in), text("Hello")).await.is_ok(), "the next one is asked");
}

#[tokio::test]
async fn a_slow_command_is_killed_with_all_that_it_started() {
    let folder = TempDir::new().expect("a folder");
    let pid = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pid.display());
    let slow = Config { deadline: Duration::from_millis(1500), ..config(vec![shell(&script)]) };
    let began = Instant::now();
    assert_eq!(said(slow, text("Hello")).await, Err(Failure::TimedOut));
    assert!(began.elapsed() < Duration::from_secs(15));
    let pid = fs::read_to_string(pid).expect("it ran");
    // A process that was killed may take a while to go, and stay as one that nobody has waited for.
    let is_gone = || {
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        state.is_empty() || state.contains(") Z ") || state.contains(") X ")
    };
    soon(|| is_gone().then_some(())).await;
}

#[tokio::test]
async fn what_was_said_is_kept_privately_and_not_said_again() {
    let folder = TempDir::new().expect("a folder");
    let counted = folder.path().join("counted");
    let cache = folder.path().join("cache");
    let script = format!("echo once >> {}; cat {RECORDING}", counted.display());
    let config = Config { cache: Some(kept(&cache)), ..config(vec![shell(&script)]) };
    let voice = Voice::new(config, Wideband::Unused).expect("a voice");
    let times = || fs::read_to_string(&counted).map_or(0, |text| text.lines().count());
    let first = voice.say(text("Hello Zoë")).await.expect("it is said");
    // It is written beside the answer.
    let file = soon(|| {
        let mut files = fs::read_dir(&cache).expect("a folder").map(|entry| entry.expect("an entry").path());
        files.find(|path| path.extension().is_some_and(|ending| ending == "speech"))
    })
    .await;
    assert_eq!(voice.say(text("Hello Zoë")).await.expect("it is said"), first);
    assert_eq!(times(), 1);
    voice.say(text("Hello Ibrahim")).await.expect("it is said");
    assert_eq!(times(), 2);
    assert!(!file.to_string_lossy().contains("Zo"));
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&cache).expect("a folder").permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_is_kept_is_erased_by_age_and_by_size() {
    let folder = TempDir::new().expect("a folder");
    let key = |name: &str| Key::new([name]);
    assert_ne!(Key::new(["ab", "c"]), Key::new(["a", "bc"]));
    let small = Kept { folder: folder.path().to_owned(), bytes_max: 25, age_max: Duration::from_hours(1) };
    let cache = Cache::open(small.clone()).expect("a cache");
    let age = |name: &str, age: u64| {
        let files =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
        for path in files {
            if fs::read(&path).expect("a file") == name.as_bytes() {
                let file = fs::File::options().write(true).open(path).expect("a file");
                let then = std::time::SystemTime::now() - Duration::from_secs(age);
                file.set_modified(then).expect("its date can be set");
            }
        }
    };
    let found = |name: &str| cache.find(&key(name)).is_some();
    for (name, seconds) in [("first-text", 60), ("other-text", 30)] {
        cache.keep(&key(name), name.as_bytes()).expect("it is kept");
        age(name, seconds);
    }
    assert!(found("first-text") && found("other-text"));
    cache.keep(&key("third-text"), b"third-text").expect("it is kept");
    assert_eq!([found("first-text"), found("other-text"), found("third-text")], [false, true, true]);
    cache.keep(&key("large"), &[0; 26]).expect("it is passed over");
    assert!(!found("large") && found("third-text"));
    age("other-text", 7200);
    assert!(!found("other-text"), "it is too old");
    fs::write(folder.path().join("notes.txt"), "mine").expect("a file");
    Cache::open(small).expect("a cache");
    assert_eq!(
        fs::read_dir(folder.path()).expect("a folder").count(),
        2,
        "the old is gone, the notes are not"
    );
}

#[tokio::test]
async fn one_too_many_fails_at_once() {
    let busy = Config { max_concurrent: 1, ..config(vec![shell(&format!("cat; cat {RECORDING}"))]) };
    let voice = Voice::new(busy, Wideband::Unused).expect("a voice");
    let (one, other) = tokio::join!(voice.say(text("One")), voice.say(text("Two")));
    assert!(matches!((&one, &other), (Err(Failure::Garbage), Err(Failure::Busy))), "{one:?}, {other:?}");
}

async fn serve(answer: fn(&str, &str) -> Response) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |uri: Uri, body: String| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { answer(uri.path(), &body) }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (base, asked)
}

fn answer(path: &str, body: &str) -> Response {
    match path {
        "/alba" if body == r#"{"text":"Say \"hello\""}"# => fs::read(RECORDING).expect("it").into_response(),
        "/names/zoe" => fs::read(RECORDING).expect("it").into_response(),
        "/names/moved" => Redirect::temporary("/names/zoe").into_response(),
        "/names/huge" => vec![0; AUDIO_BYTES_MAX + 1].into_response(),
        "/names/text" => "no such name".into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn a_service_is_sent_the_text_and_says_what_it_answers() {
    let (base, _) = serve(answer).await;
    let endpoint = |path: &str| {
        let template = |source: &str, place| Template::new(source, place).expect("a template");
        Means::Endpoint(Endpoint {
            url: template(&format!("{base}{path}"), Place::Path),
            headers: vec![(HeaderName::from_static("x-key"), HeaderValue::from_static("1"))],
            body: Body {
                template: template(r#"{"text":"{{ text }}"}"#, Place::Json),
                media_type: "application/json",
            },
        })
    };
    let spoken = said(config(vec![endpoint("/{{ voice }}")]), text("Say \"hello\"")).await;
    assert_eq!(*spoken.expect("it is said"), expected());
    for (path, failure) in [
        ("/nobody", Failure::Failed),
        ("/names/moved", Failure::Failed),
        ("/names/huge", Failure::TooLarge),
        ("/names/text", Failure::Garbage),
    ] {
        assert_eq!(said(config(vec![endpoint(path)]), text("Hello")).await, Err(failure), "{path}");
    }
}

#[tokio::test]
async fn recordings_are_fetched_only_from_where_they_may_be() {
    let (base, asked) = serve(answer).await;
    let from = Source { from: format!("{base}/names").parse().expect("a URL"), trust: None };
    let fetched = async |url: String| {
        let config = Config { recordings_from: vec![from.clone()], ..config(Vec::new()) };
        said(config, Wanted::Recording(url)).await
    };
    let voice =
        Voice::new(Config { recordings_from: vec![from.clone()], ..config(Vec::new()) }, Wideband::Unused)
            .expect("a voice");
    assert_eq!(*fetched(format!("{base}/names/zoe")).await.expect("it is there"), expected());
    assert_eq!(voice.say(Wanted::Recording(format!("{base}/names/moved"))).await, Err(Failure::Failed));
    assert_eq!(asked.swap(0, Ordering::Relaxed), 2, "no redirect is followed");
    for url in ["/alba", "/names/../alba", "/namesake", "/names/%2e%2e/alba"] {
        let url = format!("{base}{url}");
        assert_eq!(voice.say(Wanted::Recording(url.clone())).await, Err(Failure::NotAllowed), "{url}");
    }
    for url in ["http://203.0.113.7/names/zoe", "file:///etc/passwd", "names/zoe"] {
        assert_eq!(voice.say(Wanted::Recording(url.to_owned())).await, Err(Failure::NotAllowed), "{url}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody is asked");
}

#[tokio::test]
async fn a_back_ends_recordings_are_believed_by_whom_its_certificate_is_to_be_from() {
    let authority = Authority::new();
    let acceptor = authority.acceptor(&authority.issue("127.0.0.1", |_| {}), false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("https://{}", listener.local_addr().expect("an address"));
    let recording = fs::read(RECORDING).expect("the recording");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", recording.len());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let asked = stream.read(&mut [0; 4096]).await.expect("a request");
            assert!(asked > 0);
            stream.write_all(&[head.as_bytes(), &recording].concat()).await.expect("sent");
            drop(stream.shutdown().await);
        }
    });
    let fetched = async |trust: Option<PathBuf>| {
        let source = Source { from: base.parse().expect("a URL"), trust };
        let config = Config { recordings_from: vec![source], ..config(Vec::new()) };
        said(config, Wanted::Recording(format!("{base}/names/zoe"))).await
    };
    assert_eq!(*fetched(Some(authority.file("ca.pem"))).await.expect("it is fetched"), expected());
    assert_eq!(fetched(None).await, Err(Failure::Failed), "this machine does not trust it");
    let source = Source { from: base.parse().expect("a URL"), trust: Some(authority.file("nowhere.pem")) };
    let config = Config { recordings_from: vec![source], ..config(Vec::new()) };
    assert!(matches!(Voice::new(config, Wideband::Unused), Err(VoiceError::Trust(_))));
}

#[tokio::test]
async fn what_goes_on_for_too_long_is_not_played() {
    let folder = TempDir::new().expect("a folder");
    for (seconds, expected) in [(29, Ok(())), (31, Err(Failure::TooLong))] {
        let file = folder.path().join("long.wav");
        let format = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&file, format).expect("a file");
        (0..seconds * 8000).for_each(|n| writer.write_sample((n % 100) as i16 * 100).expect("written"));
        writer.finalize().expect("written");
        let script = format!("cat > /dev/null; cat {}", file.display());
        assert_eq!(
            said(config(vec![shell(&script)]), text("Hello")).await.map(|_| ()),
            expected,
            "{seconds} s"
        );
    }
}

#[test]
fn a_header_written_before_the_length_was_known_is_mended() {
    let whole = fs::read(RECORDING).expect("the recording");
    let at = whole.windows(4).position(|word| word == b"data").expect("a chunk of sound") + 4;
    for length in [u32::MAX, 0x7fff_f000, 0] {
        let mut piped = whole.clone();
        piped[at..at + 4].copy_from_slice(&length.to_le_bytes());
        piped[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        header::mend(&mut piped);
        assert_eq!(Prompt::read(&piped, Wideband::Unused).as_ref(), Ok(&expected()), "{length:#x}");
    }
    let mut cut_off = whole[..whole.len() - 1000].to_vec();
    header::mend(&mut cut_off);
    assert!(Prompt::read(&cut_off, Wideband::Unused).is_err());
    for length in 0..60 {
        header::mend(&mut whole[..length].to_vec());
    }
}
