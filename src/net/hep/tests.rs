//! Packets byte by byte, and that nobody waits for a collector.

use super::*;
use crate::sip::Hop;

const MESSAGE: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n\
    To: <sip:a@b>\r\nCall-ID: one@d\r\nCSeq: 1 OPTIONS\r\nAuthorization: Digest response=\"6629\"\r\n\r\n";

fn seen(direction: Direction, transport: Transport, local: &str, peer: &str, message: &str) -> Seen {
    let (local, peer) = (local.parse().expect("an address"), peer.parse().expect("an address"));
    let hop = Hop { transport, local, peer, connection: None };
    Seen::new(direction, hop, message.as_bytes()).expect("a message")
}

fn config() -> Config {
    Config { to: ([127, 0, 0, 1], 9060).into(), id: 2001, password: Some("s3cret".to_owned()) }
}

const AT: Duration = Duration::new(1_763_978_400, 123_456_000);

/// Vendor, type and value of each chunk, read from the specification and not by the code under test.
fn chunks(packet: &[u8]) -> Vec<(u16, u16, &[u8])> {
    let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    assert_eq!((&packet[..4], usize::from(number(4))), (b"HEP3".as_slice(), packet.len()));
    let (mut at, mut chunks) = (6, Vec::new());
    while at < packet.len() {
        let length = usize::from(number(at + 4));
        chunks.push((number(at), number(at + 2), &packet[at + 6..at + length]));
        at += length;
    }
    chunks
}

#[test]
fn a_message_in_by_udp() {
    let seen = seen(Direction::In, Transport::Udp, "192.0.2.1:5060", "198.51.100.9:15060", MESSAGE);
    let packet = encode(&seen, AT, &config()).expect("it fits");
    let text = MESSAGE.replace("\"6629\"", "…");
    let expected: [(u16, &[u8]); 13] = [
        (1, &[2]),
        (3, &[198, 51, 100, 9]),
        (4, &[192, 0, 2, 1]),
        (2, &[17]),
        (7, &[0x3a, 0xd4]),
        (8, &[0x13, 0xc4]),
        (9, &[0x69, 0x24, 0x2c, 0xa0]),
        (10, &[0x00, 0x01, 0xe2, 0x40]),
        (11, &[1]),
        (12, &[0, 0, 0x07, 0xd1]),
        (14, b"s3cret"),
        (17, b"one@d"),
        (15, text.as_bytes()),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(kind, value)| (0, kind, value)).collect();
    assert_eq!(chunks(&packet), expected);
    // Magic, length, and the first chunk to the byte.
    let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
    assert_eq!(packet[..13], [b'H', b'E', b'P', b'3', length[0], length[1], 0, 0, 0, 1, 0, 7, 2]);
}

#[test]
fn a_message_out_by_tls_over_ipv6() {
    let seen = seen(Direction::Out, Transport::Tls, "[2001:db8::1]:5061", "[2001:db8::9]:40000", MESSAGE);
    let packet = encode(&seen, AT, &Config { password: None, ..config() }).expect("it fits");
    let chunks = chunks(&packet);
    let value = |kind| chunks.iter().find(|chunk| chunk.1 == kind).map(|chunk| chunk.2);
    let (ours, theirs): (Ipv6Addr, Ipv6Addr) =
        ("2001:db8::1".parse().expect("an address"), "2001:db8::9".parse().expect("an address"));
    assert_eq!((value(1), value(2)), (Some([10].as_slice()), Some([6].as_slice())));
    assert_eq!((value(5), value(6)), (Some(ours.octets().as_slice()), Some(theirs.octets().as_slice())));
    assert_eq!((value(3), value(14)), (None, None));
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let mut exporter = Exporter::open(config()).expect("a socket");
    let far_too_long = format!("OPTIONS sip:a@b SIP/2.0\r\nCall-ID: {}\r\n\r\n", "x".repeat(66_000));
    exporter
        .send(&seen(Direction::In, Transport::Udp, "192.0.2.1:5060", "192.0.2.2:5060", &far_too_long), AT);
    assert_eq!((exporter.sent(), exporter.dropped()), (0, 1));
}

#[test]
fn a_collector_that_is_down_costs_nothing_more_than_its_copies() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let to = socket.local_addr().expect("bound");
    let mut exporter = Exporter::open(Config { to, ..config() }).expect("a socket");
    let seen = seen(Direction::In, Transport::Udp, "192.0.2.1:5060", "192.0.2.2:5060", MESSAGE);
    exporter.send(&seen, AT);
    let mut room = [0; 2048];
    let length = socket.recv(&mut room).expect("a copy");
    assert_eq!(chunks(&room[..length]).len(), 13);
    drop(socket);
    for _ in 0..10 {
        exporter.send(&seen, AT);
    }
    assert_eq!((exporter.sent(), exporter.dropped()), (11, 0));
}

#[test]
fn no_password_in_debug() {
    assert!(!format!("{:?}", config()).contains("s3cret"));
}
