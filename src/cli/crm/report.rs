//! What `portero crm test` prints.

use std::fmt::Write as _;

use super::hidden::{Hidden, STAND_IN};
use crate::crm::{Heard, Trial, result_word};
use crate::flow::{Answer, Attributes, Customer, Matches};

/// How much of a body is shown, in characters.
const BODY_MAX: usize = 4096;

/// The headers of an answer that tell something to whoever sets an action up.
const TELLING: [&str; 6] =
    ["content-type", "content-length", "location", "retry-after", "www-authenticate", "x-request-id"];

/// Request, answer, and what it means.
pub(super) fn shown(trial: &Trial, mut hidden: Hidden) -> String {
    if let Some(token) = &trial.token {
        hidden.credential(token.as_bytes());
    }
    let mut text = String::new();
    request(trial, &hidden, &mut text);
    match &trial.heard {
        Some(heard) => answer(heard, &hidden, &mut text),
        None => line(&mut text, "<", "(no answer)"),
    }
    meaning(&trial.answer, &hidden, &mut text);
    text
}

fn request(trial: &Trial, hidden: &Hidden, text: &mut String) {
    line(text, ">", &format!("{} {}", trial.method, hidden.from(trial.url.as_str())));
    for (name, value) in &trial.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = if hidden.hides(name) { STAND_IN.to_owned() } else { hidden.from(&value) };
        line(text, ">", &format!("{name}: {value}"));
    }
    if trial.token.is_some() {
        line(text, ">", &format!("authorization: Bearer {STAND_IN}"));
    }
    if let Some(sent) = &trial.body {
        body(sent, hidden, ">", text);
    }
}

fn answer(heard: &Heard, hidden: &Hidden, text: &mut String) {
    text.push('\n');
    line(text, "<", &heard.status.to_string());
    for name in TELLING {
        for value in heard.headers.get_all(name) {
            let value = hidden.from(&String::from_utf8_lossy(value.as_bytes()));
            line(text, "<", &format!("{name}: {value}"));
        }
    }
    body(&heard.body, hidden, "<", text);
}

fn body(bytes: &[u8], hidden: &Hidden, mark: &str, text: &mut String) {
    if bytes.is_empty() {
        return;
    }
    line(text, mark, "");
    let shown = hidden.from(&String::from_utf8_lossy(bytes));
    let short: String = shown.chars().take(BODY_MAX).collect();
    for part in short.lines() {
        line(text, mark, part);
    }
    let left_out = shown.chars().count().saturating_sub(BODY_MAX);
    if left_out > 0 {
        line(text, mark, &format!("… and {left_out} characters more"));
    }
}

fn meaning(answer: &Answer, hidden: &Hidden, text: &mut String) {
    let _ = writeln!(text, "\n= {}", result_word(answer));
    match answer {
        Answer::LookUp(Matches::One(one)) => customer(one, hidden, text),
        Answer::LookUp(Matches::Several(several)) => {
            for one in several {
                customer(one, hidden, text);
            }
        }
        Answer::Record(record) => attributes(record, hidden, text),
        _ => {}
    }
}

fn customer(customer: &Customer, hidden: &Hidden, text: &mut String) {
    line(text, "=", &format!("customer: {}", hidden.from(&customer.id)));
    if let Some(name) = &customer.name {
        line(text, "=", &format!("name: {}", hidden.from(name)));
    }
    attributes(&customer.attributes, hidden, text);
}

fn attributes(attributes: &Attributes, hidden: &Hidden, text: &mut String) {
    for (name, texts) in attributes {
        line(text, "=", &format!("record.{name}: {}", hidden.from(&texts.join(" | "))));
    }
}

fn line(text: &mut String, mark: &str, words: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{}", format!("{mark} {words}").trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::{Authentication, HeaderName, HeaderValue, Method, Service};

    #[test]
    fn a_report_shows_all_but_what_lets_us_in() {
        let authorization = HeaderName::from_static("authorization");
        let credential = HeaderValue::from_static("Bearer t0ken");
        let service = Service {
            authentication: Authentication::Header(authorization.clone(), credential.clone()),
            ..Service::at("https://crm.example.com".parse().expect("a URL"))
        };
        let mut customer = Customer::new("1", Some("Zoë"));
        customer.attributes.insert("contacts".into(), vec!["a".to_owned(), "b".to_owned()]);
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(authorization, credential);
        let trial = Trial {
            method: Method::GET,
            url: "https://crm.example.com/c?n=1".parse().expect("a URL"),
            headers: headers.clone(),
            token: Some(HeaderValue::from_static("Bearer f3tched")),
            body: None,
            heard: Some(Heard {
                status: axum::http::StatusCode::OK,
                headers: axum::http::HeaderMap::from_iter([(
                    HeaderName::from_static("content-type"),
                    HeaderValue::from_static("application/json"),
                )]),
                body: format!(r#"{{"id":1,"seen":"t0ken f3tched{}"}}"#, "x".repeat(BODY_MAX))
                    .into_bytes()
                    .into(),
            }),
            answer: Answer::LookUp(Matches::One(customer)),
        };
        let shown = shown(&trial, Hidden::of(Some(&service), &[]));
        for (at, expected) in [
            "> GET https://crm.example.com/c?n=1",
            "> authorization: (hidden)",
            "> authorization: Bearer (hidden)",
            "",
            "< 200 OK",
            "< content-type: application/json",
            "<",
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(shown.lines().nth(at), Some(*expected), "{shown}");
        }
        assert!(shown.contains(r#"{"id":1,"seen":"(hidden) (hidden)xxx"#), "{shown}");
        assert!(shown.contains("characters more"), "{shown}");
        assert!(
            shown.ends_with("= match\n= customer: 1\n= name: Zoë\n= record.contacts: a | b\n"),
            "{shown}"
        );
    }
}
