//! How often one may try to log in: each failure too many makes the next try wait longer, by name and by address.
//!
//! A try is charged before the password is looked at, so that many at once gain nothing; one that was right is given back.
//! The wait is short at its longest, and failures are forgiven with time: whoever knows a name must not be able to keep its
//! owner out for long, nor the clumsy fingers of an office, which has one address, its colleagues.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// What the first failure too many costs; each one more costs twice as much.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// What is allowed to a name.
const NAME: Allowance = Allowance { free: 5, forgiven_every: Duration::from_mins(10) };

/// And to an address: many people may share one. Whoever fails from it all day long comes to a try a minute.
const ADDRESS: Allowance = Allowance { free: 20, forgiven_every: Duration::from_mins(1) };

/// How many failures are taken for slips of the finger.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    /// So many failures cost nothing.
    free: u32,
    /// One is forgiven for each of these that passes without another.
    forgiven_every: Duration,
}

/// Names and addresses that are remembered; for one more, the tenth that failed the longest ago is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// The longest part of a name that tells it from others.
const NAME_BYTES_MAX: usize = 64;

/// Who tries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    /// Of a name, whether or not anybody has it.
    Name(Box<str>),
    /// An address, or of IPv6 a network: its owner has all 2^64 addresses in it.
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    failed: u32,
    last: Instant,
    wait_until: Instant,
}

/// Who has failed how often.
#[derive(Debug, Default)]
pub struct Throttle {
    tries: HashMap<Who, Tries>,
}

impl Throttle {
    /// Charges a try to log in as `name` from `address`.
    ///
    /// # Errors
    /// How long to wait first; the try must not be made, and is not charged.
    pub fn charge(&mut self, name: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let who = [Who::name(name), Who::address(address)];
        let waits = who.iter().filter_map(|who| self.tries.get(who)).map(|tries| tries.wait_until);
        if let Some(until) = waits.max().filter(|until| *until > now) {
            return Err(until - now);
        }
        for who in who {
            self.count(who, now);
        }
        Ok(())
    }

    /// Gives back what a try was charged that was right. What failed before from this address stays: otherwise whoever has
    /// one password could try others' between two logins of their own.
    pub fn refund(&mut self, name: &str, address: IpAddr, now: Instant) {
        self.tries.remove(&Who::name(name));
        if let Some(tries) = self.tries.get_mut(&Who::address(address)) {
            tries.failed = tries.failed.saturating_sub(1);
            tries.wait_until = now;
        }
    }

    fn count(&mut self, who: Who, now: Instant) {
        if !self.tries.contains_key(&who) && self.tries.len() >= REMEMBERED_MAX {
            self.forget(now);
        }
        let allowance = who.allowance();
        let tries = self.tries.entry(who).or_insert(Tries { failed: 0, last: now, wait_until: now });
        tries.failed = tries.failed.saturating_sub(allowance.forgiven(tries.last, now)).saturating_add(1);
        tries.last = now;
        tries.wait_until = now + allowance.wait_after(tries.failed);
    }

    fn forget(&mut self, now: Instant) {
        self.tries.retain(|who, tries| who.allowance().forgiven(tries.last, now) < tries.failed);
        if self.tries.len() >= REMEMBERED_MAX {
            let mut lasts: Vec<Instant> = self.tries.values().map(|tries| tries.last).collect();
            // Some at once: looking for the oldest costs as much as finding them all.
            let (_, newest_forgotten, _) = lasts.select_nth_unstable(REMEMBERED_MAX / 10);
            self.tries.retain(|_, tries| tries.last > *newest_forgotten);
        }
    }
}

impl Allowance {
    fn forgiven(self, since: Instant, now: Instant) -> u32 {
        (now.saturating_duration_since(since).as_secs() / self.forgiven_every.as_secs()) as u32
    }

    fn wait_after(self, failed: u32) -> Duration {
        match failed.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(over) => FIRST_WAIT.saturating_mul(2_u32.saturating_pow(over - 1)).min(WAIT_MAX),
        }
    }
}

impl Who {
    fn name(name: &str) -> Self {
        let name = name.trim().to_lowercase();
        let end = (0..=name.len().min(NAME_BYTES_MAX)).rev().find(|end| name.is_char_boundary(*end));
        Self::Name(name[..end.unwrap_or(0)].into())
    }

    fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        })
    }

    fn allowance(&self) -> Allowance {
        match self {
            Self::Name(_) => NAME,
            Self::Address(_) => ADDRESS,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a clock that is only a variable has to begin somewhere")]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(number: u32) -> IpAddr {
        IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number))
    }

    /// Fails at once again whenever the wait is over: the waits, in seconds.
    fn waits(
        throttle: &mut Throttle,
        name: impl Fn(u32) -> String,
        from: impl Fn(u32) -> IpAddr,
    ) -> Vec<u64> {
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for number in 0..40 {
            let wait = throttle.charge(&name(number), from(number), now).err().unwrap_or_default();
            if !wait.is_zero() {
                now += wait;
                throttle.charge(&name(number), from(number), now).expect("the wait is over");
            }
            waits.push(wait.as_secs());
        }
        waits
    }

    #[test]
    fn the_wait_doubles_by_name_wherever_it_is_tried_from() {
        let told = waits(&mut Throttle::default(), |_| "admin".into(), address);
        assert_eq!(told[..14], [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn the_wait_doubles_by_address_whatever_name_is_tried() {
        let told = waits(&mut Throttle::default(), |number| format!("user{number}"), |_| HERE);
        assert_eq!(told[..21], [0; 21]);
        assert_eq!(told[21..27], [1, 2, 4, 8, 16, 32]);
        assert!(told[27..].iter().all(|wait| (32..=60).contains(wait)), "a try a minute is left: {told:?}");
    }

    #[test]
    fn a_try_within_the_wait_is_not_charged_and_time_forgives() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..6 {
            throttle.charge("ann", HERE, start).expect("free");
        }
        for _ in 0..100 {
            assert_eq!(throttle.charge("Ann ", HERE, start), Err(Duration::from_secs(1)));
        }
        let later = start + Duration::from_secs(1);
        throttle.charge("ann", HERE, later).expect("the wait is over");
        assert_eq!(throttle.charge("ann", HERE, later), Err(Duration::from_secs(2)));
        let much_later = later + 7 * NAME.forgiven_every;
        for _ in 0..6 {
            throttle.charge("ann", HERE, much_later).expect("forgiven");
        }
    }

    #[test]
    fn slips_of_a_whole_office_keep_nobody_waiting() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        for number in 0..500 {
            throttle.charge(&format!("user{}", number % 50), HERE, now).expect("one slip a minute");
            now += Duration::from_mins(1);
        }
    }

    #[test]
    fn a_login_of_ones_own_buys_no_tries_at_others_names() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let mut tried = 0;
        while throttle.charge(&format!("victim{tried}"), HERE, now).is_ok() {
            tried += 1;
            if throttle.charge("mallory", HERE, now).is_err() {
                break;
            }
            throttle.refund("mallory", HERE, now);
            assert!(tried < 100, "it is never slowed down");
        }
        assert!(tried <= ADDRESS.free + 1, "{tried}");
    }

    #[test]
    fn who_logs_in_rightly_is_never_kept_waiting() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            throttle.charge("ann", HERE, now).expect("every login was right");
            throttle.refund("ann", HERE, now);
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let told = waits(
            &mut Throttle::default(),
            |number| format!("user{number}"),
            |number| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number)).into(),
        );
        assert_eq!(told[21], 1);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for number in 0..20_000 {
            let now = start + Duration::from_millis(number.into());
            throttle.charge(&format!("user{number}"), address(number), now).expect("each is another");
        }
        assert!(throttle.tries.len() <= REMEMBERED_MAX + 1);
        assert!(throttle.tries.len() > REMEMBERED_MAX / 2, "no more than has to be is forgotten");
        assert!(throttle.tries.contains_key(&Who::name("user19999")));
    }
}
