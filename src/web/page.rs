//! The agent's page: who is on the line, who is coming, who was here.
//!
//! The pieces of the page are made here, for the first load and for the event stream alike, so that there is one
//! rendering; the script only puts them in place. askama escapes every value: what callers and back ends
//! say is text and nothing else.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, extract};
use jiff::Timestamp;
use tracing::error;

use super::App;
use super::door::Visitor;
use super::live::Picture;
use super::sight::Sight;
use crate::call::{CallView, EndedBy, HandOverOutcome, Stage};

/// The whole page.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    board: Board<'a>,
    visitor: &'a Visitor,
}

/// What the page shows, without its frame.
#[derive(Template)]
#[template(path = "board.html")]
struct Board<'a> {
    live: Vec<Live<'a>>,
    ended: Vec<Ended<'a>>,
    dial: &'a [String],
}

/// A live call.
#[derive(Template)]
#[template(path = "live.html")]
struct Live<'a> {
    call: &'a CallView,
    sight: Sight,
}

/// An ended call.
#[derive(Template)]
#[template(path = "ended.html")]
struct Ended<'a> {
    call: &'a CallView,
    sight: Sight,
}

/// `GET /`
pub(super) async fn page(
    extract::State(app): extract::State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    if let Err(refusal) = app.note_reading(&visitor, "the page".to_owned()).await {
        return refusal.into_response();
    }
    let picture = app.state.live.picture();
    let board = Board::of(&picture, &app.state.dial, Sight::of(&visitor));
    match (Page { board, visitor: &visitor }).render() {
        Ok(page) => Html(page).into_response(),
        Err(failure) => {
            error!(%failure, "the page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What the page shows, as the stream sends it first.
pub(super) fn board(picture: &Picture, dial: &[String], sight: Sight) -> String {
    rendered(&Board::of(picture, dial, sight))
}

/// A live call's list item.
pub(super) fn live(call: &CallView, sight: Sight) -> String {
    rendered(&Live { call, sight })
}

/// An ended call's table row.
pub(super) fn ended(call: &CallView, sight: Sight) -> String {
    rendered(&Ended { call, sight })
}

/// Writing to memory does not fail; if it did, the reader would see nothing rather than half.
fn rendered(piece: &impl Template) -> String {
    piece.render().unwrap_or_else(|failure| {
        error!(%failure, "a piece of the page cannot be rendered");
        String::new()
    })
}

impl<'a> Board<'a> {
    fn of(picture: &'a Picture, dial: &'a [String], sight: Sight) -> Self {
        Self {
            live: picture.live.iter().map(|call| Live { call, sight }).collect(),
            ended: picture.ended.iter().map(|call| Ended { call, sight }).collect(),
            dial,
        }
    }
}

impl Live<'_> {
    /// What a screen reader says of a call that is on its way to an agent; of others it says nothing.
    fn announcement(&self) -> Option<String> {
        let call = self.call;
        let name = call.name.as_deref().unwrap_or("Name unknown");
        let customer =
            call.customer.as_ref().map(|customer| format!(", customer {customer}")).unwrap_or_default();
        (call.stage == Stage::HandingOver)
            .then(|| format!("{}: {name}{customer}, line {}", call.title, call.line))
    }

    /// Where the caller is.
    fn whereabouts(&self) -> String {
        match (self.call.stage, &self.call.hand_over) {
            (Stage::Ringing, _) => "Ringing".to_owned(),
            (Stage::Greeting, _) => "Hearing the greeting".to_owned(),
            (Stage::Identifying, _) => "Being identified".to_owned(),
            (Stage::Verifying, _) => "Being verified".to_owned(),
            (Stage::Serving, _) => "In self-service".to_owned(),
            (Stage::HandingOver, None) => "About to be handed over".to_owned(),
            (Stage::HandingOver, Some(hand_over)) => {
                format!("To {}: {}", hand_over.target, outcome(hand_over.outcome))
            }
            (Stage::Ended, _) => "Ended".to_owned(),
        }
    }

    /// How many of the four parts of a call have begun.
    fn progress(&self) -> usize {
        match self.call.stage {
            Stage::Ringing => 0,
            Stage::Greeting => 1,
            Stage::Identifying => 2,
            Stage::Verifying | Stage::Serving => 3,
            Stage::HandingOver | Stage::Ended => 4,
        }
    }
}

impl Ended<'_> {
    fn at(&self) -> &Timestamp {
        self.call.record.as_ref().map_or(&self.call.started_at, |record| &record.ended_at)
    }

    /// What became of the call.
    fn end(&self) -> String {
        if let Some(hand_over) = &self.call.hand_over {
            return format!("To {}: {}", hand_over.target, outcome(hand_over.outcome));
        }
        let by = self.call.record.as_ref().map(|record| record.ended_by);
        match by {
            Some(EndedBy::Caller) => "Caller hung up",
            Some(EndedBy::Network) => "Connection lost",
            Some(EndedBy::Portero) | None => "Not handed over",
        }
        .to_owned()
    }

    /// Whether there is a recording that the reader may hear.
    fn recorded(&self) -> bool {
        self.sight.recordings() && self.call.record.as_ref().is_some_and(|record| record.recording.is_some())
    }

    /// Whether the hand-over went wrong, other than by the caller's own choice.
    fn strayed(&self) -> bool {
        let outcome = self.call.hand_over.as_ref().map(|hand_over| hand_over.outcome);
        matches!(
            outcome,
            Some(HandOverOutcome::Refused | HandOverOutcome::Failed | HandOverOutcome::TimedOut)
        )
    }
}

fn outcome(outcome: HandOverOutcome) -> &'static str {
    match outcome {
        HandOverOutcome::Pending => "waiting for the answer",
        HandOverOutcome::Completed => "handed over",
        HandOverOutcome::Unconfirmed => "handed over, not confirmed",
        HandOverOutcome::Refused => "refused",
        HandOverOutcome::Failed => "failed",
        HandOverOutcome::TimedOut => "no answer in time",
        HandOverOutcome::Abandoned => "caller hung up first",
    }
}

/// A time of day in UTC; the script shows it in the viewer's own time zone.
fn clock(at: &Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}
