//! Who may call, and whose word counts: over the wire, with requests written by hand.

use std::time::Duration;

use serde_json::json;

use crate::support::peer::Peer;
use crate::support::server::{Server, portero};
use crate::support::{http, wait_for};

const STRANGERS: &str = "# strangers = \"admit-local\"";
const TRUNK: &str = "
[[trunks]]
name = \"carrier\"
addresses = [\"127.0.0.0/8\"]
calls = 1
identity = [\"p-asserted-identity\", \"from\"]
verstat = true
country = \"US\"

[web]
";

/// How often the server has turned a message away for this reason.
fn rejected(server: &Server, reason: &str) -> Option<String> {
    let series = format!("portero_sip_rejected_total{{reason=\"{reason}\"}} ");
    let metrics = http::get(server.loopback.web(), "/metrics").body;
    metrics.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
}

#[test]
fn a_trunk_tells_the_number_and_brings_no_more_calls_than_it_may() {
    let ring = ("ring_for = \"0s\"", "ring_for = \"30s\"");
    let server = Server::serve(&[("\n[web]\n", TRUNK), ring]);
    let peer = Peer::of(&server);
    let asserted = "P-Asserted-Identity: \"Jane\" <sip:2025550101;npdi;verstat=TN-Validation-Passed-B@carrier.example>\r\n";
    peer.send("INVITE", "first", &format!("{asserted}Diversion: <sip:2025550001@carrier.example>\r\n"));
    peer.answer("180");
    peer.send("INVITE", "second", asserted);
    let busy = peer.answer("503");
    assert!(busy.contains("\r\nRetry-After: ") && busy.contains("\r\nCall-ID: second\r\n"), "{busy}");
    peer.send("CANCEL", "first", "");
    peer.answer("487");
    let record = server.wait_for_record("1000");
    assert_eq!(
        json!([record["ani"], record["ani_source"], record["trunk"], record["first_dialled"]]),
        json!(["+12025550101", "p_asserted_identity", "carrier", "+12025550001"])
    );
    let told = json!([record["ani_withheld"], record["ani_verstat"], record["ani_attestation"]]);
    assert_eq!(told, json!([false, "passed", "b"]));
    let counted = wait_for("count", Duration::from_secs(10), || rejected(&server, "trunk_busy"));
    assert_eq!(counted, "1");
}

#[test]
fn a_stranger_is_refused() {
    let server = Server::serve(&[(STRANGERS, "strangers = \"refuse\"")]);
    let output = portero(&["call", &format!("sip:1000@{}", server.loopback.sip()), "--json"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object");
    assert_eq!((output.status.code(), &outcome["status"]), (Some(2), &json!(403)), "{outcome:#}");
    assert_eq!(server.calls(), [json!(null); 0]);
}

#[test]
fn a_stranger_is_ignored() {
    let server = Server::serve(&[(STRANGERS, "strangers = \"ignore\"")]);
    let peer = Peer::of(&server);
    peer.send("OPTIONS", "scan", "");
    peer.send("INVITE", "call", "");
    wait_for("second request counted", Duration::from_secs(10), || {
        rejected(&server, "stranger").filter(|count| count == "2")
    });
    assert!(peer.has_heard_nothing());
    assert_eq!(server.calls(), [json!(null); 0]);
}
