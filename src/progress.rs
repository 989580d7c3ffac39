//! How far something long has come: a bar on a terminal; elsewhere a few lines in the log, without control characters.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

/// Cells of the bar.
const CELLS: usize = 30;

/// How often a bar is drawn anew at the most.
const DRAWN: usize = 100;

/// Lines in the log. What is sooner done than told of has only the last.
const LOGGED: usize = 4;
const LOGGED_FROM: usize = 200;

/// A bar so far filled.
pub fn bar(done: usize, total: usize) -> String {
    let filled = done * CELLS / total.max(1);
    (0..CELLS).map(|cell| if cell < filled { '█' } else { '░' }).collect()
}

/// Puts a text in place of the line that the cursor stands in; an empty one clears it.
pub fn show(text: &str) {
    let mut terminal = io::stderr().lock();
    // A terminal that takes nothing shows nothing.
    drop(write!(terminal, "\r{text}\x1b[K").and_then(|()| terminal.flush()));
}

/// Tells how many of some things are done. Many threads may do so.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    is_shown: bool,
    steps_told: Mutex<usize>,
}

impl Progress {
    /// Of loading `what`, which is a plural, to whoever reads standard error.
    pub fn of_loading(what: &'static str) -> Self {
        Self { what, is_shown: io::stderr().is_terminal(), steps_told: Mutex::new(0) }
    }

    /// Tells it where that is worth it.
    pub fn tell(&self, done: usize, total: usize) {
        // A number is whole whoever panicked beside it.
        let mut told = self.steps_told.lock().unwrap_or_else(PoisonError::into_inner);
        let step = done * self.steps(total) / total.max(1);
        if step <= *told {
            return;
        }
        *told = step;
        let Self { what, .. } = self;
        match (self.is_shown, done < total) {
            (true, true) => show(&format!("{} loaded {done} of {total} {what}", bar(done, total))),
            (true, false) => show(""),
            (false, _) => tracing::info!("loaded {done} of {total} {what}"),
        }
    }

    fn steps(&self, total: usize) -> usize {
        match total {
            _ if self.is_shown => DRAWN,
            LOGGED_FROM.. => LOGGED,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts at which something is told.
    fn told(is_shown: bool, total: usize) -> Vec<usize> {
        let progress = Progress { what: "prompts", is_shown, steps_told: Mutex::new(0) };
        let mut before = 0;
        let counts = (1..=total).filter(|done| {
            progress.tell(*done, total);
            let now = *progress.steps_told.lock().unwrap();
            std::mem::replace(&mut before, now) < now
        });
        counts.collect()
    }

    #[test]
    fn a_log_is_told_a_few_times_and_a_terminal_more_often() {
        assert_eq!(told(false, 2000), [500, 1000, 1500, 2000]);
        assert_eq!(told(false, 35), [35]);
        assert_eq!(told(false, 0), [0; 0]);
        assert_eq!(told(true, 2000).len(), 100);
        assert_eq!(told(true, 7), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_bar_is_filled_from_the_left() {
        assert_eq!(bar(0, 10), "░".repeat(30));
        assert_eq!(bar(5, 10), ["█".repeat(15), "░".repeat(15)].concat());
        assert_eq!(bar(10, 10), "█".repeat(30));
        assert_eq!(bar(0, 0), "░".repeat(30));
    }
}
