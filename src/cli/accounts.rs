//! What `portero users` and `portero tokens` have in common: the data folder, the names in it, and the audit log.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::access::Name;
use crate::records::audit::Deed;
use crate::records::{Accounts, RecordsError};

use super::who;

/// Where the accounts are.
#[derive(Debug, clap::Args)]
pub(super) struct Folder {
    /// The server's data folder
    #[arg(long, value_name = "FOLDER", default_value = "portero-data", global = true)]
    data: PathBuf,
}

impl Folder {
    /// Does something with the accounts there, and prints what there is to say about it.
    ///
    /// # Errors
    /// A database that cannot be used, or what comes of doing it.
    pub fn print(
        &self,
        done: impl AsyncFnOnce(&Accounts) -> anyhow::Result<String>,
    ) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let accounts = Accounts::open(&self.data).await?;
            print!("{}", done(&accounts).await?);
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Reads what a user or a token is called.
pub(super) fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).ok_or_else(|| "a name has letters, digits and . _ - @, 64 at the most".to_owned())
}

/// Has the audit log say what is about to be done with the user or the token of this name.
pub(super) async fn note(
    accounts: &Accounts,
    kind: &str,
    name: &Name,
    what: &str,
) -> Result<(), RecordsError> {
    who::note(accounts.store(), Deed::Changed, format!("{kind} {name}"), what).await
}
