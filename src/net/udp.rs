//! One UDP socket for SIP: whole datagrams in, and sends that never wait.
//!
//! A send that would block is dropped and counted: SIP over UDP retransmits, and a peer or a full kernel buffer
//! must not hold up the loop that all calls share.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::sip::Transmit;

/// What the kernel is asked to hold for us, in bytes: a burst of some thousand INVITEs. It may grant less.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// The largest payload that a UDP length field can name.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A bound socket for SIP.
#[derive(Debug)]
pub struct SipSocket {
    socket: UdpSocket,
    local: SocketAddr,
    dropped: AtomicU64,
}

/// Room for one datagram; made once and used again.
#[derive(Debug)]
pub struct Datagram(Box<[u8]>);

impl Default for Datagram {
    fn default() -> Self {
        Self(vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice())
    }
}

impl SipSocket {
    /// Binds `address`; port 0 takes a free one. Errors are the kernel's: a taken port, a foreign address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // One family a socket, so that IPv4 peers never show up as mapped IPv6 addresses.
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        // The runtime learns only now that the socket takes sends; the very first one must not be dropped.
        socket.writable().await?;
        Ok(Self { socket, local, dropped: AtomicU64::new(0) })
    }

    /// The address that was bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for a datagram: where it came from, and what it holds.
    ///
    /// An ICMP error that an earlier send provoked is not this socket's end, and is passed over.
    pub async fn receive<'a>(&self, room: &'a mut Datagram) -> io::Result<(SocketAddr, &'a [u8])> {
        loop {
            match self.socket.recv_from(&mut room.0).await {
                Ok((length, source)) => return Ok((source, &room.0[..length])),
                Err(error) if is_about_a_peer(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a datagram now or not at all; `false` if not at all.
    pub fn send(&self, transmit: &Transmit) -> bool {
        let sent = self.socket.try_send_to(&transmit.payload, transmit.destination).is_ok();
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// How many datagrams could not be sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What ICMP may make of an earlier send: port, host or network unreachable.
fn is_about_a_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anywhere() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn whole_datagrams_pass() {
        let (one, other) = (
            SipSocket::bind(anywhere()).await.expect("bound"),
            SipSocket::bind(anywhere()).await.expect("bound"),
        );
        let payload = vec![b'x'; 60_000];
        assert!(one.send(&Transmit { destination: other.local(), payload: payload.clone() }));
        let mut room = Datagram::default();
        let (source, received) = other.receive(&mut room).await.expect("received");
        assert_eq!((source, received), (one.local(), payload.as_slice()));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_and_an_oversized_datagram_is_counted() {
        let socket = SipSocket::bind(anywhere()).await.expect("bound");
        assert_eq!(
            SipSocket::bind(socket.local()).await.expect_err("taken").kind(),
            io::ErrorKind::AddrInUse
        );
        let oversized = Transmit { destination: socket.local(), payload: vec![0; DATAGRAM_BYTES_MAX + 1] };
        assert!(!socket.send(&oversized));
        assert_eq!(socket.dropped(), 1);
    }
}
