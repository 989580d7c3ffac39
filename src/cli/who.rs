//! Who runs a subcommand, for the audit log.

use nix::unistd::{Uid, User};

use crate::records::audit::{Actor, Deed};
use crate::records::{Audit, RecordsError, Store};

/// Adds to the audit log what the user of this subcommand is about to do. It is not to be done where this fails.
pub(super) async fn note(
    store: &Store,
    deed: Deed,
    subject: impl Into<String>,
    detail: impl Into<String>,
) -> Result<(), RecordsError> {
    Audit::start(store.folder()).append(user(), deed, subject, detail).await.map(drop)
}

/// The user by whose right this process runs, and the one who logged in, where Linux knows that it is another.
fn user() -> Actor {
    let user = Uid::effective();
    // Kept by the kernel through `su` and `sudo`; all ones where nobody logged in (proc_pid_loginuid(5)).
    let login = std::fs::read_to_string("/proc/self/loginuid");
    let login = login.ok().and_then(|id| id.trim().parse().ok()).filter(|id| *id != u32::MAX);
    Actor::CommandLine(match login.map(Uid::from_raw).filter(|login| *login != user) {
        Some(login) => format!("{} ({} logged in)", name(user), name(login)),
        None => name(user),
    })
}

fn name(user: Uid) -> String {
    User::from_uid(user).ok().flatten().map_or_else(|| format!("user {user}"), |user| user.name)
}
