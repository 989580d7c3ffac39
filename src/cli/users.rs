//! `portero users`: who may log in to the pages. Works on the data folder, whether or not a server runs on it.
//!
//! Passwords are read from standard input: what stands on a command line can be read by everybody on the machine.
#![expect(clippy::disallowed_methods, reason = "shell: says since when there is a user")]

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use rand::RngCore as _;

use super::accounts::{Folder, name, note};
use super::terminal;
use crate::access::{Name, PasswordHash, Role, new_password};
use crate::records::{Accounts, Change, User};
use crate::secret::Password;

/// What the audit log calls one.
const USER: &str = "user";

/// Tells and changes who may log in to the pages; what is changed counts at once, for those who are logged in, too.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,

    #[command(flatten)]
    folder: Folder,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print who there is
    List,
    /// Add somebody; their password is read from standard input
    Add {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
        /// What they are here for: agent, supervisor, editor or admin
        #[arg(long, value_parser = role)]
        role: Role,
    },
    /// Give somebody another role
    Role {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
        /// What they are here for: agent, supervisor, editor or admin
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Give somebody another password, read from standard input
    Password {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Keep somebody out, and remember who they are
    Disable {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Let somebody in again
    Enable {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Remove somebody
    Remove {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// A database that cannot be used, a name that is taken or nobody's, a password that will not do.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.folder.print(async |accounts| done(accounts, &arguments.what).await)
}

/// Does it; what there is to say about it.
async fn done(accounts: &Accounts, what: &What) -> anyhow::Result<String> {
    match what {
        What::List => Ok(list(&accounts.users().await?)),
        What::Add { name, role } => {
            ensure!(accounts.user(name).await?.is_none(), "there is a user `{name}` already");
            let password = hashed(name)?;
            let user = User {
                name: name.clone(),
                password,
                role: *role,
                disabled: false,
                created_at: Timestamp::now(),
            };
            note(accounts, USER, name, &format!("added as {role}")).await?;
            ensure!(accounts.add_user(&user).await?, "there is a user `{name}` already");
            Ok(format!("{name} may log in as {role}\n"))
        }
        What::Role { name, role } => {
            changed(accounts, name, Change::Role(*role), &format!("{name} is {role} now\n")).await
        }
        What::Password { name } => {
            ensure!(accounts.user(name).await?.is_some(), "there is no user `{name}`");
            let told = format!("{name} has another password, and has to log in with it\n");
            changed(accounts, name, Change::Password(hashed(name)?), &told).await
        }
        What::Disable { name } => {
            changed(accounts, name, Change::Disabled(true), &format!("{name} is kept out\n")).await
        }
        What::Enable { name } => {
            changed(accounts, name, Change::Disabled(false), &format!("{name} may log in again\n")).await
        }
        What::Remove { name } => {
            note(accounts, USER, name, "removed").await?;
            ensure!(accounts.remove_user(name).await?, "there is no user `{name}`");
            Ok(format!("{name} is removed\n"))
        }
    }
}

async fn changed(accounts: &Accounts, name: &Name, change: Change, told: &str) -> anyhow::Result<String> {
    let what = match &change {
        Change::Password(_) => "another password".to_owned(),
        Change::Role(role) => format!("is {role}"),
        Change::Disabled(true) => "kept out".to_owned(),
        Change::Disabled(false) => "let in again".to_owned(),
    };
    note(accounts, USER, name, &what).await?;
    ensure!(accounts.change_user(name, change).await?, "there is no user `{name}`");
    Ok(told.to_owned())
}

fn list(users: &[User]) -> String {
    let row = |user: &User| {
        let state = if user.disabled { "kept out" } else { "" };
        format!("{:<24}{:<12}{state}", user.name, user.role).trim_end().to_owned() + "\n"
    };
    if users.is_empty() {
        "nobody: the next start of `portero serve` makes `admin`\n".into()
    } else {
        users.iter().map(row).collect()
    }
}

/// A new password for the user of this name, from standard input.
fn hashed(name: &Name) -> anyhow::Result<PasswordHash> {
    let asked = |prompt| terminal::secret(prompt).map(Password::new).context("the password cannot be read");
    let password = new_password(asked("password")?.expose(), name)?;
    // Nobody sees what they type.
    let is_sure = !io::stdin().is_terminal() || asked("once more")? == password;
    ensure!(is_sure, "these are two passwords");
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    Ok(PasswordHash::of(&password, salt))
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "roles are agent, supervisor, editor and admin".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(line: &str) -> Result<What, clap::Error> {
        super::super::arguments::<Arguments>(line).map(|arguments| arguments.what)
    }

    #[tokio::test]
    async fn users_are_listed_changed_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let accounts = Accounts::open(folder.path()).await.expect("the folder is made");
        let say = async |line: &str| {
            let what = what(line).expect("a command");
            done(&accounts, &what).await.map_err(|error| error.to_string())
        };
        assert!(say("list").await.expect("nobody").starts_with("nobody"));
        let password = PasswordHash::of(&Password::new("correct horse battery".into()), [1; 16]);
        let (name, created_at) = (Name::parse("ann").expect("a name"), Timestamp::UNIX_EPOCH);
        let ann = User { name, password, role: Role::Agent, disabled: false, created_at };
        assert!(accounts.add_user(&ann).await.expect("written"));
        assert_eq!(say("add Ann --role admin").await, Err("there is a user `ann` already".into()));
        assert_eq!(say("role ann supervisor").await, Ok("ann is supervisor now\n".into()));
        assert_eq!(say("disable ann").await, Ok("ann is kept out\n".into()));
        assert_eq!(say("list").await, Ok("ann                     supervisor  kept out\n".into()));
        assert_eq!(say("enable ann").await, Ok("ann may log in again\n".into()));
        assert_eq!(say("remove ann").await, Ok("ann is removed\n".into()));
        for line in ["remove ann", "role ann agent", "password ann", "disable ann"] {
            assert_eq!(say(line).await, Err("there is no user `ann`".into()), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (line, told) in [
            ("add ann --role boss", "roles are agent"),
            ("add o'neill --role agent", "a name has letters"),
            ("add ann", "--role"),
        ] {
            let refused = what(line).expect_err(line).to_string();
            assert!(refused.contains(told), "{line}: {refused}");
        }
    }
}
