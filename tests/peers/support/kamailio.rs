//! Debian's kamailio with a configuration of the test's own: a registrar, a challenger, a proxy.

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Process, wait_for};

/// How long it may take to listen.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How long its processes may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Where distributions keep its modules.
const MODULES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/kamailio/modules",
    "/usr/lib/aarch64-linux-gnu/kamailio/modules",
    "/usr/lib64/kamailio/modules",
    "/usr/lib/kamailio/modules",
];

/// A running kamailio.
pub struct Kamailio {
    process: Process,
    log: PathBuf,
}

impl Kamailio {
    /// Starts it in `folder` with `config`, whose `loadmodule` lines name modules without a folder, and which has it
    /// listen on UDP at `address`.
    ///
    /// # Panics
    /// Where it does not listen in time.
    pub fn start(folder: &Path, config: &str, address: SocketAddr) -> Self {
        let folder = folder.join("kamailio");
        fs::create_dir_all(&folder).expect("a folder for kamailio");
        let modules = MODULES.iter().find(|modules| Path::new(modules).is_dir()).expect("kamailio's modules");
        let text = format!(
            "#!KAMAILIO\nchildren=2\ntcp_children=2\ndns=no\nrev_dns=no\nmpath=\"{modules}\"\n{config}"
        );
        let (file, log) = (folder.join("kamailio.cfg"), folder.join("kamailio.log"));
        fs::write(&file, text).expect("the configuration can be written");
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(file).arg("-w").arg(&folder).arg("-Y").arg(&folder);
        // In the foreground, with its log on standard error, and with little memory.
        command.arg("-P").arg(folder.join("pid")).args(["-DD", "-E", "-m", "32", "-M", "8"]);
        let written = File::create(&log).expect("a file for its log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(written).spawn();
        let started =
            Self { process: Process(child.expect("kamailio starts (Debian's package kamailio)")), log };
        wait_for("kamailio that listens", READY_WITHIN, || {
            // Whoever listens keeps others from the address.
            UdpSocket::bind(address).is_err().then_some(())
        });
        started
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Ends it with all its processes.
    pub fn stop(&mut self) {
        if matches!(self.process.0.try_wait(), Ok(Some(_))) {
            return;
        }
        // Only a signal that it can answer reaches the processes that it has made.
        let id = self.process.0.id().to_string();
        let told = Command::new("kill").arg("-TERM").arg(id).status();
        if told.is_ok_and(|told| told.success()) {
            self.process.wait_for_exit("end of kamailio", GONE_WITHIN);
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kamailio's log:\n{}", self.log());
        }
        self.stop();
    }
}
