//! A softphone that knows nothing of us: it dials, listens, keys, follows the REFER and hears the agent.

use std::time::Duration;

use crate::support::baresip::Baresip;
use crate::support::server::Server;
use crate::support::sound;

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
