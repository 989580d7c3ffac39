//! Asks for a secret at the terminal, without showing what is typed.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The secret, from the terminal, where it is asked for by `prompt`; else from the first line that is piped in.
pub(super) fn secret(prompt: &str) -> io::Result<String> {
    let input = io::stdin();
    let _silence = if input.is_terminal() {
        eprint!("{prompt}: ");
        io::stderr().flush()?;
        Some(Silence::begin()?)
    } else {
        None
    };
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    let secret = line.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nothing was entered"));
    }
    Ok(secret.to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Silence {
    before: Termios,
}

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
        eprintln!();
    }
}
