//! Patterns, and which line is found.

use super::*;
use crate::config::{Configuration, Overrides};

fn line_named(name: &str) -> Arc<Line> {
    let demo = Configuration::demo(&Overrides::default());
    Arc::new(Line { number: LineName::new(name), ..Line::clone(&demo.lines[0]) })
}

#[test]
fn patterns_are_read_and_match() {
    let table = [
        ("2XX", "200", true),
        ("2XX", "299", true),
        ("2XX", "2999", false),
        ("2XX", "2A9", false),
        ("2XX", "300", false),
        ("+49.", "+49301234", true),
        ("+49.", "+49", true),
        ("+49.", "+43", false),
        ("0X.", "0", false),
        ("0X.", "05551", true),
        (".", "", true),
        (".", "anything", true),
    ];
    for (pattern, number, matches) in table {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        assert_eq!(pattern.matches(number), matches, "{pattern:?} {number}");
    }
    for text in ["1000", "", "sales", "aX", "1.2", "2XX "] {
        assert_eq!(Pattern::parse(text), None, "{text}");
    }
}

#[test]
fn the_exact_number_wins_over_patterns_the_longer_over_the_shorter_and_these_over_the_trunk() {
    let mut directory = Directory::default();
    let pattern = |text| Address::Pattern(Pattern::parse(text).expect("a pattern"));
    let lines = [
        ("any", pattern(".")),
        ("trunk", Address::Trunk("carrier".into())),
        ("short", pattern("2.")),
        ("gaps", pattern("2XX")),
        ("fewer", pattern("21X")),
        ("exact", Address::Number("211".into())),
    ];
    for (name, address) in &lines[1..] {
        directory.add(line_named(name), [address.clone()]);
    }
    let found = |directory: &Directory, dialled, trunk| {
        directory.find(dialled, trunk).map(|line| line.number.to_string())
    };
    let table = [
        ("211", Some("carrier"), Some("exact")),
        ("212", None, Some("fewer")),
        ("222", None, Some("gaps")),
        ("2222", None, Some("short")),
        ("3", Some("carrier"), Some("trunk")),
        ("3", Some("other"), None),
        ("3", None, None),
    ];
    for (dialled, trunk, line) in table {
        assert_eq!(found(&directory, dialled, trunk).as_deref(), line, "{dialled} {trunk:?}");
    }
    directory.add(line_named("any"), [lines[0].1.clone()]);
    assert_eq!(found(&directory, "3", Some("carrier")).as_deref(), Some("any"));
    assert_eq!(found(&directory, "222", None).as_deref(), Some("gaps"));
    assert!(directory.by_name(&LineName::new("short")).is_some());
    assert!(directory.by_name(&LineName::new("211")).is_none());
}
