//! SIPp with each feature of the signalling, by UDP, TCP and TLS at the same time.
//!
//! A server that is asked the same by three transports has to say the same three times.

use std::time::Duration;

use serde_json::Value;

use crate::support::script::{OFFER, OFFER_OF_PCMA, Script, Sees::Body, Sees::Header};
use crate::support::server::Server;
use crate::support::sipp::{Call, Messages, Transport};
use crate::support::wait_for;

/// The demo's line without a wait, and with one that leaves time while it rings.
const AT_ONCE: &str = "ring_for = \"0s\"";
/// A number that the back end does not know.
const STRANGER: &str = "sip:+12025559999@caller.example";
const RINGS: (&str, &str) = (AT_ONCE, "ring_for = \"2s\"");

/// What SIPp has seen, and the record of each call.
struct Outcome {
    server: Server,
    messages: Vec<Messages>,
}

impl Outcome {
    /// The records of all calls, once they are kept.
    fn records(&self) -> Vec<Value> {
        let what = "record of every call";
        wait_for(what, Duration::from_secs(10), || {
            let calls = self.server.calls();
            let records: Vec<Value> = calls.iter().map(|call| call["record"].clone()).collect();
            (records.len() == Transport::ALL.len() && !records.contains(&Value::Null)).then_some(records)
        })
    }

    /// Whether every record says `value` in this field; `""` says that no call was taken.
    fn expect(&self, field: &str, value: &str) {
        for record in self.records() {
            assert_eq!(record.pointer(field), Some(&value.into()), "{record:#}");
        }
    }
}

/// Makes the call by each transport, all at the same time.
fn by_all(edits: &[(&str, &str)], call: impl Fn() -> Call) -> Outcome {
    let server = Server::serve_tls(edits);
    let calls = Transport::ALL.map(|transport| Call { transport, ..call() }.start(&server));
    let messages = calls.map(|call| call.finish(&server)).into();
    Outcome { server, messages }
}

/// The same, of a script.
fn script(edits: &[(&str, &str)], script: &Script) -> Outcome {
    by_all(edits, || Call { script: Some(script.text()), ..Call::default() })
}

#[test]
fn a_call_is_handed_over() {
    let outcome = by_all(&[], || Call { keys: "300ms 4711", ..Call::default() });
    outcome.expect("/verdict", "verified");
    outcome.expect("/hand_over/outcome", "completed");
    let targets = outcome.messages.iter().map(|messages| messages.header("REFER", "Refer-To"));
    let own = format!("@{};", outcome.server.loopback.sip());
    let own_tls = format!("@{};", outcome.server.loopback.sips());
    for (target, own) in targets.zip([&own, &own, &own_tls]) {
        assert!(target.contains(own), "{target}");
    }
}

#[test]
fn a_call_that_rings_is_given_up() {
    let outcome = by_all(&[RINGS], || Call { scenario: "cancels", ..Call::default() });
    outcome.expect("/ended_by", "caller");
}

#[test]
fn a_200_is_said_again_until_its_ack_is_there() {
    // RFC 3261 §13.3.1.4: whatever the transport, for it may be another one beyond the next proxy. By UDP, SIPp drops
    // what comes again by itself, and its log shows it; by a stream, it wants to be told.
    let streamed = Script::new()
        .invite("", OFFER)
        .maybe(100)
        .opens(200, &[])
        .response(200, &[])
        .response(200, &[])
        .ack(1, "")
        .bye(2);
    let datagrams = Script::new().invite("", OFFER).maybe(100).opens(200, &[]).pause(1800).ack(1, "").bye(2);
    let server = Server::serve_tls(&[]);
    let calls = Transport::ALL.map(|transport| {
        let script = if transport == Transport::Udp { &datagrams } else { &streamed };
        Call { transport, script: Some(script.text()), ..Call::default() }.start(&server)
    });
    for messages in calls.map(|call| call.finish(&server)) {
        let answers = messages.received("SIP/2.0 200").filter(|message| message.contains("INVITE\r\n"));
        assert!((3..=4).contains(&answers.count()));
    }
}

#[test]
fn ringing_is_reliable_and_updates_refresh_and_change_the_session() {
    let outcome = by_all(&[RINGS], || Call { scenario: "updates", ..Call::default() });
    outcome.expect("/ended_by", "caller");
}

#[test]
fn holding_resuming_and_another_codec() {
    let held = |how: &str| format!("{OFFER}\na={how}");
    // A media description's own connection comes before its attributes (RFC 8866 §5).
    let nowhere = OFFER.replacen(" 101\n", " 101\nc=IN IP4 0.0.0.0\n", 1);
    let changes = [
        (held("sendonly"), Body("a=recvonly")),
        (held("sendrecv"), Body("a=sendrecv")),
        (held("inactive"), Body("a=inactive")),
        (OFFER.to_owned(), Body("a=sendrecv")),
        (nowhere, Body("m=audio [0-9]+ RTP/AVP 0")),
        (OFFER_OF_PCMA.to_owned(), Body("m=audio [0-9]+ RTP/AVP 8")),
    ];
    let mut steps = Script::new().invite("", OFFER).answered(&[Body("m=audio [0-9]+ RTP/AVP 0")]);
    for (cseq, (offer, answer)) in (2..).zip(&changes) {
        steps = steps.request(cseq, "INVITE", "", offer).maybe(100);
        steps = steps.response(200, std::slice::from_ref(answer)).ack(cseq, "");
    }
    let outcome = script(&[], &steps.bye(20));
    outcome.expect("/ended_by", "caller");
}

#[test]
fn an_invite_without_an_offer_gets_one() {
    let steps = Script::new()
        .invite("", "")
        .maybe(100)
        .opens(200, &[Body("m=audio [0-9]+ RTP/AVP"), Body("telephone-event")])
        .ack(1, OFFER_OF_PCMA)
        .keys()
        .wait_for("REFER", &[])
        .answer("603 Decline", "", "")
        .wait_for("BYE", &[])
        .answer("200 OK", "", "");
    let outcome = by_all(&[], || Call { script: Some(steps.text()), keys: "300ms 4711", ..Call::default() });
    outcome.expect("/verdict", "verified");
    outcome.expect("/hand_over/outcome", "refused");
}

#[test]
fn an_answer_with_numbers_of_its_own_leaves_keys_those_of_our_offer() {
    // RFC 3264 §6.1: the answer's 96 is for what we send; SIPp keys by the 101 of our offer.
    let answer = OFFER.replace("101", "96");
    let steps =
        Script::new().invite("", "").maybe(100).opens(200, &[Body("101 telephone-event")]).ack(1, &answer);
    let steps = steps.keys().wait_for("REFER", &[]).answer("603 Decline", "", "");
    let steps = steps.wait_for("BYE", &[]).answer("200 OK", "", "");
    let outcome = by_all(&[], || Call { script: Some(steps.text()), keys: "300ms 4711", ..Call::default() });
    outcome.expect("/verdict", "verified");
}

#[test]
fn offers_that_cross_are_refused_by_491() {
    // Our offer is in the 200, and its answer has not come: a new offer has to wait (RFC 3264 §4, RFC 3311 §5.2).
    let steps = Script::new()
        .invite("", "")
        .maybe(100)
        .opens(200, &[])
        .request(2, "UPDATE", "", OFFER)
        .response(491, &[])
        .request(3, "INVITE", "", OFFER)
        .maybe(100)
        .response(491, &[])
        .ack_refusal("3-INVITE", 3)
        .ack(1, OFFER)
        .request(4, "UPDATE", "", OFFER_OF_PCMA)
        .response(200, &[Body("RTP/AVP 8")])
        .bye(5);
    script(&[], &steps).expect("/ended_by", "caller");
}

#[test]
fn keys_come_by_info() {
    let mut steps = Script::new().invite("", OFFER).answered(&[]);
    for (cseq, key) in (2..).zip("4711".chars()) {
        let (kind, body) = if cseq % 2 == 0 {
            ("application/dtmf-relay", format!("Signal={key}\nDuration=100"))
        } else {
            ("application/dtmf", key.to_string())
        };
        steps = steps.request(cseq, "INFO", &format!("Content-Type: {kind}"), &body);
        steps = steps.response(200, &[]).pause(250);
    }
    let steps = steps
        .request(6, "INFO", "Content-Type: application/x-unknown", "?")
        .response(415, &[Header("Accept", "application/dtmf-relay")])
        .request(7, "INFO", "Info-Package: conference", "")
        .response(469, &[Header("Recv-Info", "nil")])
        .wait_for("REFER", &[])
        .answer("603 Decline", "", "")
        .wait_for("BYE", &[])
        .answer("200 OK", "", "");
    script(&[], &steps).expect("/verdict", "verified");
}

#[test]
fn what_does_not_fit_into_the_dialog_is_refused_and_the_call_goes_on() {
    let steps = Script::new()
        .invite("", OFFER)
        .answered(&[])
        .request(5, "OPTIONS", "", "")
        .response(200, &[])
        .request(6, "INFO", "", "")
        .response(200, &[])
        // Older than the last one.
        .request(3, "INFO", "", "")
        .response(500, &[])
        .request(7, "PRACK", "RAck: 1 1 INVITE", "")
        .response(481, &[])
        .request(8, "REFER", "Refer-To: <sip:elsewhere@192.0.2.1>", "")
        .response(603, &[])
        .request(9, "MESSAGE", "Content-Type: text/plain", "hello")
        .response(405, &[Header("Allow", "INVITE")])
        .request(10, "KICK", "", "")
        .response(501, &[Header("Allow", "INVITE")])
        .request(11, "INFO", "Require: teleport", "")
        .response(420, &[Header("Unsupported", "teleport")])
        .request(12, "INVITE", "", "m=video 4000 RTP/AVP 96\na=rtpmap:96 H264/90000")
        .maybe(100)
        .response(488, &[])
        .ack_refusal("12-INVITE", 12)
        .bye(13);
    script(&[], &steps).expect("/ended_by", "caller");
}

#[test]
fn the_same_call_by_two_ways_is_one() {
    let steps = Script::new()
        .invite("", OFFER)
        .maybe(100)
        .response(180, &[])
        .request_with("other-way", 1, "INVITE", "", OFFER)
        .maybe(100)
        .response(482, &[])
        .ack_refusal("other-way", 1)
        .opens(200, &[])
        .ack(1, "")
        .bye(2);
    script(&[RINGS], &steps).expect("/ended_by", "caller");
}

#[test]
fn who_asks_what_there_is_is_told() {
    let steps = Script::new().request(1, "OPTIONS", "", "").response(
        200,
        &[
            Header("Allow", "INVITE"),
            Header("Allow", "UPDATE"),
            Header("Accept", "application/sdp"),
            Header("Supported", "100rel"),
        ],
    );
    assert_eq!(script(&[], &steps).server.calls(), [Value::Null; 0]);
}

/// A call that is turned away, and why.
fn turned_away(
    headers: &str,
    media: &str,
    line: &'static str,
    status: u16,
    sees: &[crate::support::script::Sees],
) {
    let steps =
        Script::new().invite(headers, media).maybe(100).response(status, sees).ack_refusal("1-INVITE", 1);
    let outcome = by_all(&[], || Call { script: Some(steps.text()), line, ..Call::default() });
    let calls = outcome.server.calls();
    assert!(calls.iter().all(|call| call["record"]["answered_at"] == Value::Null), "{calls:#?}");
}

#[test]
fn a_line_that_nobody_has_is_not_found() {
    turned_away("", OFFER, "9999", 404, &[]);
}

#[test]
fn a_call_of_no_common_codec_is_refused() {
    let offer = "m=audio [media_port] RTP/AVP 97\na=rtpmap:97 opus-of-tomorrow/48000";
    turned_away("", offer, "1000", 488, &[]);
}

#[test]
fn an_extension_that_is_required_and_not_there_is_named() {
    turned_away("Require: replaces", OFFER, "1000", 420, &[Header("Unsupported", "replaces")]);
}

#[test]
fn a_session_that_is_too_brief_is_told_how_long_it_has_to_be() {
    let asked = "Supported: timer\nSession-Expires: 60";
    turned_away(asked, OFFER, "1000", 422, &[Header("Min-SE", "90")]);
}

/// The line that is dialled stays up for minutes without a key or a packet.
const PATIENT: [(&str, &str); 2] = [
    ("first_digit_timeout = \"2s\" }", "first_digit_timeout = \"2m\", total_timeout = \"3m\" }"),
    ("silence_timeout = \"60s\"", "silence_timeout = \"5m\""),
];

/// A call to that line, whose session has to be refreshed within 90 s, the shortest time there is.
fn timed(refresher: &str, allow: &str) -> Script {
    let headers = format!("Supported: timer\nAllow: {allow}\nSession-Expires: 90;refresher={refresher}");
    let agreed = if refresher == "uas" { "90;refresher=uas" } else { "90;refresher=uac" };
    Script::new().invite(&headers, OFFER).answered(&[Header("Session-Expires", agreed)])
}

#[test]
fn session_timers_run_in_real_time_in_both_roles() {
    let by_update = timed("uas", "INVITE, ACK, BYE, UPDATE")
        .wait_for("UPDATE", &[Header("Session-Expires", "90;refresher=uac")])
        .answer("200 OK", "Require: timer\nSession-Expires: 90;refresher=uac", "")
        .bye(2);
    let by_invite = timed("uas", "INVITE, ACK, BYE")
        .wait_for("INVITE", &[Header("Session-Expires", "90;refresher=uac"), Body("m=audio")])
        .answer("200 OK", "Require: timer\nSession-Expires: 90;refresher=uac", OFFER)
        .wait_for("ACK", &[])
        .bye(2);
    // Nobody refreshes this one.
    let left_alone = timed("uac", "INVITE, ACK, BYE, UPDATE").wait_for("BYE", &[]).answer("200 OK", "", "");
    let server = Server::serve_tls(&PATIENT);
    let scripts = [&by_update, &by_invite, &left_alone];
    let calls: Vec<_> = Transport::ALL
        .into_iter()
        .zip(scripts)
        .map(|(transport, script)| {
            let deadline = Duration::from_secs(90);
            Call {
                transport,
                script: Some(script.text()),
                line: "1003",
                from: STRANGER,
                deadline,
                ..Call::default()
            }
            .start(&server)
        })
        .collect();
    for call in calls {
        call.finish(&server);
    }
    // Only the one that nobody refreshed has ended before its caller ended it.
    let calls = wait_for("records of all calls", Duration::from_secs(10), || {
        let calls = server.calls();
        let recorded = calls.iter().filter(|call| !call["record"].is_null()).count();
        (recorded == scripts.len()).then_some(calls)
    });
    let ends: Vec<_> = calls.iter().map(|call| call["record"]["reason"].as_str()).collect();
    assert_eq!(ends.iter().flatten().collect::<Vec<_>>(), [&"the peer is gone"]);
    assert_eq!(ends.len(), 3);
}
