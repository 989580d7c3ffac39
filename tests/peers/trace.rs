//! What was said is seen afterwards: `portero trace`, the ladder of the API, and the copies that a collector gets.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::support::collector::{Collector, Kamailio, Packet};
use crate::support::server::{Server, portero};
use crate::support::sipp::Call;
use crate::support::{http, wait_for};

/// A trace is written when its call is over and has been quiet for five seconds.
const TRACE_WITHIN: Duration = Duration::from_secs(20);

/// Runs `portero trace` until it finds the call.
fn trace(server: &Server, call: &str, more: &[&str]) -> String {
    let data = server.data();
    let arguments = [&["trace", call, "--data", data.to_str().expect("a path in UTF-8")], more].concat();
    let output: Output = wait_for("trace of the call", TRACE_WITHIN, || {
        let output = portero(&arguments);
        output.status.success().then_some(output)
    });
    String::from_utf8(output.stdout).expect("text")
}

fn labels(ladder: &Value) -> Vec<String> {
    let messages = ladder["messages"].as_array().expect("a list of messages");
    messages.iter().map(|message| message["label"].as_str().expect("a label").to_owned()).collect()
}

#[test]
fn a_call_and_its_hand_over_as_a_ladder() {
    let server = Server::demo();
    Call { keys: "300ms 4711", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    let id = record["id"].as_str().expect("an identifier");
    // As long as late messages may come, the ladder is the server's own to show.
    let path = format!("/api/v1/calls/{id}/ladder");
    let live = server.api(&format!("{path}?format=json"));
    let text = trace(&server, id, &[]);
    assert!(text.starts_with(&format!("Call {id}")), "{text}");
    assert_eq!(http::get(server.loopback.web(), &path).body, text, "the API shows the same");
    let kept: Value = serde_json::from_str(&trace(&server, id, &["--json"])).expect("JSON");
    let labels = labels(&kept);
    let agents = format!("REFER to sip:agents@{}", server.loopback.sip());
    let expected = [
        "200 OK (INVITE)",
        "ACK",
        agents.as_str(),
        "202 Accepted (REFER)",
        "NOTIFY 200 OK",
        "200 OK (NOTIFY)",
        "BYE",
        "200 OK (BYE)",
    ];
    assert!(labels[0].starts_with("INVITE sip:1000@"), "{labels:?}");
    let mut rest = labels.iter();
    for label in expected {
        assert!(rest.any(|said| said == label), "{label} in its place in {labels:?}");
    }
    assert!(live["messages"].as_array().is_some_and(|messages| messages.len() > 5), "{live}");
    assert_eq!(kept["parties"][0]["address"], server.loopback.peer_sip().to_string());
    assert_eq!(kept["parties"][1]["address"], server.loopback.sip().to_string());
    let file = server.folder.path().join("ladder.svg");
    trace(&server, id, &["--svg", file.to_str().expect("a path in UTF-8")]);
    let svg = std::fs::read_to_string(file).expect("the picture was written");
    assert_eq!(http::get(server.loopback.web(), &format!("{path}?format=svg")).body, svg);
    // One line a call at INFO, and no message in the log.
    let log = server.log();
    assert_eq!(log.matches("call ended").count(), 1);
    assert!(!log.contains("Via: SIP/2.0"), "{log}");
}

#[test]
fn what_is_sent_again_is_shown_as_that() {
    let server = Server::demo();
    Call { scenario: "loses_the_200", keys: "300ms 4711", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    let id = record["id"].as_str().expect("an identifier");
    let ladder = server.api(&format!("/api/v1/calls/{id}/ladder?format=json"));
    let messages = ladder["messages"].as_array().expect("a list of messages");
    let answers: Vec<&Value> =
        messages.iter().filter(|message| message["label"] == "200 OK (INVITE)").collect();
    assert!(answers.len() >= 2, "{answers:?}");
    assert_eq!(answers[0]["retransmission"], false);
    assert!(answers[1..].iter().all(|message| message["retransmission"] == true), "{answers:?}");
}

#[test]
fn no_traces_where_they_are_off() {
    let server = Server::serve(&[("traces = \"7d\"", "traces = \"off\"")]);
    Call { keys: "300ms *", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    let id = record["id"].as_str().expect("an identifier");
    assert_eq!(http::get(server.loopback.web(), &format!("/api/v1/calls/{id}/ladder")).status, 404);
    let data = server.data();
    let output = portero(&["trace", id, "--data", data.to_str().expect("a path in UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`traces` in [records]"), "{output:?}");
}

#[test]
fn traces_outlive_the_server_that_is_told_to_stop() {
    let mut server = Server::demo();
    Call { keys: "300ms *", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    server.signal("TERM");
    assert!(server.wait_for_exit(Duration::from_secs(10)).success());
    let text = trace(&server, record["id"].as_str().expect("an identifier"), &[]);
    assert!(text.contains(" BYE "), "{text}");
}

#[test]
fn a_collector_gets_every_message_those_of_no_call_included() {
    let collector = Collector::start();
    let hep =
        format!("[hep]\nto = \"{}\"\nid = 77\npassword = \"let me in\"\n\n[prompts]", collector.address());
    let server = Server::serve(&[("[prompts]", &hep)]);
    Call { scenario: "is_told_404", line: "9999", ..Call::default() }.run(&server);
    let packets = collector.packets();
    let messages: Vec<String> = packets.iter().map(Packet::message).collect();
    let starts: Vec<&str> = messages.iter().filter_map(|message| message.lines().next()).collect();
    assert!(starts[0].starts_with("INVITE sip:9999@"), "{starts:?}");
    assert!(starts.contains(&"SIP/2.0 404 Not Found"), "{starts:?}");
    assert!(starts.last().is_some_and(|start| start.starts_with("ACK ")), "{starts:?}");
    let (invite, answer) = (&packets[0], &packets[1]);
    assert_eq!(
        (invite.chunk(1), invite.chunk(2), invite.chunk(11)),
        ([2].as_slice(), [17].as_slice(), [1].as_slice())
    );
    assert_eq!((invite.chunk(12), invite.chunk(14)), ([0, 0, 0, 77].as_slice(), b"let me in".as_slice()));
    assert_eq!(invite.chunk(3), server.loopback.ip().octets());
    assert_eq!((invite.chunk(7), invite.chunk(8)), (answer.chunk(8), answer.chunk(7)), "there and back");
    assert_eq!(invite.chunk(17), answer.chunk(17), "one Call-ID");
    let metrics = http::get(server.loopback.web(), "/metrics").body;
    assert!(!metrics.contains("portero_hep_dropped_total 1"), "{metrics}");
}

#[test]
fn kamailio_reads_the_copies() {
    let port = Collector::start().address();
    let server = Server::serve(&[("[prompts]", &format!("[hep]\nto = \"{port}\"\n\n[prompts]"))]);
    let kamailio = Kamailio::start(port, &server.folder.path().join("kamailio"));
    Call { keys: "300ms *", ..Call::default() }.run(&server);
    let (caller, ours) = (server.loopback.peer_sip(), server.loopback.sip());
    for (what, from) in [("INVITE", caller), ("200", ours), ("ACK", caller), ("REFER", ours), ("202", caller)]
    {
        let is_it =
            |line: &str| line.contains(&format!("seen {what} ")) && line.contains(&format!("from {from}"));
        wait_for(what, Duration::from_secs(5), || kamailio.log().lines().any(is_it).then_some(()));
    }
}

#[test]
fn a_call_by_tcp_says_so_in_its_ladder_and_in_its_copies() {
    let collector = Collector::start();
    let hep = format!("[hep]\nto = \"{}\"\n\n[prompts]", collector.address());
    let server = Server::serve(&[("[prompts]", &hep)]);
    let uri = format!("sip:1000@{};transport=tcp", server.loopback.sip());
    let called = portero(&["call", &uri, "--from", "+12025550101", "--keys", "speech,*"]);
    assert!(called.status.success(), "{called:?}");
    let record = server.wait_for_record("1000");
    let id = record["id"].as_str().expect("an identifier");
    let ladder = server.api(&format!("/api/v1/calls/{id}/ladder?format=json"));
    let messages = ladder["messages"].as_array().expect("a list of messages");
    assert!(messages.len() > 5 && messages.iter().all(|message| message["transport"] == "tcp"), "{ladder:#}");
    assert_eq!(ladder["parties"].as_array().map(Vec::len), Some(2), "{ladder:#}");
    let packets = collector.packets();
    assert!(packets.len() >= messages.len() && packets.iter().all(|packet| packet.chunk(2) == [6]));
}
