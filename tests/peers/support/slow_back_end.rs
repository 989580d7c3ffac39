//! A back end that knows everybody, and keeps those waiting whose identifier begins with a 2, until it is told to be
//! quick.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Longer than any deadline, and shorter than the test.
const SLOW: Duration = Duration::from_secs(30);

/// A back end at work; it ends with this.
pub struct SlowBackEnd {
    /// Where it is.
    pub address: SocketAddr,
    runtime: Option<Runtime>,
    is_slow: watch::Sender<bool>,
    asked: Arc<AtomicUsize>,
}

impl SlowBackEnd {
    /// Answers `GET /customers/<identifier>`, as the demo's back end does, at an address of its own.
    pub fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let (is_slow, slowness) = watch::channel(true);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let answer = move |Path(identifier): Path<String>| {
            count.fetch_add(1, Ordering::Relaxed);
            let mut slowness = slowness.clone();
            async move {
                if identifier.starts_with('2') {
                    let quick = slowness.wait_for(|slow| !slow);
                    let _ = tokio::time::timeout(SLOW, quick).await;
                }
                format!(r#"{{"id": "{identifier}"}}"#)
            }
        };
        let router = Router::new().route("/customers/{identifier}", get(answer));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, runtime: Some(runtime), is_slow, asked }
    }

    /// Answers everybody at once from now on.
    pub fn be_quick(&self) {
        self.is_slow.send_replace(false);
    }

    /// How many requests have come.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for SlowBackEnd {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
