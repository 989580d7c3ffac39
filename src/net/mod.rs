//! Sockets: SIP over UDP, and the threads that carry media.

pub mod media;
pub mod udp;
