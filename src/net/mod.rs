//! Sockets: those that SIP travels by, the DNS, the threads that carry media, and the fetching of signers' certificates;
//! the certificate of the pages.

pub mod certificates;
pub mod dns;
pub mod hep;
pub mod media;
pub mod pages;
pub mod sip;
