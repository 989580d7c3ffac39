//! The SIP façade: messages, transactions, dialogs, referrals, the endpoint (RFC 3261, 3262, 3311, 3515, 4028).

mod admission;
mod authorization;
mod counters;
mod dialog;
mod digest;
mod dtmf_info;
mod endpoint;
mod errand;
mod finding;
mod framing;
mod hop;
mod identity;
mod invitation;
mod leniency;
mod limits;
mod liveness;
mod locate;
mod message;
mod reason;
mod reception;
mod redaction;
mod referral;
mod registration;
mod reliable;
mod replaces;
mod response;
mod route;
mod seen;
mod session_timer;
#[cfg(test)]
mod tests;
mod transaction;
mod uac;
mod uas;
mod update;
mod usage;
mod via;

pub use counters::{Counters, Rejection};
pub use digest::{Account, Algorithm, Login};
pub use endpoint::{Config, Endpoint};
pub use errand::{ErrandId, Order, Registrar, Reply, Task};
pub use framing::{Frame, Framer, Unframeable};
pub use hop::{ConnectionId, Domain, Hop, Listener, Transmit, Transport, Whereabouts};
pub use identity::{Claim, Identity, Privacy, Signed, Verstat};
pub use limits::Caps;
pub use liveness::{Liveness, Pings};
pub use locate::{Answer, Destination, Kind, Located, Question, Record, Search, Sought, Srv, Step, Way};
pub use reason::Reason;
pub use reception::Reception;
pub use redaction::{Redacted, call_id};
pub use registration::{Register, Registration, RegistrationState};
pub use seen::{Direction, Seen};
pub use uac::Call;

use std::sync::Arc;

use crate::secret::Digit;

/// Names a dialog of this endpoint for its whole life, from the INVITE on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(pub u64);

/// Names a search for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SearchId(pub u64);

/// An INVITE that asks for a new call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// User part of the Request-URI, unescaped and without its parameters (RFC 3261 §19.1.1): the DNIS.
    pub dialled: String,
    /// Value of the `portero-token` parameter of the Request-URI, if there is one.
    pub token: Option<String>,
    /// Value of an `X-Portero-Verdict` header, if there is one.
    pub verdict: Option<String>,
    /// Who calls, by what the header fields say.
    pub identity: Identity,
    /// The peer's Call-ID.
    pub sip_call_id: String,
    /// The way by which the INVITE came.
    pub hop: Hop,
    /// Whose login it has proved; `None` where that was not asked for.
    pub login: Option<Arc<str>>,
    /// The SDP offer; `None` for an offerless INVITE, where we offer in the 200 (RFC 3261 §13.2.1).
    pub offer: Option<String>,
}

/// A hand-over by REFER (RFC 3515).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// The Refer-To value, without angle brackets: `sip:agents@host;portero-token=…?X-Portero-Verdict=…`.
    pub refer_to: String,
    /// Further header fields for the REFER itself, values already free of CR and LF.
    pub headers: Vec<(String, String)>,
}

/// How a referral is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferralEvent {
    /// The REFER got a 2xx.
    Accepted,
    /// The REFER got a final response of 3xx-6xx (or 408 where nothing came by the transaction's time-out).
    Refused(u16),
    /// A NOTIFY carried this sipfrag status. 1xx is progress, the rest is final.
    Notified(u16),
    /// The peer ended the subscription without a final status (`Subscription-State: terminated`).
    Terminated,
}

/// Why a dialog is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// The peer's BYE.
    RemoteBye,
    /// The peer's CANCEL before the answer; the INVITE got 487.
    RemoteCancel,
    /// Our BYE, answered or timed out.
    LocalBye,
    /// Our refusal of the INVITE.
    LocalReject,
    /// Our 2xx never got its ACK (RFC 3261 §13.3.1.4); BYE was sent.
    NoAck,
    /// A request of ours in the dialog got 408 or 481, or timed out (RFC 3261 §12.2.1.2); or the peer did not
    /// refresh the session (RFC 4028 §10), or never acknowledged our ringing (RFC 3262 §3).
    PeerGone,
    /// Our INVITE was refused with this status, or timed out (408).
    Refused(u16),
}

/// What the endpoint tells its user.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody calls. Answer with `ring`, `accept` or `reject`.
    Invited(DialogId, Box<Invitation>),
    /// The ACK to our 2xx came, with the peer's answer where our 2xx carried the offer. Later also: the peer's
    /// answer to what we said again to refresh the session.
    Confirmed(DialogId, Option<String>),
    /// A re-INVITE, or an UPDATE with an offer; `None` asks us to offer. Answer with `accept` or `reject`.
    Reinvited(DialogId, Option<String>),
    /// A key by INFO (`application/dtmf-relay`, `application/dtmf`).
    Digit(DialogId, Digit),
    /// News of our referral.
    Referral(DialogId, ReferralEvent),
    /// Our INVITE rings.
    Ringing(DialogId),
    /// Our INVITE was answered, with the peer's SDP; the ACK has been sent.
    Answered(DialogId, String),
    /// The peer asks us to refer to another (only the test caller agrees): answer with `answer_refer`.
    Referred(DialogId, Box<Referral>),
    /// What an errand brought back.
    Replied(ErrandId, Reply),
    /// The request by which the peer ends the dialog, which is told next, says why: out of the ordinary.
    Explained(DialogId, Reason),
    /// The dialog is over. Nothing more will be told of it.
    Ended(DialogId, EndCause),
}
