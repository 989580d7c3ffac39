//! A collector of HEP packets: a socket, and the chunks of what it is sent, read by the specification and not by the
//! code under test.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// The longest that a packet may be.
const PACKET_BYTES_MAX: usize = 65_535;

/// A socket that packets are sent to.
pub struct Collector(UdpSocket);

/// One packet: chunks by type.
pub struct Packet(Vec<(u16, Vec<u8>)>);

impl Collector {
    /// Listens on a free port of the loopback.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out that is not zero");
        Self(socket)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    /// Every packet that has come.
    pub fn packets(&self) -> Vec<Packet> {
        let mut room = vec![0; PACKET_BYTES_MAX];
        let mut packets = Vec::new();
        while let Ok(length) = self.0.recv(&mut room) {
            packets.push(Packet::read(&room[..length]));
        }
        packets
    }
}

impl Packet {
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!((&bytes[..4], usize::from(number(4))), (b"HEP3".as_slice(), bytes.len()));
        let (mut at, mut chunks) = (6, Vec::new());
        while at < bytes.len() {
            let length = usize::from(number(at + 4));
            assert_eq!(number(at), 0, "the standard's own chunks");
            chunks.push((number(at + 2), bytes[at + 6..at + length].to_vec()));
            at += length;
        }
        Self(chunks)
    }

    /// The value of a chunk.
    pub fn chunk(&self, kind: u16) -> &[u8] {
        let chunk = self.0.iter().find(|(of, _)| *of == kind);
        &chunk.unwrap_or_else(|| panic!("a packet without chunk {kind}")).1
    }

    /// The SIP message.
    pub fn message(&self) -> String {
        String::from_utf8_lossy(self.chunk(15)).into_owned()
    }
}
