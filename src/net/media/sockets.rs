//! The two sockets of a session: RTP on an even port, RTCP on the next one up (RFC 3550 §11).

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::media::{Outgoing, Port};

/// Expedited forwarding for voice (RFC 4594 §4.1), in the upper six bits of the octet.
const EXPEDITED: u32 = 46 << 2;

/// See the module.
pub(super) struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Sockets {
    /// Binds both for the session at `place` in the thread's table.
    pub(super) fn open(local: SocketAddr, place: usize, registry: &Registry) -> io::Result<Self> {
        let above = local.port().checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let mut sockets =
            Self { rtp: UdpSocket::bind(local)?, rtcp: UdpSocket::bind(SocketAddr::new(local.ip(), above))? };
        for port in [Port::Rtp, Port::Rtcp] {
            let socket = sockets.socket_mut(port);
            registry.register(socket, token(place, port), Interest::READABLE)?;
            mark_expedited(socket, local);
        }
        Ok(sockets)
    }

    /// Sends a datagram; it is worth one attempt and no more.
    pub(super) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        self.socket(outgoing.port).send_to(outgoing.datagram, outgoing.destination)
    }

    /// Takes a datagram that has come.
    pub(super) fn receive(&self, port: Port, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket(port).recv_from(buffer)
    }

    fn socket(&self, port: Port) -> &UdpSocket {
        match port {
            Port::Rtp => &self.rtp,
            Port::Rtcp => &self.rtcp,
        }
    }

    fn socket_mut(&mut self, port: Port) -> &mut UdpSocket {
        match port {
            Port::Rtp => &mut self.rtp,
            Port::Rtcp => &mut self.rtcp,
        }
    }
}

/// The poller's name for a socket of the session at `place`.
fn token(place: usize, port: Port) -> Token {
    Token(place * 2 + usize::from(port == Port::Rtcp))
}

/// Reads the poller's name back.
pub(super) fn place_and_port(token: Token) -> (usize, Port) {
    (token.0 / 2, if token.0.is_multiple_of(2) { Port::Rtp } else { Port::Rtcp })
}

/// Asks the network for haste. Where it may not be asked, the call is no worse than without.
fn mark_expedited(socket: &UdpSocket, local: SocketAddr) {
    let socket = SockRef::from(socket);
    let marked = if local.is_ipv4() { socket.set_tos_v4(EXPEDITED) } else { socket.set_tclass_v6(EXPEDITED) };
    if let Err(error) = marked {
        tracing::debug!(%error, "RTP goes unmarked");
    }
}
