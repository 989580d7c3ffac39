//! `portero call`: a test caller, a real SIP and RTP client that dials, listens, keys and follows the REFER.
//!
//! It is made for trying a line out and for scripts: it hears where prompts begin and end, prints what happened
//! when, and says by its exit code whether that was as expected. It never registers.

pub mod address;
pub mod caller;
pub mod ear;
pub mod media;
pub mod phone;
pub mod recording;
pub mod script;
pub mod timeline;
pub mod voice;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use self::address::Address;
use self::caller::{Caller, OnRefer};
use self::phone::Phone;
use self::script::Script;
use self::timeline::Outcome;
use crate::audio::OPUS_SPOKEN;
use crate::flow::Verdict;
use crate::net::dns::Dns;
use crate::net::sip::Tls;
use crate::sdp::{Codec, Codecs};
use crate::srtp::Suite;

/// Places one test call.
///
/// Exit code: 0 when the expectation came true (or, with none, the call was handed over), 1 when not, 2 when the
/// call failed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to call: `sip:line@host[:port]`, with `;transport=tcp` or `;transport=tls` where it is not UDP
    #[arg(value_name = "ADDRESS", value_parser = Address::parse)]
    to: Address,
    /// The number to call from, or `anonymous`
    #[arg(long, value_name = "NUMBER", default_value = "anonymous")]
    from: String,
    /// What to do, step by step: `prompt` waits until a prompt is over, `speech` until one begins, `500ms` or `2s`
    /// pauses, anything else is keys; such as `prompt,4711#`
    #[arg(long, value_name = "STEPS", default_value = "", hide_default_value = true)]
    keys: Script,
    /// The verdict to expect: verified, identified or unidentified
    #[arg(long, value_name = "VERDICT", value_parser = expected_verdict)]
    expect: Option<Verdict>,
    /// For TLS: who may have issued the certificate of whom is called, in PEM; without it, those that this machine trusts
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Insist on encrypted sound (SRTP) by this suite, such as `AEAD_AES_128_GCM`; without it, none is offered
    #[arg(long, value_name = "SUITE", value_parser = suite)]
    srtp: Option<Suite>,
    /// The only codec to offer: pcmu, pcma, g722 or, in a build that speaks it, opus; without this, either of the first two
    #[arg(long, value_name = "CODEC", value_parser = codec)]
    codec: Option<Codec>,
    /// Write what is heard into this WAV file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print one JSON object at the end instead of a timeline
    #[arg(long)]
    json: bool,
    /// Seconds after which to hang up
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// The name server to ask where the address leads, in place of the system's; may be said several times
    #[arg(long, value_name = "IP:PORT")]
    name_server: Vec<SocketAddr>,
    /// Accept the REFER and report success, but call nobody
    #[arg(long, conflicts_with = "refuse_refer")]
    no_follow: bool,
    /// Refuse the REFER with this status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=699))]
    refuse_refer: Option<u16>,
}

fn expected_verdict(word: &str) -> Result<Verdict, String> {
    Verdict::parse(word).ok_or_else(|| "a verdict is one of verified, identified, unidentified".to_owned())
}

fn suite(name: &str) -> Result<Suite, String> {
    Suite::parse(name).ok_or_else(|| format!("a suite is one of {}", Suite::ALL.map(Suite::name).join(", ")))
}

fn codec(word: &str) -> Result<Codec, String> {
    match word {
        "pcmu" => Ok(Codec::Pcmu),
        "pcma" => Ok(Codec::Pcma),
        "g722" => Ok(Codec::G722),
        "opus" if OPUS_SPOKEN => Ok(Codec::Opus),
        "opus" => Err("this build does not speak it; build with `--features opus`".to_owned()),
        _ => Err("a codec is one of pcmu, pcma, g722, opus".to_owned()),
    }
}

impl Arguments {
    fn codecs(&self) -> Codecs {
        self.codec.map_or_else(Codecs::default, |codec| Codecs::Ours(vec![codec]))
    }

    fn on_refer(&self) -> OnRefer {
        match self.refuse_refer {
            Some(status) => OnRefer::Refuse(status),
            None if self.no_follow => OnRefer::Claim,
            None => OnRefer::Follow,
        }
    }
}

/// Places the call and tells how it went.
///
/// # Errors
/// Where no call can be placed at all, or the recording cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (caller, recording) = runtime.block_on(place(arguments))?;
    if let Some(file) = &arguments.record {
        recording.save(file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let outcome = caller.outcome();
    let text = if arguments.json {
        outcome.to_json(caller.timeline()).to_string()
    } else {
        summary(outcome, arguments.expect)
    };
    print_line(&text);
    Ok(outcome.exit_code(arguments.expect).into())
}

async fn place(arguments: &Arguments) -> anyhow::Result<(Caller, recording::Recording)> {
    let timeout = Duration::from_secs(arguments.timeout);
    let caller = Caller::new(arguments.keys.clone(), arguments.on_refer(), timeout, phone::now());
    let tls = Tls::client(arguments.trust.as_deref())?;
    let dns = Dns::new(&arguments.name_server);
    let sound = (arguments.codecs(), arguments.srtp);
    let phone = Phone::dial(&arguments.from, &arguments.to, sound, caller, dns, tls).await?;
    let mut told = 0;
    let tell = |caller: &Caller| {
        if !arguments.json {
            caller.timeline().lines(told).for_each(|line| print_line(&line));
            told = caller.timeline().count();
        }
    };
    Ok(phone.run(tell).await)
}

/// What it came to, in a line.
fn summary(outcome: &Outcome, expected: Option<Verdict>) -> String {
    if let Some(failure) = outcome.failure {
        let status = outcome.status.map(|status| format!(" ({status})")).unwrap_or_default();
        return format!("failed: {failure}{status}");
    }
    let verdict = outcome.verdict.map_or("no verdict", Verdict::title);
    let handed_over = match (outcome.handed_over, &outcome.target) {
        (true, Some(target)) => format!("handed over to {target}"),
        _ => "not handed over".to_owned(),
    };
    let customer =
        outcome.customer.as_deref().map(|customer| format!(", customer {customer}")).unwrap_or_default();
    let name = outcome.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    let unexpected = expected.filter(|&expected| outcome.verdict != Some(expected));
    let expectation =
        unexpected.map(|verdict| format!("; expected: {}", verdict.title())).unwrap_or_default();
    format!("{verdict}{customer}{name}, {handed_over}{expectation}")
}

/// Prints a line. A reader that has gone away is no reason to end the call.
fn print_line(line: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        crate::cli::arguments(line)
    }

    #[test]
    fn command_lines_are_read_or_refused() {
        let table = [
            ("sip:1000@127.0.0.1", Some(OnRefer::Follow)),
            ("sip:1000@127.0.0.1 --keys prompt,4711# --expect verified --timeout 5", Some(OnRefer::Follow)),
            ("sip:1000@127.0.0.1 --no-follow --json", Some(OnRefer::Claim)),
            ("sip:1000@127.0.0.1 --refuse-refer 603", Some(OnRefer::Refuse(603))),
            ("sip:1000@127.0.0.1 --srtp aead_aes_256_gcm", Some(OnRefer::Follow)),
            ("sip:1000@127.0.0.1 --srtp F8_128_HMAC_SHA1_80", None),
            ("sip:1000@127.0.0.1 --refuse-refer 200", None),
            ("sip:1000@127.0.0.1 --refuse-refer 603 --no-follow", None),
            ("sip:1000@127.0.0.1 --keys prompt,x", None),
            ("sip:1000@127.0.0.1 --expect known", None),
            ("sip:1000@127.0.0.1 --timeout 0", None),
            ("sip:1000@127.0.0.1 --codec g722", Some(OnRefer::Follow)),
            ("sip:1000@127.0.0.1 --codec opus", OPUS_SPOKEN.then_some(OnRefer::Follow)),
            ("sip:1000@127.0.0.1 --codec gsm", None),
            ("1000", None),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line).ok().map(|arguments| arguments.on_refer()), expected, "{line:?}");
        }
    }

    #[test]
    fn keys_do_not_show_in_debug() {
        let arguments = parse("sip:1000@127.0.0.1 --keys prompt,4711#").expect("a good command line");
        assert!(!format!("{arguments:?}").contains("4711"));
    }

    #[test]
    fn summaries_say_what_it_came_to() {
        let verified = Outcome {
            verdict: Some(Verdict::Verified),
            customer: Some("10000001".to_owned()),
            name: Some("Zoë".to_owned()),
            target: Some("sip:agents@host".to_owned()),
            status: Some(200),
            handed_over: true,
            failure: None,
        };
        let nothing = Outcome::default();
        let failed = Outcome { failure: Some("the call was refused"), status: Some(404), ..nothing.clone() };
        let table = [
            (
                &verified,
                None,
                "Identified and verified, customer 10000001 (Zoë), handed over to sip:agents@host",
            ),
            (
                &nothing,
                Some(Verdict::Verified),
                "no verdict, not handed over; expected: Identified and verified",
            ),
            (&failed, None, "failed: the call was refused (404)"),
        ];
        for (outcome, expected, text) in table {
            assert_eq!(summary(outcome, expected), text);
        }
    }
}
