//! Sends actions to the back ends.
//!
//! Nothing of a query reaches a log or an error: what went wrong is told in words that hold no value.
#![expect(clippy::disallowed_methods, reason = "shell: measures how long the back end takes")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::connection::Connection;
use super::trial::Trial;
use super::{Action, Config};
use crate::flow::{ActionName, Answer, Failure, Matches, Query};
use crate::mishap;

/// The connections to all back ends. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    default: Connection,
    others: HashMap<Arc<str>, Connection>,
    actions: HashMap<ActionName, Action>,
}

/// A back end cannot be asked as configured.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// The HTTP client would not start, such as for want of the system's root certificates.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
    /// A file of TLS cannot be read.
    #[error("{} cannot be read", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of TLS holds nothing of use.
    #[error("{} holds no {what} in PEM", file.display())]
    Empty {
        /// Which file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
}

impl Client {
    /// Sets the connections up; nothing is sent yet. Files of TLS are read here.
    pub fn new(config: Config) -> Result<Self, Misconfigured> {
        Self::set_up(config, None)
    }

    /// The same in place of another: a back end of the same settings that is left alone stays so, and what it failed by
    /// still counts.
    pub fn renew(&self, config: Config) -> Result<Self, Misconfigured> {
        Self::set_up(config, Some(&self.shared))
    }

    fn set_up(config: Config, former: Option<&Shared>) -> Result<Self, Misconfigured> {
        let default =
            Connection::new(super::config::DEFAULT, config.default, former.map(|former| &former.default))?;
        let connect = |(name, service): (Arc<str>, _)| {
            let former = former.and_then(|former| former.others.get(&name));
            let connection = Connection::new(&name, service, former)?;
            Ok((name, connection))
        };
        let others = config.others.into_iter().map(connect).collect::<Result<_, _>>()?;
        Ok(Self { shared: Arc::new(Shared { default, others, actions: config.actions }) })
    }

    /// Asks, and says what came of it within the deadline. Dropping the future abandons the request.
    pub async fn ask(&self, name: &ActionName, query: &Query) -> Answer {
        let mut measure = Measure::begin(name.clone());
        if let Some(secret) = query.secret() {
            mishap::at("back end", secret.expose());
        }
        let answer = if let Some((connection, action)) = self.action(name) {
            connection.ask(name, action, query).await
        } else {
            tracing::error!(action = %name, "there is no such action");
            Answer::Failed(Failure::Unreachable)
        };
        measure.result = result_word(&answer);
        if let Answer::Failed(failure) = &answer {
            tracing::warn!(action = %name, failure = failure.as_str(), "the back end failed");
        }
        answer
    }

    /// Asks once, whatever the breaker says, and tells all that was sent and came back. `None` where there is no such
    /// action, or where the query does not fill it in.
    pub async fn try_out(&self, name: &ActionName, query: &Query) -> Option<Trial> {
        let (connection, action) = self.action(name)?;
        connection.try_out(name, action, query).await
    }

    /// Which back ends do not answer at all, and why.
    pub async fn unreachable(&self) -> Vec<(String, String)> {
        let Shared { default, others, .. } = &*self.shared;
        let mut unreachable = Vec::new();
        for connection in std::iter::once(default).chain(others.values()) {
            if let Err(why) = connection.reach().await {
                unreachable.push((connection.address(), why));
            }
        }
        unreachable.sort();
        unreachable
    }

    fn action(&self, name: &ActionName) -> Option<(&Connection, &Action)> {
        let action = self.shared.actions.get(name)?;
        let connection = match &action.back_end {
            Some(name) => self.shared.others.get(name)?,
            None => &self.shared.default,
        };
        Some((connection, action))
    }
}

/// The word for an answer in `portero_crm_requests_total{result}`.
pub fn result_word(answer: &Answer) -> &'static str {
    match answer {
        Answer::LookUp(Matches::None) => "no_match",
        Answer::LookUp(Matches::One(_)) => "match",
        Answer::LookUp(Matches::Several(_)) => "several",
        Answer::Check(true) => "accepted",
        Answer::Check(false) => "rejected",
        Answer::Locked(_) => "locked",
        Answer::Sent(true) => "sent",
        Answer::Sent(false) => "not_sent",
        Answer::Record(_) => "record",
        Answer::Failed(failure) => failure.as_str(),
    }
}

/// Counts a request when it is over, be it that it was abandoned.
struct Measure {
    action: ActionName,
    began: Instant,
    result: &'static str,
}

impl Measure {
    fn begin(action: ActionName) -> Self {
        Self { action, began: Instant::now(), result: "abandoned" }
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        let action = self.action.as_str().to_owned();
        metrics::counter!("portero_crm_requests_total", "action" => action, "result" => self.result)
            .increment(1);
        metrics::histogram!("portero_crm_request_seconds").record(self.began.elapsed());
        tracing::debug!(action = %self.action, result = self.result, "back end asked");
    }
}
