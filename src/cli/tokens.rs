//! `portero tokens`: what programs may ask the API with. Works on the data folder, whether or not a server runs on it.
#![expect(clippy::disallowed_methods, reason = "shell: says since when there is a token, and until when")]

use std::process::ExitCode;

use anyhow::ensure;
use clap::Subcommand;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::accounts::{Folder, name, note};
use crate::access::{Name, Scopes};
use crate::records::{Accounts, Token};
use crate::web;

/// What the audit log calls one.
const TOKEN: &str = "token";

/// Tells and changes what programs may ask the API with; what is changed counts at once.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,

    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print which there are
    List,
    /// Make one and print it, once: only its hash is kept
    Add {
        /// What it is called
        #[arg(value_parser = name)]
        name: Name,
        /// What it opens: scopes such as calls:read, with commas between them, or a role for all of its scopes
        #[arg(long, value_parser = scopes)]
        scopes: Scopes,
        /// For how long it is good, such as 90d; left out: until it is removed
        #[arg(long, value_name = "TIME", value_parser = length)]
        expires: Option<SignedDuration>,
    },
    /// Remove one
    Remove {
        /// What it is called
        #[arg(value_parser = name)]
        name: Name,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// A database that cannot be used, a name that is taken or no token's.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    arguments.folder.print(async |accounts| done(accounts, &arguments.what, now).await)
}

async fn done(accounts: &Accounts, what: &What, now: Timestamp) -> anyhow::Result<String> {
    match what {
        What::List => Ok(list(&accounts.tokens().await?, now)),
        What::Add { name, scopes, expires } => {
            ensure!(!scopes.is_empty(), "a token without scopes opens nothing");
            let expires_at = expires.map(|length| now.checked_add(length)).transpose()?;
            let token = Token { name: name.clone(), scopes: *scopes, created_at: now, expires_at };
            let key = web::new_key();
            note(accounts, TOKEN, name, &format!("added for {scopes}")).await?;
            ensure!(accounts.add_token(&token, key.hash()).await?, "there is a token `{name}` already");
            Ok(format!("{}\n", key.expose()))
        }
        What::Remove { name } => {
            note(accounts, TOKEN, name, "removed").await?;
            ensure!(accounts.remove_token(name).await?, "there is no token `{name}`");
            Ok(format!("{name} is removed\n"))
        }
    }
}

fn list(tokens: &[Token], now: Timestamp) -> String {
    let row = |token: &Token| {
        let until = match token.expires_at {
            None => "for good".to_owned(),
            Some(end) if end <= now => "expired".to_owned(),
            Some(end) => format!("until {}", end.strftime("%Y-%m-%d %H:%M UTC")),
        };
        format!("{:<24}{until:<28}{}\n", token.name, token.scopes)
    };
    if tokens.is_empty() { "no tokens\n".to_owned() } else { tokens.iter().map(row).collect() }
}

fn scopes(text: &str) -> Result<Scopes, String> {
    Scopes::parse(text).map_err(|word| {
        format!("`{word}` is no scope; there are {}, and roles for all of theirs", Scopes::all())
    })
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    length.filter(SignedDuration::is_positive).ok_or_else(|| "write a time such as 90d or 12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Key;

    #[tokio::test]
    async fn tokens_are_made_listed_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let accounts = Accounts::open(folder.path()).await.expect("the folder is made");
        let start = Timestamp::from_second(1_800_000_000).expect("a time");
        let say = async |line: &str, now: Timestamp| {
            let what = super::super::arguments::<Arguments>(line).expect("a command").what;
            done(&accounts, &what, now).await.map_err(|error| error.to_string())
        };
        assert_eq!(say("list", start).await, Ok("no tokens\n".into()));
        let made = say("add Wall --scopes calls:read,metrics:read --expires 1d", start).await.expect("made");
        let kept = accounts.token(Key::shown(made.trim()).hash()).await.expect("read");
        assert_eq!(kept.map(|token| token.scopes.to_string()), Some("calls:read metrics:read".into()));
        let taken = say("add wall --scopes admin", start).await;
        assert_eq!(taken, Err("there is a token `wall` already".into()));
        let row = "wall                    until 2027-01-16 08:00 UTC  calls:read metrics:read\n";
        assert_eq!(say("list", start).await, Ok(row.into()));
        let later = start + SignedDuration::from_hours(24);
        assert!(say("list", later).await.expect("listed").contains("expired"));
        assert_eq!(say("remove wall", start).await, Ok("wall is removed\n".into()));
        assert_eq!(say("remove wall", start).await, Err("there is no token `wall`".into()));
    }

    #[test]
    fn what_is_no_scope_is_told_with_those_there_are() {
        let refused =
            super::super::arguments::<Arguments>("add wall --scopes calls:*").expect_err("no scope");
        assert!(refused.to_string().contains("`calls:*` is no scope; there are calls:read"), "{refused}");
    }
}
