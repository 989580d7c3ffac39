//! The demo's back end: a REST service with a handful of customers.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::secret::Secret;

/// Where the service listens and whom it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The TCP address to listen on.
    pub listen: SocketAddr,
    /// The customers.
    pub customers: Vec<Customer>,
}

/// One of its customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The identifier that callers key.
    pub id: String,
    /// The name shown to agents.
    pub name: String,
    /// The numbers the customer calls from.
    pub numbers: Vec<String>,
    /// The secret; without one no entry is right.
    pub pin: Option<Secret>,
    /// What goes wrong whenever this customer is asked for.
    pub fault: Option<Fault>,
}

/// What the service does in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answers 500.
    Error,
    /// It does not answer.
    Hang,
}

/// Serves until `shutdown` is done.
#[expect(clippy::unused_async)]
pub async fn serve(listener: TcpListener, config: Config, shutdown: impl Future) -> io::Result<()> {
    drop((listener, config, shutdown));
    Ok(())
}
