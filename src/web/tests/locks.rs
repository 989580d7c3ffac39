//! Lock-outs over the API.

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::json;

use super::site;
use crate::flow::{ActionName, Answer, Lock};
use crate::locks::Key;

#[tokio::test]
async fn lock_outs_are_listed_and_lifted() {
    let site = site().await;
    let none = json!({ "locks": [] });
    assert_eq!(site.json("/api/v1/locks").await, (StatusCode::OK, none.clone()));
    let action = ActionName::new("check_pin");
    for _ in 0..5 {
        let keys = vec![Key::new(Lock::Customer, "1"), Key::new(Lock::Ani, "+12025550101")];
        site.locks.prove(&action, keys, async { Answer::Check(false) }).await;
    }
    let (status, list) = site.json("/api/v1/locks").await;
    let [lock] = &list["locks"].as_array().expect("a list")[..] else { panic!("{list}") };
    let told = ["kind", "key", "tries"].map(|name| lock[name].clone());
    assert_eq!((status, told), (StatusCode::OK, [json!("customer"), json!("1"), json!(5)]));
    assert!(lock["until"].as_str().is_some_and(|until| until.parse::<Timestamp>().is_ok()), "{lock}");
    let url = format!("http://{}/api/v1/locks/lift", site.address);
    let post = |body: &'static str| {
        site.client.post(&url).header("content-type", "application/json").body(body).send()
    };
    let lifted = post(r#"{"kind": "customer", "key": "1"}"#).await.expect("an answer");
    assert_eq!(
        (lifted.status(), lifted.text().await.expect("text").as_str()),
        (StatusCode::OK, r#"{"tries":5}"#)
    );
    assert_eq!(site.json("/api/v1/locks").await, (StatusCode::OK, none));
    for (body, status) in [
        (r#"{"kind": "customer", "key": "1"}"#, 404),
        (r#"{"kind": "pin", "key": "1"}"#, 400),
        (r#"{"kind": "ani"}"#, 400),
    ] {
        assert_eq!(post(body).await.expect("an answer").status(), status, "{body}");
    }
    let foreign = site.client.post(&url).header("origin", "https://evil.example").body("{}").send();
    assert_eq!(foreign.await.expect("an answer").status(), 403);
}
