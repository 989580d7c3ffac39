//! Everything that SIP travels by: the sockets of all listeners, seen as one way in and one way out.
//!
//! Nothing here waits for a peer. What cannot be sent now is dropped and counted; the order in which a socket's
//! messages came is kept, and of several sockets none keeps the others waiting.

mod udp;

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};

use tracing::warn;

use crate::sip::{Hop, Listener, Transmit, Transport};
use udp::{Room, UdpListener};

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listen {
    /// By what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// Why a listener could not be had.
#[derive(Debug)]
pub struct NotBound {
    /// Which one.
    pub listen: Listen,
    /// What the system said.
    pub source: io::Error,
}

/// What has come in.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// A message, and the way by which it came.
    Message(Hop, Cow<'a, [u8]>),
}

/// The way out: may be asked from one place, and never waits.
#[derive(Debug)]
pub struct Outlet {
    udp: Arc<[UdpListener]>,
}

/// The way in.
#[derive(Debug)]
pub struct Inlet {
    udp: Arc<[UdpListener]>,
    room: Room,
    /// The socket to be looked at first, so that a busy one does not go before all others.
    next: usize,
}

/// Binds every listener, or says which could not be bound.
pub async fn open(listen: &[Listen]) -> Result<(Outlet, Inlet), NotBound> {
    let mut sockets = Vec::new();
    for &listen in listen.iter().filter(|listen| listen.transport == Transport::Udp) {
        let bound = UdpListener::bind(listen.address).await;
        sockets.push(bound.map_err(|source| NotBound { listen, source })?);
    }
    let udp: Arc<[UdpListener]> = sockets.into();
    Ok((Outlet { udp: Arc::clone(&udp) }, Inlet { udp, room: Room::default(), next: 0 }))
}

impl Outlet {
    /// What the endpoint is to know of the sockets.
    pub fn listeners(&self) -> Vec<Listener> {
        self.udp.iter().map(UdpListener::listener).collect()
    }

    /// Sends a message, or drops and counts it.
    pub fn send(&self, transmit: &Transmit) {
        if let Some(socket) = self.udp.iter().find(|socket| socket.serves(&transmit.hop)) {
            socket.send(transmit);
        }
    }

    /// How many messages could not be sent.
    pub fn dropped(&self) -> u64 {
        self.udp.iter().map(UdpListener::dropped).sum()
    }
}

impl Inlet {
    /// Waits for something to come in. Whoever stops waiting loses nothing.
    pub async fn receive(&mut self) -> Arrival<'_> {
        let (hop, length) = poll_fn(|context| self.poll_receive(context)).await;
        Arrival::Message(hop, Cow::Borrowed(self.room.datagram(length)))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<(Hop, usize)> {
        for ahead in 0..self.udp.len() {
            let at = (self.next + ahead) % self.udp.len();
            let socket = &self.udp[at];
            while let Poll::Ready(ready) = socket.poll_readable(context) {
                match ready.and_then(|()| socket.try_receive(&mut self.room)) {
                    Ok(received) => {
                        self.next = at + 1;
                        return Poll::Ready(received);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => warn!("the SIP socket {}: {error}", socket.local()),
                }
            }
        }
        Poll::Pending
    }
}

/// The address that peers on the other side of `listen` see, where `listen` itself is a wildcard: the one that this
/// machine sends from.
fn own_address(listen: SocketAddr) -> IpAddr {
    if !listen.ip().is_unspecified() {
        return listen.ip();
    }
    let (any, far) = match listen {
        SocketAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        SocketAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    // Connecting a UDP socket sends nothing; it only asks the kernel which address it would send from.
    let routed = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    let loopback = if listen.is_ipv4() { [127, 0, 0, 1].into() } else { Ipv6Addr::LOCALHOST.into() };
    routed.map_or(loopback, |address| address.ip())
}
