//! What a caller keys as a secret is nowhere afterwards: not in what a server writes, shows, sends or says, not after it
//! has panicked over it, and not in its memory.

mod search;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use search::Canary;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};

use crate::recording::{Recording, key_tones};
use crate::support::capture::Capture;
use crate::support::collector::Collector;
use crate::support::server::{Server, portero, start_call};
use crate::support::sipp::Call;
use crate::support::{http, wait_for};

/// PINs that are nowhere by chance: one that is wrong and one that is right.
const WRONG: &str = "905172638461";
const RIGHT: &str = "318640957724";
/// What the INVITE of `keys_by_info` brings besides: an answer to a challenge, a signed token, a key of encryption.
const CREDENTIAL: &str = "c0ffee5ecretc0ffee5ecretc0ffee55";
/// How long what follows a call may take: its trace, its recording.
const AFTERWARDS: Duration = Duration::from_secs(20);
/// The demo's line of 1000 with room for such PINs, recorded.
const EDITS: [(&str, &str); 3] = [
    ("[lines.verification]\ndigits = 4", "[lines.verification]\ndigits = \"4-12\""),
    ("4711", RIGHT),
    ("record = false", "record = true"),
];
/// Keys in the audio are listened to from the first second on.
const TONES: (&str, &str) = ("tones = \"needed\"", "tones = \"always\"");
/// The wrong PIN, and then the right one.
const BY_EVENTS: &str = "300ms 905172638461 1000ms 318640957724";

/// With copies of its messages for a collector.
fn edits<'e>(hep: &'e str, more: &[(&'e str, &'e str)]) -> Vec<(&'e str, &'e str)> {
    [&EDITS[..], &[("[prompts]", hep)], more].concat()
}

fn hep(collector: &Collector) -> String {
    format!("[hep]\nto = \"{}\"\n\n[prompts]", collector.address())
}

/// A server under watch: what it sends to a collector and to a page is kept.
struct Watched {
    server: Server,
    collector: Collector,
    page: JoinHandle<Vec<u8>>,
}

impl Watched {
    fn serve(more: &[(&str, &str)]) -> Self {
        let collector = Collector::start();
        let server = Server::serve(&edits(&hep(&collector), more));
        let page = watch_page(&server);
        Self { server, collector, page }
    }

    /// The only call to 1000 came to this verdict after so many entries, and no artefact holds either PIN.
    fn expect_nowhere(mut self, verdict: &str, secret_attempts: u32) {
        let record = self.server.wait_for_record("1000");
        assert_eq!(record["verdict"], verdict, "{record:#}");
        assert_eq!(record["secret_attempts"], secret_attempts, "{record:#}");
        expect_none_in_answers(&self.server, &record);
        expect_none_in_prints(&self.server, &record);
        expect_none_in_recording(&self.server, &record);
        let packets = self.collector.packets();
        assert!(packets.iter().any(|packet| packet.message().starts_with("INVITE ")), "copies were sent");
        for packet in &packets {
            expect_clean("a copy for the collector", packet.message().as_bytes());
            assert!(!packet.message().contains("Signal"), "a key by INFO is in {}", packet.message());
        }
        let limits =
            fs::read_to_string(format!("/proc/{}/limits", self.server.id())).expect("the server runs");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "no core is dumped: {core}");
        assert!(self.server.log().contains("TRACE"), "the log is the fullest there is");
        self.server.kill();
        let events = self.page.join().expect("the page was watched");
        assert!(String::from_utf8_lossy(&events).contains("event:"), "the page was told of the call");
        expect_clean("/events", &events);
        expect_none_in_files(&self.server);
    }
}

/// Takes what `/events` says until the server ends.
fn watch_page(server: &Server) -> JoinHandle<Vec<u8>> {
    let address = server.loopback.web();
    let mut stream = TcpStream::connect(address).expect("the web server takes connections");
    let token = http::TOKEN;
    write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .expect("the request can be sent");
    thread::spawn(move || {
        let mut told = Vec::new();
        // A server that is killed resets the connection, and that is its end.
        let _ = stream.read_to_end(&mut told);
        told
    })
}

fn expect_none_in_answers(server: &Server, record: &Value) {
    let id = record["id"].as_str().expect("an identifier");
    let ladder = format!("/api/v1/calls/{id}/ladder");
    let token = record["hand_over"]["token"].as_str().map(|token| format!("/api/v1/handovers/{token}"));
    let pages =
        ["/", "/metrics", "/health", "/ready", "/api/v1/calls", "/api/v1/trunks", "/api/v1/emergency"]
            .map(str::to_owned)
            .into_iter()
            .chain([
                format!("/api/v1/calls/{id}"),
                format!("{ladder}?format=svg"),
                format!("{ladder}?format=json"),
            ])
            .chain([ladder])
            .chain(token);
    for path in pages {
        let answer = http::get(server.loopback.web(), &path);
        assert_eq!(answer.status, 200, "{path}");
        expect_clean(&path, answer.body.as_bytes());
    }
}

fn expect_none_in_prints(server: &Server, record: &Value) {
    let id = record["id"].as_str().expect("an identifier");
    let data = server.data();
    let data = data.to_str().expect("a path in UTF-8");
    for form in [&["--json"][..], &["--csv"], &[]] {
        let printed = portero(&[&["records", "--data", data][..], form].concat());
        assert!(printed.status.success() && printed.stdout.len() > 100, "the record is printed");
        expect_clean("portero records", &printed.stdout);
    }
    let trace = |form: &[&str]| portero(&[&["trace", id, "--data", data][..], form].concat());
    let printed = wait_for("trace of the call", AFTERWARDS, || {
        Some(trace(&[])).filter(|printed| printed.status.success())
    });
    // One key a message: so it is not only the whole PIN that must not be there.
    for printed in [printed, trace(&["--json"])] {
        expect_clean("portero trace", &printed.stdout);
        assert!(
            !String::from_utf8_lossy(&printed.stdout).contains("Signal"),
            "a key by INFO is in the trace"
        );
    }
    let drawn = server.folder.path().join("ladder.svg");
    assert!(trace(&["--svg", drawn.to_str().expect("a path in UTF-8")]).status.success());
    expect_clean("the ladder", &fs::read(drawn).expect("it was drawn"));
}

/// Where somebody is heard in it, nobody keys.
fn expect_none_in_recording(server: &Server, record: &Value) {
    let name = record["recording"].as_str().expect("the call was recorded");
    let file = server.data().join("recordings").join(name);
    wait_for("recording", AFTERWARDS, || file.exists().then_some(()));
    let Recording { caller, portero } = Recording::open(&file);
    assert!(portero.len() > 8000, "more than a second was recorded");
    for side in [caller, portero] {
        assert_eq!(key_tones(&side), [0_usize; 0], "at these samples");
    }
}

/// Searches every file but those that are the caller's own, and the configuration, which says what the PINs are; and what
/// the databases among them hold, value by value.
fn expect_none_in_files(server: &Server) {
    let ours = |path: &Path| !path.ends_with("portero.toml") && !path.to_string_lossy().contains("/sipp/");
    let files = server.folder.files();
    let mut values_found = 0;
    for (path, content) in files.iter().filter(|(path, _)| ours(path)) {
        let place = path.display().to_string();
        expect_clean(&place, content);
        if content.starts_with(b"SQLite format 3\0") {
            for value in values_of(path) {
                values_found += 1;
                expect_clean(&place, &value);
                // Traces are packed.
                if let Some(plain) = unpacked(&value) {
                    expect_clean(&place, &plain);
                }
            }
        }
    }
    assert!(values_found > 0, "the databases hold something");
}

/// Every value of every table, as octets.
fn values_of(database: &Path) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(database);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
        let names = "SELECT name FROM sqlite_master WHERE type = 'table'";
        let tables: Vec<String> =
            sqlx::query_scalar(names).fetch_all(&mut connection).await.expect("its tables are told");
        let mut values = Vec::new();
        for table in tables {
            // Names of tables are no parameters; these are the database's own.
            let all = sqlx::AssertSqlSafe(format!("SELECT * FROM \"{table}\""));
            let rows = sqlx::query(all).fetch_all(&mut connection).await.expect("a table can be read");
            for row in rows {
                let octets = |at| row.try_get_unchecked::<Option<Vec<u8>>, _>(at).expect("octets");
                values.extend((0..row.len()).filter_map(octets));
            }
        }
        values
    })
}

fn unpacked(value: &[u8]) -> Option<Vec<u8>> {
    let (length, _) = lz4_flex::block::uncompressed_size(value).ok()?;
    (length < 64 * 1024 * 1024).then(|| lz4_flex::decompress_size_prepended(value).ok())?
}

fn expect_clean(place: &str, content: &[u8]) {
    for secret in [WRONG, RIGHT] {
        let found = Canary::new(secret).found_in(content);
        assert_eq!(found, None, "{place} holds {secret}");
    }
    let credential = content.windows(CREDENTIAL.len()).any(|window| window == CREDENTIAL.as_bytes());
    assert!(!credential, "{place} holds {CREDENTIAL}");
}

#[test]
fn a_pin_keyed_by_telephone_event_is_nowhere() {
    let watched = Watched::serve(&[]);
    Call { keys: BY_EVENTS, ..Call::default() }.run(&watched.server);
    watched.expect_nowhere("verified", 2);
}

#[test]
fn a_pin_keyed_by_info_is_nowhere() {
    let watched = Watched::serve(&[]);
    // The wrong PIN, and then no further try.
    let keys_by_info = "905172638461*";
    let pause = Duration::from_millis(60);
    Call { scenario: "keys_by_info", keys_by_info, pause, ..Call::default() }.run(&watched.server);
    watched.expect_nowhere("identified", 1);
}

#[test]
fn a_pin_keyed_by_tones_is_nowhere() {
    let watched = Watched::serve(&[TONES]);
    let keys = "~300ms tones:905172638461 ~1500ms tones:318640957724 ~500ms";
    Call { keys, ..Call::default() }.run(&watched.server);
    assert!(!key_tones(Capture::of(keys).sound()).is_empty(), "the test's ear hears what was sent");
    watched.expect_nowhere("verified", 2);
}

#[test]
fn a_pin_is_in_no_log_of_any_level() {
    for level in ["error", "warn", "info", "debug"] {
        let server = Server::serve_logging(&EDITS, level);
        Call { keys: BY_EVENTS, ..Call::default() }.run(&server);
        let record = server.wait_for_record("1000");
        assert_eq!((&record["verdict"], &record["secret_attempts"]), (&"verified".into(), &2.into()));
        expect_clean(level, server.log().as_bytes());
    }
}

/// A call whose caller keys the wrong PIN, to a server that panics there; the caller need not be content.
fn panicking(place: &str) -> (Server, Collector) {
    let collector = Collector::start();
    let server = Server::serve_to_panic(&edits(&hep(&collector), &[]), place);
    let to = format!("sip:1000@{}", server.loopback.sip());
    let keys = format!("prompt,{WRONG}");
    let from = ["--from", "+12025550101", "--no-follow", "--timeout", "20", "--keys"];
    let mut caller = start_call(&[&[to.as_str()][..], &from, &[keys.as_str()]].concat());
    caller.wait_for_exit("end of the call", Duration::from_mins(1));
    (server, collector)
}

fn expect_none_after_panic(server: &Server, collector: &Collector) {
    let log = server.log();
    assert!(log.contains("panicked: why is not shown"), "{log}");
    assert!(!log.contains("a mishap was wanted"), "the panic's own words are shown");
    for packet in collector.packets() {
        expect_clean("a copy for the collector", packet.message().as_bytes());
    }
    expect_none_in_files(server);
}

#[test]
fn a_media_thread_that_panics_ends_the_server_in_order_and_tells_nothing() {
    let (mut server, collector) = panicking("media");
    assert_eq!(server.wait_for_exit(Duration::from_secs(15)).code(), Some(70));
    let data = server.data();
    let records = portero(&["records", "--json", "--data", data.to_str().expect("a path in UTF-8")]);
    let records: Value = serde_json::from_slice(&records.stdout).expect("JSON");
    assert_eq!(records[0]["reason"], "shut down", "{records:#}");
    assert!(server.log().contains("a media thread broke off"), "{}", server.log());
    expect_none_after_panic(&server, &collector);
}

#[test]
fn a_loop_that_panics_ends_the_server_and_tells_nothing() {
    let (mut server, collector) = panicking("loop");
    assert_eq!(server.wait_for_exit(Duration::from_secs(15)).code(), Some(70));
    expect_none_after_panic(&server, &collector);
}

#[test]
fn a_request_that_panics_is_that_call_s_affair_and_tells_nothing() {
    let (mut server, collector) = panicking("back end");
    let record = server.wait_for_record("1000");
    assert_eq!(record["verdict"], "identified", "{record:#}");
    assert_eq!(record["back_end_failure"], "timed_out", "{record:#}");
    assert_eq!(server.metric("portero_panics_total"), 1);
    expect_none_in_answers_of_ladders(&server, &record);
    server.kill();
    expect_none_after_panic(&server, &collector);
}

fn expect_none_in_answers_of_ladders(server: &Server, record: &Value) {
    wait_for("trace of the call", AFTERWARDS, || {
        let path = format!("/api/v1/calls/{}/ladder", record["id"].as_str()?);
        (http::get(server.loopback.web(), &path).status == 200).then_some(())
    });
    expect_none_in_answers(server, record);
}

#[test]
fn what_was_keyed_is_not_in_memory_once_the_call_is_over() {
    // So that somebody else may look into it; nothing else is different then.
    let process = ("\n[limits]\n", "\n[process]\ncore_dumps = true\n\n[limits]\n");
    let server = Server::serve(&[&EDITS[..], &[process]].concat());
    Call { keys: BY_EVENTS, ..Call::default() }.run(&server);
    assert_eq!(server.wait_for_record("1000")["secret_attempts"], 2);
    Call {
        scenario: "keys_by_info",
        keys_by_info: "905172638461*",
        pause: Duration::from_millis(60),
        ..Call::default()
    }
    .run(&server);
    // Connections to the back end are kept for some seconds, and their buffers with them.
    wait_for("memory without what was keyed", Duration::from_mins(1), || {
        let memory = memory_of(&server);
        let is_there = |needle: &str| memory.windows(needle.len()).any(|window| window == needle.as_bytes());
        // The demo's configuration is in it, which shows that this is how it would be found.
        assert!(is_there(RIGHT), "the search finds what is there");
        (!is_there(WRONG)).then_some(())
    });
}

/// What a server's memory holds that it can write to.
fn memory_of(server: &Server) -> Vec<u8> {
    let process = format!("/proc/{}", server.id());
    let maps = fs::read_to_string(format!("{process}/maps")).expect("the server runs");
    let file = fs::File::open(format!("{process}/mem")).expect("it may be looked into");
    let mut memory = Vec::new();
    for map in maps.lines().filter(|map| map.split(' ').nth(1).is_some_and(|may| may.starts_with("rw"))) {
        let (from, to) = map.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).expect("an address"));
        let mut piece = vec![0; (to - from) as usize];
        // What has no page behind it cannot be read, and holds nothing.
        if file.read_exact_at(&mut piece, from).is_ok() {
            memory.extend(piece);
        }
    }
    memory
}
