//! RTP packets: a reader that gives a view, and a writer of the plain 12-octet header (RFC 3550 §5.1).
//!
//! We send no contributing sources, extensions or padding; what others send of them is stepped over.

use std::fmt;

use rtp_rs::RtpReader;

/// Octets of the header that we write: no contributing sources, no extension.
pub const HEADER_LEN: usize = 12;

/// Version 2 in the two highest bits (RFC 3550 §5.1).
const VERSION: u8 = 2 << 6;

/// The fixed header fields that matter to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the payload is, 0-127.
    pub payload_type: u8,
    /// The start of a talkspurt (RFC 3551 §4.1) or of an event (RFC 4733 §2.2.1).
    pub marker: bool,
    /// Counts packets; wraps.
    pub sequence: u16,
    /// When the first sample was taken, in ticks of the payload's clock; wraps.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// The header as it stands before the payload.
    pub fn octets(&self) -> [u8; HEADER_LEN] {
        let mut octets = [0; HEADER_LEN];
        octets[0] = VERSION;
        octets[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7F;
        octets[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        octets[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        octets[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        octets
    }
}

/// A packet as received. Its `Debug` leaves the payload out, because that may be a key of a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// What it carries, without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` if it is no RTP packet of version 2, or one whose own lengths do not fit in it.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let reader = RtpReader::new(datagram).ok()?;
        let header = Header {
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
        };
        Some(Self { header, payload: reader.payload() })
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Packet")
            .field("header", &self.header)
            .field("payload", &format_args!("{} octets", self.payload.len()))
            .finish()
    }
}

/// Whether a datagram that came to a port shared by both is RTCP (RFC 5761 §4: packet types 192-223).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|packet_type| (192..=223).contains(packet_type))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { payload_type: 8, marker: true, sequence: 0x1234, timestamp: 0x5678_9ABC, ssrc: 0xDEF0_1234 };

    #[test]
    fn the_header_is_written_as_the_rfc_draws_it() {
        let expected = [0x80, 0x88, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x12, 0x34];
        assert_eq!(HEADER.octets(), expected);
    }

    #[test]
    fn sources_extensions_and_padding_are_stepped_over() {
        let fixed = HEADER.octets();
        let with = |first: u8, rest: &[u8]| {
            let mut datagram = fixed.to_vec();
            datagram[0] = first;
            datagram.extend(rest);
            datagram
        };
        let table = [
            ("plain", with(0x80, &[1, 2]), Some(&[1, 2][..])),
            ("no payload", with(0x80, &[]), Some(&[][..])),
            ("one source", with(0x81, &[9, 9, 9, 9, 1, 2]), Some(&[1, 2][..])),
            ("an extension", with(0x90, &[0, 0, 0, 1, 9, 9, 9, 9, 1, 2]), Some(&[1, 2][..])),
            ("padding", with(0xA0, &[1, 2, 0, 2]), Some(&[1, 2][..])),
            ("more padding than packet", with(0xA0, &[1, 2, 0, 77]), None),
            ("more sources than packet", with(0x8F, &[1, 2]), None),
            ("a longer extension than packet", with(0x90, &[0, 0, 0, 9, 1]), None),
            ("version 1", with(0x40, &[1, 2]), None),
        ];
        for (name, datagram, payload) in table {
            assert_eq!(Packet::read(&datagram).map(|packet| packet.payload), payload, "{name}");
        }
        assert_eq!(Packet::read(&fixed[..11]), None);
    }

    #[test]
    fn no_payload_shows_in_debug() {
        let mut datagram = HEADER.octets().to_vec();
        datagram.extend([4, 0x0A, 0x03, 0x20]);
        let shown = format!("{:?}", Packet::read(&datagram).expect("a packet"));
        assert!(shown.contains("4 octets") && !shown.contains('['), "{shown}");
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(datagram: Vec<u8>) {
            if let Some(packet) = Packet::read(&datagram) {
                prop_assert!(packet.payload.len() + HEADER_LEN <= datagram.len());
            }
            is_rtcp(&datagram);
        }

        #[test]
        fn headers_read_back(
            payload_type in 0_u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32, payload: Vec<u8>,
        ) {
            let header = Header { payload_type, marker, sequence, timestamp, ssrc };
            let mut datagram = header.octets().to_vec();
            datagram.extend(&payload);
            prop_assert_eq!(Packet::read(&datagram), Some(Packet { header, payload: &payload }));
        }
    }
}
