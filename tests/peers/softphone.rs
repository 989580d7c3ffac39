//! A softphone that knows nothing of us: it dials, listens, keys, follows the REFER and hears the agent.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::proxy::proxy;
use crate::support::baresip::Baresip;
use crate::support::linphone::Linphone;
use crate::support::server::Server;
use crate::support::sipp::Transport;
use crate::support::{sound, wait_for};

/// How long any step of the call may take.
const STEP: Duration = Duration::from_secs(20);

#[test]
fn baresip_hears_the_prompts_keys_the_pin_and_follows_the_refer() {
    let server = Server::serve(&[("hang_up_after = \"10s\"", "hang_up_after = \"4s\"")]);
    let mut phone = Baresip::start(&server, "+12025550101");
    phone.command("dial", &format!("sip:1000@{}", server.loopback.sip()));
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    server.wait_for_stage("1000", "verifying");
    phone.key("4711");
    // The call to the agents is established, the one to the line is closed, and then that to the agents.
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    phone.wait_for_event("CALL_CLOSED", STEP);
    let record = server.wait_for_record("1000");
    assert_eq!(
        (&record["verdict"], &record["hand_over"]["outcome"]),
        (&"verified".into(), &"completed".into())
    );
    assert_eq!((&record["secret_attempts"], &record["ended_by"]), (&1.into(), &"portero".into()));
    phone.wait_for_event("CALL_CLOSED", STEP);
    let recordings = phone.recordings();
    assert_eq!(recordings.len(), 2, "one recording a call");
    for (recording, prompt) in [(0, "greeting"), (1, "agent-verified")] {
        let correlation = sound::correlation(&sound::read(&recordings[recording]), &sound::prompt(prompt));
        assert!(correlation > 0.9, "{prompt}: {correlation}");
    }
}

/// Waits until the server has been asked so many times by INVITE.
fn wait_for_invites(server: &Server, count: u64) {
    wait_for("INVITE", STEP, || {
        (server.metric("portero_sip_requests_total{method=\"INVITE\"}") == count).then_some(())
    });
}

/// The call was held and taken up again, and ended with the caller where they were sent.
fn expect_handed_over(server: &Server) {
    let record = server.wait_for_record("1000");
    assert_eq!(
        (&record["verdict"], &record["hand_over"]["outcome"], &record["ended_by"]),
        (&"verified".into(), &"completed".into(), &"portero".into()),
        "{record:#}"
    );
}

/// baresip holds, resumes, keys, and follows to the agents.
fn baresip_by(server: &Server, to: &str) {
    follow_with(Baresip::start(server, "+12025550101"), server, to);
}

fn follow_with(mut phone: Baresip, server: &Server, to: &str) {
    phone.command("dial", to);
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    server.wait_for_stage("1000", "verifying");
    phone.hold();
    wait_for_invites(server, 2);
    phone.resume();
    wait_for_invites(server, 3);
    phone.key("4711");
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    expect_handed_over(server);
}

/// Agents who are gone soon, and a caller who may take their time over the PIN.
const PATIENT: [(&str, &str); 2] = [
    ("hang_up_after = \"10s\"", "hang_up_after = \"2s\""),
    (
        "[lines.verification]\ndigits = 4\nretries = 3\nterminator = \"#\"\nfirst_digit_timeout = \"5s\"",
        "[lines.verification]\ndigits = 4\nretries = 3\nterminator = \"#\"\nfirst_digit_timeout = \"20s\"",
    ),
];

#[test]
fn baresip_holds_resumes_and_follows_by_tcp() {
    let server = Server::serve_tls(&PATIENT);
    baresip_by(&server, &format!("sip:1000@{};transport=tcp", server.loopback.sip()));
}

#[test]
fn baresip_holds_resumes_and_follows_by_tls() {
    let server = Server::serve_tls(&PATIENT);
    // A phone has no certificate to be called by: what it is asked, it is asked by the connection that it has made
    // (RFC 5923), which leads to the address in its Contact.
    let phone = Baresip::start_at(Ipv4Addr::LOCALHOST, &server, "+12025550101");
    follow_with(phone, &server, &format!("sip:1000@{};transport=tls", server.loopback.sips()));
}

#[test]
fn baresip_holds_resumes_and_follows_by_a_proxy() {
    let server = Server::serve_tls(&PATIENT);
    let _proxy = proxy(&server, Transport::Tcp);
    baresip_by(&server, &format!("sip:1000@{}", server.loopback.proxy_sip()));
}

/// linphonec does the same.
fn linphone_by(server: &Server, to: &str) {
    let mut phone = Linphone::start(server, "+12025550101");
    phone.command(&format!("call {to}"));
    server.wait_for_stage("1000", "verifying");
    phone.command("pause 1");
    wait_for_invites(server, 2);
    phone.command("resume 1");
    wait_for_invites(server, 3);
    // Only then does it send again what is keyed.
    phone.wait_for_screen("Media streams established", 2);
    phone.key("4711");
    expect_handed_over(server);
}

#[test]
fn linphone_holds_resumes_and_follows() {
    let server = Server::serve_tls(&PATIENT);
    linphone_by(&server, &format!("sip:1000@{}", server.loopback.sip()));
}

#[test]
fn linphone_holds_resumes_and_follows_by_tcp() {
    let server = Server::serve_tls(&PATIENT);
    linphone_by(&server, &format!("sip:1000@{};transport=tcp", server.loopback.sip()));
}

#[test]
fn linphone_holds_resumes_and_follows_by_a_proxy() {
    let server = Server::serve_tls(&PATIENT);
    let _proxy = proxy(&server, Transport::Tcp);
    linphone_by(&server, &format!("sip:1000@{}", server.loopback.proxy_sip()));
}
