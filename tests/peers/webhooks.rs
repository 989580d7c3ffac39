//! Others are told of calls, whatever becomes of the server or of them; and no call waits for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::receiver::{Receiver, Told};
use crate::support::server::{Server, portero};
use crate::support::sipp::Call;
use crate::support::wait_for;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PIN: &str = "4711";

fn section(receiver: &Receiver) -> String {
    let address = receiver.address();
    format!(
        "[[webhooks]]\nname = \"crm\"\nurl = \"http://{address}/hooks\"\nsecret = \"{SECRET}\"\n\
         fields = [\"ani\", \"customer\", \"name\", \"token\"]\n\n[prompts]"
    )
}

/// What was told of the only call, by type, each once.
fn types(told: &[Told]) -> Vec<String> {
    told.iter().map(|told| told.body["type"].as_str().expect("a type").to_owned()).collect()
}

const WHOLE_CALL: [&str; 5] =
    ["call.started", "call.identified", "call.verified", "call.handed_over", "call.ended"];

#[test]
fn a_receiver_is_told_of_a_call_in_order_and_never_of_its_secret() {
    let receiver = Receiver::start(Duration::ZERO);
    let server = Server::serve(&[("[prompts]", &section(&receiver))]);
    Call { keys: "300ms 4711", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    let told = receiver.wait_for(WHOLE_CALL.len());
    assert_eq!(types(&told), WHOLE_CALL);
    for told in &told {
        assert_eq!(told.body["data"]["call"], record["id"]);
        assert!(!told.text.contains(PIN), "{}", told.text);
    }
    let ended = &told[4].body["data"];
    assert_eq!((&ended["verdict"], &ended["customer"]), (&record["verdict"], &record["customer"]));
    assert_eq!(ended["record"]["ended_at"], record["ended_at"]);
    let series = |result: &str| {
        server.metric(&format!("portero_webhook_deliveries_total{{webhook=\"crm\",result=\"{result}\"}}"))
    };
    wait_for("count", Duration::from_secs(10), || (series("delivered") == 5).then_some(()));
    assert_eq!(series("failed"), 0);
}

#[test]
fn what_a_receiver_missed_while_it_was_down_and_we_were_killed_comes_once_each_by_id() {
    let receiver = Receiver::start(Duration::ZERO);
    receiver.refuse(true);
    let mut server = Server::serve(&[("[prompts]", &section(&receiver))]);
    Call { keys: "300ms 4711", ..Call::default() }.run(&server);
    server.wait_for_record("1000");
    wait_for("spool", Duration::from_secs(10), || {
        (server.metric("portero_webhook_spool_events{webhook=\"crm\"}") == 5).then_some(())
    });
    server.kill();
    receiver.refuse(false);
    let server = server.again();
    let told = receiver.wait_for(WHOLE_CALL.len());
    assert_eq!(types(&told), WHOLE_CALL);
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for told in &told {
        *by_id.entry(&told.id).or_default() += 1;
    }
    assert_eq!(by_id.len(), WHOLE_CALL.len(), "{by_id:?}");
    drop(server);
}

#[test]
fn a_receiver_that_takes_ten_seconds_holds_no_call_up() {
    let receiver = Receiver::start(Duration::from_secs(10));
    let server = Server::serve(&[("[prompts]", &section(&receiver))]);
    let began = Instant::now();
    Call { keys: "300ms 4711", ..Call::default() }.run(&server);
    let record = server.wait_for_record("1000");
    assert_eq!(record["verdict"], "verified");
    // Were the call to wait for any of its five events, it would take that much longer.
    let times = [&record["started_at"], &record["ended_at"]];
    let [started, ended] =
        times.map(|time| time.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time"));
    let seconds = ended.duration_since(started).as_secs_f64();
    assert!(seconds < 30.0, "{seconds} s, in {:?}", began.elapsed());
    assert_eq!(receiver.wait_for_request(), "call.started", "the first is still being answered");
}

#[test]
fn a_test_event_is_sent_and_what_came_of_it_is_shown() {
    let receiver = Receiver::start(Duration::ZERO);
    let server = Server::serve(&[("[prompts]", &section(&receiver))]);
    let file = server.folder.path().join("portero.toml");
    let run = |name: &str| {
        let file = file.to_str().expect("a path in UTF-8");
        let output = portero(&["webhooks", "test", name, "--config", file]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = run("crm");
    assert!(code == Some(0) && text.contains("acknowledged") && text.contains("webhook.test"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
    assert_eq!(types(&receiver.wait_for(1)), ["webhook.test"]);
    receiver.refuse(true);
    let (code, text) = run("crm");
    assert!(code == Some(1) && text.contains("503"), "{text}");
    let (code, text) = run("crn");
    assert!(code == Some(2) && text.contains("there are: crm"), "{text}");
}
