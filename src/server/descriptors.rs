//! File descriptors: as many as the system lets us have, and a word where they may run out.
//!
//! Nothing is refused for want of them. What needs one that is not there fails by itself, and is told: a call gets
//! 503, a connection waits in the kernel.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Limits;

/// What a call holds: the sockets of its RTP and of its RTCP.
const PER_CALL: u64 = 2;

/// What everything else holds: listeners, the pages' visitors, the database, requests to the back end.
const BESIDES: u64 = 256;

/// Raises the soft limit to the hard one, and warns where the limits of the configuration do not fit into it.
pub fn raise(limits: &Limits) {
    let granted = match raised() {
        Ok(granted) => granted,
        Err(error) => return warn!("how many files may be open cannot be found out: {error}"),
    };
    let wanted = wanted(limits.calls, limits.connections);
    if granted < wanted {
        warn!(
            "{} calls and {} connections need {wanted} file descriptors, and the system grants {granted}: \
             raise its limit (ulimit -Hn, or LimitNOFILE= of systemd), or lower `calls` or `connections` in [limits]",
            limits.calls, limits.connections,
        );
    }
}

/// Raises the limit as far as it goes; how many there may be then.
///
/// # Errors
/// Where the system does not tell its limits.
pub fn raised() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        return Ok(soft);
    }
    Ok(hard)
}

fn wanted(calls: usize, connections: usize) -> u64 {
    PER_CALL * calls as u64 + connections as u64 + BESIDES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_system_grants_is_taken() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        assert_eq!(raised(), Ok(hard));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok((hard, hard)));
    }

    #[test]
    fn a_call_takes_two_and_a_connection_one() {
        assert_eq!(wanted(1000, 4096), 2000 + 4096 + 256);
    }
}
