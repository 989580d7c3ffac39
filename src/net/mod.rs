//! What owns sockets: SIP over UDP.

pub mod udp;
