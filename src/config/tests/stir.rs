//! Whom we trust to sign calling numbers, and who wants that checked: as the file says it, by default, and fault by fault.

use super::*;
use crate::flow::LineName;
use crate::net::certificates::{self, HostPattern};

const WANTED: &str = "[[trunks]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\npassports = true\n";

fn with(settings: &str) -> String {
    format!("[stir]\n{settings}\n{WANTED}[[lines]]")
}

fn read(text: &str) -> Configuration {
    parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn passports_are_checked_where_a_trunk_or_a_line_wants_it() {
    let read_with = |change: &str| read(&SHORTEST.replace("[[lines]]", change));
    let plain = read(SHORTEST);
    assert_eq!((plain.stir, plain.passports), (None, Passports::default()));
    let trunk = read_with(&with("roots = \"roots.pem\""));
    assert!(trunk.trunks.list[0].passports && trunk.passports.lines.is_empty() && trunk.warnings.is_empty());
    let usual = Stir {
        roots: "roots.pem".into(),
        revocations: None,
        freshness: seconds(60),
        deadline: Duration::from_millis(1500),
        repositories: certificates::Config::default(),
    };
    assert_eq!(trunk.stir, Some(usual));
    let line = read_with("[stir]\nroots = \"roots.pem\"\ndeadline = \"2s\"\n[[lines]]\npassports = true");
    let expected = Passports { lines: [LineName::new("100")].into(), deadline: seconds(2) };
    assert_eq!((line.passports, line.warnings.len()), (expected, 0));
}

#[test]
fn certificates_are_fetched_from_where_the_file_says() {
    let settings = "roots = \"a.pem\"\nrevocations = \"b.pem\"\ntrust = \"c.pem\"\nfreshness = \"5s\"\n\
                    hosts = [\"*.Example.com\"]\nlocal_hosts = [\"10.0.0.7\", \"Own.example\"]";
    let stir = read(&SHORTEST.replace("[[lines]]", &with(settings))).stir.expect("a section");
    assert_eq!((stir.revocations, stir.freshness), (Some("b.pem".into()), seconds(5)));
    let expected = certificates::Config {
        hosts: HostPattern::parse("*.example.com").map(|pattern| vec![pattern]),
        local_hosts: vec!["10.0.0.7".into(), "own.example".into()],
        trust: Some("c.pem".into()),
    };
    assert_eq!(stir.repositories, expected);
}

#[test]
fn one_fault_of_who_may_sign_is_told_once() {
    let rooted = |setting: &str| with(&format!("roots = \"a.pem\"\n{setting}"));
    let table = [
        (with(""), "[stir] does not say `roots`"),
        (with("roots = \"\""), "this is no file"),
        (rooted("freshness = \"1s\""), "`1s` is out of range"),
        (rooted("deadline = \"1m\""), "`1m` is out of range"),
        (rooted("hosts = [\"https://a.example\"]"), "`https://a.example` is no host"),
        (rooted("local_hosts = [\"*.example\"]"), "`*.example` is no host"),
        (rooted("host = \"a.example\""), "[stir] has no setting `host`"),
        ("[stir]\nroots = \"a.pem\"\n[[lines]]".into(), "nobody has passports checked"),
        (format!("{WANTED}[[lines]]"), "passports are checked here, and it is not said whose are trusted"),
        (
            "[[lines]]\npassports = true".into(),
            "passports are checked here, and it is not said whose are trusted",
        ),
    ];
    for (change, expected) in table {
        assert_eq!(faults_of("[[lines]]", &change), [expected], "{change}");
    }
}

#[test]
fn a_line_says_what_a_number_has_to_be_worth_and_what_becomes_of_others() {
    use crate::flow::Below::{Ignore, Raise};
    let table = [
        ("true", TrustLevel::Claimed, Ignore),
        ("{ trust = \"any\" }", TrustLevel::Any, Ignore),
        ("{ trust = \"full\", below = \"raise\" }", TrustLevel::Full, Raise),
        ("{ below = \"ignore\" }", TrustLevel::Claimed, Ignore),
    ];
    for (setting, trust, below) in table {
        let text = SHORTEST.replace("[[lines]]", &format!("[[lines]]\nidentify_by_number = {setting}"));
        let by_number = read(&text).lines[0].by_number.clone().expect("it identifies");
        assert_eq!((by_number.trust, by_number.below), (trust, below), "{setting}");
    }
    let wrong = faults_of("[[lines]]", "[[lines]]\nidentify_by_number = { below = \"refuse\" }");
    assert_eq!(wrong, ["`refuse` is nothing to do with a number"]);
}
