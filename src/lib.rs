//! Portero answers the phone, finds out who is calling, proves it, and shows the caller in.
//!
//! ARCHITECTURE.md has the map. The core modules (`call`, `flow`, `sip`, `sdp`, `media`, `rtp`, `srtp`, `stir`, `audio`,
//! `say`) are pure: they are given events and the time and give back actions. Everything that awaits, sleeps or opens
//! something is shell (`server`, `net`, `crm`, `speech`, `records`, `locks`, `hooks`, `web`, `cli`).
#![forbid(unsafe_code)]

pub mod access;
pub mod audio;
#[cfg(test)]
mod authority;
pub mod call;
pub mod cli;
pub mod config;
pub mod crm;
pub mod flow;
pub mod hooks;
pub mod http;
pub mod locks;
pub mod media;
pub mod mishap;
pub mod net;
pub mod openid;
pub mod progress;
pub mod records;
pub mod rtp;
pub mod say;
pub mod sdp;
pub mod secret;
pub mod server;
pub mod sip;
pub mod speech;
pub mod srtp;
pub mod stir;
pub mod timer;
pub mod web;
