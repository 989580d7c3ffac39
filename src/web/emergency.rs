//! `/api/v1/emergency`: the emergency switches, shown and turned.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::{Extension, Json, extract};
use serde::Deserialize;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::api::Refusal;
use super::door::Visitor;
use super::{App, SwitchRequest};
use crate::call::Emergencies;
use crate::records::switches;

/// What is to be turned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    /// The line's name; absent or null for the switch of all lines.
    #[serde(default)]
    line: Option<String>,
    on: bool,
}

/// `GET /api/v1/emergency`: which switches are on.
pub(super) async fn show(
    extract::State(app): extract::State<Arc<App>>,
) -> Result<Json<Emergencies>, Refusal> {
    ask(&app, None).await.map(Json)
}

/// `POST /api/v1/emergency`: turns a switch, for the next call on. 404 where there is no such line.
pub(super) async fn turn(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    turn: Result<Json<Turn>, JsonRejection>,
) -> Result<Json<Emergencies>, Refusal> {
    let Json(turn) = turn.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.body_text().into()))?;
    let line = turn.line.clone().unwrap_or_else(|| "all lines".to_owned());
    let now = ask(&app, Some((turn.line, turn.on))).await?;
    warn!(%line, on = turn.on, "an emergency switch was turned");
    let how = if turn.on { "turned on" } else { "turned off" };
    app.note_change(&visitor, format!("emergency switch of {line}"), how).await;
    keep(&app, now.clone()).await?;
    Ok(Json(now))
}

async fn ask(app: &App, turn: Option<(Option<String>, bool)>) -> Result<Emergencies, Refusal> {
    let busy =
        || Refusal(StatusCode::SERVICE_UNAVAILABLE, "too much is being asked at once: try again".into());
    let (reply, outcome) = oneshot::channel();
    app.state.switches.try_send(SwitchRequest { turn, reply }).map_err(|_| busy())?;
    outcome.await.map_err(|_| busy())?.map_err(|unknown| Refusal(StatusCode::NOT_FOUND, unknown.into()))
}

async fn keep(app: &App, now: Emergencies) -> Result<(), Refusal> {
    let folder = app.state.folder.clone();
    let kept = tokio::task::spawn_blocking(move || switches::save(&folder, &now)).await;
    match kept {
        Ok(Ok(())) => Ok(()),
        failed => {
            error!(?failed, "the emergency switches are turned, and will not outlive a restart");
            let why = "it is turned, and will not outlive a restart: the data folder cannot be written";
            Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, why.into()))
        }
    }
}
