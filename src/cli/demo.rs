//! `portero demo`: everything that is needed to try it, in one process.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::serve;
use crate::access::{Key, Name, Scopes};
use crate::config::{Configuration, Overrides};
use crate::crm::demo::{Customer, Fault};
use crate::flow::{EntryRules, FactorKind, Line};
use crate::secret::Secret;
use crate::server::Addresses;
use crate::web::{self, KnownToken};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address and UDP port to dial.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5060")]
    sip: SocketAddr,
    /// Address and TCP port of the pages.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    web: SocketAddr,
    /// Address and TCP port of the demo's back end.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    crm: SocketAddr,
    /// Folder of the call records.
    #[arg(long, value_name = "FOLDER", default_value = "./portero-data")]
    data: PathBuf,
    /// The token that the API asks for, `Authorization: Bearer TOKEN`; left out: one is made and printed.
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    token: Option<Key>,
}

/// Anything that a header can carry: the demo's user knows who else can reach it.
fn token(text: &str) -> Result<Key, String> {
    let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    usable
        .then(|| Key::shown(text))
        .ok_or_else(|| "a token has letters, digits and signs, and no spaces".into())
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    super::log::to_stderr();
    let overrides = Overrides {
        sip: Some(arguments.sip),
        web: Some(arguments.web),
        crm: Some(arguments.crm),
        data: Some(arguments.data),
    };
    let mut configuration = Configuration::demo(&overrides);
    let made = arguments.token.is_none();
    let token = arguments.token.unwrap_or_else(web::new_key);
    let name = Name::parse("demo").expect("letters are a name");
    configuration.web.tokens.push(KnownToken { name, hash: token.hash(), scopes: Scopes::all() });
    // Whoever can read what we print is on this machine, and so is whoever can reach it.
    configuration.web.link = arguments.web.ip().is_loopback().then(web::new_key);
    let keys = Keys { link: configuration.web.link.clone(), token: made.then_some(token) };
    let lines = lines(&configuration);
    let customers = customers(&configuration);
    serve::run_server(configuration, None, move |addresses, first| {
        serve::tell_of(first);
        print!("{}", card(addresses, &keys, &lines, &customers));
    })
}

/// What opens the pages and the API.
struct Keys {
    /// In the link, where there is one.
    link: Option<Key>,
    /// The token, where the user does not know it.
    token: Option<Key>,
}

/// What a newcomer has to know, ending in the line that begins `ready`.
fn card(addresses: &Addresses, keys: &Keys, lines: &str, customers: &str) -> String {
    let (sip, pages) = (addresses.sip, addresses.pages());
    let link = keys.link.as_ref().map_or(pages.clone(), |key| format!("{pages}enter?key={}", key.expose()));
    let token = keys.token.as_ref().map_or("the token that you gave", Key::expose);
    format!(
        "\nPortero demo: dial sip:1000@{sip} with any softphone.\n\n{lines}\n{customers}\n\
         Keys   digits answer, # ends an entry, * after digits clears them, * first goes straight to an agent\n\
         Pages  {link}\n       \
         lets you in and shows each call as it happens; {pages}api/v1/calls the same as JSON\n\
         Token  {token}\n       \
         is for the API: curl -H \"Authorization: Bearer TOKEN\", or --token TOKEN\n\
         Test   cargo run --release -- call sip:1000@{sip} --from +12025550101 --keys \"prompt,4711#\" \
         --expect verified\n\n\
         ready: SIP on {sip}, pages on {pages} (Ctrl-C ends it)\n"
    )
}

fn lines(configuration: &Configuration) -> String {
    let mut text = String::from("Line   knows your number   asks for                      then\n");
    for line in &configuration.lines {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<7}{:<20}{:<30}{}",
            line.number,
            if line.by_number.is_some() { "yes" } else { "no" },
            identification(line),
            verification(line)
        );
    }
    text
}

fn identification(line: &Line) -> String {
    match &line.identification.questions[..] {
        [] => "nothing".into(),
        [only] => format!("customer number, {} digits", digits(&only.question.entry)),
        several => {
            let names: Vec<&str> = several.iter().map(|identifier| &*identifier.name).collect();
            names.join(if line.identification.choice.is_some() { " or " } else { ", then " })
        }
    }
}

fn verification(line: &Line) -> String {
    let factors: Vec<String> = line
        .factors
        .iter()
        .map(|factor| match &factor.kind {
            FactorKind::Whole => {
                format!("a {} of {} digits", factor.name.to_uppercase(), digits(&factor.question.entry))
            }
            FactorKind::Date => "a date of birth".into(),
            FactorKind::Partial { length, count } => format!("{count} digits of a PIN of {length}"),
            FactorKind::Code(_) => "a one-time code".into(),
        })
        .collect();
    if factors.is_empty() { "nothing more".into() } else { factors.join(" and ") }
}

fn digits(entry: &EntryRules) -> String {
    match (entry.digits_min, entry.digits_max) {
        (min, max) if min == max => max.to_string(),
        (min, max) => format!("{min}-{max}"),
    }
}

fn customers(configuration: &Configuration) -> String {
    let mut text = String::from("Customer   name              calls from     PIN\n");
    let customers = configuration.demo_back_end.as_ref().map_or(&[][..], |back_end| &back_end.customers);
    for customer in customers {
        let _ = writeln!(
            text,
            "{:<11}{:<18}{:<15}{}",
            customer.id,
            customer.name,
            customer.numbers.join(" "),
            secret(customer)
        );
    }
    text
}

fn secret(customer: &Customer) -> &str {
    match customer.fault {
        Some(Fault::Error) => "(the back end fails)",
        Some(Fault::Hang) => "(the back end hangs)",
        None => customer.pin.as_ref().map_or("(none)", Secret::expose),
    }
}
