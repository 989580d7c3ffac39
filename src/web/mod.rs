//! The pages, the API, the metrics: everything that is served over HTTP.
//!
//! [`Live`] is the board that the server loop writes to and every viewer reads from. Whoever asks for anything is known
//! at the [`door`] by a session or a token, and each route says in [`routes`] what that has to be good for. Nothing here
//! changes anything about a call that is up.

mod api;
mod assets;
mod audit;
mod door;
mod doorway;
mod emergency;
mod entrance;
mod events;
mod guard;
mod ladder;
mod live;
mod locks;
pub mod metrics;
mod noting;
mod page;
mod privacy;
mod provider;
mod recording;
mod routes;
mod sight;

#[cfg(test)]
mod tests;

pub use door::new_key;
pub use live::Live;
pub use provider::{BACK, Provider};

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tracing::error;

use crate::access::{Key, KeyHash, Lifetimes, Name, Scopes};
use crate::call::{Emergencies, Trace};
use crate::locks::Locks;
use crate::records::person::{Erased, Person};
use crate::records::pseudonyms::Pseudonyms;
use crate::records::{Accounts, Audit, Store};

/// Event streams at once; one more is told 503.
const STREAMS_MAX: usize = 128;

/// How often histograms are summed up where nobody asks for metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// How long requests under way may still take after the shutdown.
const FAREWELL: Duration = Duration::from_secs(3);

/// What the web side is given.
#[derive(Debug, Clone)]
pub struct State {
    /// Calls as they are now.
    pub live: Arc<Live>,
    /// Calls as they were.
    pub store: Store,
    /// Who read and changed what.
    pub audit: Audit,
    /// Where `/metrics` comes from: see [`metrics::install`].
    pub metrics: PrometheusHandle,
    /// Whether calls are taken.
    pub ready: watch::Receiver<Readiness>,
    /// What may change while it runs.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The key in the link that lets the demo's user in, where there is one.
    pub link: Option<Key>,
    /// What a tester may dial, shown while there are no calls: such as `sip:1000@127.0.0.1:5060`.
    pub dial: Vec<String>,
    /// Where requests to read the configuration again go.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// Where requests for the messages of live calls go.
    pub traces: mpsc::Sender<TraceRequest>,
    /// Where requests to show or turn the emergency switches go.
    pub switches: mpsc::Sender<SwitchRequest>,
    /// What is locked by failed proofs.
    pub locks: Locks,
    /// The data folder, where switches are kept.
    pub folder: PathBuf,
    /// Where requests to erase people go.
    pub erasures: mpsc::Sender<EraseRequest>,
    /// What stands for people where they themselves are not to be read.
    pub pseudonyms: Arc<Pseudonyms>,
}

/// Asks for all that is kept of a person to be erased.
#[derive(Debug)]
pub struct EraseRequest {
    /// Whom.
    pub person: Person,
    /// Where it goes what that came to; or why not everything is erased.
    pub reply: oneshot::Sender<Result<Erased, String>>,
}

/// What the configuration says of pages and API, and a reload may change.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names, beside `localhost` and the listen address, by which browsers may call this server.
    pub names: Vec<String>,
    /// Tokens that the configuration says.
    pub tokens: Vec<KnownToken>,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Whether anybody may read the metrics.
    pub open_metrics: bool,
    /// By whose word people may log in, besides by their passwords.
    pub provider: Option<Provider>,
    /// Our certificate. Whether there is one is settled at the start; which, can change.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Settings {
    /// These in the place of `earlier` ones, but for what is settled at the start.
    #[must_use]
    pub fn after(self, earlier: &Self) -> Self {
        let tls = match (&earlier.tls, self.tls) {
            (None, _) => None,
            (Some(_), Some(renewed)) => Some(renewed),
            (Some(old), None) => Some(Arc::clone(old)),
        };
        Self { tls, ..self }
    }
}

/// A token of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownToken {
    /// What it is called, for people.
    pub name: Name,
    /// What it is known by.
    pub hash: KeyHash,
    /// What it opens.
    pub scopes: Scopes,
}

/// Asks for the emergency switches, or for one of them to be turned.
#[derive(Debug)]
pub struct SwitchRequest {
    /// Which, by its line's name (`None`: all lines'), and whether it is to be on; `None` turns none.
    pub turn: Option<(Option<String>, bool)>,
    /// Where they go as they are then; or why it cannot be.
    pub reply: oneshot::Sender<Result<Emergencies, String>>,
}

/// Asks for the messages of a live call.
#[derive(Debug)]
pub struct TraceRequest {
    /// Our identifier of the call.
    pub call: String,
    /// Where they go; `None` where no such call is up.
    pub reply: oneshot::Sender<Option<Trace>>,
}

/// Asks for the configuration to be read again; what came of it, or what is wrong with the file, is sent back.
pub type ReloadRequest = oneshot::Sender<Result<Reloaded, String>>;

/// A configuration that has been read again and put into effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Sections whose changes only a restart brings in, such as `[sip]`.
    pub needs_restart: Vec<&'static str>,
    /// What is no fault in the file, but most likely not meant.
    pub warnings: String,
}

/// Whether this process takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// No more.
    Draining,
}

/// What every request may look at.
#[derive(Debug)]
struct App {
    state: State,
    door: door::Door,
    /// Logins under way at an identity provider.
    desk: provider::Desk,
    listening_on: SocketAddr,
    streams: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

/// Serves until `shutdown` completes, and then up to 3 s more for what is under way.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listening_on = listener.local_addr()?;
    recall(&state).await;
    let upkeep = keep_up(state.metrics.clone());
    let (close, closing) = watch::channel(false);
    let accounts = Accounts::of(&state.store);
    let audit = state.audit.clone();
    let door =
        door::Door::new(accounts, audit, state.settings.clone(), state.link.as_ref(), listening_on.port());
    let doorway = doorway::Doorway::new(listener, state.settings.clone());
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let app =
        App { state, door, desk: provider::Desk::new(), listening_on, streams, closing: closing.clone() };
    let service = router(app).into_make_service_with_connect_info::<doorway::Peer>();
    let server = axum::serve(doorway, service).with_graceful_shutdown(closed(closing));
    let end = async move {
        shutdown.await;
        close.send_replace(true);
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        result = server => result,
        () = end => Ok(()),
        () = upkeep => Ok(()),
    }
}

/// Puts the calls of an earlier process back on the board.
async fn recall(state: &State) {
    match state.store.recent(live::ENDED_MAX as u32).await {
        Ok(records) => records.into_iter().rev().for_each(|record| state.live.ended(Arc::new(record))),
        // The page does without; whoever asks for records is told.
        Err(failure) => error!(%failure, "earlier calls cannot be shown"),
    }
}

fn router(app: App) -> Router {
    let app = Arc::new(app);
    routes::all(Arc::clone(&app))
        .into_router()
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&app), guard::check_host))
        .layer(from_fn(guard::limit))
        .layer(from_fn_with_state(Arc::clone(&app), guard::protect))
        .with_state(app)
}

/// Completes when the server closes.
async fn closed(mut closing: watch::Receiver<bool>) {
    // An error means that the sender is gone: then the server is, too.
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}
