//! The parts of the configuration that are plain settings. The parts with a life of their own belong to
//! their modules: lines to `flow`, the back end to `crm`; targets have a file of their own.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::{Key, Lifetimes};
use crate::audio;
use crate::call::{Intake, IpNet};
use crate::locks;
use crate::net::pages::CertificateFiles;
use crate::net::sip::{Listen, TlsFiles};
use crate::records::Kept;
use crate::web::{KnownToken, Provider};

/// Where calls arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    /// Where we listen; at least one address, and none twice.
    pub listen: Vec<Listen>,
    /// What peers outside of the local networks know us by, behind a NAT; port 0 stands for the listener's own.
    pub external: Option<SocketAddr>,
    /// The networks whose members reach us without the NAT.
    pub local_networks: Vec<IpNet>,
    /// What trunks with a username prove themselves for.
    pub realm: String,
    /// Whom to ask for the addresses of peers that are known by name, at most three; none: the system's own.
    pub name_servers: Vec<SocketAddr>,
    /// `[sip.tls]`: our certificate, and whom we trust. There is one where there is a listener for TLS.
    pub tls: Option<TlsFiles>,
}

/// Where sound is sent and received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// UDP ports: the first is even, the last odd, and there is a pair for each call of [`Limits::calls`].
    pub ports: RangeInclusive<u16>,
    /// What SDP says to peers outside of the local networks, behind a NAT; absent: what SIP says to them.
    pub external_address: Option<IpAddr>,
    /// A call without RTP and RTCP for this long is ended, unless it is on hold; 5 s to 1 h.
    pub silence_timeout: Duration,
    /// How many media threads there are; absent: one a processor, but for one processor, and one at the least.
    pub threads: Option<NonZeroUsize>,
    /// Whether each media thread keeps to a processor of its own.
    pub pin_threads: bool,
    /// Whether callers' audio, to which nobody listens, is kept back inside the kernel.
    pub kernel_filter: bool,
}

/// How much is taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls at a time, 1 to 100 000. The next one gets 503.
    pub calls: usize,
    /// New calls a second, 1 to 100 000; transactions at a time, 1000 to 2 000 000; messages of a stranger a second, 10
    /// to 1 000 000.
    pub intake: Intake,
    /// Connections by TCP and TLS, 1 to 100 000. The next one is closed at once.
    pub connections: usize,
    /// Of these, from one address.
    pub connections_per_source: usize,
    /// How long calls may go on once the server is told to stop; 0 s to 1 h.
    pub drain: Duration,
}

/// What the system may do with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Whether it may keep an image of its memory when it dies, what callers keyed included.
    pub core_dumps: bool,
}

/// The page and the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// The TCP address that we listen on.
    pub listen: SocketAddr,
    /// Names, beside `localhost` and that address, by which browsers may call this server.
    pub names: Vec<String>,
    /// How long sessions last: idle 1 min to 7 d, in all 5 min to 30 d.
    pub lifetimes: Lifetimes,
    /// Whether anybody may read the metrics.
    pub open_metrics: bool,
    /// By whose word people may log in, besides by their passwords.
    pub provider: Option<Provider>,
    /// Our certificate; absent: HTTP without TLS.
    pub tls: Option<CertificateFiles>,
    /// What programs may ask the API with, besides those in the database.
    pub tokens: Vec<KnownToken>,
    /// The key in the link that the demo prints. No file can say it.
    pub link: Option<Key>,
}

/// Where call records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The folder that holds the database. It need not exist yet.
    pub folder: PathBuf,
    /// How long the SIP messages of a call and its recording are kept; 1 h to 366 d, or not at all.
    pub kept: Kept,
    /// How long a recording may get; 1 min to 12 h.
    pub recording_max: Duration,
}

/// How many failed proofs lock what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks {
    /// How many; each 1 to 1 000 000 within 1 s to 31 d, or not counted.
    pub limits: locks::Limits,
    /// The database that several nodes share; absent: a file in the folder of the records.
    pub server: Option<locks::DatabaseUrl>,
}

/// Where recordings come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompts {
    /// The language, which is a folder's name, such as `en`.
    pub language: String,
    /// The folder above the language's; absent: the recordings inside the program.
    pub folder: Option<PathBuf>,
}

impl Prompts {
    /// Where to load them from.
    pub fn source(&self) -> audio::Source {
        self.folder.clone().map_or(audio::Source::Embedded, audio::Source::Folder)
    }
}
