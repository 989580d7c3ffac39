//! The rules of keying, one by one: each case is a stretch of packets and the keys that a caller meant by it.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::rtp::telephone_event::KeyPress;

/// One packet as it arrives.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Event {
        at: u64,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        code: u8,
        end: bool,
        duration: u16,
        marker: bool,
    },
    Audio {
        sequence: u16,
    },
}

const SSRC: u32 = 0xCAFE;

fn event(at: u64, sequence: u16, timestamp: u32, code: u8, duration: u16) -> Sent {
    Sent::Event { at, ssrc: SSRC, sequence, timestamp, code, end: false, duration, marker: false }
}

fn end(at: u64, sequence: u16, timestamp: u32, code: u8, duration: u16) -> Sent {
    Sent::Event { at, ssrc: SSRC, sequence, timestamp, code, end: true, duration, marker: false }
}

fn audio(sequence: u16) -> Sent {
    Sent::Audio { sequence }
}

/// A press of 60 ms as it should be: three packets, three ends, all under one timestamp.
fn press(at: u64, sequence: u16, timestamp: u32, code: u8) -> Vec<Sent> {
    (0..6_u16)
        .map(|n| {
            let duration = 160 * (n + 1).min(3);
            let make = if n < 3 { event } else { end };
            make(at + 20 * u64::from(n), sequence.wrapping_add(n), timestamp, code, duration)
        })
        .collect()
}

fn some_instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    Instant::now()
}

fn told(sent: &[Sent]) -> String {
    let zero = some_instant();
    let mut receiver = DigitReceiver::default();
    let header =
        |ssrc, sequence, timestamp, marker| Header { payload_type: 101, marker, sequence, timestamp, ssrc };
    let mut keys = String::new();
    for packet in sent {
        match *packet {
            Sent::Audio { sequence } => receiver.audio(&header(SSRC, sequence, 0, false)),
            Sent::Event { at, ssrc, sequence, timestamp, code, end, duration, marker } => {
                let payload = TelephoneEvent { code, end, volume: 10, duration }.octets();
                let packet = Packet { header: header(ssrc, sequence, timestamp, marker), payload: &payload };
                let digit = receiver.telephone_event(&packet, zero + Duration::from_millis(at));
                keys.extend(digit.map(Digit::expose));
            }
        }
    }
    keys
}

/// The given packets of a stretch.
fn only(sent: &[Sent], kept: &[usize]) -> Vec<Sent> {
    kept.iter().map(|&index| sent[index]).collect()
}

fn one_after_another(stretches: impl IntoIterator<Item = Vec<Sent>>) -> Vec<Sent> {
    stretches.into_iter().flatten().collect()
}

#[test]
fn rule_1_a_key_is_told_at_its_first_packet_whichever_that_is() {
    let whole = press(0, 10, 1000, 5);
    let table: [(&str, Vec<Sent>, &str); 9] = [
        ("all of it", whole.clone(), "5"),
        ("its first packet alone", only(&whole, &[0]), "5"),
        ("start lost", only(&whole, &[1, 2, 3, 4, 5]), "5"),
        ("one end alone", only(&whole, &[4]), "5"),
        ("reordered", only(&whole, &[1, 0, 4, 2, 3, 5]), "5"),
        ("copies of everything", only(&whole, &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]), "5"),
        ("two of one key", one_after_another([press(0, 10, 1000, 5), press(200, 20, 2600, 5)]), "55"),
        ("two close together", one_after_another([press(0, 10, 1000, 5), press(120, 16, 1960, 5)]), "55"),
        ("two keys", one_after_another([press(0, 10, 1000, 4), press(120, 16, 1960, 7)]), "47"),
    ];
    for (name, sent, keys) in table {
        assert_eq!(told(&sent), keys, "{name}");
    }
}

#[test]
fn rule_1_the_marker_decides_nothing() {
    let marked = |every: bool| -> Vec<Sent> {
        let mark = |mut sent: Sent| {
            if let Sent::Event { marker, .. } = &mut sent {
                *marker = every;
            }
            sent
        };
        press(0, 10, 1000, 5).into_iter().map(mark).collect()
    };
    assert_eq!(told(&marked(true)), "5");
    assert_eq!(told(&marked(false)), "5");
}

#[test]
fn rule_1_the_last_eight_are_remembered_per_source() {
    let eight: Vec<Sent> =
        (0..8).map(|n| event(n * 200, n as u16 * 10, n as u32 * 1600, n as u8, 160)).collect();
    let again = one_after_another([eight.clone(), eight.clone()]);
    assert_eq!(told(&again), "01234567", "stragglers of all eight");
    let other_source = Sent::Event {
        at: 0,
        ssrc: SSRC + 1,
        sequence: 10,
        timestamp: 1000,
        code: 5,
        end: false,
        duration: 160,
        marker: false,
    };
    assert_eq!(told(&[event(0, 10, 1000, 5, 160), other_source]), "55", "another source, another key");
}

#[test]
fn rule_1_two_keys_under_one_timestamp_are_two() {
    let clock_stands =
        one_after_another([press(0, 10, 1000, 5), press(140, 16, 1000, 6), press(280, 22, 1000, 5)]);
    assert_eq!(told(&clock_stands), "56", "and the same key again is taken for stragglers of the first");
}

#[test]
fn rule_2_ends_and_durations_extend_and_do_not_repeat() {
    let mut many_ends = press(0, 10, 1000, 5);
    many_ends.extend((0..7).map(|n| end(120 + 20 * n, 16 + n as u16, 1000, 5, 480)));
    assert_eq!(told(&many_ends), "5");
    let retransmitted_late =
        one_after_another([press(0, 10, 1000, 5), vec![audio(16), end(900, 17, 1000, 5, 480)]]);
    assert_eq!(told(&retransmitted_late), "5");
}

#[test]
fn rule_2_a_lost_end_is_made_up_for() {
    let start = || vec![event(0, 10, 1000, 5, 160), event(20, 11, 1000, 5, 320)];
    let table: [(&str, Vec<Sent>); 3] = [
        ("by a new timestamp", vec![event(200, 20, 2600, 5, 160)]),
        ("by audio", vec![audio(12), event(60, 13, 1480, 5, 480)]),
        ("by 150 ms", vec![event(171, 12, 1480, 5, 480)]),
    ];
    for (name, then) in table {
        assert_eq!(told(&one_after_another([start(), then])), "55", "{name}");
    }
    let audio_from_before = vec![audio(9), event(60, 12, 1480, 5, 480)];
    assert_eq!(told(&one_after_another([start(), audio_from_before])), "5", "late audio closes nothing");
}

#[test]
fn rule_3_a_long_press_is_one_key() {
    let wrapped: Vec<Sent> =
        (0..900_u32).map(|n| event(20 * u64::from(n), n as u16, 1000, 5, (160 * (n + 1)) as u16)).collect();
    assert_eq!(told(&wrapped), "5", "18 s under one timestamp, the duration wrapping twice");

    let segment = |number: u32| {
        let first = 410 * number;
        (0..410_u32).map(move |n| {
            let duration = (160 * (n + 1)).min(0xFFFF) as u16;
            let at = 20 * u64::from(first + n);
            event(at, (first + n) as u16, (u32::MAX - 500).wrapping_add(number * 0xFFFF), 5, duration)
        })
    };
    let segments: Vec<Sent> = (0..3).flat_map(segment).collect();
    assert_eq!(told(&segments), "5", "three segments, the timestamp wrapping");

    let released = one_after_another([segment(0).collect(), vec![end(8200, 410, u32::MAX - 500, 5, 0xFFFF)]]);
    let pressed_again = event(8240, 412, (u32::MAX - 500).wrapping_add(0xFFFF), 5, 160);
    assert_eq!(told(&one_after_another([released, vec![pressed_again]])), "55", "an end is an end");
}

#[test]
fn rule_3_a_press_stamped_anew_in_every_packet_is_one_key() {
    let restamped = |n: u16| event(20 * u64::from(n), 100 + n, 1000 + 160 * u32::from(n), 5, 160 * (n + 1));
    let restamped_end = |n: u16| end(20 * u64::from(n), 100 + n, 1000 + 160 * u32::from(n), 5, 160 * 6);
    let whole: Vec<Sent> = (0..6).map(restamped).chain((6..9).map(restamped_end)).collect();
    let table: [(&str, Vec<Sent>); 5] = [
        ("all of it", whole.clone()),
        ("one lost", only(&whole, &[0, 1, 3, 4, 5, 6, 7, 8])),
        ("one of its ends lost", only(&whole, &[0, 1, 2, 3, 4, 5, 6, 8])),
        ("two swapped", only(&whole, &[0, 2, 1, 3, 4, 5, 6, 7, 8])),
        ("its ends alone", only(&whole, &[6, 7, 8])),
    ];
    for (name, sent) in table {
        assert_eq!(told(&sent), "5", "{name}");
    }
    let again: Vec<Sent> = whole
        .iter()
        .map(|&sent| match sent {
            Sent::Event { at, sequence, timestamp, end: over, duration, .. } => {
                let make = if over { end } else { event };
                make(at + 260, sequence + 13, timestamp + 2080, 5, duration)
            }
            other @ Sent::Audio { .. } => other,
        })
        .collect();
    assert_eq!(told(&one_after_another([whole, again])), "55", "pressed twice");
}

#[test]
fn rule_3_a_press_some_of_whose_packets_are_stamped_anew_is_one_key() {
    // Nine packets of 20 ms and three ends, of which the last few have the time at which they were sent.
    let stamped_from = |first: u16| -> Vec<Sent> {
        let packet = |n: u16| {
            let timestamp = 1000 + if n < first { 0 } else { 160 * u32::from(n) };
            let make = if n < 9 { event } else { end };
            make(20 * u64::from(n), 100 + n, timestamp, 5, 160 * (n + 1).min(9))
        };
        (0..12).map(packet).collect()
    };
    for first in 1..12 {
        let whole = stamped_from(first);
        assert_eq!(told(&whole), "5", "from packet {first} on");
        for lost in 0..9_usize {
            let kept: Vec<usize> = (0..12).filter(|n| *n != lost).collect();
            assert_eq!(told(&only(&whole, &kept)), "5", "from packet {first} on, without {lost}");
        }
    }
}

#[test]
fn rule_3_presses_of_ends_alone_are_not_run_together() {
    // 40 ms on, 40 ms off, no audio between and the sequence contiguous: the fastest that counts as keying.
    let ends = |n: u16| {
        (0..3).map(move |k| end(u64::from(n) * 80 + k, 3 * n + k as u16, u32::from(n) * 640, 5, 320))
    };
    let four: Vec<Sent> = (0..4).flat_map(ends).collect();
    assert_eq!(told(&four), "5555");
    for lost in 0..12_usize {
        let kept: Vec<usize> = (0..12).filter(|n| *n != lost).collect();
        assert_eq!(told(&only(&four, &kept)), "5555", "without {lost}");
    }
}

#[test]
fn rules_hold_over_the_wrap_of_sequence_and_timestamp() {
    let stretch = one_after_another([
        press(0, 65_533, u32::MAX - 100, 5),
        press(200, 7, 1499, 5),
        vec![end(400, 8, u32::MAX - 100, 5, 480)],
    ]);
    assert_eq!(told(&stretch), "55");
}

#[test]
fn rule_5_what_is_no_key_is_ignored() {
    let zero = some_instant();
    let flash_to_bad_code =
        (16..=255_u8).map(|code| event(0, u16::from(code), u32::from(code) * 1600, code, 160));
    assert_eq!(told(&flash_to_bad_code.collect::<Vec<_>>()), "");
    for (volume, heard) in [(0, true), (36, true), (54, true), (55, false), (63, false)] {
        let payload = TelephoneEvent { code: 5, end: false, volume, duration: 160 }.octets();
        let header = Header { payload_type: 101, marker: true, sequence: 1, timestamp: 1, ssrc: 1 };
        let mut receiver = DigitReceiver::default();
        let digit = receiver.telephone_event(&Packet { header, payload: &payload }, zero);
        assert_eq!(digit.is_some(), heard, "-{volume} dBm0");
        for short in 0..4 {
            let cut = Packet { header: Header { timestamp: 5000, ..header }, payload: &payload[..short] };
            assert_eq!(receiver.telephone_event(&cut, zero), None, "{short} octets");
        }
    }
}

proptest! {
    /// Whatever single packets are lost, copied or swapped with their neighbours, each key that has left any
    /// packet at all is told exactly once and in order.
    #[test]
    fn keys_are_told_once_and_in_order(
        codes in prop::collection::vec(0_u8..16, 1..12),
        held in prop::collection::vec(40_u64..400, 12),
        fates in prop::collection::vec(0_u8..10, 400),
        first_sequence: u16,
        first_timestamp: u32,
    ) {
        let mut sent = Vec::new();
        let mut expected = String::new();
        let (mut at, mut sequence, mut fates) = (0, first_sequence, fates.into_iter().cycle());
        for (&code, &held) in codes.iter().zip(&held) {
            let digit = Digit::from_event(code).expect("0-15 are keys");
            let timestamp = first_timestamp.wrapping_add(at as u32 * 8);
            let mut survived = false;
            for packet in KeyPress::new(digit, Duration::from_millis(held)) {
                let TelephoneEvent { end, duration, .. } = packet.event;
                let one = Sent::Event {
                    at, ssrc: SSRC, sequence, timestamp, code, end, duration, marker: packet.marker,
                };
                let fate = fates.next().expect("the fates are endless");
                let copies = match fate { 0..=2 => 0, 3 => 2, _ => 1 };
                sent.extend(std::iter::repeat_n(one, copies));
                survived |= copies > 0;
                if fate == 4 && sent.len() >= 2 && matches!(sent[sent.len() - 2], Sent::Event { timestamp: t, .. } if t == timestamp) {
                    let last = sent.len() - 1;
                    sent.swap(last, last - 1);
                }
                at += 20;
                sequence = sequence.wrapping_add(1);
            }
            if survived {
                expected.push(digit.expose());
            }
            at += 60;
        }
        prop_assert_eq!(told(&sent), expected);
    }

    /// Whatever octets come as telephone-events: a packet tells the key that it names, and a copy of it, at once or
    /// later, tells nothing.
    #[test]
    fn a_copy_of_a_packet_tells_nothing(
        packets in prop::collection::vec(
            (any::<u16>(), 0_u32..2000, 0_u32..3, prop::collection::vec(any::<u8>(), 0..6), 0_u64..300), 1..40,
        ),
    ) {
        let mut receiver = DigitReceiver::default();
        let mut now = some_instant();
        for (sequence, timestamp, ssrc, payload, wait) in packets {
            let header = Header { payload_type: 101, marker: false, sequence, timestamp, ssrc };
            let packet = Packet { header, payload: &payload };
            if let Some(digit) = receiver.telephone_event(&packet, now) {
                prop_assert_eq!(digit.to_event(), payload[0]);
            }
            prop_assert!(receiver.telephone_event(&packet, now).is_none());
            now += Duration::from_millis(wait);
            prop_assert!(receiver.telephone_event(&packet, now).is_none());
        }
    }
}
