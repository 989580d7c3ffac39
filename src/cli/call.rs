//! `portero call`: a test caller.

pub mod address;
pub mod caller;
pub mod ear;
pub mod recording;
pub mod script;
pub mod timeline;
pub mod voice;
