//! Where the parts run, and what they have used of processor and memory.

use std::fs;
use std::num::NonZero;

use anyhow::{Context, Result};
use rustix::thread::CpuSet;

/// Keeps the calling thread on a processor: 0 is the last one, as for the media plane's first thread.
pub fn pin(from_last: usize) -> Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).rev().filter(|number| allowed.is_set(*number)).collect();
    let mut one = CpuSet::new();
    one.set(all[from_last % all.len()]);
    rustix::thread::sched_setaffinity(None, &one)?;
    rustix::thread::set_current_timer_slack(NonZero::new(1))?;
    Ok(())
}

/// The processor time in nanoseconds of a process; of those of its threads that have this name, if one is given.
pub fn used_nanos(process: u32, name: Option<&str>) -> Result<u64> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let folder = task?.path();
        if name
            .is_none_or(|name| fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim() == name))
        {
            let spent = fs::read_to_string(folder.join("schedstat"))?;
            let first = spent.split(' ').next().context("the time on a processor comes first")?;
            nanos += first.parse::<u64>()?;
        }
    }
    Ok(nanos)
}

/// The memory of its own that a process holds, in KiB.
pub fn memory_kib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("it has a size")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
