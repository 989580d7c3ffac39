//! The JSON API: calls, hand-overs, trunks, health, metrics.
//!
//! Every refusal is `{"error": "…"}` with a fitting status. Live calls come from the board, older ones from
//! the records; a call is on the board until its record has been kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::error;

use super::door::Visitor;
use super::sight::Sight;
use super::{App, Readiness, Reloaded};
use crate::call::record::Verdict;
use crate::call::{CallView, HandOverOutcome, TrunkView};
use crate::records::RecordsError;

/// Calls in a list if the request does not say how many.
pub(super) const LIMIT_DEFAULT: u32 = 100;

/// Calls in a list at most; asking for more gets this many.
pub(super) const LIMIT_MAX: u32 = 1000;

/// How programs prove themselves (RFC 6750 §3).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"portero\"");

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Refusal(pub StatusCode, pub Cow<'static, str>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: Cow<'static, str>,
        }
        let mut answer = (self.0, Json(Body { error: self.1 })).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1 wants a challenge. Of these, browsers ask their users for no password of their own accord.
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
        }
        answer
    }
}

impl From<RecordsError> for Refusal {
    fn from(error: RecordsError) -> Self {
        error!(%error, "records cannot be read for the API");
        Self(StatusCode::SERVICE_UNAVAILABLE, "the records cannot be read at the moment".into())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text().into())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text().into())
    }
}

/// The query of `/api/v1/calls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    pub limit: Option<u32>,
}

/// A list of calls: live ones first, newest first among both.
#[derive(Debug, Serialize)]
pub(super) struct CallList {
    calls: Vec<Arc<CallView>>,
}

/// The trunks, in the order of the configuration, as they were a second ago at most.
#[derive(Debug, Serialize)]
pub(super) struct TrunkList {
    trunks: Arc<[TrunkView]>,
}

/// A hand-over, for whoever received the call with its token.
#[derive(Debug, Serialize)]
pub(super) struct HandedOver {
    token: String,
    verdict: Verdict,
    title: &'static str,
    customer: Option<String>,
    name: Option<String>,
    ani: Option<String>,
    line: String,
    call_id: String,
    target: String,
    outcome: HandOverOutcome,
    /// When the REFER was sent; of a call that is no longer on the board, when it ended.
    at: Timestamp,
}

/// `GET /api/v1/calls`. Who may not see records sees the board.
pub(super) async fn calls(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<CallList>, Refusal> {
    let limit = query?.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    app.note_reading(&visitor, format!("calls, the newest {limit}")).await?;
    let sight = Sight::of(&visitor);
    let records = if sight.records() { app.state.store.recent(limit).await? } else { Vec::new() };
    // The board is looked at last: whatever has been recorded since is still on it.
    let board = app.state.live.picture();
    let shown: HashSet<&str> = board.live.iter().chain(&board.ended).map(|view| view.id.as_str()).collect();
    let older = records.into_iter().filter(|record| !shown.contains(record.id.as_str()));
    let mut ended: Vec<_> = older.map(|record| Arc::new(CallView::of_record(record))).collect();
    ended.extend(board.ended.iter().cloned());
    ended.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
    let calls = board.live.iter().chain(&ended).take(limit as usize).map(|view| sight.call(view)).collect();
    Ok(Json(CallList { calls }))
}

/// `GET /api/v1/calls/{id}`
pub(super) async fn call(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Arc<CallView>>, Refusal> {
    let Path(id) = id?;
    let sight = Sight::of(&visitor);
    let view = match app.state.live.by_id(&id) {
        Some(view) => Some(view),
        None if sight.records() => app.state.store.by_id(&id).await?.map(CallView::of_record).map(Arc::new),
        None => None,
    };
    let view = view.ok_or(Refusal(StatusCode::NOT_FOUND, "there is no call of this identifier".into()))?;
    app.note_reading(&visitor, format!("call {}", view.id)).await?;
    Ok(Json(sight.call(&view)))
}

/// `GET /api/v1/trunks`
pub(super) async fn trunks(extract::State(app): extract::State<Arc<App>>) -> Json<TrunkList> {
    Json(TrunkList { trunks: app.state.live.trunks() })
}

/// `GET /api/v1/handovers/{token}`
pub(super) async fn hand_over(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    token: Result<Path<String>, PathRejection>,
) -> Result<Json<HandedOver>, Refusal> {
    let Path(token) = token?;
    let view = match app.state.live.by_token(&token) {
        Some(view) => Some(Arc::unwrap_or_clone(view)),
        None => app.state.store.by_token(&token).await?.map(CallView::of_record),
    };
    let handed_over = view.and_then(HandedOver::of);
    let handed_over =
        handed_over.ok_or(Refusal(StatusCode::NOT_FOUND, "there is no hand-over of this token".into()))?;
    app.note_reading(&visitor, format!("hand-over of call {}", handed_over.call_id)).await?;
    Ok(Json(handed_over))
}

impl HandedOver {
    fn of(view: CallView) -> Option<Self> {
        let hand_over = view.hand_over?;
        Some(Self {
            token: hand_over.token,
            verdict: view.verdict,
            title: view.title,
            customer: view.customer,
            name: view.name,
            ani: view.ani,
            line: view.line,
            call_id: view.id,
            target: hand_over.target,
            outcome: hand_over.outcome,
            at: hand_over.at,
        })
    }
}

/// `POST /api/v1/reload`: reads the configuration again. 422 with everything that is wrong with it, and the one
/// in effect stays.
pub(super) async fn reload(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Json<Reloaded>, Refusal> {
    let busy = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "another reload is under way".into());
    let (reply, outcome) = oneshot::channel();
    app.state.reload.try_send(reply).map_err(|_| busy())?;
    let outcome = outcome.await.map_err(|_| busy())?;
    let how = if outcome.is_ok() { "read again" } else { "refused for its faults" };
    app.note_change(&visitor, "configuration".to_owned(), how).await;
    match outcome {
        Ok(reloaded) => Ok(Json(reloaded)),
        Err(faults) => Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, faults.into())),
    }
}

/// `GET /health`: 200 for as long as the process can answer.
pub(super) async fn health() -> &'static str {
    "healthy"
}

/// `GET /ready`: 200 while calls are taken, otherwise 503.
pub(super) async fn ready(extract::State(app): extract::State<Arc<App>>) -> (StatusCode, &'static str) {
    match *app.state.ready.borrow() {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Ready => (StatusCode::OK, "ready"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    }
}

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn metrics(extract::State(app): extract::State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.state.metrics.render())
}

/// Whatever else is asked for.
pub(super) async fn not_found() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is nothing at this address".into())
}

/// Whatever else is done to what there is.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not done to what is here: GET reads, and only what the manual says takes POST or DELETE"
            .into(),
    )
}
