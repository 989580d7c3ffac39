//! The endpoint: every SIP dialog of one local address, as one machine without sockets or clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::{DialogId, Event, Referral, Transmit};

/// What an endpoint is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address that peers reach us at; it goes into Via and Contact.
    pub local: SocketAddr,
    /// Value of User-Agent and Server.
    pub user_agent: String,
    /// Whether a peer's REFER is told as `Event::Referred`; where false it gets 603.
    pub accept_referrals: bool,
    /// Value of Retry-After on every 503 that we send.
    pub retry_after: Duration,
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct Call {
    /// Request-URI and To.
    pub to_uri: String,
    /// User part of From; `anonymous` becomes `sip:anonymous@anonymous.invalid` (RFC 3323 §4.1.1.3).
    pub from_user: String,
    /// Display name of From, unquoted.
    pub from_display: Option<String>,
    /// Where the INVITE is sent.
    pub destination: SocketAddr,
    /// The offer.
    pub sdp: String,
    /// Further header fields of the INVITE.
    pub headers: Vec<(String, String)>,
}

/// A user agent, client and server.
///
/// An operation on a dialog that is over, or whose state it does not fit, does nothing: the event that
/// tells why is already waiting.
#[derive(Debug)]
pub struct Endpoint;

#[expect(unused_variables, clippy::unused_self, reason = "the signatures go ahead of the machine")]
impl Endpoint {
    /// An endpoint with nothing in flight.
    pub fn new(config: Config, rng: StdRng) -> Self {
        Self
    }
    /// Takes one datagram in.
    pub fn receive(&mut self, source: SocketAddr, payload: &[u8], now: Instant) {}
    /// Runs every timer that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {}
    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }
    /// The next event for the user.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    /// While draining, OPTIONS and new INVITEs get 503.
    pub fn set_draining(&mut self, draining: bool) {}
    /// How many dialogs are held.
    pub fn dialogs(&self) -> usize {
        0
    }
    /// 180 to an INVITE.
    pub fn ring(&mut self, dialog: DialogId, now: Instant) {}
    /// 200 with `sdp` to an INVITE or re-INVITE.
    pub fn accept(&mut self, dialog: DialogId, sdp: &str, now: Instant) {}
    /// A final refusal (300-699) to an INVITE (then `Ended(LocalReject)`) or re-INVITE (the call stays as it
    /// was). 503 carries `Config::retry_after`.
    pub fn reject(&mut self, dialog: DialogId, status: u16, now: Instant) {}
    /// Ends a dialog; `Ended(LocalBye)` follows. Before our answer it refuses the INVITE with 480.
    pub fn bye(&mut self, dialog: DialogId, now: Instant) {}
    /// Sends a REFER; `Event::Referral`s follow.
    pub fn refer(&mut self, dialog: DialogId, referral: &Referral, now: Instant) {}
    /// Places a call. `None` at the cap of dialogs, or where a value cannot stand in a message.
    pub fn invite(&mut self, call: &Call, now: Instant) -> Option<DialogId> {
        None
    }
    /// Gives up a call that has not been answered: CANCEL; `Ended(Refused(487))` follows.
    pub fn cancel(&mut self, dialog: DialogId, now: Instant) {}
    /// Final response to the peer's REFER (`Event::Referred`): 202, or a refusal.
    pub fn answer_refer(&mut self, dialog: DialogId, status: u16, now: Instant) {}
    /// A NOTIFY to the peer whose REFER we accepted; `last` ends its subscription.
    pub fn notify(&mut self, dialog: DialogId, sipfrag_status: u16, last: bool, now: Instant) {}
}
