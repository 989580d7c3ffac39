//! Records to test with.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Kept, Store, Writer};
use crate::call::record::{
    AniSource, Attestation, CheckOutcome, CheckedBy, Fault, Lock, Method, RECORD_VERSION, Verdict,
};
use crate::call::{CallRecord, EndedBy, HandOver, HandOverOutcome, MediaFigures, Trace};

/// A record with every field filled; `number` makes its identifier, its token and its time its own.
pub(crate) fn record(number: u64) -> CallRecord {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("an instant");
    let started_at = start + SignedDuration::from_millis(i64::try_from(number).expect("small") * 1_500);
    CallRecord {
        version: RECORD_VERSION,
        id: format!("{number:016x}"),
        line: if number.is_multiple_of(2) { "1000" } else { "1001" }.to_owned(),
        ani: Some("+12025550101".to_owned()),
        ani_source: Some(AniSource::PAssertedIdentity),
        ani_withheld: false,
        ani_verstat: Some(CheckOutcome::Passed),
        ani_attestation: Some(Attestation::A),
        ani_checked_by: Some(CheckedBy::Portero),
        ani_check_fault: Some(Fault::Absent),
        trunk: Some("carrier".to_owned()),
        first_dialled: Some("+12025550001".to_owned()),
        started_at,
        answered_at: Some(started_at + SignedDuration::from_nanos(1)),
        ended_at: started_at + SignedDuration::from_millis(41_250),
        customer: Some("10000001".to_owned()),
        name: Some("Siân O’Neill".to_owned()),
        identified_by: Some(Method::Ani),
        identifier: Some("account".to_owned()),
        factors: vec!["pin".to_owned(), "birth-date".to_owned()],
        language: Some("en".to_owned()),
        lines: vec!["self-service".to_owned()],
        closed: true,
        contained: true,
        locked: Some(Lock::Customer),
        consent: Some(true),
        identifier_attempts: 2,
        secret_attempts: 1,
        opted_out: false,
        back_end_failure: Some("timed_out".to_owned()),
        verdict: Verdict::Verified,
        hand_over: Some(HandOver {
            target: "agents".to_owned(),
            token: format!("token-{number}"),
            outcome: HandOverOutcome::Completed,
            status: Some(200),
        }),
        ended_by: EndedBy::Portero,
        reason: Some("handed over".to_owned()),
        recording: Some("2026-11-23/0123456789abcdef.wav".to_owned()),
        media: MediaFigures {
            packets_sent: 2_000,
            packets_received: 1_990,
            packets_lost: 10,
            jitter_ms: 1.25,
            remote_loss: Some(0.005),
            remote_jitter_ms: Some(0.75),
            round_trip_ms: Some(31.5),
            remote_opinion: Some(4.25),
            encrypted: Some(true),
        },
    }
}

/// Keeps these records, as a server does that ends with them.
pub(crate) async fn keep(store: &Store, records: impl IntoIterator<Item = CallRecord>) {
    let writer = Writer::start(store, Kept::NOTHING, |_| ()).expect("started");
    for record in records {
        writer.submit(record).expect("there is room");
    }
    writer.drain().await;
}

/// Whether a file below the folder has this in it, or in its name. One that goes while it is looked for, as the database's
/// log does when the last connection closes, has nothing in it.
pub(crate) fn is_anywhere(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains(text) {
            return true;
        }
        if path.is_dir() {
            return is_anywhere(&path, text);
        }
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// The barest record there can be.
pub(crate) fn bare(number: u64) -> CallRecord {
    CallRecord {
        ani: None,
        ani_source: None,
        ani_withheld: true,
        ani_verstat: None,
        ani_attestation: None,
        ani_checked_by: None,
        ani_check_fault: None,
        trunk: None,
        first_dialled: None,
        answered_at: None,
        customer: None,
        name: None,
        identified_by: None,
        identifier: None,
        factors: Vec::new(),
        language: None,
        lines: Vec::new(),
        closed: false,
        contained: false,
        locked: None,
        consent: None,
        identifier_attempts: 0,
        secret_attempts: 0,
        opted_out: true,
        back_end_failure: None,
        verdict: Verdict::Unidentified,
        hand_over: None,
        ended_by: EndedBy::Caller,
        reason: None,
        recording: None,
        media: MediaFigures::default(),
        ..record(number)
    }
}

/// A trace of two messages, as it is stored, with words in them that are not only words to a browser.
pub(crate) fn trace(number: u64) -> Trace {
    let at = record(number).ended_at;
    let message = |direction: &str, text: &str| {
        json!({
            "at": at, "direction": direction, "transport": "udp", "local": "192.0.2.1:5060",
            "peer": "192.0.2.9:5060", "text": text,
        })
    };
    let first = [
        message("in", "OPTIONS sip:a@b SIP/2.0\r\nFrom: \"<b>x</b>\" <sip:a@b>\r\n\r\n"),
        message("out", "SIP/2.0 486 <script>alert(1)</script>\r\n\r\n"),
    ];
    let trace = json!({ "call": format!("{number:016x}"), "first": first, "left_out": 0, "last": [] });
    serde_json::from_value(trace).expect("a trace")
}
