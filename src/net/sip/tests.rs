//! Streams over loopback: what passes, what is shared, and what happens to peers that misbehave.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::authority::Authority;
use crate::sip::ConnectionId;

const CAPS: Caps = Caps { connections: 8, connections_per_source: 4 };
const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const OK: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Both ends of one program, listening by one transport at a port of its own.
async fn opened(transport: Transport, caps: Caps, tls: Tls) -> (Outlet, Inlet, SocketAddr) {
    let listen = [Listen { transport, address: at("127.0.0.1:0") }];
    let (outlet, inlet) = open(&listen, caps, tls).await.expect("opened");
    let address = outlet.listeners()[0].address;
    (outlet, inlet, address)
}

async fn tcp() -> (Outlet, Inlet, SocketAddr) {
    opened(Transport::Tcp, CAPS, Tls::client(None).expect("no file is named")).await
}

async fn message(inlet: &mut Inlet) -> (Hop, Vec<u8>) {
    match inlet.receive().await {
        Arrival::Message(hop, message) => (hop, message.into_owned()),
        Arrival::Unreachable(hop, _) => panic!("{hop:?} is unreachable"),
    }
}

async fn unreachable(inlet: &mut Inlet) -> Hop {
    match inlet.receive().await {
        Arrival::Message(hop, _) => panic!("a message by {hop:?}"),
        Arrival::Unreachable(hop, None) => hop,
        Arrival::Unreachable(hop, domain) => panic!("{hop:?} to {domain:?} is unreachable"),
    }
}

async fn read_exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut read = vec![0; length];
    stream.read_exact(&mut read).await.expect("it is there");
    read
}

/// Whether the other side has ended the connection, in order or by a reset.
async fn is_ended(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest).await {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[tokio::test]
async fn a_message_is_answered_by_the_connection_that_it_came_by() {
    let (outlet, mut inlet, address) = tcp().await;
    let mut peer = TcpStream::connect(address).await.expect("connected");
    let (start, rest) = OPTIONS.split_at(10);
    peer.write_all(start).await.expect("written");
    peer.write_all(&[rest, OPTIONS].concat()).await.expect("written");
    let (hop, first) = message(&mut inlet).await;
    let (again, second) = message(&mut inlet).await;
    assert_eq!((first.as_slice(), second.as_slice()), (OPTIONS, OPTIONS));
    assert_eq!(hop, again);
    assert_eq!((hop.transport, hop.local), (Transport::Tcp, address));
    assert_eq!(hop.peer, peer.local_addr().expect("an address"));
    // The port that sent-by names is not the one that the connection has: it is the connection that counts.
    let hop = Hop { peer: SocketAddr::new(hop.peer.ip(), 5060), ..hop };
    assert_eq!(outlet.send(Transmit::new(hop, OK.to_vec())), Ok(()));
    assert_eq!(read_exactly(&mut peer, OK.len()).await, OK);
}

#[tokio::test]
async fn a_ping_is_answered_and_nobody_else_hears_of_it() {
    let (_outlet, mut inlet, address) = tcp().await;
    let mut peer = TcpStream::connect(address).await.expect("connected");
    peer.write_all(&[b"\r\n\r\n", OPTIONS].concat()).await.expect("written");
    assert_eq!(message(&mut inlet).await.1, OPTIONS);
    assert_eq!(read_exactly(&mut peer, 2).await, b"\r\n");
}

#[tokio::test]
async fn messages_to_one_peer_share_a_connection() {
    let (outlet, mut inlet, address) = tcp().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let hop = Hop {
        transport: Transport::Tcp,
        local: SocketAddr::new(address.ip(), 0),
        peer: listener.local_addr().expect("an address"),
        connection: None,
    };
    for _ in 0..2 {
        assert_eq!(outlet.send(Transmit::new(hop, OPTIONS.to_vec())), Ok(()));
    }
    let (mut peer, _) = listener.accept().await.expect("it connects");
    assert_eq!(read_exactly(&mut peer, 2 * OPTIONS.len()).await, [OPTIONS, OPTIONS].concat());
    assert_eq!(outlet.connections(Transport::Tcp), 1);
    peer.write_all(OK).await.expect("written");
    let (back, response) = message(&mut inlet).await;
    assert_eq!((back.peer, response.as_slice()), (hop.peer, OK));
    assert!(back.connection.is_some() && back.local.port() != 0);
}

#[tokio::test]
async fn what_cannot_be_delivered_is_told() {
    let (outlet, mut inlet, address) = tcp().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("bound").local_addr().expect("an address");
    let hop = Hop {
        transport: Transport::Tcp,
        local: SocketAddr::new(address.ip(), 0),
        peer: nobody,
        connection: Some(ConnectionId(4711)),
    };
    assert_eq!(outlet.send(Transmit::new(hop, OPTIONS.to_vec())), Ok(()));
    assert_eq!(unreachable(&mut inlet).await, hop);
    assert_eq!(outlet.connections(Transport::Tcp), 0);
    let by_udp = Hop::udp(address, nobody);
    assert_eq!(outlet.send(Transmit::new(by_udp, OPTIONS.to_vec())), Err(Undelivered));
}

#[tokio::test]
async fn a_peer_that_never_reads_loses_its_connection_and_holds_up_nobody() {
    let (outlet, mut inlet, address) = tcp().await;
    let mut deaf = TcpStream::connect(address).await.expect("connected");
    deaf.write_all(OPTIONS).await.expect("written");
    let (hop, _) = message(&mut inlet).await;
    let answer = Transmit::new(hop, b"INFO ".repeat(12_000));
    // The kernel takes some megabytes, the queue a hundred messages; there is an end to both.
    let sent = (0..10_000).take_while(|_| outlet.send(answer.clone()).is_ok()).count();
    assert!(sent < 10_000, "it is never given up");
    // Not with a farewell that waits behind what it does not read: nothing of it is left with the kernel.
    let mut rest = Vec::new();
    let ended = deaf.read_to_end(&mut rest).await.expect_err("it is reset");
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
    assert_eq!(outlet.connections(Transport::Tcp), 0);
    let mut other = TcpStream::connect(address).await.expect("connected");
    other.write_all(OPTIONS).await.expect("written");
    while let Arrival::Unreachable(lost, _) = inlet.receive().await {
        assert_eq!(lost, hop);
    }
    other.write_all(OPTIONS).await.expect("written");
    let (hop, _) = message(&mut inlet).await;
    outlet.send(Transmit::new(hop, OK.to_vec())).expect("taken");
    assert_eq!(read_exactly(&mut other, OK.len()).await, OK);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let (outlet, mut inlet, address) = tcp().await;
    let mut peers = Vec::new();
    for _ in 0..CAPS.connections_per_source {
        let mut peer = TcpStream::connect(address).await.expect("connected");
        peer.write_all(OPTIONS).await.expect("written");
        message(&mut inlet).await;
        peers.push(peer);
    }
    let mut surplus = TcpStream::connect(address).await.expect("the kernel takes it");
    assert!(is_ended(&mut surplus).await);
    assert_eq!(outlet.connections_refused(), 1);
    assert_eq!(outlet.connections(Transport::Tcp), CAPS.connections_per_source);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_never_ends_a_message_is_not_waited_for() {
    let (_outlet, mut inlet, address) = tcp().await;
    let mut silent = TcpStream::connect(address).await.expect("connected");
    // The clock of this test goes on by itself whenever nothing else does.
    assert!(timeout(Duration::from_mins(1), is_ended(&mut silent)).await.expect("in time"));
    let mut slow = TcpStream::connect(address).await.expect("connected");
    slow.write_all(OPTIONS).await.expect("written");
    message(&mut inlet).await;
    slow.write_all(b"OPTIONS sip:a").await.expect("written");
    assert!(timeout(Duration::from_mins(1), is_ended(&mut slow)).await.expect("in time"));
}

#[tokio::test]
async fn a_message_without_an_end_can_be_answered_and_is_the_last() {
    let (outlet, mut inlet, address) = tcp().await;
    let mut peer = TcpStream::connect(address).await.expect("connected");
    let head = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 18446744073709551615\r\n\r\n";
    peer.write_all(head).await.expect("written");
    let (hop, told) = message(&mut inlet).await;
    assert_eq!(told, head);
    outlet.send(Transmit::new(hop, OK.to_vec())).expect("taken");
    assert_eq!(read_exactly(&mut peer, OK.len()).await, OK);
    assert!(is_ended(&mut peer).await);
}

impl Authority {
    /// Files for a side whose certificate is for this address.
    fn files(&self, name: &str, address: &str) -> TlsFiles {
        let issued = self.issue(address, |_| {});
        TlsFiles {
            certificate: self.write(&format!("{name}.pem"), &issued.certificate),
            key: self.write(&format!("{name}.key"), &issued.key),
            client_ca: None,
            client_required: false,
            trust: Some(self.file("ca.pem")),
        }
    }
}

fn load(files: &TlsFiles) -> Tls {
    Tls::load(Some(files)).expect("usable files")
}

/// Sends a message from `client` to `server`; whether it arrived.
async fn passes(server: TlsFiles, client: Tls) -> bool {
    passes_to(None, server, client).await
}

/// The same to a server that has been sought by a domain.
async fn passes_to(domain: Option<&str>, server: TlsFiles, client: Tls) -> bool {
    let domain = domain.map(Domain::new);
    let (_outlet, mut inlet, address) = opened(Transport::Tls, CAPS, load(&server)).await;
    let (outlet, mut back, own) = opened(Transport::Tcp, CAPS, client).await;
    let local = SocketAddr::new(own.ip(), 0);
    let hop = Hop { transport: Transport::Tls, local, peer: address, connection: None };
    outlet.send(Transmit::to(hop, domain.as_ref(), OPTIONS.to_vec())).expect("taken");
    tokio::select! {
        (_, received) = message(&mut inlet) => received == OPTIONS,
        // A server that wants a certificate says so only after the client takes the handshake for done: then it is
        // the end of the connection that tells, and nothing is left to be reported.
        arrival = back.receive() => !matches!(arrival, Arrival::Unreachable(..)),
        () = async { while outlet.connections(Transport::Tls) > 0 { tokio::task::yield_now().await } } => false,
    }
}

#[tokio::test]
async fn tls_passes_between_those_who_trust_each_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = ours.files("server", "127.0.0.1");
    assert!(passes(server.clone(), load(&ours.files("client", "127.0.0.1"))).await);
    assert!(!passes(server.clone(), load(&other.files("client", "127.0.0.1"))).await, "an unknown authority");
    let elsewhere = ours.files("elsewhere", "192.0.2.1");
    assert!(!passes(elsewhere, load(&ours.files("client", "127.0.0.1"))).await, "another's certificate");
}

#[tokio::test]
async fn a_certificate_is_for_the_domain_that_was_sought_or_for_the_address() {
    let ours = Authority::new();
    let client = || load(&ours.files("client", "127.0.0.1"));
    let named = ours.files("named", "sip.carrier.example");
    assert!(passes_to(Some("sip.carrier.example"), named.clone(), client()).await);
    assert!(!passes_to(Some("carrier.example"), named.clone(), client()).await, "another domain");
    assert!(!passes_to(None, named.clone(), client()).await, "its certificate has no address");
    let addressed = ours.files("addressed", "127.0.0.1");
    assert!(
        !passes_to(Some("sip.carrier.example"), addressed, client()).await,
        "its certificate has no domain"
    );
    assert!(!passes_to(Some("no domain"), named, client()).await, "what is no name is nobody's");
}

#[tokio::test]
async fn only_messages_to_the_same_domain_share_a_connection() {
    let ours = Authority::new();
    let server = ours.files("server", "a.example");
    let (_outlet, mut inlet, address) = opened(Transport::Tls, CAPS, load(&server)).await;
    let trust = ours.file("ca.pem");
    let client = Tls::client(Some(&trust)).expect("usable");
    let (sender, mut back, own) = opened(Transport::Tcp, CAPS, client).await;
    let local = SocketAddr::new(own.ip(), 0);
    let hop = Hop { transport: Transport::Tls, local, peer: address, connection: None };
    let send = |domain: &str| {
        let domain = Domain::new(domain);
        sender.send(Transmit::to(hop, Some(&domain), OPTIONS.to_vec())).expect("taken");
    };
    send("a.example");
    let (first, _) = message(&mut inlet).await;
    send("a.example");
    assert_eq!(message(&mut inlet).await.0, first, "one connection");
    send("b.example");
    let Arrival::Unreachable(lost, domain) = back.receive().await else { panic!("a message") };
    assert_eq!((lost, domain), (hop, Some(Domain::new("b.example"))));
    send("a.example");
    assert_eq!(message(&mut inlet).await.0, first, "which lasts");
}

#[tokio::test]
async fn a_certificate_can_be_asked_of_the_peer() {
    let (ours, other) = (Authority::new(), Authority::new());
    let ca = Some(ours.file("ca.pem"));
    let asks = TlsFiles { client_ca: ca.clone(), client_required: true, ..ours.files("server", "127.0.0.1") };
    assert!(passes(asks.clone(), load(&ours.files("client", "127.0.0.1"))).await);
    assert!(!passes(asks.clone(), Tls::client(ca.as_deref()).expect("usable")).await, "none");
    let strange = TlsFiles { trust: ca.clone(), ..other.files("client", "127.0.0.1") };
    assert!(!passes(asks.clone(), load(&strange)).await, "of an unknown authority");
    let optional = TlsFiles { client_required: false, ..asks };
    assert!(passes(optional, Tls::client(ca.as_deref()).expect("usable")).await);
}

#[tokio::test]
async fn a_new_certificate_serves_the_connections_to_come() {
    let (old, new) = (Authority::new(), Authority::new());
    let (outlet, mut inlet, address) =
        opened(Transport::Tls, CAPS, load(&old.files("server", "127.0.0.1"))).await;
    outlet.set_tls(load(&new.files("server", "127.0.0.1")));
    let trust = new.file("ca.pem");
    let client = Tls::client(Some(&trust)).expect("usable");
    let (sender, _back, own) = opened(Transport::Tcp, CAPS, client).await;
    let local = SocketAddr::new(own.ip(), 0);
    let hop = Hop { transport: Transport::Tls, local, peer: address, connection: None };
    sender.send(Transmit::new(hop, OPTIONS.to_vec())).expect("taken");
    assert_eq!(message(&mut inlet).await.1, OPTIONS);
}

#[test]
fn files_of_no_use_are_named() {
    let authority = Authority::new();
    let good = authority.files("server", "127.0.0.1");
    let fault = |files: TlsFiles| Tls::load(Some(&files)).expect_err("of no use").to_string();
    let missing = authority.file("missing.pem");
    let told = fault(TlsFiles { certificate: missing.clone(), ..good.clone() });
    assert!(told.starts_with(&format!("a certificate cannot be read from {}", missing.display())), "{told}");
    let told = fault(TlsFiles { key: good.certificate.clone(), ..good.clone() });
    assert!(told.starts_with("a private key cannot be read from"), "{told}");
    let told = fault(TlsFiles { key: authority.files("other", "127.0.0.1").key, ..good });
    assert!(told.starts_with("the certificates of [sip.tls] cannot be used"), "{told}");
}
