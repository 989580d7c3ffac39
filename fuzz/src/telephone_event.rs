//! Telephone-events to the digit receiver: a packet tells one key at the most, and never one that it has just told.

use std::time::Duration;

use super::{packets, some_instant};
use portero::rtp::telephone_event::PAYLOAD_LEN;
use portero::rtp::{DigitReceiver, Packet, TelephoneEvent};

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let mut receiver = DigitReceiver::default();
    let mut now = some_instant();
    for (flags, datagram) in packets::of(data) {
        let Some(packet) = Packet::read(datagram) else { continue };
        if flags & 1 == 1 {
            receiver.audio(&packet.header);
            continue;
        }
        if let Some(event) = TelephoneEvent::read(packet.payload) {
            // The one bit that is reserved (RFC 4733 §2.3.3) is not kept.
            let mut octets = *packet.payload.first_chunk::<PAYLOAD_LEN>().expect("it was read");
            octets[1] &= !0x40;
            assert_eq!(event.octets(), octets);
        }
        let digit = receiver.telephone_event(&packet, now);
        if let Some(digit) = digit {
            assert_eq!(digit.to_event(), packet.payload[0]);
        }
        // The network may double it, at once or a little later.
        assert!(receiver.telephone_event(&packet, now).is_none());
        now += Duration::from_millis(u64::from(flags >> 1));
        assert!(receiver.telephone_event(&packet, now).is_none());
    }
}
