//! What callers and the back end say is text on every page, in a real browser, and nothing else.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::caller::Caller;
use crate::support::server::Server;
use crate::support::{http, wait_for};

/// A name that would run a script in any of the ways in which text becomes one, if it were not text.
const NAME: &str = r#"<img src=/pwned onerror=pwned()>"'</bdi><svg onload=pwned()>"#;
/// As a display name (RFC 3261 §25.1).
const DISPLAY_NAME: &str = r#""<img src=/pwned onerror=pwned()>'--><script>pwned()</script>" "#;
/// As a Call-ID, whose characters are fewer.
const CALL_ID: &str = "<script>pwned()</script>'\"";
/// Wherever else a caller may write what they like.
const HEADERS: &str = "User-Agent: <img src=/pwned onerror=pwned()>'--><script>pwned()</script>\r\n\
    Subject: </text></svg><svg onload=pwned()><script>pwned()</script>\r\n\
    Reason: Q.850;cause=41;text=\"<img src=/pwned onerror=pwned()>\"\r\n";

/// Where texts of callers are shown.
fn places(id: &str) -> Vec<String> {
    let call = format!("/api/v1/calls/{id}");
    let ladder = format!("{call}/ladder");
    vec![
        "/".to_owned(),
        "/api/v1/calls".to_owned(),
        call,
        format!("{ladder}?format=svg"),
        format!("{ladder}?format=json"),
        ladder,
        "/api/v1/calls/%3Cscript%3Epwned()%3C%2Fscript%3E".to_owned(),
        "/%3Cscript%3Epwned()%3C%2Fscript%3E".to_owned(),
    ]
}

/// What a page does that runs something of somebody else's. A script that is forbidden is one that got that far.
fn signs(browser: &Browser) -> Vec<String> {
    let told = ["Page.javascriptDialogOpening", "Runtime.exceptionThrown", "Log.entryAdded"];
    let told = told.iter().flat_map(|name| browser.events(name)).map(ToString::to_string);
    let told = told.filter(|said| !said.contains("status of 404"));
    told.chain(browser.requests().into_iter().filter(|url| url.contains("/pwned"))).collect()
}

#[test]
fn what_a_caller_says_is_text_in_a_browser_wherever_it_is_shown() {
    let server = Server::serve(&[("\"Zoë O'Connor\"", &format!("'''{NAME}'''"))]);
    let mut browser = Browser::start(server.folder.path());
    browser.show_token();
    let web = server.loopback.web();
    let mut caller = Caller::new(server.loopback.ip().into(), server.loopback.sip());
    (caller.display_name, caller.call_ids, caller.headers) = (DISPLAY_NAME, CALL_ID, HEADERS);
    browser.open(&format!("http://{web}/"));
    let call = caller.begin("RTP/AVP 0\r\n");
    // By the event stream, and then in a page that is loaded whole.
    browser.wait_until("document.querySelector('#live h3 bdi') !== null");
    assert_eq!(browser.value("document.querySelector('#live h3 bdi').textContent"), NAME);
    let id = server.calls()[0]["id"].as_str().expect("an identifier").to_owned();
    for place in places(&id) {
        browser.open(&format!("http://{web}{place}"));
    }
    caller.end(&call);
    browser.open(&format!("http://{web}/"));
    browser.wait_until("document.querySelector('#ended .name bdi') !== null");
    assert_eq!(browser.value("document.querySelector('#ended .name bdi').textContent"), NAME);
    assert_eq!(browser.value("document.querySelectorAll('script').length"), 1, "the page's own");
    let ladder = format!("/api/v1/calls/{id}/ladder?format=svg");
    wait_for("trace of the call", Duration::from_secs(20), || {
        http::get(web, &ladder).body.contains("BYE").then_some(())
    });
    for place in places(&id) {
        browser.open(&format!("http://{web}{place}"));
    }
    assert_eq!(signs(&browser), [""; 0]);
}

#[test]
fn a_page_that_does_run_such_a_text_is_found_out() {
    let server = Server::demo();
    let mut browser = Browser::start(server.folder.path());
    browser.open("data:text/html,<p><img src=/pwned onerror=pwned()><script>alert(1)</script>");
    browser.wait_until("document.images[0].complete");
    wait_for("sign", Duration::from_secs(10), || {
        browser.value("1");
        (signs(&browser).len() >= 2).then_some(())
    });
}
