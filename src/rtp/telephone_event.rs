//! The telephone-event payload (RFC 4733 §2.3), and the packets of a key that is pressed.
//!
//! Only DTMF events are sent. Reading them so that a key counts once is [`super::digits`]' work.

use std::fmt;
use std::time::Duration;

use crate::secret::Digit;

/// Octets of the payload.
pub const PAYLOAD_LEN: usize = 4;

/// What we send: -10 dBm0, well inside of what RFC 4733 §2.3.4 wants accepted.
const VOLUME: u8 = 10;
/// The end is said three times, because nothing else follows that could make up for a lost one (§2.5.1.4).
const END_PACKETS: u16 = 3;
/// The packet time of events that we send.
const PACKET_MS: u16 = 20;

/// One report of an event. Its `Debug` leaves out which event it is: that may be a key of a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// 0-15 are the keys, 16 is flash (RFC 4733 §3.2), the rest are tones and trunk events.
    pub code: u8,
    /// Whether the event is over.
    pub end: bool,
    /// Level in dBm0 with the sign dropped, 0-63: greater is weaker.
    pub volume: u8,
    /// How long it has lasted so far, in ticks of the RTP clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; `None` if it is too short to be one. What may stand behind the first event is ignored.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low] = payload.first_chunk::<PAYLOAD_LEN>()?;
        Some(Self {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The event as a payload.
    pub fn octets(&self) -> [u8; PAYLOAD_LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | self.volume & 0x3F, high, low]
    }
}

impl fmt::Debug for TelephoneEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TelephoneEvent")
            .field("end", &self.end)
            .field("volume", &self.volume)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// The payloads of one pressed key, one for every 20 ms: the first with the marker set, all under the timestamp
/// of the key's beginning, each with its own sequence number, the last three saying that it is over.
#[derive(Clone)]
pub struct KeyPress {
    digit: Digit,
    /// Packets in which the key is held.
    held: u16,
    sent: u16,
    ticks_per_packet: u16,
}

impl KeyPress {
    /// A key held for `duration`, which is rounded up to whole packets and kept between 20 ms and 8 s: what is
    /// longer would need segments (RFC 4733 §2.5.1.3), and no finger is that patient. Its clock is that of G.711.
    pub fn new(digit: Digit, duration: Duration) -> Self {
        let packets = duration.as_millis().div_ceil(u128::from(PACKET_MS)).clamp(1, 400) as u16;
        Self { digit, held: packets, sent: 0, ticks_per_packet: PACKET_MS * 8 }
    }

    /// The same with another clock; with one of 48 ticks in a millisecond no key is held for more than 1.36 s.
    #[must_use]
    pub fn with_clock(self, ticks_per_ms: u16) -> Self {
        let ticks_per_packet = PACKET_MS * ticks_per_ms;
        Self { held: self.held.min(u16::MAX / ticks_per_packet), ticks_per_packet, ..self }
    }
}

/// One packet of a [`KeyPress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPacket {
    /// Whether the marker bit is set.
    pub marker: bool,
    /// What it carries.
    pub event: TelephoneEvent,
}

impl Iterator for KeyPress {
    type Item = KeyPacket;

    fn next(&mut self) -> Option<KeyPacket> {
        if self.sent == self.held + END_PACKETS {
            return None;
        }
        let marker = self.sent == 0;
        self.sent += 1;
        let event = TelephoneEvent {
            code: self.digit.to_event(),
            end: self.sent > self.held,
            volume: VOLUME,
            duration: self.sent.min(self.held) * self.ticks_per_packet,
        };
        Some(KeyPacket { marker, event })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payloads_are_laid_out_as_the_rfc_draws_them() {
        let event = TelephoneEvent { code: 11, end: true, volume: 10, duration: 0x0320 };
        assert_eq!(event.octets(), [11, 0x8A, 0x03, 0x20]);
        assert_eq!(TelephoneEvent::read(&[11, 0x8A, 0x03, 0x20, 99]), Some(event));
        for short in 0..PAYLOAD_LEN {
            assert_eq!(TelephoneEvent::read(&[1; PAYLOAD_LEN][..short]), None);
        }
    }

    #[test]
    fn a_key_is_held_and_its_end_said_three_times() {
        let star = Digit::STAR;
        let packets: Vec<_> = KeyPress::new(star, Duration::from_millis(50))
            .map(|packet| (packet.marker, packet.event.end, packet.event.duration))
            .collect();
        let expected = [
            (true, false, 160),
            (false, false, 320),
            (false, false, 480),
            (false, true, 480),
            (false, true, 480),
            (false, true, 480),
        ];
        assert_eq!(packets, expected);
        assert!(KeyPress::new(star, Duration::ZERO).all(|packet| packet.event.code == star.to_event()));
        assert_eq!(KeyPress::new(star, Duration::from_hours(1)).count(), 403);
        let quick = KeyPress::new(star, Duration::from_hours(1)).with_clock(48);
        let durations: Vec<u16> = quick.map(|packet| packet.event.duration).collect();
        assert_eq!(
            (durations[..2].to_vec(), durations.len(), durations[70]),
            (vec![960, 1920], 71, 68 * 960)
        );
    }

    #[test]
    fn which_key_it_is_does_not_show_in_debug() {
        let shown = |code| format!("{:?}", TelephoneEvent { code, end: false, volume: 10, duration: 160 });
        assert_eq!(shown(4), shown(7));
    }

    proptest! {
        #[test]
        fn every_payload_reads_back(code: u8, end: bool, volume in 0_u8..64, duration: u16) {
            let event = TelephoneEvent { code, end, volume, duration };
            prop_assert_eq!(TelephoneEvent::read(&event.octets()), Some(event));
        }

        #[test]
        fn random_octets_never_panic(payload: Vec<u8>) {
            prop_assert_eq!(TelephoneEvent::read(&payload).is_some(), payload.len() >= PAYLOAD_LEN);
        }
    }
}
