//! Hops: by which way a message came, or goes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What carries messages (RFC 3261 §18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that is encrypted.
    Tls,
}

impl Transport {
    /// Its name in a Via (RFC 3261 §20.42).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// One connection of a stream transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Both ends of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    /// What carries it.
    pub transport: Transport,
    /// Our end as the peer reached it; never a wildcard.
    pub local: SocketAddr,
    /// The peer's end.
    pub peer: SocketAddr,
    /// The connection, where the transport has any.
    pub connection: Option<ConnectionId>,
}
