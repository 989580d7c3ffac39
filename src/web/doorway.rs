//! The listener: so many connections and no more, none that stands still, and TLS where there is a certificate.
//!
//! A client that opens a connection and sends nothing, or half a request, or reads nothing of an answer, is
//! closed after a while. Live event streams write something more often than that.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::Settings;

/// Connections at once; one more is closed at the door.
const CONNECTIONS_MAX: usize = 512;

/// How long a connection may stand still in both directions.
const PATIENCE: Duration = Duration::from_mins(1);

/// Accepts connections within the limits.
#[derive(Debug)]
pub(super) struct Doorway {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
    /// Where the certificate is that is good now.
    settings: watch::Receiver<Arc<Settings>>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Doorway>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doorway>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection that is closed when it stands still.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Doorway {
    /// Accepts from `listener`.
    pub fn new(listener: TcpListener, settings: watch::Receiver<Arc<Settings>>) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)), patience: PATIENCE, settings }
    }
}

impl Listener for Doorway {
    type Io = Connection<Stream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            // axum's own accept, which logs and waits where the process is out of file descriptors.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                counter!("portero_web_rejected_total", "reason" => "connections").increment(1);
                continue;
            };
            // Events are small and each should leave at once. Without it they are merely later.
            let _ = stream.set_nodelay(true);
            let tls = self.settings.borrow().tls.clone();
            let stream = Stream::new(stream, tls.map(TlsAcceptor::from).as_ref());
            return (Connection::new(stream, self.patience, Some(place)), address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<S> Connection<S> {
    fn new(stream: S, patience: Duration, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, patience, deadline: Box::pin(sleep(patience)), _place: place }
    }

    /// Moves the deadline where there was progress, and fails where it has passed without any.
    fn judge<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            let deadline = Instant::now() + self.patience;
            self.deadline.as_mut().reset(deadline);
            return poll;
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.judge(context, poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.judge(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What goes over a connection. The handshake is part of its first use: one that is slow keeps nobody else waiting.
pub(super) enum Stream {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    /// The handshake has failed.
    Broken,
}

impl Stream {
    fn new(stream: TcpStream, tls: Option<&TlsAcceptor>) -> Self {
        match tls {
            None => Self::Plain(stream),
            Some(acceptor) => Self::Handshake(Box::new(acceptor.accept(stream))),
        }
    }

    /// Comes through the handshake, where there is one to come through.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(accept) = self {
            let shaken = ready!(Pin::new(&mut **accept).poll(context));
            *self = Self::Broken;
            *self = Self::Tls(Box::new(shaken?));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(context))?;
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            Self::Handshake(_) | Self::Broken => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(context))?;
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
            Self::Handshake(_) | Self::Broken => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
            // Nothing has been written.
            Self::Handshake(_) | Self::Broken => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Self::Handshake(_) | Self::Broken => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_that_stands_still_is_closed() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let mut connection = Connection::new(ours, Duration::from_millis(10), None);
        let error = connection.read_u8().await.expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_closed() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let mut connection = Connection::new(ours, Duration::from_millis(10), None);
        let error = connection.write_all(b"longer than the pipe").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn progress_either_way_moves_the_deadline() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut connection = Connection::new(ours, PATIENCE, None);
        let first = connection.deadline.deadline();
        theirs.write_all(b"x").await.expect("open");
        assert_eq!(connection.read_u8().await.expect("there"), b'x');
        let second = connection.deadline.deadline();
        connection.write_all(b"y").await.expect("open");
        let third = connection.deadline.deadline();
        assert!(first < second && second < third);
    }
}
