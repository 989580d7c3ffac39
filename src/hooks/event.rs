//! What a receiver is told: an id, which is the same however often it is sent, and a body.
//!
//! A body holds what is named here, and personal data only where the receiver's `fields` have it: a field that records
//! gain some day does not travel by itself.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Webhook;
use crate::call::{CallId, CallRecord, Happening, Milestone};

/// The version of the body's shape. Within one, fields are added and never renamed.
const VERSION: u32 = 1;

/// What a receiver may know of a call besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The calling number.
    Ani,
    /// The identifier of the customer.
    Customer,
    /// The name of the customer.
    Name,
    /// The token of the hand-over, by which the API tells who has been handed over.
    Token,
}

/// What the end of a call tells of its record, as long as the record has it.
const OF_RECORD: [&str; 23] = [
    "started_at",
    "answered_at",
    "ended_at",
    "ended_by",
    "ani_source",
    "ani_withheld",
    "ani_verstat",
    "ani_attestation",
    "ani_checked_by",
    "ani_check_fault",
    "identified_by",
    "identifier",
    "identifier_attempts",
    "secret_attempts",
    "factors",
    "language",
    "lines",
    "closed",
    "contained",
    "locked",
    "consent",
    "opted_out",
    "back_end_failure",
];

/// Something to be told to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Tells it from all others; `webhook-id`.
    pub id: String,
    /// The call that it is of: its events are sent in order.
    pub call: CallId,
    /// When it happened.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}

impl Event {
    /// What `webhook` is told of this.
    pub fn of(happening: &Happening, webhook: &Webhook) -> Self {
        let kind = happening.what.kind().as_str();
        let id = format!("{}-{kind}", happening.call.id);
        let body = body(&id, &format!("call.{kind}"), happening.at, &data(happening, webhook));
        Self { body, call: CallId::parse(&happening.call.id).unwrap_or(CallId(0)), at: happening.at, id }
    }

    /// One that is of no call, to try a receiver with; `number` makes its id its own.
    pub fn test(number: u64, at: Timestamp) -> Self {
        let id = format!("test-{number:016x}");
        let body = body(&id, "webhook.test", at, &json!({}));
        Self { body, call: CallId(number), at, id }
    }
}

fn body(id: &str, kind: &str, at: Timestamp, data: &Value) -> String {
    json!({ "version": VERSION, "id": id, "type": kind, "timestamp": at, "data": data }).to_string()
}

fn data(happening: &Happening, webhook: &Webhook) -> Value {
    let call = &happening.call;
    let may = |field| webhook.fields.contains(&field);
    let mut data = Map::new();
    let mut put = |key: &str, value: Value| drop(data.insert(key.to_owned(), value));
    put("call", json!(call.id));
    put("line", json!(call.line));
    put("trunk", json!(call.trunk));
    put("verdict", json!(call.verdict.as_str()));
    let personal = [("ani", Field::Ani, &call.ani), ("customer", Field::Customer, &call.customer)];
    for (key, field, value) in personal.into_iter().chain([("name", Field::Name, &call.name)]) {
        if may(field) {
            put(key, json!(value));
        }
    }
    match happening.what {
        Milestone::Locked(lock) => put("locked", json!(lock)),
        Milestone::Failed(aim) => put("failed", json!(aim.as_str())),
        Milestone::Started | Milestone::Identified | Milestone::Verified | Milestone::HandedOver => {}
        Milestone::Ended => put("record", json!(call.record.as_deref().map(of_record))),
    }
    if let Some(hand_over) = &call.hand_over {
        let mut told = json!({ "target": hand_over.target, "outcome": hand_over.outcome });
        if may(Field::Token) {
            told["token"] = json!(hand_over.token);
        }
        put("hand_over", told);
    }
    data.into()
}

fn of_record(record: &CallRecord) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(record) else { return Map::new() };
    OF_RECORD.into_iter().filter_map(|key| Some((key.to_owned(), all.remove(key)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::webhook;
    use super::*;
    use crate::call::{Aim, CallView, Lock};
    use crate::records::sample;

    fn happening(what: Milestone) -> Happening {
        let record = sample::record(2);
        Happening { what, at: record.ended_at, call: CallView::of_record(record) }
    }

    fn told(what: Milestone, fields: &[Field]) -> Value {
        let webhook = Webhook { fields: fields.iter().copied().collect(), ..webhook("http://127.0.0.1/") };
        let event = Event::of(&happening(what), &webhook);
        let body: Value = serde_json::from_str(&event.body).expect("JSON");
        assert_eq!((&body["id"], &body["version"]), (&json!(event.id), &json!(1)));
        body
    }

    #[test]
    fn a_body_says_what_happened_to_which_call() {
        let body = told(Milestone::Failed(Aim::Verification), &[]);
        assert_eq!(body["type"], "call.failed");
        assert_eq!(body["id"], "0000000000000002-failed");
        let data = json!({
            "call": "0000000000000002", "line": "1000", "trunk": "carrier", "verdict": "verified",
            "failed": "verification", "hand_over": { "target": "agents", "outcome": "completed" },
        });
        assert_eq!(body["data"], data);
        assert_eq!(told(Milestone::Locked(Lock::Ani), &[])["data"]["locked"], "ani");
    }

    #[test]
    fn the_end_of_a_call_tells_of_its_record() {
        let body = told(Milestone::Ended, &[]);
        let record = body["data"]["record"].as_object().expect("a record");
        for key in OF_RECORD.iter().filter(|key| **key != "locked") {
            assert!(record.contains_key(*key), "{key}: {record:?}");
        }
        assert_eq!(record["secret_attempts"], 1);
    }

    #[test]
    fn personal_data_travels_only_where_it_is_wanted() {
        let personal = ["+12025550101", "10000001", "Siân O’Neill", "token-2"];
        let fields = [Field::Ani, Field::Customer, Field::Name, Field::Token];
        for what in [Milestone::Identified, Milestone::Ended] {
            for wanted in 0..=fields.len() {
                let body = told(what, &fields[..wanted]).to_string();
                let held: Vec<_> = personal.iter().filter(|text| body.contains(**text)).collect();
                assert_eq!(held.len(), wanted, "{held:?}");
                assert!(!body.contains("2025550001"), "whom the caller dialled first is nobody's business");
            }
        }
    }
}
