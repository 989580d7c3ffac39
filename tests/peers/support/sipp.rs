//! SIPp as the caller: one call of one scenario, of `tests/sipp` or put together for the purpose.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Process;
use super::capture::Capture;
use super::loopback::PEER_RTP_PORT;
use super::server::Server;
use super::tls_relay::TlsRelay;

/// How long a scenario may take.
const DEADLINE: Duration = Duration::from_secs(45);
/// RTP ports between those of two transports.
const RTP_PORTS: u16 = 20;

/// What a call goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
    /// Debian's SIPp is built without it: a relay of the test's own takes what SIPp says by TCP on by TLS.
    Tls,
}

impl Transport {
    /// All that a server listens to.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// The word for it in a Via.
    fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// A call to place.
pub struct Call {
    /// By what.
    pub transport: Transport,
    /// Where to, if not straight to the server.
    pub proxy: Option<SocketAddr>,
    /// The scenario's file in `tests/sipp`, without its ending.
    pub scenario: &'static str,
    /// The scenario itself, where it has no file.
    pub script: Option<String>,
    /// The line to dial.
    pub line: &'static str,
    /// URI of the From header.
    pub from: &'static str,
    /// What is keyed once the call is answered, in the words of [`Capture::of`].
    pub keys: &'static str,
    /// What the scenario `keys_by_info` keys.
    pub keys_by_info: &'static str,
    /// Username and password for `[authentication]`.
    pub login: Option<(&'static str, &'static str)>,
    /// Whether everything goes by the proxy.
    pub by_proxy: bool,
    /// Further values for the scenario, by name.
    pub values: &'static [(&'static str, &'static str)],
    /// How long the scenario's nameless pause takes.
    pub pause: Duration,
    /// How long it all may take.
    pub deadline: Duration,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            proxy: None,
            scenario: "is_handed_over",
            script: None,
            line: "1000",
            from: "sip:+12025550101@caller.example",
            keys: "",
            keys_by_info: "",
            login: None,
            by_proxy: false,
            values: &[("sipfrag", "200 OK")],
            pause: Duration::ZERO,
            deadline: DEADLINE,
        }
    }
}

/// A call under way.
pub struct Running {
    process: Process,
    folder: PathBuf,
    deadline: Duration,
    _relay: Option<TlsRelay>,
}

impl Call {
    /// Starts SIPp.
    pub fn start(&self, server: &Server) -> Running {
        let (loopback, at) = (&server.loopback, self.transport as u16);
        let folder = server.folder.path().join("sipp").join(self.transport.via());
        fs::create_dir_all(&folder).expect("a folder for SIPp");
        Capture::of(self.keys).write(&folder.join("keys.pcap"));
        fs::write(folder.join("scenario.xml"), self.scenario()).expect("the scenario can be written");
        let relay = (self.transport == Transport::Tls).then(|| {
            TlsRelay::start(loopback.relay(), loopback.sips(), &server.folder.path().join("ca.pem"))
        });
        let to = self.proxy.unwrap_or(if relay.is_some() { loopback.relay() } else { loopback.sip() });
        let ip = loopback.ip().to_string();
        // Playing a capture takes a raw socket, so that who is not root needs a SIPp that may open one.
        let program = std::env::var_os("PORTERO_SIPP").unwrap_or_else(|| "sipp".into());
        let mut command = Command::new(program);
        command.current_dir(&folder).arg(to.to_string()).args(["-sf", "scenario.xml"]);
        command.args(["-t", if self.transport == Transport::Udp { "u1" } else { "t1" }]);
        command.args(["-s", self.line, "-i", &ip, "-mi", &ip, "-m", "1", "-nostdin"]);
        command.args(["-p", &(loopback.peer_sip().port() + at).to_string()]);
        command.args(["-mp", &(PEER_RTP_PORT + RTP_PORTS * at).to_string()]);
        command.args(["-d", &self.pause.as_millis().to_string()]);
        command.args(["-timeout", &format!("{}s", self.deadline.as_secs()), "-timeout_error"]);
        command.args([
            "-trace_msg",
            "-message_file",
            "messages.log",
            "-trace_err",
            "-error_file",
            "errors.log",
        ]);
        command.args(["-key", "from", self.from]);
        if let Some((username, password)) = self.login {
            command.args(["-au", username, "-ap", password]);
        }
        if self.by_proxy {
            command.args(["-rsa", &loopback.proxy_sip().to_string()]);
        }
        if !self.keys_by_info.is_empty() {
            let lines = self.keys_by_info.chars().flat_map(|key| ['\n', key]);
            let table: String = "SEQUENTIAL".chars().chain(lines).chain(['\n']).collect();
            fs::write(folder.join("keys.csv"), table).expect("the keys can be written");
            command.args(["-inf", "keys.csv"]);
        }
        for (name, value) in self.values {
            command.args(["-key", name, value]);
        }
        let screen = File::create(folder.join("screen.log")).expect("a file for SIPp's screen");
        let errors = screen.try_clone().expect("a file can be shared");
        let child = command.stdin(Stdio::null()).stdout(screen).stderr(errors).spawn();
        let process = Process(child.expect("SIPp starts (Debian's package sip-tester)"));
        Running { process, folder, deadline: self.deadline, _relay: relay }
    }

    /// The scenario's text, with the transport that the server sees.
    fn scenario(&self) -> String {
        let text = self.script.clone().unwrap_or_else(|| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp");
            let file = folder.join(self.scenario).with_extension("xml");
            fs::read_to_string(file).expect("the scenario can be read")
        });
        text.replace("[transport]", self.transport.via())
    }

    /// Runs SIPp to its end.
    ///
    /// # Panics
    /// Where the call did not go as the scenario says.
    pub fn run(&self, server: &Server) -> Messages {
        self.start(server).finish(server)
    }
}

impl Running {
    /// Waits for SIPp's end.
    ///
    /// # Panics
    /// Where the call did not go as the scenario says.
    pub fn finish(mut self, server: &Server) -> Messages {
        let status = self.process.wait_for_exit("end of SIPp", self.deadline + Duration::from_secs(5));
        let read = |name: &str| {
            let text = fs::read(self.folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        let messages = read("messages.log");
        assert!(
            status.success(),
            "SIPp: {status}\n{}\n{messages}\n{}\n--- server:\n{}",
            read("errors.log"),
            read("screen.log"),
            server.log()
        );
        Messages(messages)
    }
}

/// SIPp's log of all messages.
pub struct Messages(String);

impl Messages {
    /// Every message received whose first line begins with `start`.
    pub fn received<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        let messages = self.0.split("-----------------------------------------------");
        let received =
            messages.filter_map(|message| message.split_once("message received ")?.1.split_once("\n\n"));
        received.map(|(_, message)| message).filter(move |message| message.starts_with(start))
    }

    /// Value of the header field `name` of the only message received whose first line begins with `start`.
    pub fn header(&self, start: &str, name: &str) -> String {
        let mut messages = self.received(start);
        let message = messages.next().expect("the message was received");
        let fields = message.lines().filter_map(|line| line.split_once(':'));
        let mut values =
            fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        values.next().unwrap_or_else(|| panic!("no {name} in\n{message}")).to_owned()
    }
}
