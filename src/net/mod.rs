//! Sockets: those that SIP travels by, the DNS, and the threads that carry media.

pub mod dns;
pub mod hep;
pub mod media;
pub mod sip;
