//! SIPp with what the field adds to RFC 3261: reliable ringing, UPDATE, session timers.

use crate::support::server::Server;
use crate::support::sipp::Call;

#[test]
fn ringing_is_reliable_and_updates_refresh_and_change_the_session() {
    let server = Server::serve(&[("ring_for = \"0s\"", "ring_for = \"1s\"")]);
    let messages = Call { scenario: "updates", ..Call::default() }.run(&server);
    let answers = messages.received("SIP/2.0 200").filter(|text| text.contains("\nm=audio ")).count();
    assert_eq!(answers, 2, "one to the INVITE, one to the UPDATE that offers");
    let record = server.wait_for_record("1000");
    assert_eq!(record["ended_by"], "caller");
    assert_ne!(record["answered_at"], serde_json::Value::Null);
}
