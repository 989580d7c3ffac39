//! Debian's linphonec as the softphone: it reads commands, plays silence and records what it hears.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv6Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use super::server::Server;
use super::{Process, pause, wait_for};

/// How long it may take to start.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// The time between two keys.
const KEY_PERIOD: Duration = Duration::from_millis(400);

/// A running softphone.
pub struct Linphone {
    commands: ChildStdin,
    screen: PathBuf,
    _process: Process,
}

impl Linphone {
    /// Starts one that calls as `user`.
    pub fn start(server: &Server, user: &str) -> Self {
        Self::launch(server, user, "")
    }

    /// One that insists on encrypted sound by this suite of RFC 4568.
    pub fn start_encrypted(server: &Server, user: &str, suite: &str) -> Self {
        let settings =
            format!("media_encryption=srtp\nmedia_encryption_mandatory=1\nsrtp_crypto_suites={suite}\n");
        Self::launch(server, user, &settings)
    }

    fn launch(server: &Server, user: &str, more_of_sip: &str) -> Self {
        let folder = server.folder.path().join("linphone");
        // Without a place for its database it never opens a socket.
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("a folder for linphonec");
        // It binds every address of the machine, so that no port which another test has anywhere will do.
        let (sip, rtp) = (free_port(), free_port());
        let settings = format!(
            "[sip]\nsip_port={sip}\nsip_tcp_port={sip}\nsip_tls_port=0\n\
             contact=sip:{user}@127.0.0.1\n{more_of_sip}[rtp]\naudio_rtp_port={rtp}\n"
        );
        let rc = folder.join("linphonerc");
        fs::write(&rc, settings).expect("settings for linphonec");
        let screen = folder.join("screen.log");
        let output = File::create(&screen).expect("a file for its screen");
        let errors = output.try_clone().expect("a file can be shared");
        let mut command = Command::new("linphonec");
        let log = folder.join("phone.log");
        command.arg("-c").arg(rc).args(["-d", "6", "-l"]).arg(&log).env("HOME", &folder).current_dir(&folder);
        let child = command.stdin(Stdio::piped()).stdout(output).stderr(errors).spawn();
        let mut child = child.expect("linphonec starts (Debian's package linphone-cli)");
        let commands = child.stdin.take().expect("its input is piped");
        let mut phone = Self { commands, screen, _process: Process(child) };
        phone.command("soundcard use files");
        // Before that, it takes a command to call somebody for an error.
        wait_for("linphonec that listens", READY_WITHIN, || {
            let log = fs::read(&log).unwrap_or_default();
            String::from_utf8_lossy(&log).contains("Creating listening point").then_some(())
        });
        phone
    }

    /// Has it read a command; it takes them one after the other.
    pub fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("linphonec takes commands");
    }

    /// Waits until it has shown this text so many times.
    pub fn wait_for_screen(&self, text: &str, times: usize) {
        wait_for(text, READY_WITHIN, || {
            let screen = fs::read(&self.screen).unwrap_or_default();
            (String::from_utf8_lossy(&screen).matches(text).count() == times).then_some(())
        });
    }

    /// Presses keys at the pace of a finger.
    pub fn key(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command(&key.to_string());
            pause(KEY_PERIOD);
        }
    }
}

/// A port that nobody has at any address just now.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a free port");
    socket.local_addr().expect("it is bound").port()
}

impl Drop for Linphone {
    fn drop(&mut self) {
        // It may be gone, or be ended the hard way right after this.
        let _ = writeln!(self.commands, "quit");
    }
}
