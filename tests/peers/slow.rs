//! Hundreds of callers at a time, and a back end that keeps half of them waiting: their sound is as good as that of the
//! other half, nobody waits past the deadline, and the breaker opens and closes.
//!
//! There are as many as an unoptimised server carries beside other tests; `tests/simulation/thousand.rs` has a thousand.
//! The two halves are the same calls to the same server at the same time, so that each is the other's control: what
//! the machine does to one it does to the other.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::load::{Load, later_ms};
use crate::support::server::{Server, portero};
use crate::support::slow_back_end::SlowBackEnd;
use crate::support::wait_for;

/// Callers of each half.
const HALF: u64 = 150;

/// How long the back end may take.
const DEADLINE_S: f64 = 1.0;

/// What a busy machine may add to that: to the instant at which the wait ends, and to what is said and sent before and
/// after it.
const MARGIN_S: f64 = 2.0;

/// How much later the packets of one half may come than those of the other.
const LATER_MS: f64 = 20.0;

/// How long the whole may take: half a minute on a machine that has nothing else to do.
const OVER_WITHIN: Duration = Duration::from_secs(90);

/// What is awaited that follows at once.
const SOON: Duration = Duration::from_secs(20);

/// A server whose line 1003 asks for an identifier, without haste, takes calls however late its sound is, and has a
/// breaker that is quick to open and to look again.
fn server(back_end: &SlowBackEnd) -> Server {
    let service = format!(
        "[back_ends.slow]\nbase_url = \"http://{}\"\ndeadline = \"{DEADLINE_S}s\"\n\
         breaker = {{ failures = 10, percent = 20, window = \"10s\", open_for = \"2s\" }}\n\n# [back_ends.tickets]",
        back_end.address
    );
    Server::serve_quietly(&[
        ("# [back_ends.tickets]", &service),
        ("[actions.customer_by_identifier]", "[actions.customer_by_identifier]\nback_end = \"slow\""),
        (
            "digits = \"6-10\", retries = 1, first_digit_timeout = \"2s\"",
            "digits = 8, first_digit_timeout = \"60s\", total_timeout = \"90s\"",
        ),
        ("name = \"Business customers\"", "name = \"Business customers\"\nidentify_by_number = false"),
        ("verification = { digits = 4, retries = 0 }", ""),
        ("# late_percent = 20", "late_percent = 100"),
    ])
}

/// Half of the callers, all of whom key this once all of them are there.
fn place(server: &Server, identifier: &str, ports: &str) -> Load {
    let keys = format!("9s,{identifier}");
    Load::start(server, "1003", HALF, ports, &["--rate", "25", "--hold", "80s", "--keys", &keys])
}

/// All records, once they are kept.
fn records(server: &Server) -> Vec<Value> {
    let data = server.data();
    let data = data.to_str().expect("a path in UTF-8");
    let kept = || match serde_json::from_slice(&portero(&["records", "--json", "--data", data]).stdout) {
        Ok(Value::Array(records)) => records,
        _ => panic!("the records cannot be read"),
    };
    wait_for("every record", SOON, || Some(kept()).filter(|records| records.len() as u64 == 2 * HALF))
}

/// How long the call of a record was up.
fn seconds(record: &Value) -> f64 {
    let at = |field: &str| -> jiff::Timestamp {
        record[field].as_str().and_then(|text| text.parse().ok()).expect("a time")
    };
    at("ended_at").duration_since(at("answered_at")).as_secs_f64()
}

fn asked(server: &Server, result: &str) -> u64 {
    let labels = format!("{{action=\"customer_by_identifier\",result=\"{result}\"}}");
    server.metric(&format!("portero_crm_requests_total{labels}"))
}

fn is_open(server: &Server) -> bool {
    server.metric("portero_crm_breaker_open{back_end=\"slow\"}") == 1
}

#[test]
fn callers_are_heard_and_go_on_where_the_back_end_is_slow_for_half_of_them() {
    let back_end = SlowBackEnd::start();
    let server = server(&back_end);
    let halves = [("10000001", "30000-44999"), ("20000002", "45000-59999")];
    let halves = halves.map(|(identifier, ports)| place(&server, identifier, ports));
    wait_for("hundreds of calls at a time", SOON * 2, || {
        (server.metric("portero_calls_active") == 2 * HALF).then_some(())
    });
    assert_eq!(back_end.asked(), 0, "all are there before the first has keyed");
    let halves = halves.map(|half| half.finish(OVER_WITHIN));
    hear(&halves);
    let records = records(&server);
    wait(&server, &records);
    close(&server, &back_end);
}

/// Every call had sound and was handed over, no packet was lost, and neither half's came later than the other's.
fn hear(halves: &[Value; 2]) {
    for half in halves {
        let calls = ["answered", "at_a_time", "handed_over"].map(|name| &half["calls"][name]);
        assert_eq!((calls, &half["failures"]), ([&json!(HALF); 3], &json!({})), "{half:#}");
        assert_eq!(half["packets"]["lost"], 0, "{half:#}");
    }
    for figure in ["p50", "p99"] {
        let later = later_ms(&halves[1], &halves[0], figure);
        assert!(later <= LATER_MS, "{figure}: {:#}, {:#}", halves[0], halves[1]);
    }
}

/// Nobody waited past the deadline. Those who had to wait for it are those who timed out; whoever found the breaker
/// open had no wait, and hears the same.
fn wait(server: &Server, records: &[Value]) {
    let failed = |how: &str| -> Vec<f64> {
        records.iter().filter(|record| record["back_end_failure"] == how).map(seconds).collect()
    };
    let (waited, refused) = (failed("timed_out"), failed("circuit_open"));
    let identified = records.iter().filter(|record| record["verdict"] == "identified").count();
    assert!(
        waited.len() >= 10 && !refused.is_empty() && identified > 0,
        "{waited:?}, {refused:?}, {identified}"
    );
    assert_eq!(waited.len() + refused.len() + identified, records.len(), "no caller came to anything else");
    let longest = |calls: &[f64]| calls.iter().copied().fold(0.0, f64::max);
    let (longest, unwaited) = (longest(&waited), longest(&refused));
    assert!(longest - unwaited <= DEADLINE_S + MARGIN_S, "{longest} s, and {unwaited} s without a wait");
    let of_metrics = ["timed_out", "circuit_open", "match"].map(|result| asked(server, result));
    assert_eq!(of_metrics.iter().sum::<u64>(), 2 * HALF, "each is counted once: {of_metrics:?}");
    let bucket = |le: &str| server.metric(&format!("portero_crm_request_seconds_bucket{{le=\"{le}\"}}"));
    assert_eq!(bucket("3"), bucket("+Inf"), "the deadline and the margin hold for each request");
}

/// The breaker has opened, and closes once the back end is quick again.
fn close(server: &Server, back_end: &SlowBackEnd) {
    assert!(server.log().contains("it fails so often that it is left alone"), "{}", server.log());
    back_end.be_quick();
    let uri = format!("sip:1003@{}", server.loopback.sip());
    let arguments = ["call", &uri, "--keys", "speech,10000001", "--no-follow", "--expect", "identified"];
    wait_for("call that is identified", SOON, || portero(&arguments).status.success().then_some(()));
    wait_for("closed breaker", SOON, || (!is_open(server)).then_some(()));
    assert!(server.log().contains("it answers again"), "{}", server.log());
}
