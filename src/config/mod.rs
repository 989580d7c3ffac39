//! The configuration: one TOML file in, checked and typed parts out, or every fault in it at once.
//!
//! Each value is read straight into the type that its module wants, where it stands in the file still being
//! known; so what comes out needs no further checking, and what is wrong can be pointed at. Whether the
//! recordings exist is not checked here: [`Configuration::prompt_ids`] says which are needed.

mod fault;
mod settings;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fault::{Fault, Faults};
pub use settings::{DemoAgents, HandOver, Limits, Media, Prompts, Records, Sip, Target, TargetUri, Web};

use crate::crm;
use crate::flow::{Line, PromptId, TargetName};

/// The file that `portero demo` runs.
const DEMO: &str = include_str!("../../config/demo.toml");

/// Everything that a file says, checked.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// `[sip]`: where calls arrive.
    pub sip: Sip,
    /// `[media]`: where sound is sent and received.
    pub media: Media,
    /// `[limits]`: how much is taken on.
    pub limits: Limits,
    /// `[web]`: the page and the API.
    pub web: Web,
    /// `[records]`: where call records are kept.
    pub records: Records,
    /// `[prompts]`: where recordings come from.
    pub prompts: Prompts,
    /// `[hand_over]`: how long a referral may take.
    pub hand_over: HandOver,
    /// `[targets]`: every target that a line names, and perhaps more.
    pub targets: HashMap<TargetName, Target>,
    /// `[[lines]]`: at least one, each with a number of its own, in the order of the file.
    pub lines: Vec<Arc<Line>>,
    /// `[back_end]` and `[actions]`: every action that a line names, and perhaps more.
    pub back_end: crm::Config,
    /// `[demo.back_end]`: the stand-in for the business's service.
    pub demo_back_end: Option<crm::demo::Config>,
    /// `[demo.agents]`: the stand-in for the business's agents.
    pub demo_agents: Option<DemoAgents>,
    /// What is no fault, but most likely not meant: actions and targets that nothing uses.
    pub warnings: Faults,
}

/// What the command line says in place of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In place of `sip.listen`.
    pub sip: Option<SocketAddr>,
    /// In place of `web.listen`.
    pub web: Option<SocketAddr>,
    /// In place of `demo.back_end.listen`, and of `back_end.base_url` with it.
    pub crm: Option<SocketAddr>,
    /// In place of `records.folder`.
    pub data: Option<PathBuf>,
}

impl Configuration {
    /// Reads the file at `path`, taking what it says to take from the environment from there.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        unimplemented!("{path:?}")
    }

    /// Reads `text`. `file_name` is what faults call it; `environment` answers to `env:NAME`.
    pub fn parse(
        file_name: &str,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Faults> {
        unimplemented!("{file_name} {text} {:?}", environment(""))
    }

    /// The demo's configuration, which is without faults.
    pub fn demo(overrides: &Overrides) -> Self {
        unimplemented!("{overrides:?} {DEMO}")
    }

    /// Every prompt that a call may need.
    pub fn prompt_ids(&self) -> BTreeSet<PromptId> {
        unimplemented!()
    }
}
