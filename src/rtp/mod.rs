//! The Real-time Transport Protocol: packets and reception figures (RFC 3550), telephone-events (RFC 4733),
//! RTCP reports.
//!
//! Readers and writers of octets, and the two machines that live on single streams: the sequence tracker and the
//! digit receiver. What to send when, and whom to believe, is `media`'s business. No SRTP.

pub mod digits;
pub mod packet;
pub mod quality;
pub mod rtcp;
pub mod sequence;
pub mod statistics;
pub mod telephone_event;

pub use digits::DigitReceiver;
pub use packet::{Header, Packet};
pub use statistics::Reception;
pub use telephone_event::{KeyPress, TelephoneEvent};
