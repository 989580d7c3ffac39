//! Lock-outs of the real program: exact under concurrent calls and across `kill -9`, listed and lifted; and numbers whose
//! calls are not taken or asked nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Server, portero};
use crate::support::wait_for;

/// What SIP calls at a time may cost here is what a machine in use costs; it is not what is tested.
pub const PATIENT: (&str, &str) = ("# late_percent = 20", "late_percent = 100");
/// Whoever is wrong once goes to an agent.
pub const NO_RETRY: (&str, &str) =
    ("[lines.verification]\ndigits = 4\nretries = 3", "[lines.verification]\ndigits = 4\nretries = 0");
/// A customer's number, and the customer.
pub const MARIA: (&str, &str) = ("+12025550101", "10000001");

/// Calls line 1000 so many times from `number`, each keying `keys` once it is asked for the PIN.
pub fn call(server: &Server, calls: u32, number: &str, keys: &str) -> Value {
    let uri = format!("sip:1000@{}", server.loopback.sip());
    let (ip, calls, keys) = (server.loopback.ip().to_string(), calls.to_string(), format!("prompt,{keys}"));
    let fixed = ["load", &uri, "--json", "--bind", &ip, "--rate", "50", "--hold", "30s"];
    let told = portero(&[&fixed[..], &["--calls", &calls, "--from", number, "--keys", &keys]].concat());
    serde_json::from_slice(&told.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&told.stderr)))
}

/// How often the back end has been asked whether a PIN is right, and said so.
pub fn asked(server: &Server, result: &str) -> u64 {
    server.metric(&format!("portero_crm_requests_total{{action=\"check_pin\",result=\"{result}\"}}"))
}

/// The records of all calls, once there are so many.
pub fn records(server: &Server, calls: usize) -> Vec<Value> {
    wait_for("records of all calls", Duration::from_secs(20), || {
        let all = server.api("/api/v1/calls?limit=1000");
        let all = all["calls"].as_array().expect("a list of calls");
        let records: Vec<Value> = all.iter().map(|call| call["record"].clone()).collect();
        (records.len() == calls && records.iter().all(|record| !record.is_null())).then_some(records)
    })
}

fn locks(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let url = format!("http://{}", server.loopback.web());
    let told = portero(&[&["locks", "--api", &url], arguments].concat());
    (told.status.code(), String::from_utf8_lossy(&told.stdout).into_owned())
}

#[test]
fn a_hundred_concurrent_calls_and_a_kill_nine_do_not_get_a_sixth_proof_through() {
    let mut server = Server::serve(&[PATIENT, NO_RETRY]);
    call(&server, 3, MARIA.0, "9999#");
    records(&server, 3);
    assert_eq!(asked(&server, "rejected"), 3);
    server.kill();
    let Server { loopback, folder, .. } = server;
    let server = Server::serve_at(loopback, folder, &[PATIENT, NO_RETRY]);
    call(&server, 100, MARIA.0, "9999#");
    let records = records(&server, 103);
    assert_eq!(asked(&server, "rejected"), 2, "three before it was killed, two after");
    let locked = records.iter().filter(|record| record["locked"] == "customer").count();
    assert!((50..=98).contains(&locked), "most had something to key: {locked}");
    assert_eq!(server.metric("portero_lock_outs_total{by=\"customer\"}"), locked as u64);
}

#[test]
fn a_locked_customer_goes_to_an_agent_identified_only_until_the_lock_out_is_lifted() {
    let one_retry = NO_RETRY.1.replace('0', "1");
    let few = ("customer = { tries = 5", "customer = { tries = 2");
    let server = Server::serve(&[PATIENT, (NO_RETRY.0, &one_retry), few]);
    call(&server, 2, MARIA.0, "9999#");
    let told = call(&server, 1, MARIA.0, "4711#,prompt,4711#");
    assert_eq!((asked(&server, "rejected"), asked(&server, "accepted")), (2, 0), "{told:#}");
    let records = records(&server, 3);
    let told = ["verdict", "locked", "secret_attempts"].map(|name| records[0][name].clone());
    assert_eq!(told, [json!("identified"), json!("customer"), json!(2)], "{:#}", records[0]);
    assert_eq!(records[0]["hand_over"]["outcome"], "completed", "{:#}", records[0]);

    let (code, list) = locks(&server, &[]);
    assert!(code == Some(0) && list.contains("customer  10000001"), "{list}");
    let lifted = (Some(0), "customer 10000001: 2 failed proofs forgotten\n".to_owned());
    assert_eq!(locks(&server, &["lift", "customer", MARIA.1]), lifted);
    assert_eq!(locks(&server, &[]), (Some(0), "nothing is locked\n".to_owned()));
    assert_eq!(locks(&server, &["lift", "customer", MARIA.1]).0, Some(1), "there is nothing left to lift");
    call(&server, 1, MARIA.0, "4711#");
    assert_eq!(asked(&server, "accepted"), 1);
}

#[test]
fn blocked_numbers_are_refused_and_others_go_to_an_agent_without_a_question() {
    let numbers =
        "[numbers]\nblocked = [\"+1900*\"]\nto_agent = [\"+12025550100-+12025550105\"]\n\n[prompts]";
    let server = Server::serve(&[PATIENT, ("[prompts]", numbers)]);
    let told = call(&server, 1, "+19005550101", "4711#");
    assert_eq!(told["failures"], json!({ "were refused with 603": 1 }), "{told:#}");
    let told = call(&server, 1, MARIA.0, "4711#");
    assert_eq!(told["calls"]["handed_over"], 1, "{told:#}");
    let records = records(&server, 2);
    let told = |record: &Value| {
        ["verdict", "reason", "secret_attempts", "customer"].map(|name| record[name].clone())
    };
    let blocked = [json!("unidentified"), json!("the calling number is blocked"), json!(0), Value::Null];
    assert_eq!(told(&records[1]), blocked);
    assert_eq!(told(&records[0]), [json!("unidentified"), Value::Null, json!(0), Value::Null]);
    assert_eq!(records[0]["hand_over"]["outcome"], "completed");
}
