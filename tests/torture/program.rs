//! The real program, started with the demo's configuration and one line that the RFCs' messages dial.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::loopback::Loopback;

/// How long a debug build on a busy machine may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running server; it is killed when the test is done with it.
pub struct Program {
    /// Where it takes SIP.
    pub sip: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Program {
    /// Starts it, listening at `sip` (port 0 takes a free one); pages and back end are at `loopback`.
    pub fn start(sip: SocketAddr, loopback: &Loopback) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test's files");
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo.toml");
        let mut text = fs::read_to_string(demo).expect("the demo's configuration can be read");
        let edits = [
            ("127.0.0.1:5060", sip.to_string()),
            ("127.0.0.1:8080", loopback.web().to_string()),
            ("127.0.0.1:8081", loopback.crm().to_string()),
            ("number = \"1000\"", "number = \"user\"".to_owned()),
        ];
        for (from, to) in edits {
            assert!(text.contains(from), "the demo's configuration says {from:?}");
            text = text.replace(from, &to);
        }
        let file = folder.path().join("portero.toml");
        fs::write(&file, text).expect("the configuration can be written");
        let mut process = Command::new(env!("CARGO_BIN_EXE_portero"))
            .arg("serve")
            .arg("--config")
            .arg(file)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let sip = ready(&mut process);
        Self { sip, process, _folder: folder }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("a child can be waited for").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A child that has ended by itself cannot be killed, and need not be.
        if self.process.kill().is_ok() {
            self.process.wait().expect("a killed child can be waited for");
        }
    }
}

/// Waits for the line that begins `ready: SIP on ADDRESS,` and gives the address.
fn ready(process: &mut Child) -> SocketAddr {
    let stdout = BufReader::new(process.stdout.take().expect("standard output is piped"));
    let (ready, is_ready) = mpsc::sync_channel(1);
    // The thread ends with the program's output.
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let address = line.strip_prefix("ready: SIP on ").and_then(|rest| rest.split(',').next());
            if let Some(address) = address {
                // Nobody listens any more only where the test has failed already.
                let _ = ready.try_send(address.parse());
            }
        }
    });
    let address = is_ready.recv_timeout(READY_WITHIN);
    address.expect("the program is ready in time").expect("the ready line names an address")
}
