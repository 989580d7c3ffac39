//! `kill -9` loses no record of a call that was reported as ended.

use serde_json::Value;

use crate::support::server::{Server, portero};
use crate::support::sipp::Call;

#[test]
fn a_record_that_was_seen_outlives_kill_nine() {
    let mut server = Server::demo();
    Call { keys: "300ms 4711", ..Call::default() }.run(&server);
    let seen = server.wait_for_record("1000");
    server.kill();
    let data = server.data();
    let kept = portero(&["records", "--json", "--data", data.to_str().expect("a path in UTF-8")]);
    assert!(kept.status.success(), "{}", String::from_utf8_lossy(&kept.stderr));
    let kept: Value = serde_json::from_slice(&kept.stdout).expect("JSON");
    assert_eq!(kept, Value::Array(vec![seen]));
}
