//! Whether a server answers: OPTIONS now and then (RFC 3261 §11), and what their answers or the lack of them say.
//!
//! It sends nothing itself, and knows no address.

use std::time::{Duration, Instant};

/// Pings in a row without an answer after which a server counts as down.
const MISSES_MAX: u32 = 3;

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Not enough to say anything.
    Unknown,
    /// It answered the last time.
    Up,
    /// It has not answered a few times in a row.
    Down,
}

/// The pings to one server.
#[derive(Debug)]
pub struct Pings {
    interval: Duration,
    next: Instant,
    /// Whether the last one has no answer yet.
    open: bool,
    due: bool,
    misses: u32,
    liveness: Liveness,
}

impl Pings {
    /// A ping at once, and one each `interval` after it.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, next: now, open: false, due: false, misses: 0, liveness: Liveness::Unknown }
    }

    /// Whether a ping is to be sent now.
    pub fn poll_ping(&mut self) -> bool {
        std::mem::take(&mut self.due)
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// Runs what is due at `now`. A ping that has no answer by the time of the next one is missed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next > now {
            return;
        }
        self.next = now + self.interval;
        if std::mem::replace(&mut self.open, true) {
            self.missed();
        }
        self.due = true;
    }

    /// Takes the final answer to the last ping; silence is a 408.
    pub fn answered(&mut self, status: u16) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        // Whatever else it says, it is there; but 503 says to go elsewhere, and the others that it speaks for
        // somebody who is not there.
        if matches!(status, 408 | 502..=504) {
            return self.missed();
        }
        self.misses = 0;
        self.liveness = Liveness::Up;
    }

    /// What is known of the server.
    pub fn liveness(&self) -> Liveness {
        self.liveness
    }

    fn missed(&mut self) {
        self.misses = self.misses.saturating_add(1);
        if self.misses >= MISSES_MAX {
            self.liveness = Liveness::Down;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    const INTERVAL: Duration = Duration::from_secs(30);

    /// Pings by what each gets, 0 for nothing; gives what is known after each.
    fn after(answers: &[u16]) -> Vec<Liveness> {
        let now = start();
        let mut pings = Pings::new(INTERVAL, now);
        let mut known = Vec::new();
        for (index, &answer) in answers.iter().enumerate() {
            let at = now + INTERVAL * index as u32;
            assert_eq!(pings.poll_timeout(), at);
            pings.handle_timeout(at);
            assert!(pings.poll_ping() && !pings.poll_ping());
            if answer != 0 {
                pings.answered(answer);
            }
            known.push(pings.liveness());
        }
        known
    }

    #[test]
    fn a_server_is_up_by_its_answer_and_down_by_three_silences() {
        use Liveness::{Down, Unknown, Up};
        assert_eq!(after(&[200, 404, 405, 401, 500]), [Up; 5], "whatever it says, it is there");
        assert_eq!(after(&[0, 0, 0, 0]), [Unknown, Unknown, Unknown, Down], "told when the next is due");
        assert_eq!(after(&[200, 408, 503, 504, 200]), [Up, Up, Up, Down, Up]);
        assert_eq!(after(&[503, 503, 200, 503, 503]), [Unknown, Unknown, Up, Up, Up], "in a row");
    }

    #[test]
    fn an_answer_counts_once() {
        let now = start();
        let mut pings = Pings::new(INTERVAL, now);
        pings.answered(200);
        assert_eq!(pings.liveness(), Liveness::Unknown, "to nothing");
        pings.handle_timeout(now);
        for _ in 0..8 {
            pings.answered(503);
        }
        assert_eq!(pings.liveness(), Liveness::Unknown);
    }
}
