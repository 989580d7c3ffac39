//! Who is behind a request, and the audit log for what they do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::extract::connect_info::ConnectInfo;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::App;
use super::api::Refusal;
use super::doorway::Peer;
use crate::records::audit::{Actor, Deed};

/// Whoever sent a request: the [`Actor`] among its extensions, where somebody is known by then; else its address.
#[derive(Debug)]
pub(super) struct Acting(Actor);

impl<S: Sync> FromRequestParts<S> for Acting {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Actor>().cloned();
        let at = || parts.extensions.get::<ConnectInfo<Peer>>().map(|peer| Actor::at(peer.0.0.ip()));
        Ok(Self(known.or_else(at).unwrap_or_else(|| Actor::Somebody("an unknown address".to_owned()))))
    }
}

impl App {
    /// Puts into the audit log what somebody is given to read. Where that fails, they are given nothing.
    pub(super) async fn note_reading(&self, reader: Acting, what: String) -> Result<(), Refusal> {
        self.note(&reader, Deed::Read, what, "").await
    }

    /// Puts into the audit log what somebody is about to do. Where that fails, it is not to be done.
    pub(super) async fn note(
        &self,
        Acting(actor): &Acting,
        deed: Deed,
        what: String,
        how: &str,
    ) -> Result<(), Refusal> {
        let noted = self.state.audit.append(actor.clone(), deed, what, how).await;
        // What went wrong has been logged where it did.
        noted.map(drop).map_err(|_| {
            let why = "this is not to be had while the audit log cannot be written";
            Refusal(StatusCode::SERVICE_UNAVAILABLE, why.into())
        })
    }

    /// Puts into the audit log what somebody has changed. It stays changed where that fails, which has been logged then.
    pub(super) async fn note_change(&self, Acting(actor): Acting, what: String, how: &str) {
        drop(self.state.audit.append(actor, Deed::Changed, what, how).await);
    }
}
