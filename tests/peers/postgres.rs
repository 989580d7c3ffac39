//! Two nodes that share their lock-outs in a PostgreSQL database.

use std::time::Duration;

use serde_json::json;

use crate::locks::{MARIA, NO_RETRY, PATIENT, asked, call, records};
use crate::support::loopback::Loopback;
use crate::support::postgres::Postgres;
use crate::support::server::Server;
use crate::support::wait_for;

fn node(postgres: &Postgres) -> Server {
    let database = format!("database = \"{}\"", postgres.url());
    Server::serve(&[PATIENT, NO_RETRY, ("# database = \"file\"", &database)])
}

#[test]
fn proofs_sprayed_over_numbers_and_nodes_at_one_account_stop_at_five() {
    let place = Loopback::claim();
    let postgres = Postgres::start(place.ip().into());
    let nodes = [node(&postgres), node(&postgres)];
    let account_and_pin = format!("{},prompt,9999#", MARIA.1);
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| call(node, 30, "+1999555####", &account_and_pin));
        }
    });
    let told: u64 = nodes.iter().map(|node| asked(node, "rejected")).sum();
    assert_eq!(told, 5, "the back end was asked five times by both together");
    let charged = postgres.ask("SELECT kind, count(*) FROM portero_charges GROUP BY kind ORDER BY kind");
    assert_eq!(charged, "ani|5\ncustomer|5\nline|5");
    for node in &nodes {
        let told = call(node, 1, MARIA.0, "4711#");
        assert_eq!(told["calls"]["handed_over"], 1, "{told:#}");
        assert_eq!(asked(node, "accepted"), 0, "the right one is no proof any more");
        let records = records(node, 31);
        assert_eq!(
            [&records[0]["verdict"], &records[0]["locked"]],
            ["identified", "customer"],
            "{:#}",
            records[0]
        );
    }
}

#[test]
fn without_the_database_nothing_is_asked_and_callers_go_to_an_agent() {
    let place = Loopback::claim();
    let mut postgres = Postgres::start(place.ip().into());
    let node = node(&postgres);
    call(&node, 1, MARIA.0, "4711#");
    wait_for("a charge that is given back", Duration::from_secs(10), || {
        (postgres.ask("SELECT count(*) FROM portero_charges") == "0").then_some(())
    });
    postgres.stop();
    let told = call(&node, 1, MARIA.0, "4711#");
    assert_eq!(told["calls"]["handed_over"], 1, "{told:#}");
    assert_eq!(asked(&node, "accepted"), 1, "it is the one from before");
    let records = records(&node, 2);
    let told = ["verdict", "back_end_failure", "locked"].map(|name| records[0][name].clone());
    assert_eq!(told, [json!("identified"), json!("not_counted"), json!(null)], "{:#}", records[0]);
}
