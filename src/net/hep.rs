//! HEP: copies of SIP messages for a collector such as Homer, in version 3 of its format ("HEP3 Network Protocol
//! Specification", rev. 36): chunks of vendor, type, length and value, in one UDP datagram a message.
//!
//! A copy is sent now or not at all: calls do not wait for whoever watches them. What was secret in a message is not
//! in its copy; names and numbers are, unencrypted, so the way to the collector has to be one's own. HEP over TCP and
//! TLS, and media statistics, are not spoken.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::sip::{Direction, Seen, Transport};

/// What every packet begins with.
const MAGIC: &[u8; 4] = b"HEP3";

/// Chunks of the standard's own are of vendor 0.
const VENDOR: u16 = 0;

/// Magic and total length.
const HEADER_BYTES: usize = 6;

/// Vendor, type and length of a chunk.
const CHUNK_HEADER_BYTES: usize = 6;

/// Protocol families and protocols, as the sockets interface and IP number them.
const FAMILY_IPV4: u8 = 2;
const FAMILY_IPV6: u8 = 10;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;

/// What is in the packet: SIP.
const TYPE_SIP: u8 = 1;

/// The generic chunk types that a SIP message needs.
#[derive(Clone, Copy)]
#[repr(u16)]
enum Chunk {
    Family = 1,
    Protocol = 2,
    SourceIpv4 = 3,
    DestinationIpv4 = 4,
    SourceIpv6 = 5,
    DestinationIpv6 = 6,
    SourcePort = 7,
    DestinationPort = 8,
    Seconds = 9,
    Microseconds = 10,
    PayloadType = 11,
    CaptureId = 12,
    Password = 14,
    Payload = 15,
    CorrelationId = 17,
}

/// Where copies go, and as what.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The collector's UDP address.
    pub to: SocketAddr,
    /// Which of its agents we are.
    pub id: u32,
    /// What the collector lets us in by.
    pub password: Option<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Config").field("to", &self.to).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Sends copies to one collector.
#[derive(Debug)]
pub struct Exporter {
    config: Config,
    socket: UdpSocket,
    sent: u64,
    dropped: u64,
}

impl Exporter {
    /// Opens a socket of the collector's family, on any port.
    pub fn open(config: Config) -> io::Result<Self> {
        let any = match config.to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // Not connected: so a collector that is down, and says so by ICMP, costs no copy but those sent meanwhile.
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { config, socket, sent: 0, dropped: 0 })
    }

    /// Sends a copy of what was seen `since_epoch` after the beginning of 1970, now or not at all.
    pub fn send(&mut self, seen: &Seen, since_epoch: Duration) {
        let packet = encode(seen, since_epoch, &self.config);
        let sent = packet.is_some_and(|packet| self.socket.send_to(&packet, self.config.to).is_ok());
        self.sent += u64::from(sent);
        self.dropped += u64::from(!sent);
    }

    /// How many copies have been sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many copies have not: the kernel had no room, or they were too large.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The packet of a message; `None` for one that is longer than a packet can say.
fn encode(seen: &Seen, since_epoch: Duration, config: &Config) -> Option<Vec<u8>> {
    let hop = &seen.hop;
    let (source, destination) = match seen.direction {
        Direction::In => (hop.peer, hop.local),
        Direction::Out => (hop.local, hop.peer),
    };
    let mut packet = Packet::new(seen.text.as_str().len());
    packet.push_addresses(source, destination)?;
    packet.push(
        Chunk::Protocol,
        &[match hop.transport {
            Transport::Udp => PROTOCOL_UDP,
            // There is no word for TLS: what is copied is what was in it.
            Transport::Tcp | Transport::Tls => PROTOCOL_TCP,
        }],
    )?;
    packet.push(Chunk::SourcePort, &source.port().to_be_bytes())?;
    packet.push(Chunk::DestinationPort, &destination.port().to_be_bytes())?;
    // Unsigned, it lasts until 2106.
    packet.push(Chunk::Seconds, &(since_epoch.as_secs() as u32).to_be_bytes())?;
    packet.push(Chunk::Microseconds, &since_epoch.subsec_micros().to_be_bytes())?;
    packet.push(Chunk::PayloadType, &[TYPE_SIP])?;
    packet.push(Chunk::CaptureId, &config.id.to_be_bytes())?;
    if let Some(password) = &config.password {
        packet.push(Chunk::Password, password.as_bytes())?;
    }
    if let Some(sip_call_id) = &seen.sip_call_id {
        packet.push(Chunk::CorrelationId, sip_call_id.as_bytes())?;
    }
    packet.push(Chunk::Payload, seen.text.as_str().as_bytes())?;
    packet.finish()
}

struct Packet(Vec<u8>);

impl Packet {
    fn new(payload_bytes: usize) -> Self {
        // More than all other chunks have, so that it grows once at the most.
        let mut bytes = Vec::with_capacity(payload_bytes + 256);
        bytes.extend(MAGIC);
        bytes.extend([0, 0]);
        Self(bytes)
    }

    fn push(&mut self, chunk: Chunk, value: &[u8]) -> Option<()> {
        let length = u16::try_from(CHUNK_HEADER_BYTES + value.len()).ok()?;
        self.0.extend(VENDOR.to_be_bytes());
        self.0.extend((chunk as u16).to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
        Some(())
    }

    fn push_addresses(&mut self, source: SocketAddr, destination: SocketAddr) -> Option<()> {
        match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.push(Chunk::Family, &[FAMILY_IPV4])?;
                self.push(Chunk::SourceIpv4, &source.octets())?;
                self.push(Chunk::DestinationIpv4, &destination.octets())
            }
            (source, destination) => {
                self.push(Chunk::Family, &[FAMILY_IPV6])?;
                self.push(Chunk::SourceIpv6, &as_ipv6(source).octets())?;
                self.push(Chunk::DestinationIpv6, &as_ipv6(destination).octets())
            }
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        let length = u16::try_from(self.0.len()).ok()?;
        self.0[MAGIC.len()..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
        Some(self.0)
    }
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests;
