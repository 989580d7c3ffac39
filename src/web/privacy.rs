//! `/api/v1/customers/{id}` and `/api/v1/numbers/{number}`: what is kept of a person, handed out or erased.
//!
//! The export is what the records hold; recordings are named by where they are fetched. Somebody who is on the line is not
//! erased: the record of that call is yet to be written.

use std::sync::Arc;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, extract};
use serde::Serialize;
use tokio::sync::oneshot;

use super::api::Refusal;
use super::door::Visitor;
use super::{App, EraseRequest};
use crate::call::{CallRecord, Ladder};
use crate::records::audit::Deed;
use crate::records::person::{Erased, Held, Person};

/// All that is kept of a person.
#[derive(Debug, Serialize)]
struct Export<'h> {
    records: &'h [CallRecord],
    messages: Vec<Ladder<'h>>,
    recordings: Vec<String>,
}

type Name = Result<Path<String>, PathRejection>;

/// `GET /api/v1/customers/{id}/export`
pub(super) async fn export_customer(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: Name,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    app.export(&visitor, Person::Customer(id)).await
}

/// `GET /api/v1/numbers/{number}/export`
pub(super) async fn export_number(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    number: Name,
) -> Result<Response, Refusal> {
    let Path(number) = number?;
    app.export(&visitor, Person::Ani(number)).await
}

/// `DELETE /api/v1/customers/{id}`
pub(super) async fn erase_customer(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: Name,
) -> Result<Json<Erased>, Refusal> {
    let Path(id) = id?;
    app.erase(&visitor, Person::Customer(id)).await
}

/// `DELETE /api/v1/numbers/{number}`
pub(super) async fn erase_number(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    number: Name,
) -> Result<Json<Erased>, Refusal> {
    let Path(number) = number?;
    app.erase(&visitor, Person::Ani(number)).await
}

impl App {
    async fn export(&self, visitor: &Visitor, person: Person) -> Result<Response, Refusal> {
        let held = self.state.store.held(&person).await?;
        self.note_deed(visitor, Deed::Exported, &person, &held.in_words()).await?;
        let Held { records, traces, recordings } = &held;
        let recordings = recordings.iter().map(|(call, _)| format!("/api/v1/calls/{call}/recording"));
        let messages = traces.iter().map(Ladder::new).collect();
        Ok(Json(Export { records, messages, recordings: recordings.collect() }).into_response())
    }

    async fn erase(&self, visitor: &Visitor, person: Person) -> Result<Json<Erased>, Refusal> {
        if let Some(call) = self.state.live.call_of(&person) {
            let why = format!("they are on the line in call {call}: try again when it has ended");
            return Err(Refusal(StatusCode::CONFLICT, why.into()));
        }
        // Before and after: what is erased is in the log even if something is in the way in between.
        self.note_deed(visitor, Deed::Erased, &person, "begun").await?;
        let busy = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "too much is being erased: try again".into());
        let (reply, outcome) = oneshot::channel();
        let request = EraseRequest { person: person.clone(), reply };
        self.state.erasures.try_send(request).map_err(|_| busy())?;
        let outcome = outcome.await.map_err(|_| busy())?;
        self.state.live.erase(&person);
        let erased = outcome.map_err(|why| Refusal(StatusCode::SERVICE_UNAVAILABLE, why.into()))?;
        self.note_deed(visitor, Deed::Erased, &person, &erased.in_words()).await?;
        Ok(Json(erased))
    }

    /// Puts into the audit log what is done with what is known of a person, by pseudonym.
    async fn note_deed(
        &self,
        visitor: &Visitor,
        deed: Deed,
        person: &Person,
        how: &str,
    ) -> Result<(), Refusal> {
        let subject = person.pseudonym(&self.state.pseudonyms);
        self.note(visitor, deed, subject, how).await
    }
}
