//! The parts of the configuration that are plain settings. The parts with a life of their own belong to
//! their modules: lines to `flow`, the back end to `crm`; targets have a file of their own.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Where calls arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    /// The UDP address that we listen on.
    pub listen: SocketAddr,
    /// What Contact says in its place, behind a NAT.
    pub contact: Option<SocketAddr>,
}

/// Where sound is sent and received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// UDP ports: the first is even, the last odd, and there is a pair for each call of [`Limits::calls`].
    pub ports: RangeInclusive<u16>,
    /// What SDP says in place of our own address, behind a NAT.
    pub address: Option<IpAddr>,
    /// A call without RTP and RTCP for this long is ended; 5 s to 1 h.
    pub silence_timeout: Duration,
    /// How many media threads there are; absent: one a processor.
    pub threads: Option<NonZeroUsize>,
}

/// How much is taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls at a time, 1 to 100 000. The next one gets 503.
    pub calls: usize,
}

/// The page and the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// The TCP address that we listen on.
    pub listen: SocketAddr,
}

/// Where call records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The folder that holds the database. It need not exist yet.
    pub folder: PathBuf,
}

/// Where recordings come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompts {
    /// The language, which is a folder's name, such as `en`.
    pub language: String,
    /// The folder above the language's; absent: the recordings inside the program.
    pub folder: Option<PathBuf>,
}

/// How long a referral may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// How long there may be nothing after the REFER; 1 s to 5 min.
    pub timeout: Duration,
    /// How long there may be nothing between NOTIFYs, once one told of progress; 1 s to 30 min.
    pub progress_timeout: Duration,
}

/// The stand-in for the business's agents: calls to this user of our own address are answered by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agents {
    /// User part of the Request-URI that reaches them.
    pub user: String,
    /// How long they stay on the line; 1 s to 5 min.
    pub hang_up_after: Duration,
}

/// Where a call can be handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The SIP or SIPS URI that Refer-To names.
    pub uri: TargetUri,
    /// Whether it is told the customer's identifier.
    pub sends_customer: bool,
    /// Whether it is told the customer's name.
    pub sends_name: bool,
}

/// A target's URI, without headers. It may hold `{{ own_address }}` for its host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUri(String);

impl TargetUri {
    /// Takes a URI whose form has been checked.
    pub fn new(uri: String) -> Self {
        Self(uri)
    }

    /// The URI to refer to, for a caller who reached us at `own_address`.
    pub fn at(&self, own_address: SocketAddr) -> String {
        self.0.replace("{{ own_address }}", &own_address.to_string())
    }
}
