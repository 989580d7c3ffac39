//! Dialogs over a stream: what is said of us, by which connection requests go, and what a lost one means.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::wire::{Sketch, Wire, header, response_to, tag_of};
use super::{SDP, endpoint, start};
use crate::sip::{
    Call, Config, ConnectionId, EndCause, Endpoint, Event, Hop, Listener, Referral, ReferralEvent, Transmit,
    Transport, Whereabouts,
};

fn hop(connection: u64, port: u16) -> Hop {
    let local = SocketAddr::from(([192, 0, 2, 10], 5060));
    let peer = SocketAddr::from(([192, 0, 2, 1], port));
    Hop { transport: Transport::Tcp, local, peer, connection: Some(ConnectionId(connection)) }
}

/// A call by TCP that is up, and the connection that it came by.
struct Streamed {
    wire: Wire,
    tag: String,
    dialog: crate::sip::DialogId,
}

impl Streamed {
    fn established() -> Self {
        let mut wire = Wire::new();
        let text = by_tcp(&Sketch::invite(), 1);
        wire.endpoint.receive(hop(1, 40_000), text.as_bytes(), wire.now);
        let dialog = match wire.events().as_slice() {
            [Event::Invited(dialog, invitation)] => {
                assert_eq!(invitation.hop, hop(1, 40_000));
                *dialog
            }
            other => panic!("not invited: {other:?}"),
        };
        wire.endpoint.accept(dialog, SDP, wire.now);
        let ok = wire.sent().pop().expect("a 200");
        assert_eq!(header(&ok, "Contact"), Some("<sip:portero@192.0.2.10:5060;transport=tcp>"));
        let tag = tag_of(&ok);
        let ack = by_tcp(&Sketch::inside("ACK", &tag, 1), 2);
        wire.endpoint.receive(hop(1, 40_000), ack.as_bytes(), wire.now);
        assert_eq!(wire.events(), [Event::Confirmed(dialog, None)]);
        Self { wire, tag, dialog }
    }
}

fn by_tcp(sketch: &Sketch, branch: u32) -> String {
    let text = sketch.text(&format!("z9hG4bK{branch}"));
    text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").replace("192.0.2.1:5060>", "192.0.2.1:5060;transport=tcp>")
}

#[test]
fn our_requests_go_by_the_connection_that_the_call_came_by() {
    let Streamed { mut wire, dialog, .. } = Streamed::established();
    wire.endpoint.bye(dialog, wire.now);
    let bye = wire.endpoint.poll_transmit().expect("a BYE");
    assert_eq!(bye.hop, hop(1, 40_000));
    let text = String::from_utf8(bye.payload).expect("text");
    assert!(
        header(&text, "Via").expect("a Via").starts_with("SIP/2.0/TCP 192.0.2.10:5060;branch="),
        "{text}"
    );
    // RFC 3261 §17.1.2.2: what a stream carries is not sent again.
    assert_eq!(wire.pass(Duration::from_secs(30)), []);
    wire.endpoint.receive(hop(1, 40_000), response_to(&text, 200, None, "").as_bytes(), wire.now);
    assert_eq!(wire.events(), [Event::Ended(dialog, EndCause::LocalBye)]);
}

#[test]
fn a_contact_that_takes_no_connection_costs_nothing_while_the_callers_own_is_up() {
    let Streamed { mut wire, tag, dialog } = Streamed::established();
    // From another address than that of its Contact, as a phone with several interfaces does.
    let elsewhere = Hop { peer: SocketAddr::from(([192, 0, 2, 99], 40_000)), ..hop(3, 40_000) };
    wire.endpoint.receive(elsewhere, by_tcp(&Sketch::inside("OPTIONS", &tag, 2), 3).as_bytes(), wire.now);
    wire.sent();
    wire.endpoint.bye(dialog, wire.now);
    let bye = wire.endpoint.poll_transmit().expect("a BYE");
    assert_eq!((bye.hop.peer.to_string().as_str(), bye.hop.connection), ("192.0.2.1:5060", None));
    wire.endpoint.unreachable(&bye.hop, None, wire.now);
    assert_eq!(wire.endpoint.poll_transmit().expect("the BYE once more").hop, elsewhere);
}

#[test]
fn a_peer_that_has_connected_anew_is_reached_by_its_new_connection() {
    let Streamed { mut wire, tag, dialog } = Streamed::established();
    let options = by_tcp(&Sketch::inside("OPTIONS", &tag, 2), 3);
    wire.endpoint.receive(hop(2, 40_001), options.as_bytes(), wire.now);
    wire.sent();
    wire.endpoint.bye(dialog, wire.now);
    assert_eq!(wire.endpoint.poll_transmit().expect("a BYE").hop, hop(2, 40_001));
}

#[test]
fn the_200_to_an_invite_is_said_again_until_its_ack_though_a_stream_loses_nothing() {
    let mut wire = Wire::new();
    wire.endpoint.receive(hop(1, 40_000), by_tcp(&Sketch::invite(), 1).as_bytes(), wire.now);
    let [Event::Invited(dialog, _)] = wire.events()[..] else { panic!("not invited") };
    wire.endpoint.accept(dialog, SDP, wire.now);
    wire.sent();
    // RFC 3261 §13.3.1.4: beyond the next proxy it may travel by UDP.
    let again: Vec<u128> = wire.pass(Duration::from_secs(4)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(again, [500, 1500, 3500]);
}

#[test]
fn a_connection_that_is_lost_ends_what_waited_for_it_at_once() {
    let Streamed { mut wire, dialog, .. } = Streamed::established();
    let referral = Referral { refer_to: "sip:agents@192.0.2.9".into(), headers: Vec::new() };
    wire.endpoint.refer(dialog, &referral, wire.now);
    let refer = wire.endpoint.poll_transmit().expect("a REFER");
    wire.endpoint.unreachable(&hop(9, 40_000), None, wire.now);
    assert_eq!(wire.events(), [], "that was another connection");
    wire.endpoint.unreachable(&refer.hop, None, wire.now);
    assert_eq!(wire.events(), [Event::Referral(dialog, ReferralEvent::Refused(503))]);
    // The call itself may go on: its peer can connect anew.
    wire.endpoint.bye(dialog, wire.now);
    wire.endpoint.unreachable(&refer.hop, None, wire.now);
    assert_eq!(wire.events(), [Event::Ended(dialog, EndCause::LocalBye)]);
    wire.pass(Duration::from_mins(1));
    assert!(wire.endpoint.is_idle());
}

/// A caller that speaks UDP and TCP, and its INVITE with a header of this length.
fn invite_of_length(length: usize) -> (Endpoint, Instant, Transmit) {
    let address = SocketAddr::from(([192, 0, 2, 10], 5060));
    let listener = |transport| Listener { transport, address, own: address.ip() };
    let listeners = [Transport::Udp, Transport::Tcp].map(listener).to_vec();
    let whereabouts = Whereabouts { listeners, ..Whereabouts::udp(address) };
    let config = Config {
        whereabouts,
        realm: "portero".to_owned(),
        user_agent: "Portero".into(),
        accept_referrals: true,
        retry_after: Duration::from_secs(1),
    };
    let (mut caller, now) = (Endpoint::new(config, StdRng::seed_from_u64(5)), start());
    let call = Call {
        to_uri: "sip:1000@192.0.2.1".into(),
        from_user: "anonymous".into(),
        from_display: None,
        hop: Hop::udp(address, SocketAddr::from(([192, 0, 2, 1], 5060))),
        spares: Vec::new(),
        sdp: SDP.into(),
        headers: vec![("X-Long".into(), "x".repeat(length))],
    };
    caller.invite(&call, now).expect("there is room");
    let sent = caller.poll_transmit().expect("an INVITE");
    (caller, now, sent)
}

#[test]
fn what_is_too_large_for_a_datagram_goes_by_tcp_while_the_peer_takes_that() {
    let (_, _, small) = invite_of_length(10);
    assert_eq!(small.hop.transport, Transport::Udp);
    let (mut caller, now, large) = invite_of_length(1300);
    assert_eq!((large.hop.transport, large.hop.peer.port()), (Transport::Tcp, 5060));
    let text = String::from_utf8(large.payload).expect("text");
    assert!(header(&text, "Via").is_some_and(|via| via.starts_with("SIP/2.0/TCP ")), "{text}");
    assert!(header(&text, "Contact").is_some_and(|contact| contact.contains(";transport=tcp")), "{text}");
    caller.unreachable(&large.hop, None, now);
    let again = caller.poll_transmit().expect("the INVITE once more");
    assert_eq!(again.hop.transport, Transport::Udp);
    let text = String::from_utf8(again.payload).expect("text");
    assert!(header(&text, "Via").is_some_and(|via| via.starts_with("SIP/2.0/UDP ")), "{text}");
    assert_eq!(caller.poll_event(), None, "nothing is over");
}

#[test]
fn an_invite_that_cannot_be_delivered_is_refused() {
    let mut caller = endpoint(SocketAddr::from(([192, 0, 2, 10], 5060)), true, 3);
    let way = hop(1, 5060);
    let call = Call {
        to_uri: "sip:1000@192.0.2.1;transport=tcp".into(),
        from_user: "anonymous".into(),
        from_display: None,
        hop: way,
        spares: Vec::new(),
        sdp: SDP.into(),
        headers: Vec::new(),
    };
    let now = start();
    let dialog = caller.invite(&call, now).expect("there is room");
    assert_eq!(caller.poll_transmit().map(|transmit| transmit.hop), Some(way));
    caller.unreachable(&way, None, now);
    assert_eq!(caller.poll_event(), Some(Event::Ended(dialog, EndCause::Refused(503))));
    assert!(caller.is_idle());
}
