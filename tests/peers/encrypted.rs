//! Encrypted sound, with softphones that know nothing of us and with our own test caller.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::baresip::Baresip;
use crate::support::linphone::Linphone;
use crate::support::server::{Server, portero, start_call};
use crate::support::{http, sound, wait_for};

/// How long any step of a call may take.
const STEP: Duration = Duration::from_secs(20);
const CALLER: &str = "+12025550101";
const SUITES: [&str; 4] =
    ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"];

/// A server whose first line says this of encryption, and whose agents are gone soon.
fn serve(srtp: &str) -> Server {
    let said = format!("srtp = \"{srtp}\"");
    Server::serve(&[
        ("srtp = \"allow\"", said.as_str()),
        ("hang_up_after = \"10s\"", "hang_up_after = \"4s\""),
    ])
}

/// The caller has proven who they are by what came through.
fn expect_verified(server: &Server) {
    let record = server.wait_for_record("1000");
    assert_eq!(
        (&record["verdict"], &record["hand_over"]["outcome"], &record["secret_attempts"]),
        (&"verified".into(), &"completed".into(), &1.into()),
        "{record:#}"
    );
    assert!(record["media"]["packets_received"].as_u64() > Some(10), "{record:#}");
    assert_eq!(record["media"]["encrypted"], true, "{record:#}");
}

/// How many packets were refused because they had not the key. Others are by right: phones ping through SRTP's ports
/// by STUN and by RTCP that is not encrypted, and repeat the end of a key under one sequence number.
fn forged(server: &Server) -> u64 {
    server.metric("portero_srtp_packets_refused_total{reason=\"unauthentic\"}")
}

fn expect_heard(recording: &Path, prompt: &str) {
    let correlation = sound::correlation(&sound::read(recording), &sound::prompt(prompt));
    assert!(correlation > 0.9, "{prompt}: {correlation}");
}

/// baresip dials, keys and follows to the agents, and has heard both.
fn call_by_baresip(server: &Server, how: &str) {
    let mut phone = Baresip::start_encrypted(server, CALLER, how);
    phone.command("dial", &format!("sip:1000@{}", server.loopback.sip()));
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    server.wait_for_stage("1000", "verifying");
    phone.hold();
    phone.resume();
    phone.key("4711");
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    expect_verified(server);
    assert_eq!(forged(server), 0);
    phone.wait_for_event("CALL_CLOSED", STEP);
    phone.wait_for_event("CALL_CLOSED", STEP);
    let recordings = phone.recordings();
    assert_eq!(recordings.len(), 2, "one recording a call");
    expect_heard(&recordings[0], "greeting");
    expect_heard(&recordings[1], "agent-verified");
}

#[test]
fn baresip_insists_and_is_verified() {
    call_by_baresip(&serve("require"), "srtp-mand");
}

/// RFC 8643: the stream says RTP/AVP, and has keys.
#[test]
fn baresip_offers_it_where_it_can_be_had_and_is_verified() {
    call_by_baresip(&serve("require"), "srtp");
}

#[test]
fn baresip_gets_what_it_offers_where_nobody_insists() {
    call_by_baresip(&serve("allow"), "srtp-mand");
}

/// Each suite both ways: our packets tell baresip a key, and its packets are what is recorded.
#[test]
fn baresip_is_called_by_every_suite() {
    let server = serve("off");
    let mut phone = Baresip::start_answering(&server, "phone");
    let uri = format!("sip:phone@{}", server.loopback.peer_sip());
    for suite in SUITES {
        let file = server.folder.path().join(format!("{suite}.wav"));
        let record = file.to_str().expect("a path in UTF-8");
        let mut caller =
            start_call(&[&uri, "--srtp", suite, "--keys", "1s,7,1s", "--timeout", "4", "--record", record]);
        assert_eq!(phone.wait_for_event("CALL_DTMF_START", STEP)["param"], "7", "{suite}");
        phone.wait_for_event("CALL_CLOSED", STEP);
        caller.wait_for_exit("end of the call", STEP);
        let seconds = hound::WavReader::open(&file).expect("a WAV file").duration() / 8000;
        assert!(seconds >= 2, "{suite}: {seconds} s were heard");
    }
}

fn call_by_linphone(suite: &str) -> Server {
    let server = serve("require");
    let mut phone = Linphone::start_encrypted(&server, CALLER, suite);
    phone.command(&format!("call sip:1000@{}", server.loopback.sip()));
    server.wait_for_stage("1000", "verifying");
    phone.key("4711");
    expect_verified(&server);
    server
}

#[test]
fn linphone_is_verified_with_tags_of_80_bits() {
    assert_eq!(forged(&call_by_linphone("AES_CM_128_HMAC_SHA1_80")), 0);
}

/// Its reports have tags of 32 bits then, too, where RFC 4568 §6.2.2 has 80: they are refused, and sound is not.
#[test]
fn linphone_is_verified_with_tags_of_32_bits() {
    assert!(forged(&call_by_linphone("AES_CM_128_HMAC_SHA1_32")) < 10);
}

/// Places a call of our own; its exit code, and what it says of itself.
fn call(server: &Server, arguments: &[&str]) -> (i32, Value) {
    let uri = format!("sip:1000@{}", server.loopback.sip());
    let output = portero(&[&["call", &uri, "--json", "--from", CALLER], arguments].concat());
    let said = serde_json::from_slice(&output.stdout);
    (output.status.code().expect("an exit code"), said.expect("one JSON object"))
}

#[test]
fn the_test_caller_is_verified_by_every_suite() {
    let server = serve("require");
    let verified = |suite| {
        let file = server.folder.path().join(format!("{suite}.wav"));
        let record = file.to_str().expect("a path in UTF-8");
        let expected = ["--keys", "prompt,4711#", "--expect", "verified", "--record", record];
        let (code, outcome) = call(&server, &[&["--srtp", suite], &expected[..]].concat());
        assert_eq!((code, &outcome["handed_over"]), (0, &true.into()), "{suite}: {outcome:#}");
        for prompt in ["greeting", "ask-secret", "hand-over-verified", "agent-verified"] {
            expect_heard(&file, prompt);
        }
    };
    std::thread::scope(|scope| SUITES.map(|suite| scope.spawn(move || verified(suite))).map(drop));
    assert_eq!(forged(&server), 0);
}

#[test]
fn whoever_does_not_meet_the_lines_terms_is_told_488() {
    let table = [("require", &[][..]), ("off", &["--srtp", "AEAD_AES_128_GCM"])];
    for (srtp, arguments) in table {
        let server = serve(srtp);
        let (code, outcome) = call(&server, arguments);
        assert_eq!((code, &outcome["status"]), (2, &488.into()), "{srtp}: {outcome:#}");
        let record = server.wait_for_record("1000");
        let why = if srtp == "require" { "the media is not encrypted" } else { "the media is encrypted" };
        assert_eq!(record["reason"], why);
    }
    let (code, outcome) = call(&serve("off"), &["--keys", "prompt,4711#", "--expect", "verified"]);
    assert_eq!(code, 0, "{outcome:#}");
}

/// Both keys are in the call's SDP, and nowhere else.
#[test]
fn no_key_is_in_any_artefact() {
    let server = serve("require");
    let arguments = ["--srtp", "AES_CM_128_HMAC_SHA1_80", "--keys", "prompt,4711#", "--expect", "verified"];
    let (code, outcome) = call(&server, &arguments);
    assert_eq!(code, 0, "{outcome:#}");
    let record = server.wait_for_record("1000");
    let id = record["id"].as_str().expect("an identifier");
    let data = server.data();
    let trace = wait_for("trace of the call", STEP, || {
        let printed = portero(&["trace", id, "--data", data.to_str().expect("a path in UTF-8")]);
        printed.status.success().then_some(printed.stdout)
    });
    let trace = String::from_utf8(trace).expect("text");
    assert_eq!(trace.matches("RTP/SAVP").count(), trace.matches("a=crypto:…").count(), "{trace}");
    assert!(trace.contains("a=crypto:…"), "{trace}");
    let ladder = http::get(server.loopback.web(), &format!("/api/v1/calls/{id}/ladder?format=json")).body;
    let ours = server.folder.files().into_iter().filter(|(path, _)| !path.ends_with("portero.toml"));
    let files = ours.map(|(path, content)| (path.display().to_string(), content));
    let printed = [("trace".to_owned(), trace.into_bytes()), ("ladder".to_owned(), ladder.into_bytes())];
    for (place, content) in files.chain(printed) {
        let found = content.windows(7).any(|window| window.eq_ignore_ascii_case(b"inline:"));
        assert!(!found, "{place} holds a key");
    }
}

/// A peer written by hand, whose SDP is whatever the test says.
struct Peer {
    sip: UdpSocket,
    server: SocketAddr,
    to_tag: String,
}

impl Peer {
    fn new(server: &Server) -> Self {
        let sip = UdpSocket::bind((server.loopback.ip(), 0)).expect("a free port");
        sip.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out that is not zero");
        Self { sip, server: server.loopback.sip(), to_tag: String::new() }
    }

    /// The answer to an INVITE, which is acknowledged if it is a 200: with `answer`, if there is one.
    fn invite(&mut self, cseq: u32, sdp: &str, answer: impl FnOnce(&str) -> String) -> String {
        let own = format!("\r\nCSeq: {cseq} INVITE\r\n");
        let mut room = vec![0; 65_536];
        for _ in 0..20 {
            self.send("INVITE", cseq, sdp);
            while let Ok((length, _)) = self.sip.recv_from(&mut room) {
                let message = String::from_utf8_lossy(&room[..length]).into_owned();
                if message.contains(&own) && !message.starts_with("SIP/2.0 1") {
                    let tag = message.lines().find_map(|line| line.strip_prefix("To: ")?.split_once(";tag="));
                    self.to_tag = format!(";tag={}", tag.expect("a tag").1);
                    let answer =
                        if message.starts_with("SIP/2.0 200") { answer(&message) } else { String::new() };
                    self.send("ACK", cseq, &answer);
                    return message;
                }
            }
        }
        panic!("no answer to INVITE {cseq}");
    }

    fn send(&self, method: &str, cseq: u32, sdp: &str) {
        let own = self.sip.local_addr().expect("it is bound");
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:1000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{cseq}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{CALLER}@{own}>;tag=1\r\nTo: <sip:1000@{server}>{}\r\n\
             Call-ID: by-hand\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@{own}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{sdp}",
            self.to_tag,
            sdp.len(),
            server = self.server,
        );
        self.sip.send_to(text.as_bytes(), self.server).expect("the loopback takes it");
    }

    /// A description of a stream of `protocol` with these values of a=crypto.
    fn sdp(&self, protocol: &str, lines: &[&str]) -> String {
        let ip = self.sip.local_addr().expect("it is bound").ip();
        let lines = lines.iter().fold(String::new(), |text, line| text + "a=crypto:" + line + "\r\n");
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 {protocol} 0\r\n{lines}"
        )
    }
}

/// The lines of a message's SDP that tell how media is encrypted, and which revision it is.
fn encryption_of(message: &str) -> Vec<&str> {
    message
        .lines()
        .filter(|line| ["o=", "m=", "a=crypto:"].iter().any(|kind| line.starts_with(kind)))
        .collect()
}

#[test]
fn offers_of_ours_are_encrypted_where_that_is_required_and_keys_stay_as_they_are() {
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let other = "MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm";
    let (first, second) = (
        format!("3 AES_CM_128_HMAC_SHA1_80 inline:{key}"),
        format!("3 AES_CM_128_HMAC_SHA1_80 inline:{other}"),
    );
    let server = serve("require");
    let mut peer = Peer::new(&server);
    let answer = peer.sdp("RTP/SAVP", &[&first]);
    let offered = peer.invite(1, "", |_| answer);
    let lines = encryption_of(&offered);
    assert!(lines[1].ends_with("RTP/SAVP 0 8 101") && lines.len() == 2 + SUITES.len(), "{offered}");
    let ours = lines.iter().find(|line| line.starts_with("a=crypto:3 ")).expect("the third suite");
    let ours = ours.strip_prefix("a=crypto:3 ").expect("it begins so").to_owned();
    server.wait_for_stage("1000", "greeting");
    // The peer offers the same suite, then with another key; ours stays, and so does the revision the second time.
    let once = peer.invite(2, &peer.sdp("RTP/SAVP", &[&first]), |_| String::new());
    let again = peer.invite(3, &peer.sdp("RTP/SAVP", &[&second]), |_| String::new());
    assert_eq!(encryption_of(&once)[2], format!("a=crypto:3 {ours}"));
    assert_eq!(encryption_of(&once), encryption_of(&again));
    let refused = peer.invite(4, &peer.sdp("RTP/AVP", &[]), |_| String::new());
    assert!(refused.starts_with("SIP/2.0 488 "), "{refused}");
    peer.send("BYE", 5, "");
    assert_eq!(server.wait_for_record("1000")["ended_by"], "caller");
}

#[test]
fn a_call_that_is_encrypted_is_offered_so() {
    let server = serve("allow");
    let mut peer = Peer::new(&server);
    let offer = peer.sdp("RTP/AVP", &["1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0OD6ChoqOkpaanqKmqqw=="]);
    let taken = peer.invite(1, &offer, |_| String::new());
    assert!(
        taken.contains("RTP/AVP 0\r\n") && taken.contains("a=crypto:1 AEAD_AES_128_GCM inline:"),
        "{taken}"
    );
    let answer = offer.replace("RTP/AVP", "RTP/SAVP");
    let offered = peer.invite(2, "", |_| answer);
    assert!(offered.contains("RTP/SAVP 0 8 101\r\n"), "{offered}");
    // Whoever gives it up may, and is then offered no more than they want.
    let taken = peer.invite(3, &peer.sdp("RTP/AVP", &[]), |_| String::new());
    assert!(taken.contains("RTP/AVP 0\r\n") && !taken.contains("crypto"), "{taken}");
    let answer = peer.sdp("RTP/AVP", &[]);
    let offered = peer.invite(4, "", |_| answer);
    assert!(offered.contains("RTP/AVP 0 8 101\r\n") && !offered.contains("crypto"), "{offered}");
    peer.send("BYE", 5, "");
    assert_eq!(server.wait_for_record("1000")["ended_by"], "caller");
}
