//! The demo's back end: a REST service with a handful of customers, asked like anybody's.
//!
//! `GET /customers?phone=…` and `GET /customers/{id}` find customers, `POST /customers/{id}/check` with
//! `{"pin": "…"}` compares a secret. It exists to be called from this machine: it has no authentication.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::secret::Secret;

/// Where the service listens and whom it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The TCP address to listen on.
    pub listen: SocketAddr,
    /// The customers, each with an identifier of its own.
    pub customers: Vec<Customer>,
}

/// One of its customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The identifier that callers key.
    pub id: String,
    /// The name shown to agents.
    pub name: String,
    /// The numbers that the customer calls from.
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
    /// It does not answer, until it is shut down.
    Hang,
}

/// Serves until `shutdown` is done and what is being answered has been answered.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let service = Service { customers: config.customers.into(), stopped };
    let routes = Router::new()
        .route("/customers", get(by_number))
        .route("/customers/{id}", get(by_identifier))
        .route("/customers/{id}/check", post(check))
        .with_state(service);
    let shutdown = async move {
        shutdown.await;
        // Lets go of the requests that hang; nobody is left to tell where there are none.
        let _ = stop.send(true);
    };
    axum::serve(listener, routes).with_graceful_shutdown(shutdown).await
}

#[derive(Clone)]
struct Service {
    customers: Arc<[Customer]>,
    stopped: watch::Receiver<bool>,
}

#[derive(Deserialize)]
struct ByNumber {
    phone: String,
}

#[derive(Deserialize)]
struct Entry {
    pin: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Found<'a> {
    customers: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Checked {
    accepted: bool,
}

impl Service {
    fn customer(&self, id: &str) -> Option<&Customer> {
        self.customers.iter().find(|customer| customer.id == id)
    }

    /// Does what is to go wrong with any of `customers`; `Err` is the answer then.
    async fn fail(&self, customers: &[&Customer]) -> Result<(), StatusCode> {
        match customers.iter().find_map(|customer| customer.fault) {
            None => Ok(()),
            Some(Fault::Error) => Err(StatusCode::INTERNAL_SERVER_ERROR),
            Some(Fault::Hang) => {
                // An error says that the service is gone, which is as good a reason to stop hanging.
                let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

async fn by_number(
    State(service): State<Service>,
    Query(ByNumber { phone }): Query<ByNumber>,
) -> Result<Response, StatusCode> {
    let phone = digits(&phone);
    let known = |customer: &&Customer| customer.numbers.iter().any(|number| digits(number) == phone);
    let customers: Vec<&Customer> = service.customers.iter().filter(known).collect();
    service.fail(&customers).await?;
    let customers = customers.iter().map(|customer| shown(customer)).collect();
    Ok(Json(Found { customers }).into_response())
}

async fn by_identifier(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response, StatusCode> {
    let customer = service.customer(&id).ok_or(StatusCode::NOT_FOUND)?;
    service.fail(&[customer]).await?;
    Ok(Json(shown(customer)).into_response())
}

async fn check(
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(Entry { pin }): Json<Entry>,
) -> Result<Response, StatusCode> {
    let pin = Secret::new(pin);
    let customer = service.customer(&id).ok_or(StatusCode::NOT_FOUND)?;
    service.fail(&[customer]).await?;
    Ok(Json(Checked { accepted: customer.pin.as_ref() == Some(&pin) }).into_response())
}

fn shown(customer: &Customer) -> Shown<'_> {
    Shown { id: &customer.id, name: &customer.name }
}

/// Numbers are written in many ways; what tells them apart are their digits.
fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}
