//! A conversation by hand: what is said appears as text, and what is typed is keyed.

use std::io::{self, BufRead, Write};

use super::conversation::{Conversation, Happened, Now};
use super::texts::{Texts, Values, prompts};
use crate::flow::{HandOverEnd, Step};
use crate::secret::Digit;

/// What can be typed.
pub const HELP: &str = "Type keys and Enter to press them once all has been heard, !keys to press them while it plays, \
                        Enter alone to press nothing, h to hang up.";

/// Somebody at a terminal who speaks with a line.
pub struct Terminal<'t, I, O> {
    pub conversation: Conversation<'t>,
    pub texts: &'t Texts,
    pub input: I,
    pub output: O,
    shown: usize,
}

impl<'t, I: BufRead, O: Write> Terminal<'t, I, O> {
    pub fn new(conversation: Conversation<'t>, texts: &'t Texts, input: I, output: O) -> Self {
        Self { conversation, texts, input, output, shown: 0 }
    }

    /// Speaks until it is over, or nothing more is typed.
    pub fn talk(&mut self) -> io::Result<()> {
        loop {
            self.go_on_to_question()?;
            if self.conversation.is_over() {
                return Ok(());
            }
            write!(self.output, "> ")?;
            self.output.flush()?;
            let mut typed = String::new();
            if self.input.read_line(&mut typed)? == 0 {
                writeln!(self.output)?;
                self.conversation.hang_up();
                return Ok(());
            }
            self.take(typed.trim())?;
        }
    }

    fn take(&mut self, typed: &str) -> io::Result<()> {
        match (typed, typed.strip_prefix('!')) {
            ("", _) => self.press_nothing(),
            ("h", _) => {
                self.conversation.hang_up();
                Ok(())
            }
            ("?", _) => writeln!(self.output, "{HELP}"),
            (_, Some(keys)) => self.press(keys),
            (keys, None) => {
                // What cannot be keyed is told before anything moves on.
                if read(keys).is_some() {
                    self.go_on_to_turn()?;
                }
                self.press(keys)
            }
        }
    }

    fn press(&mut self, typed: &str) -> io::Result<()> {
        match read(typed) {
            Some(keys) => self.conversation.press(&keys),
            None => writeln!(self.output, "A telephone has the keys 0 to 9, *, #, and A to D. {HELP}")?,
        }
        self.show()
    }

    /// Hears what plays to its end, and whatever follows by itself; or lets time pass, if it is the caller's turn.
    fn press_nothing(&mut self) -> io::Result<()> {
        if self.conversation.playing().is_some_and(|play| !play.looped) {
            let count = self.shown;
            while self.conversation.go_on() == Now::Different {
                self.show()?;
                if self.shown > count {
                    return Ok(());
                }
            }
        }
        if !self.conversation.let_pass() {
            writeln!(self.output, "The line does not wait for anything.")?;
        }
        self.show()
    }

    /// Goes on until something is asked: what leads there is heard without more ado.
    fn go_on_to_question(&mut self) -> io::Result<()> {
        self.show()?;
        let asks = |step| matches!(step, Step::Identifying | Step::Verifying | Step::Serving);
        loop {
            let plays = self.conversation.playing().is_some_and(|play| !play.looped);
            if (plays && asks(self.conversation.step())) || self.conversation.go_on() != Now::Different {
                return self.show();
            }
            self.show()?;
        }
    }

    fn go_on_to_turn(&mut self) -> io::Result<()> {
        while self.conversation.go_on() == Now::Different {
            self.show()?;
        }
        Ok(())
    }

    /// Shows what has happened since.
    fn show(&mut self) -> io::Result<()> {
        for happened in self.conversation.happened().iter().skip(self.shown) {
            match happened {
                Happened::Came(step) => writeln!(self.output, "-- {}", name(*step))?,
                Happened::Said(said) => {
                    let words = self.texts.words(said, Values::Told);
                    let again = if said.looped { " again and again" } else { "" };
                    writeln!(self.output, "  \"{words}\"{again}  ({})", prompts(said).join(" "))?;
                }
                Happened::Asked(action) => writeln!(self.output, "  back end: {action}?")?,
                Happened::Answered(action, word) => writeln!(self.output, "  back end: {action}: {word}")?,
                Happened::Entered(line) => writeln!(self.output, "  on to line {line}")?,
                Happened::HandedOver(target, end) => {
                    writeln!(self.output, "  handed over to {target}: {}", ending(*end))?;
                }
            }
            self.shown += 1;
        }
        Ok(())
    }
}

fn read(typed: &str) -> Option<Vec<Digit>> {
    let keys: Option<Vec<Digit>> = typed.chars().filter(|key| *key != ' ').map(Digit::from_char).collect();
    keys.filter(|keys| !keys.is_empty())
}

fn ending(end: HandOverEnd) -> &'static str {
    match end {
        HandOverEnd::Taken => "taken",
        HandOverEnd::Refused => "refused",
        HandOverEnd::Unclear => "nothing was heard of it",
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Greeting => "greeting",
        Step::Identifying => "identifying",
        Step::Verifying => "verifying",
        Step::Serving => "serving",
        Step::HandingOver => "handing over",
        Step::Ended => "over",
    }
}
