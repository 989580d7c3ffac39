//! The numbers of this module, with names: RFC 3261's timers and what one endpoint will hold.

use std::time::Duration;

/// RFC 3261 §17.1.1.1: the round-trip estimate, base of every retransmission.
pub const T1: Duration = Duration::from_millis(500);

/// RFC 3261 §17.1.2.2: no retransmission of a non-INVITE request or of a 2xx waits longer.
pub const T2: Duration = Duration::from_secs(4);

/// 64*T1: how long a transaction, an unacknowledged 2xx or a late NOTIFY is waited for.
pub const TIMEOUT: Duration = Duration::from_secs(32);

/// 8*T1: how long a peer may say nothing to a request before the next of several is tried (RFC 3263 §4.3). By then
/// the request has been sent four times. The last of them has 64*T1.
pub const NEXT_AFTER: Duration = Duration::from_secs(4);

/// The shortest time that what was found of a name is relied on, so that a time to live of 0 is not a look-up for
/// every request of a burst.
pub const FOUND_FOR_MIN: Duration = Duration::from_secs(1);

/// The largest message read; the largest payload that a UDP length field can name.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// The largest request that we send as a datagram without having tried TCP: RFC 3261 §18.1.1, for a path whose MTU is
/// not known.
pub const DATAGRAM_REQUEST_BYTES_MAX: usize = 1300;

/// Header field lines in one message; one more and it is malformed.
pub const HEADERS_MAX: usize = 200;

/// How much one endpoint holds at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Dialogs, those included that wait for late NOTIFYs. One INVITE more gets 503.
    pub dialogs: usize,
    /// Transactions. One more gets a 503 that no state is kept for.
    pub transactions: usize,
    /// Transactions at which requests outside our dialogs get 503, so that a flood of them leaves room for the
    /// BYE of a call that exists.
    pub transactions_for_strangers: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { dialogs: 16_384, transactions: 65_536, transactions_for_strangers: 49_152 }
    }
}
