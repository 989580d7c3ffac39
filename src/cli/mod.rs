//! The command line: one file for each subcommand.

mod accounts;
mod api;
mod audit;
mod call;
mod check;
mod config;
mod crm;
mod demo;
mod discretion;
mod emergency;
mod load;
mod locks;
mod log;
mod privacy;
mod records;
mod serve;
mod terminal;
mod tokens;
mod trace;
mod try_line;
mod users;
mod webhooks;
mod who;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Answers the phone, finds out who is calling, proves it, and shows the caller in.
#[derive(Debug, Parser)]
#[command(name = "portero", version, about, max_term_width = 100)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the demo: lines, customers, back end and agents are all there; dial and try.
    Demo(demo::Arguments),
    /// Run a configuration file.
    Serve(serve::Arguments),
    /// Tell every fault of a configuration file.
    Check(check::Arguments),
    /// Try what the back end is asked.
    Crm(crm::Arguments),
    /// Print what a configuration file comes to, or draw a line's conversation.
    Config(config::Arguments),
    /// Place a test call.
    Call(call::Arguments),
    /// Place many calls at a time and tell how they fared.
    Load(load::Arguments),
    /// Turn the emergency switch of a line, or of all lines.
    Emergency(emergency::Arguments),
    /// List what failed proofs have locked, or lift a lock-out.
    Locks(locks::Arguments),
    /// Print call records.
    Records(records::Arguments),
    /// Tell and change who may log in to the pages.
    Users(users::Arguments),
    /// Tell and change what programs may ask the API with.
    Tokens(tokens::Arguments),
    /// Print or check the audit log: who changed, read, unlocked, exported or erased what.
    Audit(audit::Arguments),
    /// Hand out or erase what is kept of one person.
    Privacy(privacy::Arguments),
    /// Print the SIP messages of a call, as a ladder and in full.
    Trace(trace::Arguments),
    /// Try who is told of calls.
    Webhooks(webhooks::Arguments),
    /// Speak with a line without a telephone, by hand or by files of scenarios.
    Try(try_line::Arguments),
}

/// Runs the program with the arguments it was started with.
pub fn run() -> ExitCode {
    discretion::begin();
    let program = Program::parse();
    let result = match program.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => Ok(check::run(&arguments)),
        Command::Crm(arguments) => crm::run(&arguments),
        Command::Config(arguments) => Ok(config::run(&arguments)),
        Command::Call(arguments) => call::run(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::Emergency(arguments) => emergency::run(&arguments),
        Command::Locks(arguments) => locks::run(&arguments),
        Command::Records(arguments) => records::run(&arguments),
        Command::Users(arguments) => users::run(&arguments),
        Command::Tokens(arguments) => tokens::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Privacy(arguments) => privacy::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Webhooks(arguments) => webhooks::run(&arguments),
        Command::Try(arguments) => try_line::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("portero: {error:#}");
        ExitCode::FAILURE
    })
}

/// The arguments that a subcommand reads from a line, for its tests.
#[cfg(test)]
fn arguments<A: clap::Args>(line: &str) -> Result<A, clap::Error> {
    #[derive(Parser)]
    struct Subcommand<A: clap::Args> {
        #[command(flatten)]
        arguments: A,
    }
    let words = std::iter::once("portero").chain(line.split_whitespace());
    Subcommand::try_parse_from(words).map(|subcommand| subcommand.arguments)
}
