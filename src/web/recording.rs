//! `GET /api/v1/calls/{id}/recording`: what was said in a call, as a WAV file.
//!
//! The file is the one that the call's record names: nothing of the request is part of a path. It is read piece by
//! piece as fast as the other side takes it, and in one go: there are no ranges.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, extract};
use futures_util::stream;
use tokio::task::spawn_blocking;

use super::App;
use super::api::Refusal;
use super::door::Visitor;

/// Octets that are read at a time.
const PIECE_LEN: usize = 64 * 1024;

/// `GET /api/v1/calls/{id}/recording`
pub(super) async fn recording(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let why = "there is no recording of a call of this identifier";
    let found = app.state.store.recording(&id).await?;
    let (file, length) = found.ok_or(Refusal(StatusCode::NOT_FOUND, why.into()))?;
    app.note_reading(&visitor, format!("recording of call {id}")).await?;
    let headers =
        [(header::CONTENT_TYPE, "audio/wav".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    let pieces = stream::try_unfold(file.take(length), |file| async {
        let (file, piece) = spawn_blocking(|| next_piece(file)).await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, file)))
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn next_piece(mut file: io::Take<File>) -> io::Result<(io::Take<File>, Bytes)> {
    let mut piece = Vec::with_capacity(PIECE_LEN);
    file.by_ref().take(PIECE_LEN as u64).read_to_end(&mut piece)?;
    Ok((file, piece.into()))
}
