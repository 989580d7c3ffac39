//! Whoever reads what is known of callers, or changes what they meet, is in the audit log.

use super::*;
use crate::records::audit::{Actor, AuditFilter, Deed};

async fn noted(site: &Site) -> Vec<(Deed, String, String)> {
    let rows = site.store.audited(&AuditFilter::default(), 99).await.expect("read");
    let here = Actor::Token("test".to_owned());
    assert!(rows.iter().all(|row| row.actor == here), "{rows:?}");
    rows.into_iter().rev().map(|row| (row.deed, row.subject, row.detail)).collect()
}

#[tokio::test]
async fn what_is_read_is_noted_and_what_is_not_there_is_not() {
    let site = site_after([sample::record(1)]).await;
    site.live.update(live_call(1));
    let id = sample::record(1).id;
    let read = [
        ("/".to_owned(), "the page".to_owned()),
        ("/api/v1/calls?limit=7".to_owned(), "calls, the newest 7".to_owned()),
        (format!("/api/v1/calls/{id}"), format!("call {id}")),
        ("/api/v1/handovers/token-1".to_owned(), format!("hand-over of call {id}")),
        (format!("/api/v1/calls/{id}/ladder"), format!("messages of call {id}")),
    ];
    for (path, _) in &read {
        assert_eq!(site.get(path).await.status(), StatusCode::OK, "{path}");
    }
    let unknown = ["calls/none", "handovers/none", "calls/none/ladder", "calls/none/recording", "trunks"];
    for path in unknown {
        site.get(&format!("/api/v1/{path}")).await;
    }
    drop(site.get("/events").await);
    let events = (String::new(), "calls, as they come and go".to_owned());
    let expected = read.into_iter().chain([events]);
    let expected: Vec<_> = expected.map(|(_, what)| (Deed::Read, what, String::new())).collect();
    assert_eq!(noted(&site).await, expected);
}

#[tokio::test]
async fn whoever_reads_the_log_is_in_it() {
    let site = site().await;
    let (status, first) = site.json("/api/v1/audit").await;
    assert_eq!(
        (status, first["rows"][0]["subject"].as_str()),
        (StatusCode::OK, Some("the audit log, the newest 100"))
    );
    let (_, second) = site.json("/api/v1/audit?limit=1").await;
    let [row] = &second["rows"].as_array().expect("rows")[..] else { panic!("{second}") };
    assert_eq!(
        (&row["row"], &row["deed"], &row["actor"]["name"]),
        (&json!(2), &json!("read"), &json!("test"))
    );
}

#[tokio::test]
async fn a_switch_that_is_turned_is_noted() {
    let site = site().await;
    for (body, status) in [
        (json!({ "line": "1000", "on": true }), StatusCode::OK),
        (json!({ "on": false }), StatusCode::OK),
        (json!({ "line": "999", "on": true }), StatusCode::NOT_FOUND),
    ] {
        let url = format!("http://{}/api/v1/emergency", site.address);
        let request = site.client.post(url).header("content-type", "application/json");
        assert_eq!(request.body(body.to_string()).send().await.expect("an answer").status(), status);
    }
    let change = |what: &str, how: &str| (Deed::Changed, what.to_owned(), how.to_owned());
    let expected = [
        change("emergency switch of 1000", "turned on"),
        change("emergency switch of all lines", "turned off"),
    ];
    assert_eq!(noted(&site).await, expected);
}

#[tokio::test]
async fn nothing_is_handed_out_while_the_log_cannot_be_written() {
    let site = site_after([sample::record(1)]).await;
    let database = site.folder.path().join("portero.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.expect("a connection");
    sqlx::query("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
        .execute(&mut connection)
        .await
        .expect("made");
    let path = format!("/api/v1/calls/{}", sample::record(1).id);
    for path in ["/", "/events", "/api/v1/calls", &path] {
        let answer = site.get(path).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let text = answer.text().await.expect("text");
        assert!(text.contains("audit log") && !text.contains("10000001"), "{path}: {text}");
    }
    let url = format!("http://{}/api/v1/emergency", site.address);
    let turned = site.client.post(url).header("content-type", "application/json").body("{\"on\":true}");
    assert_eq!(
        turned.send().await.expect("an answer").status(),
        StatusCode::OK,
        "an emergency does not wait"
    );
}
