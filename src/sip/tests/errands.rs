//! Errands to servers that go by a name, and to several of them.

use std::net::SocketAddr;
use std::time::Duration;

use super::wire::{Wire, header, response_to};
use crate::sip::{
    Destination, Domain, ErrandId, Event, Located, Order, Question, Registrar, Reply, SearchId, Sought, Step,
    Task, Transmit, Transport,
};

const HOUR: Duration = Duration::from_hours(1);

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn located(places: &[(Transport, &str)]) -> Located {
    let destination =
        |&(transport, address): &(Transport, &str)| Destination { transport, address: at(address) };
    Located { destinations: places.iter().map(destination).collect(), valid_for: Duration::from_mins(1) }
}

fn errand(wire: &mut Wire, server: &str, task: Task) -> ErrandId {
    let server = Sought::server(server).expect("a server");
    wire.endpoint.take_on(Order { task, server, account: None })
}

fn registration() -> Task {
    Task::Register {
        registrar: Registrar::parse("sip:carrier.example").expect("a domain"),
        user: "portero".to_owned(),
        contact_user: "1000".to_owned(),
    }
}

/// Runs an errand whose server has to be looked up, and gives what for.
fn run(wire: &mut Wire, errand: ErrandId) -> (SearchId, Vec<Question>) {
    wire.endpoint.run(errand, HOUR, wire.now);
    assert!(wire.endpoint.poll_transmit().is_none(), "nothing is sent before it is known where to");
    let (id, search) = wire.endpoint.poll_search().expect("a search");
    assert!(wire.endpoint.poll_search().is_none(), "one search at a time");
    match search.step() {
        Step::Ask(questions) => (id, questions),
        Step::Found(located) => panic!("{located:?} is known already"),
    }
}

fn only(wire: &mut Wire) -> (Transmit, String) {
    let transmit = wire.endpoint.poll_transmit().expect("a message");
    assert_eq!(wire.endpoint.poll_transmit(), None, "one message");
    let text = String::from_utf8_lossy(&transmit.payload).into_owned();
    (transmit, text)
}

fn answer(wire: &mut Wire, from: &str, request: &str, status: u16, more: &str) {
    let text = response_to(request, status, Some("theirs"), more);
    wire.endpoint.receive(Wire::hop(at(from)), text.as_bytes(), wire.now);
}

fn replied(errand: ErrandId, status: u16) -> Vec<Event> {
    vec![Event::Replied(errand, Reply { status, ..Reply::default() })]
}

#[test]
fn a_server_by_name_is_sought_each_time_and_reached_where_it_was_found() {
    let mut wire = Wire::new();
    let errand = errand(&mut wire, "sip.carrier.example", Task::Ping);
    for (place, status) in [("192.0.2.77:5070", 200), ("192.0.2.78:5060", 404)] {
        let (search, questions) = run(&mut wire, errand);
        assert_eq!(questions[0].name, "sip.carrier.example.");
        wire.endpoint.located(search, located(&[(Transport::Udp, place)]), wire.now);
        let (sent, options) = only(&mut wire);
        assert_eq!((sent.hop, sent.domain), (Wire::hop(at(place)), None), "a datagram proves nobody");
        assert!(options.starts_with("OPTIONS sip:sip.carrier.example SIP/2.0\r\n"), "{options}");
        answer(&mut wire, place, &options, status, "");
        assert_eq!(wire.events(), replied(errand, status));
    }
}

#[test]
fn a_name_that_leads_nowhere_counts_as_unavailable() {
    let mut wire = Wire::new();
    let errand = errand(&mut wire, "tcp:sip.carrier.example", Task::Ping);
    let nowhere = [Located::default(), located(&[(Transport::Tcp, "[2001:db8::1]:5060")])];
    for located in nowhere {
        let (search, _) = run(&mut wire, errand);
        wire.endpoint.located(search, located, wire.now);
        assert_eq!(wire.endpoint.poll_transmit(), None);
        assert_eq!(wire.events(), replied(errand, 503));
    }
    assert!(wire.endpoint.is_idle());
}

#[test]
fn a_registration_goes_on_to_the_next_address_with_the_contact_that_its_way_wants() {
    let mut wire = Wire::new();
    let errand = errand(&mut wire, "sip.carrier.example", registration());
    let (search, _) = run(&mut wire, errand);
    let places = [
        (Transport::Udp, "192.0.2.77:5060"),
        (Transport::Tcp, "192.0.2.78:5060"),
        (Transport::Udp, "192.0.2.79:5060"),
    ];
    wire.endpoint.located(search, located(&places), wire.now);
    let (sent, first) = only(&mut wire);
    assert!(first.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n"), "{first}");
    assert_eq!(
        (sent.hop.peer, header(&first, "Contact")),
        (at("192.0.2.77:5060"), Some("<sip:1000@192.0.2.10:5060>"))
    );
    // 503 at once, silence after 4 s.
    answer(&mut wire, "192.0.2.77:5060", &first, 503, "");
    let (sent, second) = only(&mut wire);
    let contact = "<sip:1000@192.0.2.10:5060;transport=tcp>";
    assert_eq!((sent.hop.peer, header(&second, "Contact")), (at("192.0.2.78:5060"), Some(contact)));
    wire.now += Duration::from_secs(4);
    wire.endpoint.handle_timeout(wire.now);
    let (sent, third) = only(&mut wire);
    assert_eq!(sent.hop.peer, at("192.0.2.79:5060"));
    for name in ["Call-ID", "CSeq", "From", "To", "Expires"] {
        assert_eq!(header(&first, name), header(&third, name), "{name}");
    }
    assert_ne!(header(&first, "Via"), header(&third, "Via"));
    assert_eq!(wire.events(), []);
    // Its own binding is known by the Contact that was sent last.
    let bindings =
        "Contact: <sip:1000@192.0.2.99:5060>;expires=7, <sip:1000@192.0.2.10:5060>;expires=600\r\n";
    answer(&mut wire, "192.0.2.79:5060", &third, 200, bindings);
    let expires = Some(Duration::from_mins(10));
    assert_eq!(wire.events(), [Event::Replied(errand, Reply { status: 200, expires, ..Reply::default() })]);
}

#[test]
fn what_is_sent_by_tls_says_which_domain_it_is_for() {
    let mut wire = Wire::new();
    let by_name = errand(&mut wire, "sip.carrier.example", Task::Ping);
    let (search, _) = run(&mut wire, by_name);
    let places = [(Transport::Tls, "192.0.2.77:5061"), (Transport::Tls, "192.0.2.78:5061")];
    wire.endpoint.located(search, located(&places), wire.now);
    let domain = Domain::new("sip.carrier.example");
    let (first, _) = only(&mut wire);
    assert_eq!(first.domain.as_ref(), Some(&domain));
    // What cannot reach another domain at that address is no concern of this one.
    let other = Domain::new("other.example");
    for someone in [None, Some(&other)] {
        wire.endpoint.unreachable(&first.hop, someone, wire.now);
        assert_eq!(wire.endpoint.poll_transmit(), None);
    }
    wire.endpoint.unreachable(&first.hop, Some(&domain), wire.now);
    let (second, _) = only(&mut wire);
    assert_eq!((second.hop.peer, second.domain.as_ref()), (at("192.0.2.78:5061"), Some(&domain)));
    wire.endpoint.unreachable(&second.hop, Some(&domain), wire.now);
    assert_eq!(wire.events(), replied(by_name, 503));

    let by_address = errand(&mut wire, "tls:192.0.2.77", Task::Ping);
    wire.endpoint.run(by_address, HOUR, wire.now);
    let (sent, _) = only(&mut wire);
    assert_eq!((sent.hop.transport, sent.domain), (Transport::Tls, None));
}

#[test]
fn an_errand_that_is_run_again_or_dropped_waits_for_no_search() {
    let mut wire = Wire::new();
    let errand = errand(&mut wire, "sip.carrier.example", Task::Ping);
    let (first, _) = run(&mut wire, errand);
    let (second, _) = run(&mut wire, errand);
    wire.endpoint.located(first, located(&[(Transport::Udp, "192.0.2.77:5060")]), wire.now);
    assert_eq!(wire.endpoint.poll_transmit(), None, "the first has been given up");
    wire.endpoint.located(second, located(&[(Transport::Udp, "192.0.2.78:5060")]), wire.now);
    assert_eq!(only(&mut wire).0.hop, Wire::hop(at("192.0.2.78:5060")));
    let (third, _) = run(&mut wire, errand);
    wire.endpoint.drop_errand(errand, wire.now);
    assert!(wire.endpoint.is_idle());
    wire.endpoint.located(third, located(&[(Transport::Udp, "192.0.2.78:5060")]), wire.now);
    assert_eq!((wire.endpoint.poll_transmit(), wire.events()), (None, Vec::new()));
    assert!(wire.endpoint.is_idle());
}
