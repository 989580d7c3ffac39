//! baresip as the softphone: no screen, no sound card, controlled over TCP; it records what it hears.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::Server;
use super::{Process, pause, wait_for};

/// Where Debian's package baresip-core keeps its modules.
const MODULES: &str = "/usr/lib/baresip/modules";
/// How long it may take to start.
const START_WITHIN: Duration = Duration::from_secs(10);
/// The time between two keys: baresip holds each for a while.
const KEY_PERIOD: Duration = Duration::from_millis(250);

/// It takes ports for RTP at every address of the machine, some of these at random, and others if they are taken: they
/// are away from those that peers with an address of their own use.
const RTP_PORTS: (u16, u16) = (17_000, 17_999);

/// What it speaks unless told otherwise.
const G711: Speech = Speech { module: "g711.so", codecs: "pcmu,pcma", rate: 8000, channels: 1 };

/// A running softphone.
pub struct Baresip {
    control: TcpStream,
    received: Vec<u8>,
    folder: PathBuf,
    _process: Process,
}

impl Baresip {
    /// Starts one whose account is `sip:user@` the server's address.
    pub fn start(server: &Server, user: &str) -> Self {
        Self::start_at(server.loopback.ip(), server, user)
    }

    /// The same at an address that may be another than the server's. Its connections leave from 127.0.0.1 in any case.
    pub fn start_at(ip: Ipv4Addr, server: &Server, user: &str) -> Self {
        Self::start_with(ip, server, user, &G711, "")
    }

    /// One that speaks nothing but Opus.
    #[cfg(feature = "opus")]
    pub fn start_opus(server: &Server, user: &str) -> Self {
        let opus = Speech { module: "opus.so", codecs: "opus/48000/2", rate: 48_000, channels: 2 };
        Self::start_with(server.loopback.ip(), server, user, &opus, "")
    }

    /// One that speaks nothing but G.722.
    pub fn start_g722(server: &Server, user: &str) -> Self {
        let g722 = Speech { module: "g722.so", codecs: "g722", rate: 16_000, channels: 1 };
        Self::start_with(server.loopback.ip(), server, user, &g722, "")
    }

    /// One that encrypts sound: `srtp-mand` insists on it, `srtp` offers it in a stream of RTP/AVP.
    pub fn start_encrypted(server: &Server, user: &str, how: &str) -> Self {
        Self::start_with(server.loopback.ip(), server, user, &G711, &format!(";mediaenc={how}"))
    }

    /// One that is called, answers at once, and takes encrypted sound only.
    pub fn start_answering(server: &Server, user: &str) -> Self {
        let parameters = ";mediaenc=srtp-mand;answermode=auto";
        Self::start_with(server.loopback.ip(), server, user, &G711, parameters)
    }

    fn start_with(ip: Ipv4Addr, server: &Server, user: &str, speech: &Speech, parameters: &str) -> Self {
        let Speech { module, codecs, .. } = speech;
        let folder = server.folder.path().join("baresip");
        fs::create_dir_all(&folder).expect("a folder for baresip");
        let loopback = &server.loopback;
        write_silence(&folder.join("silence.wav"), speech);
        let (first, last) = RTP_PORTS;
        let config = format!(
            "poll_method epoll\nsip_listen {sip}\nnet_interface {ip}\n\
             audio_player aubridge,x\naudio_source aufile,{folder}/silence.wav\naudio_alert aubridge,y\n\
             audio_telev_pt 101\nrtp_ports {first}-{last}\nsnd_path {folder}\nctrl_tcp_listen {control}\n\
             ring_aufile none\nringback_aufile none\nbusy_aufile none\nerror_aufile none\nnotfound_aufile none\n\
             module_path {MODULES}\nmodule {module}\nmodule srtp.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
             module_app account.so\nmodule_app contact.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n",
            sip = SocketAddr::from((ip, loopback.peer_sip().port())),
            control = loopback.peer_control(),
            folder = folder.display(),
        );
        fs::write(folder.join("config"), config).expect("a configuration for baresip");
        let account =
            format!("<sip:{user}@{ip}>;regint=0;audio_codecs={codecs};dtmfmode=rtpevent{parameters}\n");
        fs::write(folder.join("accounts"), account).expect("an account for baresip");
        let screen = File::create(folder.join("screen.log")).expect("a file for baresip's screen");
        let errors = screen.try_clone().expect("a file can be shared");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder).current_dir(&folder);
        let child = command.stdin(Stdio::null()).stdout(screen).stderr(errors).spawn();
        let process = Process(child.expect("baresip starts (Debian's package baresip-core)"));
        let control =
            wait_for("control of baresip", START_WITHIN, || TcpStream::connect(loopback.peer_control()).ok());
        control.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out that is not zero");
        Self { control, received: Vec::new(), folder, _process: process }
    }

    /// Sends a command.
    pub fn command(&mut self, command: &str, parameters: &str) {
        let text = json!({ "command": command, "params": parameters, "token": "t" }).to_string();
        write!(self.control, "{}:{text},", text.len()).expect("baresip takes commands");
    }

    /// Presses keys at the pace of a finger.
    pub fn key(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string());
            pause(KEY_PERIOD);
        }
    }

    /// Waits for the next event of this type.
    ///
    /// # Panics
    /// When `within` is over: with what baresip shows.
    pub fn wait_for_event(&mut self, kind: &str, within: Duration) -> Value {
        let deadline = Instant::now() + within;
        loop {
            while let Some(message) = self.next_message() {
                if message["event"] == true && message["type"] == kind {
                    return message;
                }
            }
            assert!(Instant::now() < deadline, "no {kind} within {within:?}\n{}", self.screen());
            let mut buffer = [0; 4096];
            match self.control.read(&mut buffer) {
                Ok(0) => panic!("baresip is gone\n{}", self.screen()),
                Ok(length) => self.received.extend(&buffer[..length]),
                // Nothing yet.
                Err(_) => {}
            }
        }
    }

    /// Takes the first whole netstring out of what was received.
    fn next_message(&mut self) -> Option<Value> {
        let colon = self.received.iter().position(|&byte| byte == b':')?;
        let length: usize = std::str::from_utf8(&self.received[..colon]).ok()?.parse().ok()?;
        let end = colon + 1 + length;
        let text = self.received.get(colon + 1..end)?;
        let message = serde_json::from_slice(text).expect("baresip speaks JSON");
        self.received.drain(..=end.min(self.received.len() - 1));
        Some(message)
    }

    /// What it has heard: one finished recording a call, in the order of the calls.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).expect("baresip's folder can be read");
        let paths = entries.map(|entry| entry.expect("baresip's folder can be read").path());
        let is_recording = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let mut recordings: Vec<PathBuf> = paths.filter(is_recording).collect();
        // Their names are dates and times.
        recordings.sort();
        recordings
    }

    /// Puts the call on hold.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes it up again.
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    fn screen(&self) -> String {
        fs::read_to_string(self.folder.join("screen.log")).unwrap_or_default()
    }
}

/// What a phone speaks.
struct Speech {
    /// What has it.
    module: &'static str,
    /// As an account names them.
    codecs: &'static str,
    /// In Hz. What is said must have it already.
    rate: u32,
    channels: u16,
}

/// Two minutes of silence to say.
fn write_silence(file: &std::path::Path, speech: &Speech) {
    let format = hound::WavSpec {
        channels: speech.channels,
        sample_rate: speech.rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(file, format).expect("a WAV file can be made");
    for _ in 0..120 * speech.rate * u32::from(speech.channels) {
        writer.write_sample(0_i16).expect("a WAV file can be written");
    }
    writer.finalize().expect("a WAV file can be finished");
}
