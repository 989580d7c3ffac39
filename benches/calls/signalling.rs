//! The callers' SIP: every call of theirs in one endpoint, behind one socket.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portero::sdp::{self, Codec, Codecs, Session};
use portero::sip::{Call, Config, DialogId, Endpoint, Event, Hop, Whereabouts};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::server::LINE;
use crate::sound::{Nanos, now};

/// What the kernel is asked to hold for the socket, in bytes.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// The shortest wait that a socket can be told.
const WAIT_MIN: Duration = Duration::from_micros(100);

/// See the module.
pub struct Signalling {
    socket: UdpSocket,
    endpoint: Endpoint,
    hop: Hop,
    calls: u64,
    /// Room for one datagram.
    room: Vec<u8>,
}

impl Signalling {
    /// Callers at `ip` who call `server`.
    pub fn open(ip: Ipv4Addr, server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 5060))?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        let local = socket.local_addr()?;
        let config = Config {
            whereabouts: Whereabouts::udp(local),
            realm: "portero".to_owned(),
            user_agent: "portero-bench".to_owned(),
            accept_referrals: false,
            retry_after: Duration::from_secs(1),
        };
        Ok(Self {
            socket,
            hop: Hop::udp(local, server),
            endpoint: Endpoint::new(config, StdRng::seed_from_u64(1)),
            calls: 0,
            room: vec![0; 65_535],
        })
    }

    /// Calls, with sound at `rtp`.
    pub fn call(&mut self, rtp: SocketAddr) -> Result<DialogId> {
        self.calls += 1;
        let call = Call {
            to_uri: format!("sip:{LINE}@{}", self.hop.peer),
            from_user: "+12025550101".to_owned(),
            from_display: None,
            hop: self.hop,
            spares: Vec::new(),
            sdp: sdp::offer(rtp, Session { id: self.calls, version: 1 }, &Codecs::Ours(vec![Codec::Pcmu])),
            headers: Vec::new(),
        };
        let dialog = self.endpoint.invite(&call, Instant::now()).context("the endpoint has room")?;
        self.transmit()?;
        Ok(dialog)
    }

    /// Hangs up.
    pub fn hang_up(&mut self, dialog: DialogId) -> Result<()> {
        self.endpoint.bye(dialog, Instant::now());
        self.transmit()
    }

    /// Waits until something has come or `deadline` is past, and tells what it was and when what it asked for,
    /// an ACK for one, was sent.
    pub fn wait(&mut self, deadline: Instant) -> Result<Option<(Nanos, Vec<Event>)>> {
        let until = self.endpoint.poll_timeout().map_or(deadline, |due| due.min(deadline));
        let wait = until.saturating_duration_since(Instant::now()).max(WAIT_MIN);
        self.socket.set_read_timeout(Some(wait))?;
        match self.socket.recv_from(&mut self.room) {
            Ok((length, source)) => {
                self.endpoint.receive(self.hop_from(source), &self.room[..length], Instant::now());
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => bail!("the callers' SIP socket: {error}"),
        }
        self.endpoint.handle_timeout(Instant::now());
        let at = now();
        self.transmit()?;
        let events: Vec<Event> = std::iter::from_fn(|| self.endpoint.poll_event()).collect();
        Ok((!events.is_empty() || Instant::now() < deadline).then_some((at, events)))
    }

    fn hop_from(&self, source: SocketAddr) -> Hop {
        Hop::udp(self.hop.local, source)
    }

    fn transmit(&mut self) -> Result<()> {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.socket.send_to(&transmit.payload, transmit.hop.peer)?;
        }
        Ok(())
    }
}
