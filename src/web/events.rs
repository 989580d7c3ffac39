//! The event stream (WHATWG HTML §9.2): first the whole board, then each change as it happens.
//!
//! `GET /events` sends JSON: `snapshot` with `{"calls": […]}`, `call` with one call (live or ended), `gone`
//! with `{"id": "…"}`. `GET /events?as=html` sends the same as pieces of the agent's page: `board`, `live`, `ended`, `gone`.
//! Both send `tick` every ten seconds, by which a reader tells a quiet line from a dead one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{self, Query};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use metrics::counter;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::acting::Acting;
use super::api::Refusal;
use super::live::{Change, Live, Picture};
use super::{App, page};

/// How often a quiet stream shows that it is alive.
const TICK: Duration = Duration::from_secs(10);

/// The query of `/events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    #[serde(default, rename = "as")]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Html,
}

/// `GET /events`
pub(super) async fn events(
    extract::State(app): extract::State<Arc<App>>,
    reader: Acting,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let format = query?.format;
    let Ok(place) = Arc::clone(&app.streams).try_acquire_owned() else {
        counter!("portero_web_rejected_total", "reason" => "streams").increment(1);
        return Err(Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many are watching; try again later".into(),
        ));
    };
    app.note_reading(reader, "calls, as they come and go".to_owned()).await?;
    let feed = Feed::new(&app, format, place);
    Ok(Sse::new(stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    })))
}

/// One reader's stream.
struct Feed {
    live: Arc<Live>,
    dial: Vec<String>,
    format: Format,
    /// `None` until the first picture and whenever the reader has fallen behind.
    changes: Option<Receiver<Change>>,
    ticks: Interval,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    fn new(app: &App, format: Format, place: OwnedSemaphorePermit) -> Self {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let live = Arc::clone(&app.state.live);
        let dial = app.state.dial.clone();
        Self { live, dial, format, changes: None, ticks, closing: app.closing.clone(), _place: place }
    }

    /// The next event; `None` when the server closes.
    async fn next(&mut self) -> Option<Event> {
        let Some(changes) = &mut self.changes else {
            let (picture, changes) = self.live.watch();
            self.changes = Some(changes);
            return Some(self.format.picture(&picture, &self.dial));
        };
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => None,
            change = changes.recv() => match change {
                Ok(change) => Some(self.format.change(&change)),
                Err(RecvError::Lagged(_)) => {
                    counter!("portero_web_streams_behind_total").increment(1);
                    let (picture, changes) = self.live.watch();
                    self.changes = Some(changes);
                    Some(self.format.picture(&picture, &self.dial))
                }
                Err(RecvError::Closed) => None,
            },
            _ = self.ticks.tick() => Some(Event::default().event("tick").data("")),
        }
    }
}

impl Format {
    fn picture(self, picture: &Picture, dial: &[String]) -> Event {
        match self {
            Self::Json => {
                let calls: Vec<_> = picture.live.iter().chain(&picture.ended).collect();
                Event::default().event("snapshot").data(json!({ "calls": calls }).to_string())
            }
            Self::Html => Event::default().event("board").data(page::board(picture, dial)),
        }
    }

    fn change(self, change: &Change) -> Event {
        let (name, data) = match (self, change) {
            (Self::Json, Change::Live(view) | Change::Ended(view)) => ("call", json!(view).to_string()),
            (Self::Json, Change::Gone(id)) => ("gone", json!({ "id": id }).to_string()),
            (Self::Html, Change::Live(view)) => ("live", page::live(view)),
            (Self::Html, Change::Ended(view)) => ("ended", page::ended(view)),
            (Self::Html, Change::Gone(id)) => ("gone", id.clone()),
        };
        Event::default().event(name).data(data)
    }
}
