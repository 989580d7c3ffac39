//! The turnstile: how many messages a second anybody may send who is on no trunk. What is beyond that is dropped before
//! it is read, so that a scanner that floods us costs hardly more than its datagrams do.
//!
//! Trunks pass freely: what they may bring is counted in calls, where `trunk` says so. Seconds are fixed windows,
//! and of two that follow each other a source may fill the end of one and the beginning of the next.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How long counts are kept.
const WINDOW: Duration = Duration::from_secs(1);

/// Sources that are told apart in one window. All others share what one of them may send: senders that forge their
/// addresses cannot make the table grow.
const SOURCES_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    /// When the present window began.
    since: Option<Instant>,
    /// Messages of each source in it.
    messages: HashMap<IpAddr, usize>,
    /// Messages of the sources that had no room.
    others: usize,
}

impl Turnstile {
    /// Whether one more message of `source` is let in, where `max` are in a window.
    pub fn admits(&mut self, source: IpAddr, max: usize, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            self.since = Some(now);
            self.messages.clear();
            self.others = 0;
        }
        let source = network(source);
        let has_room = self.messages.len() < SOURCES_MAX || self.messages.contains_key(&source);
        let messages = if has_room { self.messages.entry(source).or_default() } else { &mut self.others };
        *messages = messages.saturating_add(1);
        *messages <= max
    }
}

/// Who counts as one source: an IPv4 address, or the 64 bits of IPv6 that one subscriber has to himself (RFC 6177).
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_window_lets_in_as_many_as_it_may_and_the_next_begins_anew() {
        let (mut turnstile, start) = (Turnstile::default(), start());
        let flooder = ip("198.51.100.1");
        for window in 0..3 {
            let at = |ms| start + WINDOW * window + Duration::from_millis(ms);
            let let_in =
                (0..20_000).filter(|message| turnstile.admits(flooder, 1000, at(message / 21))).count();
            assert_eq!(let_in, 1000);
            assert!(!turnstile.admits(flooder, 1000, at(999)));
            assert!(turnstile.admits(ip("198.51.100.2"), 1000, at(999)), "somebody else");
        }
    }

    #[test]
    fn who_has_a_whole_network_is_one_source() {
        let table = [
            ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ];
        for (one, other, same) in table {
            let (mut turnstile, now) = (Turnstile::default(), start());
            assert!(turnstile.admits(ip(one), 1, now));
            assert_eq!(turnstile.admits(ip(other), 1, now), !same, "{one} {other}");
        }
    }

    #[test]
    fn beyond_a_full_table_strangers_share_what_one_may_send() {
        let (mut turnstile, now) = (Turnstile::default(), start());
        let source = |number: usize| IpAddr::from((number as u32).to_be_bytes());
        for number in 0..SOURCES_MAX {
            assert!(turnstile.admits(source(number), 2, now));
        }
        assert!(
            turnstile.admits(source(SOURCES_MAX), 2, now)
                && turnstile.admits(source(SOURCES_MAX + 1), 2, now)
        );
        assert!(!turnstile.admits(source(SOURCES_MAX + 2), 2, now));
        assert!(turnstile.admits(source(0), 2, now), "who is in the table has a share of his own");
        assert_eq!(turnstile.messages.len(), SOURCES_MAX);
        assert!(turnstile.admits(source(SOURCES_MAX + 3), 2, now + WINDOW));
    }
}
