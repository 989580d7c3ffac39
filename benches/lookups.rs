//! What it costs to ask the back end: so many look-ups a second through the client, beside the same requests sent by the
//! bare HTTP client that it is made of, in turns, in the same run.
//!
//! `cargo bench --bench lookups -- --rate 1000 --seconds 10`. The back end has a thread of its own; what is counted is the
//! processor time of the thread that asks. docs/benchmarks.md tells what the figures mean.
#![expect(clippy::disallowed_methods, reason = "shell: a benchmark measures time")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::routing::get;
use axum::{Router, serve};
use portero::config::{Configuration, Overrides};
use portero::crm::{Client, Config};
use portero::flow::{ActionName, Ani, AniSource, Answer, Matches, PhoneNumber, Query, Trust};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;

/// How often requests are sent: so many at a time as make up the rate.
const BEAT: Duration = Duration::from_millis(10);

const CUSTOMER: &str = r#"{"customers":[{"id":"10000001","name":"Zoë O'Connor","language":"en","segment":"gold",
    "contacts":["+12025550101","+12025550151"]}]}"#;

/// The processor time of one thread, and how many requests it was for.
struct Cost {
    processor: Duration,
    elapsed: Duration,
    requests: usize,
}

fn main() -> Result<()> {
    // The bare client wants one before there is ours, which brings it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().collect();
    let setting = |name: &str, usual: u32| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(usual)
    };
    let (rate, seconds) = (setting("--rate", 1000), setting("--seconds", 10));
    let address = back_end()?;
    println!(
        "{rate} look-ups a second for {seconds} s, twice each in turns; the share of one core, and the time of each:"
    );
    for round in 1..=2 {
        let bare = on_one_thread(rate, seconds, bare(address)?)?;
        let portero = on_one_thread(rate, seconds, portero(address)?)?;
        println!("round {round}: portero {portero}, bare reqwest {bare}");
    }
    Ok(())
}

impl std::fmt::Display for Cost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = self.processor.as_secs_f64() / self.elapsed.as_secs_f64();
        let each = self.processor.as_secs_f64() * 1e6 / self.requests as f64;
        write!(formatter, "{share:.3} core ({each:.0} µs, {} requests)", self.requests)
    }
}

/// A back end in a thread of its own, which answers every look-up alike.
fn back_end() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let json = [("content-type", "application/json")];
            let routes = Router::new().route("/customers", get(move || async move { (json, CUSTOMER) }));
            serve(tokio::net::TcpListener::from_std(listener)?, routes).await
        })
    });
    Ok(address)
}

/// One request, which tells whether it was answered as it should be.
type Asked = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

fn portero(address: SocketAddr) -> Result<Box<dyn Fn() -> Asked + Send>> {
    let demo = Configuration::demo(&Overrides { crm: Some(address), ..Overrides::default() });
    let mut config: Config = demo.back_end;
    config.default.max_concurrent = 10_000;
    config.others = BTreeMap::new();
    let client = Client::new(config)?;
    let number = PhoneNumber::parse("+12025550101").context("a number")?;
    let query = Query::Number(Ani { number, source: AniSource::From, trust: Trust::Claimed });
    Ok(Box::new(move || {
        let (client, query) = (client.clone(), query.clone());
        Box::pin(async move {
            let answer = client.ask(&ActionName::new("customer_by_number"), &query).await;
            matches!(answer, Answer::LookUp(Matches::One(_)))
        })
    }))
}

fn bare(address: SocketAddr) -> Result<Box<dyn Fn() -> Asked + Send>> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    Ok(Box::new(move || {
        let request = client.get(format!("http://{address}/customers?phone=%2B12025550101")).send();
        Box::pin(async move {
            let Ok(response) = request.await else { return false };
            response.bytes().await.is_ok_and(|body| body.len() == CUSTOMER.len())
        })
    }))
}

/// Sends at the rate from a thread of its own, and counts what that thread costs.
fn on_one_thread(rate: u32, seconds: u32, ask: Box<dyn Fn() -> Asked + Send>) -> Result<Cost> {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(paced(rate, seconds, ask))
    });
    thread.join().map_err(|_| anyhow::anyhow!("the thread that asks panicked"))?
}

async fn paced(rate: u32, seconds: u32, ask: Box<dyn Fn() -> Asked + Send>) -> Result<Cost> {
    ensure!(ask().await, "the back end does not answer");
    let began = (processor_time(), Instant::now());
    let mut beat = tokio::time::interval(BEAT);
    let mut under_way = JoinSet::new();
    let (mut requests, mut failed) = (0, 0);
    while began.1.elapsed() < Duration::from_secs(u64::from(seconds)) {
        beat.tick().await;
        let due = (began.1.elapsed().as_secs_f64() * f64::from(rate)) as usize;
        for _ in requests..due {
            under_way.spawn(ask());
        }
        requests = requests.max(due);
        while let Some(answered) = under_way.try_join_next() {
            failed += usize::from(!answered?);
        }
    }
    while let Some(answered) = under_way.join_next().await {
        failed += usize::from(!answered?);
    }
    ensure!(failed == 0, "{failed} of {requests} requests failed");
    Ok(Cost { processor: processor_time().saturating_sub(began.0), elapsed: began.1.elapsed(), requests })
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
