//! What a process leaves behind that dies: no image of its memory, and no word of a panic that may hold data.
//!
//! Both are true of every subcommand, from its first line on: each of them may come to hold what somebody keyed, or a
//! password of the configuration. Memory that the system swaps out is not looked after here.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Begins before anything else.
pub(super) fn begin() {
    std::panic::set_hook(Box::new(tell));
    // Where the system does not let us, there is nothing that could be done about it; `ulimit -c` tells.
    let _ = forbid_dumps();
}

/// Has the system write no core dump of this process, and nobody but root look into it (`ptrace`, `/proc/PID/mem`).
fn forbid_dumps() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    // Only this keeps a dump from a program that the system hands dumps to: such a one is not bound by the limit.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(errno)?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard)
}

/// Takes that back, as far as the system would have dumped at all.
///
/// # Errors
/// What the system says.
pub(super) fn allow_dumps() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    setrlimit(Resource::RLIMIT_CORE, hard, hard)?;
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(errno)
}

fn errno(error: rustix::io::Errno) -> nix::Error {
    nix::Error::from_raw(error.raw_os_error())
}

/// Tells of a panic.
fn tell(panic: &PanicHookInfo<'_>) {
    metrics::counter!("portero_panics_total").increment(1);
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = panic.location().map_or_else(|| "somewhere".to_owned(), ToString::to_string);
    let words = words(panic);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(%place, thread, "panicked: {words}");
    } else {
        eprintln!("portero: panicked at {place}: {words}");
    }
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        // Names and places of functions, which hold no data.
        eprintln!("{trace}");
    }
}

/// What can be shown of a panic's message. One that was put together may hold anything: a text that could not be cut
/// in two is part of its message, whatever it is.
fn words(panic: &PanicHookInfo<'_>) -> &'static str {
    let literal = panic.payload().downcast_ref::<&'static str>();
    literal.copied().unwrap_or("why is not shown, as there may be data in it")
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::{Command, Output};

    use super::*;

    /// A text that is not in the program's own by chance.
    const KEYED: &str = "905172638461";

    /// Runs one test of this file by itself, in a process of its own, with `KEYED` in its environment.
    fn alone(test: &str) -> Output {
        let program = env::current_exe().expect("a test knows where it is");
        let test = format!("cli::discretion::tests::{test}");
        let mut command = Command::new(program);
        command.args(["--exact", &test, "--nocapture"]).env("DISCRETION", KEYED).env_remove("RUST_BACKTRACE");
        command.output().expect("the program runs")
    }

    /// What `alone` has set: only there.
    fn keyed() -> Option<String> {
        env::var("DISCRETION").ok()
    }

    fn told(test: &str) -> String {
        let output = alone(test);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a panic of its own needs a thread of its own")]
    fn dies_of_what_was_keyed() {
        let Some(keyed) = keyed() else { return };
        begin();
        assert!(thread::spawn(move || panic!("somebody keyed {keyed}")).join().is_err());
        assert!(thread::spawn(|| panic!("this is known")).join().is_err());
    }

    #[test]
    fn a_panic_shows_its_place_and_no_data() {
        let told = told("dies_of_what_was_keyed");
        assert!(told.contains("panicked at src/cli/discretion.rs:"), "{told}");
        assert!(told.contains("not shown") && told.contains("this is known"), "{told}");
        assert!(!told.contains("somebody") && !told.contains(KEYED), "{told}");
    }

    #[test]
    fn dumps_are_forbidden_and_allowed() {
        if keyed().is_none() {
            return;
        }
        let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).expect("a limit");
        begin();
        let dumpable = || rustix::process::dumpable_behavior().expect("it is told");
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((0, hard)));
        assert_eq!(dumpable(), DumpableBehavior::NotDumpable);
        allow_dumps().expect("it was allowed before");
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((hard, hard)));
        assert_eq!(dumpable(), DumpableBehavior::Dumpable);
        println!("the limit was {soft}");
    }

    #[test]
    fn no_memory_is_dumped_unless_it_is_allowed() {
        assert!(told("dumps_are_forbidden_and_allowed").contains("the limit was"));
    }
}
