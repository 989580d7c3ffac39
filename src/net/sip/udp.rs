//! One UDP socket for SIP: whole datagrams in, and sends that never wait.
//!
//! A send that would block is dropped and counted: SIP over UDP retransmits, and a peer or a full kernel buffer
//! must not hold up the loop that all calls share. A socket that is bound to a wildcard learns from the kernel at
//! which of our addresses each datagram came in, and answers from that one, as its peer expects.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::own_address;
use crate::sip::{Hop, Listener, Transmit, Transport};

/// What the kernel is asked to hold for us, in bytes: a burst of some thousand INVITEs. It may grant less.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// The largest payload that a UDP length field can name.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A bound socket for SIP.
#[derive(Debug)]
pub struct UdpListener {
    socket: UdpSocket,
    local: SocketAddr,
    own: IpAddr,
    dropped: AtomicU64,
}

/// Room for one datagram; made once and used again.
#[derive(Debug)]
pub struct Room {
    octets: Box<[u8]>,
    /// How many of them are the datagram's.
    filled: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { octets: vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice(), filled: 0 }
    }
}

impl Room {
    /// The datagram that was received into it.
    pub fn datagram(&self) -> &[u8] {
        &self.octets[..self.filled]
    }

    /// Wipes it.
    pub fn wipe(&mut self) {
        self.octets[..std::mem::take(&mut self.filled)].fill(0);
    }
}

impl UdpListener {
    /// Binds `address`; port 0 takes a free one. Errors are the kernel's: a taken port, a foreign address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // One family a socket, so that IPv4 peers never show up as mapped IPv6 addresses.
            socket.set_only_v6(true)?;
        }
        if address.ip().is_unspecified() {
            match address {
                SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        // The runtime learns only now that the socket takes sends; the very first one must not be dropped.
        socket.writable().await?;
        Ok(Self { socket, local, own: own_address(local), dropped: AtomicU64::new(0) })
    }

    /// What the endpoint is to know of it.
    pub fn listener(&self) -> Listener {
        Listener { transport: Transport::Udp, address: self.local, own: self.own }
    }

    /// The address that was bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How many datagrams could not be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether a datagram may be waiting; if not, the task is woken once one is.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_recv_ready(context)
    }

    /// Takes a datagram that is there already: by which way it came.
    ///
    /// An ICMP error that an earlier send provoked is not this socket's end, and is passed over.
    pub fn try_receive(&self, room: &mut Room) -> io::Result<Hop> {
        loop {
            let received = if self.is_wildcard() {
                self.socket.try_io(Interest::READABLE, || self.receive_with_destination(&mut room.octets))
            } else {
                let received = self.socket.try_recv_from(&mut room.octets);
                received.map(|(length, source)| (Hop::udp(self.local, source), length))
            };
            match received {
                Err(error) if is_about_a_peer(&error) => {}
                Err(error) => return Err(error),
                Ok((hop, length)) => {
                    room.filled = length;
                    return Ok(hop);
                }
            }
        }
    }

    /// Sends a datagram now or not at all; `false` if not at all.
    pub fn send(&self, transmit: &Transmit) -> bool {
        let sent = if self.is_wildcard() && !transmit.hop.local.ip().is_unspecified() {
            self.socket.try_io(Interest::WRITABLE, || self.send_from(transmit)).is_ok()
        } else {
            self.socket.try_send_to(&transmit.payload, transmit.hop.peer).is_ok()
        };
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Whether this is the socket that a hop leaves from.
    pub fn serves(&self, hop: &Hop) -> bool {
        self.local == hop.local
            || (self.is_wildcard()
                && self.local.port() == hop.local.port()
                && self.local.is_ipv4() == hop.local.is_ipv4())
    }

    fn is_wildcard(&self) -> bool {
        self.local.ip().is_unspecified()
    }

    fn receive_with_destination(&self, room: &mut [u8]) -> io::Result<(Hop, usize)> {
        let mut iov = [IoSliceMut::new(room)];
        let mut control = nix::cmsg_space!(in6_pktinfo);
        let received = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut iov,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let source = received.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
        let reached = received.cmsgs()?.find_map(|message| match message {
            // `ipi_spec_dst` is the address of ours that the packet was routed to.
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
            _ => None,
        });
        let local = SocketAddr::new(reached.unwrap_or(self.own), self.local.port());
        Ok((Hop::udp(local, source), received.bytes))
    }

    fn send_from(&self, transmit: &Transmit) -> io::Result<usize> {
        let (iov, to) = ([IoSlice::new(&transmit.payload)], SockaddrStorage::from(transmit.hop.peer));
        let (v4, v6);
        let source = match transmit.hop.local.ip() {
            IpAddr::V4(ip) => {
                let address = in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                v4 = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: in_addr { s_addr: 0 } };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(ip) => {
                v6 = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        Ok(sendmsg(self.socket.as_raw_fd(), &iov, &[source], MsgFlags::empty(), Some(&to))?)
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}

/// What ICMP may make of an earlier send: port, host or network unreachable.
fn is_about_a_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    async fn bound(text: &str) -> UdpListener {
        UdpListener::bind(at(text)).await.expect("bound")
    }

    async fn receive(socket: &UdpListener, room: &mut Room) -> Hop {
        loop {
            std::future::poll_fn(|context| socket.poll_readable(context)).await.expect("it may be read");
            match socket.try_receive(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received.expect("received"),
            }
        }
    }

    #[tokio::test]
    async fn whole_datagrams_pass() {
        let (one, other) = (bound("127.0.0.1:0").await, bound("127.0.0.1:0").await);
        let payload = vec![b'x'; 60_000];
        let hop = Hop::udp(one.local(), other.local());
        assert!(one.send(&Transmit::new(hop, payload.clone())));
        let mut room = Room::default();
        let hop = receive(&other, &mut room).await;
        assert_eq!((hop.peer, room.datagram()), (one.local(), payload.as_slice()));
        room.wipe();
        assert!(room.datagram().is_empty() && room.octets.iter().all(|octet| *octet == 0));
    }

    /// Who asks one address of several is answered by that one.
    async fn answers_from_where_it_was_reached(wildcard: &str, reached: &str, client: &str) {
        let server = bound(wildcard).await;
        let reached = SocketAddr::new(at(reached).ip(), server.local().port());
        let client = bound(client).await;
        let mut room = Room::default();
        let question = Hop::udp(client.local(), reached);
        assert!(client.send(&Transmit::new(question, b"?".to_vec())));
        let hop = receive(&server, &mut room).await;
        assert_eq!((hop.local, hop.peer), (reached, client.local()));
        assert!(server.serves(&hop));
        assert!(server.send(&Transmit::new(hop, b"!".to_vec())));
        let hop = receive(&client, &mut room).await;
        assert_eq!((hop.peer, room.datagram()), (reached, b"!".as_slice()));
    }

    #[tokio::test]
    async fn a_wildcard_socket_answers_from_the_address_that_was_reached() {
        answers_from_where_it_was_reached("0.0.0.0:0", "127.8.7.6:0", "127.0.0.1:0").await;
    }

    #[tokio::test]
    async fn a_wildcard_socket_of_ipv6_does_so_too() {
        answers_from_where_it_was_reached("[::]:0", "[::1]:0", "[::1]:0").await;
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_and_an_oversized_datagram_is_counted() {
        let socket = bound("127.0.0.1:0").await;
        let taken = UdpListener::bind(socket.local()).await.expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let hop = Hop::udp(socket.local(), socket.local());
        assert!(!socket.send(&Transmit::new(hop, vec![0; DATAGRAM_BYTES_MAX + 1])));
        assert_eq!(socket.dropped(), 1);
    }
}
