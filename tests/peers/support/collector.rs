//! Collectors of HEP packets: a socket, whose packets are read by the specification and not by the code under test; and
//! Kamailio's sipcapture, which is what stands before many a Homer.

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Process, wait_for};

/// The longest that a packet may be.
const PACKET_BYTES_MAX: usize = 65_535;

/// A socket that packets are sent to.
pub struct Collector(UdpSocket);

/// One packet: chunks by type.
pub struct Packet(Vec<(u16, Vec<u8>)>);

impl Collector {
    /// Listens on a free port of the loopback.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out that is not zero");
        Self(socket)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    /// Every packet that has come.
    pub fn packets(&self) -> Vec<Packet> {
        let mut room = vec![0; PACKET_BYTES_MAX];
        let mut packets = Vec::new();
        while let Ok(length) = self.0.recv(&mut room) {
            packets.push(Packet::read(&room[..length]));
        }
        packets
    }
}

impl Packet {
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!((&bytes[..4], usize::from(number(4))), (b"HEP3".as_slice(), bytes.len()));
        let (mut at, mut chunks) = (6, Vec::new());
        while at < bytes.len() {
            let length = usize::from(number(at + 4));
            assert_eq!(number(at), 0, "the standard's own chunks");
            chunks.push((number(at + 2), bytes[at + 6..at + length].to_vec()));
            at += length;
        }
        Self(chunks)
    }

    /// The value of a chunk.
    pub fn chunk(&self, kind: u16) -> &[u8] {
        let chunk = self.0.iter().find(|(of, _)| *of == kind);
        &chunk.unwrap_or_else(|| panic!("a packet without chunk {kind}")).1
    }

    /// The SIP message.
    pub fn message(&self) -> String {
        String::from_utf8_lossy(self.chunk(15)).into_owned()
    }
}

/// Kamailio as a collector: it logs a line for each SIP message that it finds in a packet.
pub struct Kamailio {
    log: PathBuf,
    process: Process,
}

impl Kamailio {
    /// Starts one that listens on `address`, with its files in `folder`.
    pub fn start(address: SocketAddr, folder: &Path) -> Self {
        fs::create_dir_all(folder.join("db")).expect("a folder for Kamailio");
        let words = |what: &str| format!("xlog(\"L_NOTICE\", \"seen {what} $ci from $si:$sp\\n\"); drop;");
        let configuration = format!(
            "#!KAMAILIO\ndebug=2\nlog_stderror=yes\nchildren=1\ndisable_tcp=yes\nlisten=udp:{address}\n\
             loadmodule \"pv.so\"\nloadmodule \"xlog.so\"\nloadmodule \"db_text.so\"\n\
             loadmodule \"sipcapture.so\"\nmodparam(\"sipcapture\", \"db_url\", \"text://{db}\")\n\
             modparam(\"sipcapture\", \"capture_on\", 1)\nmodparam(\"sipcapture\", \"hep_capture_on\", 1)\n\
             request_route {{ {request} }}\nonreply_route {{ {reply} }}\n",
            db = folder.join("db").display(),
            request = words("$rm"),
            reply = words("$rs"),
        );
        let (file, log) = (folder.join("kamailio.cfg"), folder.join("kamailio.log"));
        fs::write(&file, configuration).expect("a configuration for Kamailio");
        let errors = File::create(&log).expect("a log for Kamailio");
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(&file).arg("-w").arg(folder).arg("-P").arg(folder.join("pid"));
        command.args(["-DD", "-E"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let process = Process(command.spawn().expect("Kamailio starts (Debian's package kamailio)"));
        let kamailio = Self { log, process };
        wait_for("Kamailio", Duration::from_secs(10), || {
            kamailio.log().contains("using database at").then_some(())
        });
        kamailio
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).expect("Kamailio's log can be read");
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Kamailio {
    /// Tells it to end, as its other processes would outlive one that is killed.
    fn drop(&mut self) {
        let id = self.process.0.id().to_string();
        if Command::new("kill").arg(id).status().is_ok_and(|sent| sent.success()) {
            // Whether it was there to be waited for makes no difference any more.
            let _ = self.process.0.wait();
        }
    }
}
