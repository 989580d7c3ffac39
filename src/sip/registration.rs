//! One registration of ours: when to REGISTER, where, and for how long (RFC 3261 §10.2, RFC 5626 §4.5).
//!
//! ```text
//!            .--------- refused, silent: the next server, or after a wait -------.
//!            v                                                                   |
//!   start -> Asking --2xx--> Registered --refresh due--> Asking (and registered until then)
//!            |  ^                |
//!        423 '--'                '-- leave --> Leaving --any answer--> Left
//! ```
//!
//! It builds no message and knows no address: servers are numbers, in the order of preference.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use super::errand::Reply;

/// RFC 5626 §4.5: the first wait once every server has failed, which doubles.
const WAIT: Duration = Duration::from_secs(30);

/// RFC 5626 §4.5: no wait is longer, unless a server asks for it.
const WAIT_MAX: Duration = Duration::from_mins(30);

/// The longest wait that a server may ask for by Retry-After.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The longest registration that a server may insist on by Min-Expires.
const MIN_EXPIRES_MAX: Duration = Duration::from_hours(24);

/// How long before its end a registration is refreshed: time for one server to be silent and another to answer.
const MARGIN: Duration = Duration::from_mins(1);

/// No refresh comes sooner after the last one, however short a registration the server grants.
const REFRESH_MIN: Duration = Duration::from_secs(5);

/// How a registration is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationState {
    /// There has been no answer yet.
    Trying,
    /// There is one, at this server and until then.
    Registered {
        /// Which server.
        server: usize,
        /// Until when.
        until: Instant,
    },
    /// The last one asked refused with this status, or was silent (408).
    Failed(u16),
    /// It has been given up, at our wish.
    Left,
}

/// What is wanted of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Which server to ask.
    pub server: usize,
    /// For how long to be registered; nothing at all ends it.
    pub expires: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A REGISTER is under way.
    Asking { server: usize, asked_for: Duration },
    /// Nothing is, until then.
    Waiting { until: Instant, server: usize },
    /// A REGISTER that ends it is under way.
    Leaving,
    /// Over.
    Left,
}

/// One registration.
#[derive(Debug)]
pub struct Registration {
    servers: usize,
    /// Those that are known not to answer, and are passed over while others are there.
    down: Vec<bool>,
    expires: Duration,
    rng: StdRng,
    phase: Phase,
    state: RegistrationState,
    /// Servers that failed since the last success or wait.
    failed_now: usize,
    /// Rounds in which all of them did.
    rounds: u32,
    /// The longest that a server of this round wants to be left alone.
    retry_after: Duration,
    wanted: Option<Register>,
}

impl Registration {
    /// Registers at the first of `servers` (at least one) for `expires` at a time.
    pub fn new(servers: usize, expires: Duration, rng: StdRng) -> Self {
        let mut new = Self {
            servers: servers.max(1),
            down: vec![false; servers.max(1)],
            expires,
            rng,
            phase: Phase::Left,
            state: RegistrationState::Trying,
            failed_now: 0,
            rounds: 0,
            retry_after: Duration::ZERO,
            wanted: None,
        };
        new.ask(0, expires);
        new
    }

    /// What is to be sent now.
    pub fn poll_action(&mut self) -> Option<Register> {
        self.wanted.take()
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let end = match self.state {
            RegistrationState::Registered { until, .. } => Some(until),
            _ => None,
        };
        let next = match self.phase {
            Phase::Waiting { until, .. } => Some(until),
            Phase::Asking { .. } | Phase::Leaving | Phase::Left => None,
        };
        [end, next].into_iter().flatten().min()
    }

    /// Runs what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.state, RegistrationState::Registered { until, .. } if until <= now) {
            self.state = RegistrationState::Failed(408);
        }
        if let Phase::Waiting { until, server } = self.phase
            && until <= now
        {
            self.ask(self.usable(server), self.expires);
        }
    }

    /// Takes the final answer to what was asked last; silence is a 408.
    pub fn answered(&mut self, reply: &Reply, now: Instant) {
        match self.phase {
            Phase::Asking { server, asked_for } => match reply.status {
                200..300 => self.registered(server, reply.expires.unwrap_or(asked_for), now),
                423 => self.too_brief(server, asked_for, reply, now),
                _ => self.refused(server, reply, now),
            },
            Phase::Leaving => {
                self.phase = Phase::Left;
                self.state = RegistrationState::Left;
            }
            Phase::Waiting { .. } | Phase::Left => {}
        }
    }

    /// Ends it: what is registered is taken back.
    pub fn leave(&mut self) {
        // A REGISTER under way may yet succeed, so it is taken back as well.
        let server = match (self.state, self.phase) {
            (_, Phase::Leaving | Phase::Left) => return,
            (_, Phase::Asking { server, .. }) | (RegistrationState::Registered { server, .. }, _) => server,
            _ => {
                self.phase = Phase::Left;
                self.state = RegistrationState::Left;
                return;
            }
        };
        self.phase = Phase::Leaving;
        self.wanted = Some(Register { server, expires: Duration::ZERO });
    }

    /// Whether a server answers, as somebody else has found out. Where the one that we are registered at does not,
    /// the next is asked at once.
    pub fn set_up(&mut self, server: usize, up: bool) {
        if let Some(down) = self.down.get_mut(server) {
            *down = !up;
        }
        let registered_there =
            matches!(self.state, RegistrationState::Registered { server: at, .. } if at == server);
        if let (Phase::Waiting { .. }, true, false) = (self.phase, registered_there, up) {
            let next = self.usable(server);
            if next != server {
                self.ask(next, self.expires);
            }
        }
    }

    /// How it is going.
    pub fn state(&self) -> RegistrationState {
        self.state
    }

    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Left
    }

    fn ask(&mut self, server: usize, expires: Duration) {
        self.phase = Phase::Asking { server, asked_for: expires };
        self.wanted = Some(Register { server, expires });
    }

    fn registered(&mut self, server: usize, granted: Duration, now: Instant) {
        if granted.is_zero() {
            return self.failed(server, 200, true, now);
        }
        (self.failed_now, self.rounds, self.retry_after) = (0, 0, Duration::ZERO);
        self.state = RegistrationState::Registered { server, until: now + granted };
        let in_time = granted.saturating_sub(MARGIN.min(granted / 2)).max(REFRESH_MIN);
        self.phase = Phase::Waiting { until: now + in_time, server };
    }

    /// RFC 3261 §10.2.8: once more, for as long as the server wants.
    fn too_brief(&mut self, server: usize, asked_for: Duration, reply: &Reply, now: Instant) {
        match reply.min_expires.filter(|least| *least > asked_for && *least <= MIN_EXPIRES_MAX) {
            Some(least) => {
                self.expires = least;
                self.ask(server, least);
            }
            None => self.failed(server, reply.status, true, now),
        }
    }

    fn refused(&mut self, server: usize, reply: &Reply, now: Instant) {
        self.retry_after = self.retry_after.max(reply.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
        // Another server may do what this one cannot now; what it will not do, none of them will, and to ask
        // each with a wrong password gets us locked out of all.
        let cannot = matches!(reply.status, 408 | 500..600);
        self.failed(server, reply.status, !cannot, now);
    }

    fn failed(&mut self, server: usize, status: u16, for_all: bool, now: Instant) {
        let still_registered =
            matches!(self.state, RegistrationState::Registered { until, .. } if until > now);
        if !still_registered {
            self.state = RegistrationState::Failed(status);
        }
        self.failed_now += 1;
        let next = self.usable((server + 1) % self.servers);
        if !for_all && self.failed_now < self.servers && next != server {
            return self.ask(next, self.expires);
        }
        // RFC 5626 §4.5: between half of the wait and all of it, so that not everybody comes back at once.
        let wait = WAIT.saturating_mul(1 << self.rounds.min(16)).min(WAIT_MAX);
        let wait = wait.mul_f64(self.rng.random_range(0.5..=1.0)).max(self.retry_after);
        self.rounds += 1;
        (self.failed_now, self.retry_after) = (0, Duration::ZERO);
        self.phase = Phase::Waiting { until: now + wait, server: next };
    }

    /// The first from `server` on that is not known to be down; `server` itself where all are.
    fn usable(&self, server: usize) -> usize {
        let from = (0..self.servers).map(|step| (server + step) % self.servers);
        from.into_iter().find(|&server| !self.down[server]).unwrap_or(server)
    }
}

#[cfg(test)]
mod tests;
