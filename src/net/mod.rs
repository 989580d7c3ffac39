//! Sockets: those that SIP travels by, the DNS, and the threads that carry media; the certificate of the pages.

pub mod dns;
pub mod hep;
pub mod media;
pub mod pages;
pub mod sip;
