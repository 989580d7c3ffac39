//! The filter that keeps a caller's audio inside the kernel: classic BPF on the RTP socket.
//!
//! An IVR listens for keys, not to what callers say, and to read a packet costs as much as to send one. So of the
//! agreed audio one packet in 32 is passed, which shows that the caller is there and how well the packets come.
//! Everything else passes: telephone-events, RTCP, and whatever is not what was agreed on.

use socket2::SockFilter;

use crate::media::SAMPLED;

/// A socket's filter sees a datagram from its UDP header on (`sk_filter_trim_cap` in the kernel's `net/ipv4/udp.c`).
const RTP: u32 = 8;
/// The length passed of a datagram that passes: all of it.
const WHOLE: u32 = u32::MAX;

// Instructions of classic BPF, as linux/bpf_common.h composes them.
const LOAD_OCTET: u16 = 0x30;
const LOAD_PAIR: u16 = 0x28;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Drops packets of this payload type, but for those whose sequence number is a multiple of [`SAMPLED`].
///
/// A datagram too short to be looked into is dropped by BPF itself; so is one of fewer than four octets here, which
/// is neither RTP nor RTCP.
pub(super) fn thin_out(payload_type: u8) -> [SockFilter; 7] {
    const STATEMENT: (u8, u8) = (0, 0);
    let step = |code, (then, otherwise), operand| SockFilter::new(code, then, otherwise, operand);
    [
        step(LOAD_OCTET, STATEMENT, RTP + 1),
        // Without the marker. RTCP's 192-223 come out as 64-95, which no audio has (RFC 5761 §4).
        step(AND, STATEMENT, 0x7F),
        step(JUMP_IF_EQUAL, (0, 3), u32::from(payload_type)),
        step(LOAD_PAIR, STATEMENT, RTP + 2),
        step(JUMP_IF_ANY_BIT, (0, 1), u32::from(SAMPLED - 1)),
        step(RETURN, STATEMENT, 0),
        step(RETURN, STATEMENT, WHOLE),
    ]
}
