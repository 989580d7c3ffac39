//! What the tests stand on: addresses, certificates, folders, servers, peers, sound.

pub mod baresip;
pub mod browser;
pub mod caller;
pub mod capture;
pub mod certificate;
pub mod collector;
pub mod folder;
pub mod http;
pub mod kamailio;
pub mod linphone;
pub mod load;
pub mod loopback;
pub mod name_server;
pub mod peer;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod receiver;
pub mod repository;
pub mod script;
pub mod server;
pub mod signer;
pub mod sipp;
pub mod slow_back_end;
pub mod sound;
pub mod tls_relay;
pub mod uneven_back_end;

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `look` finds something.
///
/// # Panics
/// When `within` is over: with `what` was awaited.
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} within {within:?}");
        pause(LOOK_EVERY);
    }
}

/// Lets time pass: between two looks, or two keys of a caller. Never to let something happen first.
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A program that a test started: killed, by its process id, when the test is done with it.
pub struct Process(pub Child);

impl Process {
    /// Waits for the program to end by itself.
    pub fn wait_for_exit(&mut self, what: &str, within: Duration) -> ExitStatus {
        wait_for(what, within, || self.0.try_wait().expect("a child can be waited for"))
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends the program at once, as `kill -9` does.
    pub fn kill(&mut self) {
        // A child that has ended by itself and been waited for cannot be killed, and need not be.
        if self.0.kill().is_ok() {
            self.0.wait().expect("a killed child can be waited for");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
