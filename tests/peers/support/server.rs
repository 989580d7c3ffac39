//! The real program as a server, with its TRACE log in a file.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::certificate::Certificate;
use super::folder::Folder;
use super::loopback::Loopback;
use super::{Process, http, pause, wait_for};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_portero");
/// The configuration that variations are made from, in the package's folder.
const DEMO: &str = "config/demo.toml";
/// What lets the tests in.
const TOKENS: &str =
    "[[web.tokens]]\nname = \"tests\"\ntoken = \"token-of-the-tests\"\nscopes = [\"admin\"]\n";
/// How long a debug build on a busy machine may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long after the end of a call its record may take to be seen.
const RECORD_WITHIN: Duration = Duration::from_secs(10);

/// By what a server can be reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transports {
    /// UDP and TCP.
    Plain,
    /// These and TLS.
    All,
}

impl Transports {
    /// The setting `listen`.
    fn listen(self, loopback: &Loopback) -> String {
        match self {
            Self::Plain => format!("\"{}\"", loopback.sip()),
            Self::All => format!("[\"{}\", \"tls:{}\"]", loopback.sip(), loopback.sips()),
        }
    }

    /// The table [sip.tls], where there is to be one.
    fn tls(self, loopback: &Loopback, folder: &Folder) -> String {
        if self == Self::Plain {
            return String::new();
        }
        let Certificate { ca, chain, key } = Certificate::issue(folder.path(), IpAddr::V4(loopback.ip()));
        format!(
            "[sip.tls]\ncertificate = \"{}\"\nkey = \"{}\"\ntrust = \"{}\"\n\n",
            chain.display(),
            key.display(),
            ca.display()
        )
    }
}

/// A running server.
pub struct Server {
    /// Its address.
    pub loopback: Loopback,
    /// Its files, its log among them.
    pub folder: Folder,
    process: Process,
}

impl Server {
    /// Starts `portero demo`.
    pub fn demo() -> Self {
        let (loopback, folder) = (Loopback::claim(), Folder::new());
        let mut command = Command::new(PROGRAM);
        command.arg("demo").arg("--sip").arg(loopback.sip().to_string());
        command.arg("--web").arg(loopback.web().to_string()).arg("--crm").arg(loopback.crm().to_string());
        command.arg("--data").arg(data_folder(&folder)).env("RUST_LOG", "trace");
        command.arg("--token").arg(http::TOKEN);
        Self::start(command, loopback, folder)
    }

    /// Starts `portero serve` with the demo's configuration, in which each first text of `edits` is replaced by
    /// the second, at its first occurrence.
    pub fn serve(edits: &[(&str, &str)]) -> Self {
        Self::configured(Loopback::claim(), Folder::new(), edits, Transports::Plain, "trace")
    }

    /// As [`Server::serve`], at an address and in a folder that somebody else has use for already.
    pub fn serve_at(loopback: Loopback, folder: Folder, edits: &[(&str, &str)]) -> Self {
        Self::configured(loopback, folder, edits, Transports::Plain, "trace")
    }

    /// As [`Server::serve`], and it listens for TLS, too, with a certificate of its own making.
    pub fn serve_tls(edits: &[(&str, &str)]) -> Self {
        Self::configured(Loopback::claim(), Folder::new(), edits, Transports::All, "trace")
    }

    /// The same again, which logs as a server in service does: in a flood, a log of everything is a flood of its own.
    pub fn serve_quietly(edits: &[(&str, &str)]) -> Self {
        Self::configured(Loopback::claim(), Folder::new(), edits, Transports::All, "info")
    }

    /// As [`Server::serve`], with a log of this level.
    pub fn serve_logging(edits: &[(&str, &str)], level: &str) -> Self {
        Self::configured(Loopback::claim(), Folder::new(), edits, Transports::Plain, level)
    }

    /// As [`Server::serve`], and it panics where it comes to this place: see `src/mishap.rs`.
    pub fn serve_to_panic(edits: &[(&str, &str)], place: &str) -> Self {
        let (loopback, folder) = (Loopback::claim(), Folder::new());
        let mut command = Self::command(&loopback, &folder, edits, Transports::Plain);
        command.env("RUST_LOG", "trace").env("PORTERO_MISHAP", place).env("RUST_BACKTRACE", "1");
        Self::start(command, loopback, folder)
    }

    fn configured(
        loopback: Loopback,
        folder: Folder,
        edits: &[(&str, &str)],
        transports: Transports,
        log: &str,
    ) -> Self {
        let mut command = Self::command(&loopback, &folder, edits, transports);
        command.env("RUST_LOG", log);
        Self::start(command, loopback, folder)
    }

    /// How it is started with the demo's configuration so edited.
    fn command(
        loopback: &Loopback,
        folder: &Folder,
        edits: &[(&str, &str)],
        transports: Transports,
    ) -> Command {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEMO);
        let mut text = fs::read_to_string(demo).expect("the demo's configuration can be read");
        let listen = transports.listen(loopback);
        let places = [
            ("listen = \"127.0.0.1:5060\"".to_owned(), format!("listen = {listen}")),
            ("\"127.0.0.1:8080\"".to_owned(), format!("\"{}\"\n\n{TOKENS}", loopback.web())),
            ("127.0.0.1:8081".to_owned(), loopback.crm().to_string()),
            ("\"portero-data\"".to_owned(), format!("\"{}\"", data_folder(folder).display())),
            ("\n[limits]\n".to_owned(), format!("\n{}[limits]\n", transports.tls(loopback, folder))),
        ];
        for (from, to) in &places {
            assert!(text.contains(from), "the demo's configuration says {from:?}");
            text = text.replace(from, to);
        }
        for (from, to) in edits {
            assert!(text.contains(from), "the demo's configuration says {from:?}");
            text = text.replacen(from, to, 1);
        }
        let file = folder.path().join("portero.toml");
        fs::write(&file, text).expect("the configuration can be written");
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg("--config").arg(file);
        command
    }

    fn start(mut command: Command, loopback: Loopback, folder: Folder) -> Self {
        let log = File::create(folder.path().join("server.log")).expect("a log can be made");
        command.current_dir(folder.path()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (ready, is_ready) = mpsc::sync_channel(1);
        let told = folder.path().join("server.out");
        // The thread ends with the server's output, which a test keeps as an artefact like any other.
        std::thread::spawn(move || {
            let mut kept = String::new();
            for line in stdout.lines().map_while(Result::ok) {
                kept.push_str(&line);
                kept.push('\n');
                // The folder may be gone already when the last line comes.
                let _ = fs::write(&told, &kept);
                if line.starts_with("ready") {
                    let _ = ready.try_send(());
                }
            }
        });
        let server = Self { loopback, folder, process: Process(child) };
        let is_ready = is_ready.recv_timeout(READY_WITHIN).is_ok();
        assert!(is_ready, "the server is not ready within {READY_WITHIN:?}; its log says:\n{}", server.log());
        server
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("server.log")).expect("the log can be read");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.out")).expect("what it printed can be read")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        data_folder(&self.folder)
    }

    /// GETs JSON from its API.
    pub fn api(&self, path: &str) -> Value {
        http::get_json(self.loopback.web(), path)
    }

    /// The calls that the API shows, the newest first.
    pub fn calls(&self) -> Vec<Value> {
        let calls = self.api("/api/v1/calls");
        calls["calls"].as_array().expect("a list of calls").clone()
    }

    /// The record of the only call that was made to the line `number`, once it is kept.
    pub fn wait_for_record(&self, number: &str) -> Value {
        wait_for("record of the call", RECORD_WITHIN, || self.record_of(number))
    }

    fn record_of(&self, number: &str) -> Option<Value> {
        let calls = self.calls();
        let mut calls = calls.iter().filter(|call| call["line"] == number);
        let call = calls.next()?;
        assert_eq!(calls.next(), None, "one call is one record");
        Some(call["record"].clone()).filter(|record| !record.is_null())
    }

    /// Waits until a call to the line `number` has come as far as `stage`.
    pub fn wait_for_stage(&self, number: &str, stage: &str) {
        wait_for(stage, Duration::from_secs(15), || {
            self.calls().iter().any(|call| call["line"] == number && call["stage"] == stage).then_some(())
        });
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// How much memory it holds now, in MiB: what the kernel calls its resident set.
    pub fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// The value of a metric with its labels as they are printed; 0 where it is not shown.
    pub fn metric(&self, series: &str) -> u64 {
        let metrics = http::get(self.loopback.web(), "/metrics").body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Has it stand still for a while, all of its threads, as a machine does that is taken away from under it.
    pub fn stall(&self, time: Duration) {
        self.signal("STOP");
        pause(time);
        self.signal("CONT");
    }

    /// Waits for it to end by itself.
    pub fn wait_for_exit(&mut self, within: Duration) -> ExitStatus {
        self.process.wait_for_exit("end of the server", within)
    }

    /// Starts it again with the configuration that it had, once it has ended.
    pub fn again(self) -> Self {
        let Self { loopback, folder, process } = self;
        drop(process);
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg("--config").arg(folder.path().join("portero.toml")).env("RUST_LOG", "trace");
        Self::start(command, loopback, folder)
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// Places a call with the program's own test caller, and lets it go on.
pub fn start_call(arguments: &[&str]) -> Process {
    let mut command = Command::new(PROGRAM);
    command.arg("call").args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    Process(command.spawn().expect("the program starts"))
}

/// Starts another of the program's commands, whose output can be read.
pub fn start(arguments: &[&str]) -> Process {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("NO_COLOR", "1").env("PORTERO_TOKEN", http::TOKEN);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Process(command.spawn().expect("the program starts"))
}

/// Runs another of the program's commands to its end.
pub fn portero(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("NO_COLOR", "1").env("PORTERO_TOKEN", http::TOKEN).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn data_folder(folder: &Folder) -> PathBuf {
    Path::join(folder.path(), "data")
}
