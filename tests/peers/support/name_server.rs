//! dnsmasq as a name server for the domain `example`, on a loopback address of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::folder::Folder;
use super::loopback::Loopback;
use super::{Process, wait_for};

/// Debian's place for it, which is in no user's PATH.
const PROGRAM: &str = "/usr/sbin/dnsmasq";
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A name server, from the moment on that its address is known.
pub struct NameServer {
    loopback: Loopback,
    folder: Folder,
    process: Option<Process>,
}

impl NameServer {
    /// Takes an address, so that it can be told to whoever is to ask there.
    pub fn claim() -> Self {
        Self { loopback: Loopback::claim(), folder: Folder::new(), process: None }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.loopback.name_server()
    }

    /// An address where nobody takes calls.
    pub fn dead_end(&self) -> SocketAddr {
        self.loopback.sip()
    }

    /// Begins to answer, with these records in dnsmasq's words; nothing else is in `example`. They live this long.
    pub fn start(&mut self, ttl_s: u32, records: &[String]) {
        let address = self.address();
        let log = File::create(self.log_file()).expect("a log can be made");
        let mut command = Command::new(PROGRAM);
        // Debugging mode: it stays in the foreground, changes no user and leaves no file behind.
        command.args([
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
        ]);
        command.args(["--local=/example/", "--log-queries"]).arg(format!("--local-ttl={ttl_s}"));
        command.arg(format!("--listen-address={}", address.ip())).arg(format!("--port={}", address.port()));
        command.args(records.iter().map(|record| format!("--{record}")));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(Process(command.spawn().expect("dnsmasq starts")));
        wait_for("name server", READY_WITHIN, || self.log().contains(" started, ").then_some(()));
    }

    /// How often it was asked this, such as `query[A] pool.example`.
    pub fn asked(&self, question: &str) -> usize {
        let asked = format!(" {question} ");
        self.log().lines().filter(|line| line.contains(&asked)).count()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).expect("the log can be read")).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("dnsmasq.log")
    }
}
