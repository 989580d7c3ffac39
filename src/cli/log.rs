//! The log, on standard error. What others say may stand in it, and cannot pass for a line of ours: a line of the log
//! begins where a line begins, and nowhere else.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What a message's second line and those after it begin with.
const FURTHER: &str = "\n    ";

/// Logs go to standard error: `RUST_LOG` says how much, INFO without it.
pub(super) fn to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_coloured = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines { is_coloured })
        .with_ansi(is_coloured)
        .with_target(false)
        .init();
}

/// Writes events so that each is known for one.
struct Lines {
    /// Whether there are our own colours in them; the subscriber has then seen to those of others.
    is_coloured: bool,
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line { is_coloured: self.is_coloured }
    }
}

/// Takes one event at a time, whole, with the line end that is its last character.
struct Line {
    is_coloured: bool,
}

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(unmistakable(&String::from_utf8_lossy(event), self.is_coloured).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// An event with every line but its first set in, and without what moves a terminal's cursor.
fn unmistakable(event: &str, is_coloured: bool) -> Cow<'_, str> {
    let (text, end) = event.strip_suffix('\n').map_or((event, ""), |text| (text, "\n"));
    let is_known = |letter: char| letter == '\t' || (letter == '\u{1b}' && is_coloured);
    if !text.chars().any(|letter| letter.is_control() && !is_known(letter)) {
        return event.into();
    }
    let mut safe = String::with_capacity(event.len() + 64);
    for letter in text.chars() {
        // Writing to a string cannot fail.
        let _ = match letter {
            '\n' => safe.write_str(FURTHER),
            _ if letter.is_control() && !is_known(letter) => write!(safe, "{}", letter.escape_default()),
            _ => safe.write_char(letter),
        };
    }
    safe.push_str(end);
    safe.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_say_begins_a_line() {
        let table = [
            ("INFO ready\n", false, "INFO ready\n"),
            ("INFO a\tb Zoë\n", false, "INFO a\tb Zoë\n"),
            ("WARN the file:\n  line 3\n", false, "WARN the file:\n      line 3\n"),
            ("INFO from=a\r\nERROR forged\n", false, "INFO from=a\\r\n    ERROR forged\n"),
            ("INFO \u{1b}[2Jgone\u{7}\n", false, "INFO \\u{1b}[2Jgone\\u{7}\n"),
            ("\u{1b}[32mINFO\u{1b}[0m a\u{8}b\n", true, "\u{1b}[32mINFO\u{1b}[0m a\\u{8}b\n"),
            ("INFO \u{9b}2J\u{0}\n", true, "INFO \\u{9b}2J\\u{0}\n"),
        ];
        for (event, is_coloured, expected) in table {
            assert_eq!(unmistakable(event, is_coloured), expected, "{event:?}");
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_its_fields_say() {
        let hostile = "x\r\n2026-12-01T00:00:00Z ERROR forged\u{1b}[31m";
        let (sender, receiver) = std::sync::mpsc::channel();
        let writer = move || Sent(sender.clone());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(shown = %hostile, debugged = ?hostile, "said: {hostile}");
        });
        // Whole events, as `Line` wants them.
        let event = receiver.try_recv().expect("an event");
        assert!(receiver.try_recv().is_err(), "in one piece");
        let safe = unmistakable(&event, false).into_owned();
        assert!(safe.ends_with('\n') && safe.contains("forged"), "{safe}");
        let forged = safe.lines().skip(1).any(|line| !line.starts_with(FURTHER.trim_start_matches('\n')));
        assert!(!forged && !safe.contains(['\r', '\u{1b}']), "{safe:?}");
    }

    /// What `write` was given, each time.
    struct Sent(std::sync::mpsc::Sender<String>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
