//! A person's data is handed out whole, and erased whole, and both are in the audit log without telling whose it was.

use super::*;
use crate::records::audit::{AuditFilter, Deed};

/// A record whose customer nobody else is.
fn theirs() -> CallRecord {
    CallRecord {
        customer: Some("zwölf/7".to_owned()),
        ani: Some("+4930901820".to_owned()),
        ..sample::record(1)
    }
}

async fn noted(site: &Site) -> Vec<(Deed, String)> {
    let rows = site.store.audited(&AuditFilter::default(), 99).await.expect("read");
    for row in &rows {
        let told = format!("{row:?}");
        assert!(!told.contains("zw") && !told.contains("901820"), "{told}");
    }
    rows.into_iter().rev().map(|row| (row.deed, row.detail)).collect()
}

impl Site {
    async fn delete(&self, path: &str) -> Response {
        let url = format!("http://{}{path}", self.address);
        self.client.delete(url).send().await.expect("an answer")
    }
}

#[tokio::test]
async fn a_customer_and_a_number_are_exported() {
    let site = site_after([theirs(), sample::record(2)]).await;
    for path in ["/api/v1/customers/zw%C3%B6lf%2F7/export", "/api/v1/numbers/+4930901820/export"] {
        let (status, export) = site.json(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(export["records"], json!([theirs()]), "{path}");
        assert_eq!((&export["messages"], &export["recordings"]), (&json!([]), &json!([])));
    }
    let (_, nothing) = site.json("/api/v1/customers/nobody/export").await;
    assert_eq!(nothing["records"], json!([]));
    let words =
        |calls: u64| (Deed::Exported, format!("calls: {calls}, with messages: 0, with recordings: 0"));
    assert_eq!(noted(&site).await, [words(1), words(1), words(0)]);
}

#[tokio::test]
async fn a_customer_is_erased_from_the_records_and_from_the_page() {
    let site = site_after([theirs(), sample::record(2)]).await;
    let recent = CallRecord { ended_at: now(), ..theirs() };
    site.live.ended(Arc::new(recent));
    assert!(site.text("/").await.contains("zwölf"), "they are on the page first");
    let erased = site.delete("/api/v1/customers/zw%C3%B6lf%2F7").await;
    assert_eq!(erased.status(), StatusCode::OK);
    let erased: Value = serde_json::from_str(&erased.text().await.expect("text")).expect("JSON");
    assert_eq!(erased, json!({ "calls": [theirs().id], "traces": 0, "recordings": 0 }));
    assert!(!site.text("/").await.contains("zwölf"));
    assert!(!site.text("/api/v1/calls").await.contains("zwölf"));
    let erasures = [
        (Deed::Read, String::new()),
        (Deed::Erased, "begun".to_owned()),
        (Deed::Erased, "calls: 1, with messages: 0, with recordings: 0".to_owned()),
    ];
    assert_eq!(noted(&site).await[..3], erasures);
}

#[tokio::test]
async fn who_is_on_the_line_is_not_erased() {
    let site = site_after([theirs()]).await;
    let view = CallView { customer: theirs().customer, ani: theirs().ani, ..live_call(7) };
    site.live.update(view);
    for path in ["/api/v1/customers/zw%C3%B6lf%2F7", "/api/v1/numbers/+4930901820"] {
        let refused = site.delete(path).await;
        assert_eq!(refused.status(), StatusCode::CONFLICT, "{path}");
        assert!(refused.text().await.expect("text").contains("0000000000000007"), "it tells in which call");
    }
    assert_eq!(site.store.by_id(&theirs().id).await.expect("read"), Some(theirs()));
}

#[tokio::test]
async fn a_page_of_another_site_erases_nobody() {
    let site = site_after([theirs()]).await;
    let url = format!("http://{}/api/v1/customers/zw%C3%B6lf%2F7", site.address);
    let request = site.client.delete(url).header("origin", "http://evil.example");
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    assert_eq!(site.store.by_id(&theirs().id).await.expect("read"), Some(theirs()));
}
