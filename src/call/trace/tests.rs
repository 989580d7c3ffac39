//! Bounded keeping, finding calls by Call-ID, and when a trace is closed.

use super::*;
use crate::sip::{Hop, Transport};

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    Instant::now()
}

fn seen(sip_call_id: &str, number: usize, subject: &str) -> Seen {
    let hop = Hop {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        peer: "192.0.2.9:5060".parse().expect("an address"),
        connection: None,
    };
    let message = format!(
        "OPTIONS sip:a@b SIP/2.0\r\nCall-ID: {sip_call_id}\r\nCSeq: {number} OPTIONS\r\nSubject: {subject}\r\n\r\n"
    );
    Seen::new(Direction::In, hop, message.as_bytes()).expect("a message")
}

fn numbers(trace: &Trace) -> Vec<usize> {
    let number = |message: &Message| {
        let (_, rest) = message.text.as_str().split_once("CSeq: ").expect("a number");
        rest.split(' ').next().expect("a number").parse().expect("a number")
    };
    trace.messages().map(number).collect()
}

#[test]
fn the_first_and_the_last_are_kept_and_the_gap_is_told() {
    let mut trace = Trace::new(CallId(1));
    for number in 0..2 * MESSAGES_MAX {
        trace.push(seen("x", number, ""), Timestamp::UNIX_EPOCH);
    }
    assert_eq!((numbers(&trace).len(), trace.gap()), (2 * MESSAGES_MAX, None));
    for number in 2 * MESSAGES_MAX..1000 {
        trace.push(seen("x", number, ""), Timestamp::UNIX_EPOCH);
    }
    let kept: Vec<usize> = (0..MESSAGES_MAX).chain(1000 - MESSAGES_MAX..1000).collect();
    assert_eq!(numbers(&trace), kept);
    assert_eq!(trace.gap(), Some((MESSAGES_MAX, 1000 - 2 * MESSAGES_MAX as u64)));
}

#[test]
fn bytes_are_bounded_like_messages() {
    let mut trace = Trace::new(CallId(1));
    for number in 0..100 {
        trace.push(seen("x", number, &"x".repeat(60_000)), Timestamp::UNIX_EPOCH);
    }
    let kept: usize = bytes(trace.messages());
    assert!(kept <= 2 * BYTES_MAX, "{kept} bytes");
    let numbers = numbers(&trace);
    assert_eq!((numbers.first(), numbers.last()), (Some(&0), Some(&99)));
    let (after, left_out) = trace.gap().expect("a gap");
    assert_eq!(numbers.len() as u64 + left_out, 100);
    assert!(numbers[after - 1] + 1 < numbers[after]);
}

#[test]
fn a_trace_reads_back_as_it_was_written() {
    let mut trace = Trace::new(CallId(7));
    for number in 0..200 {
        trace.push(seen("x", number, "é"), Timestamp::UNIX_EPOCH);
    }
    let text = serde_json::to_string(&trace).expect("it can be written");
    assert_eq!(serde_json::from_str::<Trace>(&text).expect("it can be read"), trace);
}

#[test]
fn messages_find_their_call_and_others_none() {
    let (mut traces, now) = (Traces::default(), start());
    traces.begin(CallId(1), "one");
    traces.begin(CallId(2), "two");
    for (id, number) in [("one", 1), ("two", 2), ("three", 3), ("one", 4)] {
        traces.see(seen(id, number, ""), Timestamp::UNIX_EPOCH, now);
    }
    assert_eq!(traces.get(CallId(1)).map(numbers), Some(vec![1, 4]));
    assert_eq!(traces.get(CallId(2)).map(numbers), Some(vec![2]));
}

#[test]
fn a_trace_closes_once_its_call_is_over_and_quiet() {
    let (mut traces, now) = (Traces::default(), start());
    let second = Duration::from_secs(1);
    traces.begin(CallId(1), "one");
    assert_eq!(traces.poll_timeout(), None);
    traces.end(CallId(1), now);
    // The BYE again, and its answer at last.
    traces.see(seen("one", 1, ""), Timestamp::UNIX_EPOCH, now + 4 * second);
    traces.handle_timeout(now + 8 * second);
    assert_eq!(traces.poll_closed(), None);
    assert_eq!(traces.poll_timeout(), Some(now + 9 * second));
    traces.handle_timeout(now + 9 * second);
    assert_eq!(traces.poll_closed().as_ref().map(numbers), Some(vec![1]));
    assert!(traces.open.is_empty() && traces.by_sip_call_id.is_empty() && traces.lingering == 0);
}

#[test]
fn a_peer_that_goes_on_and_on_keeps_no_trace_open() {
    let (mut traces, now) = (Traces::default(), start());
    traces.begin(CallId(1), "one");
    traces.end(CallId(1), now);
    for second in 0..40 {
        let now = now + Duration::from_secs(second);
        traces.handle_timeout(now);
        traces.see(seen("one", 1, ""), Timestamp::UNIX_EPOCH, now);
    }
    assert_eq!(traces.poll_closed().map(|trace| trace.messages().count()), Some(32));
}

#[test]
fn a_call_id_used_twice_belongs_to_the_call_that_is_up() {
    let (mut traces, now) = (Traces::default(), start());
    traces.begin(CallId(1), "one");
    traces.begin(CallId(2), "one");
    assert!(traces.get(CallId(1)).is_some() && traces.get(CallId(2)).is_none());
    traces.end(CallId(1), now);
    traces.begin(CallId(3), "one");
    traces.see(seen("one", 3, ""), Timestamp::UNIX_EPOCH, now);
    assert_eq!(traces.poll_closed().map(|trace| trace.call), Some(CallId(1).to_string()));
    assert_eq!(traces.get(CallId(3)).map(numbers), Some(vec![3]));
}

#[test]
fn only_so_many_linger() {
    let (mut traces, now) = (Traces::default(), start());
    for number in 0..=LINGERING_MAX as u64 {
        traces.begin(CallId(number), &number.to_string());
        traces.end(CallId(number), now + Duration::from_millis(number));
    }
    assert_eq!(traces.poll_closed().map(|trace| trace.call), Some(CallId(0).to_string()));
    assert_eq!((traces.poll_closed(), traces.lingering), (None, LINGERING_MAX));
    traces.close_ended();
    assert_eq!((traces.closed.len(), traces.open.len()), (LINGERING_MAX, 0));
}
