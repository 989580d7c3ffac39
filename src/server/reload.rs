//! Reading the configuration again while calls go on (SIGHUP, `POST /api/v1/reload`).
//!
//! A file with faults is refused and the one in effect stays. A call keeps the plan it began with, and with it
//! the back end that plan asks. Webhooks are told of all calls as is configured now. What cannot change while the program
//! runs is named in the answer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::checking::Checker;
use super::speaking;
use super::start::{StartError, pages, plan};
use crate::audio::Library;
use crate::call::Plan;
use crate::config::{Configuration, Limits, Look, Sip, Web};
use crate::hooks::Sender;
use crate::net::sip::Tls;
use crate::speech::Voice;
use crate::{crm, web};

/// Where an answer to a reload goes; nobody waits for that to a signal.
pub type Reply = Option<oneshot::Sender<Result<web::Reloaded, String>>>;

/// A configuration that has been read again, or why it cannot be used.
pub type Reread = Result<Box<Prepared>, String>;

/// Everything that a configuration needs besides itself to take effect.
#[derive(Debug)]
pub struct Prepared {
    configuration: Configuration,
    prompts: Library,
    back_end: crm::Client,
    parts: Parts,
}

/// What takes the place of a part of the server, or is given to one.
#[derive(Debug)]
pub struct Parts {
    /// The certificates of the SIP listeners.
    pub tls: Tls,
    /// What says what no recording says.
    pub voice: Voice,
    /// What the pages and the API go by.
    pub pages: web::Settings,
    /// Whom calls are told to, all of them.
    pub webhooks: Vec<Sender>,
    /// Who checks calling numbers, if anybody does.
    pub checker: Option<Checker>,
}

/// What the server has of its configuration.
#[derive(Debug)]
pub struct InEffect {
    /// The file it came from; the demo has none.
    file: Option<PathBuf>,
    configuration: Configuration,
    /// The back ends of the plans that calls are still following, the newest last. There is always that one.
    back_ends: Vec<(Weak<Plan>, crm::Client)>,
}

impl InEffect {
    /// The configuration that the server started with.
    pub fn new(
        file: Option<PathBuf>,
        configuration: Configuration,
        plan: &Arc<Plan>,
        back_end: crm::Client,
    ) -> Self {
        Self { file, configuration, back_ends: vec![(Arc::downgrade(plan), back_end)] }
    }

    /// The configuration in effect.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The file to read again.
    pub fn file(&self) -> Result<PathBuf, String> {
        self.file.clone().ok_or_else(|| "the demo has no file that could be read again".to_owned())
    }

    /// The back end that calls of this plan ask.
    pub fn back_end(&self, plan: &Arc<Plan>) -> Option<&crm::Client> {
        let of_plan = |(of, _): &&(Weak<Plan>, crm::Client)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(plan));
        self.back_ends.iter().find(of_plan).map(|(_, back_end)| back_end)
    }

    /// The back end that the next call asks.
    pub fn newest_back_end(&self) -> &crm::Client {
        self.back_ends.last().map(|(_, back_end)| back_end).expect("the newest is never removed")
    }

    /// Puts a configuration into effect for the calls to come: gives their plan, the parts to put in, and what is to be told.
    pub fn replace(&mut self, prepared: Prepared) -> (Arc<Plan>, Parts, web::Reloaded) {
        let Prepared { configuration, prompts, back_end, parts } = prepared;
        let needs_restart = needs_restart(&self.configuration, &configuration);
        let warnings = configuration.warnings.show(Look::Plain);
        let plan = Arc::new(plan(&configuration, prompts));
        self.configuration = configuration;
        self.back_ends.retain(|(plan, _)| plan.strong_count() > 0);
        self.back_ends.push((Arc::downgrade(&plan), back_end));
        (plan, parts, web::Reloaded { needs_restart, warnings })
    }
}

/// Reads the file again, with all that it names; `former` is the back end of the configuration in effect. Takes a while:
/// not for the loop.
pub fn prepare(file: &Path, former: &crm::Client) -> Reread {
    let configuration = Configuration::load(file).map_err(|faults| faults.to_string())?;
    let prompts = configuration.load_prompts().map_err(|faults| StartError::Prompts(faults).to_string())?;
    let back_end = former.renew(configuration.back_end.clone()).map_err(|error| error.to_string())?;
    let tls = Tls::load(configuration.sip.tls.as_ref()).map_err(|error| error.to_string())?;
    let voice = speaking::voice(&configuration).map_err(|error| error.to_string())?;
    let checker = Checker::of(&configuration).map_err(|error| error.to_string())?;
    let pages = pages(&configuration).map_err(|error| error.to_string())?;
    let webhooks = Sender::all(&configuration.webhooks).map_err(|error| error.to_string())?;
    let parts = Parts { tls, voice, pages, webhooks, checker };
    Ok(Box::new(Prepared { configuration, prompts, back_end, parts }))
}

/// Tells whoever asked, and the log, what a reload came to.
pub fn tell(reply: Reply, outcome: Result<web::Reloaded, String>) {
    match &outcome {
        Ok(reloaded) if reloaded.needs_restart.is_empty() => info!("the configuration has been read again"),
        Ok(reloaded) => {
            let sections = reloaded.needs_restart.join(", ");
            warn!(
                "the configuration has been read again; only a restart brings in the changes to {sections}"
            );
        }
        Err(faults) => warn!("the configuration stays as it was: {faults}"),
    }
    if let Some(reply) = reply {
        // Whoever asked may have gone; the outcome stands.
        let _ = reply.send(outcome);
    }
}

/// The sections that differ and take effect only at a start.
fn needs_restart(old: &Configuration, new: &Configuration) -> Vec<&'static str> {
    // Certificates are read anew, wherever they are.
    let of_restart = |sip: &Sip| Sip { tls: None, ..sip.clone() };
    // The rest of [web] takes effect at once.
    let of_start = |web: &Web| (web.listen, web.tls.is_some());
    let caps = |limits: &Limits| (limits.connections, limits.connections_per_source);
    let sections = [
        ("[sip]", of_restart(&old.sip) != of_restart(&new.sip)),
        ("[limits] `connections`", caps(&old.limits) != caps(&new.limits)),
        ("[media]", old.media != new.media),
        ("[process]", old.process != new.process),
        ("[web]", of_start(&old.web) != of_start(&new.web)),
        ("[hep]", old.hep != new.hep),
        ("[records]", old.records != new.records),
        ("[privacy]", old.privacy != new.privacy),
        ("[locks] `database`", old.locks.server != new.locks.server),
        ("[demo.back_end]", old.demo_back_end != new.demo_back_end),
    ];
    sections.into_iter().filter(|(_, differs)| *differs).map(|(section, _)| section).collect()
}
