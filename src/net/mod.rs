//! Sockets: SIP over UDP, the DNS, and the threads that carry media.

pub mod dns;
pub mod media;
pub mod udp;
