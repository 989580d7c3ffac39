//! Logging in and out: a plain form that works without script, the demo's link, and a button.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, ConnectInfo, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use tracing::error;

use super::App;
use super::door::Denied;
use super::doorway::Peer;
use crate::access::Key;
use crate::secret::Password;

/// The login page.
#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    /// Why the last try was in vain.
    trouble: Option<Cow<'static, str>>,
    /// Whether there is a link that lets people in, too.
    has_link: bool,
    /// What the identity provider is called by whose word people are let in, too.
    provider: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
}

/// The query of the demo's link.
#[derive(Deserialize)]
pub(super) struct LinkQuery {
    key: String,
}

/// `GET /login`
pub(super) async fn form(extract::State(app): extract::State<Arc<App>>) -> Response {
    page(&app, StatusCode::OK, None)
}

/// `POST /login`: a cookie and the way to the board; or the form again.
pub(super) async fn log_in(
    extract::State(app): extract::State<Arc<App>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    credentials: Result<Form<Credentials>, FormRejection>,
) -> Response {
    let Ok(Form(Credentials { name, password })) = credentials else {
        return page(&app, StatusCode::BAD_REQUEST, Some("Name and password are both needed.".into()));
    };
    match app.door.log_in(&name, Password::new(password), peer.ip()).await {
        Ok(key) => welcome(&app, &headers, &key).await,
        Err(Denied::Wrong) => page(
            &app,
            StatusCode::UNAUTHORIZED,
            Some("That name and that password do not belong together.".into()),
        ),
        Err(Denied::TooMany(wait)) => {
            later(&app, StatusCode::TOO_MANY_REQUESTS, wait, "That was wrong too often")
        }
        Err(Denied::Busy) => {
            later(&app, StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(5), "Too many log in at once")
        }
        Err(Denied::Unavailable) => {
            page(&app, StatusCode::SERVICE_UNAVAILABLE, Some("Nobody can log in at the moment.".into()))
        }
    }
}

/// `GET /enter?key=…`: exchanges the key of the demo's link for a cookie. The redirect keeps it out of the history.
pub(super) async fn enter(
    extract::State(app): extract::State<Arc<App>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    query: Result<Query<LinkQuery>, QueryRejection>,
) -> Response {
    let entered = match query {
        Ok(Query(LinkQuery { key })) => app.door.enter(&key, peer.ip()).await,
        Err(_) => Err(Denied::Wrong),
    };
    match entered {
        Ok(key) => welcome(&app, &headers, &key).await,
        Err(_) => page(
            &app,
            StatusCode::FORBIDDEN,
            Some(
                "This link is no good. The demo prints a new one at each start, and others have none.".into(),
            ),
        ),
    }
}

/// `POST /logout`
pub(super) async fn log_out(extract::State(app): extract::State<Arc<App>>, headers: HeaderMap) -> Response {
    app.door.log_out(&headers).await;
    ([(header::SET_COOKIE, app.door.set_cookie(None))], Redirect::to("/login")).into_response()
}

/// A new key each time: whatever the browser held before is worth nothing from now on.
async fn welcome(app: &App, headers: &HeaderMap, key: &Key) -> Response {
    app.door.log_out(headers).await;
    ([(header::SET_COOKIE, app.door.set_cookie(Some(key)))], Redirect::to("/")).into_response()
}

fn later(app: &App, status: StatusCode, wait: Duration, why: &str) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let trouble = format!("{why}. Try again in {seconds} seconds.");
    ([(header::RETRY_AFTER, seconds.to_string())], page(app, status, Some(trouble.into()))).into_response()
}

pub(super) fn page(app: &App, status: StatusCode, trouble: Option<Cow<'static, str>>) -> Response {
    let provider = app.door.settings().provider.as_ref().map(|provider| provider.label.clone());
    match (Login { trouble, has_link: app.state.link.is_some(), provider }).render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(failure) => {
            error!(%failure, "the login page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
