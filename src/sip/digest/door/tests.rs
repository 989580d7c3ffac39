//! The door: whom it lets in, whom it asks, whom it asks again, and whom it turns away.

use super::*;
use crate::secret::Password;
use crate::sip::digest::Algorithm;
use crate::sip::message;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
fn start() -> Instant {
    Instant::now()
}

fn logins() -> Vec<Login> {
    let login = |name: &str, algorithms: &[Algorithm]| Login {
        name: name.into(),
        username: name.to_owned(),
        password: Password::new(format!("secret of {name}")),
        algorithms: algorithms.to_vec(),
    };
    vec![login("new", &[Algorithm::Sha512_256, Algorithm::Sha256]), login("old", &[Algorithm::Md5])]
}

struct Visit {
    door: Door,
    now: Instant,
}

/// What is said in answer to a challenge; everything else is right.
#[derive(Clone)]
struct Said<'a> {
    username: &'a str,
    algorithm: Option<&'a str>,
    nonce: &'a str,
    qop: Option<&'a str>,
    count: &'a str,
    password: &'a str,
    more: &'a str,
}

impl<'a> Said<'a> {
    fn by_old(nonce: &'a str) -> Self {
        let (username, password) = ("old", "secret of old");
        Self { username, algorithm: None, nonce, qop: Some("auth"), count: "00000001", password, more: "" }
    }

    fn header(&self) -> String {
        let (count, cnonce) = (self.count.as_bytes(), b"c0".as_slice());
        let qop = match self.qop {
            None => Qop::Absent,
            Some("auth-int") => Qop::AuthInt { count, cnonce, body: b"v=0" },
            Some(_) => Qop::Auth { count, cnonce },
        };
        let formula = Formula {
            variant: Variant::of(self.algorithm.map(str::as_bytes)).expect("a known one"),
            username: self.username.as_bytes(),
            realm: b"here",
            password: self.password.as_bytes(),
            nonce: self.nonce.as_bytes(),
            method: b"INVITE",
            uri: b"sip:anything@h",
            qop,
        };
        let Self { username, nonce, count, more, .. } = self;
        let algorithm = self.algorithm.map(|name| format!(", algorithm={name}")).unwrap_or_default();
        let qop = self.qop.map(|qop| format!(", qop={qop}, nc={count}, cnonce=\"c0\"")).unwrap_or_default();
        let response = formula.response();
        format!(
            "Authorization: Digest username=\"{username}\", realm=\"here\", nonce=\"{nonce}\", \
             uri=\"sip:anything@h\", response=\"{response}\"{algorithm}{qop}{more}\r\n"
        )
    }
}

impl Visit {
    fn new() -> Self {
        Self { door: Door::new("here".to_owned(), [1; 32]), now: start() }
    }

    fn nonce(&mut self) -> String {
        self.door.nonces.issue(PEER, self.now)
    }

    fn judge(&mut self, headers: &str) -> String {
        self.judge_from(PEER, headers)
    }

    fn judge_from(&mut self, from: IpAddr, headers: &str) -> String {
        let text =
            format!("INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{headers}Content-Length: 3\r\n\r\nv=0");
        let Ok(sipx_sip::Message::Request(request)) = message::read(text.as_bytes()) else {
            panic!("{text}")
        };
        let logins = logins();
        let logins: Vec<&Login> = logins.iter().collect();
        match self.door.judge(&request, from, &logins, self.now) {
            Judgement::Proven(login) => login.name.to_string(),
            Judgement::Challenge { wrong: true, .. } => "wrong".to_owned(),
            Judgement::Challenge { rows, .. } if rows[0].contains("stale=true") => "stale".to_owned(),
            Judgement::Challenge { .. } => "asked".to_owned(),
            Judgement::Refuse => "refused".to_owned(),
        }
    }
}

#[test]
fn there_is_a_challenge_for_each_algorithm_in_the_order_of_preference() {
    let mut visit = Visit::new();
    let logins = logins();
    let logins: Vec<&Login> = logins.iter().collect();
    let Judgement::Challenge { rows, wrong: false } = visit.door.challenge(PEER, &logins, false, visit.now)
    else {
        panic!("no challenge")
    };
    let read: Vec<_> = rows.iter().flat_map(|row| Parameters::read_row(row.as_bytes())).collect();
    let of = |name| read.iter().map(|row| row.get(name).unwrap_or_default()).collect::<Vec<_>>();
    let algorithms: Vec<&[u8]> = vec![b"SHA-512-256", b"SHA-256", b"MD5"];
    assert_eq!(of("algorithm"), algorithms);
    assert_eq!((of("realm"), of("qop")), (vec![&b"here"[..]; 3], vec![&b"auth"[..]; 3]));
    assert_eq!(of("stale"), [b""; 3]);
}

type Change = fn(&mut Said<'_>);

#[test]
fn every_answer_by_its_worth() {
    let mut visit = Visit::new();
    assert_eq!(visit.judge(""), "asked");
    assert_eq!(visit.judge("Authorization: Digest realm=\"elsewhere\", nonce=\"1\"\r\n"), "asked");
    let table: [(&str, Change, &str); 12] = [
        ("as it should be", |_| {}, "old"),
        ("MD5 by name", |said| said.algorithm = Some("MD5"), "old"),
        ("from before qop", |said| said.qop = None, "old"),
        ("with the body", |said| said.qop = Some("auth-int"), "old"),
        ("of another kind", |said| said.qop = Some("auth-conf"), "wrong"),
        ("a nonce made up", |said| said.nonce = "abc", "stale"),
        ("a count of none", |said| said.count = "00000000", "stale"),
        ("no count", |said| said.count = "many", "wrong"),
        ("a wrong password", |said| said.password = "guess", "wrong"),
        ("nobody's name", |said| said.username = "nobody", "wrong"),
        ("what this login may not use", |said| said.algorithm = Some("SHA-256"), "wrong"),
        ("what nobody was offered", |said| said.algorithm = Some("MD5-sess"), "wrong"),
    ];
    for (what, change, expected) in table {
        let mut visit = Visit::new();
        let nonce = visit.nonce();
        let mut said = Said::by_old(&nonce);
        change(&mut said);
        assert_eq!(visit.judge(&said.header()), expected, "{what}");
    }
    let nonce = visit.nonce();
    for (algorithm, count) in [("SHA-256", "00000001"), ("SHA-512-256", "00000002")] {
        let said = Said {
            username: "new",
            password: "secret of new",
            algorithm: Some(algorithm),
            count,
            ..Said::by_old(&nonce)
        };
        assert_eq!(visit.judge(&said.header()), "new", "{algorithm}");
    }
}

#[test]
fn an_answer_is_good_once_and_its_nonce_with_the_next_count() {
    let mut visit = Visit::new();
    let nonce = visit.nonce();
    let said = Said::by_old(&nonce);
    assert_eq!(visit.judge(&said.header()), "old");
    assert_eq!(visit.judge(&said.header()), "stale", "a replay");
    assert_eq!(visit.judge_from("192.0.2.9".parse().unwrap(), &said.header()), "stale", "from elsewhere");
    let next = Said { count: "00000002", ..said.clone() };
    assert_eq!(visit.judge(&next.header()), "old");
    let bare = Said { qop: None, ..said };
    assert_eq!(visit.judge(&bare.header()), "old");
    assert_eq!(visit.judge(&bare.header()), "stale", "without a count a nonce is used up");
    visit.now += Duration::from_mins(6);
    let late = Said { count: "00000003", ..next };
    assert_eq!(visit.judge(&late.header()), "stale", "too old");
}

#[test]
fn who_is_wrong_too_often_is_turned_away_for_a_while_and_nobody_else_is() {
    let mut visit = Visit::new();
    let nonce = visit.nonce();
    let guess = Said { password: "guess", ..Said::by_old(&nonce) };
    for _ in 0..WRONG_MAX {
        assert_eq!(visit.judge(&guess.header()), "wrong");
    }
    assert_eq!(visit.judge(&guess.header()), "refused");
    assert_eq!(visit.judge(""), "refused");
    assert_eq!(visit.judge(&Said::by_old(&nonce).header()), "refused", "even if it is right now");
    assert_eq!(visit.judge_from("192.0.2.9".parse().unwrap(), ""), "asked");
    visit.now += WRONG_WITHIN;
    assert_eq!(visit.judge(&Said::by_old(&nonce).header()), "old");
    assert_eq!(visit.judge(&guess.header()), "wrong", "counted anew");
}

#[test]
fn wrong_answers_are_counted_for_so_many_sources_and_a_whole_network_of_ipv6() {
    let now = start();
    let mut wrong = Wrong::default();
    let source = |index: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + index));
    for index in 0..=SOURCES_MAX as u32 {
        wrong.count(source(index), now + Duration::from_millis(u64::from(index)));
    }
    assert_eq!(wrong.0.len(), SOURCES_MAX);
    assert!(!wrong.0.contains_key(&source(0)) && wrong.0.contains_key(&source(1)));
    let table = [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
    ];
    for (address, expected) in table {
        let expected: IpAddr = expected.parse().unwrap();
        assert_eq!(whose(address.parse().unwrap()), expected, "{address}");
    }
}
