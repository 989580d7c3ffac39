//! Who is let in by the real program: the demo's user by a link, the first user by a password that is told once, others by
//! what `portero users` and `portero tokens` say while the server runs.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::support::browser::Browser;
use crate::support::folder::Folder;
use crate::support::http::{self, Answer, TOKEN};
use crate::support::loopback::Loopback;
use crate::support::server::{Server, portero};

/// Sends the page's form, once the page is done with being asked.
const SUBMIT: &str = "setTimeout(() => document.querySelector('form').requestSubmit()); undefined";

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

fn log_in(server: &Server, name: &str, password: &str) -> Answer {
    let body = format!("name={name}&password={password}");
    http::ask_as(server.loopback.web(), "POST", "/login", &[FORM], &body)
}

fn status(server: &Server, path: &str, header: &str) -> u16 {
    http::ask_as(server.loopback.web(), "GET", path, &[header], "").status
}

/// Runs a command on the server's data folder, with this text on standard input.
fn on_data(server: &Server, arguments: &[&str], typed: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portero"));
    command.args(arguments).arg("--data").arg(server.data()).stdin(Stdio::piped());
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().expect("piped").write_all(typed.as_bytes()).expect("it is read");
    child.wait_with_output().expect("the program ends")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The password of the first user, where the server has told it.
fn first_password(server: &Server) -> Option<String> {
    let log = server.log();
    log.lines().find_map(|line| line.trim().strip_prefix("password  ").map(str::to_owned))
}

#[test]
fn the_demo_prints_a_link_that_lets_its_user_in() {
    let server = Server::demo();
    let printed = server.printed();
    let (_, link) =
        printed.split_once(&format!("http://{}/enter?key=", server.loopback.web())).expect("a link");
    let key = link.split_whitespace().next().expect("a key");
    assert!(printed.contains("the token that you gave") && !printed.contains(TOKEN), "{printed}");
    for _ in 0..2 {
        let entered = http::ask_as(server.loopback.web(), "GET", &format!("/enter?key={key}"), &[], "");
        let cookie = entered.cookie().expect("a cookie");
        assert_eq!((entered.status, status(&server, "/", &cookie)), (303, 200));
        assert!(!entered.head.contains(key), "the key is not passed on");
    }
    assert_eq!(status(&server, "/", "Accept: text/html"), 303);
    assert_eq!(status(&server, "/api/v1/calls", &format!("Authorization: Bearer {TOKEN}")), 200);
    assert!(!server.log().contains(key) && !server.log().contains(TOKEN), "and neither is logged");
}

#[test]
fn the_first_password_is_told_once_and_lets_its_user_in() {
    let mut server = Server::serve(&[]);
    let password = first_password(&server).expect("it is told");
    assert_eq!(log_in(&server, "admin", &password).status, 303);
    assert_eq!(log_in(&server, "admin", "another-password").status, 401);
    server.kill();
    for (path, content) in server.folder.files() {
        let holds = content.windows(password.len()).any(|window| window == password.as_bytes());
        assert_eq!(holds, path.ends_with("server.log"), "{}", path.display());
    }
    let Server { folder, loopback, .. } = server;
    let server = Server::serve_at(loopback, folder, &[]);
    assert_eq!(first_password(&server), None, "there is somebody already");
    assert_eq!(log_in(&server, "admin", &password).status, 303);
}

#[test]
fn a_person_logs_in_and_out_in_a_browser() {
    let server = Server::serve(&[]);
    let added = on_data(&server, &["users", "add", "ann", "--role", "agent"], "correct-horse-battery\n");
    assert!(added.status.success(), "{}", said(&added));
    let mut browser = Browser::start(server.folder.path());
    let log_in = |browser: &mut Browser, password: &str| {
        let fill =
            "document.getElementById('name').value = 'ann'; document.getElementById('password').value =";
        browser.value(&format!("{fill} '{password}'; {SUBMIT}"));
    };
    browser.open(&format!("http://{}/", server.loopback.web()));
    browser.wait_until("location.pathname === '/login'");
    log_in(&mut browser, "wrong-horse-battery");
    browser.wait_until("document.querySelector('.trouble') !== null");
    log_in(&mut browser, "correct-horse-battery");
    browser
        .wait_until("location.pathname === '/' && document.getElementById('link')?.textContent === 'Live'");
    assert_eq!(browser.value("document.cookie"), "", "no script reads the key");
    browser.value(SUBMIT);
    browser.wait_until("location.pathname === '/login'");
    log_in(&mut browser, "correct-horse-battery");
    browser.wait_until("document.getElementById('link')?.textContent === 'Live'");
    assert!(on_data(&server, &["users", "remove", "ann"], "").status.success());
    browser.wait_until("location.pathname === '/login'");
}

#[test]
fn users_and_tokens_are_changed_while_the_server_runs() {
    let server = Server::serve(&[]);
    let added = on_data(&server, &["users", "add", "ann", "--role", "agent"], "correct-horse-battery\n");
    assert!(added.status.success(), "{}", said(&added));
    let short = on_data(&server, &["users", "add", "bob", "--role", "agent"], "short\n");
    assert!(!short.status.success() && said(&short).contains("at least 12 characters"), "{}", said(&short));
    let cookie = log_in(&server, "ann", "correct-horse-battery").cookie().expect("a cookie");
    assert_eq!((status(&server, "/", &cookie), status(&server, "/metrics", &cookie)), (200, 403));
    assert!(said(&on_data(&server, &["users", "list"], "")).contains("ann"));
    assert!(on_data(&server, &["users", "remove", "ann"], "").status.success());
    assert_eq!(status(&server, "/", &cookie), 303, "the session is over");

    let made = on_data(&server, &["tokens", "add", "wall", "--scopes", "metrics:read"], "");
    let header = format!("Authorization: Bearer {}", String::from_utf8_lossy(&made.stdout).trim());
    assert_eq!((status(&server, "/metrics", &header), status(&server, "/api/v1/calls", &header)), (200, 403));
    assert!(on_data(&server, &["tokens", "remove", "wall"], "").status.success());
    assert_eq!(status(&server, "/metrics", &header), 401);
}

#[test]
fn a_command_without_a_token_is_told_what_it_lacks() {
    let server = Server::serve(&[]);
    let api = format!("http://{}", server.loopback.web());
    let shown = portero(&["emergency", "show", "--api", &api]);
    assert!(shown.status.success(), "{}", said(&shown));
    let refused = portero(&["emergency", "show", "--api", &api, "--token", "another-token-of-tests"]);
    assert!(!refused.status.success() && said(&refused).contains("PORTERO_TOKEN"), "{}", said(&refused));
}

#[test]
fn pages_speak_tls_where_they_have_a_certificate() {
    let (loopback, folder) = (Loopback::claim(), Folder::new());
    let issued =
        crate::support::certificate::Certificate::issue(folder.path(), std::net::IpAddr::V4(loopback.ip()));
    let (chain, key) = (issued.chain.display(), issued.key.display());
    let tls = format!("\n[web.tls]\ncertificate = \"{chain}\"\nkey = \"{key}\"\n\n[records]\n");
    let server = Server::serve_at(loopback, folder, &[("\n[records]\n", &tls)]);
    assert!(server.printed().contains(&format!("pages on https://{}/", server.loopback.web())));
    let shown = portero(&["emergency", "show", "--api", &format!("https://{}", server.loopback.web())]);
    assert!(said(&shown).contains("no server answers"), "its authority is nobody whom this machine trusts");
}
