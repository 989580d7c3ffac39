//! Trunks: the configured peers, known by their addresses, and how much each of them may have us take on.
//!
//! A trunk is known by where its messages come from, or by the login that it proves; and by nothing else that they say.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ipnet::IpNet;

use super::uplink::Uplink;
use crate::flow::{AniSource, Country};
use crate::sip::{Account, Hop, Invitation, Login, Reception, Transport};

/// A configured peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// What it is called in the configuration and in records.
    pub name: Arc<str>,
    /// By which transport alone its calls come; `None`: by any.
    pub transport: Option<Transport>,
    /// Where its calls come from.
    pub addresses: Vec<IpNet>,
    /// Calls at a time, at least 1; `None`: as many as there is room for.
    pub calls_max: Option<usize>,
    /// New calls within any second, at least 1; `None`: however many come.
    pub calls_per_second: Option<usize>,
    /// The headers that it is trusted to tell the calling number in, the best first.
    pub identity: Vec<AniSource>,
    /// What it proves itself with; `None`: its address is enough. A trunk without addresses has one.
    pub login: Option<Login>,
    /// What we prove ourselves with, where it asks.
    pub account: Option<Arc<Account>>,
    /// Its servers, and what we want of them.
    pub uplink: Option<Uplink>,
    /// Whether it is believed in what it says that its network's check of a calling number came to.
    pub verstat: bool,
    /// Whether we check its calling numbers ourselves, by the passports that come with its calls.
    pub passports: bool,
    /// The country whose national numbers it sends; `None`: numbers stay as they come.
    pub country: Option<Country>,
}

/// All trunks, and what is done with everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunks {
    /// No address is two trunks'.
    pub list: Vec<Arc<Trunk>>,
    /// What a peer on none of them gets.
    pub strangers: Strangers,
}

/// How a message is met.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<'t> {
    /// As its trunk's, or as anybody's.
    Free,
    /// As a stranger's.
    Stranger(Reception),
    /// By asking for one of these logins where it calls, and else as said.
    Login(Vec<&'t Login>, Option<Reception>),
}

/// What a peer on no trunk gets when it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// 403.
    Refuse,
    /// No answer.
    Ignore,
    /// What any caller gets.
    Admit,
    /// What any caller gets if its address is loopback, private (RFC 1918, RFC 4193) or link-local; else 403.
    AdmitLocal,
}

impl Trunks {
    /// The trunk whose address this is.
    pub fn of(&self, address: IpAddr) -> Option<&Arc<Trunk>> {
        // A socket that is bound to [::] has IPv4 peers as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2).
        let address = address.to_canonical();
        self.list.iter().find(|trunk| trunk.addresses.iter().any(|network| network.contains(&address)))
    }

    /// The trunk by which a call has come: whose address it came from, or whose login it has proved.
    pub fn by_which(&self, invitation: &Invitation) -> Option<&Arc<Trunk>> {
        let proven = || {
            let login = invitation.login.as_ref()?;
            self.list.iter().find(|trunk| trunk.name == *login)
        };
        self.of(invitation.hop.peer.ip()).or_else(proven)
    }

    /// How to meet a message that comes by this hop. A trunk with addresses and a login needs both, and one that comes
    /// by another transport than its own is nobody we know.
    pub(super) fn admission(&self, hop: &Hop) -> Admission<'_> {
        let address = hop.peer.ip();
        if let Some(trunk) = self.of(address) {
            if trunk.transport.is_some_and(|transport| transport != hop.transport) {
                let silent = self.strangers == Strangers::Ignore;
                return Admission::Stranger(if silent { Reception::Ignore } else { Reception::Refuse });
            }
            return trunk.login.as_ref().map_or(Admission::Free, |login| Admission::Login(vec![login], None));
        }
        let Some(reception) = self.reception(address) else { return Admission::Free };
        let anywhere = self.list.iter().filter(|trunk| trunk.addresses.is_empty());
        let logins: Vec<&Login> = anywhere.filter_map(|trunk| trunk.login.as_ref()).collect();
        if logins.is_empty() {
            return Admission::Stranger(reception);
        }
        Admission::Login(logins, Some(reception))
    }

    /// How to meet a stranger with this address, where they are not to be served.
    fn reception(&self, address: IpAddr) -> Option<Reception> {
        match self.strangers {
            Strangers::Admit => None,
            Strangers::AdmitLocal if is_local(address.to_canonical()) => None,
            Strangers::AdmitLocal | Strangers::Refuse => Some(Reception::Refuse),
            Strangers::Ignore => Some(Reception::Ignore),
        }
    }
}

fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// What trunks have us busy with, by name, so that a change of the configuration keeps the count.
#[derive(Debug, Default)]
pub(super) struct Loads(HashMap<Arc<str>, Load>);

#[derive(Debug, Default)]
struct Load {
    calls: usize,
    arrivals: Arrivals,
}

/// When the calls of the last second came; no more than a second may bring.
#[derive(Debug, Default)]
pub(super) struct Arrivals(VecDeque<Instant>);

impl Arrivals {
    /// Whether one more call may come, which then has come.
    pub fn admit(&mut self, max: Option<usize>, now: Instant) -> bool {
        let Some(max) = max else { return true };
        let is_past = |at: &Instant| now.saturating_duration_since(*at) >= Duration::from_secs(1);
        while self.0.front().is_some_and(is_past) {
            self.0.pop_front();
        }
        let fits = self.0.len() < max;
        if fits {
            self.0.push_back(now);
        }
        fits
    }
}

impl Loads {
    /// Whether the trunk may bring one more call, which then has arrived.
    pub fn admit(&mut self, trunk: &Trunk, now: Instant) -> bool {
        let load = self.0.entry(Arc::clone(&trunk.name)).or_default();
        if trunk.calls_max.is_some_and(|max| load.calls >= max) {
            return false;
        }
        load.arrivals.admit(trunk.calls_per_second, now)
    }

    /// How many calls a trunk has.
    pub fn calls(&self, trunk: &Trunk) -> usize {
        self.0.get(&trunk.name).map_or(0, |load| load.calls)
    }

    /// A call of the trunk begins.
    pub fn begin(&mut self, trunk: &Trunk) {
        self.0.entry(Arc::clone(&trunk.name)).or_default().calls += 1;
    }

    /// A call of the trunk is over.
    pub fn end(&mut self, trunk: &Trunk) {
        if let Some(load) = self.0.get_mut(&trunk.name) {
            load.calls = load.calls.saturating_sub(1);
        }
    }

    /// Whether no trunk has a call.
    pub fn is_idle(&self) -> bool {
        self.0.values().all(|load| load.calls == 0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    pub(in crate::call) fn trunk(name: &str, addresses: &[&str]) -> Trunk {
        Trunk {
            name: name.into(),
            addresses: addresses.iter().map(|text| text.parse().expect("a network")).collect(),
            calls_max: None,
            calls_per_second: None,
            identity: vec![AniSource::From],
            login: None,
            account: None,
            uplink: None,
            verstat: false,
            passports: false,
            transport: None,
            country: None,
        }
    }

    fn trunks(strangers: Strangers) -> Trunks {
        let list = [
            trunk("carrier", &["203.0.113.0/28", "2001:db8:1::/48"]),
            trunk("pbx", &["192.0.2.7/32", "10.0.0.0/8"]),
        ];
        Trunks { list: list.map(Arc::new).into(), strangers }
    }

    #[test]
    fn a_trunk_is_found_by_its_addresses() {
        let trunks = trunks(Strangers::Refuse);
        let table = [
            ("203.0.113.0", Some("carrier")),
            ("203.0.113.15", Some("carrier")),
            ("203.0.113.16", None),
            ("::ffff:203.0.113.15", Some("carrier")),
            ("2001:db8:1:ffff::1", Some("carrier")),
            ("2001:db8:2::1", None),
            ("192.0.2.7", Some("pbx")),
            ("192.0.2.6", None),
            ("10.255.255.255", Some("pbx")),
            ("127.0.0.1", None),
        ];
        for (address, expected) in table {
            let found = trunks.of(address.parse().expect("an address"));
            assert_eq!(found.map(|trunk| &*trunk.name), expected, "{address}");
        }
    }

    #[test]
    fn a_trunk_with_a_transport_of_its_own_comes_by_no_other() {
        let (here, there) = ("192.0.2.1:5060".parse().unwrap(), "203.0.113.7:5060".parse().unwrap());
        let by = |transport| Hop { transport, ..Hop::udp(here, there) };
        let carrier = Trunk { transport: Some(Transport::Tls), ..trunk("carrier", &["203.0.113.0/28"]) };
        let trunks = |strangers| Trunks { list: vec![Arc::new(carrier.clone())], strangers };
        let is_free =
            |strangers, transport| matches!(trunks(strangers).admission(&by(transport)), Admission::Free);
        for strangers in [Strangers::Admit, Strangers::Refuse, Strangers::Ignore] {
            assert!(is_free(strangers, Transport::Tls));
            assert!(!is_free(strangers, Transport::Udp) && !is_free(strangers, Transport::Tcp));
        }
        let ignored = trunks(Strangers::Ignore);
        assert!(matches!(ignored.admission(&by(Transport::Udp)), Admission::Stranger(Reception::Ignore)));
    }

    #[test]
    fn strangers_are_met_as_the_setting_says() {
        use Strangers::{Admit, AdmitLocal, Ignore, Refuse};
        let (refuse, ignore) = (Some(Reception::Refuse), Some(Reception::Ignore));
        let table = [
            (Refuse, "127.0.0.1", refuse),
            (Ignore, "198.51.100.1", ignore),
            (Admit, "198.51.100.1", None),
            (AdmitLocal, "198.51.100.1", refuse),
            (AdmitLocal, "127.9.9.9", None),
            (AdmitLocal, "172.31.0.1", None),
            (AdmitLocal, "172.32.0.1", refuse),
            (AdmitLocal, "192.168.1.1", None),
            (AdmitLocal, "169.254.1.1", None),
            (AdmitLocal, "100.64.0.1", refuse),
            (AdmitLocal, "::1", None),
            (AdmitLocal, "fd00::1", None),
            (AdmitLocal, "fe80::1", None),
            (AdmitLocal, "2001:db8::1", refuse),
            (AdmitLocal, "::ffff:192.168.1.1", None),
            (AdmitLocal, "::ffff:198.51.100.1", refuse),
        ];
        for (strangers, address, expected) in table {
            let address = address.parse().expect("an address");
            let reception = trunks(strangers).reception(address);
            assert_eq!(reception, expected, "{strangers:?} {address}");
        }
    }

    #[test]
    fn calls_at_a_time_are_counted_by_trunk() {
        let now = start();
        let (one, other) = (Trunk { calls_max: Some(2), ..trunk("one", &[]) }, trunk("other", &[]));
        let mut loads = Loads::default();
        for _ in 0..2 {
            assert!(loads.admit(&one, now));
            loads.begin(&one);
        }
        assert!(!loads.admit(&one, now) && loads.admit(&other, now));
        loads.end(&one);
        assert!(loads.admit(&one, now), "whoever was admitted and never began holds no place");
        assert!(loads.admit(&one, now));
        loads.begin(&one);
        assert!(!loads.admit(&one, now) && !loads.is_idle());
        loads.end(&one);
        loads.end(&one);
        assert!(loads.is_idle());
    }

    #[test]
    fn no_second_brings_more_calls_than_it_may() {
        let start = start();
        let trunk = Trunk { calls_per_second: Some(3), ..trunk("carrier", &[]) };
        let mut loads = Loads::default();
        let table = [
            (0, true),
            (400, true),
            (900, true),
            (999, false),
            (1000, true),
            (1399, false),
            (1400, true),
            (1899, false),
            (1900, true),
        ];
        for (at, admitted) in table {
            assert_eq!(loads.admit(&trunk, start + Duration::from_millis(at)), admitted, "{at} ms");
        }
    }
}
