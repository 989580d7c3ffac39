//! The server that is measured: the program itself, as a process of its own, and what the system says it uses.
//!
//! It runs the demo's configuration with addresses of this benchmark's own (all of 127.0.0.0/8 is this machine),
//! so that nothing else that runs here is in the way, and with a greeting that is as long as the measurement.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::{recording, serving};

/// A line of the demo's that asks the back end nothing before it is keyed something.
pub const LINE: &str = "1001";
/// The kernel counts processor time for `/proc` in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// Calls that may be up besides those that stay, where set-ups come faster than they end.
const ROOM: i64 = 4000;

/// The running program. It ends when this is dropped.
pub struct Server {
    process: Child,
    ip: Ipv4Addr,
    /// The database, the prompts and the log; gone with the server.
    _folder: TempDir,
}

impl Server {
    /// Starts it at `ip`, with room for `calls` from `callers` and a greeting of this length.
    pub fn start(ip: Ipv4Addr, callers: Ipv4Addr, calls: usize, greeting: Duration) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        record_prompts(&folder.path().join("prompts"), greeting)?;
        let file = folder.path().join("portero.toml");
        fs::write(&file, configuration(ip, callers, calls, folder.path())?)?;
        let log = folder.path().join("log");
        let process = serving::serve(&file, &log)?;
        Ok(Self { process, ip, _folder: folder })
    }

    /// Where it takes calls.
    pub fn sip(&self) -> SocketAddr {
        (self.ip, 5060).into()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The processor time that it has used, in user mode and in the kernel.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(Path::new(&format!("/proc/{}", self.id())))
    }

    /// The same by the names of its threads; `portero` is the signalling.
    pub fn cpu_by_thread(&self) -> Result<BTreeMap<String, Duration>> {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let folder = thread?.path();
            let name = fs::read_to_string(folder.join("comm"))?.trim_end().to_owned();
            *threads.entry(name).or_default() += cpu(&folder)?;
        }
        Ok(threads)
    }

    /// The memory that it holds, in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has a size")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// A counter among its metrics; 0 where nothing was counted yet.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let mut pages = TcpStream::connect((self.ip, 8080))?;
        write!(pages, "GET /metrics HTTP/1.0\r\nHost: {}:8080\r\n\r\n", self.ip)?;
        let mut answer = String::new();
        pages.read_to_string(&mut answer)?;
        anyhow::ensure!(answer.contains(" 200 "), "no metrics: {answer}");
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Ok(value.unwrap_or(0))
    }
}

/// The processor time of the process or thread that this folder of `/proc` tells of.
fn cpu(folder: &Path) -> Result<Duration> {
    let stat = fs::read_to_string(folder.join("stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("the fields follow the name in brackets")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that is gone already is as good as ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The demo's configuration, moved to `ip` and into `folder`.
fn configuration(ip: Ipv4Addr, callers: Ipv4Addr, calls: usize, folder: &Path) -> Result<String> {
    let mut file: Table = toml::from_str(include_str!("../../config/demo.toml"))?;
    let folder = folder.to_str().context("the folder has a readable name")?;
    let settings: [(&[&str], Value); 9] = [
        (&["sip", "listen"], format!("{ip}:5060").into()),
        (&["web", "listen"], format!("{ip}:8080").into()),
        (&["web", "metrics"], "open".into()),
        (&["back_end", "base_url"], format!("http://{ip}:8081").into()),
        (&["demo", "back_end", "listen"], format!("{ip}:8081").into()),
        (&["media", "ports"], "10000-59999".into()),
        (&["limits", "calls"], Value::Integer(i64::try_from(calls)? + ROOM)),
        (&["records", "folder"], format!("{folder}/data").into()),
        (&["prompts", "folder"], format!("{folder}/prompts").into()),
    ];
    for (path, value) in settings {
        let (name, sections) = path.split_last().context("a setting has a name")?;
        let mut section = &mut file;
        for step in sections {
            section = section.get_mut(*step).and_then(Value::as_table_mut).context("the demo has it")?;
        }
        section.insert((*name).to_owned(), value);
    }
    // Who is on no trunk may not send as much as is sent here.
    let trunk = Table::from_iter([
        ("name".to_owned(), "callers".into()),
        ("addresses".to_owned(), vec![Value::from(callers.to_string())].into()),
    ]);
    file.insert("trunks".to_owned(), vec![Value::Table(trunk)].into());
    Ok(toml::to_string(&file)?)
}

/// The demo's prompts, with a greeting of this length that is nowhere silent.
fn record_prompts(folder: &Path, greeting: Duration) -> Result<()> {
    serving::copy_prompts(folder)?;
    recording::write(&folder.join("en/greeting.wav"), greeting.as_millis() as usize * 16)
}
