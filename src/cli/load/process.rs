//! What the system tells and gives: the processor time of the server that is loaded, and descriptors for our sockets.

use std::fs;
use std::io;
use std::time::Duration;

use crate::server::descriptors;

/// The kernel counts processor time in hundredths of a second here, on every architecture (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// Descriptors beside those for calls: SIP, the runtime, the terminal.
const DESCRIPTORS_ASIDE: u64 = 64;

/// There cannot be as many sockets as calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{calls} calls at a time need {needed} file descriptors, and {limit} is the hard limit: raise it (`ulimit -Hn`, \
     or LimitNOFILE= of a service), or ask for fewer calls at a time"
)]
pub struct TooFewDescriptors {
    calls: usize,
    needed: u64,
    limit: u64,
}

/// Raises the limit of open files as far as it goes, and says whether that is enough for so many calls at a time.
pub fn raise_descriptors(calls: usize) -> anyhow::Result<()> {
    Ok(check_descriptors(calls, descriptors::raised()?)?)
}

fn check_descriptors(calls: usize, limit: u64) -> Result<(), TooFewDescriptors> {
    let needed = calls as u64 + DESCRIPTORS_ASIDE;
    if needed > limit { Err(TooFewDescriptors { calls, needed, limit }) } else { Ok(()) }
}

/// The processor time that a process has taken so far, all threads, user and kernel.
///
/// # Errors
/// Where there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    spent(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name, in brackets, may hold anything; `utime` and `stime` are the 12th and 13th fields after it (proc(5)).
fn spent(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut ticks = fields.split(' ').skip(11).map(str::parse::<u32>);
    Some(TICK * (ticks.next()?.ok()? + ticks.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_any_name() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 2 3 4 150 25 0 0 20 0 9 0 12345";
        assert_eq!(spent(line), Some(Duration::from_millis(1750)));
        assert_eq!(spent("7 (a) S 1"), None);
        assert!(processor_time(std::process::id()).is_ok());
    }

    #[test]
    fn too_few_descriptors_are_told() {
        assert_eq!(check_descriptors(4000, 4064), Ok(()));
        let fault = check_descriptors(4001, 4064).expect_err("one is missing").to_string();
        assert!(fault.starts_with("4001 calls at a time need 4065 file descriptors, and 4064 is"), "{fault}");
    }
}
