//! RTCP: writing our compound reports and reading what concerns us in theirs (RFC 3550 §6).
//!
//! One report is SR or RR, then SDES with the CNAME, then BYE at the end of a session. APP, feedback (RFC 4585)
//! and extended reports (RFC 3611) are stepped over. When to report is `media`'s business.

use std::time::Duration;

use rtcp_types::prelude::*;
use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock as Block, Sdes, SdesChunk, SdesItem, SenderReport,
};

/// Room enough for any report of ours: SR with one block, SDES with the longest CNAME, BYE.
pub const REPORT_LEN_MAX: usize = 28 + 24 + 4 + 4 + 2 + 255 + 4 + 8;

/// A longer round trip than 30 s, in 1/65536 s, is a mistake.
const ROUND_TRIP_MAX: u32 = 30 << 16;

/// How one source is received (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost in all, a signed number of 24 bits.
    pub cumulative_lost: i32,
    /// Highest sequence number received, wraps in the upper half.
    pub extended_highest: u32,
    /// Interarrival jitter, in ticks of the RTP clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP timestamp of the source's last SR; zero if there was none.
    pub last_sender_report: u32,
    /// How long ago that came, in 1/65536 s.
    pub delay_since_sender_report: u32,
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// 32.32 fixed point seconds of some clock; any steady one will do.
    pub ntp: u64,
    /// The same moment on the RTP clock.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// A compound report of ours.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// Present if we have sent since the last report: SR instead of RR.
    pub sender: Option<SenderInfo>,
    /// Present if we receive somebody.
    pub reception: Option<ReportBlock>,
    /// Our canonical name, at most 255 octets.
    pub cname: &'a str,
    /// Whether the session ends with this.
    pub bye: bool,
}

impl Report<'_> {
    /// Writes the report to the front of `buffer` and tells its length; `None` if the CNAME is too long or the
    /// buffer shorter than [`REPORT_LEN_MAX`] and in fact too short.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let names = SdesChunk::builder(self.ssrc).add_item(SdesItem::builder(SdesItem::CNAME, self.cname));
        let mut compound = Compound::builder();
        compound = if let Some(sender) = self.sender {
            compound.add_packet(self.sender_report(sender))
        } else {
            compound.add_packet(self.receiver_report())
        };
        compound = compound.add_packet(Sdes::builder().add_chunk(names));
        if self.bye {
            compound = compound.add_packet(Bye::builder().add_source(self.ssrc));
        }
        compound.write_into(buffer).ok()
    }

    fn receiver_report(&self) -> rtcp_types::ReceiverReportBuilder {
        let report = ReceiverReport::builder(self.ssrc);
        match self.reception {
            Some(block) => report.add_report_block(block.builder()),
            None => report,
        }
    }

    fn sender_report(&self, sender: SenderInfo) -> rtcp_types::SenderReportBuilder {
        let report = SenderReport::builder(self.ssrc)
            .ntp_timestamp(sender.ntp)
            .rtp_timestamp(sender.timestamp)
            .packet_count(sender.packets)
            .octet_count(sender.octets);
        match self.reception {
            Some(block) => report.add_report_block(block.builder()),
            None => report,
        }
    }
}

impl ReportBlock {
    /// How long the way to the reporter and back is, where this block answers a report of ours; `ntp` is our clock,
    /// by which that report was stamped. A reporter that claims to have held it for longer than it took is not believed.
    pub fn round_trip(&self, ntp: u64) -> Option<Duration> {
        if self.last_sender_report == 0 {
            return None;
        }
        let since = ((ntp >> 16) as u32).wrapping_sub(self.last_sender_report);
        let under_way = since.checked_sub(self.delay_since_sender_report)?;
        (under_way <= ROUND_TRIP_MAX).then(|| Duration::from_secs_f64(f64::from(under_way) / 65536.0))
    }

    fn builder(self) -> rtcp_types::ReportBlockBuilder {
        Block::builder(self.ssrc)
            .fraction_lost(self.fraction_lost)
            .cumulative_lost(self.cumulative_lost.cast_unsigned() & 0xFF_FFFF)
            .extended_sequence_number(self.extended_highest)
            .interarrival_jitter(self.jitter)
            .last_sender_report_timestamp(self.last_sender_report)
            .delay_since_last_sender_report_timestamp(self.delay_since_sender_report)
    }

    fn of(block: &Block<'_>) -> Self {
        Self {
            ssrc: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            // Sign extension from 24 bits.
            cumulative_lost: (block.cumulative_lost() << 8).cast_signed() >> 8,
            extended_highest: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_sender_report: block.last_sender_report_timestamp(),
            delay_since_sender_report: block.delay_since_last_sender_report_timestamp(),
        }
    }
}

/// What a peer's report says that concerns us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Source and NTP timestamp of a sender report.
    pub sender_report: Option<(u32, u64)>,
    /// The block about us.
    pub about_us: Option<ReportBlock>,
    /// Whether the peer said goodbye.
    pub bye: bool,
}

/// Reads a compound packet for what it says of `our_ssrc`; `None` if it is no RTCP. Where a later packet of the
/// compound is damaged, what stood before it counts.
pub fn read(datagram: &[u8], our_ssrc: u32) -> Option<Heard> {
    let mut heard = Heard::default();
    for packet in Compound::parse(datagram).ok()? {
        match packet {
            Ok(Packet::Sr(report)) => {
                heard.sender_report = Some((report.ssrc(), report.ntp_timestamp()));
                heard.note(report.report_blocks(), our_ssrc);
            }
            Ok(Packet::Rr(report)) => heard.note(report.report_blocks(), our_ssrc),
            Ok(Packet::Bye(_)) => heard.bye = true,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Some(heard)
}

impl Heard {
    fn note<'a>(&mut self, mut blocks: impl Iterator<Item = Block<'a>>, our_ssrc: u32) {
        if let Some(block) = blocks.find(|block| block.ssrc() == our_ssrc) {
            self.about_us = Some(ReportBlock::of(&block));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 32,
        cumulative_lost: -2,
        extended_highest: 0x0001_0002,
        jitter: 40,
        last_sender_report: 0x5678_9ABC,
        delay_since_sender_report: 65_536,
    };

    fn written(report: &Report<'_>) -> Vec<u8> {
        let mut buffer = [0; REPORT_LEN_MAX];
        let length = report.write(&mut buffer).expect("the buffer is large enough");
        buffer[..length].to_vec()
    }

    #[test]
    fn a_sender_report_is_written_as_the_rfc_draws_it() {
        let sender = SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 160, packets: 5, octets: 800 };
        let report = Report { ssrc: 9, sender: Some(sender), reception: None, cname: "a", bye: true };
        let expected: &[u8] = &[
            0x80, 200, 0, 6, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 160, 0, 0, 0, 5, 0, 0, 3,
            0x20, // SR
            0x81, 202, 0, 2, 0, 0, 0, 9, 1, 1, b'a', 0, // SDES: CNAME, then the end of the list
            0x81, 203, 0, 1, 0, 0, 0, 9, // BYE
        ];
        assert_eq!(written(&report), expected);
    }

    #[test]
    fn reports_read_back() {
        let sender = SenderInfo { ntp: 77 << 32, timestamp: 1, packets: 2, octets: 3 };
        for (sender, bye) in [(None, false), (Some(sender), true)] {
            let datagram = written(&Report { ssrc: 9, sender, reception: Some(BLOCK), cname: "x@y", bye });
            assert!(crate::rtp::packet::is_rtcp(&datagram));
            let heard = read(&datagram, 7).expect("our own report is readable");
            let sender_report = sender.map(|sender| (9, sender.ntp));
            assert_eq!(heard, Heard { sender_report, about_us: Some(BLOCK), bye });
            assert_eq!(read(&datagram, 8).expect("readable").about_us, None, "the block is about another");
        }
    }

    #[test]
    fn round_trips_are_what_is_left_of_the_time_since_our_report() {
        let at = |sent: u32, held: u32| ReportBlock {
            last_sender_report: sent,
            delay_since_sender_report: held,
            ..BLOCK
        };
        // Our clock stands at 2 s of some epoch, and in the second case just past its wrap.
        let table = [
            (at(0x1_0000, 0x8000), 0x2_0000_0000, Some(500)),
            (at(0xFFFF_C000, 0x4000), 0xFFFF_0000_4000_0000, Some(250)),
            (at(0x1_0000, 0x1_0001), 0x2_0000_0000, None),
            (at(0, 0), 0x2_0000_0000, None),
            (at(0x1_0000, 0), 0x40_0000_0000, None),
        ];
        for (block, ntp, milliseconds) in table {
            assert_eq!(block.round_trip(ntp), milliseconds.map(Duration::from_millis), "{block:?}");
        }
    }

    #[test]
    fn the_longest_name_fits_and_a_longer_one_is_refused() {
        let sender = Some(SenderInfo { ntp: 0, timestamp: 0, packets: 0, octets: 0 });
        let name = "n".repeat(256);
        let report = |cname| Report { ssrc: 9, sender, reception: Some(BLOCK), cname, bye: true };
        assert!(written(&report(&name[..255])).len() <= REPORT_LEN_MAX);
        assert_eq!(report(&name).write(&mut [0; 1024]), None);
        assert_eq!(report("n").write(&mut [0; 40]), None);
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(datagram: Vec<u8>, ssrc: u32) {
            read(&datagram, ssrc);
        }

        /// Whatever a peer says of us, it can be said again, and is the same then.
        #[test]
        fn what_is_heard_of_us_stays_within_its_fields(
            count in 0_u8..4, blocks in prop::collection::vec(any::<u8>(), 24..96), bye: bool,
        ) {
            let mut datagram = vec![0x80 | count, 201, 0, (blocks.len() / 4) as u8 + 1, 0, 0, 0, 9];
            datagram.extend(&blocks[..blocks.len() / 4 * 4]);
            let ours = u32::from_be_bytes([blocks[0], blocks[1], blocks[2], blocks[3]]);
            if let Some(block) = read(&datagram, ours).and_then(|heard| heard.about_us) {
                prop_assert!((-0x80_0000..0x80_0000).contains(&block.cumulative_lost));
                let again = written(&Report { ssrc: 9, sender: None, reception: Some(block), cname: "a", bye });
                prop_assert_eq!(read(&again, ours).and_then(|heard| heard.about_us), Some(block));
            }
        }

        #[test]
        fn damaged_reports_never_panic(at in 0_usize..72, with: u8, length in 0_usize..72) {
            let sender = Some(SenderInfo { ntp: 1, timestamp: 2, packets: 3, octets: 4 });
            let mut datagram =
                written(&Report { ssrc: 9, sender, reception: Some(BLOCK), cname: "x@y", bye: true });
            if let Some(octet) = datagram.get_mut(at) {
                *octet = with;
            }
            datagram.truncate(length);
            if let Some(heard) = read(&datagram, 7) {
                prop_assert!(heard.about_us.is_none_or(|block| block.ssrc == 7));
            }
        }
    }
}
