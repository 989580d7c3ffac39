//! A voice that is a program: the text goes in, a recording comes out.
//!
//! It has a process group of its own, which is killed where nobody waits for it any more.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{AUDIO_BYTES_MAX, Failure};

/// Runs a program and its arguments with `text` for its input. Dropping the future kills it.
pub(super) async fn run(arguments: &[String], text: &str) -> Result<Vec<u8>, Failure> {
    let (program, arguments) = arguments.split_first().ok_or(Failure::Failed)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).process_group(0).spawn().map_err(|error| {
        tracing::warn!(%error, "the voice's command cannot be started");
        Failure::Failed
    })?;
    // Dropped before the child, whose identifier is its own until then.
    let mut group = Group(child.id());
    let (mut input, output) = child.stdin.take().zip(child.stdout.take()).ok_or(Failure::Failed)?;
    let write = async move {
        // A program may end without having read it all; what it wrote tells whether that was right.
        drop(input.write_all(text.as_bytes()).await);
    };
    let mut audio = Vec::new();
    let mut output = output.take(AUDIO_BYTES_MAX as u64 + 1);
    let ((), read) = tokio::join!(write, output.read_to_end(&mut audio));
    read.map_err(|_| Failure::Failed)?;
    if audio.len() > AUDIO_BYTES_MAX {
        return Err(Failure::TooLarge);
    }
    let status = child.wait().await.map_err(|_| Failure::Failed)?;
    group.0 = None;
    if status.success() { Ok(audio) } else { Err(Failure::Failed) }
}

/// The processes that a program started and that stayed in its group.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            // Fails where all have ended by themselves.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
