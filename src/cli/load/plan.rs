//! What is to be done: how many calls, how fast, how long each, from which numbers; and whether it can be done.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Calls at a time: what one SIP endpoint holds (its cap is 16,384 dialogs).
pub const CALLS_AT_ONCE_MAX: usize = 16_000;
/// The longest run.
pub const RUN_MAX: Duration = Duration::from_hours(24);
/// The longest that a call can be told to stay.
const HOLD_MAX: Duration = Duration::from_hours(1);
/// What the reckoning of calls at a time allows a call beyond its stay. Where set-ups take longer, calls for which
/// nothing is left fail, and are told as that.
const SET_UP_ALLOWED: Duration = Duration::from_secs(4);

/// Why a run is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It takes too long.
    #[error("{calls} calls at {rate} a second take more than 24 hours: ask for fewer, or for a higher rate")]
    Endless {
        /// Calls in all.
        calls: usize,
        /// Calls a second, as it was said.
        rate: String,
    },
    /// Too many calls at a time.
    #[error(
        "up to {calls} calls would be up at a time, and {CALLS_AT_ONCE_MAX} is the most: ask for a shorter `--hold`, \
         a lower `--rate` or fewer `--calls`, or start several of these"
    )]
    Crowded {
        /// Calls at a time.
        calls: usize,
    },
    /// Too few ports.
    #[error(
        "up to {calls} calls would be up at a time, and there are {ports} ports for them: name more addresses with \
         `--bind`, or a wider range with `--ports`"
    )]
    Portless {
        /// Calls at a time.
        calls: usize,
        /// Even ports of all addresses.
        ports: usize,
    },
}

/// A run that has its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Calls in all.
    pub calls: usize,
    /// Calls a second.
    pub rate: f64,
    /// How long a call stays that nobody ends.
    pub hold: Duration,
    /// Whom they come from.
    pub from: Numbers,
    /// Ports for sound, of each address.
    pub ports: RangeInclusive<u16>,
}

impl Plan {
    /// When a call, counted from 0, is to be placed, after the first one.
    pub fn due(&self, call: usize) -> Duration {
        Duration::from_secs_f64(call as f64 / self.rate)
    }

    /// The most calls at a time that are reckoned with.
    pub fn at_once(&self) -> usize {
        let stay = (self.hold + SET_UP_ALLOWED).as_secs_f64();
        ((self.rate * stay).ceil() as usize).clamp(1, self.calls)
    }

    /// Whether so much can be done from this many addresses.
    pub fn check(&self, addresses: usize) -> Result<(), PlanError> {
        let calls = self.at_once();
        let ports = addresses * self.ports.clone().filter(|port| port % 2 == 0).count();
        if self.due(self.calls) + self.hold > RUN_MAX {
            return Err(PlanError::Endless { calls: self.calls, rate: self.rate.to_string() });
        }
        if calls > CALLS_AT_ONCE_MAX {
            return Err(PlanError::Crowded { calls });
        }
        if calls > ports {
            return Err(PlanError::Portless { calls, ports });
        }
        Ok(())
    }
}

/// Calling numbers that count up: `+1202555####` is +12025550000, +12025550001 and so on, and begins anew after
/// +12025559999. Without a `#`, all calls come from the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    before: String,
    digits: usize,
    after: String,
}

impl Numbers {
    /// Reads a pattern: one run of `#` at the most.
    pub fn parse(text: &str) -> Result<Self, String> {
        let start = text.find('#').unwrap_or(text.len());
        let after = text[start..].trim_start_matches('#');
        let digits = text.len() - start - after.len();
        if text.is_empty() || after.contains('#') || digits > 9 {
            return Err("a number may have one run of `#`, nine of them at the most".to_owned());
        }
        Ok(Self { before: text[..start].to_owned(), digits, after: after.to_owned() })
    }

    /// The number of a call, counted from 0.
    pub fn nth(&self, call: usize) -> String {
        let Self { before, digits, after } = self;
        if *digits == 0 {
            return format!("{before}{after}");
        }
        let count = call as u64 % 10_u64.pow(*digits as u32);
        format!("{before}{count:0digits$}{after}")
    }
}

/// Reads how long a call stays: `500ms`, `30s`, `2m`; an hour at the most.
pub fn parse_hold(text: &str) -> Result<Duration, String> {
    let form = || "a time is such as `500ms`, `30s` or `2m`, an hour at the most".to_owned();
    let units = [("ms", 1), ("s", 1000), ("m", 60_000)];
    let read = units.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)));
    let (count, unit) = read.ok_or_else(form)?;
    let ms = count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).ok_or_else(form)?;
    Some(Duration::from_millis(ms)).filter(|hold| !hold.is_zero() && *hold <= HOLD_MAX).ok_or_else(form)
}

/// Reads calls a second: 0.1 to 5000.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.1..=5000.0).contains(rate));
    rate.ok_or_else(|| "calls a second are a number from 0.1 to 5000".to_owned())
}

/// Reads a range of ports, `30000-65535`: above 1023, with an even one among them.
pub fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..=to.parse().ok()?));
    range
        .filter(|range| {
            *range.start() >= 1024 && range.clone().any(|port| port % 2 == 0 && port < *range.end())
        })
        .ok_or_else(|| {
            "ports are a range such as `30000-65535`, from 1024 on, with two in it at least".to_owned()
        })
}

/// Reads an address to call from.
pub fn parse_bind(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "an IP address of this machine".to_owned())?;
    if address.is_unspecified() {
        return Err("an address of this machine, and not all of them: it stands in what is sent".to_owned());
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(calls: usize, rate: f64, hold_s: u64) -> Plan {
        let from = Numbers::parse("anonymous").expect("a pattern");
        Plan { calls, rate, hold: Duration::from_secs(hold_s), from, ports: 30_000..=65_535 }
    }

    #[test]
    fn runs_have_bounds() {
        let table = [
            (plan(50, 25.0, 3), 1, None),
            (plan(4000, 200.0, 60), 1, None),
            (plan(1_000_000, 1.0, 30), 1, Some("more than 24 hours")),
            (plan(1_000_000, 1000.0, 30), 4, Some("16000 is the most")),
            (plan(17_000, 400.0, 30), 1, None),
            (plan(100_000, 400.0, 30), 1, None),
            (Plan { ports: 30_000..=30_999, ..plan(501, 50.0, 60) }, 1, Some("there are 500 ports")),
            (Plan { ports: 30_000..=30_999, ..plan(501, 50.0, 60) }, 2, None),
        ];
        for (plan, addresses, fault) in table {
            let found = plan.check(addresses).err().map(|error| error.to_string());
            match fault {
                Some(words) => assert!(found.as_ref().is_some_and(|it| it.contains(words)), "{found:?}"),
                None => assert_eq!(found, None, "{plan:?}"),
            }
        }
    }

    #[test]
    fn calls_are_due_at_even_distances_and_overlap_as_they_last() {
        let plan = plan(50, 25.0, 3);
        assert_eq!([0, 1, 25].map(|call| plan.due(call).as_millis()), [0, 40, 1000]);
        assert_eq!((plan.at_once(), Plan { calls: 1000, ..plan }.at_once()), (50, 175));
    }

    #[test]
    fn numbers_count_up_in_place() {
        let table = [
            ("+1202555####", 7, "+12025550007"),
            ("+1202555####", 10_003, "+12025550003"),
            ("#", 12, "2"),
            ("10##x", 5, "1005x"),
            ("anonymous", 3, "anonymous"),
        ];
        for (pattern, call, number) in table {
            assert_eq!(Numbers::parse(pattern).map(|numbers| numbers.nth(call)), Ok(number.to_owned()));
        }
        for wrong in ["", "1#2#", "##########"] {
            assert!(Numbers::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn values_are_read_or_refused() {
        let holds = [("500ms", Some(500)), ("30s", Some(30_000)), ("60m", Some(3_600_000)), ("61m", None)];
        for (text, ms) in holds.into_iter().chain([("0s", None), ("30", None), ("-1s", None), ("s", None)]) {
            assert_eq!(parse_hold(text).ok().map(|hold| hold.as_millis()), ms, "{text}");
        }
        for (text, good) in [("0.1", true), ("5000", true), ("0", false), ("5001", false), ("NaN", false)] {
            assert_eq!(parse_rate(text).is_ok(), good, "{text}");
        }
        let ports = [("30000-65535", true), ("1024-1025", true), ("1023-2000", false), ("2000-2000", false)];
        for (text, good) in ports.into_iter().chain([("3000-2000", false), ("1-65536", false), ("x", false)])
        {
            assert_eq!(parse_ports(text).is_ok(), good, "{text}");
        }
        for (text, good) in [("127.0.0.1", true), ("::1", true), ("0.0.0.0", false), ("localhost", false)] {
            assert_eq!(parse_bind(text).is_ok(), good, "{text}");
        }
    }
}
