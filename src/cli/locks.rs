//! `portero locks`: what is locked by failed proofs, listed and lifted by the API of a running server.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::api::Api;
use crate::flow::Lock;
use crate::locks::LockOut;

/// List the customers, numbers, trunks and lines that failed proofs have locked, or lift a lock-out.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    api: Api,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Forget the failed proofs of a customer, a number, a trunk or a line
    Lift {
        /// customer, ani, trunk or line
        #[arg(value_parser = kind)]
        kind: Lock,

        /// Which, as the list names it
        key: String,
    },
}

#[derive(Debug, Deserialize)]
struct List {
    locks: Vec<LockOut>,
}

#[derive(Debug, Deserialize)]
struct Lifted {
    tries: u64,
}

fn kind(word: &str) -> anyhow::Result<Lock> {
    Lock::parse(word).ok_or_else(|| anyhow!("write customer, ani, trunk or line"))
}

/// Runs the subcommand.
///
/// # Errors
/// A server that cannot be reached, or where nothing is charged to the key.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        None => {
            let List { locks } = arguments.api.get("/api/v1/locks")?;
            print!("{}", table(&locks));
        }
        Some(What::Lift { kind, key }) => {
            let lift = json!({ "kind": kind, "key": key });
            let Lifted { tries } = arguments.api.post("/api/v1/locks/lift", &lift)?;
            println!("{} {key}: {tries} failed proofs forgotten", kind.as_str());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(locks: &[LockOut]) -> String {
    if locks.is_empty() {
        return "nothing is locked\n".to_owned();
    }
    let width = locks.iter().map(|lock| lock.key.chars().count()).fold("KEY".len(), usize::max);
    let mut text = format!("{:<8}  {:<width$}  {:>5}  UNTIL\n", "KIND", "KEY", "TRIES");
    for LockOut { kind, key, tries, until } in locks {
        // A key is what a back end or a network has said.
        let key = key.replace(char::is_control, "\u{fffd}");
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:<8}  {key:<width$}  {tries:>5}  {until:.0}", kind.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_a_table() {
        let lock = |kind, key: &str, tries| LockOut {
            kind,
            key: key.to_owned(),
            tries,
            until: "2026-12-01T10:00:00.123Z".parse().expect("an instant"),
        };
        let told = table(&[lock(Lock::Customer, "10000001", 5), lock(Lock::Ani, "+1202555\u{1b}0101", 10)]);
        let expected = "\
KIND      KEY            TRIES  UNTIL
customer  10000001           5  2026-12-01T10:00:00Z
ani       +1202555\u{fffd}0101     10  2026-12-01T10:00:00Z
";
        assert_eq!(told, expected);
        assert_eq!(table(&[]), "nothing is locked\n");
    }

    #[test]
    fn what_is_lifted_is_named_by_kind_and_key() {
        let read = crate::cli::arguments::<Arguments>;
        let Some(What::Lift { kind, key }) = read("lift ani +12025550101").expect("fine").what else {
            panic!("it lifts")
        };
        assert_eq!((kind, key.as_str()), (Lock::Ani, "+12025550101"));
        assert!(read("").expect("fine").what.is_none());
        assert!(read("lift pin 4711").is_err() && read("lift ani").is_err());
    }
}
