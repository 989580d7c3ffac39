//! The audit log of what visitors do.

use axum::http::StatusCode;

use super::App;
use super::api::Refusal;
use super::door::Visitor;
use crate::records::audit::Deed;

impl App {
    /// Puts into the audit log what somebody is given to read. Where that fails, they are given nothing.
    pub(super) async fn note_reading(&self, reader: &Visitor, what: String) -> Result<(), Refusal> {
        self.note(reader, Deed::Read, what, "").await
    }

    /// Puts into the audit log what somebody is about to do. Where that fails, it is not to be done.
    pub(super) async fn note(
        &self,
        visitor: &Visitor,
        deed: Deed,
        what: String,
        how: &str,
    ) -> Result<(), Refusal> {
        let noted = self.state.audit.append(visitor.actor(), deed, what, how).await;
        // What went wrong has been logged where it did.
        noted.map(drop).map_err(|_| {
            let why = "this is not to be had while the audit log cannot be written";
            Refusal(StatusCode::SERVICE_UNAVAILABLE, why.into())
        })
    }

    /// Puts into the audit log what somebody has changed. It stays changed where that fails, which has been logged then.
    pub(super) async fn note_change(&self, visitor: &Visitor, what: String, how: &str) {
        drop(self.state.audit.append(visitor.actor(), Deed::Changed, what, how).await);
    }
}
