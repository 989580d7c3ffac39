//! `GET /api/v1/calls/{id}/ladder`: the SIP messages of a call, as text, SVG or JSON.
//!
//! Those of a call that is up come from the server's loop, which is asked as anybody asks it: by a bounded queue. Older
//! ones come from the records. Between the two, for as long as a write takes, there may be neither.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::api::Refusal;
use super::door::Visitor;
use super::{App, TraceRequest};
use crate::call::{Ladder, Trace};

/// The picture has its colours in itself, and nothing else is allowed to it.
const OF_A_PICTURE: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// The query of a ladder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LadderQuery {
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Svg,
    Json,
}

/// `GET /api/v1/calls/{id}/ladder`
pub(super) async fn ladder(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<LadderQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), format) = (id?, query?.format);
    let trace = match live(&app, &id).await? {
        Some(trace) => Some(trace),
        None => app.state.store.trace(&id).await?,
    };
    let why = "there are no SIP messages of a call of this identifier";
    let trace = trace.ok_or(Refusal(StatusCode::NOT_FOUND, why.into()))?;
    app.note_reading(&visitor, format!("messages of call {}", trace.call)).await?;
    Ok(format.answer(&Ladder::new(&trace)))
}

async fn live(app: &App, call: &str) -> Result<Option<Trace>, Refusal> {
    let busy = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many ask at once; try again".into());
    let (reply, answer) = oneshot::channel();
    let request = TraceRequest { call: call.to_owned(), reply };
    app.state.traces.try_send(request).map_err(|_| busy())?;
    answer.await.map_err(|_| busy())
}

impl Format {
    fn answer(self, ladder: &Ladder<'_>) -> Response {
        match self {
            Self::Text => {
                ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], ladder.text()).into_response()
            }
            Self::Svg => {
                let headers = [
                    (header::CONTENT_TYPE, "image/svg+xml; charset=utf-8"),
                    (header::CONTENT_SECURITY_POLICY, OF_A_PICTURE),
                ];
                (headers, ladder.svg()).into_response()
            }
            Self::Json => Json(ladder).into_response(),
        }
    }
}
