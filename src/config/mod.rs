//! The configuration: one TOML file in, checked and typed parts out, or every fault in it at once.
//!
//! Each value is read straight into the type that its module wants, where it stands in the file still being
//! known; so what comes out needs no further checking, and what is wrong can be pointed at. Whether the
//! recordings exist is not checked here: [`Configuration::prompt_ids`] says which are needed.

mod actions;
mod back_end;
mod bodies;
mod demo;
mod fault;
mod graph;
mod letting_in;
mod lines;
mod locks;
mod nearest;
mod numbers;
mod privacy;
mod provider;
mod read;
mod readings;
mod scenarios;
mod schema;
mod section;
mod settings;
mod show;
mod sip;
mod sound;
mod speech;
mod stir;
mod targets;
mod trunks;
mod uplinks;
mod values;
mod web;
mod webhooks;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fault::{Fault, Faults, Look};
pub use graph::Graph;
pub use privacy::Privacy;
pub use scenarios::{Do, Expected, Replies, Reply, Scenario, Step, Taken};
pub use settings::{Limits, Locks, Media, Process, Prompts, Records, Sip, Web};
pub use stir::Stir;

use crate::audio;
use crate::call::{Agents, Directory, HandOverTimes, Numbers, Passports, Sound, Target, Trunks};
use crate::crm;
use crate::flow::{
    self, Announcement, LanguageName, Line, LineName, Next, Piece, PromptId, Question, TargetName,
};
use crate::hooks::Webhook;
use crate::net::hep;
use crate::net::sip::Listen;
use crate::progress::Progress;
use crate::say::Kind;
use crate::sdp::Codec;

/// The file that `portero demo` runs.
const DEMO: &str = include_str!("../../config/demo.toml");

/// The largest file that is read. The demo's has some ten thousand bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Everything that a file says, checked.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// `[sip]`: where calls arrive.
    pub sip: Sip,
    /// `[media]`: where sound is sent and received.
    pub media: Media,
    /// `[limits]`: how much is taken on.
    pub limits: Limits,
    /// `[process]`: what the system may do with us.
    pub process: Process,
    /// `[web]`: the page and the API.
    pub web: Web,
    /// `[records]`: where call records are kept.
    pub records: Records,
    /// `[privacy]`: how long what is known of callers is kept.
    pub privacy: Privacy,
    /// `[locks]`: how many failed proofs lock what.
    pub locks: Locks,
    /// `[numbers]`: whose calls are not taken, and whose are asked nothing.
    pub numbers: Numbers,
    /// `[hep]`: the collector that SIP messages are copied to, if there is one.
    pub hep: Option<hep::Config>,
    /// `[[webhooks]]`: who is told of calls, each by a name of its own.
    pub webhooks: Vec<Webhook>,
    /// `[prompts]`: where recordings come from.
    pub prompts: Prompts,
    /// `[speech]`: how things are said that no recording says.
    pub speech: crate::speech::Config,
    /// `[hand_over]`: how long a referral may take.
    pub hand_over: HandOverTimes,
    /// `[[trunks]]`, and `strangers` in `[sip]`: who may call.
    pub trunks: Trunks,
    /// `[stir]`: how calling numbers are checked, if they are.
    pub stir: Option<Stir>,
    /// `passports` of lines, and `stir.deadline`: whose are.
    pub passports: Passports,
    /// `[targets]`: every target that a line names, and perhaps more.
    pub targets: HashMap<TargetName, Target>,
    /// `[[lines]]`: at least one, each with a name of its own, in the order of the file.
    pub lines: Vec<Arc<Line>>,
    /// The same lines, and what leads to each.
    pub directory: Directory,
    /// How those lines sound, by their names.
    pub sounds: HashMap<LineName, Sound>,
    /// `[back_end]` and `[actions]`: every action that a line names, and perhaps more.
    pub back_end: crm::Config,
    /// `[demo.back_end]`: the stand-in for the business's service.
    pub demo_back_end: Option<crm::demo::Config>,
    /// `[demo.agents]`: the stand-in for the business's agents.
    pub demo_agents: Option<Agents>,
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

/// The whole file, or as much of it as shows that it is too large.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of the file at `path`, and what faults call it.
fn text_of(path: &Path) -> Result<(String, String), Faults> {
    let file_name = path.display().to_string();
    let unusable = |why: String| Faults::new(&file_name, "", vec![Fault::of_file(why)]);
    let bytes = read_file(path).map_err(|error| unusable(format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unusable(format!("the file is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| unusable(format!("the file is no text: {error}")))?;
    Ok((file_name, text))
}

/// What is in effect for `text`, as TOML: its defaults filled in, its credentials hidden.
pub fn show(file_name: &str, text: &str, environment: Environment<'_>) -> Result<String, Faults> {
    show::show(file_name, text, environment)
}

/// The text of the demo's file.
pub fn demo_text() -> &'static str {
    DEMO
}

/// The JSON Schema of a configuration's file, for editors.
pub fn schema() -> String {
    schema::schema()
}

/// What answers to `env:NAME`.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

impl Configuration {
    /// Reads the file at `path`. What it says to take from the environment is taken from the process's own.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        Self::load_with(path, &|name| std::env::var(name).ok())
    }

    /// As [`Configuration::load`], with something else that answers to `env:NAME`.
    pub fn load_with(path: &Path, environment: Environment<'_>) -> Result<Self, Faults> {
        let (file_name, text) = text_of(path)?;
        Self::parse(&file_name, &text, environment)
    }

    /// Reads `text`. `file_name` is what faults call it; `environment` answers to `env:NAME`.
    pub fn parse(file_name: &str, text: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        let (configuration, list) = read::read(text, environment);
        let faults = Faults::new(file_name, text, list);
        match configuration {
            Some(configuration) if faults.iter().all(Fault::is_warning) => {
                Ok(Self { warnings: faults, ..configuration })
            }
            _ => Err(faults),
        }
    }

    /// The demo's configuration.
    pub fn demo(overrides: &Overrides) -> Self {
        let demo = Self::parse("demo.toml", DEMO, &|_| None);
        demo.expect("the demo's file has no faults, as a test makes sure").with(overrides)
    }

    fn with(mut self, overrides: &Overrides) -> Self {
        if let Some(address) = overrides.sip {
            self.sip.listen = sip::UNLESS_SAID.map(|transport| Listen { transport, address }).into();
        }
        self.web.listen = overrides.web.unwrap_or(self.web.listen);
        if let Some(folder) = &overrides.data {
            self.records.folder.clone_from(folder);
        }
        if let Some(crm) = overrides.crm {
            let base_url = format!("http://{crm}").parse();
            self.back_end.default.base_url = base_url.expect("an address with a port makes a URL");
            self.demo_back_end.iter_mut().for_each(|back_end| back_end.listen = crm);
        }
        self
    }

    /// With the demo's back end at `address`, where this is what the configuration asks.
    #[must_use]
    pub fn with_demo_back_end_at(mut self, address: SocketAddr) -> Self {
        let own = self.demo_back_end.as_ref().map(|back_end| format!("http://{}/", back_end.listen));
        if own.is_some_and(|own| self.back_end.default.base_url.as_str() == own) {
            self = self.with(&Overrides { crm: Some(address), ..Overrides::default() });
        }
        self
    }

    /// Whether a line takes a codec that prompts have to be encoded for in wideband.
    pub fn wideband(&self) -> audio::Wideband {
        let takes = |codec| self.sounds.values().any(|sound| sound.codecs.list().contains(&codec));
        match (takes(Codec::Opus), takes(Codec::G722)) {
            (true, _) => audio::Wideband::WithOpus,
            (false, true) => audio::Wideband::Encoded,
            (false, false) => audio::Wideband::Unused,
        }
    }

    /// The recordings that calls may need, by language.
    pub fn wanted_prompts(&self) -> audio::Wanted {
        let source = self.prompts.source();
        let mut wanted = audio::Wanted::new();
        for (language, ids) in self.prompts_by_language() {
            // Whoever loads them tells what is wrong with the rules.
            let rules = source.rules(language.as_str()).ok().flatten();
            let kinds = self
                .lines
                .iter()
                .filter(|line| line.languages.speak(&language))
                .flat_map(|line| kinds_of(line));
            let said = rules.map(|rules| rules.prompts_of(kinds)).unwrap_or_default();
            wanted.entry(language.as_str().into()).or_default().extend(ids.into_iter().chain(said));
        }
        wanted
    }

    /// Loads those recordings, and tells how far it is.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load_prompts(&self) -> Result<audio::Library, Vec<audio::PromptFault>> {
        let progress = Progress::of_loading("prompts");
        let tell = |done, total| progress.tell(done, total);
        audio::Library::load_all(&self.prompts.source(), &self.wanted_prompts(), self.wideband(), &tell)
    }

    /// Every prompt that a call may need, in whatever language.
    pub fn prompt_ids(&self) -> BTreeSet<PromptId> {
        self.prompts_by_language().into_values().flatten().collect()
    }

    /// Every prompt that a call may need, by the language that it is needed in.
    pub fn prompts_by_language(&self) -> BTreeMap<LanguageName, BTreeSet<PromptId>> {
        let mut needed: BTreeMap<LanguageName, BTreeSet<PromptId>> = BTreeMap::new();
        for line in &self.lines {
            let spoken = || line.languages.all.iter().map(|(language, _)| language);
            for (fixed, prompt) in line_prompts(line) {
                let languages: Vec<_> = fixed.map_or_else(|| spoken().collect(), |language| vec![language]);
                for language in languages {
                    needed.entry(language.clone()).or_default().insert(prompt.clone());
                }
            }
        }
        if self.demo_agents.is_some() {
            let language = LanguageName::new(self.prompts.language.as_str());
            needed.entry(language).or_default().extend(agents_prompts());
        }
        needed
    }
}

/// What kinds of values a line says.
fn kinds_of(line: &Line) -> Vec<Kind> {
    let pieces = announcements(line).into_iter().flat_map(|announcement| &announcement.pieces);
    let kind = |piece: &Piece| match piece {
        Piece::Value(_, kind) => Some(*kind),
        _ => None,
    };
    pieces.filter_map(kind).collect()
}

/// What a line needs, each with its language where that is fixed.
fn line_prompts(line: &Line) -> impl Iterator<Item = (Option<&LanguageName>, &PromptId)> {
    let pieces = announcements(line).into_iter().flat_map(|announcement| &announcement.pieces);
    pieces.filter_map(lines::prompt_of)
}

/// Everything that a line may say.
fn announcements(line: &Line) -> Vec<&Announcement> {
    let mut said = vec![&line.greeting, &line.apology, &line.hand_over_failed, &line.emergency.say];
    said.extend(line.hours.as_ref().map(|(_, closed)| &closed.say));
    said.extend(line.patience.hold.as_ref().map(|(_, hold)| hold));
    said.extend(line.next.iter().map(|next: &Next| &next.say));
    said.extend(questions(line).into_iter().flat_map(question_says));
    for plan in line.factors.iter().filter_map(flow::Factor::code) {
        said.extend([&plan.sent, &plan.expired]);
        said.extend(plan.contacts.as_ref().map(|_| &plan.offer));
    }
    let menus = line.service.iter().flat_map(|service| &service.menus);
    said.extend(menus.flat_map(|menu| menu.choices.iter().map(|(_, choice)| &choice.say)));
    said
}

/// Everything that a line may ask.
fn questions(line: &Line) -> Vec<&Question> {
    let mut asked = Vec::new();
    asked.extend(line.languages.menu.as_ref().map(|(question, _)| question));
    asked.extend(line.notice.as_ref().map(|notice| &notice.question));
    asked.extend(line.identification.choice.as_ref().map(|(question, _)| question));
    asked.extend(line.identification.questions.iter().map(|identifier| &identifier.question));
    for factor in &line.factors {
        asked.push(&factor.question);
        asked.extend(factor.code().filter(|plan| plan.contacts.is_some()).map(|plan| &plan.choose));
    }
    asked.extend(line.service.iter().flat_map(|service| &service.menus).map(|menu| &menu.question));
    asked
}

fn question_says(question: &Question) -> impl Iterator<Item = &Announcement> {
    let prompts = &question.prompts;
    let lists = [&prompts.no_match, &prompts.no_input, &prompts.too_short];
    let help = question.help.as_ref().map(|(_, help)| help);
    std::iter::once(&prompts.ask).chain(lists.into_iter().flatten()).chain(&question.confirm).chain(help)
}

/// What the demo's agents may say.
fn agents_prompts() -> impl Iterator<Item = PromptId> {
    let words = ["verified", "identified", "unidentified", "unknown", "customer"];
    let words = words.map(|word| PromptId::new(format!("agent-{word}")));
    words.into_iter().chain((0..=9).map(|digit| PromptId::new(format!("digit-{digit}"))))
}
