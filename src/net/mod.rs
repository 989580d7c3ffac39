//! Sockets: those that SIP travels by, and the threads that carry media.

pub mod hep;
pub mod media;
pub mod sip;
