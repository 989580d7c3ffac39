//! Whom to ask for names: as the file says it, by default, and fault by fault.

use super::*;

fn with(setting: &str) -> String {
    format!("[sip]\nname_servers = {setting}")
}

#[test]
fn name_servers_are_the_systems_unless_the_file_names_some() {
    let read = |text: &str| parse(text).unwrap_or_else(|faults| panic!("{faults}")).sip.name_servers;
    assert_eq!(read(SHORTEST), []);
    let named = SHORTEST.replace("[sip]", &with("[\"192.0.2.53\", \"[::1]:5353\", \"2001:db8::53\"]"));
    let expected = ["192.0.2.53:53", "[::1]:5353", "[2001:db8::53]:53"];
    assert_eq!(read(&named), expected.map(|text| text.parse::<SocketAddr>().expect("an address")));
}

#[test]
fn one_fault_of_a_name_server_is_told_once() {
    let four = with("[\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\"]");
    let table = [
        (with("\"192.0.2.53\""), "`name_servers` cannot be a text"),
        (with("[\"dns.example\"]"), "`dns.example` is no IP address"),
        (with("[\"192.0.2.53:dns\"]"), "`192.0.2.53:dns` is no IP address"),
        (four, "more than 3 name servers are no use"),
    ];
    for (setting, expected) in table {
        assert_eq!(faults_of("[sip]", &setting), [expected], "{setting}");
    }
}
