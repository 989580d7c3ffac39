//! Sockets: what the core's machines say and hear goes through here.

pub mod media;
