//! What seals the packets that one side sends, all of one source.

use super::transform::{Place, Transform};
use super::{Kind, MasterKey, rtp_header_len, word};

/// The last index of RTCP under one key (RFC 3711 §9.2).
const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;

/// See the module.
pub struct Sealer {
    rtp: Transform,
    rtcp: Transform,
    /// The index of the last RTP packet.
    last: Option<u64>,
    /// The index of the next RTCP packet.
    rtcp_index: u32,
}

impl Sealer {
    /// One whose first packet is the first of its source.
    pub fn new(key: &MasterKey) -> Self {
        let transform = |kind| Transform::new(key, kind);
        Self { rtp: transform(Kind::Rtp), rtcp: transform(Kind::Rtcp), last: None, rtcp_index: 1 }
    }

    /// Goes on with another key. Counting goes on as well (RFC 3711 §3.3.1).
    pub fn change_key(&mut self, key: &MasterKey) {
        *self = Self { last: self.last, rtcp_index: self.rtcp_index, ..Self::new(key) };
    }

    /// Seals the RTP packet that fills `room` up to `length`; gives its new length.
    ///
    /// `None` where there is no room for what is added, where it is no RTP, and where its sequence number does not go
    /// forward: the same index twice would tell what is in both packets (RFC 7714 §8.4).
    pub fn seal_rtp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        let packet = room.get(..length)?;
        let clear = rtp_header_len(packet)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = word(packet, 8);
        let index = self.count(sequence)?;
        self.rtp.seal_rtp(room, clear, length, Place { ssrc, index })
    }

    /// Counts an RTP packet that is sent as it is.
    pub fn pass_over(&mut self, sequence: u16) {
        self.count(sequence);
    }

    fn count(&mut self, sequence: u16) -> Option<u64> {
        let index = match self.last {
            Some(last) => {
                let ahead = sequence.wrapping_sub(last as u16);
                let index = last + u64::from(ahead);
                ((1..1 << 15).contains(&ahead) && index >> 48 == 0).then_some(index)?
            }
            None => u64::from(sequence),
        };
        self.last = Some(index);
        Some(index)
    }

    /// Seals the compound RTCP packet that fills `room` up to `length`; gives its new length. `None` as above, and when
    /// the key is worn out.
    pub fn seal_rtcp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        let index = self.rtcp_index;
        if index > RTCP_INDEX_MAX || length < 8 || room.len() < length {
            return None;
        }
        self.rtcp_index += 1;
        let place = Place { ssrc: word(room, 4), index: index.into() };
        self.rtcp.seal_rtcp(room, length, place)
    }
}
