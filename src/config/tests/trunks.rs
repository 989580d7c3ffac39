//! Trunks and strangers: as the file says them, by default, and fault by fault.

use super::*;
use crate::call::{Register, Strangers, Trunk, Uplink};
use crate::flow::{AniSource, Country};
use crate::secret::Password;
use crate::sip::{Account, Algorithm, Login, Registrar, Sought};

#[test]
fn the_trunk_that_the_demo_tells_of_can_be_had() {
    let (before, rest) = DEMO.split_once("# [[trunks]]\n").expect("it tells of one");
    let (told, after) = rest.split_once("\n\n").expect("there is more behind it");
    let settings = told.lines().filter_map(|line| line.strip_prefix("# "));
    let is_setting = |line: &&str| {
        line.split_once(" = ")
            .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    let settings: Vec<_> = settings.filter(is_setting).collect();
    let text = format!("{before}[[trunks]]\n{}\n\n{after}", settings.join("\n"));
    let passwords = |name: &str| name.strip_suffix("_PASSWORD").map(str::to_lowercase);
    let read =
        Configuration::parse("test.toml", &text, &passwords).unwrap_or_else(|faults| panic!("{faults}"));
    let account =
        Account { username: "portero".into(), password: Password::new("account".into()), realm: None };
    let register = Register {
        registrar: Registrar::parse("sip:carrier.example").expect("a domain"),
        user: "portero".into(),
        called: "1000".into(),
        expires: Duration::from_hours(1),
    };
    let expected = Trunk {
        transport: Some(Transport::Tls),
        name: "carrier".into(),
        addresses: ["203.0.113.0/28", "2001:db8:7::5/128"]
            .map(|text| text.parse().expect("a network"))
            .into(),
        calls_max: Some(200),
        calls_per_second: Some(20),
        identity: vec![AniSource::PAssertedIdentity, AniSource::From],
        login: Some(Login {
            name: "carrier".into(),
            username: "carrier".into(),
            password: Password::new("carrier".into()),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        }),
        account: Some(Arc::new(account)),
        uplink: Some(Uplink {
            servers: ["sip.carrier.example", "203.0.113.2:5060"]
                .map(|text| Sought::server(text).expect("a server"))
                .into(),
            ping: Some(Duration::from_secs(30)),
            register: Some(register),
        }),
        verstat: true,
        passports: false,
        country: Country::parse("US"),
    };
    assert_eq!(read.trunks, Trunks { list: vec![Arc::new(expected)], strangers: Strangers::Refuse });
}

#[test]
fn a_trunk_that_says_the_least_has_its_defaults() {
    let text = SHORTEST
        .replace("[sip]", "[sip]\nstrangers = \"ignore\"")
        .replace("[[lines]]", "[[trunks]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n[[lines]]");
    let read = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(read.trunks.strangers, Strangers::Ignore);
    let [trunk] = &read.trunks.list[..] else { panic!("there is one trunk") };
    assert_eq!((trunk.calls_max, trunk.calls_per_second, trunk.country), (None, None, None));
    assert!(!trunk.verstat && trunk.transport.is_none());
    assert_eq!(trunk.identity, [AniSource::From]);
    assert_eq!((&trunk.login, &trunk.account, &trunk.uplink), (&None, &None, &None));
}

#[test]
fn one_fault_of_a_trunk_is_told_once() {
    let at = |addresses: &str| format!("[[trunks]]\nname = \"a\"\naddresses = {addresses}\n");
    let with = |setting: &str| format!("{}{setting}\n", at("[\"192.0.2.1\"]"));
    let two = |name: &str, network: &str| {
        let other = format!("[[trunks]]\nname = \"{name}\"\naddresses = [\"{network}\"]\n");
        format!("{}{other}", at("[\"192.0.2.0/24\", \"2001:db8::/48\"]"))
    };
    let table = [
        ("[[trunks]]\naddresses = [\"192.0.2.1\"]\n".to_owned(), "this trunk does not say `name`"),
        ("[[trunks]]\nname = \"a\"\n".to_owned(), "this trunk does not say `addresses`"),
        ("[trunks.a]\n".to_owned(), "`trunks` cannot be a section"),
        (at("\"192.0.2.1\""), "`addresses` cannot be a text"),
        (with("transport = \"sctp\""), "`sctp` is no transport of SIP that we speak"),
        (at("[]"), "this trunk has no address"),
        (at("[\"a.example\"]"), "`a.example` is no IP address and no network"),
        (at("[\"192.0.2.1:5060\"]"), "`192.0.2.1:5060` is no IP address and no network"),
        (at("[\"192.0.2.1/33\"]"), "`192.0.2.1/33` is no IP address and no network"),
        (at("[\"192.0.2.1/24\"]"), "`192.0.2.1/24` says more than its prefix"),
        (at("[\"::ffff:192.0.2.1\"]"), "`::ffff:192.0.2.1` is IPv4 in the form of IPv6"),
        (
            two("b", "192.0.2.7"),
            "`192.0.2.7/32` and `192.0.2.0/24` of the trunk `a` have addresses in common",
        ),
        (two("b", "2001::/16"), "`2001::/16` and `2001:db8::/48` of the trunk `a` have addresses in common"),
        (two("a", "192.0.3.7"), "there is a trunk `a` already"),
        (with("calls = 0"), "`calls` is out of range"),
        (with("calls_per_second = 10001"), "`calls_per_second` is out of range"),
        (with("identity = []"), "`identity` names no header"),
        (with("identity = [\"contact\"]"), "`contact` tells no calling number"),
        (with("identity = [\"from\", \"from\"]"), "`from` is named already"),
        (with("verstat = \"yes\""), "`verstat` cannot be a text"),
        (with("country = \"us\""), "`us` is no country with telephone numbers of its own"),
        (with("protocol = \"udp\""), "this trunk has no setting `protocol`"),
    ];
    for (trunks, expected) in table {
        assert_eq!(faults_of("[[lines]]", &format!("{trunks}[[lines]]")), [expected], "{trunks}");
    }
    let admitted = "[sip]\nstrangers = \"admit\"";
    let roaming = "[[trunks]]\nname = \"a\"\nusername = \"u\"\npassword = \"p\"\n[back_end]";
    let text = SHORTEST.replace("[sip]", admitted).replace("[back_end]", roaming);
    let faults: Vec<_> =
        parse(&text).expect_err("a fault").iter().map(|fault| fault.message().to_owned()).collect();
    assert_eq!(faults, ["nobody is asked for a username where strangers are admitted"]);
    let met = faults_of("[sip]", "[sip]\nstrangers = \"shoot\"");
    assert_eq!(met, ["strangers cannot be met with `shoot`"]);
}

#[test]
fn a_trunk_may_be_known_by_its_login_alone_and_register_where_its_domain_says() {
    let text = SHORTEST.replace(
        "[[lines]]",
        "[[trunks]]\nname = \"a\"\nusername = \"u\"\npassword = \"env:SET\"\nalgorithms = [\"MD5\"]\n\
         account = { username = \"me\", password = \"secret\", realm = \"there\" }\n\
         register = \"sip:192.0.2.7;transport=tcp\"\n[[lines]]",
    );
    let read = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let [trunk] = &read.trunks.list[..] else { panic!("there is one trunk") };
    assert_eq!(trunk.addresses, []);
    assert_eq!(trunk.login.as_ref().map(|login| &login.algorithms[..]), Some(&[Algorithm::Md5][..]));
    let uplink = trunk.uplink.as_ref().expect("servers");
    assert_eq!(uplink.servers, [Sought::server("tcp:192.0.2.7:5060").expect("a server")]);
    let register = uplink.register.as_ref().expect("a registration");
    assert_eq!((register.user.as_str(), register.called.as_str()), ("me", "me"));
    let shown = format!("{read:?}");
    assert!(!shown.contains("\"secret\"") && !shown.contains("open sesame"), "{shown}");
}

#[test]
fn one_fault_of_a_login_or_a_server_is_told_once() {
    let with = |setting: &str| format!("[[trunks]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n{setting}\n");
    let login = |more: &str| with(&format!("username = \"u\"\npassword = \"p\"\n{more}"));
    let account = "account = { username = \"u\", password = \"p\" }\n";
    let roaming = |name: &str| format!("[[trunks]]\nname = \"{name}\"\nusername = \"u\"\npassword = \"p\"\n");
    let many: Vec<String> = (1..=17).map(|last| format!("\"192.0.2.{last}\"")).collect();
    let table = [
        (with("username = \"u\""), "this trunk does not say `password`"),
        (with("password = \"p\""), "this trunk does not say `username`"),
        (with("username = \"a:b\"\npassword = \"p\""), "`a:b` is no username"),
        (with("username = \"u\"\npassword = \"\""), "this is no password"),
        (with("username = \"u\"\npassword = \"env:GONE\""), "there is no environment variable `GONE`"),
        (login("algorithms = []"), "`algorithms` names none"),
        (login("algorithms = [\"SHA-1\"]\n"), "`SHA-1` is no algorithm for digests"),
        (login("algorithms = [\"MD5\", \"MD5\"]"), "`MD5` is named already"),
        (roaming("a") + &roaming("b"), "`u` is another trunk's username"),
        (with("account = \"me\""), "`account` cannot be a text"),
        (with("account = {}"), "`account` does not say `username`"),
        (with("account = { username = \"u\" }"), "`account` does not say `password`"),
        (with("account = { username = \"u\", password = \"p\", realm = \"\" }"), "`` is no username"),
        (with("servers = [\"a_b.example\"]"), "`a_b.example` is no server"),
        (with("servers = [\"203.0.113.256\"]"), "`203.0.113.256` is no server"),
        (with("servers = [\"sctp:a.example\"]"), "`sctp:a.example` is no server"),
        (with("servers = [\"a.example:65536\"]"), "`a.example:65536` is no server"),
        (with("servers = [\"a.example\", \"A.Example.\"]"), "`A.Example.` is named already"),
        (with("servers = [\"localhost\", \"udp:127.0.0.1\"]"), "`udp:127.0.0.1` is named already"),
        (with("servers = [\"192.0.2.1\", \"192.0.2.1:5060\"]"), "`192.0.2.1:5060` is named already"),
        (with(&format!("servers = [{}]", many.join(", "))), "17 servers are too many for one trunk"),
        (with("ping = \"30s\""), "`ping` needs to know which servers the trunk has"),
        (with("servers = [\"192.0.2.1\"]\nping = \"1s\""), "`1s` is out of range"),
        (with("register = \"sip:192.0.2.1\""), "`register` needs to know as whom"),
        (
            with(&format!("{account}register = \"sip:a.example;transport=sctp\"")),
            "`sip:a.example;transport=sctp` is nothing to register with",
        ),
        (
            with(&format!("{account}register = \"sip:me@192.0.2.1\"")),
            "`sip:me@192.0.2.1` is nothing to register with",
        ),
        (
            with(&format!("{account}register = \"sip:192.0.2.1\"\nregister_for = \"1s\"")),
            "`1s` is out of range",
        ),
    ];
    for (trunks, expected) in table {
        assert_eq!(faults_of("[[lines]]", &format!("{trunks}[[lines]]")), [expected], "{trunks}");
    }
    assert_eq!(faults_of("[sip]", "[sip]\nrealm = \"a\\\"b\""), ["`a\"b` is no realm"]);
}
