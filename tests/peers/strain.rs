//! A machine that is too slow for its calls: it takes no more of them, and then again.

use std::time::Duration;

use serde_json::Value;

use crate::support::server::{Server, portero, start_call};
use crate::support::wait_for;

/// How long the server stands still, again and again: seven packets of each call are never sent, the eighth is late.
const STALL: Duration = Duration::from_millis(150);

/// How long it may take to notice.
const WITHIN: Duration = Duration::from_secs(20);

fn call(server: &Server, arguments: &[&str]) -> Value {
    let uri = format!("sip:1000@{}", server.loopback.sip());
    let output = portero(&[&["call", &uri, "--json", "--no-follow"], arguments].concat());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_server_that_sends_late_refuses_calls_until_it_is_punctual_again() {
    let server = Server::serve(&[]);
    let uri = format!("sip:1000@{}", server.loopback.sip());
    let _long = start_call(&[&uri, "--from", "+12025550101", "--no-follow"]);
    server.wait_for_stage("1000", "verifying");
    wait_for("refusal of calls", WITHIN, || {
        server.stall(STALL);
        server.log().contains("new calls are refused").then_some(())
    });
    let refused = call(&server, &[]);
    assert_eq!(refused["status"], 503, "{refused:#}");
    wait_for("count of it", WITHIN, || {
        (server.metric("portero_sip_rejected_total{reason=\"late\"}") == 1).then_some(())
    });
    wait_for("end of it", WITHIN, || server.log().contains("new calls are taken again").then_some(()));
    let taken = call(&server, &["--from", "+12025550101", "--keys", "prompt,4711#"]);
    assert_eq!(taken["verdict"], "verified", "{taken:#}");
}
