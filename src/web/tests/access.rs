//! Who is let in, to what, and who is not: over real HTTP, as a browser, a program and an attacker would.

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::header::{COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};

use super::super::routes::Needs;
use super::*;
use crate::access::{PasswordHash, Role, Scope};
use crate::authority::Authority;
use crate::net::pages;
use crate::records::audit::AuditFilter;
use crate::records::{Accounts, Change, Token, User};
use crate::secret::Password;

const PASSWORD: &str = "correct horse battery";

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

impl Site {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn accounts(&self) -> Accounts {
        Accounts::of(&self.store)
    }

    async fn add_user(&self, text: &str, role: Role) {
        let password = PasswordHash::of(&Password::new(PASSWORD.to_owned()), [3; 16]);
        let user = User { name: name(text), password, role, disabled: false, created_at: now() };
        assert!(self.accounts().add_user(&user).await.expect("written"));
    }

    async fn try_to_log_in(&self, name: &str, password: &str, cookie: &str) -> Response {
        let body = format!("name={name}&password={}", password.replace(' ', "+"));
        let request = client(None).post(self.url("/login")).header(COOKIE, cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.expect("an answer")
    }

    /// The cookie of a new session.
    async fn log_in(&self, name: &str) -> String {
        let answer = self.try_to_log_in(name, PASSWORD, "").await;
        assert!(leads(&answer, "/"));
        cookie(&answer)
    }

    async fn get_with(&self, path: &str, cookie: &str) -> Response {
        client(None).get(self.url(path)).header(COOKIE, cookie).send().await.expect("an answer")
    }

    /// The proof that the page of this session sends along.
    async fn proof(&self, cookie: &str) -> String {
        let page = self.get_with("/", cookie).await.text().await.expect("text");
        let (_, rest) = page.split_once("name=\"proof\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }

    /// The status of turning an emergency switch with this cookie and these headers.
    async fn turn(&self, cookie: &str, headers: &[(&str, &str)]) -> StatusCode {
        let body = r#"{"line": "1000", "on": true}"#;
        let request = client(None).post(self.url("/api/v1/emergency")).header(COOKIE, cookie);
        let request = request.header("content-type", "application/json").body(body);
        let add =
            |request: reqwest::RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
        headers.iter().fold(request, add).send().await.expect("an answer").status()
    }
}

/// The cookie that an answer sets, as it is sent back.
fn cookie(answer: &Response) -> String {
    let set = answer.headers()[SET_COOKIE].to_str().expect("text");
    set.split(';').next().expect("a pair").to_owned()
}

/// Whether this is the answer that leads a browser there.
fn leads(answer: &Response, to: &str) -> bool {
    answer.status() == StatusCode::SEE_OTHER && answer.headers()[LOCATION] == to
}

/// Settings with a token for each role, `token-of-the-ROLE`, and one that opens nothing.
fn with_roles() -> Settings {
    let known = |word: &str, scopes| KnownToken {
        name: name(word),
        hash: Key::shown(&format!("token-of-the-{word}")).hash(),
        scopes,
    };
    let mut settings = settings();
    settings.tokens.extend(Role::ALL.map(|role| known(role.word(), role.scopes())));
    settings.tokens.push(known("idler", Scopes::NONE));
    settings
}

#[tokio::test]
async fn every_route_is_open_to_these_and_to_nobody_else() {
    let site = site_with([], with_roles()).await;
    site.live.update(live_call(1));
    let who = ["nobody", "idler", "agent", "supervisor", "editor", "admin"];
    let mut told = String::new();
    for (method, path, _) in &site.table {
        let filled = path.replace("{id}", &format!("{:016x}", 1)).replace("{token}", "token-1");
        let url = site.url(&filled.replace("{*path}", "page.css"));
        write!(told, "{:<37}", format!("{:<4} {path}", method.as_str())).expect("memory");
        for who in who {
            let token = format!("token-of-the-{who}");
            let client = client((who != "nobody").then_some(&token));
            let method = Method::from_bytes(method.as_str().as_bytes()).expect("a method");
            let answer = client.request(method, &url).send().await.expect("an answer");
            write!(told, " {}", answer.status().as_u16()).expect("memory");
        }
        told.push('\n');
    }
    // Whoever gets past the door is told 400 for what is missing, 404 for what is not there, 503 for what does not run.
    let expected = "\
GET  /                                303 403 200 200 200 200
GET  /login                           200 200 200 200 200 200
POST /login                           400 400 400 400 400 400
GET  /login/provider                  404 404 404 404 404 404
GET  /login/provider/back             404 404 404 404 404 404
GET  /enter                           403 403 403 403 403 403
POST /logout                          303 303 303 303 303 303
GET  /assets/{*path}                  200 200 200 200 200 200
GET  /events                          401 403 200 200 200 200
GET  /api/v1/calls                    401 403 200 200 200 200
GET  /api/v1/calls/{id}               401 403 200 200 200 200
GET  /api/v1/calls/{id}/ladder        401 403 403 200 403 200
GET  /api/v1/calls/{id}/recording     401 403 403 404 403 404
GET  /api/v1/handovers/{token}        401 403 200 200 403 200
GET  /api/v1/trunks                   401 403 403 200 200 200
POST /api/v1/reload                   401 403 403 403 503 503
GET  /api/v1/customers/{id}/export    401 403 403 403 403 200
DELETE /api/v1/customers/{id}         401 403 403 403 403 200
GET  /api/v1/numbers/{number}/export  401 403 403 403 403 200
DELETE /api/v1/numbers/{number}       401 403 403 403 403 200
GET  /api/v1/audit                    401 403 403 403 403 200
GET  /api/v1/locks                    401 403 403 200 403 200
POST /api/v1/locks/lift               401 403 403 400 403 400
GET  /api/v1/emergency                401 403 403 200 200 200
POST /api/v1/emergency                401 403 403 400 400 400
GET  /health                          200 200 200 200 200 200
GET  /ready                           503 503 503 503 503 503
GET  /metrics                         401 403 403 200 200 200
";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_token_opens_its_scope_and_no_other() {
    for scope in Scope::all() {
        let mut settings = settings();
        settings.tokens[0].scopes = [scope].into_iter().collect();
        let site = site_with([], settings).await;
        for (method, path, needs) in site.table.iter().filter(|(_, _, needs)| *needs != Needs::Nothing) {
            let method = Method::from_bytes(method.as_str().as_bytes()).expect("a method");
            let answer = site.client.request(method, site.url(path)).send().await.expect("an answer");
            let is_opened = [Needs::Login, Needs::Scope(scope)].contains(needs);
            assert_eq!(answer.status() != StatusCode::FORBIDDEN, is_opened, "{path} by {}", scope.word());
        }
    }
}

#[tokio::test]
async fn who_shows_nothing_is_told_how_to() {
    let site = site().await;
    let page = client(None).get(site.url("/")).send().await.expect("an answer");
    assert!(leads(&page, "/login"));
    let api = client(None).get(site.url("/api/v1/calls")).send().await.expect("an answer");
    assert_eq!(api.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.headers()[WWW_AUTHENTICATE], "Bearer realm=\"portero\"");
    assert!(api.text().await.expect("text").contains("Authorization: Bearer TOKEN"));
    for authorization in
        ["Bearer nonsense-nonsense", "Bearer", "Basic YWRtaW46YWRtaW4=", "everything-that-there-is"]
    {
        let request = client(None).get(site.url("/api/v1/calls")).header("authorization", authorization);
        assert_eq!(
            request.send().await.expect("an answer").status(),
            StatusCode::UNAUTHORIZED,
            "{authorization}"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_none_is_not_mended_by_a_cookie() {
    let site = site().await;
    site.add_user("ann", Role::Admin).await;
    let cookie = site.log_in("ann").await;
    let request = client(Some("nonsense-nonsense")).get(site.url("/api/v1/calls")).header(COOKIE, cookie);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn somebody_logs_in_looks_and_logs_out() {
    let site = site().await;
    site.add_user("ann", Role::Agent).await;
    let form = site.text("/login").await;
    assert!(form.contains("action=\"/login\"") && !form.contains("<script"), "{form}");
    let answer = site.try_to_log_in("Ann", PASSWORD, "").await;
    let set = answer.headers()[SET_COOKIE].to_str().expect("text");
    let name = format!("portero-{}=", site.address.port());
    assert!(set.starts_with(&name) && set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let cookie = cookie(&answer);
    let page = site.get_with("/", &cookie).await.text().await.expect("text");
    assert!(page.contains("ann · Log out"), "{page}");

    let proof = site.proof(&cookie).await;
    let leave = client(None).post(site.url("/logout")).header(COOKIE, &cookie);
    let leave =
        leave.header("content-type", "application/x-www-form-urlencoded").body(format!("proof={proof}"));
    let left = leave.send().await.expect("an answer");
    assert!(leads(&left, "/login"));
    assert!(left.headers()[SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(site.get_with("/api/v1/calls", &cookie).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_done_at_the_door_is_in_the_audit_log() {
    let site = site().await;
    site.add_user("ann", Role::Supervisor).await;
    site.try_to_log_in("ann", "wrong", "").await;
    let cookie = site.log_in("ann").await;
    let proof = site.proof(&cookie).await;
    assert_eq!(site.turn(&cookie, &[("x-portero-proof", &proof)]).await, StatusCode::OK);
    let leave =
        client(None).post(site.url("/logout")).header(COOKIE, &cookie).header("x-portero-proof", proof);
    assert!(leads(&leave.send().await.expect("an answer"), "/login"));
    let rows = site.store.audited(&AuditFilter::default(), 100).await.expect("read");
    let mut told: Vec<_> =
        rows.iter().map(|row| format!("{} {} {}", row.actor, row.deed.as_str(), row.subject)).collect();
    told.sort();
    let expected = [
        "somebody at 127.0.0.1 refused pages",
        "user ann changed emergency switch of 1000",
        "user ann logged_in pages",
        "user ann logged_out pages",
        "user ann read the page",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_key_from_before_the_login_is_worth_nothing_after_it() {
    let site = site().await;
    site.add_user("ann", Role::Agent).await;
    let planted = format!("portero-{}=planted-by-somebody-else", site.address.port());
    let answer = site.try_to_log_in("ann", PASSWORD, &planted).await;
    let first = cookie(&answer);
    assert_ne!(first, planted);
    assert_eq!(site.get_with("/api/v1/calls", &planted).await.status(), StatusCode::UNAUTHORIZED);
    let second = cookie(&site.try_to_log_in("ann", PASSWORD, &first).await);
    assert_ne!(second, first);
    assert_eq!(site.get_with("/api/v1/calls", &first).await.status(), StatusCode::UNAUTHORIZED, "it is over");
    assert_eq!(site.get_with("/api/v1/calls", &second).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_changes_something_is_proven_to_come_from_our_own_page() {
    let site = site().await;
    site.add_user("ann", Role::Supervisor).await;
    let (ours, others) = (site.log_in("ann").await, site.log_in("ann").await);
    let (proof, of_another) = (site.proof(&ours).await, site.proof(&others).await);
    let own = format!("http://{}", site.address);
    let table: [(&[(&str, &str)], StatusCode); 8] = [
        (&[], StatusCode::FORBIDDEN),
        (&[("x-portero-proof", "")], StatusCode::FORBIDDEN),
        (&[("x-portero-proof", &of_another)], StatusCode::FORBIDDEN),
        (&[("x-portero-proof", &proof), ("origin", "https://evil.example")], StatusCode::FORBIDDEN),
        (&[("x-portero-proof", &proof), ("origin", "null")], StatusCode::FORBIDDEN),
        (&[("x-portero-proof", &proof), ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (&[("x-portero-proof", &proof), ("origin", &own), ("sec-fetch-site", "same-origin")], StatusCode::OK),
        (&[("x-portero-proof", &proof)], StatusCode::OK),
    ];
    for (headers, status) in table {
        assert_eq!(site.turn(&ours, headers).await, status, "{headers:?}");
    }
    let login = client(None).post(site.url("/login")).header("origin", "https://evil.example").body("");
    assert_eq!(login.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    let leave = client(None).post(site.url("/logout")).header(COOKIE, &ours).body("");
    assert_eq!(leave.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    assert_eq!(site.get_with("/api/v1/calls", &ours).await.status(), StatusCode::OK, "still logged in");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let site = site().await;
    site.add_user("ann", Role::Admin).await;
    site.add_user("bob", Role::Admin).await;
    assert!(site.accounts().change_user(&name("bob"), Change::Disabled(true)).await.expect("written"));
    let mut answers = Vec::new();
    for (name, password) in
        [("ann", "wrong horse battery"), ("nobody", PASSWORD), ("bob", PASSWORD), ("%00", "x")]
    {
        let answer = site.try_to_log_in(name, password, "").await;
        assert!(!answer.headers().contains_key(SET_COOKIE), "{name}");
        answers.push((answer.status(), answer.text().await.expect("text")));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn who_fails_too_often_waits_with_the_right_password_too() {
    let site = site().await;
    site.add_user("ann", Role::Admin).await;
    for _ in 0..6 {
        assert_eq!(site.try_to_log_in("ann", "wrong", "").await.status(), StatusCode::UNAUTHORIZED);
    }
    let answer = site.try_to_log_in("ann", PASSWORD, "").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    assert!(answer.text().await.expect("text").contains("Try again in 1 seconds"));
}

#[tokio::test]
async fn a_session_ends_with_its_user_and_with_its_password() {
    let site = site().await;
    let status = async |cookie: &str| site.get_with("/api/v1/trunks", cookie).await.status();
    for text in ["removed", "disabled", "renewed", "promoted"] {
        site.add_user(text, Role::Agent).await;
    }
    let mut cookies = Vec::new();
    for text in ["removed", "disabled", "renewed", "promoted"] {
        cookies.push(site.log_in(text).await);
        assert_eq!(
            status(&cookies[cookies.len() - 1]).await,
            StatusCode::FORBIDDEN,
            "an agent sees no trunks"
        );
    }
    let accounts = site.accounts();
    let renewed = PasswordHash::of(&Password::new("another horse".into()), [4; 16]);
    assert!(accounts.remove_user(&name("removed")).await.expect("written"));
    for (text, change) in [
        ("disabled", Change::Disabled(true)),
        ("renewed", Change::Password(renewed)),
        ("promoted", Change::Role(Role::Supervisor)),
    ] {
        assert!(accounts.change_user(&name(text), change).await.expect("written"));
    }
    for cookie in &cookies[..3] {
        assert_eq!(status(cookie).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(&cookies[3]).await, StatusCode::OK, "another role counts at once");
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_it_was_asked_for_by() {
    let site = site().await;
    site.add_user("ann", Role::Agent).await;
    let (cookie, proof) = {
        let cookie = site.log_in("ann").await;
        let proof = site.proof(&cookie).await;
        (cookie, proof)
    };
    let mut events = Events { response: site.get_with("/events", &cookie).await, unread: Vec::new() };
    assert_eq!(events.next_json().await.0, "snapshot");
    let leave =
        client(None).post(site.url("/logout")).header(COOKIE, &cookie).header("x-portero-proof", proof);
    assert_eq!(leave.send().await.expect("an answer").status(), StatusCode::SEE_OTHER);
    assert_eq!(events.next().await, None, "it ends");
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_over() {
    let mut settings = settings();
    settings.lifetimes.idle = std::time::Duration::ZERO;
    let site = site_with([], settings).await;
    site.add_user("ann", Role::Agent).await;
    let cookie = site.log_in("ann").await;
    assert_eq!(site.get_with("/", &cookie).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(site.get_with("/api/v1/calls", &cookie).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_of_the_database_is_good_until_it_expires_or_is_removed() {
    let site = site().await;
    let scopes = Role::Agent.scopes();
    let (key, expired) = (Key::new([1; 32]), Key::new([2; 32]));
    let token = |text, expires_at| Token { name: name(text), scopes, created_at: now(), expires_at };
    let accounts = site.accounts();
    assert!(accounts.add_token(&token("good", None), key.hash()).await.expect("written"));
    assert!(accounts.add_token(&token("expired", Some(now())), expired.hash()).await.expect("written"));
    let status = async |key: &Key| {
        let asked = client(Some(key.expose())).get(site.url("/api/v1/calls")).send().await;
        asked.expect("an answer").status()
    };
    assert_eq!((status(&key).await, status(&expired).await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    assert!(accounts.remove_token(&name("good")).await.expect("written"));
    assert_eq!(status(&key).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_reload_takes_tokens_away_and_opens_the_metrics() {
    let site = site().await;
    let metrics = async || client(None).get(site.url("/metrics")).send().await.expect("an answer").status();
    assert_eq!(
        (site.get("/api/v1/calls").await.status(), metrics().await),
        (StatusCode::OK, StatusCode::UNAUTHORIZED)
    );
    site.settings.send_replace(Arc::new(Settings { tokens: Vec::new(), open_metrics: true, ..settings() }));
    assert_eq!(
        (site.get("/api/v1/calls").await.status(), metrics().await),
        (StatusCode::UNAUTHORIZED, StatusCode::OK)
    );
}

#[tokio::test]
async fn the_link_of_the_demo_lets_its_user_in() {
    let site = site().await;
    let answer = site.get_with(&format!("/enter?key={LINK}"), "").await;
    assert!(leads(&answer, "/"));
    assert_eq!(site.get_with("/metrics", &cookie(&answer)).await.status(), StatusCode::OK, "to everything");
    for wrong in ["/enter", "/enter?key=", "/enter?key=another-key-in-a-link"] {
        let answer = site.get_with(wrong, "").await;
        assert_eq!(
            (answer.status(), answer.headers().contains_key(SET_COOKIE)),
            (StatusCode::FORBIDDEN, false)
        );
    }
}

#[tokio::test]
async fn an_agent_sees_the_board_and_nothing_of_others() {
    let old = CallRecord { ended_at: now() - SignedDuration::from_hours(2), ..sample::record(1) };
    let site = site_with([old], with_roles()).await;
    site.live.ended(fresh_record(2));
    site.live.update(live_call(3));
    let as_role = async |role: &str, path: &str| {
        let token = format!("token-of-the-{role}");
        client(Some(&token)).get(site.url(path)).send().await.expect("an answer").text().await.expect("text")
    };
    for (role, ids, record, token) in
        [("agent", 2, false, true), ("editor", 2, false, false), ("supervisor", 3, true, true)]
    {
        let list: Value = serde_json::from_str(&as_role(role, "/api/v1/calls").await).expect("JSON");
        let calls = list["calls"].as_array().expect("a list");
        assert_eq!(calls.len(), ids, "{role}");
        assert!(calls[1..].iter().all(|call| call["record"].is_object() == record), "{role}");
        assert!(calls.iter().all(|call| (call["hand_over"]["token"] != "") == token), "{role}");
        let one: Value =
            serde_json::from_str(&as_role(role, "/api/v1/calls/0000000000000002").await).expect("JSON");
        assert_eq!(one["record"].is_object(), record, "{role}");
        let page = as_role(role, "/").await;
        assert_eq!((page.contains("/ladder"), page.contains("/recording")), (record, record), "{role}");
    }
    let path = "/api/v1/calls/0000000000000001";
    assert!(as_role("agent", path).await.contains("there is no call"), "it is older than the board");
    let token = "token-of-the-agent";
    for (path, hidden) in [("/events", "\"record\":{"), ("/events?as=html", "/ladder")] {
        let response = client(Some(token)).get(site.url(path)).send().await.expect("an answer");
        let mut events = Events { response, unread: Vec::new() };
        let (_, snapshot) = events.next().await.expect("the board");
        site.live.ended(fresh_record(if path.contains("html") { 5 } else { 4 }));
        let (_, change) = events.next().await.expect("a change");
        assert!(!snapshot.contains(hidden) && !change.contains(hidden), "{snapshot} {change}");
    }
}

#[tokio::test]
async fn pages_speak_tls_with_the_certificate_of_the_day() {
    let authority = Authority::new();
    let serve = |name: &str| {
        let issued = authority.issue(name, |_| ());
        let certificate = authority.write(&format!("{name}.pem"), &issued.certificate);
        let key = authority.write(&format!("{name}.key"), &issued.key);
        Some(pages::tls(&pages::CertificateFiles { certificate, key }).expect("of use"))
    };
    let site = site_with([], Settings { tls: serve("127.0.0.1"), ..settings() }).await;
    site.add_user("ann", Role::Agent).await;
    let pem = std::fs::read(authority.file("ca.pem")).expect("written");
    let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let client = || {
        let builder = Client::builder().tls_certs_only([root.clone()]).redirect(Policy::none());
        builder.build().expect("a client")
    };
    let url = |path: &str| format!("https://127.0.0.1:{}{path}", site.address.port());
    let login = client().post(url("/login")).header("content-type", "application/x-www-form-urlencoded");
    let answer = login.body(format!("name=ann&password={}", PASSWORD.replace(' ', "+"))).send().await;
    let answer = answer.expect("a handshake");
    let set = answer.headers()[SET_COOKIE].to_str().expect("text").to_owned();
    assert!(
        set.starts_with("__Host-portero-") && set.contains("; Secure") && !set.contains("Domain"),
        "{set}"
    );
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let page = client().get(url("/")).header(COOKIE, cookie(&answer)).send().await.expect("an answer");
    assert_eq!(page.status(), StatusCode::OK);

    let plain = Client::new().get(format!("http://{}/ready", site.address)).send().await;
    assert!(plain.is_err(), "nothing is said in the clear");
    site.settings.send_replace(Arc::new(Settings { tls: serve("192.0.2.1"), ..settings() }));
    let renewed = client().get(url("/ready")).send().await;
    assert!(renewed.is_err(), "the new certificate is for another address");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_keeps_nobody_waiting() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| ());
    let certificate = authority.write("c.pem", &issued.certificate);
    let key = authority.write("k.pem", &issued.key);
    let tls = pages::tls(&pages::CertificateFiles { certificate, key }).expect("of use");
    let site = site_with([], Settings { tls: Some(tls), ..settings() }).await;
    let _silent = TcpStream::connect(site.address).await.expect("connected");
    let mut garbled = TcpStream::connect(site.address).await.expect("connected");
    garbled.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let root = std::fs::read(authority.file("ca.pem")).expect("written");
    let root = reqwest::Certificate::from_pem(&root).expect("a certificate");
    let client = Client::builder().tls_certs_only([root]).build().expect("a client");
    let url = format!("https://127.0.0.1:{}/health", site.address.port());
    assert_eq!(client.get(url).send().await.expect("an answer").status(), StatusCode::OK);
}
