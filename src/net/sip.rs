//! Everything that SIP travels by: the sockets of all listeners, seen as one way in and one way out.
//!
//! Nothing here waits for a peer. A datagram that cannot be sent now is dropped and counted, a stream that is not read
//! is closed; the order in which a socket's messages came is kept, and none keeps the others waiting.

mod connection;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod udp;

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

pub use streams::{Caps, Undelivered};
pub use tls::{Tls, TlsFault, TlsFiles};
pub(super) use tls::{chain, key, provider};

use crate::sip::{Domain, Hop, Listener, Transmit, Transport};
use streams::{Streamed, Streams};
use udp::{Room, UdpListener};

/// Messages of all streams that may wait for the loop; past that, their senders wait.
const STREAMED_MAX: usize = 1024;

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
    /// What was to go this way, to whoever is this domain, cannot.
    Unreachable(Hop, Option<Domain>),
}

/// The way out: never waits.
#[derive(Debug)]
pub struct Outlet {
    udp: Arc<[UdpListener]>,
    streams: Streams,
    listeners: Vec<Listener>,
    /// The tasks that take connections.
    accepting: Vec<JoinHandle<()>>,
}

/// The way in.
#[derive(Debug)]
pub struct Inlet {
    udp: Arc<[UdpListener]>,
    streamed: mpsc::Receiver<Streamed>,
    room: Room,
    /// The socket to be looked at first, so that a busy one does not go before all others. The streams are one of them.
    next: usize,
}

/// Binds every listener, or says which could not be bound.
pub async fn open(listen: &[Listen], caps: Caps, tls: Tls) -> Result<(Outlet, Inlet), NotBound> {
    let (told, streamed) = mpsc::channel(STREAMED_MAX);
    let streams = Streams::new(caps, tls, told);
    let (mut sockets, mut listeners, mut accepting) = (Vec::new(), Vec::new(), Vec::new());
    for &listen in listen {
        let not_bound = |source| NotBound { listen, source };
        if listen.transport == Transport::Udp {
            let socket = UdpListener::bind(listen.address).await.map_err(not_bound)?;
            listeners.push(socket.listener());
            sockets.push(socket);
        } else {
            let (listener, task) = streams.listen(listen.transport, listen.address).map_err(not_bound)?;
            listeners.push(listener);
            accepting.push(task);
        }
    }
    let udp: Arc<[UdpListener]> = sockets.into();
    let inlet = Inlet { udp: Arc::clone(&udp), streamed, room: Room::default(), next: 0 };
    Ok((Outlet { udp, streams, listeners, accepting }, inlet))
}

impl Outlet {
    /// What the endpoint is to know of the sockets.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Sends a message. A datagram that the kernel does not take is dropped and counted, and sent again by SIP's own
    /// timers; a stream has none, so that nobody would hear of it but by this error.
    pub fn send(&self, transmit: Transmit) -> Result<(), Undelivered> {
        if transmit.hop.transport.is_stream() {
            return self.streams.send(transmit);
        }
        let socket = self.udp.iter().find(|socket| socket.serves(&transmit.hop)).ok_or(Undelivered)?;
        socket.send(&transmit);
        Ok(())
    }

    /// Whether every listener still takes connections.
    pub fn is_whole(&self) -> bool {
        !self.accepting.iter().any(JoinHandle::is_finished)
    }

    /// Connections from now on have this TLS.
    pub fn set_tls(&self, tls: Tls) {
        self.streams.set_tls(tls);
    }

    /// How many datagrams could not be sent.
    pub fn dropped(&self) -> u64 {
        self.udp.iter().map(UdpListener::dropped).sum()
    }

    /// How many connections there are by a transport.
    pub fn connections(&self, transport: Transport) -> usize {
        self.streams.connections(transport)
    }

    /// How many connections have been turned away for want of room.
    pub fn connections_refused(&self) -> u64 {
        self.streams.refused()
    }
}

/// What a socket gave; a datagram lies in the room.
enum Received {
    Datagram(Hop),
    Streamed(Streamed),
}

impl Inlet {
    /// Waits for something to come in. Whoever stops waiting loses nothing.
    pub async fn receive(&mut self) -> Arrival<'_> {
        // Nobody needs the last one any more, and there may have been a key in it.
        self.room.wipe();
        match poll_fn(|context| self.poll_receive(context)).await {
            Received::Datagram(hop) => Arrival::Message(hop, Cow::Borrowed(self.room.datagram())),
            Received::Streamed(Streamed::Message(hop, message)) => Arrival::Message(hop, Cow::Owned(message)),
            Received::Streamed(Streamed::Unreachable(hop, domain)) => Arrival::Unreachable(hop, domain),
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let sources = self.udp.len() + 1;
        for ahead in 0..sources {
            let at = (self.next + ahead) % sources;
            if let Poll::Ready(received) = self.poll_source(at, context) {
                self.next = at + 1;
                return Poll::Ready(received);
            }
        }
        Poll::Pending
    }

    fn poll_source(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Received> {
        let Some(socket) = self.udp.get(at) else {
            return match self.streamed.poll_recv(context) {
                Poll::Ready(Some(streamed)) => Poll::Ready(Received::Streamed(streamed)),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            };
        };
        while let Poll::Ready(ready) = socket.poll_readable(context) {
            match ready.and_then(|()| socket.try_receive(&mut self.room)) {
                Ok(hop) => return Poll::Ready(Received::Datagram(hop)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    warn!("the SIP socket {}: {error}", socket.local());
                    // The others have their turn before it is asked again.
                    context.waker().wake_by_ref();
                    break;
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
