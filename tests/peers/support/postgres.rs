//! Debian's PostgreSQL as a cluster of the test's own, in a temporary folder.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{Process, wait_for};

/// How long it may take to take connections.
const READY_WITHIN: Duration = Duration::from_secs(30);
const PORT: u16 = 15432;
/// Who may do everything in it, by no more than a word: nobody else can reach the address.
const USER: &str = "portero";

/// A running server. Ended with all its processes when the test is done with it.
pub struct Postgres {
    process: Process,
    address: SocketAddr,
    /// Not the test's own folder: whoever it runs as has to be let in.
    folder: TempDir,
}

impl Postgres {
    /// Starts one at `ip`.
    ///
    /// # Panics
    /// Where it does not take connections in time.
    pub fn start(ip: IpAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).expect("root may give it away");
        }
        let program = |name: &str| {
            let mut command = Command::new(programs().join(name));
            command.current_dir(folder.path()).env_remove("PGDATA").stdin(Stdio::null());
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let data = folder.path().join("data");
        let mut initdb = program("initdb");
        initdb.arg("--pgdata").arg(&data).args([
            "--username",
            USER,
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
        ]);
        let made = initdb.output().expect("initdb starts (Debian's package postgresql)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = File::create(folder.path().join("server.log")).expect("a file for its log");
        let told = log.try_clone().expect("a file can be shared");
        let mut server = program("postgres");
        server.arg("-D").arg(&data).args(["-h", &ip.to_string(), "-p", &PORT.to_string()]);
        server.arg("-k").arg(folder.path()).args(["-c", "max_connections=20"]);
        let child = server.stdout(log).stderr(told).spawn().expect("the server starts");
        let address = SocketAddr::new(ip, PORT);
        let server = Self { process: Process(child), address, folder };
        wait_for("PostgreSQL that takes connections", READY_WITHIN, || TcpStream::connect(address).ok());
        server
    }

    /// How it is reached.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.address)
    }

    /// What a statement gives, as `psql` prints it without its frame.
    pub fn ask(&self, statement: &str) -> String {
        let told = Command::new("psql").args(["--no-psqlrc", "-At", "-c", statement, &self.url()]).output();
        let told = told.expect("psql starts (Debian's package postgresql)");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).trim().to_owned()
    }

    /// Ends every connection to it, and takes no more.
    pub fn stop(&mut self) {
        // Immediate shutdown: only a signal that it can answer reaches the processes that it has made.
        if matches!(self.process.0.try_wait(), Ok(None)) {
            self.process.signal("QUIT");
            self.process.wait_for_exit("end of PostgreSQL", READY_WITHIN);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read(self.folder.path().join("server.log")).unwrap_or_default();
            eprintln!("PostgreSQL's log:\n{}", String::from_utf8_lossy(&log));
        }
        self.stop();
    }
}

/// Whom it runs as, by number, where the test is root's: it refuses to be.
fn owner() -> Option<(u32, u32)> {
    let id = |what: &str, of: &str| {
        let told = Command::new("id").args([what, of]).output().expect("id runs");
        String::from_utf8_lossy(&told.stdout).trim().parse::<u32>().ok()
    };
    let own = fs::metadata("/proc/self").expect("a process has itself");
    (own.uid() == 0).then(|| id("-u", "postgres").zip(id("-g", "postgres")).expect("Debian's user postgres"))
}

/// Where Debian keeps the programs of its newest version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL (Debian's package postgresql)");
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().expect("a version of PostgreSQL");
    Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin")
}
