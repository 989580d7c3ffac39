//! Who answers in a conversation that is tried: the scenario, or the back end that the configuration names.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::config::{Configuration, Replies, Reply, Scenario};
use crate::crm;
use crate::flow::{ActionName, Request};

/// The back end of a configuration, ready to be asked.
#[derive(Debug)]
pub struct Real {
    runtime: Runtime,
    client: crm::Client,
}

impl Real {
    /// Connects to the back end. Where that is the demo's, one of our own answers, on a port of its own.
    pub fn start(mut configuration: Configuration) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        if let Some(demo) = configuration.demo_back_end.clone() {
            let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
            let listener = listener.context("the demo's back end has no port to listen on")?;
            configuration = configuration.with_demo_back_end_at(listener.local_addr()?);
            runtime.spawn(crm::demo::serve(listener, demo, std::future::pending()));
        }
        Ok(Self { runtime, client: crm::Client::new(configuration.back_end)? })
    }

    /// Lets go of what is still under way.
    pub fn stop(self) {
        self.runtime.shutdown_background();
    }
}

/// Who answers in one conversation.
#[derive(Debug)]
pub struct BackEnd<'b> {
    real: Option<&'b Real>,
    scripted: &'b HashMap<ActionName, Replies>,
    /// How often each action has been answered by the scenario.
    answered: HashMap<ActionName, usize>,
}

impl<'b> BackEnd<'b> {
    /// As the scenario wants it.
    pub fn of(scenario: &'b Scenario, real: Option<&'b Real>) -> Self {
        let real = real.filter(|_| scenario.asks_back_end);
        Self { real, scripted: &scenario.answers, answered: HashMap::new() }
    }

    /// Whether it is the scenario that answers this action.
    pub fn is_scripted(&self, action: &ActionName) -> bool {
        self.scripted.contains_key(action)
    }

    /// The answer; `None` where nobody has one.
    pub fn ask(&mut self, request: &Request) -> Option<Reply> {
        if let Some(replies) = self.scripted.get(&request.action) {
            let count = self.answered.entry(request.action.clone()).or_default();
            let nth = if replies.repeats { 0 } else { *count };
            *count += 1;
            return replies.list.get(nth).cloned();
        }
        let real = self.real?;
        let answer = real.runtime.block_on(real.client.ask(&request.action, &request.query));
        Some(Reply { answer: Some(answer), after: Duration::ZERO })
    }
}
