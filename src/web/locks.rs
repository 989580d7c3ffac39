//! `/api/v1/locks`: what is locked by failed proofs, listed and lifted.

use std::sync::Arc;

use axum::Json;
use axum::extract;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::api::Refusal;
use super::{App, guard};
use crate::call::record::Lock;
use crate::locks::{Key, LockOut, NotCounted};

/// What is locked: by kind, and of each those first that will be for the longest.
#[derive(Debug, Serialize)]
pub(super) struct LockList {
    locks: Vec<LockOut>,
}

/// What is to be lifted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lift {
    kind: Lock,
    key: String,
}

/// What was.
#[derive(Debug, Serialize)]
pub(super) struct Lifted {
    /// How many failed proofs were forgotten.
    tries: u64,
}

impl From<NotCounted> for Refusal {
    fn from(error: NotCounted) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string().into())
    }
}

/// `GET /api/v1/locks`.
pub(super) async fn list(extract::State(app): extract::State<Arc<App>>) -> Result<Json<LockList>, Refusal> {
    Ok(Json(LockList { locks: app.state.locks.list().await? }))
}

/// `POST /api/v1/locks/lift`: forgets the failed proofs of a key. 404 where there are none.
pub(super) async fn lift(
    extract::State(app): extract::State<Arc<App>>,
    headers: HeaderMap,
    lift: Result<Json<Lift>, JsonRejection>,
) -> Result<Json<Lifted>, Refusal> {
    if !guard::is_same_origin(&headers) {
        return Err(Refusal(StatusCode::FORBIDDEN, "this comes from another site's page".into()));
    }
    let Json(Lift { kind, key }) =
        lift.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.body_text().into()))?;
    let tries = app.state.locks.lift(Key::new(kind, key)).await?;
    if tries == 0 {
        let why = "nothing is charged to it: see /api/v1/locks for what is locked";
        return Err(Refusal(StatusCode::NOT_FOUND, why.into()));
    }
    warn!(kind = kind.as_str(), tries, "a lock-out was lifted");
    Ok(Json(Lifted { tries }))
}
