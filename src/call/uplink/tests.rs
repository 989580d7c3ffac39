//! Trunks as servers: what is sent to them, and what is told of them, message by message.

use std::net::SocketAddr;

use rand::Rng;

use super::*;
use crate::call::Strangers;
use crate::flow::AniSource;
use crate::sip::{Config, Event, Hop, Located, Whereabouts};

struct Field {
    uplinks: Uplinks,
    endpoint: Endpoint,
    rng: StdRng,
    now: Instant,
}

fn server(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

fn sought(text: &str) -> Sought {
    Sought::server(text).expect("a server")
}

fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 5060))
}

fn trunk(servers: &[u8], ping: bool, register: bool) -> Trunk {
    let register = register.then(|| Register {
        registrar: Registrar::parse("sip:carrier.example").expect("a domain"),
        user: "portero".to_owned(),
        called: "1000".to_owned(),
        expires: Duration::from_mins(10),
    });
    Trunk {
        name: "carrier".into(),
        addresses: Vec::new(),
        calls_max: None,
        calls_per_second: None,
        identity: vec![AniSource::From],
        verstat: false,
        passports: false,
        transport: None,
        login: None,
        account: None,
        uplink: Some(Uplink {
            servers: servers.iter().map(|&last| sought(&server(last).to_string())).collect(),
            ping: ping.then(|| Duration::from_secs(30)),
            register,
        }),
        country: None,
    }
}

impl Field {
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    fn new() -> Self {
        let config = Config {
            whereabouts: Whereabouts::udp(local()),
            realm: "portero".to_owned(),
            user_agent: "Portero".to_owned(),
            accept_referrals: false,
            retry_after: Duration::from_secs(5),
        };
        let mut rng = StdRng::seed_from_u64(1);
        let endpoint = Endpoint::new(config, StdRng::seed_from_u64(rng.random()));
        Self { uplinks: Uplinks::default(), endpoint, rng, now: Instant::now() }
    }

    fn follow(&mut self, trunks: &[Trunk]) {
        let list = trunks.iter().cloned().map(Arc::new).collect();
        let trunks = Trunks { list, strangers: Strangers::Refuse };
        self.uplinks.follow(&trunks, &mut self.endpoint, &mut self.rng, self.now);
    }

    /// What has been sent: to which server, and the message.
    fn sent(&mut self) -> Vec<(u8, String)> {
        let sent = std::iter::from_fn(|| self.endpoint.poll_transmit());
        let last = |peer: SocketAddr| match peer.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        sent.map(|it| (last(it.hop.peer), String::from_utf8_lossy(&it.payload).into_owned())).collect()
    }

    fn methods(&mut self) -> Vec<(u8, String)> {
        let method = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
        self.sent().into_iter().map(|(to, text)| (to, method(text))).collect()
    }

    fn answer(&mut self, from: u8, request: &str, status: u16) {
        let field = |name: &str| {
            let line = request.lines().find(|line| line.starts_with(name)).expect("a field");
            format!("{line}\r\n")
        };
        let fields: String = ["Via:", "From:", "Call-ID:", "CSeq:"].map(field).concat();
        let text = format!("SIP/2.0 {status} Whatever\r\n{fields}{};tag=1\r\n\r\n", field("To:").trim_end());
        self.endpoint.receive(Hop::udp(local(), server(from)), text.as_bytes(), self.now);
        self.told();
    }

    fn told(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Replied(errand, reply) = event {
                self.uplinks.replied(errand, &reply, &mut self.endpoint, self.now);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = [self.endpoint.poll_timeout(), self.uplinks.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = next;
            self.endpoint.handle_timeout(next);
            self.uplinks.handle_timeout(&mut self.endpoint, next);
            self.told();
        }
        self.now = end;
    }

    fn view(&self, trunk: &Trunk) -> TrunkView {
        self.uplinks.view(trunk, 0, self.now)
    }
}

#[test]
fn a_trunk_registers_and_is_pinged_and_both_are_told_of_once() {
    let (mut field, trunk) = (Field::new(), trunk(&[1], true, true));
    field.follow(std::slice::from_ref(&trunk));
    assert_eq!(field.view(&trunk).state, TrunkState::Unknown);
    field.pass(Duration::ZERO);
    let sent = field.sent();
    let [(1, register), (1, options)] = &sent[..] else { panic!("{sent:#?}") };
    assert!(register.starts_with("REGISTER ") && options.starts_with("OPTIONS "), "{sent:#?}");
    field.answer(1, register, 200);
    field.answer(1, options, 200);
    let name: Arc<str> = "carrier".into();
    let registered = TrunkNews::Registered(Arc::clone(&name), Duration::from_mins(10));
    assert_eq!(field.uplinks.news(), [registered, TrunkNews::Server(name, server(1).to_string(), true)]);
    let view = field.view(&trunk);
    assert_eq!((view.state, view.servers[0].state), (TrunkState::Up, TrunkState::Up));
    let registration = view.registration.expect("one is wanted");
    assert_eq!((registration.state, registration.expires_in_s), (RegistrationWord::Registered, Some(600)));
    field.pass(Duration::from_secs(29));
    assert_eq!(field.methods(), []);
    field.pass(Duration::from_secs(1));
    assert_eq!(field.methods(), [(1, "OPTIONS".to_owned())]);
    assert_eq!(field.uplinks.news(), [], "nothing has changed");
}

#[test]
fn a_server_that_falls_silent_is_left_for_the_next() {
    let (mut field, trunk) = (Field::new(), trunk(&[1, 2], true, true));
    field.follow(std::slice::from_ref(&trunk));
    field.pass(Duration::ZERO);
    for (from, text) in field.sent() {
        field.answer(from, &text, 200);
    }
    field.uplinks.news();
    // Only the second answers from now on.
    for _ in 0..5 {
        field.pass(Duration::from_secs(30));
        for (_, text) in field.sent().iter().filter(|(to, text)| *to == 2 && text.starts_with("OPTIONS")) {
            field.answer(2, text, 200);
        }
    }
    assert_eq!(field.uplinks.news(), [TrunkNews::Server("carrier".into(), server(1).to_string(), false)]);
    let view = field.view(&trunk);
    assert_eq!(
        view.servers.iter().map(|it| it.state).collect::<Vec<_>>(),
        [TrunkState::Down, TrunkState::Up]
    );
    assert_eq!(view.state, TrunkState::Up, "registered until that expires, and with a server to go to");
}

#[test]
fn a_refused_registration_is_told_and_the_trunk_is_down() {
    let (mut field, trunk) = (Field::new(), trunk(&[1], false, true));
    field.follow(std::slice::from_ref(&trunk));
    let sent = field.sent();
    field.answer(1, &sent[0].1, 403);
    assert_eq!(field.uplinks.news(), [TrunkNews::NotRegistered("carrier".into(), 403)]);
    let view = field.view(&trunk);
    assert_eq!((view.state, view.registration.and_then(|it| it.status)), (TrunkState::Down, Some(403)));
    field.pass(Duration::from_secs(30));
    assert_eq!(field.methods().first(), Some(&(1, "REGISTER".to_owned())), "tried again after a wait");
}

#[test]
fn a_change_of_the_configuration_reaches_only_the_trunk_that_it_changes() {
    let (mut field, kept) = (Field::new(), trunk(&[1], true, true));
    let changed = Trunk { name: "other".into(), ..trunk(&[2], false, true) };
    field.follow(&[kept.clone(), changed.clone()]);
    field.pass(Duration::ZERO);
    for (from, text) in field.sent() {
        field.answer(from, &text, 200);
    }
    field.uplinks.news();
    let moved = Trunk { name: "other".into(), ..trunk(&[3], false, true) };
    field.follow(&[Trunk { calls_max: Some(3), ..kept.clone() }, moved.clone()]);
    let sent = field.sent();
    let expires =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("Expires: ")).unwrap_or("").to_owned();
    let told: Vec<_> = sent.iter().map(|(to, text)| (*to, expires(text))).collect();
    assert_eq!(told, [(2, "0".to_owned()), (3, "600".to_owned())], "the old one is taken back");
    assert_eq!(field.view(&moved).state, TrunkState::Unknown);
    assert_eq!(field.view(&kept).state, TrunkState::Up);
    for (from, text) in sent {
        field.answer(from, &text, 200);
    }
    assert_eq!(field.uplinks.links.len(), 2);
}

#[test]
fn leaving_unregisters_and_then_nothing_is_left() {
    let (mut field, trunk) = (Field::new(), trunk(&[1], true, true));
    field.follow(std::slice::from_ref(&trunk));
    field.pass(Duration::ZERO);
    for (from, text) in field.sent() {
        field.answer(from, &text, 200);
    }
    field.uplinks.news();
    field.uplinks.leave(&mut field.endpoint, field.now);
    assert!(!field.uplinks.is_idle());
    let sent = field.sent();
    let [(1, register)] = &sent[..] else { panic!("{sent:#?}") };
    assert!(register.contains("\r\nExpires: 0\r\n"), "{register}");
    field.answer(1, register, 200);
    assert_eq!(field.uplinks.news(), [TrunkNews::Unregistered("carrier".into())]);
    assert!(field.uplinks.is_idle() && field.uplinks.by_errand.is_empty());
    field.pass(Duration::from_mins(1));
    assert!(field.endpoint.is_idle());
    assert_eq!(field.methods(), []);
}

#[test]
fn a_server_by_name_is_shown_by_it_and_down_where_it_leads_nowhere() {
    let mut field = Field::new();
    let servers = vec![sought("sip.carrier.example"), sought("tcp:sip2.carrier.example:5070")];
    let by_name = trunk(&[], true, false);
    let uplink = by_name.uplink.clone().map(|uplink| Uplink { servers, ..uplink });
    let by_name = Trunk { uplink, ..by_name };
    field.follow(std::slice::from_ref(&by_name));
    for _ in 0..3 {
        field.pass(Duration::from_secs(30));
        let searches: Vec<_> = std::iter::from_fn(|| field.endpoint.poll_search()).collect();
        assert!(!searches.is_empty());
        for (id, _) in searches {
            field.endpoint.located(id, Located::default(), field.now);
        }
        field.told();
    }
    assert_eq!(field.methods(), []);
    let name = "sip.carrier.example".to_owned();
    assert!(field.uplinks.news().contains(&TrunkNews::Server("carrier".into(), name, false)));
    let view = field.view(&by_name);
    let shown: Vec<_> = view.servers.iter().map(|it| (it.address.as_str(), it.transport, it.state)).collect();
    let expected = [("sip.carrier.example", None), ("sip2.carrier.example:5070", Some("tcp"))];
    assert_eq!(shown, expected.map(|(address, transport)| (address, transport, TrunkState::Down)));
    assert_eq!(view.state, TrunkState::Down);
}
