//! Every route with what it needs. There is no way to add one without saying that: who may look is decided here, and a
//! handler is only reached by those who may.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};

use super::guard::{self, Gate};
use super::provider::BACK;
use super::{
    App, api, assets, audit, emergency, entrance, events, ladder, locks, page, privacy, provider, recording,
};
use crate::access::Scope;

/// What a request must bring to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: it tells nothing of anybody.
    Nothing,
    /// To be somebody, whoever it is.
    Login,
    /// This scope.
    Scope(Scope),
}

/// What is answered to whoever must log in first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The way to the login page.
    Page,
    /// 401.
    Data,
}

/// The routes so far.
pub(super) struct Routes {
    app: Arc<App>,
    router: Router<Arc<App>>,
    table: Vec<(Method, &'static str, Needs)>,
}

/// Every route there is.
pub(super) fn all(app: Arc<App>) -> Routes {
    Routes { app, router: Router::new(), table: Vec::new() }
        .page("/", Needs::Scope(Scope::CallsRead), page::page)
        .page("/login", Needs::Nothing, entrance::form)
        .submit("/login", Needs::Nothing, entrance::log_in)
        .page("/login/provider", Needs::Nothing, provider::away)
        .page(BACK, Needs::Nothing, provider::back)
        .page("/enter", Needs::Nothing, entrance::enter)
        .submit("/logout", Needs::Login, entrance::log_out)
        .get("/assets/{*path}", Needs::Nothing, assets::asset)
        .get("/events", Needs::Scope(Scope::CallsRead), events::events)
        .get("/api/v1/calls", Needs::Scope(Scope::CallsRead), api::calls)
        .get("/api/v1/calls/{id}", Needs::Scope(Scope::CallsRead), api::call)
        .get("/api/v1/calls/{id}/ladder", Needs::Scope(Scope::TracesRead), ladder::ladder)
        .get("/api/v1/calls/{id}/recording", Needs::Scope(Scope::RecordingsRead), recording::recording)
        .get("/api/v1/handovers/{token}", Needs::Scope(Scope::HandOversRead), api::hand_over)
        .get("/api/v1/trunks", Needs::Scope(Scope::TrunksRead), api::trunks)
        .post("/api/v1/reload", Needs::Scope(Scope::ReloadWrite), api::reload)
        .get("/api/v1/customers/{id}/export", Needs::Scope(Scope::PrivacyWrite), privacy::export_customer)
        .delete("/api/v1/customers/{id}", Needs::Scope(Scope::PrivacyWrite), privacy::erase_customer)
        .get("/api/v1/numbers/{number}/export", Needs::Scope(Scope::PrivacyWrite), privacy::export_number)
        .delete("/api/v1/numbers/{number}", Needs::Scope(Scope::PrivacyWrite), privacy::erase_number)
        .get("/api/v1/audit", Needs::Scope(Scope::AuditRead), audit::list)
        .get("/api/v1/locks", Needs::Scope(Scope::LocksRead), locks::list)
        .post("/api/v1/locks/lift", Needs::Scope(Scope::LocksWrite), locks::lift)
        .get("/api/v1/emergency", Needs::Scope(Scope::EmergencyRead), emergency::show)
        .post("/api/v1/emergency", Needs::Scope(Scope::EmergencyWrite), emergency::turn)
        .get("/health", Needs::Nothing, api::health)
        .get("/ready", Needs::Nothing, api::ready)
        .get("/metrics", Needs::Scope(Scope::MetricsRead), api::metrics)
}

impl Routes {
    /// `GET path` for people.
    fn page<H, T>(self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.add(Method::GET, path, needs, Kind::Page, handler)
    }

    /// `POST path` by a form of a page.
    fn submit<H, T>(self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.add(Method::POST, path, needs, Kind::Page, handler)
    }

    /// `GET path` for programs.
    fn get<H, T>(self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.add(Method::GET, path, needs, Kind::Data, handler)
    }

    /// `POST path`, which changes something.
    fn post<H, T>(self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.add(Method::POST, path, needs, Kind::Data, handler)
    }

    /// `DELETE path`, after which something is gone.
    fn delete<H, T>(self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        self.add(Method::DELETE, path, needs, Kind::Data, handler)
    }

    fn add<H, T>(mut self, method: Method, path: &'static str, needs: Needs, kind: Kind, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let gate = Gate { app: Arc::clone(&self.app), needs, kind };
        let filter = MethodFilter::try_from(method.clone()).expect("a method that axum knows");
        let gated = on(filter, handler).route_layer(from_fn_with_state(gate, guard::admit));
        self.router = self.router.route(path, gated);
        self.table.push((method, path, needs));
        self
    }

    /// The routes as they are served.
    pub fn into_router(self) -> Router<Arc<App>> {
        self.router
    }

    /// What each of them needs, for the tests that walk them.
    #[cfg(test)]
    pub fn table(&self) -> &[(Method, &'static str, Needs)] {
        &self.table
    }
}
