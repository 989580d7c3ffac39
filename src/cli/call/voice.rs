//! The test caller's side of one RTP stream: silence, keys, and the samples that come in (RFC 3550, RFC 4733).
//!
//! It sends no speech and no RTCP, and does not reorder: what arrives late is heard late.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::script::KEY_HELD;
use crate::audio::{Codec, G722Decoder, Law, OpusDecoder};
use crate::rtp::packet::HEADER_LEN;
use crate::rtp::telephone_event::PAYLOAD_LEN;
use crate::rtp::{Header, KeyPress, Packet};
use crate::sdp::{self, Negotiated};
use crate::secret::Digit;

/// What we send at, whatever was agreed: every receiver takes 20 ms (RFC 3551 §4.2).
const PACKET_TIME: Duration = Duration::from_millis(20);
/// Samples of [`PACKET_TIME`] at 8000 Hz, the most octets that silence takes.
const SAMPLES: usize = 160;

/// Where a stream begins (RFC 3550 §5.1: all three are random).
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Synchronisation source.
    pub ssrc: u32,
    /// First sequence number.
    pub sequence: u16,
    /// First timestamp.
    pub timestamp: u32,
}

/// One stream out and one in.
pub struct Voice {
    codec: Codec,
    decoders: Decoders,
    payload_type: u8,
    telephone_event: Option<u8>,
    sends: bool,
    header: Header,
    due: Instant,
    keys: VecDeque<Digit>,
    pressing: Option<Pressing>,
}

/// What has to be known of earlier packets to make sound of a codec's next.
#[derive(Default)]
struct Decoders {
    g722: G722Decoder,
    opus: Option<Box<OpusDecoder>>,
}

struct Pressing {
    packets: KeyPress,
    /// The timestamp of the key's beginning, which all of its packets bear.
    timestamp: u32,
}

impl Voice {
    /// A stream whose first packet is due now.
    pub fn new(origin: Origin, agreed: &Negotiated, now: Instant) -> Self {
        let Origin { ssrc, sequence, timestamp } = origin;
        let header = Header { payload_type: 0, marker: true, sequence, timestamp, ssrc };
        let mut voice = Self {
            codec: Codec::Pcmu,
            decoders: Decoders::default(),
            payload_type: 0,
            telephone_event: None,
            sends: true,
            header,
            due: now,
            keys: VecDeque::new(),
            pressing: None,
        };
        voice.change(agreed);
        voice
    }

    /// Takes what a new offer and answer settled.
    pub fn change(&mut self, agreed: &Negotiated) {
        self.codec = match agreed.codec {
            sdp::Codec::Pcmu => Codec::Pcmu,
            sdp::Codec::Pcma => Codec::Pcma,
            sdp::Codec::G722 => Codec::G722,
            sdp::Codec::Opus => Codec::Opus,
        };
        self.payload_type = agreed.payload_type;
        self.telephone_event = agreed.telephone_event;
        self.sends = agreed.sends;
    }

    /// Presses a key after those that are being pressed. Does nothing where the peer takes no telephone-events.
    pub fn press(&mut self, key: Digit) {
        if self.telephone_event.is_some() {
            self.keys.push_back(key);
        }
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// The packet that is due at `now`, if one is; ask until there is none. Packets missed because nobody asked
    /// are not made up for.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        while now >= self.due {
            let missed = now >= self.due + PACKET_TIME * 5;
            let packet = if missed || !self.sends { None } else { Some(self.next_packet()) };
            self.due += PACKET_TIME;
            self.header.timestamp = self.header.timestamp.wrapping_add(self.ticks());
            if packet.is_some() {
                return packet;
            }
        }
        None
    }

    /// How far the timestamp goes on with each packet.
    fn ticks(&self) -> u32 {
        PACKET_TIME.as_millis() as u32 * u32::from(self.codec.ticks_per_ms())
    }

    fn next_packet(&mut self) -> Vec<u8> {
        if self.pressing.is_none()
            && let Some(key) = self.keys.pop_front()
        {
            let packets = KeyPress::new(key, KEY_HELD).with_clock(self.codec.ticks_per_ms());
            self.pressing = Some(Pressing { packets, timestamp: self.header.timestamp });
        }
        let event = self.pressing.as_mut().and_then(|key| Some((key.packets.next()?, key.timestamp)));
        let Some((key, timestamp)) = event else {
            // The first audio after a key is a new talkspurt (RFC 3551 §4.1).
            self.header.marker |= self.pressing.take().is_some();
            let header = Header { payload_type: self.payload_type, ..self.header };
            let mut silence = [0; SAMPLES];
            let length = self.codec.put_silence(SAMPLES, &mut silence);
            return self.packet(header, &silence[..length]);
        };
        let payload_type = self.telephone_event.unwrap_or(self.payload_type);
        let header = Header { payload_type, marker: key.marker, timestamp, ..self.header };
        self.packet(header, &key.event.octets())
    }

    fn packet(&mut self, header: Header, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(HEADER_LEN + payload.len().max(PAYLOAD_LEN));
        packet.extend(header.octets());
        packet.extend(payload);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.marker = false;
        packet
    }

    /// Samples at 8000 Hz of a packet of audio, and their place by that clock; `None` for anything else.
    pub fn receive(&mut self, datagram: &[u8]) -> Option<(u32, Vec<i16>)> {
        let Packet { header, payload } = Packet::read(datagram)?;
        // The peer may send either static type that we offered, whichever we send (RFC 3264 §6.1).
        let codec = if header.payload_type == self.payload_type {
            self.codec
        } else {
            Law::from_payload_type(header.payload_type)?.codec()
        };
        let octets = payload.iter().copied();
        let samples = match codec {
            Codec::Pcmu => octets.map(|octet| Law::Mu.decode(octet)).collect(),
            Codec::Pcma => octets.map(|octet| Law::A.decode(octet)).collect(),
            Codec::G722 => octets.map(|octet| self.decoders.g722.decode_narrow(octet)).collect(),
            Codec::Opus => self.decoders.opus.get_or_insert_default().decode(payload).to_vec(),
        };
        Some((header.timestamp / u32::from(codec.ticks_per_ms() / 8), samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::TelephoneEvent;

    const ORIGIN: Origin = Origin { ssrc: 7, sequence: u16::MAX, timestamp: 1000 };

    fn agreed() -> Negotiated {
        Negotiated {
            codec: sdp::Codec::Pcma,
            payload_type: 8,
            telephone_event: Some(101),
            own: None,
            packet_time: PACKET_TIME,
            remote: "127.0.0.1:4000".parse().expect("an address"),
            remote_rtcp: "127.0.0.1:4001".parse().expect("an address"),
            sends: true,
            receives: true,
            keys: None,
        }
    }

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    /// Header and payload of the packets of this many ticks.
    fn packets(voice: &mut Voice, zero: Instant, ticks: std::ops::Range<u32>) -> Vec<(Header, Vec<u8>)> {
        let sent = ticks.filter_map(|tick| voice.poll_transmit(zero + PACKET_TIME * tick));
        sent.map(|datagram| {
            let packet = Packet::read(&datagram).expect("RTP");
            (packet.header, packet.payload.to_vec())
        })
        .collect()
    }

    #[test]
    fn silence_is_sent_on_the_grid() {
        let zero = start();
        let mut voice = Voice::new(ORIGIN, &agreed(), zero);
        let sent = packets(&mut voice, zero, 0..3);
        let headers: Vec<_> =
            sent.iter().map(|(h, _)| (h.payload_type, h.marker, h.sequence, h.timestamp)).collect();
        assert_eq!(headers, [(8, true, u16::MAX, 1000), (8, false, 0, 1160), (8, false, 1, 1320)]);
        assert!(sent.iter().all(|(_, payload)| payload == &[Codec::Pcma.silence(); SAMPLES]));
        assert_eq!(voice.poll_transmit(zero + PACKET_TIME * 2), None, "one packet for each instant");
        assert_eq!(voice.poll_timeout(), zero + PACKET_TIME * 3);
    }

    #[test]
    fn keys_share_the_stream_with_silence() {
        let zero = start();
        let mut voice = Voice::new(ORIGIN, &agreed(), zero);
        packets(&mut voice, zero, 0..2);
        voice.press(Digit::STAR);
        voice.press(Digit::HASH);
        let sent = packets(&mut voice, zero, 2..20);
        let sequences: Vec<_> = sent.iter().map(|(header, _)| header.sequence).collect();
        assert_eq!(sequences, (1..19).collect::<Vec<_>>(), "one sequence");
        let event = |index: usize| TelephoneEvent::read(&sent[index].1).expect("an event");
        for (first, code) in [(0, 10), (9, 11)] {
            let key = &sent[first..first + 8];
            assert!(key.iter().all(|(h, _)| h.payload_type == 101 && h.timestamp == key[0].0.timestamp));
            assert_eq!(
                (event(first).code, event(first).duration, event(first + 7).duration),
                (code, 160, 800)
            );
            assert!(sent[first].0.marker && event(first + 7).end);
        }
        let after = sent[8].0;
        assert_eq!((after.payload_type, after.marker, after.timestamp), (8, true, 1000 + 10 * 160));
    }

    #[test]
    fn packets_missed_are_not_made_up_for_and_hold_sends_none() {
        let zero = start();
        let mut voice = Voice::new(ORIGIN, &agreed(), zero);
        let late = zero + PACKET_TIME * 100;
        let mut count = 0;
        while let Some(datagram) = voice.poll_transmit(late) {
            count += 1;
            let header = Packet::read(&datagram).expect("RTP").header;
            assert!(header.timestamp >= 1000 + 95 * 160, "time has gone on");
        }
        assert_eq!(count, 5);
        voice.change(&Negotiated { sends: false, ..agreed() });
        assert_eq!(voice.poll_transmit(late + PACKET_TIME * 3), None);
    }

    #[test]
    fn opus_has_a_clock_of_its_own_for_sound_and_keys() {
        let zero = start();
        let opus = Negotiated { codec: sdp::Codec::Opus, payload_type: 111, ..agreed() };
        let mut voice = Voice::new(ORIGIN, &opus, zero);
        let sent = packets(&mut voice, zero, 0..2);
        assert_eq!(sent[1].0.timestamp, 1000 + 960);
        assert_eq!(sent[1].1, [0xB8, 0xFF, 0xFE], "a packet of silence");
        voice.press(Digit::STAR);
        let key = packets(&mut voice, zero, 2..10);
        let durations = key.iter().filter_map(|(_, payload)| TelephoneEvent::read(payload));
        assert_eq!(durations.map(|event| event.duration).collect::<Vec<_>>()[..2], [960, 1920]);
        let header = Header { payload_type: 111, marker: false, sequence: 1, timestamp: 4800, ssrc: 9 };
        let (at, samples) =
            voice.receive(&[&header.octets()[..], &[0xB8, 0xFF, 0xFE]].concat()).expect("audio");
        let expected = if crate::audio::OPUS_SPOKEN { vec![0; SAMPLES] } else { Vec::new() };
        assert_eq!((at, samples), (800, expected));
    }

    #[test]
    fn either_law_is_heard_and_nothing_else() {
        let mut voice = Voice::new(ORIGIN, &agreed(), start());
        let datagram = |payload_type: u8, payload: &[u8]| {
            let header = Header { payload_type, marker: false, sequence: 1, timestamp: 160, ssrc: 9 };
            [&header.octets()[..], payload].concat()
        };
        let loud = Law::Mu.encode(8000);
        let (timestamp, samples) = voice.receive(&datagram(0, &[loud; 2])).expect("audio");
        assert_eq!((timestamp, samples), (160, vec![Law::Mu.decode(loud); 2]));
        assert!(voice.receive(&datagram(8, &[0xd5])).is_some());
        assert_eq!(voice.receive(&datagram(101, &[1, 10, 0, 160])), None);
        assert_eq!(voice.receive(&[0x80]), None);
    }
}
