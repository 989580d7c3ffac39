//! What an endpoint counts, for the shell to publish. Labels are words of the protocol, never of a caller.

use std::collections::BTreeMap;

use sipx_sip::Method;

/// Why a message was refused or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rejection {
    /// It could not be read, or lacked what every message must have.
    Malformed,
    /// A SIP version other than 2.0.
    Version,
    /// A method that we do not serve.
    Method,
    /// A Request-URI of a scheme that we do not serve.
    Scheme,
    /// The same request by another way (RFC 3261 §8.2.2.2).
    Merged,
    /// It required an extension that we do not have.
    Extension,
    /// It asked for a session interval that is too short.
    Interval,
    /// A body that we do not read, or an answer that we do not write.
    Content,
    /// It named a dialog, transaction or subscription that we do not have.
    UnknownDialog,
    /// `CSeq` was lower than the last one in its dialog.
    OutOfOrder,
    /// An INVITE while another one was pending.
    Glare,
    /// A REFER to us.
    Referral,
    /// An INVITE that was to replace a dialog.
    Replacement,
    /// An INVITE from an address of no trunk.
    Stranger,
    /// An INVITE of whoever has not proved yet who they are, and was asked to.
    Challenged,
    /// An INVITE with a wrong answer to that.
    Credentials,
    /// An INVITE beyond what its trunk may have us take on.
    TrunkBusy,
    /// More calls than there may be at a time.
    CallsMax,
    /// More calls than there may be in a second.
    CallRate,
    /// More messages than a stranger may send in a second.
    Flood,
    /// More packets of sound leave late than may.
    Late,
    /// We are full.
    Overload,
    /// We are draining.
    Draining,
}

impl Rejection {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Method => "method",
            Self::Scheme => "scheme",
            Self::Merged => "merged",
            Self::Extension => "extension",
            Self::Interval => "interval",
            Self::Content => "content",
            Self::UnknownDialog => "unknown_dialog",
            Self::OutOfOrder => "out_of_order",
            Self::Glare => "glare",
            Self::Referral => "referral",
            Self::Replacement => "replacement",
            Self::Stranger => "stranger",
            Self::Challenged => "challenged",
            Self::Credentials => "credentials",
            Self::TrunkBusy => "trunk_busy",
            Self::CallsMax => "calls",
            Self::CallRate => "calls_per_second",
            Self::Flood => "flood",
            Self::Late => "late",
            Self::Overload => "overload",
            Self::Draining => "draining",
        }
    }
}

/// Totals since the endpoint was made. They only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    requests: BTreeMap<&'static str, u64>,
    responses: BTreeMap<(&'static str, u16), u64>,
    rejected: BTreeMap<Rejection, u64>,
}

impl Counters {
    /// Requests received, retransmissions not counted, by method (`other` for those without a name here).
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.requests.iter().map(|(&method, &count)| (method, count))
    }

    /// Responses sent, retransmissions not counted, by method and status.
    pub fn responses(&self) -> impl Iterator<Item = (&'static str, u16, u64)> + '_ {
        self.responses.iter().map(|(&(method, status), &count)| (method, status, count))
    }

    /// Messages refused or dropped, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Rejection, u64)> + '_ {
        self.rejected.iter().map(|(&reason, &count)| (reason, count))
    }

    pub(super) fn count_request(&mut self, method: &Method) {
        *self.requests.entry(label(method)).or_default() += 1;
    }

    pub(super) fn count_response(&mut self, method: &Method, status: u16) {
        *self.responses.entry((label(method), status)).or_default() += 1;
    }

    pub(super) fn count_rejection(&mut self, reason: Rejection) {
        *self.rejected.entry(reason).or_default() += 1;
    }
}

/// A method's name from a closed list: a peer must not be able to make up label values.
fn label(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Register => "REGISTER",
        Method::Options => "OPTIONS",
        Method::Info => "INFO",
        Method::Prack => "PRACK",
        Method::Update => "UPDATE",
        Method::Subscribe => "SUBSCRIBE",
        Method::Notify => "NOTIFY",
        Method::Refer => "REFER",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
        _ => "other",
    }
}
