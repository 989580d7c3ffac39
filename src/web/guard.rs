//! What every request passes: the Host check, limits, the headers that keep pages apart, and the question who asks.
//!
//! A page of another site cannot read our answers, unless its name is made to point at our address (DNS
//! rebinding): then the browser sends that name as Host. So only names that are ours are answered.
//!
//! It can have its reader's browser send us something, though. Three things keep that from changing anything: the cookie
//! of a session is not sent with it (`SameSite`), what says that it comes from elsewhere is refused (Origin,
//! `Sec-Fetch-Site`), and a session has to send a proof along that only our own pages know.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::body::Body;
use axum::extract::{self, FromRequest as _, Request};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use metrics::counter;
use serde::Deserialize;

use super::App;
use super::api::Refusal;
use super::door::Visitor;
use super::routes::{Kind, Needs};
use crate::access::{Key, Scope};

/// How long a request may take until its answer begins.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// No resource here reads a long body; a request that brings more than this is refused outright.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// Everything comes from this server and goes back to it, and nobody may frame its pages.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Where TLS is spoken, browsers are to insist on it for a year (RFC 6797).
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The header that a page's script sends the proof in.
const PROOF: HeaderName = HeaderName::from_static("x-portero-proof");

/// What each answer carries unless it says otherwise itself.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With "no-referrer" a browser would send our own forms with `Origin: null` (WHATWG Fetch §3.2).
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Calls are personal: no cache keeps them.
    (header::CACHE_CONTROL, "no-store"),
];

/// Puts the protective headers on every answer.
pub(super) async fn protect(
    extract::State(app): extract::State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if app.door.speaks_tls() {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    response
}

/// What one route asks for.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub app: Arc<App>,
    pub needs: Needs,
    pub kind: Kind,
}

/// What a form sends besides its own fields.
#[derive(Deserialize)]
struct Proven {
    #[serde(default)]
    proof: String,
}

/// Lets through who may, with a [`Visitor`] for the handler.
pub(super) async fn admit(
    extract::State(gate): extract::State<Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !is_same_origin(request.headers()) {
        return refused("origin", StatusCode::FORBIDDEN, "this comes from another site's page")
            .into_response();
    }
    let visitor = match gate.admits(request.headers()).await {
        Ok(None) => return next.run(request).await,
        Ok(Some(visitor)) => visitor,
        Err(answer) => return *answer,
    };
    if changes && let Some(key) = visitor.session() {
        let (is_ours, whole) = prove(key, request).await;
        if !is_ours {
            let why = "this lacks the proof that our own pages send, or it is another session's: load the page again";
            return refused("proof", StatusCode::FORBIDDEN, why).into_response();
        }
        request = whole;
    }
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

impl Gate {
    /// Who asks; `None` where anybody may. The answer to those who may not.
    async fn admits(&self, headers: &HeaderMap) -> Result<Option<Visitor>, Box<Response>> {
        let needed = match self.needs {
            Needs::Nothing => return Ok(None),
            Needs::Scope(Scope::MetricsRead) if self.app.door.settings().open_metrics => return Ok(None),
            Needs::Login => None,
            Needs::Scope(scope) => Some(scope),
        };
        let visitor =
            self.app.door.who(headers).await.map_err(|refusal| Box::new(refusal.into_response()))?;
        let Some(visitor) = visitor else { return Err(Box::new(self.kind.turn_away())) };
        match needed.filter(|scope| !visitor.may(*scope)) {
            None => Ok(Some(visitor)),
            Some(scope) => {
                let why = format!(
                    "this needs the scope `{}`, which yours are not: {}",
                    scope.word(),
                    visitor.scopes
                );
                Err(Box::new(refused("scope", StatusCode::FORBIDDEN, why).into_response()))
            }
        }
    }
}

impl Kind {
    fn turn_away(self) -> Response {
        match self {
            Self::Page => Redirect::to("/login").into_response(),
            Self::Data => {
                let why = "log in at /login, or send a token: `Authorization: Bearer TOKEN`";
                refused("login", StatusCode::UNAUTHORIZED, why).into_response()
            }
        }
    }
}

fn refused(
    reason: &'static str,
    status: StatusCode,
    why: impl Into<std::borrow::Cow<'static, str>>,
) -> Refusal {
    counter!("portero_web_rejected_total", "reason" => reason).increment(1);
    Refusal(status, why.into())
}

/// Whether the request proves that it was made by a page of this session; and the request, whole again.
async fn prove(key: &Key, request: Request) -> (bool, Request) {
    if let Some(proof) = request.headers().get(PROOF) {
        return (proof.to_str().is_ok_and(|proof| key.made_form_proof(proof)), request);
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX as usize).await else {
        return (false, Request::from_parts(parts, Body::empty()));
    };
    let again = || Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let form = Form::<Proven>::from_request(again(), &()).await;
    (form.is_ok_and(|Form(Proven { proof })| key.made_form_proof(&proof)), again())
}

/// Refuses large bodies and gives up on answers that do not come.
pub(super) async fn limit(request: Request, next: Next) -> Response {
    if declared_body(request.headers()) > BODY_BYTES_MAX {
        return Refusal(StatusCode::PAYLOAD_TOO_LARGE, "nothing here takes as long a body".into())
            .into_response();
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long".into()).into_response(),
    }
}

/// The declared length of a body in octets; one that cannot be read counts as endless.
fn declared_body(headers: &HeaderMap) -> u64 {
    headers
        .get(header::CONTENT_LENGTH)
        .map_or(0, |length| length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or(u64::MAX))
}

/// Answers only to our own names. Probes, which disclose nothing, may use any.
pub(super) async fn check_host(
    extract::State(app): extract::State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let is_probe = matches!(request.uri().path(), "/health" | "/ready");
    let host = request.headers().get(header::HOST).map_or(Ok(""), HeaderValue::to_str).unwrap_or_default();
    let host = request.uri().authority().map_or(host, |authority| authority.as_str());
    if is_probe || is_ours(host, app.listening_on, &app.door.settings().names) {
        return next.run(request).await;
    }
    let why = "this server does not go by that name: use its address, or add the name to `names` in [web]";
    Refusal(StatusCode::MISDIRECTED_REQUEST, why.into()).into_response()
}

/// Whether a request that changes something was not sent by a page of another site. Programs send neither header.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let fetch_site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if fetch_site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Whether a Host (RFC 9110 §7.2) is one of ours. The port is not compared: it may have been forwarded.
fn is_ours(host: &str, listening_on: SocketAddr, names: &[String]) -> bool {
    let name = without_port(host);
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        // No name server can make an address ours that is not.
        let ours = listening_on.ip();
        return ours.is_unspecified() || address == ours || (address.is_loopback() && ours.is_loopback());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || names.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_ipv6(host) => name,
        _ => host,
    }
}

fn is_bare_ipv6(host: &str) -> bool {
    !host.starts_with('[') && host.matches(':').count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_answered() {
        let names = ["portero.example".to_owned()];
        let table = [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "127.0.0.1", true),
            ("127.0.0.1:8080", "127.0.0.1:9000", true),
            ("127.0.0.1:8080", "localhost:8080", true),
            ("127.0.0.1:8080", "LOCALHOST.", true),
            ("127.0.0.1:8080", "[::1]:8080", true),
            ("127.0.0.1:8080", "portero.example:8080", true),
            ("127.0.0.1:8080", "portero.example.evil.example", false),
            ("127.0.0.1:8080", "evil.example:8080", false),
            ("127.0.0.1:8080", "localhost.evil.example", false),
            ("127.0.0.1:8080", "192.0.2.1:8080", false),
            ("127.0.0.1:8080", "", false),
            ("127.0.0.1:8080", ":8080", false),
            ("127.0.0.1:8080", "[127.0.0.1:8080", true),
            ("192.0.2.1:8080", "192.0.2.1:8080", true),
            ("192.0.2.1:8080", "127.0.0.1:8080", false),
            ("0.0.0.0:8080", "192.0.2.7:8080", true),
            ("[::]:8080", "[2001:db8::1]:8080", true),
            ("[2001:db8::1]:80", "[2001:db8::1]", true),
            ("0.0.0.0:8080", "evil.example", false),
        ];
        for (listening_on, host, expected) in table {
            let listening_on = listening_on.parse().expect("an address");
            assert_eq!(is_ours(host, listening_on, &names), expected, "{host} at {listening_on}");
        }
    }

    #[test]
    fn what_a_page_of_another_site_sends_is_told() {
        let table = [
            (None, true),
            (Some("http://127.0.0.1:8080"), true),
            (Some("http://127.0.0.1:9090"), false),
            (Some("https://evil.example"), false),
            (Some("null"), false),
        ];
        for (origin, expected) in table {
            let mut headers =
                HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("127.0.0.1:8080"))]);
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            assert_eq!(is_same_origin(&headers), expected, "{origin:?}");
        }
        for (site, expected) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let name = HeaderName::from_static("sec-fetch-site");
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(site))]);
            assert_eq!(is_same_origin(&headers), expected, "{site}");
        }
    }

    #[test]
    fn a_body_is_as_long_as_it_says() {
        for (length, expected) in [("0", 0), ("17000", 17_000), ("-1", u64::MAX), ("lots", u64::MAX)] {
            let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(length))]);
            assert_eq!(declared_body(&headers), expected);
        }
        assert_eq!(declared_body(&HeaderMap::new()), 0);
    }
}
