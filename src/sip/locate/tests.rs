//! RFC 3263's cases, against zones that are written down here.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::*;

const WAYS: [Way; 3] = [
    Way { transport: Transport::Udp, ipv6: false },
    Way { transport: Transport::Tcp, ipv6: false },
    Way { transport: Transport::Tls, ipv6: false },
];

/// A zone as lines `name KIND data…`; the time to live of a record is 60 s, or what `ttl=` says before it.
struct Zone(HashMap<Question, Answer>);

impl Zone {
    fn read(text: &str) -> Self {
        let mut zone: HashMap<Question, Answer> = HashMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (ttl, line) = match line.strip_prefix("ttl=") {
                Some(rest) => rest.split_once(' ').expect("a record"),
                None => ("60", line),
            };
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            let (kind, record) = record(&words[1..]);
            let answer = zone.entry(Question { name: words[0].to_owned(), kind }).or_default();
            answer.records.push(record);
            answer.valid_for = Duration::from_secs(ttl.parse().expect("seconds"));
        }
        Self(zone)
    }

    fn answer(&self, question: &Question) -> Answer {
        let none = Answer { records: Vec::new(), valid_for: Duration::from_mins(5) };
        self.0.get(question).cloned().unwrap_or(none)
    }

    /// The list that a search comes to, and what it asked on the way.
    fn locate(&self, uri: &str, ways: &[Way]) -> (Located, Vec<Question>) {
        let mut search = Search::new(Sought::parse(uri).expect("a URI to find"), ways, 7);
        let mut asked = Vec::new();
        loop {
            match search.step() {
                Step::Found(located) => return (located, asked),
                Step::Ask(questions) => {
                    for question in questions {
                        assert!(!asked.contains(&question), "{question:?} is asked twice for {uri}");
                        search.answer(question.clone(), self.answer(&question));
                        asked.push(question);
                    }
                }
            }
        }
    }

    fn shown(&self, uri: &str, ways: &[Way]) -> String {
        show(&self.locate(uri, ways).0)
    }
}

fn record(words: &[&str]) -> (Kind, Record) {
    let number = |at: usize| words[at].parse::<u16>().expect("a number");
    match words[0] {
        "A" => (Kind::A, Record::Address(words[1].parse().expect("an address"))),
        "AAAA" => (Kind::Aaaa, Record::Address(words[1].parse().expect("an address"))),
        "SRV" => {
            let (priority, weight, port) = (number(1), number(2), number(3));
            (Kind::Srv, Record::Srv(Srv { priority, weight, port, target: words[4].to_owned() }))
        }
        "NAPTR" => {
            let record = Record::Naptr {
                order: number(1),
                preference: number(2),
                flags: words[3].to_owned(),
                service: words[4].to_owned(),
                replacement: words[5].to_owned(),
            };
            (Kind::Naptr, record)
        }
        other => panic!("no kind of record: {other}"),
    }
}

fn show(located: &Located) -> String {
    located.destinations.iter().fold(String::new(), |mut text, destination| {
        let gap = if text.is_empty() { "" } else { " " };
        write!(text, "{gap}{:?}/{}", destination.transport, destination.address).expect("text");
        text
    })
}

/// The example of RFC 3263 §4.1, and more.
const ZONE: &str = "
    example.com. NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com. NAPTR 90 50 s SIP+D2T _sip._tcp.example.com.
    example.com. NAPTR 100 50 s SIP+D2U _sip._udp.example.com.
    _sips._tcp.example.com. SRV 0 1 5061 server1.example.com.
    _sip._tcp.example.com. SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com. SRV 1 1 5060 server2.example.com.
    _sip._udp.example.com. SRV 0 1 5070 server2.example.com.
    server1.example.com. A 192.0.2.1
    server2.example.com. A 192.0.2.2
    server2.example.com. AAAA 2001:db8::2
    example.com. A 192.0.2.9

    half.example. NAPTR 90 50 s SIP+D2T _sip._tcp.example.com.
    half.example. NAPTR 100 50 s SIPS+D2T _sips._tcp.example.com.

    plain.example. A 192.0.2.10
    plain.example. A 192.0.2.11
    pbx A 192.0.2.12

    srv.example. A 192.0.2.20
    _sip._udp.srv.example. SRV 10 0 5080 a.srv.example.
    _sip._udp.srv.example. SRV 20 0 5080 b.srv.example.
    _sip._tcp.srv.example. SRV 10 0 5090 a.srv.example.
    a.srv.example. A 192.0.2.21
    b.srv.example. A 192.0.2.22

    closed.example. A 192.0.2.30
    _sip._udp.closed.example. SRV 0 0 0 .

    odd.example. NAPTR 10 10 u E2U+sip !^.*$!sip:x@y!
    odd.example. NAPTR 20 10 s SIP+D2S _sip._sctp.odd.example.
    odd.example. NAPTR 30 10 a SIP+D2U host.odd.example.
    odd.example. A 192.0.2.40

    equal.example. NAPTR 10 20 S sip+d2u _u.equal.example.
    equal.example. NAPTR 10 10 S sip+d2t _t.equal.example.
    equal.example. NAPTR 20 10 S sips+d2t _s.equal.example.
    _u.equal.example. SRV 0 0 5060 a.srv.example.
    _t.equal.example. SRV 0 0 5060 b.srv.example.
    _s.equal.example. SRV 0 0 5061 b.srv.example.
    ";

#[test]
fn every_way_from_a_uri_to_its_addresses() {
    let zone = Zone::read(ZONE);
    let table = [
        // A numeric host asks nobody.
        ("sip:a@192.0.2.1", "Udp/192.0.2.1:5060"),
        ("sip:a@192.0.2.1:5070;transport=TCP", "Tcp/192.0.2.1:5070"),
        ("sips:a@192.0.2.1", "Tls/192.0.2.1:5061"),
        ("sip:a@192.0.2.1;transport=tls", "Tls/192.0.2.1:5061"),
        ("sip:a@[::ffff:192.0.2.1]", "Udp/192.0.2.1:5060"),
        ("sip:a@[2001:db8::1]", ""),
        ("sip:a@LocalHost:5070", "Udp/127.0.0.1:5070"),
        ("sips:a@192.0.2.1;transport=udp", "Tls/192.0.2.1:5061"),
        // The domain's preference, of what both can do.
        ("sip:a@example.com", "Tls/192.0.2.1:5061"),
        ("sip:a@half.example", "Tcp/192.0.2.1:5060 Tcp/192.0.2.2:5060"),
        ("sips:a@Example.COM.", "Tls/192.0.2.1:5061"),
        // A transport: no NAPTR. A port: no SRV either.
        ("sip:a@example.com;transport=tcp", "Tcp/192.0.2.1:5060 Tcp/192.0.2.2:5060"),
        ("sip:a@example.com;transport=udp", "Udp/192.0.2.2:5070"),
        ("sip:a@example.com:5099", "Udp/192.0.2.9:5099"),
        ("sips:a@example.com:5099", "Tls/192.0.2.9:5099"),
        ("sip:a@example.com:5099;transport=tcp", "Tcp/192.0.2.9:5099"),
        // maddr takes the host's place.
        ("sip:a@example.com;maddr=192.0.2.77", "Udp/192.0.2.77:5060"),
        ("sip:a@example.com;maddr=plain.example", "Udp/192.0.2.10:5060 Udp/192.0.2.11:5060"),
        // No NAPTR: the services that there are, in our order. No SRV: the name's own addresses.
        ("sip:a@srv.example", "Udp/192.0.2.21:5080 Udp/192.0.2.22:5080 Tcp/192.0.2.21:5090"),
        ("sip:a@plain.example", "Udp/192.0.2.10:5060 Udp/192.0.2.11:5060"),
        ("sips:a@plain.example", "Tls/192.0.2.10:5061 Tls/192.0.2.11:5061"),
        ("sip:a@pbx", "Udp/192.0.2.12:5060"),
        // A service that is decidedly not there.
        ("sip:a@closed.example", ""),
        // NAPTR records that are no use to us count for nothing.
        ("sip:a@odd.example", "Udp/192.0.2.40:5060"),
        // Of one order all are tried, by preference; no higher order is.
        ("sip:a@equal.example", "Tcp/192.0.2.22:5060 Udp/192.0.2.21:5060"),
        ("sips:a@equal.example", "Tls/192.0.2.22:5061"),
        ("sip:a@nowhere.example", ""),
    ];
    for (uri, expected) in table {
        assert_eq!(zone.shown(uri, &WAYS), expected, "{uri}");
    }
}

#[test]
fn only_ways_that_are_open_are_taken() {
    let zone = Zone::read(ZONE);
    let udp = Way { transport: Transport::Udp, ipv6: false };
    let both = [Way { transport: Transport::Udp, ipv6: true }, udp];
    let table = [
        ("sip:a@example.com", &[udp][..], "Udp/192.0.2.2:5070"),
        ("sip:a@example.com", &both[..1], "Udp/[2001:db8::2]:5070"),
        ("sip:a@example.com", &both[..], "Udp/[2001:db8::2]:5070 Udp/192.0.2.2:5070"),
        ("sip:a@[2001:db8::1]", &both[..], "Udp/[2001:db8::1]:5060"),
        ("sips:a@example.com", &[udp], ""),
        ("sip:a@192.0.2.1;transport=tcp", &[udp], ""),
        ("sip:a@example.com", &[], ""),
    ];
    for (uri, ways, expected) in table {
        assert_eq!(zone.shown(uri, ways), expected, "{uri} by {ways:?}");
    }
}

#[test]
fn what_is_no_peer_of_ours_is_not_sought() {
    let table = [
        "tel:+12025550101",
        "mailto:a@b",
        "sip:a@h;transport=sctp",
        "sip:a@h;transport=ws",
        "sips:a@h;transport=ws",
        "sip:a@h;maddr=",
        "sip:",
        "",
    ];
    for uri in table {
        assert_eq!(Sought::parse(uri), None, "{uri}");
    }
}

#[test]
fn no_more_is_asked_than_is_needed() {
    let zone = Zone::read(ZONE);
    let table = [
        ("sip:a@192.0.2.1", ""),
        ("sip:a@plain.example:5060", "A plain.example."),
        ("sip:a@srv.example;transport=tcp", "Srv _sip._tcp.srv.example., A a.srv.example."),
        ("sips:a@srv.example", "Naptr srv.example., Srv _sips._tcp.srv.example., A srv.example."),
        (
            "sip:a@srv.example",
            "Naptr srv.example., Srv _sip._udp.srv.example., Srv _sip._tcp.srv.example., \
             A a.srv.example., A b.srv.example.",
        ),
    ];
    for (uri, expected) in table {
        let asked = zone.locate(uri, &WAYS).1;
        let asked: Vec<_> = asked.iter().map(|asked| format!("{:?} {}", asked.kind, asked.name)).collect();
        assert_eq!(asked.join(", "), expected, "{uri}");
    }
}

#[test]
fn a_list_holds_as_long_as_the_shortest_of_its_answers() {
    let zone = Zone::read(
        "ttl=90 example. NAPTR 1 1 s SIP+D2U _sip._udp.example.
         ttl=30 _sip._udp.example. SRV 0 0 5060 a.example.
         ttl=50 a.example. A 192.0.2.1",
    );
    let holds = |uri| zone.locate(uri, &WAYS).0.valid_for.as_secs();
    assert_eq!(holds("sip:a@example"), 300, "a name of one label is not the complete one");
    assert_eq!(holds("sip:a@example."), 30);
    assert_eq!(holds("sip:a@a.example:5060"), 50);
    assert_eq!(holds("sip:a@192.0.2.1"), ALWAYS.as_secs());
}

#[test]
fn answers_without_end_make_a_list_with_one() {
    let mut text = String::new();
    for host in 0..100 {
        writeln!(text, "big.example. NAPTR 1 {host} s SIP+D2U _{host}.big.example.").expect("text");
        for other in 0..100 {
            writeln!(text, "_{host}.big.example. SRV {other} 0 5060 h{host}-{other}.big.example.")
                .expect("text");
        }
    }
    for (host, address) in (0..100).flat_map(|host| (0..100).map(move |address| (host, address))) {
        writeln!(text, "h0-{host}.big.example. A 192.0.{host}.{address}").expect("text");
    }
    let (located, asked) = Zone::read(&text).locate("sip:a@big.example", &WAYS);
    assert_eq!(located.destinations.len(), DESTINATIONS_MAX);
    assert_eq!(asked.len(), 1 + SERVICES_MAX + HOSTS_MAX);
}

#[test]
fn records_of_another_kind_are_ignored() {
    let mut search = Search::new(Sought::parse("sip:a@h.example:5060").expect("a URI"), &WAYS, 1);
    let question = Question { name: "h.example.".into(), kind: Kind::A };
    let records = vec![
        Record::Address("2001:db8::1".parse().expect("an address")),
        Record::Srv(Srv { priority: 0, weight: 0, port: 1, target: "x.".into() }),
        Record::Address("192.0.2.1".parse().expect("an address")),
    ];
    search.answer(question, Answer { records, valid_for: Duration::ZERO });
    let Step::Found(located) = search.step() else { panic!("nothing more is needed") };
    assert_eq!(show(&located), "Udp/192.0.2.1:5060");
}
