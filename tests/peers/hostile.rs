//! Peers that mean harm, against the program as it is in service. Meanwhile, somebody else calls, and hears the
//! greeting as on any other day; and the memory that it all takes has a bound.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::support::caller::Caller;
use crate::support::server::Server;
use crate::support::wait_for;

/// How long after its ACK a caller waits for the greeting at the most, whatever goes on.
const PROMPT_WITHIN: Duration = Duration::from_millis(200);
/// What the server may hold at the most while it is under attack, in MiB.
const RESIDENT_MAX_MIB: u64 = 256;
/// Calls of the well-behaved caller during each attack.
const CALLS: usize = 5;
/// Attackers' addresses are these, which no caller and no server of a test has.
const ATTACKERS: [u8; 2] = [127, 0];

fn attacker(third: u8, last: u8) -> IpAddr {
    Ipv4Addr::from([ATTACKERS[0], ATTACKERS[1], third, last]).into()
}

/// A server as it is in service.
fn server() -> Server {
    Server::serve_quietly(&[])
}

/// Calls, several times over: each hears the greeting in time, and the server does not grow past its bound.
fn expect_unharmed(server: &Server) {
    expect_prompts(server, PROMPT_WITHIN);
}

fn expect_prompts(server: &Server, within: Duration) {
    let mut caller = Caller::new(server.loopback.ip().into(), server.loopback.sip());
    let waits: Vec<_> = (0..CALLS).map(|_| caller.call()).collect();
    let resident = server.resident_mib();
    println!("the greeting came after {waits:?}; the server holds {resident} MiB");
    assert!(waits.iter().all(|wait| *wait < within), "{waits:?}");
    assert!(resident < RESIDENT_MAX_MIB, "{resident} MiB");
}

/// A connection from an attacker's address.
fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    try_to_connect(from, to).expect("the kernel takes the connection")
}

/// The same; a server that ends it at once may have done so before this side has seen that there was one.
fn try_to_connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(from, 0).into()).expect("a free port");
    socket.connect(&to.into())?;
    Ok(socket.into())
}

/// Whether the other side has ended the connection; waits as long as the socket's time-out says.
fn is_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(length) => length == 0,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}

fn options(from: SocketAddr, transport: &str, number: u64) -> String {
    request("OPTIONS", from, transport, number)
}

/// A request outside any dialog; each number is one of its own.
fn request(method: &str, from: SocketAddr, transport: &str, number: u64) -> String {
    format!(
        "{method} sip:1000@portero.example SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{number}@{from}>;tag={number}\r\nTo: <sip:1000@portero.example>\r\n\
         Call-ID: {number}\r\nCSeq: 1 {method}\r\nContact: <sip:x@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_peer_that_asks_40_000_times_and_never_reads() {
    let server = server();
    let mut stream = connect(attacker(1, 1), server.loopback.sip());
    socket2::SockRef::from(&stream).set_recv_buffer_size(4096).expect("a small buffer");
    let from = stream.local_addr().expect("it is connected");
    let written = thread::spawn(move || {
        let all: String = (0..40_000).map(|number| options(from, "TCP", number)).collect();
        stream.write_all(all.as_bytes()).and_then(|()| stream.write_all(b"\r\n\r\n")).map(|()| stream)
    });
    expect_unharmed(&server);
    // Nobody else has waited for it: its connection is gone, whether or not it was done by then.
    drop(written.join().expect("the attacker does not panic"));
    wait_for("end of its connection", Duration::from_secs(20), || {
        (server.metric("portero_sip_connections{transport=\"tcp\"}") == 0).then_some(())
    });
    expect_unharmed(&server);
}

#[test]
fn ten_thousand_connections_that_say_nothing() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("what is granted can be taken");
    let server = server();
    let to = server.loopback.sip();
    let held: Vec<io::Result<TcpStream>> =
        (0..10_000).map(|number| try_to_connect(attacker(2, 1 + (number % 40) as u8), to)).collect();
    let connections = || server.metric("portero_sip_connections{transport=\"tcp\"}");
    let refused = || server.metric("portero_sip_connections_refused_total");
    wait_for("decision on each", Duration::from_secs(10), || {
        (connections() + refused() == held.len() as u64).then_some(())
    });
    assert_eq!(connections(), 4096, "as many as there may be");
    expect_unharmed(&server);
    // Whoever has nothing to say is not waited for.
    wait_for("end of all connections", Duration::from_secs(25), || (connections() == 0).then_some(()));
    drop(held);
}

#[test]
fn one_address_does_not_take_every_connection() {
    let server = server();
    let held: Vec<TcpStream> = (0..300).map(|_| connect(attacker(3, 1), server.loopback.sip())).collect();
    wait_for("decision on each", Duration::from_secs(10), || {
        (server.metric("portero_sip_connections_refused_total") == 300 - 256).then_some(())
    });
    let mut other = connect(attacker(3, 2), server.loopback.sip());
    other.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out that is not zero");
    let from = other.local_addr().expect("it is connected");
    other.write_all(options(from, "TCP", 1).as_bytes()).expect("written");
    let mut answer = [0; 12];
    other.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"SIP/2.0 200 ");
    drop(held);
}

#[test]
fn a_header_that_comes_byte_by_byte() {
    let server = server();
    let (to, stop) = (server.loopback.sip(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stops = Stops(&stop);
        let slow: Vec<_> = (0..50).map(|_| scope.spawn(|| time_of_slow_header(to, &stop))).collect();
        expect_unharmed(&server);
        for slow in slow {
            let lasted = slow.join().expect("the attacker does not panic");
            assert!(lasted < Duration::from_secs(13), "{lasted:?}");
        }
    });
}

/// How long the server puts up with one byte every tenth of a second.
fn time_of_slow_header(to: SocketAddr, stop: &AtomicBool) -> Duration {
    let (mut stream, begun) = (connect(attacker(4, 1), to), Instant::now());
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out that is not zero");
    let mut text =
        b"OPTIONS sip:1000@portero.example SIP/2.0\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
    while begun.elapsed() < Duration::from_secs(30) && !stop.load(Ordering::Relaxed) {
        let byte = text.next().expect("it has no end");
        if stream.write_all(&[*byte]).is_err() || is_ended(&mut stream) {
            break;
        }
    }
    begun.elapsed()
}

#[test]
fn a_tls_handshake_that_never_ends() {
    let server = server();
    let begun = Instant::now();
    // The beginning of a ClientHello: a record of 512 bytes, of which there are a few (RFC 8446 §5.1).
    let mut held: Vec<TcpStream> =
        (0..200).map(|_| connect(attacker(5, 1), server.loopback.sips())).collect();
    for stream in &mut held {
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).expect("written");
        stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a time-out that is not zero");
    }
    expect_unharmed(&server);
    assert!(held.iter_mut().all(is_ended));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// What no peer that means well sends; none of it may be answered as if it did.
fn poisons(transport: &str, from: SocketAddr) -> Vec<(&'static str, Vec<u8>)> {
    let good = options(from, transport, 1);
    let length = |value: &str| good.replace("Content-Length: 0\r\n", value).into_bytes();
    let short_vias = good.replace("Max-Forwards", &format!("{}Max-Forwards", "v:x\r\n".repeat(10_000)));
    let vias = format!("Via: SIP/2.0/{transport} {from};branch=z9hG4bKx\r\n").repeat(10_000);
    vec![
        ("2^64-1", length("Content-Length: 18446744073709551615\r\n")),
        ("2^64", length("Content-Length: 18446744073709551616\r\n")),
        ("negative", length("Content-Length: -1\r\n")),
        ("doubled", length("Content-Length: 0\r\nContent-Length: 4000\r\n")),
        ("doubled, short", length("Content-Length: 0\r\nl: 4000\r\n")),
        ("no number", length("Content-Length: many\r\n")),
        ("10,000 Vias of three bytes", short_vias.into_bytes()),
        ("10,000 Vias", good.replace("Max-Forwards", &format!("{vias}Max-Forwards")).into_bytes()),
        ("NUL in a header", good.replace("sip:1@", "sip:\0@").into_bytes()),
        ("NUL in the Request-URI", good.replacen("1000", "10\x0000", 1).into_bytes()),
        ("NUL in a name", good.replace("Max-", "Max\0").into_bytes()),
        ("NULs", vec![0; 60_000]),
    ]
}

#[test]
fn messages_that_no_peer_sends_by_udp() {
    let server = server();
    let socket = UdpSocket::bind((attacker(6, 1), 0)).expect("a free port");
    let from = socket.local_addr().expect("it is bound");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out that is not zero");
    for (name, mut poison) in poisons("UDP", from) {
        // No datagram is longer.
        poison.truncate(65_507);
        socket.send_to(&poison, server.loopback.sip()).expect("the loopback takes it");
        // Order is kept, so that the answer to a good one says that the bad one has been dealt with.
        let number = 1000 + poison.len() as u64;
        socket.send_to(options(from, "UDP", number).as_bytes(), server.loopback.sip()).expect("sent");
        loop {
            let mut room = vec![0; 65_536];
            let (length, _) = socket.recv_from(&mut room).unwrap_or_else(|error| panic!("{name}: {error}"));
            let answer = String::from_utf8_lossy(&room[..length]).into_owned();
            if answer.contains(&format!("\r\nCall-ID: {number}\r\n")) {
                assert!(answer.starts_with("SIP/2.0 200 "), "{name}: {answer}");
                break;
            }
            assert!(answer.starts_with("SIP/2.0 400 "), "{name}: {answer}");
        }
    }
    expect_unharmed(&server);
}

#[test]
fn messages_that_no_peer_sends_by_tcp() {
    let server = server();
    let address = SocketAddr::new(attacker(7, 1), 5060);
    for (name, poison) in poisons("TCP", address) {
        let mut stream = connect(attacker(7, 1), server.loopback.sip());
        stream.set_read_timeout(Some(Duration::from_secs(12))).expect("a time-out that is not zero");
        // The server may have closed it by the time that all is written.
        let _ = stream.write_all(&poison);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        // In order or by a reset: it ends.
        if let Err(error) = stream.read_to_end(&mut said) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{name}");
        }
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("SIP/2.0 400 "), "{name}: {said}");
    }
    expect_unharmed(&server);
}

/// Sends `message(number)` at this rate until told to stop; says how many went out.
fn flood(from: IpAddr, to: SocketAddr, per_second: u32, stop: &AtomicBool, sent: &AtomicU64, method: &str) {
    let socket = UdpSocket::bind((from, 0)).expect("a free port");
    let own = socket.local_addr().expect("it is bound");
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
        let mut count = sent.load(Ordering::Relaxed);
        while count < due {
            // What the kernel does not take counts as sent, as on any other network.
            let _ = socket.send_to(request(method, own, "UDP", count).as_bytes(), to);
            count += 1;
        }
        sent.store(count, Ordering::Relaxed);
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Stops a thread once it is dropped, even by a panic.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The flood that servers have to stand, in messages a second from one address.
const FLOOD: u32 = 20_000;

fn expect_unharmed_by_a_flood(server: &Server, method: &str, within: Duration) {
    let (stop, sent, begun) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| flood(attacker(8, 1), server.loopback.sip(), FLOOD, &stop, &sent, method));
        let _stops = Stops(&stop);
        wait_for("flood", Duration::from_secs(5), || {
            (sent.load(Ordering::Relaxed) > u64::from(FLOOD / 2)).then_some(())
        });
        expect_prompts(server, within);
    });
    let rate = sent.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.0} {method} a second");
    assert!(rate > f64::from(FLOOD) * 0.9, "{rate:.0} a second are no flood");
}

#[test]
fn a_flood_of_options() {
    expect_unharmed_by_a_flood(&server(), "OPTIONS", PROMPT_WITHIN);
}

#[test]
fn a_flood_of_register() {
    expect_unharmed_by_a_flood(&server(), "REGISTER", PROMPT_WITHIN);
}

#[test]
fn a_flood_of_invite_from_nobody_we_know() {
    let server = Server::serve_quietly(&[("\n[web]\n", &trunks(""))]);
    expect_unharmed_by_a_flood(&server, "INVITE", PROMPT_WITHIN);
    expect_rejections(&server, "stranger");
}

#[test]
fn a_flood_of_invite_by_a_trunk_of_ours() {
    let mad =
        "[[trunks]]\nname = \"mad\"\naddresses = [\"127.0.0.0/16\"]\ncalls = 50\ncalls_per_second = 20\n";
    let server = Server::serve_quietly(&[("\n[web]\n", &trunks(mad))]);
    expect_unharmed_by_a_flood(&server, "INVITE", PROMPT_WITHIN);
    expect_rejections(&server, "trunk_busy");
    expect_rejections(&server, "flood");
}

/// Waits until the server says that it has refused something for this reason. It says so once a second.
fn expect_rejections(server: &Server, reason: &str) {
    let series = format!("portero_sip_rejected_total{{reason=\"{reason}\"}}");
    wait_for(&series, Duration::from_secs(10), || (server.metric(&series) > 0).then_some(()));
}

/// A trunk of which the well-behaved caller's address is one, and `more` trunks.
fn trunks(more: &str) -> String {
    let rest =
        ["1.0.0/16", "2.0.0/15", "4.0.0/14", "8.0.0/13", "16.0.0/12", "32.0.0/11", "64.0.0/10", "128.0.0/9"];
    let rest = rest.map(|network| format!("\"127.{network}\"")).join(", ");
    format!("\n{more}[[trunks]]\nname = \"carrier\"\naddresses = [{rest}]\n\n[web]\n")
}

/// Runs one of sipvicious' programs to its end.
fn scan(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().expect("the scanner starts (Debian's package sipvicious)");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_scanner_looks_for_servers_and_extensions() {
    let server = server();
    let ip = server.loopback.ip().to_string();
    thread::scope(|scope| {
        let found = scope.spawn(|| {
            [
                scan("svmap", &["-p", "5060", &ip]),
                scan("svwar", &["-p", "5060", "-e", "900-1100", &ip]),
                scan("svwar", &["-p", "5060", "-m", "OPTIONS", "-e", "900-1100", "--force", &ip]),
            ]
        });
        expect_unharmed(&server);
        let [servers, by_register, by_options] = found.join().expect("the scanners end");
        assert!(servers.contains(&format!("{ip}:5060")), "{servers}");
        for scan in [by_register, by_options] {
            assert!(scan.contains("found nothing"), "the lines are told from other numbers: {scan}");
        }
    });
    expect_unharmed(&server);
}
