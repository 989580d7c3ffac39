//! Keys as gateways send them: stretches of packets, written after what the RFC asks for and what is told of its
//! implementations, each with the keys that its caller meant.
//!
//! A line of a capture is the time in milliseconds and a datagram in hexadecimal; `ff*160` is 160 times the same
//! octet, and `#` begins a comment.

use super::*;

/// The datagrams of a capture, with their times.
fn read(capture: &str) -> Vec<(Duration, Vec<u8>)> {
    let lines = capture.lines().map(|line| line.split('#').next().expect("a line has a beginning").trim());
    lines.filter(|line| !line.is_empty()).map(datagram).collect()
}

fn datagram(line: &str) -> (Duration, Vec<u8>) {
    let (at, words) = line.split_once(' ').expect("a time and a datagram");
    let mut octets = Vec::new();
    for word in words.split_whitespace() {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        let once: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|place| u8::from_str_radix(&digits[place..place + 2], 16).expect("hexadecimal digits"))
            .collect();
        octets.extend(once.repeat(times.parse().expect("a number of times")));
    }
    (at.parse::<u32>().expect("milliseconds") * MS, octets)
}

/// What a session tells of these, and how many packets it takes for lost.
fn told(parameters: Parameters, datagrams: &[(Duration, Vec<u8>)]) -> (String, u64) {
    let mut stage = Stage::new(parameters);
    for (at, datagram) in datagrams {
        stage.run((stage.zero + *at).saturating_duration_since(stage.now));
        stage.session.receive(peer(), datagram, stage.now);
        stage.collect();
    }
    (stage.digits(), stage.session.figures().packets_lost)
}

#[test]
fn captures_hold_the_keys_that_were_meant() {
    // The keys, and the packets that are missing from the sequence.
    let table = [
        ("whole", include_str!("captures/whole.txt"), "5#", 0),
        ("lost_start", include_str!("captures/lost_start.txt"), "5", 3),
        ("lost_ends", include_str!("captures/lost_ends.txt"), "5", 2),
        ("all_ends_lost", include_str!("captures/all_ends_lost.txt"), "55", 6),
        ("all_ends_lost_no_audio", include_str!("captures/all_ends_lost_no_audio.txt"), "55", 3),
        ("ends_alone", include_str!("captures/ends_alone.txt"), "99", 8),
        ("restamped_ends", include_str!("captures/restamped_ends.txt"), "12", 0),
        ("restamped_last_end", include_str!("captures/restamped_last_end.txt"), "77", 0),
        ("restamped_throughout", include_str!("captures/restamped_throughout.txt"), "22", 0),
        ("segmented", include_str!("captures/segmented.txt"), "4", 0),
        ("duration_wraps", include_str!("captures/duration_wraps.txt"), "6", 0),
        ("fast", include_str!("captures/fast.txt"), "4711", 0),
        ("timestamp_wraps", include_str!("captures/timestamp_wraps.txt"), "88", 0),
        ("markers_wrong", include_str!("captures/markers_wrong.txt"), "111", 0),
        ("flash_and_fax", include_str!("captures/flash_and_fax.txt"), "9", 0),
        ("weak", include_str!("captures/weak.txt"), "34", 0),
        ("reordered", include_str!("captures/reordered.txt"), "80", 0),
        ("duplicated", include_str!("captures/duplicated.txt"), "88", 0),
        ("audio_goes_on", include_str!("captures/audio_goes_on.txt"), "6", 0),
        ("clock_stands", include_str!("captures/clock_stands.txt"), "12", 0),
        ("new_source", include_str!("captures/new_source.txt"), "44", 0),
        ("extended", include_str!("captures/extended.txt"), "0", 0),
        ("short", include_str!("captures/short.txt"), "B", 0),
    ];
    for (name, capture, keys, lost) in table {
        assert_eq!(told(parameters(), &read(capture)), (keys.to_owned(), lost), "{name}");
    }
}

/// What a type means is what was agreed on for packets of this direction.
#[test]
fn rule_4_events_count_under_the_type_that_the_peer_sends_them_by() {
    let capture = read(include_str!("captures/type_96.txt"));
    for (telephone_event, keys) in [(Some(96), "3"), (Some(101), ""), (None, "")] {
        let parameters = Parameters { telephone_event, ..parameters() };
        assert_eq!(told(parameters, &capture), (keys.to_owned(), 0), "{telephone_event:?}");
    }
}

/// Whichever one packet of a capture is lost, and whichever one comes twice: the keys stay the same, but where a gateway
/// stamps one key anew, which nothing but its neighbours can tell from another press.
#[test]
fn a_capture_without_any_one_packet_holds_the_same_keys() {
    let table = [
        ("whole", include_str!("captures/whole.txt"), "5#"),
        ("all_ends_lost", include_str!("captures/all_ends_lost.txt"), "55"),
        ("ends_alone", include_str!("captures/ends_alone.txt"), "99"),
        ("restamped_throughout", include_str!("captures/restamped_throughout.txt"), "22"),
        ("segmented", include_str!("captures/segmented.txt"), "4"),
        ("duration_wraps", include_str!("captures/duration_wraps.txt"), "6"),
        ("fast", include_str!("captures/fast.txt"), "4711"),
        ("timestamp_wraps", include_str!("captures/timestamp_wraps.txt"), "88"),
        ("reordered", include_str!("captures/reordered.txt"), "80"),
        ("audio_goes_on", include_str!("captures/audio_goes_on.txt"), "6"),
        ("new_source", include_str!("captures/new_source.txt"), "44"),
    ];
    for (name, capture, keys) in table {
        let whole = read(capture);
        for place in 0..whole.len() {
            let mut without = whole.clone();
            let lost = without.remove(place);
            assert_eq!(told(parameters(), &without).0, keys, "{name} without {place}");
            let mut twice = whole.clone();
            twice.insert(place, lost);
            assert_eq!(told(parameters(), &twice).0, keys, "{name} with {place} twice");
        }
    }
}
