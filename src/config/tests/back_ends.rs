//! What lets us into back ends, how they are treated, and what actions say of themselves, right and wrong.

use super::*;
use crate::crm::{ClientIn, Condition, Limits, Place, Sending, TlsFiles};

const SECOND: &str = r#"
[back_ends.tickets]
base_url = "https://tickets.example.com"
"#;

fn with(extra: &str) -> Result<Configuration, Faults> {
    parse(&format!("{SHORTEST}{extra}"))
}

fn usable(extra: &str) -> Configuration {
    with(extra).unwrap_or_else(|faults| panic!("{faults}"))
}

/// What is wrong with the second back end where it says this, and how it is helped.
fn wrong(extra: &str) -> String {
    let faults = with(extra).map_or_else(|faults| faults, |configuration| configuration.warnings);
    let unused = "uses the action";
    let faults: Vec<_> =
        faults.iter().map(Fault::message).filter(|message| !message.contains(unused)).collect();
    faults.join("; ")
}

#[test]
fn a_back_end_can_be_entered_in_one_of_many_ways() {
    let way = |text: &str| {
        let read = usable(&format!("{SECOND}{text}"));
        read.back_end.others["tickets"].authentication.clone()
    };
    let header = |text: &str, name: &str, value: &str| {
        let Authentication::Header(found, credential) = way(text) else { panic!("no header: {text}") };
        assert_eq!((found.as_str(), credential.as_bytes()), (name, value.as_bytes()), "{text}");
        assert!(credential.is_sensitive(), "{text}");
    };
    assert!(matches!(way(""), Authentication::None));
    header("token = \"env:SET\"", "authorization", "Bearer open sesame");
    header(
        "basic = { username = \"Aladdin\", password = \"env:SET\" }",
        "authorization",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    );
    header("api_key = { header = \"X-Key\", value = \"env:SET\" }", "x-key", "open sesame");
    let Authentication::Parameter(name, key) = way("api_key = { parameter = \"key\", value = \"k3y\" }")
    else {
        panic!("no parameter")
    };
    assert_eq!((name.as_str(), key.expose()), ("key", "k3y"));
    let text = r#"
[back_ends.tickets.oauth2]
token_url = "https://login.example.com/token"
client_id = "portero"
client_secret = "env:SET"
client_in = "body"
parameters = { scope = "read" }
"#;
    let Authentication::Token(oauth2) = way(text) else { panic!("no OAuth 2") };
    assert_eq!((oauth2.client_id.as_str(), oauth2.client_secret.expose()), ("portero", "open sesame"));
    assert_eq!(
        (oauth2.client_in, oauth2.parameters),
        (ClientIn::Body, vec![("scope".into(), "read".into())])
    );
}

#[test]
fn a_back_end_is_treated_as_it_says() {
    let read = usable(&format!(
        "{SECOND}deadline = \"2s\"\nmax_concurrent = 3\n\
         breaker = {{ failures = 5, percent = 80, window = \"30s\", open_for = \"1m\" }}\n\
         tls = {{ trust = \"ca.pem\", certificate = \"c.pem\", key = \"k.pem\" }}\n"
    ));
    let service = &read.back_end.others["tickets"];
    assert_eq!((service.deadline, service.max_concurrent), (seconds(2), 3));
    let limits = Limits { failures: 5, percent: 80, window: seconds(30), open_for: seconds(60) };
    assert_eq!(service.breaker, Some(limits));
    let identity = Some(("c.pem".into(), "k.pem".into()));
    assert_eq!(service.tls, TlsFiles { trust: Some("ca.pem".into()), identity });
    assert_eq!(read.back_end.default.breaker, Some(Limits::USUAL));
    let read = usable(&format!("{SECOND}breaker = \"off\"\n"));
    assert_eq!(read.back_end.others["tickets"].breaker, None);
}

#[test]
fn a_conversation_waits_for_the_longest_deadline() {
    let action = "\n[actions.slow]\npath = \"/slow/{{ customer }}\"\nattributes = { a = \"$.a\" }\n";
    let table = [
        (String::new(), 3),
        (format!("{SECOND}deadline = \"7s\"\n"), 7),
        (format!("{SECOND}deadline = \"2s\"\n"), 3),
        (format!("{action}deadline = \"9s\"\n"), 9),
    ];
    for (extra, expected) in table {
        assert_eq!(usable(&extra).lines[0].patience.deadline, seconds(expected), "{extra}");
    }
}

#[test]
fn what_is_wrong_with_a_back_end_is_told() {
    let oauth2 = "[back_ends.tickets.oauth2]\nclient_id = \"a\"\nclient_secret = \"b\"\n";
    let table = [
        ("token = \"a\"\napi_key = { header = \"x\", value = \"y\" }", "told both `token` and `api_key`"),
        ("token = \"env:UNSET\"", "no environment variable `UNSET`"),
        ("basic = { username = \"a:b\", password = \"c\" }", "a username has no colon"),
        ("basic = { username = \"a\" }", "does not say `password`"),
        ("api_key = { value = \"c\" }", "either `header` or `parameter`"),
        ("api_key = { header = \"a\", parameter = \"b\", value = \"c\" }", "either `header` or `parameter`"),
        ("api_key = { header = \"Host\", value = \"c\" }", "`Host` cannot be chosen"),
        ("tls = { certificate = \"c.pem\" }", "does not say `key`"),
        ("tls = { key = \"k.pem\" }", "does not say `certificate`"),
        ("breaker = \"on\"", "`on` is no way to leave it alone"),
        ("breaker = { failures = 0 }", "`failures` is out of range"),
        ("breaker = { percent = 101 }", "`percent` is out of range"),
        ("breaker = { open_for = \"1ms\" }", "`1ms` is out of range"),
        ("timeout = \"1s\"", "has no setting `timeout`"),
    ];
    for (text, expected) in table {
        let told = wrong(&format!("{SECOND}{text}\n"));
        assert!(told.contains(expected), "{text}: {told}");
    }
    let table = [
        ("token_url = \"http://login.example.com/token\"", "tokens cannot be fetched from there"),
        ("token_url = \"https://a:b@login.example.com/token\"", "tokens cannot be fetched from there"),
        ("token_url = \"login.example.com\"", "is no URL"),
        ("client_in = \"cookie\"", "cannot be named in the `cookie`"),
        ("parameters = { grant_type = \"password\" }", "`grant_type` goes without saying"),
        ("", "does not say `token_url`"),
    ];
    for (text, expected) in table {
        let told = wrong(&format!("{SECOND}{oauth2}{text}\n"));
        assert!(told.contains(expected), "{text}: {told}");
    }
    assert_eq!(wrong(&format!("{SECOND}{oauth2}token_url = \"http://127.0.0.1:1/token\"\n")), "");
}

/// An action that sends a code, with what else it says.
fn sending(extra: &str) -> String {
    format!("\n[actions.send]\nmethod = \"POST\"\npath = \"/send\"\nnot_sent = []\n{extra}\n")
}

#[test]
fn an_action_says_how_it_is_sent_and_read() {
    let read = usable(&format!(
        "{}{SECOND}",
        sending(
            "back_end = \"tickets\"\ndeadline = \"8s\"\nretry = true\n\
             headers = { Content-Type = \"text/xml; charset=utf-8\" }\n\
             body = '<to>{{ contact }}</to>'\nsent = { path = \"$.status\", equals = [\"OK\", 1] }"
        )
    ));
    let send = &read.back_end.actions[&ActionName::new("send")];
    assert_eq!(send.back_end.as_deref(), Some("tickets"));
    assert_eq!((send.deadline, send.retry), (Some(seconds(8)), true));
    let body = send.body.as_ref().expect("a body");
    assert_eq!(body.template, crm::Template::new("<to>{{ contact }}</to>", Place::Xml).expect("one"));
    let Reading::Sending(Sending { sent: Some(Condition::Equals(_, texts)), .. }) = &send.reading else {
        panic!("it sends: {send:?}")
    };
    assert_eq!(texts, &["OK", "1"]);
    let find = &read.back_end.actions[&ActionName::new("customer_by_number")];
    assert_eq!((&find.back_end, find.deadline, find.retry), (&None, None, true));
    let read = usable(&sending(""));
    assert!(!read.back_end.actions[&ActionName::new("send")].retry, "a POST is sent once");
}

#[test]
fn what_is_wrong_with_an_action_is_told() {
    let told = "[actions.tell]\npath = \"/tell/{{ customer }}\"\nattributes = ";
    let table = [
        (sending("back_end = \"ticket\""), "there is no back end `ticket`"),
        (sending("deadline = \"1m\""), "`1m` is out of range"),
        (sending("retry = \"twice\""), "`retry` cannot be a text"),
        (sending("body_type = \"xml\""), "there is none"),
        (sending("body_type = \"yaml\"\nbody = 'a: b'"), "`yaml` is no type of body"),
        (sending("body_type = \"xml\"\nbody = '<a b={{ contact }}/>'"), "this body is not XML"),
        (sending("body_type = \"form\"\nbody = '{{ contact }}'"), "this body is no form"),
        (sending("body = '{{ contact }}'"), "this body is not JSON"),
        (sending("body = '{\"a\": \"{{ ani }}\"}'"), "`{{ ani }}` is not known"),
        (sending("body = '{\"a\": \"{{ record.city }}\"}'"), "`{{ record.city }}` is not known"),
        (sending("body = '{\"a\": \"{{ contact | e164(\"Utopia\") }}\"}'"), "`Utopia` is no country"),
        (sending("sent = { equals = \"OK\" }"), "either `path` or `status`"),
        (sending("sent = { path = \"$.a\", status = [200] }"), "either `path` or `status`"),
        (sending("accepted = \"$.ok\""), "both"),
        (sending("attributes = { a = \"$.a\" }"), "has no `attributes`"),
        (format!("{told}{{ \"due-date\" = \"$.a\" }}\n"), "`due-date` is no attribute's name"),
        (format!("{told}{{ a = {{ default = \"1\" }} }}\n"), "does not say `path`"),
        (
            format!("{told}{{ a = {{ path = \"$.a\", translate = {{ b = 1 }} }} }}\n"),
            "`b` cannot be a whole number",
        ),
        (format!("{told}{{ a = \"$.a[\" }}\n"), "is no JSONPath"),
    ];
    for (extra, expected) in table {
        let told = wrong(&extra);
        assert!(told.contains(expected), "{extra}: {told}");
    }
    let many: Vec<String> = (0..65).map(|number| format!("a{number} = \"$.a\"")).collect();
    assert_eq!(wrong(&format!("{told}{{ {} }}\n", many[1..].join(", "))), "");
    assert_eq!(wrong(&format!("{told}{{ {} }}\n", many.join(", "))), "65 attributes are too many");
}

#[test]
fn credentials_of_back_ends_are_not_shown_beside_a_fault() {
    let text = format!(
        "{SECOND}\n[back_ends.tickets.oauth2]\nclient_id = \"portero\"\nclient_secret = \"s3cret\"\n\
         api_key = {{ header = \"x\", value = \"s3cret\" }}\n"
    );
    let shown = with(&text).expect_err("it is faulty").to_string();
    assert!(shown.contains("client_id") && !shown.contains("s3cret"), "{shown}");
    let shown = with(&format!("{SECOND}basic = {{ username = \"a:b\", password = \"s3cret\" }}\n"));
    let shown = shown.expect_err("it is faulty").to_string();
    assert!(shown.contains("colon") && !shown.contains("s3cret"), "{shown}");
}
