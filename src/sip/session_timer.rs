//! Session timers (RFC 4028), as the side that refreshes and as the side that waits for it.
//!
//! They are honoured where the peer asks for them, never asked for unasked: an IVR's dead calls show in their
//! media. A refresh is an UPDATE without an offer where the peer allows UPDATE, else a re-INVITE that says
//! again what we said last. A session that is not refreshed in time ends with BYE.

use std::time::{Duration, Instant};

use rand::Rng;
use sipx_sip::build::RequestBuilder;
use sipx_sip::error::BuildError;
use sipx_sip::session::{self, MinSe, OPTION_TAG, Session, SessionExpires};
use sipx_sip::{HeaderName, Headers, Method, Request, Response};

use super::admission::Refusal;
use super::counters::Rejection;
use super::endpoint::{Endpoint, Timer};
use super::response::{Answer, allow};
use super::transaction::{Owner, Purpose};
use super::usage::{Leg, Refreshing};
use super::{DialogId, EndCause, Event, message};

/// RFC 4028 §4: the least that anybody has to take.
pub const INTERVAL_MIN: Duration = session::ABSOLUTE_MIN_INTERVAL;

/// The longest that a session goes without a refresh; a UAS may shorten what is asked for (RFC 4028 §9).
const INTERVAL_MAX: Duration = Duration::from_hours(24);

/// How long the next try waits where the peer could not serve a refresh just then.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What the peer's INVITE or UPDATE asks for, and gets.
fn terms(headers: &Headers) -> session::Answer {
    let Some(Ok(asked)) = headers.typed::<SessionExpires>() else { return session::Answer::None };
    let asked = SessionExpires { interval: asked.interval.min(INTERVAL_MAX), ..asked };
    let supports = supports_timers(headers);
    match session::answer(supports, Some(asked), None, INTERVAL_MIN) {
        // It was not the peer who asked, and it would not understand a 422 (RFC 4028 §8.1).
        session::Answer::TooBrief(_) if !supports => session::Answer::None,
        answer => answer,
    }
}

fn supports_timers(headers: &Headers) -> bool {
    message::names_option(headers, &HeaderName::Supported, OPTION_TAG)
        || message::names_option(headers, &HeaderName::Require, OPTION_TAG)
}

/// 422 where the peer wants to be refreshed more often than anybody has to.
pub fn check_interval(request: &Request) -> Result<(), Refusal> {
    match terms(&request.headers) {
        session::Answer::TooBrief(least) => {
            let answer = Answer::new(422).with(HeaderName::MinSe, least.as_secs().to_string());
            Err(answer.refuse(Rejection::Interval))
        }
        _ => Ok(()),
    }
}

/// Says in a 2xx what was agreed; gives it, too.
pub fn agree(answer: Answer, request_headers: &Headers) -> (Answer, Option<Session>) {
    let session::Answer::Accept(accepted) = terms(request_headers) else { return (answer, None) };
    let value = SessionExpires { interval: accepted.interval, refresher: Some(accepted.refresher) };
    let answer = answer.with(HeaderName::SessionExpires, value.to_string());
    let answer = if accepted.require { answer.with(HeaderName::Require, OPTION_TAG) } else { answer };
    let we_refresh = accepted.refresher == session::Refresher::Uas;
    (answer, Some(Session { interval: accepted.interval, we_refresh }))
}

/// What a 2xx to our request says; `asked_for` is what the request said.
pub fn adopt(response: &Response, asked_for: Option<Duration>) -> Option<Session> {
    let agreed = response.headers.typed::<SessionExpires>().and_then(Result::ok);
    let session = session::adopt(agreed, asked_for)?;
    Some(Session { interval: session.interval.min(INTERVAL_MAX), ..session })
}

impl Endpoint {
    /// Starts the clock of a session that has just been agreed or refreshed; `None` stops it.
    pub(super) fn time_session(&mut self, id: DialogId, agreed: Option<Session>, now: Instant) {
        self.timers.clear((id, Timer::Refresh));
        self.timers.clear((id, Timer::Expiry));
        let Some(session) = self.legs.get_mut(&id).and_then(Leg::session) else { return };
        session.timer = agreed;
        let Some(agreed) = agreed else { return };
        let waiting = Session { we_refresh: false, ..agreed };
        self.timers.set((id, Timer::Expiry), now + waiting.act_after());
        if agreed.we_refresh {
            self.timers.set((id, Timer::Refresh), now + agreed.act_after());
        }
    }

    /// Our refresh is due.
    pub(super) fn refresh(&mut self, id: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (busy, description) = (leg.pending().is_some(), leg.description.clone());
        let Some(session) = leg.session() else { return };
        let Some(Session { interval, .. }) = session.timer.filter(|_| !session.leaving) else { return };
        if busy || session.unacknowledged.is_some() || session.refreshing.is_some() {
            // RFC 3261 §14.1: one at a time; what is under way may well be a refresh itself.
            return self.timers.set((id, Timer::Refresh), now + RETRY_AFTER);
        }
        let (way, method) = if session.peer_updates {
            (Refreshing::ByUpdate, Method::Update)
        } else {
            (Refreshing::ByReinvite, Method::Invite)
        };
        session.refreshing = Some(way);
        let allow = allow(self.config.accept_referrals);
        let complete = |builder: RequestBuilder| {
            let builder = ask(builder, interval)?;
            match way {
                Refreshing::ByUpdate => Ok(builder),
                Refreshing::ByReinvite => {
                    let builder = builder.header(HeaderName::Allow, allow)?;
                    Ok(builder.header(HeaderName::ContentType, "application/sdp")?.body(description))
                }
            }
        };
        // Nothing in it is the peer's but what its INVITE said already, so nothing keeps it from being built.
        let sent = self
            .send_inside(id, &method, Some(Owner::Dialog(id, Purpose::Refresh)), complete, now)
            .ok()
            .flatten();
        if let Some(leg) = self.legs.get_mut(&id).filter(|_| way == Refreshing::ByReinvite) {
            leg.own_reinvite = sent;
        }
    }

    /// What came of our refresh. A 2xx to a re-INVITE gets its ACK, each time that it comes.
    pub(super) fn on_refresh_response(&mut self, id: DialogId, response: &Response, now: Instant) {
        let status = response.status.code();
        if (200..300).contains(&status) && message::answers_invite(&response.headers) {
            self.acknowledge(id, response);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.own_reinvite = None;
        let Some(session) = leg.session() else { return };
        let Some(way) = session.refreshing.take() else { return };
        let asked_for = session.timer.map(|timer| timer.interval);
        match status {
            200..300 => {
                leg.dialog.refresh_target(&response.headers);
                if let Some(answer) = message::body(response.body()).filter(|_| way == Refreshing::ByReinvite)
                {
                    self.events.push_back(Event::Confirmed(id, Some(answer)));
                }
                self.time_session(id, adopt(response, asked_for), now);
            }
            // RFC 4028 §7.3: once more, with the interval that is wanted.
            422 => {
                let least = response.headers.typed::<MinSe>().and_then(Result::ok);
                let least = least.map_or(INTERVAL_MAX, |MinSe(least)| least.min(INTERVAL_MAX));
                let interval = asked_for.unwrap_or(least).max(least);
                session.timer = Some(Session { interval, we_refresh: true });
                // An interval that is refused again waits like any other failure, so that this ends.
                let wait = if asked_for == Some(interval) { RETRY_AFTER } else { Duration::ZERO };
                self.timers.set((id, Timer::Refresh), now + wait);
            }
            405 | 501 if way == Refreshing::ByUpdate => {
                session.peer_updates = false;
                self.timers.set((id, Timer::Refresh), now);
            }
            408 | 481 => self.hang_up(id, EndCause::PeerGone, now),
            491 => {
                let wait = self.glare_wait(id);
                self.timers.set((id, Timer::Refresh), now + wait);
            }
            // Whatever else was wrong may pass; if not, the session expires.
            _ => {
                let wait = message::retry_after(&response.headers).unwrap_or(RETRY_AFTER);
                self.timers.set((id, Timer::Refresh), now + wait);
            }
        }
    }

    /// Our refresh found nobody. One that could not be delivered is tried again: a connection may come back.
    pub(super) fn on_refresh_failure(&mut self, id: DialogId, status: u16, now: Instant) {
        if status == 408 {
            return self.hang_up(id, EndCause::PeerGone, now);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.own_reinvite = None;
        if let Some(session) = leg.session() {
            session.refreshing = None;
            self.timers.set((id, Timer::Refresh), now + RETRY_AFTER);
        }
    }

    /// RFC 3261 §14.1: who owns the Call-ID waits the longer time, so that the two do not meet again.
    fn glare_wait(&mut self, id: DialogId) -> Duration {
        let ours = self.legs.get(&id).is_some_and(|leg| leg.dialog.is_ours());
        let tens_of_ms = if ours { 210..=400 } else { 0..=200 };
        Duration::from_millis(self.rng.random_range(tens_of_ms) * 10)
    }
}

/// Asks for a session timer with ourselves as the refresher, who is the UAC of this very request.
fn ask(builder: RequestBuilder, interval: Duration) -> Result<RequestBuilder, BuildError> {
    let value = SessionExpires { interval, refresher: Some(session::Refresher::Uac) };
    builder.header(HeaderName::Supported, OPTION_TAG)?.header(HeaderName::SessionExpires, value.to_string())
}
