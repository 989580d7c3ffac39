//! `/api/v1/locks`: what is locked by failed proofs, listed and lifted.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::{Extension, Json, extract};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::App;
use super::api::Refusal;
use super::door::Visitor;
use crate::call::record::Lock;
use crate::locks::{Key, LockOut, NotCounted};
use crate::records::audit::Deed;
use crate::records::pseudonyms::Sort;

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
    Extension(visitor): Extension<Visitor>,
    lift: Result<Json<Lift>, JsonRejection>,
) -> Result<Json<Lifted>, Refusal> {
    let Json(Lift { kind, key }) =
        lift.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.body_text().into()))?;
    // Before it is done: what cannot be noted is not lifted. The log outlives people's data, and names none of them.
    app.note(&visitor, Deed::Unlocked, subject(&app, kind, &key), "").await?;
    let tries = app.state.locks.lift(Key::new(kind, key)).await?;
    if tries == 0 {
        let why = "nothing is charged to it: see /api/v1/locks for what is locked";
        return Err(Refusal(StatusCode::NOT_FOUND, why.into()));
    }
    warn!(kind = kind.as_str(), tries, "a lock-out was lifted");
    Ok(Json(Lifted { tries }))
}

/// What the audit log calls a lock-out: trunks and lines by their names, people by what stands for them.
fn subject(app: &App, kind: Lock, key: &str) -> String {
    let pseudonyms = &app.state.pseudonyms;
    match kind {
        Lock::Customer => format!("lock-out of {}", pseudonyms.of(Sort::Customer, key)),
        Lock::Ani => format!("lock-out of {}", pseudonyms.of(Sort::Ani, key)),
        Lock::Trunk | Lock::Line => format!("lock-out of {} {key}", kind.as_str()),
    }
}
