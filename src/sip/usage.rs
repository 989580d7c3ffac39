//! What a dialog is used for (RFC 5057): the INVITE's usage, our REFER's, the peer's REFER's.
//!
//! ```text
//!   INVITE in -> Incoming --2xx--> Established --BYE sent--> Closing --200--> (Lingering) -> gone
//!                    |                  |                                         ^
//!   INVITE out -> Outgoing --2xx--------'--BYE received---------------------------'
//!                    '--- refused, cancelled -> gone
//! ```

use std::time::Duration;

use sipx_sip::Header;
use sipx_sip::session::Session;

use super::SearchId;
use super::dialog::Dialog;
use super::digest::Keys;
use super::hop::Transmit;
use super::limits::{T1, T2};
use super::transaction::TransactionId;

/// A dialog and its usages.
#[derive(Debug, Clone)]
pub struct Leg {
    /// The dialog state.
    pub dialog: Dialog,
    /// Our tag, by which requests find us.
    pub tag: String,
    /// The INVITE's usage.
    pub phase: Phase,
    /// What our last offer or answer was: a re-INVITE that only refreshes says it again.
    pub description: String,
    /// Our reliable ringing, until its PRACK comes.
    pub provisional: Option<Provisional>,
    /// Our re-INVITE, until its final response comes. Without one it would wait for ever (RFC 3261 §17.1.1.2).
    pub own_reinvite: Option<TransactionId>,
    /// Our ACK to the peer's 2xx, for when that 2xx comes again.
    pub ack: Option<Transmit>,
    /// What signs our requests, where the peer asks who we are.
    pub keys: Option<Keys>,
    /// The credentials of our last INVITE, which its ACK repeats.
    pub signed: Vec<Header>,
    /// The search for its next hop that is under way.
    pub search: Option<SearchId>,
    /// Our REFER's usage: the last one that was not refused.
    pub subscription: Option<Subscription>,
    /// The peer's REFER's usage: the last one.
    pub notifier: Option<Notifier>,
}

/// A reliable provisional response (RFC 3262).
#[derive(Debug, Clone)]
pub struct Provisional {
    /// Its `RSeq`.
    pub rseq: u32,
    /// The `CSeq` of its INVITE.
    pub cseq: u32,
    /// The message.
    pub sent: Transmit,
    /// How long the last sending was waited upon.
    pub interval: Duration,
}

/// How far the INVITE's usage is.
#[derive(Debug, Clone)]
pub enum Phase {
    /// The peer's INVITE waits for our final response.
    Incoming(Pending),
    /// Our INVITE waits for its final response.
    Outgoing(Outgoing),
    /// There is a session.
    Established(Established),
    /// Our BYE waits for its response.
    Closing,
    /// Over; only what belongs to a REFER still passes.
    Lingering,
}

/// An INVITE of the peer, or an UPDATE with an offer, that has no final response yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Its `CSeq`, which the ACK repeats.
    pub cseq: u32,
    /// Whether it carried the offer; if not, our 2xx does and the ACK carries the answer.
    pub offered: bool,
    /// Whether its 2xx gets an ACK.
    pub usage: Usage,
}

/// The two requests that carry offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Answered with a 2xx that is resent until its ACK comes.
    Invite,
    /// Answered like any other request.
    Update,
}

/// How we are refreshing the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshing {
    /// By an UPDATE without an offer.
    ByUpdate,
    /// By a re-INVITE, with an offer.
    ByReinvite,
}

/// An INVITE of ours that has no final response yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Whether a provisional response has come: before one, no CANCEL may be sent (RFC 3261 §9.1).
    pub provisional: bool,
    /// Whether ringing has been told.
    pub ringing: bool,
    /// Whether it is wanted no more.
    pub cancelled: bool,
}

/// A session.
#[derive(Debug, Clone, Default)]
pub struct Established {
    /// A re-INVITE of the peer, or an UPDATE with an offer.
    pub reinvite: Option<Pending>,
    /// Our last 2xx, until its ACK comes.
    pub unacknowledged: Option<Unacknowledged>,
    /// Whether BYE is to follow the ACK (RFC 3261 §15 forbids it before).
    pub leaving: bool,
    /// The session timer that was agreed (RFC 4028).
    pub timer: Option<Session>,
    /// Our refresh that has no final response yet.
    pub refreshing: Option<Refreshing>,
    /// Whether the peer allows UPDATE.
    pub peer_updates: bool,
}

/// A 2xx that the core resends until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug, Clone)]
pub struct Unacknowledged {
    /// The INVITE that it answers.
    pub invite: Pending,
    /// The message.
    pub sent: Transmit,
    interval: Duration,
}

impl Unacknowledged {
    /// A 2xx sent for the first time just now.
    pub fn new(invite: Pending, sent: Transmit) -> Self {
        Self { invite, sent, interval: T1 }
    }

    /// How long after a sending the next one is due: T1, doubling up to T2.
    pub fn back_off(&mut self) -> Duration {
        self.interval = (self.interval * 2).min(T2);
        self.interval
    }
}

/// The subscription that our REFER made (RFC 3515 §2.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// `CSeq` of the REFER: the `id` of its NOTIFYs' Event.
    pub cseq: u32,
    /// How far it is.
    pub state: SubscriptionState,
}

/// How far our subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// The REFER has no final response yet.
    Asked,
    /// It was accepted; NOTIFYs are told.
    Active,
    /// Final status heard, refused or terminated; NOTIFYs are answered and told no more.
    Over,
}

/// The subscription that the peer's REFER made with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notifier {
    /// The REFER waits for our answer.
    Asked { transaction: TransactionId, cseq: u32 },
    /// We accepted and report.
    Active { cseq: u32 },
    /// The last NOTIFY has been sent.
    Over,
}

impl Leg {
    /// A dialog that is used for nothing but its INVITE yet.
    pub fn new(dialog: Dialog, tag: String, phase: Phase) -> Self {
        Self {
            dialog,
            tag,
            phase,
            description: String::new(),
            provisional: None,
            own_reinvite: None,
            ack: None,
            keys: None,
            signed: Vec::new(),
            search: None,
            subscription: None,
            notifier: None,
        }
    }

    /// The re-INVITE or INVITE that waits for our answer.
    pub fn pending(&self) -> Option<Pending> {
        match &self.phase {
            Phase::Incoming(pending) => Some(*pending),
            Phase::Established(session) => session.reinvite,
            Phase::Outgoing(_) | Phase::Closing | Phase::Lingering => None,
        }
    }

    /// The session, while there is one.
    pub fn session(&mut self) -> Option<&mut Established> {
        match &mut self.phase {
            Phase::Established(session) => Some(session),
            _ => None,
        }
    }

    /// Whether NOTIFYs may still pass after the INVITE's usage is over.
    pub fn outlives_its_session(&self) -> bool {
        self.subscription.is_some() || matches!(self.notifier, Some(Notifier::Active { .. }))
    }
}
