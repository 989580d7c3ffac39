//! Trunks and strangers: as the file says them, by default, and fault by fault.

use super::*;
use crate::call::{Strangers, Trunk};
use crate::flow::{AniSource, Country};

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
    let read = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let expected = Trunk {
        name: "carrier".into(),
        addresses: ["203.0.113.0/28", "2001:db8:7::5/128"]
            .map(|text| text.parse().expect("a network"))
            .into(),
        calls_max: Some(200),
        calls_per_second: Some(20),
        identity: vec![AniSource::PAssertedIdentity, AniSource::From],
        verstat: true,
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
    assert!(!trunk.verstat);
    assert_eq!(trunk.identity, [AniSource::From]);
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
        (with("transport = \"udp\""), "this trunk has no setting `transport`"),
    ];
    for (trunks, expected) in table {
        assert_eq!(faults_of("[[lines]]", &format!("{trunks}[[lines]]")), [expected], "{trunks}");
    }
    let met = faults_of("[sip]", "[sip]\nstrangers = \"shoot\"");
    assert_eq!(met, ["strangers cannot be met with `shoot`"]);
}
