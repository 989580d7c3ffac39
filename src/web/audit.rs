//! `/api/v1/audit`: who read, changed, unlocked, exported or erased what, the newest first.
//!
//! Whoever reads it is in it. Whether it was touched is for `portero audit verify` to tell, which reads the file itself.

use std::sync::Arc;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::{Extension, Json, extract};
use serde::Serialize;

use super::App;
use super::api::{LIMIT_DEFAULT, LIMIT_MAX, ListQuery, Refusal};
use super::door::Visitor;
use crate::records::audit::{AuditFilter, Audited};

/// Rows of the log.
#[derive(Debug, Serialize)]
pub(super) struct AuditList {
    rows: Vec<Audited>,
}

/// `GET /api/v1/audit`
pub(super) async fn list(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<AuditList>, Refusal> {
    let limit = query?.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    app.note_reading(&visitor, format!("the audit log, the newest {limit}")).await?;
    Ok(Json(AuditList { rows: app.state.store.audited(&AuditFilter::default(), limit).await? }))
}
