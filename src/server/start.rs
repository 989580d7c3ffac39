//! Starting: every part is had, or the fault that keeps it from us is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::checking::{self, Checker, CheckingError, Shown};
use super::reload::InEffect;
use super::{ANSWERS_MAX, Inputs, Server, descriptors, measure, speaking, wall_clock};
use crate::access::{Name, PasswordHash, Role, made_up_password};
use crate::audio::{Library, PromptFault};
use crate::call::{Emergencies, Network, Plan, Switchboard, Tap};
use crate::config::{self, Configuration, Limits, Records, Web};
use crate::hooks::{HooksError, Post, Sender};
use crate::locks::{Locks, Place};
use crate::net::dns::{Dns, Locator};
use crate::net::media::{MediaConfig, MediaPlane};
use crate::net::sip::{Caps, Inlet, NotBound, Outlet, Tls, TlsFault};
use crate::records::audit::{Actor, Deed};
use crate::records::pseudonyms::Pseudonyms;
use crate::records::purge::Purger;
use crate::records::{Accounts, Audit, User};
use crate::secret::Password;
use crate::sip::{Listener, Transport, Whereabouts};
use crate::{crm, net, records, sip, web};

/// Media events that may wait for the loop. Past that, the media threads hold them back themselves.
const MEDIA_EVENTS_MAX: usize = 16_384;

/// Requests for traces of live calls that may wait for the loop. One more gets 503.
const TRACES_ASKED_MAX: usize = 16;

/// Requests for the emergency switches that may wait for it, likewise.
const SWITCHES_ASKED_MAX: usize = 16;

/// Requests to erase people that may wait for it, likewise.
const ERASURES_MAX: usize = 4;

/// Value of Retry-After on a 503.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where the server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// SIP, by the first of its listeners.
    pub sip: SocketAddr,
    /// The pages and the API.
    pub web: SocketAddr,
    /// Whether these speak TLS.
    pub web_tls: bool,
}

impl Addresses {
    /// Where the pages are, as a URL that ends in a slash.
    pub fn pages(&self) -> String {
        format!("{}://{}/", if self.web_tls { "https" } else { "http" }, self.web)
    }
}

/// The user that is made where there was none.
#[derive(Debug)]
pub struct FirstUser {
    /// What they are called.
    pub name: Name,
    /// Their password, of which only the hash is kept.
    pub password: Password,
}

/// What the first user is called.
const FIRST_NAME: &str = "admin";

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or not this machine's.
    #[error(
        "cannot listen for {what} on {address}: {source}. Stop whatever has that address, or choose another: {setting}"
    )]
    Listen {
        /// What was to listen.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no socket for copies of SIP messages.
    #[error("cannot open a socket for [hep]: {0}")]
    Hep(std::io::Error),
    /// Certificates are missing or of no use.
    #[error("{0}")]
    Tls(#[from] TlsFault),
    /// Recordings are missing or of no use.
    #[error("{} of the prompts cannot be used:\n{}", .0.len(), lines(.0))]
    Prompts(Vec<PromptFault>),
    /// The record store cannot be used.
    #[error("{0}")]
    Records(#[from] records::RecordsError),
    /// The lock-outs cannot be kept in the data folder.
    #[error(
        "lock-outs cannot be kept in the data folder: {0}; let this user write there, or name another folder"
    )]
    Locks(#[source] sqlx::Error),
    /// The back end cannot be asked as configured.
    #[error("{0}")]
    BackEnd(#[from] crm::Misconfigured),
    /// Nothing can be said as configured.
    #[error("{0}")]
    Voice(#[from] crate::speech::VoiceError),
    /// Calling numbers cannot be checked as configured.
    #[error("calling numbers cannot be checked: {0}")]
    Checking(#[from] CheckingError),
    /// Webhooks cannot be told anything as configured.
    #[error("{0}")]
    Webhooks(#[from] HooksError),
    /// The metrics cannot be kept.
    #[error("metrics cannot be kept: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The media threads did not start.
    #[error("the media threads cannot be started: {0}")]
    Media(#[source] std::io::Error),
    /// Signals cannot be listened to.
    #[error("signals cannot be received: {0}")]
    Signals(#[source] std::io::Error),
}

fn lines(faults: &[PromptFault]) -> String {
    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n")
}

impl StartError {
    /// The exit code for it: 78 (`EX_CONFIG` of sysexits.h) where the configuration is to be mended, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Prompts(_)
            | Self::Listen { .. }
            | Self::Records(_)
            | Self::Locks(_)
            | Self::BackEnd(_)
            | Self::Tls(_)
            | Self::Checking(_)
            | Self::Voice(_)
            | Self::Webhooks(_) => 78,
            Self::Metrics(_) | Self::Media(_) | Self::Hep(_) | Self::Signals(_) => 1,
        }
    }
}

/// Makes a user where there is none; not where the demo's link lets its user in.
async fn first_user(accounts: &Accounts, audit: &Audit, web: &Web) -> Result<Option<FirstUser>, StartError> {
    if web.link.is_some() || !accounts.users().await?.is_empty() {
        return Ok(None);
    }
    let (mut letters, mut salt) = ([0; 20], [0; 16]);
    rand::rng().fill_bytes(&mut letters);
    rand::rng().fill_bytes(&mut salt);
    let name = Name::parse(FIRST_NAME).expect("letters are a name");
    let password = made_up_password(letters);
    let user = User {
        name: name.clone(),
        password: PasswordHash::of(&password, salt),
        role: Role::Admin,
        disabled: false,
        created_at: Timestamp::now(),
    };
    let subject = format!("user {name}");
    audit.append(Actor::System, Deed::Changed, subject, "made").await?;
    Ok(accounts.add_user(&user).await?.then_some(FirstUser { name, password }))
}

/// What the pages and the API go by.
pub fn pages(configuration: &Configuration) -> Result<web::Settings, TlsFault> {
    let Web { names, tokens, lifetimes, open_metrics, provider, tls, .. } = &configuration.web;
    let tls = tls.as_ref().map(net::pages::tls).transpose()?;
    let (names, tokens, provider) = (names.clone(), tokens.clone(), provider.clone());
    let (lifetimes, open_metrics) = (*lifetimes, *open_metrics);
    Ok(web::Settings { names, tokens, lifetimes, open_metrics, provider, tls })
}

/// Has every part, or says which cannot be had; and last the first user, where there was none.
pub async fn start(
    configuration: Configuration,
    file: Option<PathBuf>,
) -> Result<(Server, Inputs, Addresses, Option<FirstUser>), StartError> {
    descriptors::raise(&configuration.limits);
    let prompts = configuration.load_prompts().map_err(StartError::Prompts)?;
    let metrics = web::metrics::install()?;
    let (outlet, inlet) = transports(&configuration).await?;
    let listeners = outlet.listeners().to_vec();
    let sip_address = listeners.first().map_or_else(|| ([0, 0, 0, 0], 0).into(), |first| first.address);
    let listener_of_pages =
        listener("the pages", configuration.web.listen, "--web, or `listen` in [web]").await?;
    let web_address = listener_of_pages.local_addr().unwrap_or(configuration.web.listen);
    let live = Arc::new(web::Live::new());
    let Kept { store, audit, pseudonyms, emergencies, webhooks, recorder, writer, purger } =
        kept(&configuration, &live).await?;
    let locks = locks(&configuration).await?;
    if let Some(demo) = configuration.demo_back_end.clone() {
        let setting = "--crm, or `listen` in [demo.back_end]";
        let listener = listener("the demo's back end", demo.listen, setting).await?;
        tokio::spawn(crm::demo::serve(listener, demo, std::future::pending()));
    }
    let (readiness, ready) = watch::channel(web::Readiness::Starting);
    let dial = configuration.lines.iter().map(|line| format!("sip:{}@{sip_address}", line.number)).collect();
    let (reload, reloads) = mpsc::channel(1);
    let (traces, traces_asked) = mpsc::channel(TRACES_ASKED_MAX);
    let (erasures, to_erase) = mpsc::channel(ERASURES_MAX);
    let (switches, switches_asked) = mpsc::channel(SWITCHES_ASKED_MAX);
    let (settings, pages_go_by) = watch::channel(Arc::new(pages(&configuration)?));
    let web_tls = configuration.web.tls.is_some();
    let accounts = Accounts::of(&store);
    let state = web::State {
        live: Arc::clone(&live),
        store,
        audit: audit.clone(),
        metrics,
        ready,
        settings: pages_go_by,
        link: configuration.web.link.clone(),
        dial,
        reload,
        traces,
        switches,
        locks: locks.clone(),
        folder: configuration.records.folder.clone(),
        erasures,
        pseudonyms,
    };
    let pages = tokio::spawn(web::serve(listener_of_pages, state, std::future::pending()));

    let (media_events, media) = mpsc::channel(MEDIA_EVENTS_MAX);
    let (locator, found) = Locator::new(Dns::new(&configuration.sip.name_servers));
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    let back_end = crm::Client::new(configuration.back_end.clone())?;
    let voice = speaking::voice(&configuration)?;
    voice.keep_swept();
    let (spoken, heard) = mpsc::channel(speaking::SPOKEN_MAX);
    let checker = Checker::of(&configuration)?;
    let (findings, found_out) = mpsc::channel(checking::CHECKED_MAX);
    let plan = Arc::new(plan(&configuration, prompts));
    let exporter = configuration.hep.clone().map(net::hep::Exporter::open).transpose();
    let exporter = exporter.map_err(StartError::Hep)?;
    let server = Server {
        media: MediaPlane::start(&media_config(&configuration), &media_events).map_err(StartError::Media)?,
        switchboard: switchboard(&configuration, listeners, Arc::clone(&plan), emergencies),
        in_effect: InEffect::new(file, configuration, &plan, back_end),
        sip: outlet,
        locator,
        held: VecDeque::new(),
        answers,
        voice,
        spoken,
        checker,
        shown: Shown::default(),
        findings,
        live,
        records: writer,
        audit,
        _purger: purger,
        recorder,
        locks,
        webhooks,
        readiness,
        pages,
        page_settings: settings,
        lost: None,
        exporter,
        trunk_gauges: measure::TrunkGauges::default(),
    };
    let inputs = Inputs::new(
        media,
        (answered, heard, found_out),
        reloads,
        (traces_asked, switches_asked, to_erase),
        (inlet, found),
    )?;
    let addresses = Addresses { sip: sip_address, web: web_address, web_tls };
    // Last: somebody who is told of nowhere could never log in.
    let first = first_user(&accounts, &server.audit, &server.in_effect.configuration().web).await?;
    Ok((server, inputs, addresses, first))
}

/// What the media threads are told of a configuration.
fn media_config(configuration: &Configuration) -> MediaConfig {
    let usual = MediaConfig::default();
    MediaConfig {
        threads: configuration.media.threads.map_or(usual.threads, NonZeroUsize::get),
        pinned: configuration.media.pin_threads,
        kernel_filter: configuration.media.kernel_filter,
        silence_limit: configuration.media.silence_timeout,
        ..usual
    }
}

/// What is kept on disk, and what keeps it.
struct Kept {
    store: records::Store,
    audit: Audit,
    pseudonyms: Arc<Pseudonyms>,
    emergencies: Emergencies,
    webhooks: Post,
    recorder: records::Recorder,
    writer: records::Writer,
    purger: Purger,
}

async fn kept(configuration: &Configuration, live: &Arc<web::Live>) -> Result<Kept, StartError> {
    let (Records { folder, recording_max, kept, .. }, privacy) =
        (&configuration.records, &configuration.privacy);
    let store = records::Store::open(folder).await?;
    let audit = Audit::start(folder);
    let emergencies = records::switches::load(folder)?;
    let webhooks = Post::start(folder.clone(), Sender::all(&configuration.webhooks)?);
    let recorder = records::Recorder::start(folder.clone(), *recording_max)?;
    let pseudonyms = Arc::new(Pseudonyms::open(folder, privacy.rotation)?);
    let (told, named, of_ends) = (Arc::clone(live), Arc::clone(&pseudonyms), webhooks.clone());
    let writer = records::Writer::start(&store, *kept, move |record| {
        measure::call_ended(&record, &named);
        of_ends.tell_of_end(&record);
        told.ended(record);
    })?;
    let keys = (Arc::clone(&pseudonyms), privacy.rotation);
    let purger = Purger::start(store.clone(), audit.clone(), privacy.periods.clone(), keys);
    Ok(Kept { store, audit, pseudonyms, emergencies, webhooks, recorder, writer, purger })
}

async fn locks(configuration: &Configuration) -> Result<Locks, StartError> {
    let config::Locks { server, limits } = &configuration.locks;
    let place = match server {
        Some(server) => Place::Server(server.clone()),
        None => Place::Folder(configuration.records.folder.clone()),
    };
    Locks::start(place, *limits).await.map_err(StartError::Locks)
}

async fn transports(configuration: &Configuration) -> Result<(Outlet, Inlet), StartError> {
    let Limits { connections, connections_per_source, .. } = configuration.limits;
    let caps = Caps { connections, connections_per_source };
    let tls = Tls::load(configuration.sip.tls.as_ref())?;
    net::sip::open(&configuration.sip.listen, caps, tls).await.map_err(|NotBound { listen, source }| {
        StartError::Listen {
            what: match listen.transport {
                Transport::Udp => "SIP over UDP",
                Transport::Tcp => "SIP over TCP",
                Transport::Tls => "SIP over TLS",
            },
            address: listen.address,
            setting: "--sip, or `listen` in [sip]",
            source,
        }
    })
}

async fn listener(
    what: &'static str,
    address: SocketAddr,
    setting: &'static str,
) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Listen { what, address, setting, source })
}

/// What the switchboard is told of a configuration.
pub fn plan(configuration: &Configuration, prompts: Library) -> Plan {
    Plan {
        lines: configuration.directory.clone(),
        sounds: configuration.sounds.clone(),
        targets: configuration.targets.clone(),
        hand_over: configuration.hand_over,
        agents: configuration.demo_agents.clone(),
        prompts,
        language: configuration.prompts.language.as_str().into(),
        trunks: configuration.trunks.clone(),
        calls_max: configuration.limits.calls,
        intake: configuration.limits.intake,
        speech: speaking::speech(configuration),
        passports: configuration.passports.clone(),
        numbers: configuration.numbers.clone(),
    }
}

fn switchboard(
    configuration: &Configuration,
    listeners: Vec<Listener>,
    plan: Arc<Plan>,
    emergencies: Emergencies,
) -> Switchboard {
    let sip = &configuration.sip;
    let network = Network {
        media_external: configuration.media.external_address.or(sip.external.map(|address| address.ip())),
        media_ports: configuration.media.ports.clone(),
    };
    let whereabouts =
        Whereabouts { listeners, external: sip.external, local_networks: sip.local_networks.clone() };
    let sip = sip::Config {
        whereabouts,
        realm: sip.realm.clone(),
        user_agent: concat!("Portero/", env!("CARGO_PKG_VERSION")).to_owned(),
        accept_referrals: false,
        retry_after: RETRY_AFTER,
    };
    let mut switchboard = Switchboard::new(sip, network, plan, wall_clock(), StdRng::from_os_rng());
    let keeps = configuration.records.kept.traces != records::Retention::Off;
    switchboard.set_emergencies(emergencies);
    switchboard.set_tap(Tap { keeps, copies: configuration.hep.is_some() });
    switchboard
}
