//! One connection of a stream transport: what it reads goes to the loop frame by frame, what it is given is written in
//! order.
//!
//! Reading and writing never wait for each other, so a peer that sends and never reads, or reads and never sends,
//! harms only itself. Everything has an end: a first message that does not come, a message that does not go on, a
//! write that gets nowhere, and a silence that lasts too long.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::streams::Streamed;
use crate::sip::{Frame, Framer, Hop, Transmit, Unframeable};

/// How soon a peer that connects has to have said something whole.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(15);
/// How long a message may take from its first byte to its last.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may be silent. Peers that mean to keep one send keep-alives more often.
const SILENCE_MAX: Duration = Duration::from_mins(30);
/// How long the peer may leave no room for what we write.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long we wait for our own answer to a message that ends its stream.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(500);
/// What is read at once, in bytes.
const READ_BYTES: usize = 4096;
/// Messages that are written at once.
const BATCH: usize = 16;
/// The answer to a ping (RFC 5626 §4.4.1).
const PONG: &[u8] = b"\r\n";

/// What waits to be written. Nothing is longer than a message.
pub enum Outgoing {
    /// A message.
    Message(Transmit),
    /// The answer to a keep-alive.
    Pong,
}

impl Outgoing {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(transmit) => &transmit.payload,
            Self::Pong => PONG,
        }
    }
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The peer closed it, or we have no more use for it.
    #[error("closed")]
    Closed,
    /// The system says so.
    #[error("{0}")]
    Failed(#[from] io::Error),
    /// Its messages cannot be told apart any more.
    #[error("{0}")]
    Unframeable(#[from] Unframeable),
    /// The peer was too slow.
    #[error("{0}")]
    TooSlow(&'static str),
}

impl Ended {
    /// Whether what has been written is still to be delivered.
    pub fn is_in_order(&self) -> bool {
        matches!(self, Self::Closed | Self::Unframeable(_))
    }
}

/// A connection's two queues.
pub struct Queues {
    /// What is to be written.
    pub outgoing: mpsc::Receiver<Outgoing>,
    /// The way into that for the connection itself.
    pub own: mpsc::Sender<Outgoing>,
    /// What has been read.
    pub told: mpsc::Sender<Streamed>,
}

/// Reads and writes until one of the two is over, or the queue has `overrun`; says why, gives back what has not been
/// written by then, and the stream.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    hop: Hop,
    queues: &mut Queues,
    overrun: &mut oneshot::Receiver<()>,
) -> (Ended, Vec<Outgoing>, S) {
    let (mut reader, writer) = tokio::io::split(stream);
    let mut writer = Writer { stream: writer, unwritten: Vec::new() };
    let Queues { outgoing, own, told } = queues;
    let ended = tokio::select! {
        ended = read(&mut reader, hop, own, told) => ended,
        ended = writer.write(outgoing) => ended,
        _ = overrun => Ended::TooSlow("the peer does not read"),
    };
    if let Ended::Unframeable(_) = ended {
        // The loop has been given what could be read of the last message, and may have a 400 for it.
        let _ = timeout(LAST_WORDS_WITHIN, writer.write_next(outgoing)).await;
    }
    if ended.is_in_order() {
        let _ = timeout(LAST_WORDS_WITHIN, writer.stream.shutdown()).await;
    }
    (ended, writer.unwritten, reader.unsplit(writer.stream))
}

async fn read<R: AsyncRead>(
    reader: &mut ReadHalf<R>,
    hop: Hop,
    own: &mpsc::Sender<Outgoing>,
    told: &mpsc::Sender<Streamed>,
) -> Ended {
    let (mut framer, mut chunk) = (Framer::default(), [0; READ_BYTES]);
    let mut deadline = Instant::now() + FIRST_MESSAGE_WITHIN;
    loop {
        let length = match timeout_at(deadline, reader.read(&mut chunk)).await {
            Ok(Ok(0)) => return Ended::Closed,
            Ok(Ok(length)) => length,
            Ok(Err(error)) => return error.into(),
            Err(_) => return Ended::TooSlow("the peer was silent, or slow with a message, for too long"),
        };
        let had_begun = framer.is_amid_message();
        framer.push(&chunk[..length]);
        let whole = match take_frames(&mut framer, hop, own, told).await {
            Ok(whole) => whole,
            Err(ended) => return ended,
        };
        let begins = framer.is_amid_message() && (whole || !had_begun);
        if begins {
            deadline = Instant::now() + MESSAGE_WITHIN;
        } else if whole {
            deadline = Instant::now() + SILENCE_MAX;
        }
    }
}

/// Passes on what is whole; says whether anything was. Where the loop is slower than the peer, the peer waits.
async fn take_frames(
    framer: &mut Framer,
    hop: Hop,
    own: &mpsc::Sender<Outgoing>,
    told: &mpsc::Sender<Streamed>,
) -> Result<bool, Ended> {
    let mut whole = false;
    loop {
        let message = match framer.next_frame() {
            Ok(None) => return Ok(whole),
            Ok(Some(Frame::Message(message))) => message,
            Ok(Some(Frame::Ping)) => {
                let room = own.try_send(Outgoing::Pong);
                room.map_err(|_| Ended::TooSlow("the peer does not read what it asks for"))?;
                whole = true;
                continue;
            }
            Err(fault) => {
                if let Unframeable::NoLength { head } = &fault {
                    let _ = told.send(Streamed::Message(hop, head.clone())).await;
                }
                return Err(fault.into());
            }
        };
        told.send(Streamed::Message(hop, message)).await.map_err(|_| Ended::Closed)?;
        whole = true;
    }
}

/// The half that writes.
struct Writer<S> {
    stream: WriteHalf<S>,
    /// What has been taken out of the queue and not been written for certain.
    unwritten: Vec<Outgoing>,
}

impl<S: AsyncWrite> Writer<S> {
    async fn write(&mut self, queue: &mut mpsc::Receiver<Outgoing>) -> Ended {
        loop {
            if let Err(ended) = self.write_next(queue).await {
                return ended;
            }
        }
    }

    /// Writes what waits, or what comes next.
    async fn write_next(&mut self, queue: &mut mpsc::Receiver<Outgoing>) -> Result<(), Ended> {
        if queue.recv_many(&mut self.unwritten, BATCH).await == 0 {
            return Err(Ended::Closed);
        }
        let bytes = self.unwritten.iter().map(Outgoing::bytes).collect::<Vec<_>>().concat();
        let written = timeout(WRITE_WITHIN, async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        });
        written.await.map_err(|_| Ended::TooSlow("the peer does not read"))??;
        self.unwritten.clear();
        Ok(())
    }
}
