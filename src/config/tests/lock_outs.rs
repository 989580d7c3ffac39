//! `[locks]` and `[numbers]`: what they come to, and what is wrong with them.

use super::*;
use crate::locks::{Limit, Limits};

fn locks(settings: &str) -> Limits {
    let read = parse(&format!("{SHORTEST}\n[locks]\n{settings}\n"));
    read.unwrap_or_else(|faults| panic!("{faults}")).locks.limits
}

fn wrong_with(settings: &str) -> String {
    let read = parse(&format!("{SHORTEST}\n{settings}\n"));
    read.map_or_else(|faults| faults.to_string(), |_| String::new())
}

#[test]
fn limits_are_as_usual_where_nothing_is_said_of_them() {
    let read = parse(SHORTEST).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((read.locks.limits, read.locks.server), (Limits::USUAL, None));
    let demo = Configuration::demo(&Overrides::default()).locks.limits;
    let soon = |limit: Option<Limit>| limit.map(|limit| Limit { within: Duration::from_mins(10), ..limit });
    let (customer, ani) = (soon(Limits::USUAL.customer), soon(Limits::USUAL.ani));
    assert_eq!(demo, Limits { customer, ani, ..Limits::USUAL }, "whoever tries the demo can soon go on");
    let told = locks("customer = \"off\"\ntrunk = { tries = 1000, within = \"30m\" }");
    let trunk = Some(Limit { tries: 1000, within: Duration::from_mins(30) });
    assert_eq!(told, Limits { customer: None, trunk, ..Limits::USUAL });
}

#[test]
fn what_is_no_limit_is_told() {
    let table = [
        ("[locks]\nani = \"none\"", "`none` is no number of tries"),
        ("[locks]\nani = { tries = 0, within = \"1h\" }", "`tries`"),
        ("[locks]\nani = { tries = 3 }", "within"),
        ("[locks]\nani = { tries = 3, within = \"33d\" }", "`33d`"),
        ("[locks]\nnumber = \"off\"", "has no setting `number`"),
        ("[locks]\ndatabase = \"mysql://s3same@db/portero\"", "no address of a PostgreSQL database"),
        ("[numbers]\nblocked = [\"1900*\"]", "`1900*` is no number in E.164"),
        ("[numbers]\nto_agent = [\"+4930999-+4930000\"]", "`+4930999-+4930000`"),
        ("[numbers]\nto_agents = []", "has no setting `to_agents`"),
    ];
    for (settings, told) in table {
        let faults = wrong_with(settings);
        assert!(faults.contains(told), "{settings}: {faults}");
        assert!(!faults.contains("s3same"), "{faults}");
    }
}

#[test]
fn a_database_is_taken_where_the_build_speaks_with_it() {
    let text =
        format!("{SHORTEST}\n[locks]\ndatabase = \"postgres://portero:s3same@db.example.com/portero\"\n");
    let (read, faults) = match parse(&text) {
        Ok(read) => (Some(read), String::new()),
        Err(faults) => (None, faults.to_string()),
    };
    assert_eq!(read.is_some(), cfg!(feature = "postgres"), "{faults}");
    assert_eq!(faults.contains("does not speak with PostgreSQL"), read.is_none(), "{faults}");
    assert!(read.as_ref().is_none_or(|read| read.locks.server.is_some()));
    assert!(!format!("{read:?} {faults}").contains("s3same"), "{faults}");
}
