//! The real program against real peers: SIPp, a softphone, its own test caller, `kill -9`.
//!
//! Every test starts a server of its own on a loopback address of its own, so that all of them can run at the
//! same time and none hears of another's calls. Waiting is always for a condition, with a deadline.
#![expect(
    clippy::disallowed_methods,
    reason = "shell: these tests start programs, wait for them and read the clock"
)]

mod canary;
mod conversation;
mod encrypted;
mod evenness;
mod extensions;
mod features;
mod hostile;
mod injection;
mod kill;
mod life;
mod load;
mod locks;
mod logins;
mod names;
#[cfg(feature = "opus")]
mod opus;
mod pages;
mod passports;
#[cfg(feature = "postgres")]
mod postgres;
mod privacy;
mod proxy;
#[path = "../statistics/rank.rs"]
mod rank;
mod recording;
mod registrar;
mod reload;
mod scenarios;
mod slow;
mod softphone;
mod sound;
mod strain;
mod support;
mod test_caller;
mod trace;
mod trunks;
mod voice;
mod webhooks;
