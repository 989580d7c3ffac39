//! Peers that are known by name, and peers of which there are several.

use std::net::SocketAddr;
use std::time::Duration;

use super::SDP;
use super::wire::{Sketch, Wire, header, response_to, tag_of};
use crate::sip::{
    Call, Destination, DialogId, EndCause, Endpoint, Event, Hop, Located, Question, Referral, ReferralEvent,
    Search, SearchId, Step, Transport,
};

const USUAL: &str = "Contact: <sip:+12025550101@192.0.2.1:5060>\r\n";
const NAMED: &str = "Contact: <sip:a@pool.example>\r\n";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn located(addresses: &[&str], seconds: u64) -> Located {
    let destination = |address: &&str| Destination { transport: Transport::Udp, address: at(address) };
    Located {
        destinations: addresses.iter().map(destination).collect(),
        valid_for: Duration::from_secs(seconds),
    }
}

/// What is to be sent, and to whom.
fn sent(endpoint: &mut Endpoint) -> Vec<(String, String)> {
    std::iter::from_fn(|| endpoint.poll_transmit())
        .map(|it| (it.hop.peer.to_string(), String::from_utf8_lossy(&it.payload).into_owned()))
        .collect()
}

/// The only one of these, and to whom it goes.
fn only(sent: Vec<(String, String)>) -> (String, String) {
    let [one] = <[_; 1]>::try_from(sent).unwrap_or_else(|sent| panic!("one message, not {sent:#?}"));
    one
}

fn only_search(wire: &mut Wire) -> SearchId {
    let (id, _) = wire.endpoint.poll_search().expect("a search");
    assert!(wire.endpoint.poll_search().is_none(), "one search at a time");
    id
}

/// A call whose Contact is a name, up to its ACK.
fn call_of_a_name(wire: &mut Wire) -> (DialogId, String) {
    wire.send_text(&Sketch::invite().text("z9hG4bKnamed").replace(USUAL, NAMED));
    let events = wire.events();
    let [Event::Invited(id, _)] = events.as_slice() else { panic!("not invited: {events:?}") };
    wire.endpoint.accept(*id, SDP, wire.now);
    let tag = tag_of(&wire.sent().pop().expect("a 200"));
    wire.send(&Sketch::inside("ACK", &tag, 1));
    assert_eq!(wire.events(), [Event::Confirmed(*id, None)]);
    (*id, tag)
}

fn refer(wire: &mut Wire, id: DialogId) -> (String, String) {
    let referral = Referral { refer_to: "sip:agents@192.0.2.50".to_owned(), headers: Vec::new() };
    wire.endpoint.refer(id, &referral, wire.now);
    only(sent(&mut wire.endpoint))
}

#[test]
fn a_literal_is_not_looked_up() {
    let mut wire = Wire::new();
    let (id, _) = wire.established();
    wire.endpoint.bye(id, wire.now);
    assert!(wire.endpoint.poll_search().is_none());
}

#[test]
fn a_name_is_asked_for_at_the_invite_and_used_once_it_is_known() {
    let mut wire = Wire::new();
    let (id, _) = call_of_a_name(&mut wire);
    let (search, asked) = wire.endpoint.poll_search().expect("a search");
    let question = |search: &Search| match search.step() {
        Step::Ask(questions) => questions.into_iter().map(|Question { name, .. }| name).collect::<Vec<_>>(),
        Step::Found(located) => panic!("{located:?} is known already"),
    };
    assert_eq!(question(&asked), ["pool.example."]);
    assert_eq!(refer(&mut wire, id).0, "192.0.2.1:5060", "nothing waits for an answer");
    assert!(wire.endpoint.poll_search().is_none(), "it is asked for already");
    wire.endpoint.located(search, located(&["192.0.2.77:5070"], 60), wire.now);
    wire.endpoint.bye(id, wire.now);
    let (peer, bye) = only(sent(&mut wire.endpoint));
    assert_eq!(peer, "192.0.2.77:5070");
    assert!(bye.starts_with("BYE sip:a@pool.example SIP/2.0\r\n"), "{bye}");
}

#[test]
fn a_name_that_leads_nowhere_leaves_the_way_that_the_peer_spoke_by() {
    let mut wire = Wire::new();
    let (id, _) = call_of_a_name(&mut wire);
    let search = only_search(&mut wire);
    wire.endpoint.located(search, Located::default(), wire.now);
    wire.endpoint.bye(id, wire.now);
    assert_eq!(only(sent(&mut wire.endpoint)).0, "192.0.2.1:5060");
}

#[test]
fn what_is_out_of_date_is_asked_for_again_and_used_meanwhile() {
    let mut wire = Wire::new();
    let (id, _) = call_of_a_name(&mut wire);
    let search = only_search(&mut wire);
    wire.endpoint.located(search, located(&["192.0.2.77:5060"], 30), wire.now);
    wire.pass(Duration::from_secs(29));
    let (peer, request) = refer(&mut wire, id);
    assert_eq!(peer, "192.0.2.77:5060");
    assert!(wire.endpoint.poll_search().is_none(), "it holds for a second more");
    wire.send_text(&response_to(&request, 603, None, ""));
    wire.pass(Duration::from_secs(1));
    assert_eq!(refer(&mut wire, id).0, "192.0.2.77:5060");
    let again = only_search(&mut wire);
    wire.endpoint.located(again, located(&["192.0.2.78:5060"], 30), wire.now);
    wire.endpoint.bye(id, wire.now);
    assert_eq!(only(sent(&mut wire.endpoint)).0, "192.0.2.78:5060");
}

#[test]
fn a_new_target_is_another_search_and_the_old_one_changes_nothing() {
    let mut wire = Wire::new();
    let (id, tag) = call_of_a_name(&mut wire);
    let first = only_search(&mut wire);
    let update = Sketch::inside("UPDATE", &tag, 2).text("z9hG4bKupdate");
    wire.send_text(&update.replace(USUAL, "Contact: <sip:a@other.example>\r\n"));
    let second = only_search(&mut wire);
    wire.endpoint.located(second, located(&["192.0.2.79:5060"], 60), wire.now);
    wire.endpoint.located(first, located(&["192.0.2.77:5060"], 60), wire.now);
    wire.endpoint.bye(id, wire.now);
    assert_eq!(only(sent(&mut wire.endpoint)).0, "192.0.2.79:5060");
}

#[test]
fn a_dialog_that_is_over_waits_for_no_search() {
    let mut wire = Wire::new();
    let (id, _) = call_of_a_name(&mut wire);
    let search = only_search(&mut wire);
    wire.endpoint.bye(id, wire.now);
    let (_, bye) = only(sent(&mut wire.endpoint));
    wire.send_text(&response_to(&bye, 200, None, ""));
    wire.pass(Duration::from_secs(64));
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::LocalBye)]);
    assert!(wire.endpoint.is_idle());
    wire.endpoint.located(search, located(&["192.0.2.77:5060"], 60), wire.now);
    assert!(wire.endpoint.is_idle());
}

#[test]
fn a_request_inside_a_dialog_goes_on_to_the_next_address_and_those_after_it_too() {
    let mut wire = Wire::new();
    let (id, _) = call_of_a_name(&mut wire);
    let search = only_search(&mut wire);
    wire.endpoint.located(search, located(&["192.0.2.77:5060", "192.0.2.78:5060"], 600), wire.now);
    let (peer, first) = refer(&mut wire, id);
    assert_eq!(peer, "192.0.2.77:5060");
    let sent_again = wire.pass(Duration::from_millis(3999));
    assert!(sent_again.iter().all(|(_, text)| *text == first), "{sent_again:#?}");
    wire.now += Duration::from_millis(1);
    wire.endpoint.handle_timeout(wire.now);
    let (peer, second) = only(sent(&mut wire.endpoint));
    assert_eq!(peer, "192.0.2.78:5060");
    assert_ne!(header(&first, "Via"), header(&second, "Via"));
    assert_eq!(header(&first, "CSeq"), header(&second, "CSeq"));
    wire.send_text(&response_to(&second, 202, None, ""));
    assert_eq!(wire.events(), [Event::Referral(id, ReferralEvent::Accepted)]);
    wire.endpoint.bye(id, wire.now);
    assert_eq!(only(sent(&mut wire.endpoint)).0, "192.0.2.78:5060");
}

#[test]
fn where_a_name_leads_to_nobody_the_peer_is_where_it_spoke_from() {
    let mut wire = Wire::new();
    let (id, _) = call_of_a_name(&mut wire);
    let search = only_search(&mut wire);
    wire.endpoint.located(search, located(&["192.0.2.77:5060"], 600), wire.now);
    wire.endpoint.bye(id, wire.now);
    assert_eq!(only(sent(&mut wire.endpoint)).0, "192.0.2.77:5060");
    let (after, bye) = until_sent_to(&mut wire, "192.0.2.1:5060");
    assert!(after == Duration::from_secs(4) && bye.starts_with("BYE "), "{after:?} {bye}");
    wire.send_text(&response_to(&bye, 200, None, ""));
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::LocalBye)]);
}

/// A caller whose callee has three addresses, at its first INVITE.
fn caller() -> (Wire, DialogId, String) {
    let mut wire = Wire::new();
    let hop = |peer: &str| Wire::hop(at(peer));
    let call = Call {
        to_uri: "sip:1000@pool.example".to_owned(),
        from_user: "+12025550101".to_owned(),
        from_display: None,
        hop: hop("192.0.2.1:5060"),
        spares: vec![hop("192.0.2.2:5060"), hop("192.0.2.3:5060")],
        sdp: SDP.to_owned(),
        headers: Vec::new(),
    };
    let id = wire.endpoint.invite(&call, wire.now).expect("there is room");
    let (peer, invite) = only(sent(&mut wire.endpoint));
    assert_eq!(peer, "192.0.2.1:5060");
    (wire, id, invite)
}

fn answer(wire: &mut Wire, from: &str, request: &str, status: u16, tag: &str) -> Vec<(String, String)> {
    let contact = format!("Contact: <sip:1000@{from}>\r\n");
    let text = response_to(request, status, Some(tag), &contact);
    wire.endpoint.receive(Wire::hop(at(from)), text.as_bytes(), wire.now);
    sent(&mut wire.endpoint)
}

/// Lets time pass until something goes to this peer: when that was, and what.
fn until_sent_to(wire: &mut Wire, peer: &str) -> (Duration, String) {
    let begun = wire.now;
    loop {
        wire.now = wire.endpoint.poll_timeout().expect("something is still to happen");
        wire.endpoint.handle_timeout(wire.now);
        if let Some((_, text)) = sent(&mut wire.endpoint).into_iter().find(|(to, _)| to == peer) {
            return (wire.now - begun, text);
        }
    }
}

#[test]
fn a_silent_callee_makes_room_for_the_next() {
    let (mut wire, id, first) = caller();
    let (after, second) = until_sent_to(&mut wire, "192.0.2.2:5060");
    assert_eq!(after, Duration::from_secs(4));
    for name in ["Call-ID", "CSeq", "From", "To"] {
        assert_eq!(header(&first, name), header(&second, name));
    }
    assert_ne!(header(&first, "Via"), header(&second, "Via"));
    let (peer, ack) = only(answer(&mut wire, "192.0.2.2:5060", &second, 200, "two"));
    assert!(ack.starts_with("ACK ") && peer == "192.0.2.2:5060", "{peer} {ack}");
    assert_eq!(wire.events(), [Event::Answered(id, String::new())]);
}

#[test]
fn who_speaks_up_too_late_is_told_that_it_is_too_late() {
    let (mut wire, id, first) = caller();
    let (_, second) = until_sent_to(&mut wire, "192.0.2.2:5060");
    let (peer, cancel) = only(answer(&mut wire, "192.0.2.1:5060", &first, 180, "one"));
    assert!(cancel.starts_with("CANCEL ") && peer == "192.0.2.1:5060", "{peer} {cancel}");
    assert_eq!(header(&cancel, "Via"), header(&first, "Via"));
    assert_eq!(answer(&mut wire, "192.0.2.1:5060", &first, 180, "one"), []);
    // Its answer crosses the CANCEL.
    let end = answer(&mut wire, "192.0.2.1:5060", &first, 200, "one");
    let methods: Vec<_> = end.iter().map(|(peer, text)| (peer.as_str(), &text[..3])).collect();
    assert_eq!(methods, [("192.0.2.1:5060", "ACK"), ("192.0.2.1:5060", "BYE")]);
    assert_eq!(wire.events(), [], "the call is another's");
    answer(&mut wire, "192.0.2.2:5060", &second, 200, "two");
    assert_eq!(wire.events(), [Event::Answered(id, String::new())]);
}

#[test]
fn service_unavailable_is_the_next_ones_turn_at_once_and_a_refusal_is_nobodys() {
    let (mut wire, id, first) = caller();
    let sent = answer(&mut wire, "192.0.2.1:5060", &first, 503, "one");
    let methods: Vec<_> = sent.iter().map(|(peer, text)| (peer.as_str(), &text[..3])).collect();
    assert_eq!(methods, [("192.0.2.1:5060", "ACK"), ("192.0.2.2:5060", "INV")]);
    let (_, second) = &sent[1];
    let (_, ack) = only(answer(&mut wire, "192.0.2.2:5060", second, 486, "two"));
    assert!(ack.starts_with("ACK "), "{ack}");
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::Refused(486))]);
    wire.pass(Duration::from_secs(64));
    assert!(wire.endpoint.is_idle());
}

#[test]
fn what_cannot_be_delivered_goes_on_at_once() {
    let (mut wire, _, _) = caller();
    wire.endpoint.unreachable(&Hop::udp(at("192.0.2.10:5060"), at("192.0.2.1:5060")), None, wire.now);
    assert_eq!(only(sent(&mut wire.endpoint)).0, "192.0.2.2:5060");
}

#[test]
fn the_last_has_all_the_time_there_is_and_then_the_call_has_failed_once() {
    let (mut wire, id, _) = caller();
    let begun = wire.now;
    until_sent_to(&mut wire, "192.0.2.3:5060");
    assert_eq!(wire.now - begun, Duration::from_secs(8));
    wire.pass(Duration::from_millis(31_999));
    assert_eq!(wire.events(), []);
    wire.pass(Duration::from_millis(1));
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::Refused(408))]);
    assert!(wire.endpoint.is_idle());
}

#[test]
fn a_callee_that_rings_is_not_given_up_and_neither_is_a_cancelled_call_tried_elsewhere() {
    let (mut wire, _, first) = caller();
    answer(&mut wire, "192.0.2.1:5060", &first, 180, "one");
    assert_eq!(wire.pass(Duration::from_secs(20)), []);

    let (mut wire, id, first) = caller();
    wire.endpoint.cancel(id, wire.now);
    let sent = wire.pass(Duration::from_secs(32));
    assert!(sent.iter().all(|(_, text)| *text == first), "{sent:#?}");
    assert_eq!(wire.events(), [Event::Ended(id, EndCause::Refused(408))]);
    assert!(wire.endpoint.is_idle());
}
