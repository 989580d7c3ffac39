//! The turnstile: how many messages a second one address may send. What is beyond that is dropped before it is read, so
//! that a scanner that floods us costs hardly more than its datagrams do.
//!
//! Whoever is on no trunk has the setting's share, and a trunk whose calls a second are limited has what those take;
//! other trunks pass freely. Each source is let in at an even pace, with a quarter of a second's messages at once where
//! it has been quiet (the generic cell rate algorithm, ITU-T I.371 annex A): what a flood is granted in a second does
//! not come in a heap at the second's beginning, behind which every caller would wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// In what the messages of a source are counted, and how often those are forgotten who have been quiet.
const WINDOW: Duration = Duration::from_secs(1);

/// How far a source may be ahead of its pace.
const AHEAD_MAX: Duration = Duration::from_millis(250);

/// Messages that may come at once however few may in a second: a call's first ones come together.
const AT_ONCE_MIN: u32 = 10;

/// Sources that are told apart at a time. All others share what one of them may send: senders that forge their
/// addresses cannot make the table grow.
const SOURCES_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    /// Until when each source has used its share up, had it kept its pace. Who has caught up is as good as unknown.
    used_until: HashMap<IpAddr, Instant>,
    /// The same of the sources that had no room, as of one.
    others: Option<Instant>,
    /// When those who have caught up were forgotten last.
    swept: Option<Instant>,
}

impl Turnstile {
    /// Whether one more message of `source` is let in, where `max` are in a second; 0 counts as 1.
    pub fn admits(&mut self, source: IpAddr, max: usize, now: Instant) -> bool {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= WINDOW) {
            self.swept = Some(now);
            self.used_until.retain(|_, until| *until > now);
        }
        let source = network(source);
        let has_room = self.used_until.len() < SOURCES_MAX || self.used_until.contains_key(&source);
        let until = if has_room {
            self.used_until.entry(source).or_insert(now)
        } else {
            self.others.get_or_insert(now)
        };
        let pace = WINDOW / u32::try_from(max).unwrap_or(u32::MAX).max(1);
        let next = now.max(*until) + pace;
        let is_let_in = next <= now + AHEAD_MAX.max(pace * AT_ONCE_MIN);
        if is_let_in {
            *until = next;
        }
        is_let_in
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
    fn a_flood_is_let_in_at_an_even_pace() {
        let (mut turnstile, start) = (Turnstile::default(), start());
        let flooder = ip("198.51.100.1");
        let at = |message: u32| start + Duration::from_micros(50) * message;
        let let_in: Vec<u32> =
            (0..60_000).filter(|message| turnstile.admits(flooder, 1000, at(*message))).collect();
        let of_second = |second: u32| let_in.iter().filter(|message| *message / 20_000 == second).count();
        // The quarter is there at once, and what comes in meanwhile.
        assert_eq!([0, 1, 2].map(of_second), [1249, 1000, 1000]);
        let heap = let_in.iter().take_while(|message| at(**message) < start + AHEAD_MAX).count();
        assert_eq!(heap, 499, "a quarter of a second's share, and the share of a quarter of a second");
        let paces = let_in.windows(2).skip(heap).map(|pair| pair[1] - pair[0]);
        assert!(paces.clone().all(|messages| messages == 20), "one a millisecond");
        assert!(turnstile.admits(ip("198.51.100.2"), 1000, at(60_000)), "somebody else");
    }

    #[test]
    fn who_was_quiet_may_come_with_several_at_once() {
        for (max, at_once) in [(10, 10), (40, 10), (100, 25), (1000, 250)] {
            let (mut turnstile, start, source) = (Turnstile::default(), start(), ip("198.51.100.1"));
            for second in [0, 3] {
                let now = start + WINDOW * second;
                let let_in = (0..2000).filter(|_| turnstile.admits(source, max, now)).count();
                assert_eq!(let_in, at_once, "{max} a second");
                let one_later = now + WINDOW / max as u32;
                assert!(
                    turnstile.admits(source, max, one_later) && !turnstile.admits(source, max, one_later)
                );
            }
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
            assert!((0..AT_ONCE_MIN).all(|_| turnstile.admits(ip(one), 1, now)));
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
        let strangers = SOURCES_MAX..SOURCES_MAX * 2;
        let let_in = strangers.filter(|number| turnstile.admits(source(*number), 2, now)).count();
        assert_eq!(let_in, AT_ONCE_MIN as usize);
        assert!(turnstile.admits(source(0), 2, now), "who is in the table has a share of his own");
        assert_eq!(turnstile.used_until.len(), SOURCES_MAX);
        let later = now + WINDOW;
        assert!(turnstile.admits(source(SOURCES_MAX + 3), 2, later));
        assert!(turnstile.used_until.len() < SOURCES_MAX, "who has been quiet has made room");
    }
}
