//! `portero load` against `portero demo`: many calls at a time, with sound both ways.

use std::fs;
use std::io::Read as _;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Server, portero, start};
use crate::support::wait_for;

/// How long what follows at once may take on a busy machine.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Loads the server from addresses of this test's own, and gives back the exit code and the JSON object.
fn load(server: &Server, line: &str, arguments: &[&str]) -> (i32, Value) {
    let uri = format!("sip:{line}@{}", server.loopback.sip());
    let ip = server.loopback.ip().to_string();
    let fixed = ["load", &uri, "--json", "--bind", &ip];
    let Output { status, stdout, stderr } = portero(&[&fixed, arguments].concat());
    let object = serde_json::from_slice(&stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
    });
    (status.code().expect("an exit code"), object)
}

#[test]
fn fifty_calls_have_sound_and_lose_none_of_it() {
    let server = Server::demo();
    let file = server.folder.path().join("latency.svg");
    let pid = server.id().to_string();
    let svg = file.to_str().expect("a path in UTF-8");
    let arguments = ["--calls", "50", "--rate", "25", "--hold", "4s", "--from", "+1999555####"];
    let (code, told) = load(&server, "1000", &[&arguments[..], &["--pid", &pid, "--svg", svg]].concat());
    assert_eq!((code, &told["failures"]), (0, &json!({})), "{told:#}");
    let calls = &told["calls"];
    let counts = ["placed", "answered", "failed", "abandoned", "at_a_time", "ended_by_us"];
    assert_eq!(counts.map(|name| calls[name].as_u64()), [50, 50, 0, 0, 50, 50].map(Some), "{told:#}");
    assert_eq!(told["packets"]["lost"], 0, "{told:#}");
    // 50 calls of 4 s; a machine that is busy may keep either side from sending for a while.
    let [sent, received] = ["sent", "received"].map(|name| told["packets"][name].as_u64());
    assert!(sent > Some(8_000) && received > Some(8_000), "{told:#}");
    for figure in ["set_up_ms", "pacing_ms", "jitter_ms"] {
        let [half, most, max] = ["p50", "p99", "max"].map(|name| told[figure][name].as_f64());
        assert!(half.is_some() && half <= most && most <= max, "{figure}: {told:#}");
    }
    assert!(told["mos"]["mean"].as_f64() > Some(1.0), "{told:#}");
    assert!(told["server"]["cpu_seconds"].as_f64() > Some(0.0), "{told:#}");
    assert!(fs::read_to_string(&file).expect("it was drawn").ends_with("</svg>\n"));
}

#[test]
fn keys_reach_the_line_and_the_referral_is_taken() {
    let server = Server::demo();
    let arguments = ["--calls", "4", "--rate", "4", "--hold", "60s", "--from", "+12025550101"];
    let (code, told) = load(&server, "1000", &[&arguments[..], &["--keys", "prompt,4711#"]].concat());
    assert_eq!((code, &told["calls"]["handed_over"]), (0, &json!(4)), "{told:#}");
    assert_eq!(told["calls"]["ended_by_peer"], 4, "the referrer hangs up: {told:#}");
    let calls = server.calls();
    assert_eq!(calls.len(), 4);
    assert!(!told.to_string().contains("4711"));
}

#[test]
fn an_interruption_hangs_up_on_all_calls_and_still_prints() {
    let server = Server::demo();
    let uri = format!("sip:1000@{}", server.loopback.sip());
    let ip = server.loopback.ip().to_string();
    let arguments =
        ["load", &uri, "--json", "--bind", &ip, "--calls", "1000", "--rate", "10", "--hold", "60s"];
    let mut running = start(&arguments);
    let up = || server.calls().iter().filter(|call| call["record"].is_null()).count();
    wait_for("five calls", Duration::from_secs(20), || (up() >= 5).then_some(()));
    running.signal("INT");
    let mut said = String::new();
    let mut stdout = running.0.stdout.take().expect("it is piped");
    stdout.read_to_string(&mut said).expect("it is text");
    let told: Value = serde_json::from_str(&said).expect("one JSON object");
    let calls = &told["calls"];
    let [placed, by_us, abandoned] =
        ["placed", "ended_by_us", "abandoned"].map(|name| calls[name].as_u64().expect("a count"));
    assert!((5..1000).contains(&placed) && by_us + abandoned == placed, "{told:#}");
    assert_eq!(
        (&told["failures"], running.wait_for_exit("its end", READ_WITHIN).code()),
        (&json!({}), Some(0))
    );
    wait_for("the end of all calls", READ_WITHIN, || (up() == 0).then_some(()));
}

#[test]
fn calls_that_are_refused_are_failures_by_cause() {
    let server = Server::demo();
    let (code, told) = load(&server, "9999", &["--calls", "3", "--rate", "50"]);
    assert_eq!((code, &told["failures"]), (1, &json!({ "were refused with 404": 3 })), "{told:#}");
    assert_eq!((&told["calls"]["answered"], &told["mos"]), (&json!(0), &Value::Null));
}

#[test]
fn what_cannot_be_run_is_refused_with_what_to_do() {
    let table = [
        (&["--calls", "1000000", "--rate", "0.5"][..], "24 hours"),
        (&["--calls", "100", "--rate", "100", "--ports", "40000-40010"], "`--bind`"),
        (&["--calls", "1000", "--rate", "5000", "--hold", "60m", "--pid", "0"], "process 0"),
    ];
    for (arguments, words) in table {
        let fixed = ["load", "sip:1000@127.0.0.1:9"];
        let Output { status, stderr, .. } = portero(&[&fixed[..], arguments].concat());
        let said = String::from_utf8_lossy(&stderr);
        assert!(status.code() == Some(1) && said.contains(words), "{arguments:?}: {said}");
    }
}
