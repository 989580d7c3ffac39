//! A large configuration is read while callers listen: their sound is as good as that of callers of another server, at
//! the same time, which reads nothing.
//!
//! That not one octet is another is shown on a virtual clock, in `tests/simulation/thousand.rs`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::load::{Load, later_ms};
use crate::support::server::Server;
use crate::support::wait_for;

/// Callers of each server.
const CALLERS: u64 = 40;
const LINES: usize = 500;
const PROMPTS_A_LINE: usize = 4;

/// How much later the packets of one server may come than those of the other, and how many more of a hundred may never
/// be sent.
const LATER_MS: f64 = 20.0;
const UNSENT_PERCENT: f64 = 1.0;

/// How long a reload may take an unoptimised server on a busy machine.
const READ_WITHIN: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(20);

/// What it says when it has read its configuration anew.
const READ: &str = "the configuration has been read again";

/// Whose first line asks again and again, so that something is said all the time.
fn server() -> Server {
    Server::serve_quietly(&[("retries = 3", "retries = 20"), ("# late_percent = 20", "late_percent = 100")])
}

/// Puts lines, and prompts of their own, into the configuration of a server; whatever there is stays.
fn enlarge(server: &Server) {
    let folder = server.folder.path().join("prompts");
    for language in ["en", "de"] {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts").join(language), &folder.join(language));
    }
    let file = server.folder.path().join("portero.toml");
    let mut text = fs::read_to_string(&file).expect("the configuration");
    text = text.replacen("# folder = \"prompts\"", &format!("folder = \"{}\"", folder.display()), 1);
    for line in 0..LINES {
        let own: [String; PROMPTS_A_LINE] = std::array::from_fn(|prompt| format!("own-{line}-{prompt}"));
        for name in &own {
            let from = folder.join("en/digit-1.wav");
            fs::copy(from, folder.join("en").join(name).with_extension("wav")).expect("it can be copied");
        }
        let [greeting, apology, ask, no_match] = own;
        write!(
            text,
            "\n[[lines]]\nnumber = \"{}\"\ngreeting = \"{greeting}\"\napology = \"{apology}\"\nidentifier.digits = 6\n\
             identifier.prompts = {{ ask = \"{ask}\", no_match = [\"{no_match}\"] }}\n",
            10_000 + line
        )
        .expect("a string takes it");
    }
    fs::write(&file, text).expect("written");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}

#[test]
fn a_reload_of_500_lines_and_2000_prompts_disturbs_no_sound() {
    let servers = [server(), server()];
    let call =
        |server| Load::start(server, "1000", CALLERS, "30000-39999", &["--rate", "40", "--hold", "3m"]);
    let crowds = servers.each_ref().map(call);
    for server in &servers {
        wait_for("callers", SOON, || (server.metric("portero_calls_active") == CALLERS).then_some(()));
    }
    let [reloaded, _] = &servers;
    enlarge(reloaded);
    // The second time, the first one's prompts are let go of.
    for times in 1..=2 {
        reloaded.signal("HUP");
        let is_read = || (reloaded.log().matches(READ).count() == times).then_some(());
        wait_for("configuration that is read", READ_WITHIN, is_read);
    }
    crowds.iter().for_each(Load::interrupt);
    let told = crowds.map(|crowd| crowd.finish(SOON));
    for told in &told {
        let calls = ["answered", "ended_by_us"].map(|name| &told["calls"][name]);
        assert_eq!((calls, &told["failures"]), ([&json!(CALLERS); 2], &json!({})), "{told:#}");
        assert_eq!(told["packets"]["lost"], 0, "{told:#}");
    }
    for figure in ["p50", "p99"] {
        assert!(later_ms(&told[0], &told[1], figure) <= LATER_MS, "{figure}: {told:#?}");
    }
    let [here, there] = [0, 1].map(|at| unsent_percent(&servers[at], &told[at]));
    assert!(here - there <= UNSENT_PERCENT, "{here} %, and {there} % without a reload");
}

/// How many of a hundred packets were never sent, because their time was over.
fn unsent_percent(server: &Server, told: &Value) -> f64 {
    let missed = server.metric("portero_rtp_slots_missed_total") as f64;
    let sent = told["packets"]["received"].as_f64().expect("a count");
    missed * 100.0 / (missed + sent)
}
