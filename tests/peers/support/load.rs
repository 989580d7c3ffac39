//! `portero load` as a crowd of callers, beside others.

use std::io::Read as _;
use std::time::Duration;

use serde_json::Value;

use super::Process;
use super::server::{Server, start};

/// Callers at work.
pub struct Load(Process);

impl Load {
    /// Has so many call this line, from the server's own address, with ports of their own for sound.
    pub fn start(server: &Server, line: &str, calls: u64, ports: &str, arguments: &[&str]) -> Self {
        let uri = format!("sip:{line}@{}", server.loopback.sip());
        let (ip, calls) = (server.loopback.ip().to_string(), calls.to_string());
        let means = ["load", &uri, "--json", "--bind", &ip, "--calls", &calls, "--ports", ports];
        Self(start(&[&means[..], arguments].concat()))
    }

    /// Has all of them hang up, and no more of them call.
    pub fn interrupt(&self) {
        self.0.signal("INT");
    }

    /// What they have heard, once all calls are over.
    pub fn finish(mut self, within: Duration) -> Value {
        let mut said = String::new();
        let mut stdout = self.0.0.stdout.take().expect("it is piped");
        self.0.wait_for_exit("end of the calls", within);
        stdout.read_to_string(&mut said).expect("it is text");
        serde_json::from_str(&said).expect("one JSON object")
    }
}

/// How much later the packets of one crowd came than those of another, in milliseconds: half of them (`p50`), or all but
/// one in a hundred (`p99`).
pub fn later_ms(told: &Value, than: &Value, figure: &str) -> f64 {
    let of = |told: &Value| told["pacing_ms"][figure].as_f64().expect("there was sound");
    of(told) - of(than)
}
