//! `portero webhooks test`: sends an event of no call to a receiver, and shows what was sent and what came of it.
#![expect(clippy::disallowed_methods, reason = "shell: a test event happens now")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::serve::{EXIT_CONFIGURATION, look};
use crate::config::Configuration;
use crate::hooks::{Event, Reply, Sender, Webhook};

/// There is no such webhook.
const EXIT_USAGE: u8 = 2;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a test event and show what came of it
    ///
    /// Exit code: 0 where the receiver has acknowledged it; 1 where it has not; 2 where there is no such webhook; 78 where
    /// the configuration is faulty.
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// The webhook, by its name
    #[arg(value_name = "NAME")]
    name: String,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Sends the event.
///
/// # Errors
/// Where nothing can be sent at all.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Test(test) = &arguments.command;
    let configuration = match Configuration::load(&test.config) {
        Ok(configuration) => configuration,
        Err(faults) => {
            eprint!("{}", faults.show(look()));
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    let Some(webhook) = configuration.webhooks.iter().find(|webhook| webhook.name == test.name) else {
        eprintln!("portero: {}", unknown(&test.name, &configuration.webhooks));
        return Ok(ExitCode::from(EXIT_USAGE));
    };
    let sender = Sender::new(webhook.clone())?;
    let event = Event::test(rand::random(), Timestamp::now());
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reply = runtime.block_on(sender.send(&event));
    print!("{}", report(&sender, &event, &reply, began.elapsed().as_millis()));
    let acknowledged = matches!(reply, Reply::Status(status, _) if status.is_success());
    Ok(if acknowledged { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unknown(name: &str, webhooks: &[Webhook]) -> String {
    let names: Vec<&str> = webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
    match names[..] {
        [] => format!("there is no webhook `{name}`: the file has no section [[webhooks]]"),
        _ => format!("there is no webhook `{name}`; there are: {}", names.join(", ")),
    }
}

/// What was sent, the file's own headers by their names alone, and what came of it.
fn report(sender: &Sender, event: &Event, reply: &Reply, milliseconds: u128) -> String {
    let request = sender.request(event);
    let mut text = format!("{} {}\n", request.method(), request.url());
    for (name, value) in request.headers() {
        let shown = if value.is_sensitive() { "***" } else { value.to_str().unwrap_or_default() };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name}: {shown}");
    }
    let outcome = match reply {
        Reply::Status(status, _) if status.is_success() => format!("{status}: acknowledged"),
        Reply::Status(status, _) if status.as_u16() == 410 => format!("{status}: it wants nothing any more"),
        Reply::Status(status, _) => format!("{status}: not acknowledged; a real event would be sent again"),
        Reply::None(cause) => format!("{cause}; a real event would be sent again"),
    };
    text + &format!("\n{}\n\n{outcome} ({milliseconds} ms)\n", event.body)
}
