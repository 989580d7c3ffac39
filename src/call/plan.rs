//! What the switchboard is told: which lines there are, where calls can go, how much it may take on.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::numbers::Numbers;
use super::passports::Passports;
use super::speaking::Speech;
use super::trunk::Trunks;
use crate::audio::Library;
use crate::flow::{LineName, TargetName};
use crate::sdp::Codecs;
use crate::sip::{Caps, Transport};

/// Everything about calls that the configuration says. A call keeps the plan it began with.
#[derive(Debug)]
pub struct Plan {
    /// The lines, and what leads to each.
    pub lines: Directory,
    /// How lines sound, by their names; a line that is not here sounds as usual.
    pub sounds: HashMap<LineName, Sound>,
    /// Where calls can be handed to. Every target that a line names is here.
    pub targets: HashMap<TargetName, Target>,
    /// How long a referral may take.
    pub hand_over: HandOverTimes,
    /// The demo's agents, if there are any.
    pub agents: Option<Agents>,
    /// The recordings. Every prompt that a line names is here.
    pub prompts: Library,
    /// The language that the agents speak.
    pub language: Arc<str>,
    /// Who may call.
    pub trunks: Trunks,
    /// Calls at a time; the next one gets 503.
    pub calls_max: usize,
    /// How much may come in.
    pub intake: Intake,
    /// What is fetched to be said.
    pub speech: Speech,
    /// Whose calling numbers we check ourselves.
    pub passports: Passports,
    /// Whose calls are not taken, and whose are asked nothing.
    pub numbers: Numbers,
}

/// How much may come in, whoever brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intake {
    /// New calls within any second, at least 1; the next one gets 503. `None`: however many come.
    pub calls_per_second: Option<usize>,
    /// SIP transactions at a time, at least 1. At three quarters of them, what belongs to no call gets 503.
    pub transactions: usize,
    /// Messages that an address on no trunk may send in a second; more are dropped unread. It is the least that an
    /// address of a trunk with limited calls may send, too.
    pub messages_per_second: usize,
    /// Of a second's packets of sound, the most that may leave late, in percent: beyond that new calls get 503. At 100
    /// none does.
    pub late_percent: u8,
}

impl Default for Intake {
    fn default() -> Self {
        Self { calls_per_second: None, transactions: 200_000, messages_per_second: 1000, late_percent: 20 }
    }
}

/// The messages that a call at a limited trunk may take: a whole one is some ten, most of them within its first second,
/// and a few may be lost and come again.
const MESSAGES_PER_CALL: usize = 50;

impl Plan {
    /// How many messages this address may send in a second; `None`: however many come.
    pub(super) fn messages_per_second_of(&self, source: IpAddr) -> Option<usize> {
        let strangers = self.intake.messages_per_second;
        match self.trunks.of(source) {
            None => Some(strangers),
            Some(trunk) => trunk.calls_per_second.map(|calls| strangers.max(calls * MESSAGES_PER_CALL)),
        }
    }

    /// What the endpoint is to hold at the most.
    pub(super) fn caps(&self) -> Caps {
        let transactions = self.intake.transactions;
        Caps {
            // A call that has ended may wait for a late NOTIFY while the next one is there already.
            dialogs: Caps::default().dialogs.max(self.calls_max * 2),
            transactions,
            transactions_for_strangers: transactions - transactions / 4,
        }
    }
}

/// How a line's calls sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sound {
    /// Which codecs are taken.
    pub codecs: Codecs,
    /// Whether keys are listened for in the caller's audio.
    pub tones: Tones,
    /// Whether media is encrypted.
    pub srtp: Srtp,
    /// Whether calls are recorded.
    pub record: bool,
}

/// Whether a line's media is encrypted (RFC 4568).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Srtp {
    /// Where the caller's side offers it.
    #[default]
    Allow,
    /// Always; whoever does not offer it is refused (488).
    Require,
    /// Never; whoever insists on it is refused (488).
    Off,
}

/// When keys are listened for in callers' audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tones {
    /// Where the caller's side has agreed on no telephone-events.
    #[default]
    Needed,
    /// Until the first telephone-event shows that there is no need.
    Always,
    /// Nowhere.
    Never,
}

/// Where our media is on the network. Its sockets are bound to the address at which the caller's SIP reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What SDP says in place of that to a peer outside of the local networks, behind a NAT.
    pub media_external: Option<IpAddr>,
    /// UDP ports for media: RTP on even ones, RTCP on the odd ones that follow.
    pub media_ports: RangeInclusive<u16>,
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
    /// Whether it is told what a check of the calling number came to.
    pub sends_number_check: bool,
}

/// Where a caller reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Here {
    /// By what.
    pub transport: Transport,
    /// Our address, as the caller sees it.
    pub address: SocketAddr,
}

/// A target's URI, without headers. It may hold `{{ own_address }}` for its host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUri(String);

impl TargetUri {
    /// Takes a URI whose form has been checked.
    pub fn new(uri: String) -> Self {
        Self(uri)
    }

    /// The URI to refer to, for a caller who reached us at `here`.
    pub fn at(&self, here: Here) -> String {
        let own = self.0.replace("{{ own_address }}", &here.address.to_string());
        // RFC 3263 §4.1: an address without a transport is called by UDP.
        if own == self.0 || !here.transport.is_stream() || own.contains(";transport=") {
            return own;
        }
        format!("{own};transport={}", here.transport)
    }
}

/// How long a referral may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOverTimes {
    /// How long there may be nothing after the REFER; 1 s to 5 min.
    pub timeout: Duration,
    /// How long there may be nothing after a NOTIFY that told of progress; 1 s to 30 min.
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
