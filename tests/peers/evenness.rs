//! Whether a caller can hear that an identifier is somebody's: measured over real sockets, with a back end that takes longer
//! over customers. The simulation shows the same to the sample; here is all that it leaves out.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use crate::rank;
use crate::support::server::{Server, portero};
use crate::support::slow_back_end::{self, SOMEBODY};

const NOBODY: &str = "20000002";
/// How many calls of each sort are measured, and how many are placed at the most until there are as many.
const CALLS: usize = 200;
const CALLS_MAX: usize = 300;
/// How many are up at a time.
const AT_A_TIME: usize = 50;
/// What is heard of each call, and in which order.
const HEARD: &str = "prompt_began prompt_ended keys_sent prompt_began prompt_ended keys_sent prompt_began prompt_ended referred";

/// The demo, whose second line asks such a back end, once for the secret, and is told this besides.
fn server(setting: &str) -> Server {
    let back_end = format!("base_url = \"http://{}\" # ", slow_back_end::start());
    let line = "name = \"Personal customers, always asked\"\nidentify_by_number = false\nidentifier.digits = 8\n\
                verification.digits = 4\n";
    let told =
        line.replace("verification.digits = 4", "verification = { digits = 4, retries = 0 }") + setting;
    Server::serve_quietly(&[
        ("base_url = \"http://", &back_end),
        ("max_concurrent = 64", "max_concurrent = 1000"),
        ("calls = 1000\n", "calls = 1000\nlate_percent = 100\n"),
        (line, &told),
    ])
}

/// The seconds between what is heard in a call, one after another; `None` where a busy machine made something else of it.
fn listen(server: &Server, identifier: &str) -> Option<Vec<f64>> {
    let uri = format!("sip:1001@{}", server.loopback.sip());
    let keys = format!("speech,{identifier},speech,300ms,0000");
    let output = portero(&["call", &uri, "--json", "--no-follow", "--keys", &keys]);
    let outcome: Value = serde_json::from_slice(&output.stdout).ok()?;
    let events = outcome["events"].as_array()?;
    let of_interest = |event: &&Value| HEARD.split(' ').any(|word| event["event"] == word);
    let heard: Vec<&Value> = events.iter().filter(of_interest).collect();
    let words: Vec<&str> = heard.iter().filter_map(|event| event["event"].as_str()).collect();
    let times: Vec<f64> = heard.iter().filter_map(|event| event["at"].as_f64()).collect();
    (words.join(" ") == HEARD).then(|| times.windows(2).map(|pair| pair[1] - pair[0]).collect())
}

/// Calls of both sorts in turn, until there are enough: the p-value of each interval.
fn measure(server: &Server) -> Vec<f64> {
    let left = Mutex::new((0..2 * CALLS_MAX).map(|nth| if nth % 2 == 0 { SOMEBODY } else { NOBODY }));
    let heard = Mutex::new(BTreeMap::<&str, Vec<Vec<f64>>>::new());
    let is_enough = || {
        let heard = heard.lock().expect("no panic");
        [SOMEBODY, NOBODY].iter().all(|sort| heard.get(sort).is_some_and(|calls| calls.len() >= CALLS))
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while !is_enough() {
                    let Some(identifier) = left.lock().expect("no panic").next() else { return };
                    let intervals = listen(server, identifier);
                    heard.lock().expect("no panic").entry(identifier).or_default().extend(intervals);
                }
            });
        }
    });
    let heard = heard.into_inner().expect("no panic");
    let (somebody, nobody) = (&heard[SOMEBODY], &heard[NOBODY]);
    assert!(somebody.len() >= CALLS && nobody.len() >= CALLS, "{} and {}", somebody.len(), nobody.len());
    let nth = |calls: &[Vec<f64>], nth: usize| calls.iter().map(|call| call[nth]).collect::<Vec<f64>>();
    let of = |interval| rank::p_value(&nth(somebody, interval), &nth(nobody, interval));
    (0..HEARD.split(' ').count() - 1).map(of).collect()
}

/// The smallest of several p-values, as if it were the only one (Bonferroni's).
fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(1.0, f64::min) * values.len() as f64
}

/// By chance one measurement in twenty finds a difference where there is none: it is then taken once more, anew.
#[test]
fn callers_cannot_hear_whether_an_identifier_is_somebodys() {
    let server = server("conceal_unknown = { answers_after = \"1s\" }\n");
    let found: Vec<Vec<f64>> =
        (0..2).map(|_| measure(&server)).take_while(|values| smallest(values) <= 0.05).collect();
    assert!(found.len() < 2, "{found:?}");
    assert_eq!(server.metric("portero_crm_requests_total{action=\"check_pin\",result=\"accepted\"}"), 0);
}

#[test]
fn without_the_setting_thirty_calls_are_enough_to_hear_it() {
    let server = server("");
    // The words are others as well; the first of them comes later, which is all that is asked here.
    let delay = |identifier| -> Vec<f64> {
        let listen = || {
            let uri = format!("sip:1001@{}", server.loopback.sip());
            let keys = format!("speech,{identifier},speech,*");
            let output = portero(&["call", &uri, "--json", "--no-follow", "--keys", &keys]);
            let outcome: Value = serde_json::from_slice(&output.stdout).ok()?;
            let events = outcome["events"].as_array()?;
            let keyed = events.iter().position(|event| event["event"] == "keys_sent")?;
            let began = events[keyed..].iter().find(|event| event["event"] == "prompt_began")?;
            Some(began["at"].as_f64()? - events[keyed]["at"].as_f64()?)
        };
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..30).map(|_| scope.spawn(listen)).collect();
            calls.into_iter().filter_map(|call| call.join().expect("no panic")).collect()
        })
    };
    let (somebody, nobody) = (delay(SOMEBODY), delay(NOBODY));
    assert!(somebody.len() >= 20 && nobody.len() >= 20, "{} and {}", somebody.len(), nobody.len());
    let p = rank::p_value(&somebody, &nobody);
    assert!(p < 1e-3, "{p}: {somebody:?} {nobody:?}");
}
