//! A registration through its life: refreshed, refused, moved, given up.

use rand::SeedableRng;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

#[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
fn start() -> Instant {
    Instant::now()
}

struct Run {
    registration: Registration,
    now: Instant,
    began: Instant,
}

fn reply(status: u16) -> Reply {
    Reply { status, ..Reply::default() }
}

fn granted(seconds: u64) -> Reply {
    Reply { expires: Some(Duration::from_secs(seconds)), ..reply(200) }
}

impl Run {
    fn new(servers: usize) -> Self {
        let now = start();
        let registration = Registration::new(servers, HOUR, StdRng::seed_from_u64(1));
        Self { registration, now, began: now }
    }

    /// Waits for the next REGISTER; gives its server, its seconds, and when it came.
    fn next(&mut self) -> (usize, u64, u64) {
        loop {
            if let Some(Register { server, expires }) = self.registration.poll_action() {
                return (server, expires.as_secs(), (self.now - self.began).as_secs());
            }
            self.now = self.registration.poll_timeout().expect("it is not over");
            self.registration.handle_timeout(self.now);
        }
    }

    fn answer(&mut self, reply: &Reply) {
        self.registration.answered(reply, self.now);
    }

    fn is_registered(&self) -> bool {
        matches!(self.registration.state(), RegistrationState::Registered { .. })
    }
}

#[test]
fn it_is_refreshed_in_time_by_what_the_server_grants() {
    let table = [(3600, 3540), (600, 540), (120, 60), (60, 30), (8, 5), (2, 5)];
    for (seconds, refreshed_at) in table {
        let mut run = Run::new(1);
        assert_eq!(run.next(), (0, 3600, 0));
        assert_eq!(run.registration.state(), RegistrationState::Trying);
        run.answer(&granted(seconds));
        let until = run.now + Duration::from_secs(seconds);
        assert_eq!(run.registration.state(), RegistrationState::Registered { server: 0, until });
        assert_eq!(run.next(), (0, 3600, refreshed_at), "granted {seconds} s");
    }
    let mut silent = Run::new(1);
    silent.next();
    silent.answer(&reply(200));
    assert_eq!(silent.next(), (0, 3600, 3540), "a server that says nothing grants what was asked for");
}

#[test]
fn a_server_that_wants_longer_gets_it_and_one_that_wants_for_ever_does_not() {
    let mut run = Run::new(1);
    run.next();
    let wants = |seconds| Reply { min_expires: Some(Duration::from_secs(seconds)), ..reply(423) };
    run.answer(&wants(7200));
    assert_eq!(run.next(), (0, 7200, 0));
    run.answer(&granted(7200));
    assert_eq!(run.next(), (0, 7200, 7140), "remembered for the next time");
    for reply in [wants(7200), wants(86_401), reply(423)] {
        let mut run = Run::new(1);
        run.registration.expires = Duration::from_hours(2);
        run.next();
        run.registration.ask(0, Duration::from_hours(2));
        run.next();
        run.answer(&reply);
        assert_eq!(run.registration.state(), RegistrationState::Failed(423));
        assert!((15..=30).contains(&run.next().2), "no loop");
    }
}

#[test]
fn failures_wait_twice_as_long_each_time_and_no_longer_than_half_an_hour() {
    let mut run = Run::new(1);
    let mut last = run.next().2;
    for wait in [30, 60, 120, 240, 480, 960, 1800, 1800, 1800] {
        run.answer(&reply(503));
        assert_eq!(run.registration.state(), RegistrationState::Failed(503));
        let at = run.next().2;
        assert!((wait / 2..=wait).contains(&(at - last)), "{} s in place of {wait} s", at - last);
        last = at;
    }
    run.answer(&granted(3600));
    run.next();
    run.answer(&reply(503));
    assert!(run.is_registered(), "until it expires");
    let before = (run.now - run.began).as_secs();
    assert!((15..=30).contains(&(run.next().2 - before)), "counted anew after a success");
}

#[test]
fn retry_after_is_honoured_up_to_an_hour() {
    for (asked, waited) in [(90, 90), (86_400, 3600)] {
        let mut run = Run::new(1);
        run.next();
        run.answer(&Reply { retry_after: Some(Duration::from_secs(asked)), ..reply(503) });
        assert_eq!(run.next().2, waited);
    }
}

#[test]
fn the_next_server_is_asked_at_once_where_one_cannot_and_not_where_it_will_not() {
    let mut run = Run::new(3);
    assert_eq!(run.next().0, 0);
    for (status, server) in [(408, 1), (500, 2)] {
        run.answer(&reply(status));
        assert_eq!(run.next(), (server, 3600, 0));
    }
    run.answer(&reply(503));
    let (server, _, at) = run.next();
    assert!(server == 0 && at >= 15, "all have failed: a wait, and from the first again");
    run.answer(&granted(3600));
    assert!(run.is_registered());
    for status in [401, 403, 404, 603] {
        let mut run = Run::new(2);
        run.next();
        run.answer(&reply(status));
        assert_eq!(run.registration.state(), RegistrationState::Failed(status));
        assert!(run.next().2 >= 15, "{status}");
    }
}

#[test]
fn what_is_registered_stays_so_until_it_expires() {
    let mut run = Run::new(1);
    run.next();
    run.answer(&granted(120));
    run.next();
    run.answer(&reply(408));
    assert!(run.is_registered());
    run.next();
    assert!(run.is_registered());
    run.answer(&reply(408));
    run.next();
    assert_eq!(run.registration.state(), RegistrationState::Failed(408));
}

#[test]
fn a_server_that_is_down_is_left_for_one_that_is_up() {
    let mut run = Run::new(2);
    run.next();
    run.answer(&granted(3600));
    run.registration.set_up(0, false);
    assert_eq!(run.next(), (1, 3600, 0));
    run.answer(&granted(3600));
    run.registration.set_up(0, true);
    assert_eq!(run.next(), (1, 3600, 3540), "it stays where it is");
    run.answer(&granted(3600));
    run.registration.set_up(0, false);
    run.registration.set_up(1, false);
    assert_eq!(run.next().0, 1, "all are down: the one that it has is tried");
}

#[test]
fn leaving_takes_back_what_is_or_may_be_registered() {
    let mut run = Run::new(2);
    run.next();
    run.answer(&granted(3600));
    run.registration.leave();
    run.registration.leave();
    assert_eq!(run.next(), (0, 0, 0));
    assert!(!run.registration.is_over());
    run.answer(&reply(408));
    assert!(run.registration.is_over());
    assert_eq!(run.registration.state(), RegistrationState::Left);

    let mut asking = Run::new(1);
    asking.next();
    asking.registration.leave();
    assert_eq!(asking.next(), (0, 0, 0), "it may have got through");

    let mut failed = Run::new(1);
    failed.next();
    failed.answer(&reply(403));
    failed.registration.leave();
    assert!(failed.registration.is_over() && failed.registration.poll_action().is_none());
    assert_eq!(failed.registration.poll_timeout(), None);
}
