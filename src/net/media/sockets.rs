//! The two sockets of a session: RTP on an even port, RTCP on the next one up (RFC 3550 §11).

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt::RxqOvfl,
};
use rustix::event::epoll;
use socket2::SockRef;

use super::filter;
use crate::media::{Outgoing, Port};

/// Expedited forwarding for voice (RFC 4594 §4.1), in the upper six bits of the octet.
const EXPEDITED: u32 = 46 << 2;

/// See the module.
pub(super) struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// The one address that the RTP socket is joined to: the kernel keeps the route, and keeps strangers out.
    joined: Option<SocketAddr>,
    thinning: Thinning,
}

/// What the kernel keeps back of what comes to the RTP socket.
#[derive(Default)]
struct Thinning {
    /// The payload type that is thinned out.
    payload_type: Option<u8>,
    /// Whether any ever was; from then on the kernel tells with each datagram how many it has dropped so far.
    tells: bool,
    dropped: u32,
}

/// A datagram that has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) length: usize,
    pub(super) source: SocketAddr,
    /// How many the filter has kept back since the last one.
    pub(super) unseen: u32,
}

impl Sockets {
    /// Binds both for the session at `place` in the thread's table, and has `epoll` tell when something comes.
    pub(super) fn open(local: SocketAddr, place: usize, epoll: &OwnedFd) -> io::Result<Self> {
        let above = local.port().checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
        let sockets = Self {
            rtp: UdpSocket::bind(local)?,
            rtcp: UdpSocket::bind(SocketAddr::new(local.ip(), above))?,
            joined: None,
            thinning: Thinning::default(),
        };
        for port in [Port::Rtp, Port::Rtcp] {
            let socket = sockets.socket(port);
            socket.set_nonblocking(true)?;
            epoll::add(epoll, socket, token(place, port), epoll::EventFlags::IN)?;
            mark_expedited(socket, local);
        }
        Ok(sockets)
    }

    /// Sends a datagram. Where the peer has refused an earlier one, the kernel says so in place of taking this one,
    /// and takes it the second time; other than that a datagram is worth one attempt and no more.
    pub(super) fn send(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        match self.attempt(outgoing) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.attempt(outgoing),
            sent => sent,
        }
    }

    fn attempt(&self, outgoing: &Outgoing<'_>) -> io::Result<usize> {
        if outgoing.port == Port::Rtp && self.joined == Some(outgoing.destination) {
            self.rtp.send(outgoing.datagram)
        } else {
            self.socket(outgoing.port).send_to(outgoing.datagram, outgoing.destination)
        }
    }

    /// Takes a datagram that has come.
    pub(super) fn receive(&mut self, port: Port, buffer: &mut [u8]) -> io::Result<Received> {
        if port == Port::Rtp && self.thinning.tells {
            return self.receive_thinned(buffer);
        }
        let (length, source) = match self.joined.filter(|_| port == Port::Rtp) {
            Some(joined) => (self.rtp.recv(buffer)?, joined),
            None => self.socket(port).recv_from(buffer)?,
        };
        Ok(Received { length, source, unseen: 0 })
    }

    fn receive_thinned(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut control = nix::cmsg_space!(u32);
        let mut room = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            self.rtp.as_raw_fd(),
            &mut room,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let source = message.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
        let dropped = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::RxqOvfl(dropped) => Some(dropped),
            _ => None,
        });
        let dropped = dropped.unwrap_or(self.thinning.dropped);
        let unseen = dropped.wrapping_sub(std::mem::replace(&mut self.thinning.dropped, dropped));
        Ok(Received { length: message.bytes, source, unseen })
    }

    /// Has the kernel thin out audio of this payload type, and nothing else any more; all of it passes for `None`.
    pub(super) fn thin_out(&mut self, payload_type: Option<u8>) -> io::Result<()> {
        if self.thinning.payload_type == payload_type {
            return Ok(());
        }
        let socket = SockRef::from(&self.rtp);
        match payload_type {
            Some(payload_type) => {
                if !self.thinning.tells {
                    setsockopt(&self.rtp, RxqOvfl, &1)?;
                    self.thinning.tells = true;
                }
                socket.attach_filter(&filter::thin_out(payload_type))?;
            }
            None => socket.detach_filter()?,
        }
        self.thinning.payload_type = payload_type;
        Ok(())
    }

    /// Joins the RTP socket to the one address that it still has to do with, or parts it again. A socket of all
    /// addresses of this machine stays as it is: joined, it would be of the one that the kernel prefers, which may
    /// be another than the peer sends to.
    pub(super) fn join(&mut self, only: Option<SocketAddr>) -> io::Result<()> {
        if self.joined == only || self.rtp.local_addr()?.ip().is_unspecified() {
            return Ok(());
        }
        match only {
            Some(address) => self.rtp.connect(address)?,
            None => rustix::net::connect_unspec(&self.rtp)?,
        }
        self.joined = only;
        Ok(())
    }

    fn socket(&self, port: Port) -> &UdpSocket {
        match port {
            Port::Rtp => &self.rtp,
            Port::Rtcp => &self.rtcp,
        }
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

/// The poller's name for a socket of the session at `place`.
fn token(place: usize, port: Port) -> epoll::EventData {
    epoll::EventData::new_u64(place as u64 * 2 + u64::from(port == Port::Rtcp))
}

/// Reads the poller's name back.
pub(super) fn place_and_port(token: epoll::EventData) -> (usize, Port) {
    let token = token.u64();
    ((token / 2) as usize, if token.is_multiple_of(2) { Port::Rtp } else { Port::Rtcp })
}

/// Asks the network for haste. Where it may not be asked, the call is no worse than without.
fn mark_expedited(socket: &UdpSocket, local: SocketAddr) {
    let socket = SockRef::from(socket);
    let marked = if local.is_ipv4() { socket.set_tos_v4(EXPEDITED) } else { socket.set_tclass_v6(EXPEDITED) };
    if let Err(error) = marked {
        tracing::debug!(%error, "RTP goes unmarked");
    }
}
