//! The event stream (WHATWG HTML §9.2): first the whole board, then each change as it happens.
//!
//! `GET /events` sends JSON: `snapshot` with `{"calls": […]}`, `call` with one call (live or ended), `gone`
//! with `{"id": "…"}`. `GET /events?as=html` sends the same as pieces of the agent's page: `board`, `live`, `ended`, `gone`.
//! Both send `tick` every ten seconds, by which a reader tells a quiet line from a dead one. A stream ends with the
//! session or the token that it was asked for by; an open one keeps a session from being idle.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::{Extension, extract};
use futures_util::{Stream, stream};
use metrics::counter;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::api::Refusal;
use super::door::Visitor;
use super::live::{Change, Picture};
use super::sight::Sight;
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
    Extension(visitor): Extension<Visitor>,
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
    app.note_reading(&visitor, "calls, as they come and go".to_owned()).await?;
    let feed = Feed::new(app, visitor, format, place);
    Ok(Sse::new(stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    })))
}

/// One reader's stream.
struct Feed {
    app: Arc<App>,
    visitor: Visitor,
    format: Format,
    /// `None` until the first picture and whenever the reader has fallen behind.
    changes: Option<Receiver<Change>>,
    ticks: Interval,
    endings: watch::Receiver<()>,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// What a stream waits for.
enum Next {
    Closing,
    Change(Result<Change, RecvError>),
    /// Some session has ended; it may be this one.
    Ending,
    Tick,
}

impl Feed {
    fn new(app: Arc<App>, visitor: Visitor, format: Format, place: OwnedSemaphorePermit) -> Self {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (endings, closing) = (app.door.endings(), app.closing.clone());
        Self { app, visitor, format, changes: None, ticks, endings, closing, _place: place }
    }

    /// The next event; `None` when the server closes, or the reader is no longer let in.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let Some(changes) = &mut self.changes else { return Some(self.begin()) };
            let next = tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => Next::Closing,
                Ok(()) = self.endings.changed() => Next::Ending,
                change = changes.recv() => Next::Change(change),
                _ = self.ticks.tick() => Next::Tick,
            };
            match next {
                Next::Closing | Next::Change(Err(RecvError::Closed)) => return None,
                Next::Change(Ok(change)) => return Some(self.format.change(&change, self.sight())),
                Next::Change(Err(RecvError::Lagged(_))) => {
                    counter!("portero_web_streams_behind_total").increment(1);
                    return Some(self.begin());
                }
                Next::Ending | Next::Tick if !self.app.door.is_still_in(&self.visitor).await => return None,
                Next::Ending => {}
                Next::Tick => return Some(Event::default().event("tick").data("")),
            }
        }
    }

    /// The whole board, and from now on the changes to it.
    fn begin(&mut self) -> Event {
        let (picture, changes) = self.app.state.live.watch();
        self.changes = Some(changes);
        self.format.picture(&picture, &self.app.state.dial, self.sight())
    }

    fn sight(&self) -> Sight {
        Sight::of(&self.visitor)
    }
}

impl Format {
    fn picture(self, picture: &Picture, dial: &[String], sight: Sight) -> Event {
        match self {
            Self::Json => {
                let calls = picture.live.iter().chain(&picture.ended);
                let calls: Vec<_> = calls.map(|view| sight.call(view)).collect();
                Event::default().event("snapshot").data(json!({ "calls": calls }).to_string())
            }
            Self::Html => Event::default().event("board").data(page::board(picture, dial, sight)),
        }
    }

    fn change(self, change: &Change, sight: Sight) -> Event {
        let (name, data) = match (self, change) {
            (Self::Json, Change::Live(view) | Change::Ended(view)) => {
                ("call", json!(sight.call(view)).to_string())
            }
            (Self::Json, Change::Gone(id)) => ("gone", json!({ "id": id }).to_string()),
            (Self::Html, Change::Live(view)) => ("live", page::live(view, sight)),
            (Self::Html, Change::Ended(view)) => ("ended", page::ended(view, sight)),
            (Self::Html, Change::Gone(id)) => ("gone", id.clone()),
        };
        Event::default().event(name).data(data)
    }
}
