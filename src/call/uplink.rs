//! Trunks as servers of ours: whether each answers our pings, where we are registered, and which one to ask first.
//!
//! What is to be asked, and what an answer means, is `sip`'s to say; here the machines of all trunks are fed and
//! drained, and their states told in the words of the configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use super::trunk::{Trunk, Trunks};
use crate::sip::{
    Account, Endpoint, ErrandId, Liveness, Order, Pings, Registrar, Registration, RegistrationState, Reply,
    Sought, Task, Transport,
};

/// A trunk's servers, and what we want of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// Its servers, the best first; at least one.
    pub servers: Vec<Sought>,
    /// How often each is asked whether it is there, 5 s to 10 min; `None`: never.
    pub ping: Option<Duration>,
    /// With whom we register; `None`: with nobody.
    pub register: Option<Register>,
}

/// A registration that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// With whom.
    pub registrar: Registrar,
    /// The user part of the address of record.
    pub user: String,
    /// The user part that the calls which come of it dial.
    pub called: String,
    /// For how long at a time, 1 min to 24 h.
    pub expires: Duration,
}

/// A trunk as those see it who watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrunkView {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Calls that it has up now.
    pub calls: usize,
    /// Whether it can be used, as far as we know.
    pub state: TrunkState,
    /// How our registration is going; absent where none is wanted.
    pub registration: Option<RegistrationView>,
    /// Its servers, the best first; none where it only calls us.
    pub servers: Vec<ServerView>,
}

/// Whether a trunk can be used, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Nothing speaks against it.
    Up,
    /// Every server is silent, or our registration is not accepted.
    Down,
    /// It has not been heard from yet.
    Unknown,
}

/// Our registration with a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RegistrationView {
    /// How it is going.
    pub state: RegistrationWord,
    /// The status that refused it last.
    pub status: Option<u16>,
    /// For how many seconds more it holds.
    pub expires_in_s: Option<u64>,
}

/// How a registration is going, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationWord {
    /// No answer yet.
    Trying,
    /// It holds.
    Registered,
    /// It was refused, or nobody answered.
    Failed,
    /// It has been taken back.
    Left,
}

/// One server of a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerView {
    /// Its name or its address, with a port where one is known: `sip.carrier.example`, `203.0.113.1:5060`.
    pub address: String,
    /// How it is reached: `udp`, `tcp`, `tls`; `None` where its domain may choose.
    pub transport: Option<&'static str>,
    /// Whether it answers; `unknown` where it is not asked.
    pub state: TrunkState,
}

/// A change that is worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkNews {
    /// A server answers, or does no more.
    Server(Arc<str>, String, bool),
    /// A registration holds, for so long.
    Registered(Arc<str>, Duration),
    /// A registration failed with this status, or nobody answered (408).
    NotRegistered(Arc<str>, u16),
    /// A registration has been taken back.
    Unregistered(Arc<str>),
}

/// What an errand is for.
#[derive(Debug, Clone, Copy)]
enum For {
    Ping(usize),
    Register,
}

#[derive(Debug)]
struct Server {
    pings: Option<(Pings, ErrandId)>,
    register: Option<ErrandId>,
}

/// One trunk's machines.
#[derive(Debug)]
struct Link {
    trunk: Arc<Trunk>,
    servers: Vec<Server>,
    registration: Option<Registration>,
    told: Option<RegistrationState>,
    /// It is in the configuration no longer, and goes once it is unregistered.
    leaving: bool,
}

/// Every trunk's machines.
#[derive(Debug, Default)]
pub(super) struct Uplinks {
    links: Vec<Link>,
    by_errand: HashMap<ErrandId, (Arc<str>, For)>,
    news: Vec<TrunkNews>,
}

impl Uplinks {
    /// Follows the configuration: trunks that are new or different begin, those that are gone leave.
    pub fn follow(&mut self, trunks: &Trunks, endpoint: &mut Endpoint, rng: &mut StdRng, now: Instant) {
        let is_same = |link: &Link, trunk: &Trunk| {
            (&link.trunk.name, &link.trunk.uplink, &link.trunk.account)
                == (&trunk.name, &trunk.uplink, &trunk.account)
        };
        for link in self.links.iter_mut().filter(|link| !link.leaving) {
            match trunks.list.iter().find(|trunk| is_same(link, trunk)) {
                Some(trunk) => link.trunk = Arc::clone(trunk),
                None => link.leave(),
            }
        }
        let wanted = trunks.list.iter().filter(|trunk| trunk.uplink.is_some());
        for trunk in wanted {
            if !self.links.iter().any(|link| !link.leaving && link.trunk.name == trunk.name) {
                let link = Link::new(trunk, endpoint, rng, now);
                self.by_errand.extend(link.errands().map(|(id, what)| (id, (Arc::clone(&trunk.name), what))));
                self.links.push(link);
            }
        }
        self.run(endpoint, now);
    }

    /// Takes what an errand brought back.
    pub fn replied(&mut self, errand: ErrandId, reply: &Reply, endpoint: &mut Endpoint, now: Instant) {
        let Some((_, what)) = self.by_errand.get(&errand) else { return };
        let Some(link) = self.links.iter_mut().find(|link| link.errands().any(|(id, _)| id == errand)) else {
            return;
        };
        match *what {
            For::Ping(server) => link.ponged(server, reply.status, &mut self.news),
            For::Register => link.registration.iter_mut().for_each(|it| it.answered(reply, now)),
        }
        self.run(endpoint, now);
    }

    /// Runs what is due at `now`.
    pub fn handle_timeout(&mut self, endpoint: &mut Endpoint, now: Instant) {
        for link in &mut self.links {
            link.handle_timeout(now, &mut self.news);
        }
        self.run(endpoint, now);
    }

    /// When `handle_timeout` wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.links.iter().flat_map(Link::timeouts).min()
    }

    /// Takes every registration back, and asks nobody any more.
    pub fn leave(&mut self, endpoint: &mut Endpoint, now: Instant) {
        self.links.iter_mut().for_each(Link::leave);
        self.run(endpoint, now);
    }

    /// Whether nothing is left, or will come of itself.
    pub fn is_idle(&self) -> bool {
        self.links.is_empty()
    }

    /// What has changed since it was last asked.
    pub fn news(&mut self) -> Vec<TrunkNews> {
        std::mem::take(&mut self.news)
    }

    /// How a trunk is seen that has so many calls.
    pub fn view(&self, trunk: &Trunk, calls: usize, now: Instant) -> TrunkView {
        let link = self.links.iter().find(|link| !link.leaving && link.trunk.name == trunk.name);
        TrunkView {
            name: Arc::clone(&trunk.name),
            calls,
            state: link.map_or(TrunkState::Unknown, Link::state),
            registration: link.and_then(|link| link.registration_view(now)),
            servers: link.map(Link::server_views).unwrap_or_default(),
        }
    }

    /// Sends what the machines want sent, and lets go of those that are over.
    fn run(&mut self, endpoint: &mut Endpoint, now: Instant) {
        for link in &mut self.links {
            link.run(endpoint, now);
            link.tell(now, &mut self.news);
        }
        for link in self.links.extract_if(.., |link| link.is_over()) {
            for (errand, _) in link.errands() {
                endpoint.drop_errand(errand, now);
                self.by_errand.remove(&errand);
            }
        }
    }
}

impl Link {
    fn new(trunk: &Arc<Trunk>, endpoint: &mut Endpoint, rng: &mut StdRng, now: Instant) -> Self {
        let uplink = trunk.uplink.iter();
        let servers = uplink.flat_map(|uplink| uplink.servers.iter().map(move |server| (uplink, server)));
        let servers = servers.map(|(uplink, server)| {
            let account: Option<Arc<Account>> = trunk.account.clone();
            let mut order =
                |task| endpoint.take_on(Order { task, server: server.clone(), account: account.clone() });
            Server {
                pings: uplink.ping.map(|interval| (Pings::new(interval, now), order(Task::Ping))),
                register: uplink.register.as_ref().map(|register| order(task(register))),
            }
        });
        let servers: Vec<Server> = servers.collect();
        let register = trunk.uplink.as_ref().and_then(|uplink| uplink.register.as_ref());
        let registration = register
            .map(|register| Registration::new(servers.len(), register.expires, StdRng::from_rng(rng)));
        Self { trunk: Arc::clone(trunk), servers, registration, told: None, leaving: false }
    }

    fn errands(&self) -> impl Iterator<Item = (ErrandId, For)> + '_ {
        self.servers.iter().enumerate().flat_map(|(index, server)| {
            let pings = server.pings.as_ref().map(|(_, errand)| (*errand, For::Ping(index)));
            pings.into_iter().chain(server.register.map(|errand| (errand, For::Register)))
        })
    }

    fn ponged(&mut self, index: usize, status: u16, news: &mut Vec<TrunkNews>) {
        let Some((pings, _)) = self.servers.get_mut(index).and_then(|server| server.pings.as_mut()) else {
            return;
        };
        let before = pings.liveness();
        pings.answered(status);
        self.moved(index, before, news);
    }

    fn handle_timeout(&mut self, now: Instant, news: &mut Vec<TrunkNews>) {
        if let Some(registration) = &mut self.registration {
            registration.handle_timeout(now);
        }
        for index in 0..self.servers.len() {
            let Some((pings, _)) = &mut self.servers[index].pings else { continue };
            let before = pings.liveness();
            pings.handle_timeout(now);
            self.moved(index, before, news);
        }
    }

    /// Tells of a server that is up or down now and was not before.
    fn moved(&mut self, index: usize, before: Liveness, news: &mut Vec<TrunkNews>) {
        let liveness = self.liveness(index);
        if liveness == before || liveness == Liveness::Unknown {
            return;
        }
        let up = liveness == Liveness::Up;
        if let Some(registration) = &mut self.registration {
            registration.set_up(index, up);
        }
        let server = self.trunk.uplink.as_ref().and_then(|uplink| uplink.servers.get(index));
        let name = || Arc::clone(&self.trunk.name);
        news.extend(server.map(|server| TrunkNews::Server(name(), server.to_string(), up)));
    }

    fn liveness(&self, index: usize) -> Liveness {
        let pings = self.servers.get(index).and_then(|server| server.pings.as_ref());
        pings.map_or(Liveness::Unknown, |(pings, _)| pings.liveness())
    }

    fn timeouts(&self) -> impl Iterator<Item = Instant> + '_ {
        let pings = self.servers.iter().filter_map(|server| server.pings.as_ref());
        let pings = pings.map(|(pings, _)| pings.poll_timeout());
        let registration = self.registration.as_ref().and_then(Registration::poll_timeout);
        pings.chain(registration)
    }

    fn leave(&mut self) {
        self.leaving = true;
        self.registration.iter_mut().for_each(Registration::leave);
    }

    fn is_over(&self) -> bool {
        self.leaving && self.registration.as_ref().is_none_or(Registration::is_over)
    }

    fn run(&mut self, endpoint: &mut Endpoint, now: Instant) {
        while let Some(wanted) = self.registration.as_mut().and_then(Registration::poll_action) {
            if let Some(errand) = self.servers.get(wanted.server).and_then(|server| server.register) {
                endpoint.run(errand, wanted.expires, now);
            }
        }
        let pings = self.servers.iter_mut().filter_map(|server| server.pings.as_mut());
        for (pings, errand) in pings {
            if pings.poll_ping() && !self.leaving {
                endpoint.run(*errand, Duration::ZERO, now);
            }
        }
    }

    /// Tells of a registration that holds now and did not before, or the other way round.
    fn tell(&mut self, now: Instant, news: &mut Vec<TrunkNews>) {
        let Some(state) = self.registration.as_ref().map(Registration::state) else { return };
        let name = || Arc::clone(&self.trunk.name);
        let held = matches!(self.told, Some(RegistrationState::Registered { .. }));
        match state {
            RegistrationState::Registered { until, .. } if !held => {
                news.push(TrunkNews::Registered(name(), until.saturating_duration_since(now)));
            }
            RegistrationState::Failed(status) if self.told != Some(state) => {
                news.push(TrunkNews::NotRegistered(name(), status));
            }
            RegistrationState::Left if held => news.push(TrunkNews::Unregistered(name())),
            _ => {}
        }
        self.told = Some(state);
    }

    fn state(&self) -> TrunkState {
        let registration = self.registration.as_ref().map(Registration::state);
        let servers = || (0..self.servers.len()).map(|index| self.liveness(index));
        if matches!(registration, Some(RegistrationState::Failed(_) | RegistrationState::Left))
            || servers().all(|liveness| liveness == Liveness::Down)
        {
            return TrunkState::Down;
        }
        let registered = matches!(registration, Some(RegistrationState::Registered { .. }));
        let heard =
            registered || (registration.is_none() && servers().any(|liveness| liveness == Liveness::Up));
        if heard { TrunkState::Up } else { TrunkState::Unknown }
    }

    fn registration_view(&self, now: Instant) -> Option<RegistrationView> {
        let (state, status, until) = match self.registration.as_ref()?.state() {
            RegistrationState::Trying => (RegistrationWord::Trying, None, None),
            RegistrationState::Registered { until, .. } => (RegistrationWord::Registered, None, Some(until)),
            RegistrationState::Failed(status) => (RegistrationWord::Failed, Some(status), None),
            RegistrationState::Left => (RegistrationWord::Left, None, None),
        };
        let expires_in_s = until.map(|until| until.saturating_duration_since(now).as_secs());
        Some(RegistrationView { state, status, expires_in_s })
    }

    fn server_views(&self) -> Vec<ServerView> {
        let servers = self.trunk.uplink.iter().flat_map(|uplink| &uplink.servers);
        let view = |(index, server): (usize, &Sought)| ServerView {
            address: server.to_string(),
            transport: server.transport().map(Transport::as_str),
            state: match self.liveness(index) {
                Liveness::Up => TrunkState::Up,
                Liveness::Down => TrunkState::Down,
                Liveness::Unknown => TrunkState::Unknown,
            },
        };
        servers.enumerate().map(view).collect()
    }
}

fn task(register: &Register) -> Task {
    Task::Register {
        registrar: register.registrar.clone(),
        user: register.user.clone(),
        contact_user: register.called.clone(),
    }
}

#[cfg(test)]
mod tests;
