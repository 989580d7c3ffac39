//! Stream transports: who is connected, who may connect, and which connection a message leaves by.
//!
//! Each connection is a task of its own with a queue of its own. A queue that is full is a peer that does not read:
//! its connection is closed, and nobody else has waited for it. Where a message has no connection, one is opened
//! beside the loop, and what cannot be delivered in the end is told.
#![expect(clippy::disallowed_methods, reason = "shell: a task for each listener and each connection")]

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::connection::{self, Outgoing, Queues};
use super::own_address;
use super::tls::Tls;
use crate::sip::{ConnectionId, Domain, Hop, Listener, Transmit, Transport};

/// Messages that may wait for one peer to read them.
const QUEUE_MAX: usize = 128;
/// Connections that the kernel may hold for us until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long a peer may take to accept a connection of ours.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long nothing is accepted after the system has refused to.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// After how long a silent peer is asked by TCP whether it is still there.
const PROBE_AFTER: Duration = Duration::from_mins(2);

/// How many connections there may be, in both directions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// In all.
    pub connections: usize,
    /// From one address.
    pub connections_per_source: usize,
}

/// What streams tell the loop.
#[derive(Debug)]
pub enum Streamed {
    /// A message has come.
    Message(Hop, Vec<u8>),
    /// What was to go this way, to whoever is this domain, cannot.
    Unreachable(Hop, Option<Domain>),
}

/// A message that no connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message cannot be sent")]
pub struct Undelivered;

/// All connections.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    caps: Caps,
    table: Mutex<Table>,
    tls: Mutex<Tls>,
    told: mpsc::Sender<Streamed>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    refused: u64,
    connections: HashMap<ConnectionId, Entry>,
    by_way: HashMap<Way, ConnectionId>,
    by_source: HashMap<IpAddr, usize>,
}

/// What messages have to have in common to share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    transport: Transport,
    peer: SocketAddr,
    /// RFC 5922 §8: a peer that has proved to be one domain has not proved to be another.
    domain: Option<Domain>,
}

#[derive(Debug)]
struct Entry {
    way: Way,
    queue: mpsc::Sender<Outgoing>,
    /// Dropped with the entry, which ends the connection.
    _alive: oneshot::Sender<()>,
}

/// A connection's side of its entry.
struct Admitted {
    id: ConnectionId,
    queues: Queues,
    /// Fires once the entry is gone.
    overrun: oneshot::Receiver<()>,
}

impl Streams {
    /// No connection yet.
    pub fn new(caps: Caps, tls: Tls, told: mpsc::Sender<Streamed>) -> Self {
        let (table, tls) = (Mutex::default(), Mutex::new(tls));
        Self(Arc::new(Shared { caps, table, tls, told }))
    }

    /// Connections from now on have this TLS.
    pub fn set_tls(&self, tls: Tls) {
        *self.0.tls.lock().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    /// Binds `address` and takes connections from there, in a task that never ends.
    pub fn listen(
        &self,
        transport: Transport,
        address: SocketAddr,
    ) -> io::Result<(Listener, JoinHandle<()>)> {
        let socket = Socket::new(socket2::Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A program that is started again finds connections of the last one still fading away.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(self.clone().accept(transport, listener));
        Ok((Listener { transport, address, own: own_address(address) }, task))
    }

    /// Puts a message into its connection's queue; opens a connection where there is none.
    pub fn send(&self, transmit: Transmit) -> Result<(), Undelivered> {
        let mut table = self.table();
        let Transmit { hop, domain, .. } = &transmit;
        let way = Way { transport: hop.transport, peer: hop.peer, domain: domain.clone() };
        let named = transmit.hop.connection.filter(|id| table.connections.contains_key(id));
        let Some(id) = named.or_else(|| table.by_way.get(&way).copied()) else {
            let (hop, domain) = (*hop, domain.clone());
            let admitted = self.admit(&mut table, way).ok_or(Undelivered)?;
            drop(table);
            let room = admitted.queues.own.try_send(Outgoing::Message(transmit));
            tokio::spawn(self.clone().connect(hop, domain, admitted));
            return room.map_err(|_| Undelivered);
        };
        let entry = table.connections.get(&id).ok_or(Undelivered)?;
        if entry.queue.try_send(Outgoing::Message(transmit)).is_err() {
            debug!(connection = id.0, "a connection is closed: its peer does not read");
            table.remove(id);
            return Err(Undelivered);
        }
        Ok(())
    }

    /// How many connections there are by a transport.
    pub fn connections(&self, transport: Transport) -> usize {
        self.table().connections.values().filter(|entry| entry.way.transport == transport).count()
    }

    /// How many connections have been turned away for want of room.
    pub fn refused(&self) -> u64 {
        self.table().refused
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock; and if it did, a table is better than none.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tls(&self) -> Tls {
        self.0.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Enters a connection, if there is room for one more.
    fn admit(&self, table: &mut Table, way: Way) -> Option<Admitted> {
        let (caps, source) = (&self.0.caps, way.peer.ip());
        let of_source = table.by_source.get(&source).copied().unwrap_or(0);
        if table.connections.len() >= caps.connections || of_source >= caps.connections_per_source {
            table.refused += 1;
            return None;
        }
        table.last += 1;
        let id = ConnectionId(table.last);
        let (queue, outgoing) = mpsc::channel(QUEUE_MAX);
        let (alive, overrun) = oneshot::channel();
        let entry = Entry { way: way.clone(), queue: queue.clone(), _alive: alive };
        table.connections.insert(id, entry);
        // The newest connection of a peer is the one that its other messages use, too.
        table.by_way.insert(way, id);
        *table.by_source.entry(source).or_default() += 1;
        Some(Admitted { id, queues: Queues { outgoing, own: queue, told: self.0.told.clone() }, overrun })
    }

    async fn accept(self, transport: Transport, listener: TcpListener) {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                // Of a peer that is gone already there is nothing to say; a lack of descriptors passes.
                Err(error) => {
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                    ) {
                        warn!("no connection can be accepted: {error}");
                        sleep(REFUSED_PAUSE).await;
                    }
                    continue;
                }
            };
            // Of whom it takes calls, it knows no more than the address.
            let admitted = self.admit(&mut self.table(), Way { transport, peer, domain: None });
            match (admitted, stream.local_addr()) {
                (Some(admitted), Ok(local)) => {
                    let hop = Hop { transport, local, peer, connection: Some(admitted.id) };
                    tokio::spawn(self.clone().serve(stream, hop, admitted));
                }
                (Some(admitted), Err(_)) => self.table().remove(admitted.id),
                // Without a farewell: one more socket that fades away is what a flood wants.
                (None, _) => reset_on_close(&stream),
            }
        }
    }

    /// A connection that a peer has made.
    async fn serve(self, stream: TcpStream, hop: Hop, admitted: Admitted) {
        tune(&stream);
        if hop.transport == Transport::Tcp {
            return self.run(stream, hop, admitted).await;
        }
        match timeout(HANDSHAKE_WITHIN, self.tls().accept(stream)).await {
            Ok(Ok(stream)) => self.run(stream, hop, admitted).await,
            Ok(Err(error)) => {
                debug!(connection = admitted.id.0, %error, "a TLS handshake failed");
                self.table().remove(admitted.id);
            }
            Err(_) => self.table().remove(admitted.id),
        }
    }

    /// A connection of our own making.
    async fn connect(self, hop: Hop, domain: Option<Domain>, admitted: Admitted) {
        let connected = timeout(CONNECT_WITHIN, open(&hop)).await;
        let stream = match connected.unwrap_or(Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => stream,
            Err(error) => return self.give_up(&error, admitted).await,
        };
        let local = stream.local_addr().unwrap_or(hop.local);
        let hop = Hop { local, connection: Some(admitted.id), ..hop };
        if hop.transport == Transport::Tcp {
            return self.run(stream, hop, admitted).await;
        }
        let shaken = timeout(HANDSHAKE_WITHIN, self.tls().connect(stream, hop.peer, domain.as_ref())).await;
        match shaken.unwrap_or(Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => self.run(stream, hop, admitted).await,
            Err(error) => self.give_up(&error, admitted).await,
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin + OverTcp>(
        self,
        stream: S,
        hop: Hop,
        mut admitted: Admitted,
    ) {
        let Admitted { queues, overrun, .. } = &mut admitted;
        let (ended, unwritten, stream) = connection::run(stream, hop, queues, overrun).await;
        if !ended.is_in_order() {
            reset_on_close(stream.tcp());
        }
        drop(stream);
        debug!(connection = admitted.id.0, %ended, "a connection has ended");
        self.bury(unwritten, admitted).await;
    }

    async fn give_up(self, error: &io::Error, admitted: Admitted) {
        debug!(connection = admitted.id.0, %error, "a connection cannot be made");
        self.bury(Vec::new(), admitted).await;
    }

    /// Lets go of a connection, and tells which ways the requests that are lost with it were to go. A response that is
    /// lost is the concern of whoever asked.
    async fn bury(self, unwritten: Vec<Outgoing>, mut admitted: Admitted) {
        self.table().remove(admitted.id);
        admitted.queues.outgoing.close();
        let queued = std::iter::from_fn(|| admitted.queues.outgoing.try_recv().ok());
        let lost = unwritten.into_iter().chain(queued).filter_map(|outgoing| match outgoing {
            Outgoing::Message(transmit) => {
                (!transmit.is_response()).then_some((transmit.hop, transmit.domain))
            }
            Outgoing::Pong => None,
        });
        for (hop, domain) in lost.collect::<HashSet<_>>() {
            let _ = admitted.queues.told.send(Streamed::Unreachable(hop, domain)).await;
        }
    }
}

impl Table {
    fn remove(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.remove(&id) else { return };
        if self.by_way.get(&entry.way) == Some(&id) {
            self.by_way.remove(&entry.way);
        }
        let source = entry.way.peer.ip();
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

async fn open(hop: &Hop) -> io::Result<TcpStream> {
    let socket = if hop.peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(hop.local.ip(), 0))?;
    let stream = socket.connect(hop.peer).await?;
    tune(&stream);
    Ok(stream)
}

/// Small messages leave at once, and a peer whose machine is gone is found out. A connection is as good without.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(PROBE_AFTER);
    if let Err(error) =
        stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive))
    {
        debug!(%error, "a connection goes untuned");
    }
}

/// A stream, and the connection below it.
trait OverTcp {
    fn tcp(&self) -> &TcpStream;
}

impl OverTcp for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl OverTcp for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl OverTcp for tokio_rustls::client::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Has a connection end without a farewell: what a peer does not read would stay with the kernel for minutes, and the
/// peer would hear of nothing.
fn reset_on_close(stream: &TcpStream) {
    if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        debug!(%error, "a connection ends in order that should not");
    }
}
