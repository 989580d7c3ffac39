//! The demo's back end: a REST service with a handful of customers, asked like anybody's.
//!
//! `GET /customers?phone=…` (or `account`, `tracking`, `alternate_phone`) and `GET /customers/{id}` find customers.
//! `POST /customers/{id}/check` compares what a caller keyed, `POST /customers/{id}/code` sends a one-time code, which is
//! always the same, and `GET /customers/{id}/record` tells what a self-service line says. It exists to be called from
//! this machine: it has no authentication, and nothing of it is kept.

mod checking;

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::secret::Secret;
use checking::Entry;

/// Where the service listens and whom it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The TCP address to listen on.
    pub listen: SocketAddr,
    /// The one-time code that every customer is sent.
    pub code: Secret,
    /// The customers, each with an identifier of its own.
    pub customers: Vec<Customer>,
}

/// One of its customers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Customer {
    /// The identifier that callers key.
    pub id: String,
    /// The name shown to agents.
    pub name: String,
    /// The numbers that the customer calls from.
    pub numbers: Vec<String>,
    /// Further numbers of the customer, which have to be keyed.
    pub alternate_numbers: Vec<String>,
    /// The number of the customer's account.
    pub account: Option<String>,
    /// The tracking numbers of the customer's parcels.
    pub tracking: Vec<String>,
    /// The secret; without one no entry is right.
    pub pin: Option<Secret>,
    /// The day of birth, as in `1984-03-27`.
    pub birth_date: Option<Secret>,
    /// The last four digits of the customer's card.
    pub last_four: Option<Secret>,
    /// What is told of the customer.
    pub profile: Profile,
    /// What goes wrong whenever this customer is asked for.
    pub fault: Option<Fault>,
}

// By hand, as the derived one would show whose data it is.
impl std::fmt::Debug for Customer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Customer(…)")
    }
}

/// What is told of a customer.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub struct Profile {
    /// The language to speak, such as `de`.
    pub language: Option<String>,
    /// What kind of customer it is.
    pub segment: Option<String>,
    /// Where a one-time code may be sent.
    pub contacts: Vec<String>,
    /// What is on the account, as in `1234.56`.
    pub balance: Option<String>,
    /// The currency of that, as in `USD`.
    pub currency: Option<String>,
    /// When the next payment is due, as in `2026-12-01`.
    pub due: Option<String>,
    /// How the customer's order is doing.
    pub status: Option<String>,
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
    let service =
        Service { customers: config.customers.into(), code: config.code, sent: Arc::default(), stopped };
    let routes = Router::new()
        .route("/customers", get(by_search))
        .route("/customers/{id}", get(by_identifier))
        .route("/customers/{id}/check", post(check))
        .route("/customers/{id}/code", post(send_code))
        .route("/customers/{id}/record", get(record))
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
    code: Secret,
    /// Who has been sent a code and has not used it: at most all the customers.
    sent: Arc<Mutex<HashSet<String>>>,
    stopped: watch::Receiver<bool>,
}

/// What customers are looked for by. Whatever is said has to fit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    phone: Option<String>,
    alternate_phone: Option<String>,
    account: Option<String>,
    tracking: Option<String>,
}

impl Search {
    fn is_empty(&self) -> bool {
        [&self.phone, &self.alternate_phone, &self.account, &self.tracking].iter().all(|part| part.is_none())
    }

    fn finds(&self, customer: &Customer) -> bool {
        let any = |numbers: &[String], wanted: &str| numbers.iter().any(|number| same_digits(number, wanted));
        let fits = |wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(fits);
        fits(&self.phone, &|phone| any(&customer.numbers, phone))
            && fits(&self.alternate_phone, &|phone| any(&customer.alternate_numbers, phone))
            && fits(&self.account, &|account| customer.account.as_deref() == Some(account))
            && fits(&self.tracking, &|tracking| any(&customer.tracking, tracking))
    }
}

#[derive(Deserialize)]
struct WhereTo {
    contact: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    language: Option<&'a str>,
    segment: Option<&'a str>,
    contacts: &'a [String],
}

#[derive(Serialize)]
struct Found<'a> {
    customers: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Checked {
    accepted: bool,
}

#[derive(Serialize)]
struct Sent {
    sent: bool,
}

impl Service {
    /// The customer, or the answer where there is none, or where something is to go wrong.
    async fn customer(&self, id: &str) -> Result<&Customer, StatusCode> {
        let customer = self.customers.iter().find(|customer| customer.id == id);
        let customer = customer.ok_or(StatusCode::NOT_FOUND)?;
        self.fail(&[customer]).await?;
        Ok(customer)
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

    fn sent(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn by_search(
    State(service): State<Service>,
    Query(search): Query<Search>,
) -> Result<Response, StatusCode> {
    if search.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let customers: Vec<&Customer> =
        service.customers.iter().filter(|customer| search.finds(customer)).collect();
    service.fail(&customers).await?;
    let customers = customers.iter().map(|customer| shown(customer)).collect();
    Ok(Json(Found { customers }).into_response())
}

async fn by_identifier(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response, StatusCode> {
    let customer = service.customer(&id).await?;
    Ok(Json(shown(customer)).into_response())
}

async fn check(
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(entry): Json<Entry>,
) -> Result<Response, StatusCode> {
    let customer = service.customer(&id).await?;
    let code = service.sent().contains(&id).then_some(&service.code);
    let accepted = entry.is_right(customer, code);
    if accepted && entry.is_code() {
        service.sent().remove(&id);
    }
    Ok(Json(Checked { accepted }).into_response())
}

async fn send_code(
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(to): Json<WhereTo>,
) -> Result<Response, StatusCode> {
    let customer = service.customer(&id).await?;
    let contacts = &customer.profile.contacts;
    let contact = to.contact.filter(|contact| !contact.is_empty());
    let sent = contact.map_or(!contacts.is_empty(), |contact| contacts.contains(&contact));
    if sent {
        service.sent().insert(id);
    }
    Ok(Json(Sent { sent }).into_response())
}

async fn record(State(service): State<Service>, Path(id): Path<String>) -> Result<Response, StatusCode> {
    let customer = service.customer(&id).await?;
    Ok(Json(&customer.profile).into_response())
}

fn shown(customer: &Customer) -> Shown<'_> {
    let Profile { language, segment, contacts, .. } = &customer.profile;
    Shown {
        id: &customer.id,
        name: &customer.name,
        language: language.as_deref(),
        segment: segment.as_deref(),
        contacts,
    }
}

/// Numbers are written in many ways; what tells them apart are their digits.
fn same_digits(one: &str, other: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    digits(one) == digits(other)
}
